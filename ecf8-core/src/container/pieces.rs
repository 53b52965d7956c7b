//! A tensor's original bytes piece by piece, so that a large one takes little memory.

use super::{CompressedFile, CompressedTensor};
use crate::checksum::Checksum;
use crate::error::{Error, Result};
use std::ops::ControlFlow;

/// Bytes of a kept tensor that are copied at once.
const COPIED: usize = 1 << 20;

/// Takes pieces of a tensor in order, and may fail.
type Take<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl CompressedFile {
    /// The original bytes of a tensor, compressed or kept, in pieces. They are checked when all are taken: if they are not the
    /// original ones, this fails then, and what was taken is to be thrown away.
    ///
    /// # Errors
    /// If there is no such tensor, or its stored bytes are damaged; or the error of `take`.
    pub fn read_pieces(&self, name: &str, take: &mut Take<'_>) -> Result<()> {
        match (self.tensor(name), self.kept_index(name)) {
            (Some(tensor), _) => tensor.decode_pieces(take),
            (None, Some(index)) => self.map.or_changed(self.copy_pieces(index, take)),
            (None, None) => Err(Error::NoTensor { path: self.path().to_owned(), tensor: name.to_owned() }),
        }
    }

    /// What is checked and what is taken is the same copy, as the file may change.
    fn copy_pieces(&self, index: usize, take: &mut Take<'_>) -> Result<()> {
        let (mut sum, mut copy) = (Checksum::default(), Vec::with_capacity(COPIED));
        for piece in self.data(index).chunks(COPIED) {
            copy.clear();
            copy.extend_from_slice(piece);
            sum.add(&copy);
            take(&copy)?;
        }
        self.expect_stored(index, sum.finish())
    }
}

impl CompressedTensor<'_> {
    /// Its original bytes, decoded piece by piece into some 8 MiB of memory. They are checked when all are taken: if they are
    /// not the original ones, this fails then, and what was taken is to be thrown away.
    ///
    /// # Errors
    /// If its parts are damaged, or there is no memory for a piece; or the error of `take`.
    pub fn decode_pieces(&self, take: &mut Take<'_>) -> Result<()> {
        let (mut sum, mut taken) = (Checksum::default(), Ok(()));
        let decoded = self.encoded().decode_pieces(&mut |piece| {
            sum.add(piece);
            taken = take(piece);
            if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
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
