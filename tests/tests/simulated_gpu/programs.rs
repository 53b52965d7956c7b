//! The program's own commands.

use super::Simulated;
use ecf8_codegen::strategy::strategies;
use ecf8_core::synthetic::{SyntheticTensor, gaussian, stored_as};
use ecf8_tests::cli::{Said, Scratch, drifting, file, sample, weights};
use safetensors::Dtype;
use serde_json::Value;

fn json(simulated: &Simulated, scratch: &Scratch, line: &str) -> Value {
    Said::from(simulated.ecf8(scratch, line).output().unwrap()).json()
}

#[test]
fn every_strategy_decodes_the_quick_corpus_exactly_by_the_ptx_of_its_default_variant() {
    let Some(simulated) = Simulated::find() else { return };
    let scratch = Scratch::new();
    let line = "selftest --device cuda:0 --quick --defaults --json";
    let said = Said::from(simulated.ecf8(&scratch, line).output().unwrap());
    assert!(!said.stderr.contains("simulated GPU:"), "{said:?}");
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(told["failed"], 0, "{told}");
    let tried = told["strategies"].as_array().unwrap();
    assert_eq!(tried.len(), strategies().len());
    assert!(tried.iter().all(|one| one["variants"] == 1 && one["tensors"].as_u64() > Some(20)), "{told}");
}

#[test]
fn a_model_is_verified_tuned_and_verified_again_by_what_was_chosen() {
    let Some(simulated) = Simulated::find() else { return };
    let scratch = Scratch::new();
    scratch.write("m.safetensors", file(&[weights("a", 1, 6400), weights("b", 2, 9000)]));
    let _ = scratch.ecf8("compress m.safetensors -o m.ecf8.safetensors --scheme pair-lanes").answer();
    let verify = "verify m.ecf8.safetensors --device cuda:0 --json";
    assert_eq!(json(&simulated, &scratch, verify)["exact"], true);
    let tuned = json(&simulated, &scratch, "tune m.ecf8.safetensors --device cuda:0 --budget 1h --json");
    assert_eq!((&tuned["timing"], &tuned["complete"]), (&"measured".into(), &true.into()), "{tuned}");
    assert!(tuned["problems"][0]["speed"]["gb_per_s"].is_object(), "{tuned}");
    let verified = json(&simulated, &scratch, verify);
    assert_eq!((&verified["exact"], &verified["rungs"]["exact"]), (&true.into(), &2.into()), "{verified}");
}

#[test]
fn tensors_of_several_dtypes_and_schemes_are_verified() {
    let Some(simulated) = Simulated::find() else { return };
    let scratch = Scratch::new();
    scratch.write("m.safetensors", sample());
    for scheme in ["exponent-gap", "byte-lanes", "triple-lanes", "quad-lanes"] {
        let _ = scratch.run(["compress", "m.safetensors", "-o", scheme, "--scheme", scheme]).answer();
        let verified = json(&simulated, &scratch, &format!("verify {scheme} --device cuda:0 --json"));
        assert_eq!(verified["exact"], true, "{scheme}: {verified}");
    }
    let values = gaussian(7, 9000, 0.02);
    scratch.write(
        "wide.safetensors",
        file(&[SyntheticTensor::new("w", Dtype::BF16, &[9000], stored_as("BF16", &values).unwrap())]),
    );
    let _ = scratch.ecf8("compress wide.safetensors -o wide").answer();
    assert_eq!(json(&simulated, &scratch, "verify wide --device cuda:0 --json")["exact"], true);
}

#[test]
fn tensors_with_several_codebooks_are_decoded_by_one_launch_each() {
    let Some(simulated) = Simulated::find() else { return };
    let scratch = Scratch::new();
    scratch.write("m.safetensors", file(&[drifting("a", Dtype::F8_E4M3), drifting("b", Dtype::BF16)]));
    let _ = scratch.ecf8("compress m.safetensors -o m --scheme pair-lanes").answer();
    let inspected: Value = scratch.ecf8("inspect m --json").json();
    let mut tensors = inspected["tensors"].as_array().unwrap().iter();
    assert!(tensors.all(|one| one["codebooks"].as_u64() > Some(1)), "{inspected}");
    let verified = json(&simulated, &scratch, "verify m --device cuda:0 --json");
    assert_eq!((&verified["exact"], &verified["launches"]), (&true.into(), &2.into()), "{verified}");
}

#[test]
fn the_benchmark_measures_every_strategy() {
    let Some(simulated) = Simulated::find() else { return };
    let line = "bench --device cuda:0 --sizes 64K --runs 2 --budget 1ms --json";
    let told = json(&simulated, &Scratch::new(), line);
    let rows = told["rows"].as_array().unwrap();
    for strategy in strategies() {
        let is_timed = |row: &&Value| {
            row["strategy"] == strategy.name() && row["gb_per_s"]["median"].as_f64() > Some(0.0)
        };
        assert!(rows.iter().any(|row| is_timed(&row)), "{}: {told}", strategy.name());
    }
    assert!(told["copy_gb_per_s"].is_number() || told["copy_gb_per_s"].is_object(), "{told}");
}

#[test]
fn a_second_gpu_is_one_of_its_own() {
    let Some(simulated) = Simulated::find() else { return };
    let scratch = Scratch::new();
    scratch.write("m.safetensors", file(&[weights("a", 1, 6400)]));
    let _ = scratch.ecf8("compress m.safetensors -o m --scheme pair-lanes").answer();
    let verify = |gpus: &str| -> Said {
        let mut command = simulated.ecf8(&scratch, "verify m --device cuda:1 --json");
        command.env("ECF8_SIM_GPUS", gpus).output().unwrap().into()
    };
    assert_eq!(verify("2").json()["exact"], true);
    verify("1").refuses(2, &["cuda:1"]);
}

#[test]
fn a_driver_older_than_nvrtc_is_an_error_that_names_both() {
    let Some(simulated) = Simulated::find() else { return };
    let scratch = Scratch::new();
    scratch.write("m.safetensors", file(&[weights("a", 1, 6400)]));
    let _ = scratch.ecf8("compress m.safetensors -o m --scheme pair-lanes").answer();
    let mut command = simulated.ecf8(&scratch, "verify m --device cuda:0");
    let said = Said::from(command.env("ECF8_SIM_CUDA", "12.4").output().unwrap());
    if simulated.nvrtc.to_string_lossy().contains("so.12") {
        return assert_eq!(said.status, Some(0), "{said:?}");
    }
    assert!(said.status == Some(2) && said.stderr.contains("12.4"), "{said:?}");
}
