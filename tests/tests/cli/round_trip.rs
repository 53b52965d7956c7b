//! Any valid file comes back byte for byte: real weights, odd files, and files made up at random.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use ecf8_core::synthetic::{SyntheticTensor, noise, safetensors_bytes};
use ecf8_core::{Scheme, schemes};
use ecf8_tests::cli::{Scratch, file, raw_file, sample, weights};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rayon::prelude::*;
use safetensors::Dtype;
use serde_json::Value;

/// All that safetensors 0.8 knows.
const DTYPES: [Dtype; 20] = [
    Dtype::BOOL,
    Dtype::F4,
    Dtype::F6_E2M3,
    Dtype::F6_E3M2,
    Dtype::U8,
    Dtype::I8,
    Dtype::F8_E5M2,
    Dtype::F8_E4M3,
    Dtype::F8_E8M0,
    Dtype::F8_E4M3FNUZ,
    Dtype::F8_E5M2FNUZ,
    Dtype::I16,
    Dtype::U16,
    Dtype::F16,
    Dtype::BF16,
    Dtype::I32,
    Dtype::U32,
    Dtype::F32,
    Dtype::F64,
    Dtype::C64,
];

/// Round trip of one file under every scheme; what `inspect` says must add up. Gives what it says of the usual scheme.
fn comes_back(bytes: &[u8]) -> Value {
    let mut inspections = schemes().iter().map(|&scheme| comes_back_under(scheme, bytes)).collect::<Vec<_>>();
    inspections.swap_remove(0)
}

fn comes_back_under(scheme: &dyn Scheme, bytes: &[u8]) -> Value {
    let scratch = Scratch::new();
    scratch.write("in.safetensors", bytes);
    let inspection = scratch.round_trip_under(scheme, "in.safetensors");
    adds_up(scheme.name(), &inspection, bytes.len(), scratch.read("in.safetensors.packed").len());
    inspection
}

fn adds_up(scheme: &str, inspection: &Value, original: usize, packed: usize) {
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{inspection}"));
    assert_eq!(number(&inspection["file_original_bytes"]), original as u64);
    assert_eq!(number(&inspection["file_bytes"]), packed as u64);
    let tensors = inspection["tensors"].as_array().unwrap();
    let sum = |key: &str| tensors.iter().map(|tensor| number(&tensor[key])).sum::<u64>();
    let (from, to) = (number(&inspection["original_bytes"]), number(&inspection["compressed_bytes"]));
    assert_eq!(from, sum("original_bytes"));
    // Headers, tables and checksums belong to no tensor alone.
    assert!(to > sum("compressed_bytes"), "{inspection}");
    assert_eq!(to, packed as u64 - number(&inspection["kept_bytes"]));
    let ratio = |from: u64, to: u64| if from == 0 { 1.0 } else { to as f64 / from as f64 };
    let close = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-9;
    assert!(close(&inspection["ratio"], ratio(from, to)));
    for tensor in tensors {
        let shape = tensor["shape"].as_array().unwrap();
        assert_eq!(shape.iter().map(number).product::<u64>(), number(&tensor["elements"]));
        let dtype: Dtype = serde_json::from_value(tensor["dtype"].clone()).unwrap();
        let bits = number(&tensor["elements"]) * dtype.bitsize() as u64;
        assert_eq!(8 * number(&tensor["original_bytes"]), bits, "{tensor}");
        let expected = ratio(number(&tensor["original_bytes"]), number(&tensor["compressed_bytes"]));
        assert!(close(&tensor["ratio"], expected), "{tensor}");
        assert_eq!(tensor["scheme"], scheme);
        let byte = tensor["byte_entropy_bits"].as_f64().unwrap();
        assert!((0.0..=8.0).contains(&byte), "{tensor}");
        // Whole numbers have no exponents.
        let exponent = tensor["exponent_entropy_bits"].as_f64().unwrap_or_default();
        let most = if dtype.bitsize() == 8 { byte + 1e-5 } else { 11.0 };
        assert!((0.0..=most).contains(&exponent), "{tensor}");
        if scheme == "exponent-gap" {
            assert_eq!(tensor["codebook"].as_str().unwrap().len(), 16, "one length per exponent");
            // Below entropy is impossible; four raw bits come on top.
            assert!(expected >= (exponent + 4.0) / 8.0, "{tensor}");
        }
    }
}

