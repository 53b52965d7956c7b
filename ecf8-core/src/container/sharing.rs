//! Codebooks for the tensors of a file: one each, or one for those that lose little by it.

use crate::codebook::Codebook;
use crate::codebook::cluster::{Sharing, share};
use crate::histogram::Histogram;
use crate::layout::Scheme;
use rayon::prelude::*;

/// Which part of the codewords sharing may cost, where no number of codebooks is asked for.
const TOLERANCE: f64 = 0.001;

/// What a symbol's digit takes in a deflated list of codebooks, in bits.
const DIGIT_BITS: f64 = 3.0;

/// One codebook per histogram, equal for those that share.
pub(super) fn codebooks(
    histograms: &[&Histogram],
    scheme: &dyn Scheme,
    most: Option<usize>,
) -> Vec<Codebook> {
    if !scheme.shares() {
        return histograms.par_iter().map(|histogram| scheme.codebook(histogram)).collect();
    }
    let alphabet = u32::try_from(scheme.symbols().alphabet()).unwrap_or(u32::MAX);
    let sharing = Sharing { codebook_bits: DIGIT_BITS * f64::from(alphabet), tolerance: TOLERANCE, most };
    let groups = share(histograms, &sharing);
    let mut sums = vec![Histogram::default(); groups.iter().max().map_or(0, |last| last + 1)];
    for (histogram, group) in histograms.iter().zip(&groups) {
        sums[*group].add(histogram);
    }
    let codebooks: Vec<Codebook> = sums.par_iter().map(|sum| scheme.codebook(sum)).collect();
    groups.into_iter().map(|group| codebooks[group].clone()).collect()
}
