//! What there is to gain is told before anything is written, and what was not compressed is told with the reason.

#![allow(clippy::cast_possible_truncation, reason = "tests choose their numbers")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, gaussian, noise, stored_as};
use ecf8_tests::cli::{Scratch, drifting, file, sample, weights};
use safetensors::Dtype;
use serde_json::{Value, json};

/// Numbers that nothing can be gained of.
fn bf16(name: &str, count: u64) -> SyntheticTensor {
    SyntheticTensor::new(name, Dtype::BF16, &[count], noise(count, 2 * count as usize))
}

/// Gaussian weights.
fn gaussian_in(dtype: Dtype, name: &str, count: u64) -> SyntheticTensor {
    let values = gaussian(count, count as usize, 0.02);
    SyntheticTensor::new(name, dtype, &[count], stored_as(&dtype.to_string(), &values).unwrap())
}

/// What is said of a dtype: compressed or not.
fn of<'a>(json: &'a Value, dtype: &str, compressed: bool) -> &'a Value {
    let dtypes = json["dtypes"].as_array().unwrap();
    let is_it = |one: &&Value| one["dtype"] == dtype && one["compressed"] == compressed;
    dtypes.iter().find(is_it).unwrap_or_else(|| panic!("{dtype}, {compressed}, in {json:#}"))
}