#[test]
fn real_weights_come_back() {
    let Some(folder) = std::env::var_os("ECF8_TEST_WEIGHTS") else {
        eprintln!("skipped: real weights are tried if ECF8_TEST_WEIGHTS names a folder of safetensors files");
        return;
    };
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    assert!(!files.is_empty(), "there are no safetensors files in {}", folder.display());
    files.par_iter().for_each(|path| {
        comes_back(&std::fs::read(path).unwrap());
    });
}

#[test]
fn a_file_without_tensors_comes_back() {
    for json in ["{}", r#"{"__metadata__":{}}"#, r#"{"__metadata__":{"format":"pt"}}  "#, "{ }", "{\n}\n"] {
        let inspection = comes_back(&raw_file(json, b""));
        assert_eq!((&inspection["ratio"], &inspection["tensors"]), (&1.0.into(), &Value::Array(vec![])));
    }
}

#[test]
fn empty_tensors_scalars_and_odd_lengths_come_back() {
    let mut tensors = vec![
        SyntheticTensor::new("empty", Dtype::F8_E4M3, &[0], vec![]),
        SyntheticTensor::new("empty.matrix", Dtype::F32, &[3, 0, 7], vec![]),
        SyntheticTensor::new("scalar", Dtype::F8_E4M3, &[], vec![0x38]),
        SyntheticTensor::new("scale", Dtype::F32, &[], vec![1, 2, 3, 4]),
        SyntheticTensor::new("deep", Dtype::F8_E4M3, &[1, 1, 1, 1, 1, 1, 1, 2], vec![0x38, 0xb8]),
    ];
    for (seed, count) in [1, 2, 3, 5, 127, 129, 4095, 4097, 8193, 65_537].into_iter().enumerate() {
        tensors.push(weights(&format!("w{count}"), seed as u64, count));
    }
    let inspection = comes_back(&file(&tensors));
    assert!(inspection["tensors"].as_array().unwrap().len() >= 3, "{inspection}");
}

#[test]
fn a_file_without_fp8_is_kept_as_it_is_within_a_kilobyte() {
    let tensors = [
        SyntheticTensor::new("a", Dtype::BF16, &[300, 2], noise(1, 1200)),
        SyntheticTensor::new("b", Dtype::F32, &[100], vec![0; 400]),
    ];
    let bytes = file(&tensors);
    let inspection = comes_back(&bytes);
    assert_eq!((&inspection["kept_tensors"], &inspection["kept_bytes"]), (&2.into(), &1600.into()));
    assert!(inspection["file_bytes"].as_u64().unwrap() < bytes.len() as u64 + 1024, "{inspection}");
}

#[test]
fn every_dtype_comes_back() {
    let tensors = DTYPES.iter().zip(0..).map(|(&dtype, seed)| {
        SyntheticTensor::new(&format!("t.{dtype}"), dtype, &[8, 3], noise(seed, 3 * dtype.bitsize()))
    });
    comes_back(&file(&tensors.collect::<Vec<_>>()));
}

#[test]
fn metadata_come_back_also_under_our_own_key() {
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let manifest = r#"{"format_version":"none","tensors":[]}"#;
    for ours in ["mine", "{}", "[1]", r#"{"format_version":1}"#, manifest] {
        let metadata =
            [text("z", "é \" \\ \n"), text("ecf8", ours), text("", ""), text("a", &"x".repeat(9000))];
        comes_back(&safetensors_bytes(&metadata, &[weights("w", 1, 5000)]).unwrap());
    }
}

