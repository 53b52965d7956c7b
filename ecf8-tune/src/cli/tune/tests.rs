//! What tuning costs before anything is measured, and for whom its records are.

use super::*;
use crate::cache::Rung;
use crate::executor::logged::Logged;
use crate::model::LoadPlan;
use ecf8_core::container::{self, CompressOptions};
use ecf8_core::synthetic::{self, SyntheticTensor};
use safetensors::Dtype;
use std::path::Path;
use tempfile::TempDir;

/// A compressed model of `layers` layers of `each` tensors of `elements` elements.
fn model(layers: usize, each: usize, elements: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["m.safetensors", "m.ecf8.safetensors"].map(|name| folder.path().join(name));
    let bytes = synthetic::cast(&synthetic::gaussian(1, elements, 0.02));
    let tensors = (0..layers * each).map(|index| {
        let name = format!("layers.{}.w{}", index / each, index % each);
        SyntheticTensor::new(&name, Dtype::F8_E4M3, &[elements as u64], bytes.clone())
    });
    let tensors: Vec<_> = tensors.collect();
    std::fs::write(&input, synthetic::safetensors_bytes(&[], &tensors).unwrap()).unwrap();
    let scheme = ecf8_core::scheme("quad-lanes");
    container::compress(&input, &output, &CompressOptions { scheme, ..Default::default() }, &()).unwrap();
    (folder, output)
}

fn tune(input: &Path) -> Tune {
    let (input, budget) = (Some(input.to_owned()), Duration::from_secs(3600));
    Tune { command: None, input, device: Device::Emulator, budget, json: true }
}

#[test]
fn of_a_model_of_many_tensors_one_layer_of_a_shape_is_decoded_and_tuned_and_the_loader_takes_what_was_found()
{
    let (_folder, path) = model(100, 5, 6000);
    let (mut decoded, mut target) = (Vec::new(), Logged::new());
    let answer = tune(&path).tune(&mut target, &mut |tensor, elements| {
        decoded.push((tensor.name().to_owned(), elements));
        decode(tensor, elements)
    });
    let answer = answer.map_err(|_| "it failed").unwrap();
    let layer: Vec<_> = (0..5).map(|index| (format!("layers.0.w{index}"), 6000)).collect();
    assert_eq!(decoded, layer, "of 500 tensors those that are launched together to tune with");
    let problems = answer.json["problems"].as_array().unwrap();
    assert_eq!((problems.len(), &answer.json["complete"]), (1, &true.into()), "all layers have a shape");
    let problem = &problems[0]["problem"];
    assert_eq!(
        (&problem["operation"], &problem["tensors"], &problem["elements"]),
        (&"store".into(), &2.into(), &14.into())
    );
    assert_eq!(problems[0]["tensors"].as_array().unwrap().len(), 500);
    assert_eq!(problems[0]["elements"], 30_000);

    let model = Arc::new(Model::open(&path).unwrap());
    let plan = LoadPlan::new(&model, &Logged::new()).unwrap();
    assert_eq!(plan.rungs().into_iter().collect::<Vec<_>>(), [(Rung::Exact, 500)]);
    let loaded = model.load_planned(Logged::new(), plan).unwrap();
    assert!((0..100).all(|layer| loaded.launches(layer) == 1), "launched as it was tuned");
}

#[test]
fn of_large_layers_the_emulator_decodes_the_beginnings() {
    let (_folder, path) = model(1, 3, 70_000);
    let (mut decoded, mut target) = (Vec::new(), Logged::new());
    let answer = tune(&path).tune(&mut target, &mut |tensor, elements| {
        decoded.push(elements);
        decode(tensor, elements)
    });
    let answer = answer.map_err(|_| "it failed").unwrap();
    assert_eq!(decoded, [1 << 16; 3]);
    let problem = &answer.json["problems"][0];
    assert_eq!((&problem["elements"], &problem["problem"]["elements"]), (&(3 << 16).into(), &17.into()));
}

#[test]
fn what_is_expected_of_candidates_is_what_was_decoded_fast_and_no_reference_decoder_is_asked() {
    let (_folder, path) = model(1, 2, 6000);
    let answer = tune(&path).tune(&mut Logged::new(), &mut |tensor, elements| {
        let mut bytes = decode(tensor, elements)?;
        bytes[5] ^= 1;
        Ok(bytes)
    });
    let answer = answer.map_err(|_| "it failed").unwrap();
    let problem = &answer.json["problems"][0];
    assert!(
        problem["rejected"].as_u64() > Some(0) && problem["rejected"] == problem["candidates"],
        "{problem}"
    );
}
