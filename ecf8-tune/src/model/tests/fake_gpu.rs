//! Models loaded through the CUDA path, on the fake driver, whose kernels write nothing: what is compiled, where it is
//! launched, and what is copied.

use super::large::five_hundred;
use super::*;
use crate::device::CudaDevice;
use crate::device::tests::graph::{count, set};
use crate::device::tests::{fake, is_child};
use crate::executor::{CudaExecutor, Target};
use crate::kernel_cache::tests::Fake;
use crate::kernel_cache::{DEFAULT_LIMIT, KernelCache};
use crate::nvrtc::{Nvrtc, NvrtcError};
use std::sync::Arc;

fn cold(root: &Path) -> Arc<KernelCache> {
    Arc::new(KernelCache::at(root, DEFAULT_LIMIT).with_compiler(|| Ok(Arc::new(Fake("13.0")))))
}

/// A cache whose user would rather panic than have NVRTC searched for.
fn without_nvrtc(root: &Path) -> Arc<KernelCache> {
    Arc::new(KernelCache::at(root, DEFAULT_LIMIT).with_compiler(|| panic!("NVRTC was looked for")))
}

fn on_fake_driver(test: &str) {
    fake::run(&format!("model::tests::fake_gpu::{test}"), "any kernel");
}

#[test]
fn a_cold_load_compiles_at_most_sixteen_kernels_and_a_warm_one_does_not_even_look_for_nvrtc() {
    if !is_child() {
        return on_fake_driver(
            "a_cold_load_compiles_at_most_sixteen_kernels_and_a_warm_one_does_not_even_look_for_nvrtc",
        );
    }
    for scheme in ecf8_core::schemes() {
        let scheme = scheme.name();
        let root = tempfile::tempdir().unwrap();
        let made = five_hundred(scheme);
        let model = made.open();
        let cache = cold(root.path());
        let loaded = model.load(CudaExecutor::with_cache(0, cache.clone()).unwrap()).unwrap();
        let compiled = cache.compiled();
        assert!((1..=MOST_KERNELS).contains(&compiled), "{scheme}: {compiled}");
        assert_eq!(compiled, loaded.plan().kernels());

        let cache = without_nvrtc(root.path());
        let mut loaded = model.load(CudaExecutor::with_cache(0, cache.clone()).unwrap()).unwrap();
        let mut scratch = loaded.scratch().unwrap();
        for layer in 0..model.layers().len() {
            loaded.decode_layer(layer, &mut scratch).unwrap();
        }
        // What a layer's launch decodes with others has one of its own, with no other kernel.
        for tensor in model.tensors().iter().take(20) {
            loaded.decode_tensor(&tensor.name, &mut scratch).unwrap();
        }
        loaded.walk(|_, _, _| Ok::<(), ModelError>(())).unwrap();
        assert_eq!((cache.compiled(), cache.take_warnings()), (0, vec![]));
    }
}

/// A model of one layer of a tensor in each of two schemes, and a norm.
fn of_two_schemes() -> (TempDir, Arc<Model>) {
    let folder = tempfile::tempdir().unwrap();
    let tensors =
        [("pair-lanes", e4m3("layers.0.w0", 1, 5000)), ("byte-lanes", e4m3("layers.0.w1", 2, 5000))];
    for (scheme, tensor) in tensors {
        let made = Made::new(&[tensor, f32s(&format!("layers.0.{scheme}.norm"), 3)], scheme);
        fs::copy(made.path(), folder.path().join(format!("{scheme}.safetensors"))).unwrap();
    }
    let model = Arc::new(Model::open(folder.path()).unwrap());
    (folder, model)
}

