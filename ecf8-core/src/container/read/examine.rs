//! Everything that is wrong with a container, and what is right all the same: which tensors are damaged, where in the file
//! and in them, and which are still good.

use super::damage::{Damage, DamagedBytes, DamagedPlace, DamagedTensor};
use super::integrity::read;
use super::stored::UnknownTensor;
use super::validate::{HeldAs, Own};
use crate::checksum::checksum;
use crate::container::{CompressedFile, CompressedTensor, Progress};
use crate::error::{Error, Result};
use crate::header::{Header, TensorRecord};
use crate::layout::DamagedPart;
use crate::map::give_back;
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;

/// What is right of the tensors of a file's own header.
pub(super) struct Examined {
    /// Which of them are right.
    right: Vec<bool>,
    /// The checksums that they have.
    found: Vec<u64>,
    /// Bytes of the data section that may be wrong, in order.
    wrong: Vec<Range<u64>>,
    /// Whether the file's own header is proven to be right.
    pub(super) has_header: bool,
    /// The original header, if it is right.
    pub(super) original: Option<(Vec<u8>, Header)>,
}

impl Examined {
    /// The checksum that a tensor of the file's own header has.
    pub(super) fn found(&self, index: usize) -> Option<u64> {
        self.found.get(index).copied()
    }
}

impl CompressedFile {
    /// Checks everything: every stored byte, and that every tensor decodes to its original bytes. Goes on after what it
    /// finds.
    ///
    /// # Errors
    /// [`Error::Changed`] for a file that someone writes to, or if there is no memory.
    pub fn damage(&self, progress: &dyn Progress) -> Result<Damage> {
        self.examine(progress).map(|(damage, _)| damage)
    }

    /// As [`CompressedFile::damage`], with what it is known from.
    pub(super) fn examine(&self, progress: &dyn Progress) -> Result<(Damage, Examined)> {
        let mut damage = Damage::default();
        progress.start(&format!("checking {}", self.path().display()), self.header.data_bytes());
        let mut examined = match &self.form {
            HeldAs::Own(own) => self.examine_own(own, &mut damage, progress)?,
            HeldAs::Verbatim(_) => self.examine_pieces(progress)?,
        };
        progress.finish();
        self.examine_original(&mut examined, &mut damage);
        self.examine_tensors(&examined, &mut damage, progress)?;
        self.examine_rest(&examined, &mut damage);
        self.examine_contradictions(&mut damage);
        self.check_unchanged()?;
        Ok((damage, examined))
    }

    /// Compares checksums where tensors have some.
    fn examine_own(&self, own: &Own, damage: &mut Damage, progress: &dyn Progress) -> Result<Examined> {
        let sums = (0..own.checksums).into_par_iter().map(|index| {
            progress.go_on(self.path())?;
            let sum = checksum(self.data(index));
            give_back(self.data(index));
            progress.advance(self.header.tensors[index].bytes());
            Ok(sum)
        });
        let found = sums.collect::<Result<Vec<u64>>>()?;
        let header = checksum(self.map.within(0..self.header.data_start()));
        let table = self.data(own.checksums);
        let (entries, last) = table.split_at(table.len().saturating_sub(8));
        let is_table_right = checksum(entries) == read(last, 0);
        // If the table would be right with the checksums that there are, only it is damaged.
        let all = || std::iter::once(header).chain(found.iter().copied());
        let is_all_right = || {
            let bytes: Vec<u8> = all().flat_map(u64::to_le_bytes).collect();
            checksum(&bytes) == read(last, 0)
        };
        let is_only_table = !is_table_right && is_all_right();
        let has_header = is_only_table || read(table, 0) == header;
        if !is_table_right {
            damage.metadata.push(self.bytes_of("the table of checksums", own.checksums));
        }
        if !has_header && (is_table_right || self.map.len() as u64 >= self.end()) {
            let bytes = 0..self.header.data_start();
            damage.metadata.push(DamagedBytes { what: "the header".to_owned(), bytes });
        }
        let is_right = |(index, sum): (usize, &u64)| is_only_table || read(table, index + 1) == *sum;
        let mut right: Vec<bool> = found.iter().enumerate().map(is_right).collect();
        let (mut wrong, mut is_contradicted) = (Vec::new(), false);
        for (index, right) in right.iter_mut().enumerate().filter(|(_, right)| !**right) {
            let ranges = self.wrong_in(&self.header.tensors[index]);
            // A checksum is right by chance only once in 2^64 times: its entry in the table is what is wrong.
            *right = ranges.is_empty();
            is_contradicted |= *right;
            wrong.extend(ranges);
        }
        if is_table_right && is_contradicted {
            damage.metadata.push(self.bytes_of("the table of checksums", own.checksums));
        }
        Ok(Examined { right, found, wrong, has_header, original: None })
    }

