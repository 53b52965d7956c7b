//! Which tensors share kernels and launches.

use super::records;
use super::*;
use crate::cache::Rung;
use std::collections::BTreeSet;

/// Shards with a tensor each of the same layer; every file has codebooks of its own.
fn shards(count: u64, scheme: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for shard in 0..count {
        let values = synthetic::gaussian(shard, 5000, 0.004 * 1.4f32.powi(i32::try_from(shard).unwrap()));
        let bytes = synthetic::cast(&values);
        let tensor = SyntheticTensor::new(&format!("layers.0.w{shard}"), Dtype::F8_E4M3, &[5000], bytes);
        let made = Made::new(&[tensor], scheme);
        fs::copy(made.path(), folder.path().join(format!("m-{shard}.safetensors"))).unwrap();
    }
    folder
}

fn codebooks(model: &Model) -> usize {
    let codebooks = (0..model.tensors().len()).filter_map(|index| model.compressed(index));
    codebooks.map(|tensor| tensor.codebooks().first().to_text()).collect::<BTreeSet<_>>().len()
}

#[test]
fn tensors_of_several_codebooks_share_a_launch_unless_the_kernel_has_one_compiled_in() {
    for scheme in ["pair-lanes", "byte-lanes", "ans-lanes", "exponent-gap"] {
        let folder = shards(3, scheme);
        let model = Arc::new(Model::open(folder.path()).unwrap());
        let different = codebooks(&model);
        assert!(different > 1, "{scheme}");
        for (table, launches) in [("argument", 1), ("inlined", different)] {
            // Its table is always an argument.
            if (scheme, table) == ("ans-lanes", "inlined") {
                continue;
            }
            let (record, _) =
                records::for_first_compressed(&model, |params| params.get("table") == Some(table));
            let plan = LoadPlan::from_records(&model, &emulator(), &[record]).unwrap();
            assert_eq!((plan.replaced(), plan.notes.len()), (0, 0), "{scheme} {table}: {:?}", plan.notes);
            let mut loaded = model.load_planned(emulator(), plan).unwrap();
            assert_eq!(loaded.launches(0), launches, "{scheme} {table}");
            assert_eq!(loaded.verify().unwrap(), 15_000);
        }
    }
}

#[test]
fn a_plan_of_too_many_kernels_gives_way_to_variants_that_share_them_and_says_so() {
    let folder = shards(20, "pair-lanes");
    let model = Arc::new(Model::open(folder.path()).unwrap());
    assert!(codebooks(&model) > MOST_KERNELS, "{} codebooks", codebooks(&model));
    let (record, tuned) = records::for_first_compressed(&model, |params| {
        params.get("table") == Some("inlined") && params.get("warps_per_block") == Some("16")
    });
    let plan = LoadPlan::from_records(&model, &emulator(), &[record]).unwrap();
    assert!(plan.kernels() <= MOST_KERNELS, "{}", plan.kernels());
    assert_eq!((plan.replaced(), plan.notes.len()), (20, 0), "{:?}", plan.notes);
    for tensor in plan.tensors().iter().flatten() {
        assert_eq!(tensor.instead_of, Some(format!("lanes-pair {tuned}")));
        assert_ne!(tensor.rung, Rung::Default, "what the choice was made from is still told");
        assert_eq!(tensor.params.get("warps_per_block"), Some("16"), "as near to the choice as can be");
    }
    let mut loaded = model.load_planned(emulator(), plan).unwrap();
    assert_eq!((loaded.launches(0), loaded.verify().unwrap()), (1, 100_000));
}

#[test]
fn without_records_tensors_of_any_codebooks_share_a_kernel_and_a_launch() {
    for scheme in ecf8_core::schemes() {
        let scheme = scheme.name();
        let folder = shards(24, scheme);
        let model = Arc::new(Model::open(folder.path()).unwrap());
        let mut loaded = model.load(emulator()).unwrap();
        assert!(codebooks(&model) > MOST_KERNELS, "{scheme}: {}", codebooks(&model));
        assert!(loaded.plan().kernels() <= MOST_KERNELS, "{scheme}: {}", loaded.plan().kernels());
        assert!(loaded.notes().is_empty(), "{scheme}: {:?}", loaded.notes());
        assert_eq!((loaded.launches(0), loaded.verify().unwrap()), (1, 24 * 5000), "{scheme}");
    }
}

#[test]
fn the_papers_kernel_takes_tensors_of_one_codebook_together() {
    let tensors = [(1, 5000), (8, 7001), (15, 3333), (4, 6000)];
    let tensors = tensors.map(|(seed, count)| e4m3(&format!("layers.0.w{seed}"), seed, count));
    let model = Made::new(&tensors, "exponent-gap").open();
    let different = codebooks(&model);
    assert!(different < 4, "{different} codebooks");
    // It is the one without a choice of where its table lies.
    let (record, _) = records::for_first_compressed(&model, |params| params.get("table").is_none());
    let plan = LoadPlan::from_records(&model, &emulator(), &[record]).unwrap();
    assert!(plan.tensors().iter().flatten().all(|tensor| tensor.strategy.name() == "gap-cascade"));
    let mut loaded = model.load_planned(emulator(), plan).unwrap();
    assert_eq!((loaded.launches(0), loaded.notes().len()), (different, 0), "{:?}", loaded.notes());
    assert_eq!(loaded.verify().unwrap(), 21_334);
}
