//! Models on targets with less shared memory than the default variants need.

use super::records;
use super::*;
use crate::cache::Rung;
use crate::executor::Target;
use crate::executor::logged::Logged;
use ecf8_codegen::strategy::{Params, strategy};

/// Dynamic shared memory of a launch of all compressed tensors of a model by `lanes-pair` with a number of warps to a block.
fn needed(model: &Model, warps: u32) -> u32 {
    let lanes = strategy("lanes-pair").unwrap();
    let params = lanes.params(&[("warps_per_block".to_owned(), warps.to_string())]).unwrap();
    let tensors = 0..model.tensors().len();
    let encoded: Vec<_> = tensors.filter_map(|index| Some(model.compressed(index)?.encoded())).collect();
    let batch: Vec<_> = encoded.iter().collect();
    lanes.launch(&params, &batch).unwrap().dynamic_shared_bytes
}

fn warps(params: &Params) -> &str {
    params.get("warps_per_block").unwrap()
}

#[test]
fn a_default_that_does_not_fit_gives_way_to_the_variant_most_like_it_that_does_and_it_is_said() {
    let made = model_of_layers(2, 3, 5000, "pair-lanes");
    let model = made.open();
    let needs = [4, 8, 16].map(|warps| needed(&model, warps));
    assert!(needs[0] < needs[1] && needs[1] < needs[2], "{needs:?}");
    for (limit, expected) in [(needs[2], "16"), (needs[2] - 1, "8"), (needs[1], "8"), (needs[1] - 1, "4")] {
        let mut loaded = model.load(Logged::with_shared_bytes(limit)).unwrap();
        for tensor in loaded.plan().tensors().iter().flatten() {
            assert_eq!((warps(&tensor.params), tensor.rung), (expected, Rung::Default), "{limit}");
            assert_eq!(tensor.params.get("table"), Some("argument"), "tensors still share a launch");
        }
        assert_eq!(loaded.launches(1), 1);
        assert_eq!(loaded.verify().unwrap(), 30_424);
        let mut into = loaded.target().alloc(5000).unwrap();
        loaded.decode_tensor("model.layers.1.w2.weight", &mut into).unwrap();
        if expected == "16" {
            assert_eq!(loaded.notes(), [""; 0]);
            continue;
        }
        let notes = loaded.notes();
        let reason = format!("bytes of shared memory per block, of which {limit} are possible here; ");
        let instead = format!(
            "lanes-pair warps_per_block={expected} table=argument warps_at_once=4096 is taken instead"
        );
        assert!(notes.iter().any(|note| note.contains(&reason) && note.ends_with(&instead)), "{notes:?}");
        assert!(notes.iter().all(|note| !note.contains('\n')));
    }
}

#[test]
fn a_tuned_choice_that_does_not_fit_gives_way_to_the_next_rung() {
    let made = model_of_layers(1, 2, 5000, "pair-lanes");
    let model = made.open();
    let like = |warps: &'static str| {
        move |params: &Params| {
            let wanted = [("warps_per_block", warps), ("table", "argument"), ("warps_at_once", "4096")];
            wanted.iter().all(|(name, value)| params.get(name) == Some(value))
        }
    };
    let (exact, _) = records::for_first_compressed(&model, like("16"));
    let (mut bucket, _) = records::for_first_compressed(&model, like("4"));
    bucket.fingerprint.driver = "another".to_owned();
    let target = || Logged::with_shared_bytes(needed(&model, 8));
    let plan = LoadPlan::from_records(&model, &target(), &[exact, bucket]).unwrap();
    assert!(plan.tensors().iter().flatten().any(|tensor| tensor.rung == Rung::Exact));
    let mut loaded = model.load_planned(target(), plan).unwrap();
    let taken: Vec<_> = loaded.plan().tensors().iter().flatten().collect();
    assert!(taken.iter().all(|tensor| warps(&tensor.params) == "4"), "{taken:?}");
    assert!(taken.iter().any(|tensor| tensor.rung == Rung::SameBucket), "{taken:?}");
    let note = "lanes-pair warps_per_block=16 table=argument warps_at_once=4096 does not fit here: it needs";
    assert!(loaded.notes().iter().any(|line| line.starts_with(note)), "{:?}", loaded.notes());
    assert_eq!(loaded.verify().unwrap(), 10_412);
}

#[test]
fn where_no_variant_fits_loading_says_for_which_tensor_and_uploads_nothing() {
    for scheme in ecf8_core::schemes() {
        let made = model_of_layers(1, 2, 5000, scheme.name());
        let model = made.open();
        let error = model.load(Logged::with_shared_bytes(64)).map(|_| ()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(&error, ModelError::NoPlan { .. }), "{error:?}");
        assert!(text.starts_with("tensor `model.layers.0.w0.weight`: no variant for scheme"), "{text}");
        assert!(text.contains("of which 64 are possible here") && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn every_scheme_is_decoded_where_there_is_little_shared_memory() {
    for scheme in ecf8_core::schemes() {
        let made = model_of_layers(2, 3, 6000, scheme.name());
        let model = made.open();
        for kib in [64, 48, 32] {
            let mut loaded = model.load(Logged::with_shared_bytes(kib << 10)).unwrap();
            assert_eq!(loaded.verify().unwrap(), 36_424, "{} {kib}", scheme.name());
        }
    }
}
