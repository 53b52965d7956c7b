//! How fast pages of a K/V cache are encoded and decoded, many by one launch.

use super::markdown::{count, measured, text};
use super::{Outcome, Worker, proven, queued};
use crate::cli::answer::Failure;
use crate::executor::{CudaExecutor, ExecutorError, Target};
use crate::kv::{DecodePages, EncodePages, PageCodec, status};
use ecf8_core::kv::{Codebooks, Numbers, train};
use ecf8_core::synthetic::{Attention, Cached, repeated, stored_as};
use serde_json::{Value, json};

/// Heads and channels of the layer, and tokens of a page.
const HEADS: usize = 8;
const HEAD_SIZE: usize = 128;
const TOKENS: usize = 64;

/// Different pages that are made; the others of a launch are the same again.
const DIFFERENT: usize = 32;

/// Pages of one launch.
const PAGES: usize = 2048;

/// The same in a quick report.
const QUICK_PAGES: usize = 1;

pub(super) fn run(worker: &mut Worker<'_>, numbers: Numbers) -> Result<Outcome, Failure> {
    let mut rows = Vec::new();
    for (cached, name) in [(Cached::Keys, "keys"), (Cached::Values, "values")] {
        let name = format!("{} {name}", numbers.dtype());
        rows.extend(coded(worker, numbers, cached, &name)?);
    }
    Ok(Outcome::of_rows(rows))
}

/// Encodes and decodes pages of a layer's keys or values: a row for each direction.
fn coded(
    worker: &mut Worker<'_>,
    numbers: Numbers,
    cached: Cached,
    name: &str,
) -> Result<Vec<Value>, Failure> {
    let (count, different) = if worker.bench.quick { (QUICK_PAGES, QUICK_PAGES) } else { (PAGES, DIFFERENT) };
    let layer = Attention { seed: 11, cached, heads: HEADS, head_size: HEAD_SIZE };
    let stored = |first| {
        let values = layer.tokens(first, different * TOKENS);
        stored_as(numbers.dtype(), &values).ok_or_else(|| Failure::request("numbers that nobody stores"))
    };
    let (sample, pages) = (stored(0)?, stored(different * TOKENS)?);
    let elements = TOKENS * HEADS * HEAD_SIZE;
    let page_bytes = elements * numbers.bytes();
    let period = Codebooks::period(HEADS, HEAD_SIZE);
    let codebooks = train(numbers, period, sample.chunks_exact(page_bytes)).map_err(Failure::request)?;
    let wanted: Vec<Vec<u8>> = pages
        .chunks_exact(page_bytes)
        .map(|page| codebooks.encode(page))
        .collect::<Result<_, _>>()
        .map_err(Failure::request)?;

    let target = &mut worker.target;
    let codec = PageCodec::new(target, &codebooks)?;
    let [count_u32, elements_u32] = [count, elements].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let slot = usize::try_from(codec.slot_bytes(elements_u32)).map_err(Failure::request)?;
    let chunks = usize::try_from(codec.chunks(elements_u32)).map_err(Failure::request)?;
    let scratch_bytes =
        usize::try_from(codec.scratch_bytes(count_u32, elements_u32)).map_err(Failure::request)?;
    let original = repeated(pages, count * page_bytes);
    let cache = target.upload(&(&original[..]).into())?;
    let mut places = |number: &dyn Fn(usize) -> usize| upload(target, (0..count).map(number));
    let sources = places(&|page| page * page_bytes / 16)?;
    let lengths_in_numbers = places(&|_| elements)?;
    let starts = places(&|page| page * slot / 16)?;
    let (scratch, slots) = (target.alloc(scratch_bytes)?, target.alloc(count * slot)?);
    let (lengths, statuses) = (target.alloc(4 * count)?, target.alloc(4 * chunks * count)?);
    let back = target.alloc(original.len())?;
    target.settle()?;
    let encode = EncodePages {
        count: count_u32,
        elements: elements_u32,
        cache: &cache,
        sources: &sources,
        numbers: &lengths_in_numbers,
        scratch: &scratch,
        slots: &slots,
        lengths: &lengths,
    };
    let decode = DecodePages {
        count: count_u32,
        elements: elements_u32,
        pages: &slots,
        starts: &starts,
        lengths: &lengths,
        targets: &sources,
        cache: &back,
        statuses: &statuses,
    };
    let device = target.device().clone();
    let runs = worker.bench.runs;
    let encoded = queued(&device, runs, || codec.encode(&mut worker.target, &encode));
    let decoded = queued(&device, runs, || codec.decode(&mut worker.target, &decode));

    let mut download = |buffer, bytes: usize| {
        let mut out = vec![0; bytes];
        worker.target.download(buffer, &mut out).map(|()| out)
    };
    let own_lengths: Vec<usize> = words(&download(&lengths, 4 * count)?).collect();
    let slots = download(&slots, count * slot)?;
    let is_encoded = own_lengths.iter().enumerate().all(|(page, &length)| {
        slots.get(page * slot..page * slot + length) == wanted.get(page % different).map(|page| &page[..])
    });
    let is_decoded = download(&back, original.len())? == original
        && words(&download(&statuses, 4 * chunks * count)?).all(|one| one == status::DECODED as usize);
    let encoded_bytes: usize = own_lengths.iter().sum();
    let row = |direction: &str, times: Result<Vec<u64>, ExecutorError>, is_right: bool| {
        let mut row = json!({
            "data": name,
            "direction": direction,
            "pages": count,
            "page_bytes": page_bytes,
            "codebooks": codebooks.codebooks().len(),
            "encoded_bytes": encoded_bytes,
            "ratio": encoded_bytes as f64 / original.len() as f64,
        });
        let bytes = original.len() as u64;
        let outcome = proven(times, is_right, "other bytes than the CPU's");
        worker.about.add_outcome(&mut row, bytes, bytes + encoded_bytes as u64, &outcome);
        row
    };
    Ok(vec![row("encode", encoded, is_encoded), row("decode", decoded, is_decoded)])
}

/// Numbers as kernels read them.
fn upload(
    target: &mut CudaExecutor,
    numbers: impl Iterator<Item = usize>,
) -> Result<<CudaExecutor as Target>::Buffer, ExecutorError> {
    let bytes: Vec<u8> =
        numbers.flat_map(|number| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()).collect();
    target.upload(&bytes.into())
}

/// Numbers as kernels write them.
fn words(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word) as usize)
}

pub(super) const HEAD: &[&str] =
    &["pages", "count", "bytes of each", "codebooks", "direction", "ratio", "GB/s", "p20-p80", "of copy"];

pub(super) fn lines(found: &Value) -> Vec<Vec<String>> {
    let line = |row: &Value| {
        let mut line = vec![text(&row["data"])];
        line.extend(["pages", "page_bytes", "codebooks"].map(|key| count(&row[key])));
        line.push(text(&row["direction"]));
        line.extend(measured(row));
        line
    };
    found.as_array().into_iter().flatten().map(line).collect()
}
