//! The paper's tables are reproduced: its figures beside ours, with where each comes from and what contradicts itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, gaussian, noise, stored_as};
use ecf8_tests::cli::{Scratch, file};
use safetensors::Dtype;
use serde_json::{Value, json};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The rows of the only table of an answer.
fn rows(answer: &Value) -> &[Value] {
    let [table] = &answer["tables"].as_array().unwrap()[..] else { panic!("{answer:#}") };
    table["rows"].as_array().unwrap()
}

/// A matrix of 256 rows.
fn matrix(name: &str, dtype: Dtype, seed: u64, sigma: f32) -> SyntheticTensor {
    let values = gaussian(seed, 256 * 400, sigma);
    SyntheticTensor::new(name, dtype, &[256, 400], stored_as(&dtype.to_string(), &values).unwrap())
}

#[test]
fn savings_are_within_a_point_and_a_half_of_the_papers_sizes_and_the_default_saves_more() {
    let scratch = Scratch::new();
    let json = scratch.ecf8("reproduce 1 --scale 512K --json").json();
    let rows = rows(&json);
    assert_eq!(rows.len(), 9);
    for row in rows {
        let gb = |at: usize| number(&row["paper"]["gb"][at]);
        let papers = 100.0 * (1.0 - gb(1) / gb(0));
        let saved = |scheme: &str| number(&row[scheme]["saved_percent"]);
        assert!((number(&row["paper_saved_percent_by_sizes"]) - papers).abs() < 1e-9);
        assert!((saved("exponent_gap") - papers).abs() < 1.5, "{papers} {row:#}");
        assert!(saved("default") > saved("exponent_gap"), "{row:#}");
        let entropy = number(&row["weights"]["exponent_entropy_bits"]);
        assert!((entropy - number(&row["paper"]["exponent_entropy_bits"][0])).abs() < 0.002, "{row:#}");
        assert_eq!(
            (&row["exponent_gap"]["source"], &row["exponent_gap"]["saved_percent_of_checkpoint"]["source"]),
            (&json!("measured"), &json!("predicted"))
        );
        // Where the whole checkpoint is known, so is the percentage that the paper lists.
        let of_all = number(&row["exponent_gap"]["saved_percent_of_checkpoint"]["value"]);
        assert!((of_all - number(&row["paper"]["saved_percent"])).abs() < 1.5, "{row:#}");
    }
    let text = scratch.ecf8("reproduce 1 --scale 64K").answer();
    for words in [
        "FLUX.1-dev 10.52 -> 8.29 GB is 21.2 %, listed as 14.1",
        "measured here",
        "predicted",
        "623.19 -> 530.26",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let markdown = scratch.ecf8("reproduce 1 --scale 64K --markdown").answer();
    assert!(markdown.contains("| Qwen3-8B-FP8 "), "{markdown}");
    assert!(scratch.contents().len() == 1, "nothing is left behind: {:?}", scratch.contents().keys());
}

#[test]
fn all_tables_are_made_without_a_gpu_and_raw_results_are_kept() {
    let scratch = Scratch::new();
    let line = "reproduce all --scale 64K --sizes 64K,256K --device emulator --output out.json --json";
    let json = scratch.ecf8(line).json();
    let tables = json["tables"].as_array().unwrap();
    let numbers: Vec<u64> = tables.iter().map(|table| table["table"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 4, 6, 7, 8, 9]);
    let kept: Value = serde_json::from_slice(&scratch.read("out.json")).unwrap();
    assert_eq!(kept, json);
    let counts: Vec<usize> = tables.iter().map(|table| table["rows"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [9, 10, 2, 12, 2, 9]);

    // Table 7's overheads shrink as batches grow, and our decoding takes less than the paper's kernel.
    let latencies = tables[3]["rows"].as_array().unwrap();
    let overhead = |row: &Value, way: &str| number(&row[way]["overhead_percent_of_all"]);
    let (first, last) = (&latencies[0], &latencies[11]);
    for way in ["papers_kernel", "default"] {
        assert!(overhead(first, way) > overhead(last, way), "{first:#} {last:#}");
        assert_eq!(
            (&first[way]["decoding"]["source"], &first["fp8"]["source"]),
            (&json!("predicted"), &json!("predicted"))
        );
    }
    assert!(overhead(first, "default") < overhead(first, "papers_kernel"), "{first:#}");
    // Table 9 follows from table 8's kind of figure.
    for row in tables[5]["rows"].as_array().unwrap() {
        let [rate, hours] =
            ["mb_per_s_of_one_worker", "hours"].map(|key| number(&row["default"][key]["value"]));
        let gb = number(&row["paper"]["gb"]);
        assert!((hours - gb * 1024.0 / (rate * 32.0) / 3600.0).abs() < 1e-9 * hours, "{row:#}");
    }
    scratch.refuses("reproduce 1 --scale 64K --output out.json", 2, &["out.json", "exists", "--force"]);
    let _ = scratch.ecf8("reproduce 4 --scale 64K --output out.json --force").answer();
    let kept: Value = serde_json::from_slice(&scratch.read("out.json")).unwrap();
    assert_eq!(kept["tables"].as_array().unwrap().len(), 1);
}

#[test]
fn real_weights_take_the_place_of_generated_ones_also_from_compressed_files() {
    let scratch = Scratch::new();
    let vector = SyntheticTensor::new("norm", Dtype::BF16, &[500], noise(3, 1000));
    let native = [matrix("a", Dtype::F8_E4M3, 1, 0.05), vector.clone(), matrix("b", Dtype::BF16, 2, 0.5)];
    scratch.write("Qwen3-8B-FP8/model.safetensors", file(&native));
    let json = scratch.ecf8("reproduce 4 --weights Qwen3-8B-FP8 --json").json();
    let [row, _] = rows(&json) else { panic!("{json:#}") };
    // Of a model with FP8 matrices, these alone; and its name says which row of the paper it belongs to.
    assert_eq!((&row["here"]["elements"], &row["paper"]["before_bits"]), (&json!(256 * 400), &json!(2.7295)));

    let wide = [
        matrix("a", Dtype::BF16, 1, 0.05),
        vector,
        matrix("b", Dtype::F32, 2, 0.05),
        matrix("c", Dtype::F16, 3, 0.05),
    ];
    scratch.write("wide.safetensors", file(&wide));
    let _ = scratch.ecf8("compress wide.safetensors -o packed.safetensors").answer();
    let of = |name: &str| {
        let json = scratch.ecf8(&format!("reproduce 1 --weights {name} --scale 60000 --json")).json();
        let [row] = rows(&json) else { panic!("{json:#}") };
        row.clone()
    };
    let (plain, packed) = (of("wide.safetensors"), of("packed.safetensors"));
    assert_eq!(plain["weights"], packed["weights"]);
    assert_eq!(plain["weights"]["origin"], json!({ "real": { "tensors": 3, "cast_to_e4m3": 3 } }));
    assert_eq!((&plain["weights"]["bytes"], &plain["paper"]), (&json!(60_000), &Value::Null));
    let text = scratch.ecf8("reproduce 1 --weights wide.safetensors").answer();
    assert!(text.contains("3 were cast from wider types as they are"), "{text}");
}

#[test]
fn what_cannot_be_reproduced_is_refused() {
    let scratch = Scratch::new();
    scratch.write(
        "codes.safetensors",
        file(&[SyntheticTensor::new("codes", Dtype::I8, &[10, 10], vec![1; 100])]),
    );
    scratch.write("broken.safetensors", "no safetensors");
    scratch.refuses("reproduce 2", 2, &["'2'", "possible values: 1, 4, 6, 7, 8, 9, all"]);
    scratch.refuses("reproduce 1 --scale 2", 2, &["--scale", "1M"]);
    scratch.refuses("reproduce 6 --device cpu", 2, &["emulator"]);
    scratch.refuses("reproduce 4 --weights nothing", 2, &["nothing"]);
    scratch.refuses("reproduce 4 --weights codes.safetensors", 2, &["codes.safetensors", "no matrix"]);
    scratch.refuses("reproduce 4 --weights broken.safetensors", 2, &["broken.safetensors"]);
    scratch.refuses("reproduce 1 --scale 64K --output none/out.json", 2, &["none/out.json"]);
}