#[test]
fn a_layer_of_several_launches_is_replayed_as_one_graph_into_the_same_buffer() {
    const TEST: &str = "a_layer_of_several_launches_is_replayed_as_one_graph_into_the_same_buffer";
    if !is_child() {
        return on_fake_driver(TEST);
    }
    let (_folder, model) = of_two_schemes();
    let root = tempfile::tempdir().unwrap();
    let mut loaded = model.load(CudaExecutor::with_cache(0, cold(root.path())).unwrap()).unwrap();
    let [mut one, mut other] = [loaded.scratch().unwrap(), loaded.scratch().unwrap()];
    let counts = || ["fake_calls", "fake_replays"].map(count);
    assert_eq!((loaded.launches(0), counts()), (2, [0, 0]));
    loaded.decode_layer(0, &mut one).unwrap();
    assert_eq!(counts(), [2, 0]);
    for times in 1..=4 {
        loaded.decode_layer(0, &mut one).unwrap();
        assert_eq!(counts(), [2, times], "a call for all of it");
    }
    loaded.decode_layer(0, &mut other).unwrap();
    assert_eq!(counts(), [4, 4], "another buffer is no replay");
    // A tensor alone is one launch.
    for _ in 0..3 {
        loaded.decode_tensor("layers.0.w1", &mut one).unwrap();
    }
    assert_eq!(counts(), [7, 4]);
    assert_eq!(loaded.target().one_by_one(), None);
    drop(loaded);
    assert_eq!(count("fake_graphs"), 0);
}

#[test]
fn parts_and_what_is_stored_as_it_is_are_uploaded_once_and_loading_waits_once() {
    const TEST: &str = "parts_and_what_is_stored_as_it_is_are_uploaded_once_and_loading_waits_once";
    if !is_child() {
        return on_fake_driver(TEST);
    }
    let made = model_of_layers(3, 4, 5000, "byte-lanes");
    let model = made.open();
    let root = tempfile::tempdir().unwrap();
    let counts =
        || ["fake_allocations", "fake_waits", "fake_event_waits", "fake_copies", "fake_pinned"].map(count);
    let target = CudaExecutor::with_cache(0, cold(root.path())).unwrap();
    let before = counts();
    let mut loaded = model.load(target).unwrap();
    // Three buffers for each layer's launch: parts, jobs, and the job of each block. One for each norm, and for the
    // embedding.
    assert_eq!(counts(), [before[0] + 3 * 3 + 4, before[1] + 1, before[2], 0, 0], "{:?}", loaded.notes());
    // All inputs of the launches, the norms, and the embedding, each once.
    let padded = |bytes: u64| bytes.next_multiple_of(32);
    let inputs = (0..4).flat_map(|layer| model.batches(layer)).map(|batch| {
        let plan = loaded.plan().tensors()[batch[0]].clone().unwrap();
        let encoded = model.encoded(&batch);
        let launch = plan.strategy.launch(&plan.params, &encoded.iter().collect::<Vec<_>>()).unwrap();
        launch.inputs().map(|input| padded(input.len())).sum::<u64>()
    });
    let wanted = inputs.sum::<u64>() + 3 * padded(12) + padded(400);
    assert_eq!(u64::try_from(count("fake_uploaded")), Ok(wanted));

    let mut scratch = loaded.scratch().unwrap();
    for layer in 0..4 {
        loaded.decode_layer(layer, &mut scratch).unwrap();
    }
    assert_eq!(count("fake_copies"), 0, "what is stored as it is stays where it is");
    loaded.check_layer(0, &scratch).unwrap();
    assert_eq!((loaded.places(0)[0].home, loaded.layer_bytes(0)), (Home::Resident, 0));
    let mut embedding = loaded.target().alloc(400).unwrap();
    loaded.decode_tensor("model.embed_tokens.weight", &mut embedding).unwrap();
    let mut bytes = vec![0; 400];
    loaded.target().download(&embedding, &mut bytes).unwrap();
    assert_eq!(bytes, *model.read(0).unwrap());
}

