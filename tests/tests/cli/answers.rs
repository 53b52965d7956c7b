//! What commands answer: one JSON document where that is asked for, help with examples, and tables that hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Said, Scratch, file, sample, weights};
use serde_json::Value;

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    let _ = scratch.ecf8("compress in -o packed --scheme exponent-gap").answer();
    scratch
}

/// The keys of an object, which must be among those of `value`.
fn has(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "{key} is missing in {value:#}");
    }
}

#[test]
fn file_commands_answer_one_json_document_with_the_promised_keys() {
    let scratch = scratch();
    let json = scratch.ecf8("compress in -o again --json").json();
    has(
        &json,
        &[
            "output",
            "input_bytes",
            "output_bytes",
            "ratio",
            "files",
            "copied",
            "compressed_tensors",
            "kept_tensors",
        ],
    );
    assert_eq!((&json["compressed_tensors"], &json["kept_tensors"]), (&2.into(), &2.into()));
    assert_eq!(json["input_bytes"], sample().len());

    let json = scratch.ecf8("decompress packed -o back --json").json();
    has(&json, &["output", "input_bytes", "output_bytes", "files", "copied", "skipped"]);
    assert_eq!(json["output_bytes"], sample().len());

    let json = scratch.ecf8("verify packed --against in --json").json();
    assert_eq!(
        (&json["exact"], &json["identical_to"], &json["tensors"]),
        (&true.into(), &"in".into(), &2.into())
    );
    assert_eq!(
        (&json["device"], &json["launches"], &json["bytes"]),
        (&"cpu".into(), &0.into(), &14_591.into())
    );

    let json = scratch.ecf8("inspect packed --json --costs").json();
    let costs = json["costs"].as_array().unwrap();
    costs.iter().for_each(|cost| has(cost, &["scheme", "code_bits", "bytes", "ratio", "escaped"]));
    let limits = |scheme| {
        costs.iter().filter(move |c| c["scheme"] == scheme).map(|c| c["code_bits"].as_u64().unwrap())
    };
    assert!(limits("quad-lanes").eq(10..=13) && limits("exponent-gap").eq([16]));

    assert_eq!(json["following"], Value::Array(vec![]));

    let json = scratch.ecf8("inspect packed --json").json();
    assert!(json.get("costs").is_none() && json.get("following").is_none());
    has(
        &json,
        &["original_bytes", "compressed_bytes", "ratio", "file_original_bytes", "file_bytes", "tensors"],
    );
    let keys = [
        "name",
        "dtype",
        "shape",
        "elements",
        "scheme",
        "codebook",
        "exponent_entropy_bits",
        "byte_entropy_bits",
        "original_bytes",
        "compressed_bytes",
        "ratio",
    ];
    json["tensors"].as_array().unwrap().iter().for_each(|tensor| has(tensor, &keys));
}

#[test]
fn every_strategy_can_be_verified_on_the_emulator_by_name_and_variant() {
    let scratch = scratch();
    scratch.write("large", file(&[weights("w", 1, 1_000_000), weights("v", 2, 777_777)]));
    let list = scratch.ecf8("kernel list --json").json();
    for strategy in list["strategies"].as_array().unwrap() {
        let name = strategy["name"].as_str().unwrap();
        for scheme in strategy["schemes"].as_array().unwrap() {
            let scheme = scheme.as_str().unwrap();
            let packed = format!("{name}.{scheme}");
            let _ = scratch.ecf8(&format!("compress large -o {packed} --scheme {scheme}")).answer();
            let line = format!("verify {packed} --against large --device emulator --strategy {name} --json");
            assert_eq!(scratch.ecf8(&line).json()["launches"], 2, "{name} of {scheme}");
        }
    }
    let json =
        scratch.ecf8("verify packed --device emulator --strategy gap-cascade --all-variants --json").json();
    assert_eq!((&json["launches"], json["variants"].as_array().unwrap().len()), (&24.into(), 12));
    let line = "verify packed --device emulator --strategy gap-cascade --set bytes_per_thread=16 --set threads_per_block=64";
    assert!(scratch.ecf8(line).answer().contains("decode exactly on emulator"));
}

#[test]
fn kernel_list_says_what_can_be_tuned() {
    let scratch = Scratch::new();
    let text = scratch.ecf8("kernel list").answer();
    let json = scratch.ecf8("kernel list --json").json();
    let strategies = json["strategies"].as_array().unwrap();
    for (strategy, shown) in strategies.iter().zip(sections(&text)) {
        has(strategy, &["name", "about", "schemes", "tunables", "requirements", "variants"]);
        let named = |key: &str| strategy[key].as_str().unwrap().to_owned();
        assert!(shown.starts_with(&format!("{}: {}\n", named("name"), named("about"))), "{shown}");
        for tunable in strategy["tunables"].as_array().unwrap() {
            assert!(shown.contains(&format!("\n  {} = ", tunable["name"].as_str().unwrap())), "{shown}");
        }
        assert!(strategy["requirements"].is_array(), "{strategy}");
    }
}

/// The parts of a text that begin at the margin, with the indented lines that follow.
fn sections(text: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for line in text.lines() {
        match sections.last_mut() {
            Some(section) if line.starts_with(' ') => *section += &format!("{line}\n"),
            _ => sections.push(format!("{line}\n")),
        }
    }
    sections
}

