//! Models, loaded and decoded as an inference engine does.

use super::{Simulated, is_child, on_simulated_gpu};
use ecf8_core::container::{self, CompressOptions};
use ecf8_tests::cli::{file, weights};
use ecf8_tune::executor::CudaExecutor;
use ecf8_tune::model::{Model, ModelError};
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

#[path = "../../../ecf8-tune/examples/walk_layers.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod walk_layers;

/// A model of two layers, each with a tensor in each of two schemes.
pub(super) fn of_two_schemes() -> (TempDir, Arc<Model>) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    for (name, seed) in [("pair-lanes", 1), ("triple-lanes", 5)] {
        let tensor = |layer: u64| weights(&format!("layers.{layer}.{name}"), seed + layer, 5000);
        fs::write(&input, file(&[tensor(0), tensor(1)])).unwrap();
        let output = folder.path().join("model").join(format!("{name}.safetensors"));
        fs::create_dir_all(output.parent().unwrap()).unwrap();
        let options = CompressOptions { scheme: ecf8_core::scheme(name), ..CompressOptions::default() };
        container::compress(&input, &output, &options, &()).unwrap();
    }
    let model = Arc::new(Model::open(&folder.path().join("model")).unwrap());
    (folder, model)
}

#[test]
fn the_example_walks_its_model_on_the_gpu() {
    if !on_simulated_gpu("models::the_example_walks_its_model_on_the_gpu", &[]) {
        return;
    }
    let mut out = Vec::new();
    walk_layers::run(None, &mut out).unwrap();
    let said = String::from_utf8(out).unwrap();
    assert!(said.contains("on cuda:0 (Simulated sm_90") && said.matches(", exact").count() >= 3, "{said}");
}

#[test]
fn a_layer_that_is_decoded_again_is_a_graph_that_is_replayed_exactly() {
    const TEST: &str = "models::a_layer_that_is_decoded_again_is_a_graph_that_is_replayed_exactly";
    if !is_child() {
        let Some(simulated) = Simulated::find() else { return };
        let text = simulated.run(TEST, &[("ECF8_SIM_LOG", "1")]);
        let count = |call: &str| text.matches(&format!("simulated GPU: {call}: Ok")).count();
        assert_eq!(
            (count("cuGraphLaunch"), count("cuGraphExecDestroy"), count("cuGraphDestroy")),
            (3, 1, 1),
            "{text}"
        );
        return;
    }
    let (_folder, model) = of_two_schemes();
    let mut loaded = model.load(CudaExecutor::open(0).unwrap()).unwrap();
    assert_eq!(loaded.launches(0), 2);
    let mut scratch = loaded.scratch().unwrap();
    for _ in 0..4 {
        loaded.decode_layer(0, &mut scratch).unwrap();
    }
    loaded.check_layer(0, &scratch).unwrap();
    loaded.decode_layer(1, &mut scratch).unwrap();
    loaded.check_layer(1, &scratch).unwrap();
}

#[test]
fn threads_and_gpus_decode_at_once() {
    if !on_simulated_gpu("models::threads_and_gpus_decode_at_once", &[("ECF8_SIM_GPUS", "2")]) {
        return;
    }
    let (_folder, model) = of_two_schemes();
    std::thread::scope(|scope| {
        // Two threads on the first, and one on the second.
        for gpu in [0, 0, 1] {
            let model = &model;
            scope.spawn(move || {
                let mut loaded = model.load(CudaExecutor::open(gpu).unwrap()).unwrap();
                for _ in 0..2 {
                    loaded
                        .walk(|loaded, layer, buffer| {
                            loaded.check_layer(layer, buffer)?;
                            Ok::<(), ModelError>(())
                        })
                        .unwrap();
                }
            });
        }
    });
}