    /// Compares checksums where only pieces have some.
    fn examine_pieces(&self, progress: &dyn Progress) -> Result<Examined> {
        let examine = |index| {
            progress.go_on(self.path())?;
            let bytes = self.pieces.bytes_of(index);
            progress.advance(bytes.end - bytes.start);
            Ok(Some(bytes).filter(|_| !self.is_piece_right(index)))
        };
        let wrong: Vec<Option<Range<u64>>> =
            (0..self.pieces.count()).into_par_iter().map(examine).collect::<Result<_>>()?;
        let wrong: Vec<Range<u64>> = wrong.into_iter().flatten().collect();
        let is_right = |record: &TensorRecord| within(&wrong, record.begin..record.end).is_empty();
        let right = self.header.tensors.iter().map(is_right).collect();
        Ok(Examined { right, found: Vec::new(), wrong, has_header: false, original: None })
    }

    fn is_piece_right(&self, index: usize) -> bool {
        let bytes = self.stored_at(self.pieces.bytes_of(index));
        let found = checksum(bytes);
        give_back(bytes);
        found == self.pieces.checksum(index)
    }

    /// The bytes of a tensor that may be wrong, if it is: those of wrong pieces, all where no piece tells; none if it has none,
    /// or all pieces are right.
    fn wrong_in(&self, record: &TensorRecord) -> Vec<Range<u64>> {
        let pieces = self.pieces.of(record);
        if pieces.is_empty() {
            return Some(record.begin..record.end).filter(|bytes| !bytes.is_empty()).into_iter().collect();
        }
        let wrong: Vec<usize> = pieces.into_par_iter().filter(|index| !self.is_piece_right(*index)).collect();
        let wrong: Vec<Range<u64>> = wrong.into_iter().map(|index| self.pieces.bytes_of(index)).collect();
        within(&wrong, record.begin..record.end)
    }

    /// Finds out whether the original header is right, and is that of these tensors.
    fn examine_original(&self, examined: &mut Examined, damage: &mut Damage) {
        let read = self.original_header().ok().and_then(|json| {
            let header = Header::alone(&json).ok()?;
            Some((json, header))
        });
        match (&self.form, &read) {
            (HeldAs::Verbatim(_), None) => {
                let bytes = 0..self.header.data_start();
                damage.metadata.push(DamagedBytes { what: "the header".to_owned(), bytes });
            }
            (HeldAs::Verbatim(_), Some(_)) => examined.has_header = true,
            (HeldAs::Own(own), None) => {
                let what = format!("the original header, `{}`,", self.header.tensors[own.header].name);
                damage.metadata.push(self.bytes_of(&what, own.header));
            }
            (HeldAs::Own(_), Some(_)) => {}
        }
        examined.original = read;
    }

