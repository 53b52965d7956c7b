//! A tensor's original bytes piece by piece, so that a large one takes little memory.

use crate::checksum::Checksum;
use crate::container::{CompressedFile, CompressedTensor};
use crate::error::Result;
use crate::map::{give_back, passing};
use std::ops::ControlFlow;

/// Bytes of a kept tensor that are copied at once.
const COPIED: usize = 1 << 20;

/// Takes pieces of a tensor in order, and may fail.
pub(super) type Take<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl CompressedFile {
    /// The original bytes of a tensor, compressed or kept, in pieces. They are checked when all are taken: if they are
    /// not the original ones, this fails then, and what was taken is to be thrown away.
    ///
    /// # Errors
    /// If there is no such tensor, or its stored bytes are damaged; or the error of `take`.
    pub fn read_pieces(&self, name: &str, take: &mut Take<'_>) -> Result<()> {
        match (self.tensor(name), self.kept_index(name)) {
            (Some(tensor), _) => tensor.decode_pieces(take),
            (None, Some(index)) => self.map.or_changed(self.copy_kept(index, take)),
            (None, None) => Err(self.unreadable(name)),
        }
    }

    fn copy_kept(&self, index: usize, take: &mut Take<'_>) -> Result<()> {
        let sum = copy_pieces(self.data(index), take)?;
        self.expect_stored(index, sum)
    }
}

/// Gives `data` to `take` in pieces, and then the checksum of what was taken: of the same copies, as `data` may be a
/// mapped file that changes.
pub(in crate::container) fn copy_pieces(data: &[u8], take: &mut Take<'_>) -> Result<u64> {
    let (mut sum, mut copy) = (Checksum::default(), Vec::with_capacity(COPIED));
    for piece in passing(data, COPIED).flat_map(|passed| passed.chunks(COPIED)) {
        copy.clear();
        copy.extend_from_slice(piece);
        sum.add(&copy);
        take(&copy)?;
    }
    give_back(data);
    Ok(sum.finish())
}

impl CompressedTensor<'_> {
    /// Its original bytes, decoded piece by piece into some 8 MiB of memory. They are checked when all are taken: if
    /// they are not the original ones, this fails then, and what was taken is to be thrown away.
    ///
    /// # Errors
    /// If its parts are damaged, or there is no memory for a piece; or the error of `take`.
    pub fn decode_pieces(&self, take: &mut Take<'_>) -> Result<()> {
        let (mut sum, mut taken) = (Checksum::default(), Ok(()));
        let encoded = self.encoded();
        let decoded = encoded.decode_pieces(&mut |piece| {
            sum.add(piece);
            taken = take(piece);
            if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        encoded.parts.iter().for_each(|part| give_back(&part.bytes));
        taken?;
        let checked =
            decoded.map_err(|source| self.undecodable(source)).and_then(|()| self.expect(sum.finish()));
        self.or_changed(checked)
    }

    /// Checks that it decodes to its original bytes, by their checksum; takes some 8 MiB of memory.
    ///
    /// # Errors
    /// If its parts are damaged, or there is no memory for a piece.
    pub fn check_decoding(&self) -> Result<()> {
        self.decode_pieces(&mut |_| Ok(()))
    }
}
