//! Checksums of everything that is stored: header, parts, kept tensors, padding, and the checksums themselves.

use super::decompress::original_layout;
use super::{CompressedFile, Progress};
use crate::checksum::checksum;
use crate::error::{Error, Result};
use crate::int;
use rayon::prelude::*;

impl CompressedFile {
    /// Checks every stored byte against its checksum, in parallel over the tensors, and that the original header
    /// describes these tensors.
    ///
    /// # Errors
    /// [`Error::Checksum`] naming what is damaged, [`Error::Container`] for a header of something else, [`Error::Changed`] for
    /// a file that someone writes to.
    pub fn verify_integrity(&self, progress: &dyn Progress) -> Result<()> {
        self.map.or_changed(self.verify_all(progress))?;
        self.check_unchanged()
    }

    fn verify_all(&self, progress: &dyn Progress) -> Result<()> {
        progress.start(&format!("checking {}", self.path().display()), self.header.data_bytes());
        let table = self.data(self.own_checksums);
        let (entries, last) = table.split_at(table.len() - 8);
        self.expect("the table of checksums", read(last, 0), checksum(entries))?;
        let header = &self.map[..int::index(self.header.data_start())];
        self.expect("the header", read(table, 0), checksum(header))?;
        (0..self.own_checksums).into_par_iter().try_for_each(|index| {
            self.verify_stored(index)?;
            progress.advance(self.header.tensors[index].bytes());
            Ok(())
        })?;
        progress.finish();
        original_layout(self).map(|_| ())
    }

    /// Checks one tensor of this file's own header against its checksum.
    pub(super) fn verify_stored(&self, index: usize) -> Result<()> {
        self.expect_stored(index, checksum(self.data(index)))
    }

    /// Checks that a tensor of this file's own header has this checksum.
    pub(super) fn expect_stored(&self, index: usize, found: u64) -> Result<()> {
        let expected = read(self.data(self.own_checksums), index + 1);
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
fn read(table: &[u8], entry: usize) -> u64 {
    table.as_chunks::<8>().0.get(entry).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