    /// Finds out which tensors are good, and what is wrong with the others.
    fn examine_tensors(
        &self,
        examined: &Examined,
        damage: &mut Damage,
        progress: &dyn Progress,
    ) -> Result<()> {
        progress
            .start("decoding", self.tensors().fold(0, |sum, one| sum.saturating_add(one.original_bytes())));
        for tensor in self.tensors() {
            progress.go_on(self.path())?;
            match tensor.check_decoding() {
                Ok(()) => damage.good.push(tensor.name().to_owned()),
                Err(error) if error.is_of_bytes() => {
                    damage.tensors.push(self.damaged_tensor(&tensor, &error, examined));
                }
                Err(error) => return Err(error),
            }
            progress.advance(tensor.original_bytes());
        }
        progress.finish();
        for index in &self.kept {
            let record = &self.header.tensors[*index];
            if examined.right[*index] {
                damage.good.push(record.name.clone());
            } else {
                damage.tensors.push(self.damaged_kept(record, examined));
            }
        }
        for unknown in &self.unknown {
            if unknown.is_damaged {
                let (why, places, affected) = (unknown.why.clone(), Vec::new(), Vec::new());
                let name = unknown.name.clone();
                damage.tensors.push(DamagedTensor { name, why, places, affected, bytes: 0 });
            } else {
                damage.unknown.push(unknown.name.clone());
            }
        }
        self.compare_with_original(examined, damage);
        Ok(())
    }

    /// What the original header says counts: tensors that it does not describe as they are here are damaged or none of the
    /// original's.
    fn compare_with_original(&self, examined: &Examined, damage: &mut Damage) {
        let Some((_, original)) = &examined.original else { return };
        let named: HashSet<&str> = original.tensors.iter().map(|record| record.name.as_str()).collect();
        damage.good.retain(|name| named.contains(name.as_str()));
        damage.tensors.retain(|tensor| named.contains(tensor.name.as_str()));
        let lost: Vec<&TensorRecord> = original.tensors.iter().filter(|record| !self.is_as(record)).collect();
        let names: HashSet<&str> = lost.iter().map(|record| record.name.as_str()).collect();
        damage.good.retain(|name| !names.contains(name.as_str()));
        damage.tensors.retain(|tensor| !names.contains(tensor.name.as_str()));
        damage.tensors.extend(lost.into_iter().map(|record| DamagedTensor {
            name: record.name.clone(),
            why: "it is not there as the original header describes it".to_owned(),
            places: Vec::new(),
            affected: std::iter::once(0..record.bytes()).collect(),
            bytes: record.bytes(),
        }));
    }

    /// Whether a tensor of the original is here as it was, as far as manifest and header tell; what they tell of those that cannot
    /// be read counts, too.
    fn is_as(&self, record: &TensorRecord) -> bool {
        let is_unknown = |unknown: &UnknownTensor| {
            unknown.name == record.name
                && unknown.dtype == record.dtype.to_string()
                && unknown.shape == record.shape
        };
        self.has(record) || self.unknown.iter().any(is_unknown)
    }

    /// Header and manifest that contradict each other, though all checksums are right.
    fn examine_contradictions(&self, damage: &mut Damage) {
        if damage.is_none()
            && self.unknown.is_empty()
            && let Err(error) = self.original_layout()
        {
            let problem = match error {
                Error::Container { problem, .. } => problem,
                error => error.to_string(),
            };
            let bytes = 0..self.header.data_start();
            damage.metadata.push(DamagedBytes { what: format!("the manifest ({problem})"), bytes });
        }
    }

    /// What is wrong with a compressed tensor.
    fn damaged_tensor(
        &self,
        tensor: &CompressedTensor<'_>,
        error: &Error,
        examined: &Examined,
    ) -> DamagedTensor {
        let encoded = tensor.encoded();
        let (mut places, mut parts) = (Vec::new(), Vec::new());
        for (part, spec) in tensor.stored.parts.iter().zip(&encoded.parts) {
            let record = &self.header.tensors[part.tensor];
            let begin = record.begin.saturating_add(part.begin);
            let name = format!("{}.{}", tensor.name(), spec.name);
            let name = if part.padded < record.bytes() {
                format!("{name} in {}", record.name)
            } else {
                record.name.clone()
            };
            for wrong in within(&examined.wrong, begin..begin.saturating_add(part.length)) {
                let bytes = wrong.start - begin..wrong.end - begin;
                parts.push(DamagedPart { name: spec.name, bytes: bytes.clone() });
                places.push(self.place(name.clone(), &wrong, bytes));
            }
        }
        let affected = if parts.is_empty() { None } else { encoded.scheme.affected(&encoded, &parts) };
        let bytes = tensor.original_bytes();
        let width = tensor.split().element.bytes as u64;
        let in_bytes = |units: Range<u64>| units.start.saturating_mul(width)..units.end.saturating_mul(width);
        let affected = affected.map_or_else(
            || std::iter::once(0..bytes).collect(),
            |units| joined(units.into_iter().map(in_bytes).collect()),
        );
        DamagedTensor { name: tensor.name().to_owned(), why: why(error), places, affected, bytes }
    }