#[test]
fn the_demo_brings_everything_back() {
    let scratch = Scratch::new();
    let json = scratch.ecf8("demo --json").json();
    assert_eq!((&json["exact"], &json["file_identical"]), (&true.into(), &true.into()));
    let tensors = json["tensors"].as_array().unwrap();
    assert!(tensors.len() >= 8);
    for tensor in tensors {
        let [ratio, entropy] = ["ratio", "byte_entropy_bits"].map(|key| tensor[key].as_f64().unwrap());
        // Of numbers of two bytes, one byte tells something about the other.
        let is_fp8 = !tensor["name"].as_str().unwrap().contains("norm");
        assert!(ratio < 0.9 && (ratio > entropy / 8.0 || !is_fp8), "{tensor}");
    }
    assert!(json["kernels"].is_array() || json["kernels"]["skipped"].is_string(), "{json:#}");
    assert_eq!(scratch.contents().len(), 1, "a demonstration leaves nothing");

    let text = scratch.ecf8("demo --keep kept").answer();
    assert!(text.contains("exact") && !text.contains("WRONG"), "{text}");
    let said = scratch.ecf8("verify kept/demo.ecf8.safetensors --against kept/demo.safetensors");
    let _ = said.answer();
    scratch.write("file", "");
    scratch.refuses("demo --keep file", 2, &["file", "choose another folder"]);
}

#[test]
fn the_doctor_finds_or_says_what_to_do() {
    let scratch = Scratch::new();
    let json = scratch.ecf8("doctor --json").json();
    for what in ["NVIDIA_GPU", "NVRTC"] {
        assert!(json[what]["found"].is_boolean(), "{json:#}");
        assert!(!json[what]["message"].as_str().unwrap().is_empty());
    }
    let text = scratch.ecf8("doctor").answer();
    assert!(text.lines().count() >= 4 && text.contains("NVRTC"), "{text}");
}

#[test]
fn kernels_are_listed_emitted_and_compiled() {
    let scratch = scratch();
    let list = scratch.ecf8("kernel list --json").json();
    let cascade = list["strategies"].as_array().unwrap().iter().find(|s| s["name"] == "gap-cascade").unwrap();
    assert_eq!(cascade["schemes"], serde_json::json!(["exponent-gap"]));
    assert_eq!(cascade["tunables"].as_array().unwrap().len(), 2, "{cascade}");
    assert!(scratch.ecf8("kernel list").answer().contains("gap-cascade: "));

    let emit = "kernel emit --strategy gap-cascade --set bytes_per_thread=4 --from packed --tensor a.weight";
    let source = scratch.ecf8(emit).answer();
    assert!(source.contains("__global__") && source.ends_with('\n'), "{source}");
    assert_eq!(scratch.ecf8(emit).answer(), source, "emitted text never varies");
    let json = scratch.ecf8(&format!("{emit} --json")).json();
    assert_eq!(json["source"], source.as_str());
    has(&json, &["strategy", "params", "entry", "threads", "hash"]);

    let said = scratch.ecf8("kernel compile --strategy gap-cascade --arch sm_80,sm_90 --json");
    if said.status == Some(2) && !ecf8_tests::is_required("ECF8_REQUIRE_NVRTC") {
        said.refuses(2, &["NVRTC", "install"]);
        eprintln!("skipped: without NVRTC nothing was compiled");
        return;
    }
    let json = said.json();
    assert_eq!(json["architectures"].as_array().unwrap().len(), 2, "{json:#}");
    for report in json["architectures"].as_array().unwrap() {
        assert_eq!((&report["spill_stores"], &report["spill_loads"]), (&0.into(), &0.into()), "{report}");
        assert!(report["registers"].as_u64().unwrap() > 0 && report["shared_bytes"].is_u64(), "{report}");
    }
}

#[test]
fn help_has_examples_and_the_version_is_told() {
    let scratch = Scratch::new();
    let commands = [
        "demo",
        "compress",
        "merge",
        "decompress",
        "verify",
        "inspect",
        "doctor",
        "completions",
        "man",
        "kernel list",
        "kernel emit",
        "kernel compile",
        "kernel profile",
    ];
    for command in commands {
        let help = scratch.ecf8(&format!("{command} --help")).answer();
        assert!(help.contains("Example") && help.contains(&format!("\n  ecf8 {command}")), "{help}");
        assert!(help.lines().all(|line| line.len() <= 110), "{help}");
    }
    let help = scratch.ecf8("--help").answer();
    assert!(help.contains("ecf8 demo"), "{help}");
    assert_eq!(scratch.ecf8("--version").answer(), format!("ecf8 {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn piped_output_has_no_colours_and_no_progress() {
    let scratch = scratch();
    let said: Said = scratch.ecf8("compress in -o quiet");
    let answer = said.answer();
    assert!(!answer.contains(['\u{1b}', '\r']), "{answer:?}");
    let lines: Vec<&str> = answer.lines().collect();
    // What it became, what was kept and why by dtype, and who can load it.
    assert!(lines.len() == 4 && lines[0].starts_with("quiet: "), "{answer:?}");
    assert!(
        lines[1].starts_with("F32 scales: kept") || lines[2].starts_with("F32 scales: kept"),
        "{answer:?}"
    );
    let table = scratch.ecf8("inspect packed").answer();
    assert!(!table.contains('\u{1b}'));
    for word in [
        "a.weight",
        "b.weight",
        "F8_E4M3",
        "exponent-gap",
        "6,400",
        "8,191",
        "kept tensors        2, 512 bytes",
    ] {
        assert!(table.contains(word), "{word} in {table}");
    }
}
