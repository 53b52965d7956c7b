//! Pages that every encoder and decoder of pages is tried on.

use super::{Codebooks, Numbers, Training};
use crate::synthetic::{Attention, Cached, noise, stored_as};

/// A page, and the codebooks that it is encoded with.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The codebooks.
    pub codebooks: Codebooks,
    /// The page's numbers.
    pub page: Vec<u8>,
}

/// Heads and head size of the pages that look like a model's.
const HEADS: usize = 2;
const HEAD_SIZE: usize = 64;

/// The cases: numbers like a model's of every type, in pages of every odd size; all byte values, one alone, noise, what no codebook was
/// trained on.
#[must_use]
pub fn cases() -> Vec<Case> {
    Numbers::ALL.into_iter().flat_map(of).collect()
}

fn of(numbers: Numbers) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, codebooks: &Codebooks, page: Vec<u8>| {
        let name = format!("{}: {name}", numbers.dtype());
        cases.push(Case { name, codebooks: codebooks.clone(), page });
    };
    let width = numbers.bytes();
    let keys = Attention { seed: 5, cached: Cached::Keys, heads: HEADS, head_size: HEAD_SIZE };
    let stored = |first, tokens| stored_as(numbers.dtype(), &keys.tokens(first, tokens)).unwrap_or_default();
    let page = stored(300, 272);
    let trained = |pages: &[&[u8]], groups: usize| {
        let mut training = Training::new(numbers, Codebooks::period(HEADS, HEAD_SIZE));
        pages.iter().for_each(|page| training.add(page));
        training.codebooks(groups).ok().map(|(codebooks, _)| codebooks)
    };
    let sample = stored(0, 256);
    for groups in [1, 3] {
        let Some(codebooks) = trained(&[&sample], groups) else { continue };
        add(&format!("keys, {groups} codebooks"), &codebooks, page.clone());
        // Around vectors, rounds and chunks, and the last number alone in its vector.
        for elements in [0, 1, 15, 16, 17, 511, 513, 1024, 16_383, 16_384, 16_385, 32_784] {
            add(
                &format!("{elements} keys, {groups} codebooks"),
                &codebooks,
                page[..elements * width].to_vec(),
            );
        }
        add("noise", &codebooks, noise(1, 20_000 * width));
        add("zeros, not trained", &codebooks, vec![0; 20_000 * width]);
        // A few numbers of each page that no codebook knows.
        let mut strange = page.clone();
        strange.chunks_exact_mut(width).step_by(997).zip(0u8..).for_each(|(number, i)| {
            number.fill(i.wrapping_mul(37) | 0x60);
        });
        add("keys with strange numbers", &codebooks, strange);
        // So many of them in one lane that it has more words than its tail may have.
        let mut uneven = vec![0; 16_384 * width];
        for (vector, own) in uneven.chunks_exact_mut(16 * width).enumerate() {
            let is_strange = (vector % 32 + 32 - vector / 32) % 32 == 3;
            own.copy_from_slice(if is_strange { &[0xff; 32][..16 * width] } else { &page[..16 * width] });
        }
        add("one lane of strange numbers", &codebooks, uneven);
    }
    let bytes: Vec<u8> = (0..=u8::MAX).flat_map(|byte| vec![byte; width]).collect();
    let all: Vec<u8> = bytes.iter().copied().cycle().take(9000 * width).collect();
    let one = vec![0x38; 9000 * width];
    let two: Vec<u8> = one
        .chunks(width)
        .zip(0..)
        .flat_map(|(one, i)| if i % 3 == 0 { &[0x41; 2][..width] } else { one }.to_vec())
        .collect();
    for (name, page) in [("all byte values", all), ("one number only", one), ("two numbers only", two)] {
        if let Some(codebooks) = trained(&[&page], 1) {
            add(name, &codebooks, page);
        }
    }
    if let Some(untrained) = trained(&[], 1) {
        add("keys, never trained", &untrained, page);
    }
    cases
}