    /// What is wrong with a kept tensor.
    fn damaged_kept(&self, record: &TensorRecord, examined: &Examined) -> DamagedTensor {
        let wrong = within(&examined.wrong, record.begin..record.end);
        let affected: Vec<Range<u64>> =
            wrong.iter().map(|wrong| wrong.start - record.begin..wrong.end - record.begin).collect();
        let places = wrong.iter().zip(&affected);
        let places = places.map(|(wrong, bytes)| self.place(record.name.clone(), wrong, bytes.clone()));
        DamagedTensor {
            name: record.name.clone(),
            why: "its bytes are not those that were written".to_owned(),
            places: places.collect(),
            affected,
            bytes: record.bytes(),
        }
    }

    /// Wrong bytes that are none of a damaged tensor's, nor of what was told already.
    fn examine_rest(&self, examined: &Examined, damage: &mut Damage) {
        let start = self.header.data_start();
        let mut told: Vec<Range<u64>> = damage
            .tensors
            .iter()
            .flat_map(|tensor| tensor.places.iter().map(|place| place.in_file.clone()))
            .chain(damage.metadata.iter().map(|metadata| metadata.bytes.clone()))
            .collect();
        told = joined(told);
        for (record, _) in self.header.tensors.iter().zip(&examined.right).filter(|(_, right)| !**right) {
            for wrong in within(&examined.wrong, record.begin..record.end) {
                let bytes = start.saturating_add(wrong.start)..start.saturating_add(wrong.end);
                if within(&told, bytes.clone()).is_empty() {
                    let what = format!("padding or an unused bit in `{}`", record.name);
                    damage.unused.push(DamagedBytes { what, bytes });
                }
            }
        }
        let (end, found) = (self.end(), self.map.len() as u64);
        if found > end {
            damage.unused.push(DamagedBytes {
                what: "what follows the end of the data".to_owned(),
                bytes: end..found,
            });
        }
    }

    /// Where the file ends, as its header says.
    fn end(&self) -> u64 {
        self.header.data_start().saturating_add(self.header.data_bytes())
    }

    fn bytes_of(&self, what: &str, index: usize) -> DamagedBytes {
        let (start, record) = (self.header.data_start(), &self.header.tensors[index]);
        let [begin, end] = [record.begin, record.end].map(|at| start.saturating_add(at));
        DamagedBytes { what: what.to_owned(), bytes: begin..end }
    }

    fn place(&self, part: String, wrong: &Range<u64>, in_part: Range<u64>) -> DamagedPlace {
        let [begin, end] = [wrong.start, wrong.end].map(|at| self.header.data_start().saturating_add(at));
        DamagedPlace { part, in_file: begin..end, in_part }
    }
}

/// What of these ranges, which are in order and apart, is within bounds.
fn within(ranges: &[Range<u64>], bounds: Range<u64>) -> Vec<Range<u64>> {
    let first = ranges.partition_point(|range| range.end <= bounds.start);
    let some = ranges[first..].iter().take_while(|range| range.start < bounds.end);
    let within = some.map(|range| range.start.max(bounds.start)..range.end.min(bounds.end));
    within.filter(|range| !range.is_empty()).collect()
}

/// The same ranges in order, those that touch as one.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// What keeps a tensor from being decoded.
fn why(error: &Error) -> String {
    match error {
        Error::Decode { source, .. } => format!("it cannot be decoded: {source}"),
        Error::Checksum { .. } => "it decodes to other bytes".to_owned(),
        error => error.to_string(),
    }
}
