//! `ecf8 analyze` as its users have it.

#![allow(clippy::cast_possible_truncation, reason = "tests choose their numbers")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, gaussian, noise, stored_as};
use ecf8_tests::cli::{Scratch, file, raw_file, sample, weights};
use safetensors::Dtype;
use serde_json::Value;

/// A matrix of normal weights.
fn matrix(dtype: Dtype, name: &str, rows: u64, columns: u64, sigma: f32) -> SyntheticTensor {
    let values = gaussian(rows, (rows * columns) as usize, sigma);
    SyntheticTensor::new(name, dtype, &[rows, columns], stored_as(&dtype.to_string(), &values).unwrap())
}

fn model() -> Vec<u8> {
    file(&[
        matrix(Dtype::F8_E4M3, "model.layers.0.self_attn.q_proj.weight", 1024, 1024, 1.0),
        matrix(Dtype::F8_E4M3, "model.layers.1.mlp.down_proj.weight", 600, 512, 1.0),
        matrix(Dtype::BF16, "model.norm.weight", 1, 300, 0.1),
        SyntheticTensor::new("ids", Dtype::I32, &[50], noise(3, 200)),
    ])
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let list = list.as_array().unwrap();
    list.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} in {list:#?}"))
}

fn is_near(found: &Value, expected: f64, by: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= by, "{found} should be {expected}");
}

#[test]
fn normal_weights_are_told_as_figure_4_shows_them() {
    let scratch = Scratch::new();
    scratch.write("in", model());
    let json = scratch.ecf8("analyze in --json").json();
    let q = named(&json["tensors"], "model.layers.0.self_attn.q_proj.weight");
    assert_eq!((&q["kind"], &q["layer"], &q["file"]), (&"q".into(), &0.into(), &"in".into()));
    for when in ["before", "after"] {
        is_near(&q["hadamard"][when]["exponent"], 2.521, 0.003);
        is_near(&q["hadamard"][when]["sign_mantissa"], 3.982, 0.002);
    }
    is_near(&q["law"]["alpha"], 2.0, 0.01);
    is_near(&q["theory"]["law"], 2.545, 0.003);
    is_near(&json["gaussian"]["closed_form"], 2.04, 0.005);
    is_near(&json["gaussian"]["two_sided_geometric"], 1.80, 0.005);
    assert_eq!(named(&json["tensors"], "ids")["entropy"], Value::Null);
    let kinds: Vec<&str> =
        json["kinds"].as_array().unwrap().iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["q", "down", "norms"]);
    assert_eq!(json["total"]["tensors"], 3);

    let text = scratch.ecf8("analyze in --tensors").answer();
    for words in [
        "in: 4 tensors, ",
        " down ",
        "model.layers.0.self_attn.q_proj.weight",
        "██████",
        "ans-lanes",
        "theorem 2.1",
        "FP4.67",
        "An α-stable law holds in",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!scratch.ecf8("analyze in").answer().contains("self_attn"));
}

#[test]
fn compressed_files_and_folders_are_analysed_as_what_they_were() {
    let scratch = Scratch::new();
    scratch.write("model/a.safetensors", model());
    scratch.write("model/b.safetensors", file(&[weights("lm_head.weight", 1, 90_000)]));
    scratch.write("model/config.json", "{}");
    let _ = scratch.ecf8("compress model -o packed").answer();
    let [plain, packed] =
        ["model", "packed"].map(|name| scratch.ecf8(&format!("analyze {name} --json")).json());
    let q = "model.layers.0.self_attn.q_proj.weight";
    for name in [q, "lm_head.weight", "ids"] {
        let [before, after] = [&plain, &packed].map(|json| named(&json["tensors"], name));
        for figure in ["entropy", "byte_entropies", "hadamard", "exponents", "law", "shape", "file"] {
            assert_eq!(before[figure], after[figure], "{figure} of {name}");
        }
    }
    let sizes = named(&packed["tensors"], q)["sizes"].as_array().unwrap();
    let actual: Vec<&Value> = sizes.iter().filter(|size| size["is_actual"] == true).collect();
    assert_eq!(actual.len(), 1, "{sizes:#?}");
    assert_eq!(actual[0]["bytes"], named(&packed["tensors"], q)["stored_bytes"]);
    let inspected = scratch.ecf8("inspect packed --json").json();
    let told = &named(&inspected["tensors"], q)["compressed_bytes"];
    assert!(told.as_u64() >= actual[0]["bytes"].as_u64(), "{inspected}");
    assert!(scratch.ecf8("analyze packed").answer().contains("as stored"));
    // Several models at once are told apart.
    let both = scratch.ecf8("analyze model packed --json").json();
    assert_eq!(both["tensors"].as_array().unwrap().len(), 10);
    assert_eq!(both["tensors"][0]["file"], "model/a.safetensors");
    assert_eq!(both["tensors"][5]["file"], "packed/a.safetensors");
}

