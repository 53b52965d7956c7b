//! Speed of counting and of the Hadamard transform: `cargo bench -p ecf8-analysis`.
//!
//! Files of 32 MiB of Gaussian weights, analysed on all threads: laws and sizes, which take as long for any tensor, included.
#![allow(missing_docs, reason = "the macro makes an undocumented function")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ecf8_analysis::kinds::Kinds;
use ecf8_analysis::{Options, analyze, hadamard};
use ecf8_core::synthetic::{SyntheticTensor, gaussian, safetensors_bytes, stored_as};
use safetensors::Dtype;
use std::hint::black_box;

const BYTES: usize = 32 << 20;

fn counting(criterion: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let Ok(kinds) = Kinds::new(&[]) else { return };
    for dtype in [Dtype::F8_E4M3, Dtype::BF16, Dtype::F32] {
        let name = dtype.to_string();
        let elements = BYTES * 8 / dtype.bitsize();
        let Some(bytes) = stored_as(&name, &gaussian(1, BYTES / 4, 0.5).repeat(4)[..elements]) else {
            continue;
        };
        let tensor = SyntheticTensor::new(&name, dtype, &[elements as u64 / 4096, 4096], bytes);
        let path = folder.path().join(&name);
        let Ok(file) = safetensors_bytes(&[], &[tensor]) else { continue };
        if std::fs::write(&path, file).is_err() {
            continue;
        }
        let mut group = criterion.benchmark_group(&name);
        group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
        for (what, hadamard_block, sample) in
            [("counted", 0, Some(1)), ("as usual", 128, Some(1 << 20)), ("transformed in full", 128, None)]
        {
            let options = Options { hadamard_block, sample, kinds: kinds.clone() };
            let paths = [path.clone()];
            group.bench_function(what, |bencher| bencher.iter(|| analyze(black_box(&paths), &options, &())));
        }
        group.finish();
    }
}

fn transform(criterion: &mut Criterion) {
    let mut values = gaussian(1, 1 << 20, 1.0);
    let mut group = criterion.benchmark_group("hadamard, one thread");
    group.throughput(Throughput::Elements(1 << 20)).sample_size(20);
    for block in [16, 128, 1024] {
        group.bench_function(format!("blocks of {block}"), |bencher| {
            bencher.iter(|| hadamard::transform(black_box(&mut values), 4096, block));
        });
    }
    group.finish();
}

criterion_group!(benches, counting, transform);
criterion_main!(benches);
