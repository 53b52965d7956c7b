//! Speed of the processor's codec, in bytes of FP8 weights per second: `cargo bench -p ecf8-core`.
//!
//! The data are 16 MiB of Gaussian weights scaled in 128×128 blocks, as in large language models: more than the caches
//! hold. Each measurement runs on one thread and, where it is parallel, on all.
#![allow(missing_docs, reason = "the macro makes an undocumented function")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ecf8_core::element::Numbers;
use ecf8_core::synthetic::{Attention, Cached};
use ecf8_core::transform::{Difference, Form};
use ecf8_core::{Histogram, Scheme, kv, layout, synthetic};
use std::borrow::Cow;
use std::hint::black_box;

const BYTES: usize = 16 << 20;

fn codec(criterion: &mut Criterion) {
    let data = synthetic::block_scaled(&synthetic::gaussian(1, BYTES, 1.0), 4096).bytes;
    for threads in [1, rayon::current_num_threads()] {
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(threads).build() else { continue };
        let mut group = criterion.benchmark_group("histogram");
        group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(20);
        let id = BenchmarkId::from_parameter(format!("{threads} threads"));
        group.bench_function(id, |bencher| {
            bencher.iter(|| pool.install(|| Histogram::of_bytes(black_box(&data))));
        });
        group.finish();
        layout::schemes().iter().for_each(|scheme| round_trip(criterion, *scheme, &data, &pool));
    }
}

fn round_trip(criterion: &mut Criterion, scheme: &dyn Scheme, data: &[u8], pool: &rayon::ThreadPool) {
    let mut group = criterion.benchmark_group(scheme.name());
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    let threads = pool.current_num_threads();
    let id = |what: &str| BenchmarkId::new(what, format!("{threads} threads"));
    let encode = || {
        scheme.encode(
            Numbers::e4m3(data),
            &scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(black_box(data)))),
        )
    };
    group.bench_function(id("encode, histogram included"), |bencher| bencher.iter(|| pool.install(encode)));
    let Ok(encoded) = encode() else { return };
    let mut out = vec![0; data.len()];
    group.bench_function(id("decode, fast"), |bencher| {
        bencher.iter(|| pool.install(|| scheme.decode(&encoded, black_box(&mut out))));
    });
    if threads == 1 {
        group.bench_function(id("decode, reference"), |bencher| {
            bencher.iter(|| scheme.decode_reference(&encoded, black_box(&mut out)));
        });
    }
    group.finish();
}

/// Pages of a K/V cache by the plain codec, which is there to be right: 256 tokens × 8 heads × 128 channels.
fn pages(criterion: &mut Criterion) {
    let layer = Attention { seed: 1, cached: Cached::Keys, heads: 8, head_size: 128 };
    for numbers in kv::Numbers::ALL {
        let Some(page) = synthetic::stored_as(numbers.dtype(), &layer.tokens(0, 256)) else { continue };
        let Ok(codebooks) = kv::train(numbers, kv::Codebooks::period(8, 128), [&page[..]]) else { continue };
        let Ok(encoded) = codebooks.encode(&page) else { continue };
        let mut group = criterion.benchmark_group(format!("K/V page of {}", numbers.dtype()));
        group.throughput(Throughput::Bytes(page.len() as u64)).sample_size(20);
        group.bench_function("encode", |bencher| bencher.iter(|| codebooks.encode(black_box(&page))));
        group.bench_function("decode", |bencher| bencher.iter(|| codebooks.decode(black_box(&encoded))));
        group.finish();
    }
}

/// A tensor told from its base and back, on one thread: 8 million numbers in BF16, of which one in a hundred has changed.
fn differences(criterion: &mut Criterion) {
    let base = synthetic::stored_as("BF16", &synthetic::gaussian(1, BYTES / 2, 0.02)).unwrap_or_default();
    let mut own = base.clone();
    own.iter_mut().step_by(200).for_each(|byte| *byte ^= 5);
    let mut group = criterion.benchmark_group("difference from a base");
    group.throughput(Throughput::Bytes(own.len() as u64)).sample_size(10);
    for is_sparse in [false, true] {
        let form = Form { transform: &Difference, is_sparse, width: 2 };
        let all = || form.streams().into_iter().map(|stream| form.stream(stream, black_box(&own), &base));
        let id = |what: &str| BenchmarkId::new(what, if is_sparse { "sparse" } else { "dense" });
        group.bench_function(id("told"), |bencher| {
            bencher.iter(|| all().map(|stream| stream.map_or(0, |stream| stream.len())).sum::<usize>());
        });
        let Ok(streams) = all().map(|stream| stream.map(Cow::Owned)).collect::<Result<Vec<_>, _>>() else {
            continue;
        };
        group.bench_function(id("restored"), |bencher| {
            bencher.iter(|| form.restore(black_box(&streams), &base));
        });
    }
    group.finish();
}

criterion_group!(benches, codec, pages, differences);
criterion_main!(benches);