#[test]
fn a_dry_run_writes_nothing_and_predicts_the_size() {
    let scratch = Scratch::new();
    scratch.write("in", file(&[weights("w", 1, 3_000_000), weights("v", 2, 70_000), bf16("norm", 500)]));
    let before = scratch.contents();
    let text = scratch.ecf8("compress in --dry-run").answer();
    for words in [
        "F8_E4M3: compressed",
        "BF16: kept, they would not get smaller; 1 tensor, 1,000 bytes",
        "predicted",
        "about",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let json = scratch.ecf8("compress in -o out --dry-run --json").json();
    scratch.assert_unchanged(&before, "a dry run");
    assert_eq!(
        (&of(&json, "F8_E4M3", true)["tensors"], &of(&json, "BF16", false)["bytes"]),
        (&json!(2), &json!(1000))
    );
    let inspected = scratch.ecf8("inspect in --json").json();
    assert_eq!(
        (&inspected["predicted_bytes"], &inspected["is_compressed"]),
        (&json["predicted_bytes"], &json!(false))
    );

    let said = scratch.ecf8("compress in -o out --json").json();
    let (predicted, is) = (json["predicted_bytes"].as_f64().unwrap(), said["output_bytes"].as_f64().unwrap());
    assert!((predicted / is - 1.0).abs() < 0.02, "{predicted} {is}");
    assert_eq!(said["kept"][0]["dtype"], "BF16");
}

#[test]
fn a_model_of_which_nothing_is_gained_is_no_silent_copy() {
    let scratch = Scratch::new();
    scratch.write("in", file(&[bf16("a", 4000), bf16("b", 77)]));
    let words = "BF16: kept, they would not get smaller; 2 tensors, 8,154 bytes";
    for line in ["compress in --dry-run", "inspect in", "compress in -o out", "inspect out"] {
        let said = scratch.ecf8(line).answer();
        assert!(said.contains(words), "{line}: {said}");
    }
    let json = scratch.ecf8("compress in -o again --json").json();
    assert_eq!(
        json["kept"],
        json!([{
            "dtype": "BF16", "role": "weights", "tensors": 2, "bytes": 8154, "stored_bytes": 8154, "compressed": false,
            "why": "they would not get smaller"
        }])
    );
}

#[test]
fn what_is_gained_is_told_dtype_by_dtype() {
    let scratch = Scratch::new();
    let dtypes = [Dtype::BF16, Dtype::F16, Dtype::F32, Dtype::F8_E5M2, Dtype::I8];
    let tensors = dtypes.map(|dtype| gaussian_in(dtype, &format!("{dtype}.weight"), 50_000));
    scratch.write("in", file(&tensors));
    let _ = scratch.ecf8("compress in -o out").answer();
    let text = scratch.ecf8("inspect out").answer();
    let json = scratch.ecf8("inspect out --json").json();
    for (dtype, most) in dtypes.iter().zip([0.68, 0.87, 0.84, 0.71, 0.87]) {
        let one = of(&json, &dtype.to_string(), true);
        let (stored, bytes) = (one["stored_bytes"].as_f64().unwrap(), one["bytes"].as_f64().unwrap());
        assert!(stored < most * bytes, "{dtype}: {}", stored / bytes);
        assert!(text.contains(&format!("{dtype}: compressed, they get smaller; 1 tensor, ")), "{text}");
    }
    let error = scratch.ecf8("compress in -o paper --scheme exponent-gap").answer();
    assert!(
        error.contains("BF16: kept, exponent-gap does not take them; 1 tensor, 100,000 bytes"),
        "{error}"
    );
}

#[test]
fn scales_and_codes_of_4_bit_models_are_told_apart() {
    let scratch = Scratch::new();
    // Codes of one kind are frequent, and scales are powers of two near each other.
    let codes: Vec<u8> = noise(1, 40_000).iter().map(|byte| byte & 0x33).collect();
    let scales: Vec<u8> = noise(2, 40_000).iter().map(|byte| 120 + (byte & 3)).collect();
    let tensors = [
        SyntheticTensor::new("mlp.gate_up_proj_blocks", Dtype::U8, &[40_000], codes),
        SyntheticTensor::new("mlp.gate_up_proj_scales", Dtype::U8, &[40_000], scales),
        gaussian_in(Dtype::F8_E4M3, "a.weight_scale", 20_000),
    ];
    scratch.write("in", file(&tensors));
    let _ = scratch.ecf8("compress in -o out").answer();
    let text = scratch.ecf8("inspect out").answer();
    for words in ["U8 codes: compressed", "U8 scales: compressed", "F8_E4M3 scales: compressed"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let _ = scratch.ecf8("verify out --against in").answer();
}

#[test]
fn what_would_not_get_smaller_is_told_apart() {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    for line in ["compress in --dry-run", "compress in -o packed", "inspect packed"] {
        let said = scratch.ecf8(line).answer();
        for words in [
            "F8_E4M3: kept, they would not get smaller; 1 tensor, 500 bytes",
            "F32 scales: kept, they would not get smaller",
        ] {
            assert!(said.contains(words), "{line}: {said}");
        }
    }
}

#[test]
fn a_folder_is_told_as_a_whole_and_what_is_compressed_counts_as_it_is() {
    let scratch = Scratch::new();
    scratch.write("model/a.safetensors", file(&[weights("a", 1, 90_000)]));
    scratch.write("b", file(&[weights("b", 2, 90_000)]));
    let _ = scratch.ecf8("compress b -o model/b.safetensors").answer();
    scratch.write("model/config.json", "{}");
    let json = scratch.ecf8("compress model --dry-run --json").json();
    let packed = scratch.read("model/b.safetensors").len();
    let files = json["files"].as_array().unwrap();
    assert_eq!(
        (files.len(), &files[1]["is_compressed"], &files[1]["predicted_bytes"]),
        (2, &json!(true), &json!(packed))
    );
    assert_eq!((&json["copied"], &json["copied_bytes"]), (&json!(1), &json!(2)));
    let total = files.iter().map(|file| file["predicted_bytes"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(json["predicted_bytes"], json!(total));
    assert!(scratch.ecf8("inspect model").answer().contains("1 of 2 files compressed already"));
}

#[test]
fn options_without_effect_are_refused() {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    for option in ["--code-bits 12", "--optimize speed", "--optimize size", "--codebooks 2"] {
        let word = option.split(' ').next().unwrap();
        let line = format!("compress in -o out --scheme exponent-gap {option}");
        scratch.refuses(&line, 2, &[word, "no effect", "exponent-gap"]);
        let _ = scratch.ecf8(&format!("compress in -o out --force --scheme byte-lanes {option}")).answer();
        let _ = std::fs::remove_file(scratch.path("out"));
    }
    scratch.refuses("compress in", 2, &["--output"]);
}

#[test]
fn the_odd_words_of_inspect_are_explained() {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    let _ = scratch.ecf8("compress in -o packed --scheme exponent-gap").answer();
    let said = scratch.ecf8("inspect packed").answer();
    assert!(
        said.contains("Code lengths: bits of each symbol's codeword")
            && said.contains("exponents coded one by one would"),
        "{said}"
    );
}

#[test]
fn what_several_codebooks_for_one_tensor_gain_is_a_table_of_those_tensors() {
    let scratch = Scratch::new();
    scratch.write("in", file(&[drifting("drifting", Dtype::F8_E4M3), weights("alike", 1, 300_000)]));
    let _ = scratch.ecf8("compress in -o packed --scheme pair-lanes").answer();
    let json = scratch.ecf8("inspect packed --costs --json").json();
    let [one] = &json["following"].as_array().unwrap()[..] else { panic!("{json:#}") };
    assert!(one["name"] == "drifting" && one["codebooks"].as_u64() > Some(1), "{one}");
    assert!(one["gain_bytes"].as_i64() > Some(10_000), "{one}");
    let said = scratch.ecf8("inspect packed --costs").answer();
    let (_, table) = said.split_once("\nwhat several codebooks for one tensor gain").unwrap();
    let percent = format!("{:.2} %", one["gain_percent"].as_f64().unwrap());
    assert!(table.lines().count() == 3 && table.ends_with(&format!("{percent}\n")), "{said}");
    assert!(!table.contains("alike"), "{said}");

    scratch.write("alike", file(&[weights("alike", 1, 300_000)]));
    let _ = scratch.ecf8("compress alike -o one").answer();
    let said = scratch.ecf8("inspect one --costs").answer();
    assert!(
        said.ends_with("\nno tensor has several codebooks, so following the data gains nothing here\n"),
        "{said}"
    );
}
