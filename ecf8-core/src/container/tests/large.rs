//! Tensors encoded in groups, as those are for which there may be no memory.

use super::drift::{COLUMNS, drifting, rows_of};
use super::*;
use crate::layout::Aim;
use crate::layout::lanes::{ANS_LANES, BYTE_LANES, PAIR_LANES, PAIR6_LANES, QUAD_LANES, TRIPLE_LANES};
use crate::map::MappedFile;
use crate::source::MappedSource;
use crate::synthetic::{cast, gaussian, noise, stored_as};
use output::{Mode, PendingOutput, Target};
use write::compress::compress_to;
use write::large::Grouping;

/// The container of a file whose tensors of more than `from` bytes are encoded in groups of `bytes` bytes.
fn grouped(file: &[u8], options: &CompressOptions, from: u64, bytes: usize) -> Vec<u8> {
    let folder = folder();
    let (input, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    fs::write(&input, file).unwrap();
    let map = MappedFile::open(&input).unwrap();
    let source = MappedSource::new(&map).unwrap();
    let pending = PendingOutput::file(Target::of_file(&output, false).unwrap(), Mode::of_new()).unwrap();
    let grouping = Grouping { from, bytes };
    compress_to(&source, pending.open_file().unwrap(), options, grouping, &()).unwrap();
    pending.finish().unwrap();
    fs::read(output).unwrap()
}

fn tensor(name: &str, dtype: Dtype, values: &[f32]) -> SyntheticTensor {
    SyntheticTensor::new(name, dtype, &[values.len() as u64], stored_as(&dtype.to_string(), values).unwrap())
}

/// Numbers of each kind of split, some that drift, some that are kept, none of a round number.
fn model() -> Vec<u8> {
    let sines: Vec<f32> = (0..30_007).map(|i| (i as f32 * 0.02).sin()).collect();
    let sines: Vec<f32> = sines.iter().map(|value| (value * 1000.0).round() / 777.0).collect();
    let shifting = drifting(192);
    let tensors = [
        tensor("bf16", Dtype::BF16, &gaussian(1, 150_003, 0.02)),
        fp8("noise", &[70_000], noise(2, 70_000)),
        SyntheticTensor::new(
            "drifting",
            Dtype::BF16,
            &rows_of(&shifting),
            stored_as("BF16", &shifting).unwrap(),
        ),
        fp8("fp8", &[300_001], cast(&gaussian(3, 300_001, 0.05))),
        tensor("f16", Dtype::F16, &gaussian(4, 70_001, 0.02)),
        tensor("f32", Dtype::F32, &gaussian(5, 50_100, 0.02)),
        tensor("sines", Dtype::F32, &sines),
        fp8("small", &[5000], cast(&gaussian(6, 5000, 0.05))),
    ];
    safetensors_bytes(&[], &tensors).unwrap()
}

#[test]
fn groups_make_the_container_that_whole_tensors_make() {
    let file = model();
    let aimed = |aim| CompressOptions { aim, ..Default::default() };
    let schemes: [&'static dyn Scheme; 6] =
        [&QUAD_LANES, &TRIPLE_LANES, &PAIR_LANES, &PAIR6_LANES, &BYTE_LANES, &ANS_LANES];
    let cases = [(aimed(Aim::Balanced), 1), (aimed(Aim::Balanced), 1 << 30), (aimed(Aim::Size), 150_000)];
    for (options, bytes) in cases.into_iter().chain(schemes.map(|scheme| (by(scheme), 150_000))) {
        let whole = grouped(&file, &options, u64::MAX, 0);
        assert!(grouped(&file, &options, 0, bytes) == whole, "{options:?}, groups of {bytes} bytes");
    }
}

#[test]
fn what_has_several_codebooks_is_grouped_within_and_across_its_runs() {
    let values = drifting(2048);
    let file = safetensors_bytes(&[], &[fp8("w", &rows_of(&values), cast(&values))]).unwrap();
    let options = CompressOptions::default();
    let whole = grouped(&file, &options, u64::MAX, 0);
    let folder = folder();
    let path = folder.path().join("whole");
    fs::write(&path, &whole).unwrap();
    let opened = CompressedFile::open(&path).unwrap();
    let run = opened.tensor("w").unwrap().codebooks().run().unwrap() as usize;
    assert!(run < values.len() && values.len() / COLUMNS == 2048);
    for bytes in [run / 3, run + 1000, 5 * run / 2] {
        assert!(grouped(&file, &options, 0, bytes) == whole, "{bytes} bytes of runs of {run}");
    }
}

#[test]
fn where_the_streams_of_a_late_group_run_apart_all_chunks_are_shorter() {
    // Half of the lanes have one byte only, the others have any.
    let apart: Vec<u8> = noise(7, 400_000)
        .into_iter()
        .enumerate()
        .map(|(place, byte)| if place / 16 % 32 < 16 { 0x38 } else { byte })
        .collect();
    let alike = vec![0x38; 1_000_000];
    let file = safetensors_bytes(&[], &[fp8("w", &[1_400_000], [alike, apart].concat())]).unwrap();
    for scheme in [&BYTE_LANES as &'static dyn Scheme, &ANS_LANES] {
        let whole = grouped(&file, &by(scheme), u64::MAX, 0);
        let folder = folder();
        let path = folder.path().join("whole");
        fs::write(&path, &whole).unwrap();
        let opened = CompressedFile::open(&path).unwrap();
        let tensor = opened.tensor("w").unwrap();
        assert!(tensor.params()["elements_per_lane"] < 1024, "{:?}", tensor.params());
        for bytes in [100_000, 1_100_000] {
            assert!(grouped(&file, &by(scheme), 0, bytes) == whole, "{}, {bytes}", scheme.name());
        }
    }
}
