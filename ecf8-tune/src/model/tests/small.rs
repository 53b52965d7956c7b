//! What the parts of the interface say and do.

use super::records;
use super::*;
use crate::cache::Rung;
use crate::executor::Target;

#[test]
fn tensors_and_layers_are_listed_in_the_order_of_their_names() {
    let made = model_of_layers(12, 2, 5000, "pair-lanes");
    let model = made.open();
    let names: Vec<&str> = model.layers().iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names[..3], ["model.embed_tokens.weight", "model.layers.0.", "model.layers.1."]);
    assert_eq!((names.len(), names[12]), (13, "model.layers.11."));
    let layer = &model.layers()[12];
    let tensors: Vec<_> = layer.tensors.iter().map(|index| &model.tensors()[*index]).collect();
    let told: Vec<_> =
        tensors.iter().map(|one| (one.name.as_str(), one.dtype.as_str(), one.is_kept)).collect();
    assert_eq!(
        told,
        [
            ("model.layers.11.norm.weight", "F32", true),
            ("model.layers.11.w0.weight", "F8_E4M3", false),
            ("model.layers.11.w1.weight", "F8_E4M3", false),
        ]
    );
    assert_eq!((layer.bytes, tensors[1].shape.as_slice(), tensors[1].layer), (10_012, &[5000][..], 12));
    assert_eq!(model.find("model.layers.11.w1.weight"), Some(layer.tensors[2]));
    assert_eq!(model.find("model.layers.11."), None);
}

#[test]
fn the_caller_may_group_as_it_likes() {
    let made = model_of_layers(3, 2, 5000, "pair-lanes");
    let one = Model::open_grouped(&made.path(), |_| "all".to_owned()).unwrap();
    assert_eq!((one.layers().len(), one.layers()[0].tensors.len()), (1, one.tensors().len()));
    let each = Model::open_grouped(&made.path(), str::to_owned).unwrap();
    assert_eq!(each.layers().len(), each.tensors().len());
    for model in [one, each] {
        assert_eq!(Arc::new(model).load(emulator()).unwrap().verify().unwrap(), 3 * 10_012 + 400);
    }
}

#[test]
fn a_folder_of_shards_is_one_model() {
    let folder = tempfile::tempdir().unwrap();
    for shard in 0..2 {
        let made = Made::new(&[e4m3(&format!("layers.{shard}.w"), shard, 5000)], "byte-lanes");
        fs::copy(made.path(), folder.path().join(format!("m-{shard}.safetensors"))).unwrap();
    }
    let model = Arc::new(Model::open(folder.path()).unwrap());
    assert_eq!((model.layers().len(), model.load(emulator()).unwrap().verify().unwrap()), (2, 10_000));

    fs::copy(folder.path().join("m-0.safetensors"), folder.path().join("m-2.safetensors")).unwrap();
    let error = Model::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("tensor `layers.0.w` is in two files"), "{error}");

    // Other forms of the same weights, and other models below, do not belong to it.
    let index = r#"{"weight_map": {"layers.0.w": "m-0.safetensors", "layers.1.w": "m-1.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    assert_eq!(Model::open(folder.path()).unwrap().tensors().len(), 2);
    fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    fs::create_dir(folder.path().join("draft")).unwrap();
    fs::rename(folder.path().join("m-2.safetensors"), folder.path().join("draft/m.safetensors")).unwrap();
    assert_eq!(Model::open(folder.path()).unwrap().tensors().len(), 2);
    for shard in ["m-0.safetensors", "m-1.safetensors"] {
        fs::remove_file(folder.path().join(shard)).unwrap();
    }
    assert_eq!(Model::open(folder.path()).unwrap().tensors().len(), 1, "what there is below will do");
}

#[test]
fn every_scheme_decodes_exactly_by_layer_and_by_tensor() {
    for scheme in ecf8_core::schemes() {
        let made = model_of_layers(2, 3, 6000, scheme.name());
        let model = made.open();
        let mut loaded = model.load(emulator()).unwrap();
        let mut scratch = loaded.scratch().unwrap();
        for layer in (0..model.layers().len()).rev() {
            loaded.decode_layer(layer, &mut scratch).unwrap();
            loaded.check_layer(layer, &scratch).unwrap();
            assert_eq!(loaded.places(layer).len(), model.layers()[layer].tensors.len());
            assert!(loaded.places(layer).iter().all(|place| place.start % 256 == 0));
            assert!(loaded.layer_bytes(layer) <= loaded.scratch_bytes());
        }
        for (index, tensor) in model.tensors().iter().enumerate().chain(model.tensors().iter().enumerate()) {
            let mut bytes = vec![0; usize::try_from(tensor.bytes).unwrap()];
            let mut into = loaded.target().alloc(bytes.len()).unwrap();
            loaded.decode_tensor(&tensor.name, &mut into).unwrap();
            loaded.target().download(&into, &mut bytes).unwrap();
            assert_eq!(bytes, *model.read(index).unwrap(), "{} {}", scheme.name(), tensor.name);
        }
    }
}