#[test]
fn what_a_driver_without_pinned_memory_costs_is_said() {
    const TEST: &str = "what_a_driver_without_pinned_memory_costs_is_said";
    if !is_child() {
        return fake::run(&format!("model::tests::fake_gpu::{TEST}"), "no pinning");
    }
    let model = Made::new(&[f32s("layers.0.norm", 64)], "pair-lanes").open();
    let target = CudaExecutor::with_cache(0, Arc::new(KernelCache::in_memory())).unwrap();
    let mut loaded = model.load(target).unwrap();
    let [note] = loaded.notes() else { panic!("{:?}", loaded.notes()) };
    assert!(note.starts_with("uploads go through memory that the driver copies once more: "), "{note}");
    assert_eq!(loaded.verify().unwrap(), 256);
}

#[test]
fn a_cold_load_without_nvrtc_is_one_line_that_says_what_is_missing() {
    if !is_child() {
        return on_fake_driver("a_cold_load_without_nvrtc_is_one_line_that_says_what_is_missing");
    }
    let made = model_of_layers(1, 2, 5000, "pair-lanes");
    let cache = KernelCache::in_memory()
        .with_compiler(|| Err(NvrtcError::NotFound { attempts: Vec::new(), package: "" }));
    let model = made.open();
    let loaded = model.load(CudaExecutor::with_cache(0, Arc::new(cache)).unwrap());
    let error = loaded.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("NVRTC") && error.lines().count() == 1, "{error}");
}

#[test]
fn kept_tensors_are_where_they_stay_and_kernels_that_write_nothing_are_found_out() {
    if !is_child() {
        return on_fake_driver(
            "kept_tensors_are_where_they_stay_and_kernels_that_write_nothing_are_found_out",
        );
    }
    let made = model_of_layers(1, 2, 5000, "pair-lanes");
    let model = made.open();
    let root = tempfile::tempdir().unwrap();
    let mut loaded = model.load(CudaExecutor::with_cache(0, cold(root.path())).unwrap()).unwrap();
    let mut scratch = loaded.scratch().unwrap();
    loaded.target().fill(&mut scratch, 0xa5).unwrap();
    loaded.decode_layer(0, &mut scratch).unwrap();
    loaded.check_layer(0, &scratch).unwrap();
    loaded.decode_layer(1, &mut scratch).unwrap();
    let error = loaded.check_layer(1, &scratch).unwrap_err();
    assert!(
        matches!(&error, ModelError::Inexact { tensor } if tensor == "model.layers.0.w0.weight"),
        "{error}"
    );
    let norm = loaded.places(1)[0];
    assert_eq!(model.tensors()[norm.tensor].name, "model.layers.0.norm.weight");
    assert_eq!((norm.home, norm.start, norm.bytes), (Home::Resident, 0, 12));
    let mut all = vec![0; loaded.scratch_bytes()];
    loaded.target().download(&scratch, &mut all).unwrap();
    let last = |place: &TensorLocation| all[place.start + place.bytes - 1];
    assert!(loaded.places(1)[1..].iter().all(|place| last(place) == 0xa5));
}

#[test]
fn a_model_is_decoded_on_the_stream_of_the_caller_into_its_memory() {
    const TEST: &str = "a_model_is_decoded_on_the_stream_of_the_caller_into_its_memory";
    if !is_child() {
        return fake::run(&format!("model::tests::fake_gpu::{TEST}"), "own stream");
    }
    // Only kept tensors, since the kernels of this driver are not ours.
    let made = Made::new(&[f32s("layers.0.norm", 64), f32s("layers.1.norm", 32)], "pair-lanes");
    let model = made.open();
    let device = CudaDevice::open(0).unwrap();
    let device = streams::on_the_stream_of_the_fake_driver(&device);
    let mut loaded = model.load(CudaExecutor::on(device, Arc::new(KernelCache::in_memory()))).unwrap();
    loaded.walk(|loaded, layer, buffer| loaded.check_layer(layer, buffer)).unwrap();
}

