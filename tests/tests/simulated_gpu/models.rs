//! Models, loaded and decoded as an inference engine does.

use super::{Simulated, is_child, on_simulated_gpu};
use ecf8_codegen::sink::Checked;
use ecf8_codegen::strategy::{strategy, widest_coding};
use ecf8_core::container::{self, CompressOptions};
use ecf8_core::element::Numbers;
use ecf8_tests::cli::{file, weights};
use ecf8_tune::executor::{BlockNeeds, CudaExecutor, Prepared, Target};
use ecf8_tune::model::{LoadPlan, Model, ModelError};
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

#[test]
fn kernels_tell_which_tensor_is_damaged() {
    if !on_simulated_gpu("models::kernels_tell_which_tensor_is_damaged", &[]) {
        return;
    }
    let (_folder, model) = of_two_schemes();
    let target = CudaExecutor::open(0).unwrap();
    let plan = LoadPlan::new(&model, &target).unwrap().checked(&model).unwrap();
    let mut loaded = model.load_planned(target, plan).unwrap();
    loaded.verify().unwrap();
    assert_eq!(loaded.damaged().unwrap(), [0; 0]);

    // Of chunks that no warps share, loading does not look at codewords.
    let mut target = CudaExecutor::open(0).unwrap();
    for name in ["lanes-quad", "lanes-triple", "lanes-pair", "lanes-byte", "lanes-two-bytes", "lanes-ans"] {
        let strategy = strategy(name).unwrap();
        let params = strategy.params(&[("warps_at_once".to_owned(), "1".to_owned())]).unwrap();
        let scheme = ecf8_core::scheme(strategy.schemes()[0]).unwrap();
        let encoded = |seed| {
            let bytes = weights("w", seed, 9000).bytes;
            let numbers = Numbers::e4m3(&bytes);
            scheme.encode(numbers, &scheme.codebook(&scheme.symbol_histogram(numbers))).unwrap()
        };
        let (right, mut wrong) = (encoded(7), encoded(8));
        let bytes = right.decode().unwrap();
        wrong.parts[0].bytes.to_mut()[100..356].fill(0x5a);
        assert!(wrong.decode().is_err(), "{name}");
        let batch = [&right, &wrong];
        let kernel = strategy.kernel_into(&params, &widest_coding(&batch).unwrap(), &Checked).unwrap();
        let report = target.compile(std::slice::from_ref(&kernel)).remove(0).unwrap();
        let needs = BlockNeeds::of(&kernel, report.as_ref());
        let launch = strategy.launch_into(&params, &batch, &Checked).unwrap();
        let room = usize::try_from(launch.outputs[0].bytes).unwrap();
        let kernel = target.load(&kernel).unwrap();
        let mut prepared = Prepared::new(&mut target, &kernel, &needs, launch).unwrap();
        let mut output = target.alloc(room).unwrap();
        prepared.run(&mut target, &mut output, 0).unwrap();
        let (mut decoded, marks) = (vec![0; bytes.len()], &prepared.others()[0]);
        let mut status = vec![0; target.bytes(marks)];
        target.download(marks, &mut status).unwrap();
        target.download(&output, &mut decoded).unwrap();
        assert_eq!(Checked::damaged(&batch, &status), [1].into(), "{name}");
        assert!(decoded == bytes, "{name}: the tensor beside the damaged one");
    }
}