#[test]
fn a_walk_gives_every_layer_in_order_with_two_buffers() {
    let made = model_of_layers(4, 2, 5000, "pair-lanes");
    let model = made.open();
    let mut loaded = model.load(emulator()).unwrap();
    let mut seen = Vec::new();
    loaded
        .walk(|loaded, layer, buffer| {
            seen.push((layer, std::ptr::from_ref(buffer).addr()));
            loaded.check_layer(layer, buffer)
        })
        .unwrap();
    let layers: Vec<usize> = seen.iter().map(|(layer, _)| *layer).collect();
    assert_eq!(layers, [0, 1, 2, 3, 4]);
    let stopped = loaded.walk(|_, index, _| match index {
        3 => Err(ModelError::NoLayer { index, layers: 5 }),
        _ => Ok(()),
    });
    assert!(
        matches!(stopped, Err(ModelError::NoLayer { index: 3, .. })),
        "what the caller says ends the walk"
    );
}

#[test]
fn wrong_requests_are_errors_that_say_what_would_be_right() {
    let made = model_of_layers(1, 2, 5000, "pair-lanes");
    let model = made.open();
    let mut loaded = model.load(emulator()).unwrap();
    let mut scratch = loaded.scratch().unwrap();
    let mut short = loaded.target().alloc(4999).unwrap();
    let error = |result: Result<(), ModelError>| result.unwrap_err().to_string();
    assert_eq!(
        error(loaded.decode_layer(2, &mut scratch)),
        "there is no layer 2: the model has 2, counted from 0"
    );
    assert_eq!(
        error(loaded.check_layer(9, &scratch)),
        "there is no layer 9: the model has 2, counted from 0"
    );
    let text = error(loaded.decode_layer(1, &mut short));
    assert!(text.contains("of a buffer that has 4999"), "{text}");
    let text = error(loaded.decode_tensor("model.layers.0.w0.weight", &mut short));
    assert!(text.contains("tensor `model.layers.0.w0.weight` by lanes-pair"), "{text}");
    assert!(text.contains("5000 bytes from byte 0 on are asked of a buffer that has 4999"), "{text}");
    let text = error(loaded.decode_tensor("nobody", &mut scratch));
    assert!(text.contains("has no tensor `nobody`"), "{text}");
    assert_eq!((loaded.launches(9), loaded.places(9).len(), loaded.layer_bytes(9)), (0, 0, 0));

    let other = model_of_layers(2, 2, 5000, "pair-lanes");
    let other = other.open();
    let plan = LoadPlan::new(&other, &emulator()).unwrap();
    let refused = model.load_planned(emulator(), plan).map(|_| ()).unwrap_err().to_string();
    assert!(refused.starts_with("the plan is for a model of 7 tensors, but this one has 4"), "{refused}");
}

#[test]
fn a_model_without_anything_to_decode_is_loaded_too() {
    let made = Made::new(
        &[f32s("layers.0.norm", 5), e4m3("layers.0.empty", 1, 0), f32s("layers.1.nothing", 0)],
        "pair-lanes",
    );
    let model = made.open();
    let mut loaded = model.load(emulator()).unwrap();
    assert_eq!((loaded.plan().kernels(), loaded.verify().unwrap(), loaded.launches(0)), (0, 20, 0));
    assert_eq!(loaded.places(0).len(), 2);
    let mut into = loaded.target().alloc(0).unwrap();
    loaded.decode_tensor("layers.0.empty", &mut into).unwrap();
}

#[test]
fn a_tuned_choice_is_taken_with_its_rung_and_gives_way_only_to_too_many_kernels() {
    let made = model_of_layers(1, 2, 5000, "pair-lanes");
    let model = made.open();
    let plan = LoadPlan::new(&model, &emulator()).unwrap();
    assert_eq!(plan.rungs(), [(Rung::Default, 2)].into());
    assert_eq!((plan.replaced(), plan.notes.len()), (0, 0));

    // `ecf8 tune` would write the same record.
    let (record, chosen) =
        records::for_first_compressed(&model, |params| params.get("table") == Some("inlined"));
    let plan = LoadPlan::from_records(&model, &emulator(), std::slice::from_ref(&record)).unwrap();
    assert!(!plan.rungs().contains_key(&Rung::Default), "{:?}", plan.rungs());
    let planned = plan.tensors().iter().flatten().next().unwrap();
    assert_eq!((planned.params.clone(), &planned.instead_of), (chosen.clone(), &None));
    assert_eq!(model.load_planned(emulator(), plan).unwrap().verify().unwrap(), 10_412);
}
