//! Checksums of everything that is stored: header, parts, kept tensors, padding, and the checksums themselves.

use super::validate::{HeldAs, Own};
use crate::checksum::checksum;
use crate::container::{CompressedFile, Progress};
use crate::error::{Error, Result};
use crate::map::give_back;
use rayon::prelude::*;

impl CompressedFile {
    /// Checks every stored byte against its checksum, in parallel over the tensors, and that the original header
    /// describes these tensors.
    ///
    /// # Errors
    /// [`Error::Checksum`] naming what is damaged, [`Error::Container`] for a header of something else,
    /// [`Error::Changed`] for a file that someone writes to.
    pub fn verify_integrity(&self, progress: &dyn Progress) -> Result<()> {
        self.map.or_changed(self.verify_all(progress))?;
        self.check_unchanged()
    }

    fn verify_all(&self, progress: &dyn Progress) -> Result<()> {
        progress.start(&format!("checking {}", self.path().display()), self.header.data_bytes());
        match &self.form {
            HeldAs::Own(own) => self.verify_own(own, progress)?,
            HeldAs::Verbatim(_) => (0..self.pieces.count()).into_par_iter().try_for_each(|index| {
                let bytes = self.verify_piece(index)?;
                progress.advance(bytes);
                Ok(())
            })?,
        }
        progress.finish();
        self.original_layout().map(|_| ())
    }

    fn verify_own(&self, own: &Own, progress: &dyn Progress) -> Result<()> {
        self.verify_header(own)?;
        (0..own.checksums).into_par_iter().try_for_each(|index| {
            progress.go_on(self.path())?;
            self.verify_stored(index)?;
            progress.advance(self.header.tensors[index].bytes());
            Ok(())
        })
    }

    /// Checks the header and the table of checksums.
    fn verify_header(&self, own: &Own) -> Result<()> {
        let table = self.data(own.checksums);
        let (entries, last) = table.split_at(table.len().saturating_sub(8));
        self.expect("the table of checksums", read(last, 0), checksum(entries))?;
        let header = self.map.within(0..self.header.data_start());
        self.expect("the header", read(table, 0), checksum(header))
    }

    /// Checks that what is unknown was written so, and is not damage.
    pub(super) fn verify_unknown(&self) -> Result<()> {
        match &self.form {
            HeldAs::Own(own) if !self.unknown.is_empty() => self.map.or_changed(self.verify_header(own)),
            _ => Ok(()),
        }
    }

    /// Checks one tensor of this file's own header against its checksum, or against those of the pieces that it lies
    /// in.
    pub(super) fn verify_stored(&self, index: usize) -> Result<()> {
        let record = &self.header.tensors[index];
        match &self.form {
            HeldAs::Own(own) => {
                let expected = read(self.data(own.checksums), index + 1);
                let found = checksum(self.data(index));
                give_back(self.data(index));
                self.expect(&format!("`{}`", record.name), expected, found)
            }
            HeldAs::Verbatim(_) => self.pieces.of(record).try_for_each(|piece| {
                if !self.pieces.was_right(piece) {
                    self.verify_piece(piece)?;
                }
                Ok(())
            }),
        }
    }

    /// Checks one piece of the data section; gives its bytes.
    fn verify_piece(&self, index: usize) -> Result<u64> {
        let range = self.pieces.bytes_of(index);
        let bytes = self.stored_at(range.clone());
        // The first of the tensors in it, which are in the order of their data.
        let tensors = &self.header.tensors;
        let first = tensors.partition_point(|tensor| tensor.end <= range.start);
        let last = tensors.partition_point(|tensor| tensor.begin < range.end);
        let name = |index: usize| tensors.get(index).map_or("", |tensor| tensor.name.as_str());
        let more = if last > first + 1 { format!(" to `{}`", name(last - 1)) } else { String::new() };
        let what =
            format!("`{}`{more}, between bytes {} and {} of the data,", name(first), range.start, range.end);
        let found = checksum(bytes);
        give_back(bytes);
        self.expect(&what, self.pieces.checksum(index), found)?;
        self.pieces.is_right(index);
        Ok(bytes.len() as u64)
    }

    /// Checks that a tensor of this file's own header has this checksum. Where nothing is compressed, tensors have
    /// none; then the pieces that it lies in are checked.
    pub(super) fn expect_stored(&self, index: usize, found: u64) -> Result<()> {
        let HeldAs::Own(own) = &self.form else { return self.verify_stored(index) };
        let expected = read(self.data(own.checksums), index + 1);
        self.expect(&format!("`{}`", self.header.tensors[index].name), expected, found)
    }

    fn expect(&self, what: &str, expected: u64, found: u64) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Error::Checksum { path: self.path().to_owned(), what: what.to_owned(), expected, found })
    }
}

/// An entry of a table of checksums.
pub(super) fn read(table: &[u8], entry: usize) -> u64 {
    table.as_chunks::<8>().0.get(entry).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
