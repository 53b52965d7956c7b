//! Codebooks from sample pages.

use super::codebooks::{CODE_BITS, MAX_GROUPS};
use super::page::VECTOR;
use super::{Codebooks, CodebooksError, Numbers};
use crate::codebook::Codebook;
use crate::codebook::cluster::{Sharing, share};
use crate::histogram::Histogram;

/// Bits of a patch, which a symbol without codeword takes besides the codeword that stands in.
const PATCH_BITS: u64 = 32;

/// Twice as many codebooks must save one byte in every `WORTH` bytes of the pages. A codebook takes 2 KiB of a block's shared memory.
const WORTH: u64 = 2000;

/// The most codebooks that are chosen. Eight fit the samples better, but not later tokens: of keys in F8_E4M3 those took 0.3 % more with
/// eight than with four, of BF16 0.1 % less (`examples/kv.rs`, 27 November 2026).
const MOST_CHOSEN: usize = 4;
const _: () = assert!(MOST_CHOSEN <= MAX_GROUPS);

/// How much more a group's own numbers count in its codebook than those of all groups. What a group has not had in the samples, another
/// has had: as tokens go on, rotation brings slow channels to where faster ones have been.
const OWN: u64 = 256;

/// What sample pages have told.
#[derive(Debug, Clone)]
pub struct Training {
    numbers: Numbers,
    /// Of each vector, as far as channels do not repeat, how often each coded byte was there.
    counts: Vec<[u64; 256]>,
}

impl Training {
    /// Before any page: of numbers whose channels repeat after `period` vectors (see [`Codebooks::period`]), at least 1.
    #[must_use]
    pub fn new(numbers: Numbers, period: usize) -> Self {
        Self { numbers, counts: vec![[0; 256]; period.max(1)] }
    }

    /// Counts a page's numbers.
    pub fn add(&mut self, page: &[u8]) {
        let (coded, _) = self.numbers.split(page);
        let period = self.counts.len();
        for (vector, bytes) in coded.chunks(VECTOR).enumerate() {
            let counts = &mut self.counts[vector % period];
            bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        }
    }

    /// The entropy of the numbers in bits per number, if each vector has statistics of its own, and if all have the same. Stored bytes
    /// count as they are.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn entropies(&self) -> (f64, f64) {
        let histograms = self.histograms();
        let mut all = Histogram::zero(256);
        histograms.iter().for_each(|histogram| all.add(histogram));
        let own: f64 = histograms.iter().map(|own| own.entropy_bits() * own.total() as f64).sum();
        let stored = 8.0 * (self.numbers.bytes() - 1) as f64;
        (own / all.total().max(1) as f64 + stored, all.entropy_bits() + stored)
    }

    fn histograms(&self) -> Vec<Histogram> {
        self.counts.iter().map(|counts| Histogram::from_counts(counts)).collect()
    }

    /// Codebooks for at most `groups` groups of channels, and the bits that the samples' coded bytes take with them.
    ///
    /// # Errors
    /// If no codebooks are wanted or the channels repeat after too many vectors.
    pub fn codebooks(&self, groups: usize) -> Result<(Codebooks, u64), CodebooksError> {
        let histograms = self.histograms();
        let sharing = Sharing { codebook_bits: 0.0, tolerance: 0.0, most: Some(groups) };
        let shared = share(&histograms.iter().collect::<Vec<_>>(), &sharing).groups;
        let mut sums = vec![Histogram::zero(256); shared.iter().max().map_or(0, |last| last + 1)];
        histograms.iter().zip(&shared).for_each(|(histogram, group)| sums[*group].add(histogram));
        let mut all = Histogram::zero(256);
        sums.iter().for_each(|sum| all.add(sum));
        let codebooks = sums.iter().map(|sum| fit(&mixed(sum, &all))).collect::<Vec<_>>();
        let bits = codebooks.iter().zip(&sums).map(|(codebook, sum)| cost_bits(codebook, sum)).sum();
        let groups = shared.iter().map(|group| crate::int::low_byte(*group as u64)).collect();
        Ok((Codebooks::new(self.numbers, groups, codebooks)?, bits))
    }

    /// Codebooks for as many groups of channels as gain, four at most: those for twice as many must save a 2000th of the numbers' bytes.
    ///
    /// # Errors
    /// If the channels repeat after too many vectors.
    pub fn finish(&self) -> Result<Codebooks, CodebooksError> {
        let (mut best, mut bits) = self.codebooks(1)?;
        let total: u64 = self.counts.iter().flatten().sum();
        let worth = total * (8 * self.numbers.bytes() as u64) / WORTH;
        let mut groups = 2;
        while groups <= MOST_CHOSEN.min(self.counts.len()) {
            let (more, fewer_bits) = self.codebooks(groups)?;
            if fewer_bits.saturating_add(worth) >= bits {
                break;
            }
            (best, bits) = (more, fewer_bits);
            groups *= 2;
        }
        Ok(best)
    }
}

/// Codebooks for pages like these; `period` as [`Training::new`] has it.
///
/// # Errors
/// If the channels repeat after too many vectors.
pub fn train<'a>(
    numbers: Numbers,
    period: usize,
    pages: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Codebooks, CodebooksError> {
    let mut training = Training::new(numbers, period);
    pages.into_iter().for_each(|page| training.add(page));
    training.finish()
}

/// What a group is expected to have: what it had in the samples, and a little of what others had.
fn mixed(own: &Histogram, all: &Histogram) -> Histogram {
    let (own_total, all_total) = (own.total(), all.total().max(1));
    let pairs = own.counts().into_iter().zip(all.counts());
    let count = |(own, all): (u64, u64)| {
        let share = u128::from(all) * u128::from(own_total);
        own.saturating_mul(OWN)
            .saturating_add(u64::try_from(share.div_ceil(all_total.into())).unwrap_or(u64::MAX))
    };
    Histogram::from_counts(&pairs.map(count).collect::<Vec<_>>())
}

/// Bits that symbols take, patches included.
fn cost_bits(codebook: &Codebook, histogram: &Histogram) -> u64 {
    let patched = codebook.uncovered(histogram).saturating_mul(PATCH_BITS + u64::from(codebook.min_len()));
    codebook.cost_bits(histogram).saturating_add(patched)
}

/// The code under which the symbols take the fewest bits. The rarest have no codeword if patches cost less than the others' codewords
/// become longer by theirs.
fn fit(histogram: &Histogram) -> Codebook {
    let of = |least: u64| {
        let counts = histogram.counts().into_iter().map(|count| if count >= least { count } else { 0 });
        Codebook::huffman(&Histogram::from_counts(&counts.collect::<Vec<_>>()), CODE_BITS)
    };
    let total = histogram.total();
    if total == 0 {
        return Codebook::huffman(&Histogram::from_counts(&[1; 256]), CODE_BITS);
    }
    // A symbol must occur to have a codeword; from there up to one in 2^9, where a codeword has fewer bits than the longest.
    let mut leasts: Vec<u64> = (9..40)
        .flat_map(|shift| [total >> shift, (total >> shift) * 3 / 4])
        .map(|least| least.max(1))
        .collect();
    leasts.sort_unstable();
    leasts.dedup();
    let codes = leasts.into_iter().map(of).filter(|codebook| !codebook.is_empty());
    codes.min_by_key(|codebook| cost_bits(codebook, histogram)).unwrap_or_else(|| of(1))
}