#[test]
fn kinds_are_named_by_patterns_of_ones_own() {
    let scratch = Scratch::new();
    scratch.write("in", model());
    let args = ["analyze", "in", "--json", "--kind", r"attention=self_attn\.[qkvo]_proj", "--kind", "rest=."];
    let json = scratch.run(args).json();
    let kinds: Vec<&str> =
        json["kinds"].as_array().unwrap().iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["attention", "rest"]);
    scratch.refuses("analyze in --kind attention", 2, &["NAME=REGEX"]);
    scratch.refuses("analyze in --kind a=(", 2, &["`(`", "kind a"]);
}

#[test]
fn a_spreadsheet_has_a_line_per_tensor() {
    let scratch = Scratch::new();
    scratch.write("in", file(&[weights("a,\"b\"", 1, 5000), weights("c", 2, 5000)]));
    let csv = scratch.ecf8("analyze in --csv").answer();
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("file,tensor,dtype,shape,elements,"));
    assert!(lines[1].starts_with("in,\"a,\"\"b\"\"\",F8_E4M3,5000,5000,"), "{csv}");
    let fields = lines[2].split(',').count();
    assert_eq!(lines[0].split(',').count(), fields);
}

#[test]
fn blocks_and_samples_can_be_chosen() {
    let scratch = Scratch::new();
    scratch.write("in", file(&[matrix(Dtype::BF16, "w", 1300, 1000, 0.02)]));
    let of =
        |options: &str| scratch.ecf8(&format!("analyze in --json {options}")).json()["tensors"][0].clone();
    assert_eq!(of("--hadamard-block 0")["hadamard"], Value::Null);
    assert_eq!(of("--full")["hadamard"]["elements"], 1_300_000);
    let sampled = of("--hadamard-block 1024")["hadamard"]["elements"].as_u64().unwrap();
    assert!((500_000..=1 << 20).contains(&sampled), "{sampled}");
    for wrong in ["100", "-1", "131072", "many"] {
        scratch.refuses(&format!("analyze in --hadamard-block={wrong}"), 2, &["a power of two"]);
    }
    scratch.refuses("analyze in --csv --json", 2, &["--csv", "--json"]);
}

#[test]
fn what_cannot_be_analysed_is_refused_in_one_line() {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    scratch.write("text", "no weights at all");
    scratch.write("short", raw_file(r#"{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}"#, &[0; 9]));
    scratch.write("folder/config.json", "{}");
    scratch.refuses("analyze", 2, &["<MODEL>"]);
    scratch.refuses("analyze nothing", 2, &["nothing"]);
    scratch.refuses("analyze text", 2, &["text"]);
    scratch.refuses("analyze short", 1, &["short", "36"]);
    scratch.refuses("analyze folder", 2, &["folder"]);
    scratch.refuses("analyze in text", 2, &["text"]);
    let _ = scratch.ecf8("compress in -o packed").answer();
    let mut bytes = scratch.read("packed");
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    scratch.write("damaged", bytes);
    let said = scratch.ecf8("analyze damaged");
    assert!(said.status == Some(1) && said.stderr.contains("damaged"), "{said:?}");
}

#[test]
fn differences_and_files_of_others_are_refused_with_what_to_do() {
    let scratch = Scratch::new();
    scratch.write("old", file(&[weights("w", 1, 50_000)]));
    scratch.write("new", file(&[weights("w", 2, 50_000)]));
    let _ = scratch.ecf8("compress new -o delta --base old").answer();
    scratch.refuses("analyze delta", 2, &["delta", "old"]);
    scratch.write("mine", file(&[matrix(Dtype::BF16, "model.layers.0.q.weight", 256, 256, 0.02)]));
    let _ = scratch.ecf8("export mine --format dfloat11 -o theirs").answer();
    scratch.refuses("analyze theirs", 2, &["theirs", "ecf8 import"]);
}

#[test]
fn models_without_floats_or_tensors_have_nothing_to_tell() {
    let scratch = Scratch::new();
    scratch.write("ids", file(&[SyntheticTensor::new("ids", Dtype::I64, &[4], vec![7; 32])]));
    scratch.write("empty", file(&[]));
    for name in ["ids", "empty"] {
        assert!(scratch.ecf8(&format!("analyze {name} --tensors")).answer().contains("no tensor has floats"));
        assert_eq!(scratch.ecf8(&format!("analyze {name} --json")).json()["total"]["elements"], 0);
    }
}
