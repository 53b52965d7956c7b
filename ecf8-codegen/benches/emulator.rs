//! How fast the emulator decodes: 1 MiB of Gaussian weights with `gap-cascade` in its default variant.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot start may stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::strategy::{Coding, strategy};
use ecf8_core::element::Numbers;
use ecf8_core::synthetic::{cast, gaussian};
use ecf8_core::{Scheme, layout::exponent_gap::EXPONENT_GAP};

fn decode(criterion: &mut Criterion) {
    let data = cast(&gaussian(1, 1 << 20, 0.02));
    let codebook = EXPONENT_GAP.codebook(&EXPONENT_GAP.symbol_histogram(Numbers::e4m3(&data)));
    let encoded = EXPONENT_GAP.encode(Numbers::e4m3(&data), &codebook).unwrap();
    let strategy = strategy("gap-cascade").unwrap();
    let params = strategy.params(&[]).unwrap();
    let kernel = strategy.kernel(&params, &Coding::e4m3(&codebook)).unwrap();
    let launch = strategy.launch(&params, &[&encoded]).unwrap();
    assert!(emulator::run(&kernel, &launch, Checks::Full).unwrap() == [data.clone()]);

    let mut group = criterion.benchmark_group("emulator gap-cascade");
    group.throughput(Throughput::Bytes(data.len() as u64)).sample_size(10);
    for (name, checks) in [("basic checks", Checks::Basic), ("full checks", Checks::Full)] {
        group.bench_function(name, |bencher| bencher.iter(|| emulator::run(&kernel, &launch, checks)));
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
