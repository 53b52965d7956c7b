use super::clock::{Measured, Predicted, Timed};
use super::matmul::{MatmulTimes, Roofline};
use super::paper::{LATENCIES, Matrix};
use super::table::Source;
use super::*;
use crate::executor::logged::Logged;
use ecf8_codegen::strategy::Strategy;
use ecf8_core::Encoded;
use serde_json::Value;

const SMALL: [Matrix; 3] = [
    Matrix { name: "a", inputs: 64, outputs: 512 },
    Matrix { name: "b", inputs: 512, outputs: 128 },
    Matrix { name: "c", inputs: 64, outputs: 64 },
];

/// A GPU on which every launch takes a nanosecond for each byte.
struct BytePerNanosecond {
    launched: Vec<(&'static str, usize)>,
}

impl Clock for BytePerNanosecond {
    fn source(&self) -> Source {
        Source::Measured
    }

    fn device(&self) -> String {
        "a slow one".to_owned()
    }

    fn about(&self) -> String {
        "slowly".to_owned()
    }

    fn choose(&mut self, _: &'static dyn Strategy, _: &Encoded<'_>, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn launch(
        &mut self,
        strategy: &'static dyn Strategy,
        batch: &[&Encoded<'_>],
        bytes: &[&[u8]],
    ) -> Result<Timed, Failure> {
        self.launched.push((strategy.name(), batch.len()));
        let nanoseconds = bytes.iter().map(|bytes| bytes.len() as f64).sum();
        Ok(Timed { nanoseconds, samples_ns: vec![1], params: strategy.params(&[]).unwrap() })
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Multiplications that take a millisecond for each row of the batch.
struct MillisecondPerRow;

impl MatmulTimes for MillisecondPerRow {
    fn source(&self) -> Source {
        Source::Measured
    }

    fn about(&self) -> String {
        "a test's".to_owned()
    }

    fn nanoseconds(&mut self, batch: u32, _: &Matrix) -> Result<f64, Failure> {
        Ok(1e6 * f64::from(batch))
    }
}

/// Makes a table without weights of models.
fn made(sizes: &[u64], make: impl FnOnce(&Request<'_>) -> Result<Table, Failure>) -> Table {
    let scratch = tempfile::tempdir().unwrap();
    make(&Request { weights: &[], scale: 1 << 16, sizes, scratch: scratch.path() }).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_layer_is_one_launch_and_overheads_follow_from_its_time() {
    let mut clock = BytePerNanosecond { launched: Vec::new() };
    let table = made(&[], |request| latency::table(request, &mut clock, &mut MillisecondPerRow, &SMALL));
    let [(clock::PAPERS, 3), (default, 3)] = &clock.launched[..] else { panic!("{:?}", clock.launched) };
    assert_eq!(table.rows.len(), LATENCIES.len());
    // 102,400 bytes in as many nanoseconds, beside three matrices in a millisecond each.
    let row = &table.rows[0];
    assert_eq!(number(&row["fp8"]["ms"]), 3.0);
    for way in ["papers_kernel", "default"] {
        assert!((number(&row[way]["ms"]) - 3.1024).abs() < 1e-9, "{row}");
        assert!((number(&row[way]["overhead_percent_of_fp8"]) - 10.24 / 3.0).abs() < 1e-9, "{row}");
        assert!((number(&row[way]["overhead_percent_of_all"]) - 10.24 / 3.1024).abs() < 1e-9, "{row}");
        assert_eq!(row[way]["decoding"]["source"], "measured");
    }
    assert_eq!(row["default"]["decoding"]["strategy"], *default);
    assert_eq!((&row["paper"]["fp8_ms"], &row["paper"]["overhead_percent"]), (&json!(0.76), &json!(51.86)));
    let text = table.text();
    assert!(text.contains("FP8, ms, measured here") && text.contains("slowly"), "{text}");
}

#[test]
fn speeds_are_bytes_by_time_beside_the_papers_in_the_same_unit() {
    let mut clock = BytePerNanosecond { launched: Vec::new() };
    let table = made(&[8 << 20], |request| speed::table(request, &mut clock));
    let row = &table.rows[0];
    assert!((number(&row["paper_gb_per_s_of_1e9"]) - 211.83).abs() < 0.01, "{row}");
    let kernels = row["kernels"].as_array().unwrap();
    assert_eq!(
        (&kernels[0]["strategy"], &kernels[1]["strategy"]),
        (&json!("gap-cascade"), &json!("gap-wide"))
    );
    for kernel in kernels {
        assert!((number(&kernel["gb_per_s"]) - 1.0).abs() < 1e-9, "{kernel}");
    }
    assert_eq!(kernels.len(), 3);
}

#[test]
fn what_decodes_wrongly_is_never_timed_and_what_is_predicted_says_so() {
    // The clock of a target verifies every launch: here on the emulator.
    let mut clock = Measured::new(Logged::new(), |_| vec!["worked around".to_owned()]);
    assert_eq!(clock.warnings(), ["worked around"]);
    let table = made(&[16 << 10], |request| speed::table(request, &mut clock));
    assert_eq!(table.rows[0]["kernels"][0]["source"], "predicted");
    assert!(number(&table.rows[0]["kernels"][2]["gb_per_s"]) > 0.0);

    let table =
        made(&[16 << 10], |request| speed::table(request, &mut Predicted::new("no GPU was asked").unwrap()));
    assert_eq!((&table.rows[0]["device"], &table.rows[0]["paper"]), (&json!("H100 SXM"), &Value::Null));
    assert!(table.text().contains("no GPU was asked"), "{}", table.text());
}

#[test]
fn a_roofline_waits_for_memory_at_small_batches_and_for_operations_at_large_ones() {
    let matrix = Matrix { name: "m", inputs: 4096, outputs: 24_576 };
    let mut h100 = Roofline::H100;
    let mut nanoseconds = |batch| h100.nanoseconds(batch, &matrix).unwrap();
    // 100.7 MB by 3.35 TB/s is 30.05 µs, and little more with a row of input and of output.
    let (one, many) = (nanoseconds(1), nanoseconds(16_384));
    assert!((one / 30_049.0 - 1.0).abs() < 2e-3, "{one}");
    let operations = 2.0 * 16_384.0 * 4096.0 * 24_576.0;
    assert!((many - operations / 1_979_000.0).abs() < 1.0, "{many}");
}

#[test]
fn weights_beyond_64_mib_repeat_and_have_the_entropy_of_a_normal_distribution() {
    let bytes = normal(5000).unwrap();
    assert_eq!(bytes.len(), 5000);
    let long = normal(REPEATED + 3).unwrap();
    let end = usize::try_from(REPEATED).unwrap();
    assert_eq!((&long[end..], long.len()), (&long[..3], end + 3));
    assert!((weights::exponent_entropy(&long) - 2.521).abs() < 0.003);
}
