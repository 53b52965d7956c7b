//! Which form of a tensor is likely to take least beside its base: by the entropies of all streams that there would be.

use crate::transform::{BLOCK, Form, PIECE, TransformError, blocks, transforms};
use rayon::prelude::*;

/// How often each byte occurs.
type Bytes = [u64; 256];

/// Bytes that a stream takes besides: its entry in the header or the manifest.
const PER_STREAM: f64 = 64.0;

/// The least share of all bytes that a codebook gives one which occurs.
const LEAST_SHARE: f64 = 1.0 / 8192.0;

/// What is known of a tensor beside its base.
struct Counts {
    /// Numbers that have changed.
    changed: u64,
    /// Of these, those that are listed: not in blocks that have changed as a whole.
    listed: u64,
    /// Blocks by how many numbers of them have changed.
    blocks: Bytes,
    /// By plane, of the tensor as it is.
    plain: Vec<Bytes>,
    /// By transform and plane.
    transformed: Vec<Vec<Bytes>>,
}

impl Counts {
    fn none(width: usize) -> Self {
        let planes = vec![[0; 256]; width];
        let transformed = vec![planes.clone(); transforms().len()];
        Self { changed: 0, listed: 0, blocks: [0; 256], plain: planes, transformed }
    }

    fn of(own: &[u8], base: &[u8], width: usize) -> Result<Self, TransformError> {
        let mut counts = Self::none(width);
        for block in blocks(own, base, width) {
            counts.blocks[usize::from(block.count())] += 1;
            counts.changed += u64::from(block.count());
            counts.listed += if block.is_whole(width) { 0 } else { u64::from(block.count()) };
        }
        count(own, &mut counts.plain);
        let mut piece = Vec::with_capacity(own.len());
        for (transform, planes) in transforms().iter().zip(&mut counts.transformed) {
            piece.clear();
            piece.extend_from_slice(own);
            transform.forward(&mut piece, base, width)?;
            count(&piece, planes);
        }
        Ok(counts)
    }

    fn plus(mut self, other: &Self) -> Self {
        self.changed += other.changed;
        self.listed += other.listed;
        let own = self.plain.iter_mut().chain(self.transformed.iter_mut().flatten());
        let all = own.chain([&mut self.blocks]).flatten();
        let theirs =
            other.plain.iter().chain(other.transformed.iter().flatten()).chain([&other.blocks]).flatten();
        all.zip(theirs).for_each(|(own, other)| *own += other);
        self
    }
}

fn count(numbers: &[u8], planes: &mut [Bytes]) {
    let width = planes.len();
    for number in numbers.chunks_exact(width) {
        for (plane, byte) in planes.iter_mut().rev().zip(number) {
            plane[usize::from(*byte)] += 1;
        }
    }
}

/// The form that is likely to take least; none, if the tensor takes no more as it is.
///
/// # Errors
/// If the base has another length, or the width does not divide it.
pub(super) fn choose(own: &[u8], base: &[u8], width: usize) -> Result<Option<Form>, TransformError> {
    let pieces = own.par_chunks(PIECE).zip(base.par_chunks(PIECE));
    let counts = pieces
        .map(|(own, base)| Counts::of(own, base, width))
        .try_reduce(|| Counts::none(width), |sum, counts| Ok(sum.plus(&counts)))?;
    let numbers = (own.len() / width) as u64;
    let mut best: (f64, Option<Form>) = (counts.plain.iter().map(bytes_of).sum::<f64>() + PER_STREAM, None);
    for (transform, planes) in transforms().iter().zip(&counts.transformed) {
        let changed = planes.iter().map(|plane| {
            let mut changed = *plane;
            // Numbers that have not changed are zeros, in every plane.
            changed[0] = changed[0].saturating_sub(numbers - counts.changed);
            bytes_of(&changed)
        });
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let listed = counts.listed as f64 * (BLOCK.ilog2() as f64) / 8.0;
        let sparse = changed.sum::<f64>() + bytes_of(&counts.blocks) + listed + 2.0 * PER_STREAM;
        let dense = planes.iter().map(bytes_of).sum::<f64>();
        for (bytes, is_sparse) in [(dense, false), (sparse, true)] {
            let bytes = bytes + PER_STREAM * width as f64;
            if bytes < best.0 {
                best = (bytes, Some(Form { transform: *transform, is_sparse, width }));
            }
        }
    }
    Ok(best.1)
}

/// Bytes that the counted bytes are likely to take when they are coded, by the length of codewords that fit their shares; at most as many
/// as are counted.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn bytes_of(counts: &Bytes) -> f64 {
    let total: f64 = counts.iter().map(|count| *count as f64).sum();
    let present = || counts.iter().filter(|count| **count > 0).map(|count| *count as f64);
    let share = |count: f64| (count / total).max(LEAST_SHARE);
    let shares: f64 = present().map(share).sum();
    let bits: f64 = present().map(|count| count * (shares / share(count)).log2()).sum();
    (bits / 8.0).min(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{gaussian, noise, stored_as};

    fn chosen(own: &[u8], base: &[u8], width: usize) -> Option<(&'static str, bool)> {
        choose(own, base, width).unwrap().map(|form| (form.transform.name(), form.is_sparse))
    }

    #[test]
    fn what_pays_is_chosen() {
        let before = gaussian(1, 100_000, 0.02);
        let stored = |values: &[f32]| stored_as("BF16", values).unwrap();
        let base = stored(&before);
        let moved: Vec<f32> = before.iter().zip(&gaussian(2, 100_000, 1e-5)).map(|(a, b)| a + b).collect();
        // A step of training moves weights to their neighbours.
        assert_eq!(chosen(&stored(&moved), &base, 2).map(|(name, _)| name), Some("difference"));
        let (mut few, dice) = (base.clone(), noise(4, base.len()));
        (0..few.len()).step_by(1000).for_each(|at| few[at] ^= dice[at]);
        assert_eq!(chosen(&few, &base, 2).map(|(_, is_sparse)| is_sparse), Some(true));
        // What has nothing to do with its base is better off without.
        assert_eq!(chosen(&stored(&gaussian(3, 100_000, 0.02)), &base, 2), None);
        assert_eq!(chosen(&noise(1, 5000), &noise(2, 5000), 1), None);
        assert_eq!(chosen(&[], &[], 4), None);
    }
}