#[test]
fn any_name_comes_back_also_those_that_our_parts_would_take() {
    let long = "very.".repeat(2000);
    let names = [
        "",
        ".",
        "..",
        "/",
        "a/b/../c",
        "model.layers.0.weight",
        "naïve/重み/🦀",
        "quote\"back\\slash",
        "tab\tline\nend",
        "\u{1b}[31mred",
        "\u{0}",
        "X",
        "X.encoded",
        "X.packed",
        "X.gaps",
        "X.output_positions",
        "X~",
        "X~.encoded",
        "__ecf8__",
        "__ecf8__.header",
        "__ecf8__.checksums",
        "__ecf8__~.header",
        "ecf8",
        &long,
    ];
    let tensors: Vec<_> = names.iter().zip(0..).map(|(name, seed)| weights(name, seed, 6000)).collect();
    let inspection = comes_back(&file(&tensors));
    let found: Vec<&str> =
        inspection["tensors"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert!(
        found.contains(&"X") && found.contains(&"X.encoded") && found.contains(&"naïve/重み/🦀"),
        "{found:?}"
    );
}

#[test]
fn a_header_in_any_order_and_spacing_comes_back() {
    let (w, data) = (weights("w", 1, 4096).bytes, [9; 8]);
    let json = "{\t\"b\" : {\"data_offsets\":[ 8 , 4104 ], \"shape\":[64,\n64],\"dtype\":\"F8_\\u0045\\u0034M3\"} ,\r\n \
        \"a\":{\"shape\":[2],\"dtype\":\"F32\",\"data_offsets\":[0,8]}, \"__metadata__\":{ }}   \n\t ";
    let inspection = comes_back(&raw_file(json, &[&data[..], &w].concat()));
    assert_eq!(inspection["tensors"][0]["name"], "b");
}

#[test]
fn five_hundred_tensors_come_back() {
    let layer = |i: u64| {
        let name = format!("model.layers.{i}.mlp.experts.gate_proj");
        let scale = SyntheticTensor::new(&format!("{name}.weight_scale_inv"), Dtype::F32, &[1], vec![0; 4]);
        [weights(&format!("{name}.weight"), i, 5000), scale]
    };
    let tensors: Vec<_> = (0..250).flat_map(layer).collect();
    let inspection = comes_back(&file(&tensors));
    assert_eq!(inspection["tensors"].as_array().unwrap().len(), 250);
}

#[test]
fn threads_and_repetition_change_nothing() {
    let scratch = Scratch::new();
    let more: Vec<_> = (0..20).map(|i| weights(&format!("w{i}"), i, 1 << (8 + i / 2))).collect();
    scratch.write("in.safetensors", file(&more));
    for (name, threads) in [("1", "1"), ("2", "2"), ("again", "2"), ("many", "7")] {
        let _ = scratch.run(["compress", "in.safetensors", "-o", name, "--threads", threads]).answer();
        assert!(scratch.read(name) == scratch.read("1"), "{threads} threads give another file");
        let back = format!("{name}.back");
        let _ = scratch.run(["decompress", name, "-o", &back, "--threads", threads]).answer();
        assert!(scratch.read(&back) == scratch.read("in.safetensors"));
    }
}

#[test]
fn compressing_what_was_restored_gives_the_same_file() {
    let scratch = Scratch::new();
    scratch.write("in.safetensors", sample());
    scratch.round_trip("in.safetensors");
    scratch.round_trip("in.safetensors.back");
    assert!(scratch.read("in.safetensors.packed") == scratch.read("in.safetensors.back.packed"));
}

fn tensor() -> impl Strategy<Value = SyntheticTensor> {
    let name = prop_oneof!["[a-c.~/_é\"\\\\\n]{0,8}", "(t|u|__ecf8__)~?(\\.(gaps|header|encoded))?"];
    let dtype = prop_oneof![3 => Just(Dtype::F8_E4M3), 1 => prop::sample::select(&DTYPES[..])];
    let count = prop_oneof![0..4usize, 0..900usize];
    (name, dtype, count, 1..9u64, any::<u64>(), any::<bool>()).prop_map(
        |(name, dtype, count, side, seed, smooth)| {
            let bytes = count * usize::try_from(side).unwrap() * dtype.bitsize();
            let data = if smooth { weights("", seed, bytes).bytes } else { noise(seed, bytes) };
            SyntheticTensor::new(&name, dtype, &[8, side, count as u64], data)
        },
    )
}

/// As a number of spaces after the header and at its commas, so that it is none that a library would write.
fn respaced(bytes: &[u8], spaces: usize) -> Vec<u8> {
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (json, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let json = String::from_utf8(json.to_vec()).unwrap();
    raw_file(json.replace("},\"", &format!("}},{}\"", " ".repeat(spaces))) + &"\n".repeat(spaces), data)
}

#[test]
fn random_files_come_back() {
    let config = ProptestConfig {
        cases: 40,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let metadata = prop::collection::btree_map("[a-z8]{0,5}", ".{0,9}", 0..4);
    let files = (prop::collection::vec(tensor(), 0..10), metadata, 0..4usize);
    let run = TestRunner::new(config).run(&files, |(mut tensors, metadata, spaces)| {
        let mut names = std::collections::HashSet::new();
        tensors.retain(|tensor| names.insert(tensor.name.clone()));
        let metadata: Vec<(String, String)> = metadata.into_iter().collect();
        comes_back(&respaced(&safetensors_bytes(&metadata, &tensors).unwrap(), spaces));
        Ok(())
    });
    run.unwrap();
}