#[test]
fn layers_are_decoded_into_a_graph_of_the_caller_and_what_was_not_prepared_is_refused() {
    const TEST: &str = "layers_are_decoded_into_a_graph_of_the_caller_and_what_was_not_prepared_is_refused";
    if !is_child() {
        return fake::run(&format!("model::tests::fake_gpu::{TEST}"), "own stream,any kernel");
    }
    let (_folder, model) = of_two_schemes();
    let device = streams::on_the_stream_of_the_fake_driver(&CudaDevice::open(0).unwrap());
    let root = tempfile::tempdir().unwrap();
    let mut loaded = model.load(CudaExecutor::on(device, cold(root.path()))).unwrap();
    let mut scratch = loaded.scratch().unwrap();
    let counts = || ["fake_calls", "fake_replays", "fake_recorded", "fake_broken"].map(count);
    let launches = i32::try_from(loaded.launches(0)).unwrap();

    // Nothing of a layer has to be decoded before: loading has prepared all.
    set("fake_captured", 1);
    for _ in 0..3 {
        loaded.decode_layer(0, &mut scratch).unwrap();
    }
    assert_eq!(counts(), [0, 0, 3 * launches, 0]);
    let error = loaded.check_layer(0, &scratch).unwrap_err().to_string();
    assert!(error.contains("captured as a graph") && error.contains("once before"), "{error}");
    assert!(loaded.scratch().is_err());
    set("fake_captured", 0);
    for _ in 0..2 {
        loaded.decode_layer(0, &mut scratch).unwrap();
    }
    assert_eq!(counts(), [launches, 1, 3 * launches, 0]);

    // A tensor that its layer decodes with others in one launch is prepared when it is first asked for.
    let made = model_of_layers(1, 2, 5000, "pair-lanes");
    let model = made.open();
    let device = streams::on_the_stream_of_the_fake_driver(&CudaDevice::open(0).unwrap());
    let mut loaded = model.load(CudaExecutor::on(device, cold(root.path()))).unwrap();
    let mut scratch = loaded.scratch().unwrap();
    let name = "model.layers.0.w0.weight";
    set("fake_captured", 1);
    let error = loaded.decode_tensor(name, &mut scratch).unwrap_err().to_string();
    assert!(error.contains("once before the capture begins"), "{error}");
    set("fake_captured", 0);
    loaded.decode_tensor(name, &mut scratch).unwrap();
    set("fake_captured", 1);
    loaded.decode_tensor(name, &mut scratch).unwrap();
    assert_eq!(["fake_recorded", "fake_broken"].map(count), [3 * launches + 1, 0]);
}

#[test]
fn kernels_by_the_real_nvrtc_take_the_arguments_that_layers_are_launched_with() {
    const TEST: &str = "kernels_by_the_real_nvrtc_take_the_arguments_that_layers_are_launched_with";
    if !is_child() {
        return on_fake_driver(TEST);
    }
    if let Err(error) = Nvrtc::find() {
        return eprintln!("skipped: {error}");
    }
    for scheme in ecf8_core::schemes() {
        let scheme = scheme.name();
        let root = tempfile::tempdir().unwrap();
        let made = model_of_layers(3, 4, 5000, scheme);
        let model = made.open();
        let cache = Arc::new(KernelCache::at(root.path(), DEFAULT_LIMIT));
        let loaded = model.load(CudaExecutor::with_cache(0, cache.clone()).unwrap()).unwrap();
        assert_eq!(cache.compiled(), loaded.plan().kernels(), "{:?}", cache.take_warnings());
        // The size of a launch's arguments is compared with what the cubin says.
        let launch = |mut loaded: CudaModel| {
            let mut scratch = loaded.scratch().unwrap();
            (0..model.layers().len()).for_each(|layer| loaded.decode_layer(layer, &mut scratch).unwrap());
        };
        launch(loaded);
        launch(model.load(CudaExecutor::with_cache(0, without_nvrtc(root.path())).unwrap()).unwrap());
    }
}

mod streams {
    #![allow(unsafe_code)]
    use super::*;

    pub(super) fn on_the_stream_of_the_fake_driver(device: &CudaDevice) -> CudaDevice {
        // SAFETY: the fake driver knows this handle.
        unsafe { device.on_stream(std::ptr::without_provenance_mut(64)) }
    }
}
