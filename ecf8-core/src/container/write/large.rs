//! A tensor for which there may be no memory: encoded in groups of chunks, each of which is proven and written before the next
//! one is made.
//!
//! How long a part becomes is known at the end only. So each is written where it would begin if those before it were as long
//! as may be, and in the end all are moved to where they belong. Until then there are holes between them, which take no room
//! on most disks, and no other file is needed.

use super::compress::Writer;
use super::encode::{broken_promise, decode, expect_planned, gains};
use super::plan::Planned;
use crate::checksum::Checksum;
use crate::container::manifest::TensorEntry;
use crate::container::output::free;
use crate::container::piece_sums::Summing;
use crate::container::sizes::part_alignment;
use crate::container::{ALIGNMENT, BATCH_BYTES, Progress};
use crate::element::Numbers;
use crate::error::{Error, IoContext, Result};
use crate::int;
use crate::layout::{Aim, EncodeError, Group};
use crate::map::give_back;
use std::io::{Error as IoError, ErrorKind, Read};
use std::ops::ControlFlow;

/// Bytes that are moved at once.
const MOVED: usize = 1 << 20;

/// Which tensors are encoded in groups.
#[derive(Debug, Clone, Copy)]
pub(in crate::container) struct Grouping {
    /// Those of more bytes.
    pub(in crate::container) from: u64,
    /// Bytes of a group, about.
    pub(in crate::container) bytes: usize,
}

impl Default for Grouping {
    /// What of a tensor is in memory is as much as of the many small ones that are worked on together. A tensor of four times
    /// that is encoded whole all the same, since nothing of it needs to be moved then.
    fn default() -> Self {
        Self { from: 4 * BATCH_BYTES, bytes: int::index(BATCH_BYTES) }
    }
}

/// A strip of a part, for now.
struct Strip {
    /// Where it begins in the file.
    start: u64,
    /// Where it must have ended.
    end: u64,
    /// Whether it is all of its part.
    is_alone: bool,
    length: u64,
    sum: Checksum,
}

impl Strip {
    /// The strips of a tensor's parts, which have at most these lengths, from a place in the file on. Strips of one part are
    /// equally long.
    fn places(mut start: u64, bounds: &[u64], strips: &[Vec<&[u8]>]) -> Vec<Vec<Self>> {
        let of_part = |(bound, strips): (&u64, &Vec<&[u8]>)| {
            let each = bound.div_ceil(strips.len().max(1) as u64);
            let strip = |_: &&[u8]| {
                let (begin, end) = (start, start.saturating_add(each));
                // What fills a part up may not reach into the next one, which is still to be moved.
                start = end.saturating_add(ALIGNMENT);
                Self { start: begin, end, is_alone: strips.len() == 1, length: 0, sum: Checksum::default() }
            };
            strips.iter().map(strip).collect()
        };
        bounds.iter().zip(strips).map(of_part).collect()
    }
}

/// A tensor that is being written.
struct Large<'w, 'a> {
    writer: &'w mut Writer<'a>,
    planned: &'w Planned,
    data: &'w [u8],
    strips: Vec<Vec<Strip>>,
    /// Of what the groups so far decode to.
    sum: Checksum,
    /// Pieces of the data up to the end of the first strip, which is where it stays.
    pieces: Option<Summing>,
    /// The first byte that does not come back.
    difference: Option<usize>,
    /// Bytes that were reported as done.
    done: usize,
}

impl Writer<'_> {
    /// Writes a tensor in groups if it is large; gives its entry, or that it would gain nothing: then nothing of it was
    /// written, as far as those who come next can tell. `None` if it is not large or cannot be written in groups.
    pub(super) fn put_large(
        &mut self,
        planned: &Planned,
        aim: Aim,
        pool: &mut Checksum,
        progress: &dyn Progress,
    ) -> Result<Option<Option<TensorEntry>>> {
        let Planned { record, scheme, split, codebooks, .. } = planned;
        if record.bytes() <= self.grouping.from {
            return Ok(None);
        }
        let (source, most) = (self.source, self.grouping.bytes);
        let data = source.bytes(record)?;
        let (begin, mut failed) = (self.written, None);
        let mut large = Large {
            pieces: self.pieces.clone(),
            writer: self,
            planned,
            data: &data,
            strips: Vec::new(),
            sum: Checksum::default(),
            difference: None,
            done: 0,
        };
        let encoded =
            scheme.encode_groups(Numbers { split, bytes: &data }, codebooks, aim, most, &mut |group| {
                match large.take(group, progress) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            });
        let Some(encoded) = encoded else { return Ok(None) };
        let Large { strips, sum, mut pieces, difference, done, .. } = large;
        progress.advance((data.len() - done) as u64);
        failed.map_or(Ok(()), Err)?;
        let params = match encoded {
            // What a scheme cannot point into is kept as it is.
            Err(EncodeError::TooLarge { .. }) => return self.leave(begin),
            encoded => encoded
                .map_err(|error| Error::of_encoding(source.path().to_owned(), record.name.clone(), error))?,
        };
        expect_planned(source, planned, sum.finish(), || Ok(difference))?;
        let lengths = strips.iter().map(|part| part.iter().map(|strip| strip.length).sum()).collect();
        let mut entry = planned.entry.clone();
        entry.describe_parts(*scheme, lengths, &params);
        if !gains(source, planned, &entry)? {
            return self.leave(begin);
        }
        for mut part in strips {
            let is_there = |strip: &Strip| strip.start == self.data_start + self.written;
            let mut own = Checksum::default();
            if let Some(strip) = part.pop_if(|strip| !entry.pooled && strip.is_alone && is_there(strip)) {
                self.written += strip.length;
                self.pieces = pieces.take();
                own = strip.sum;
            }
            let sum = if entry.pooled { &mut *pool } else { &mut own };
            part.iter().try_for_each(|strip| self.settle(strip, sum))?;
            self.seek(self.data_start + self.written)?;
            self.put_padded(&[], part_alignment(entry.pooled), sum)?;
            if !entry.pooled {
                self.checksums.push(own.finish());
            }
        }
        self.cut()?;
        Ok(Some(Some(entry)))
    }

    /// Ends the file where it has been written to.
    pub(super) fn cut(&mut self) -> Result<()> {
        let end = self.data_start + self.written;
        self.output.file().set_len(end).at(self.output.target(), "write")
    }

    /// Forgets what was written behind `begin`.
    fn leave(&mut self, begin: u64) -> Result<Option<Option<TensorEntry>>> {
        self.written = begin;
        self.seek(self.data_start + begin)?;
        self.cut()?;
        Ok(Some(None))
    }

    /// Moves a strip to the end of what has been written, which is where it is or before, and adds it to a checksum.
    fn settle(&mut self, strip: &Strip, sum: &mut Checksum) -> Result<()> {
        let (mut own, mut memory, mut moved) = (Checksum::default(), vec![0; MOVED], 0);
        while moved < strip.length {
            let piece = &mut memory[..MOVED.min(int::index(strip.length - moved))];
            self.seek(strip.start + moved)?;
            self.output.file().read_exact(piece).at(self.output.target(), "read back")?;
            self.seek(self.data_start + self.written)?;
            self.put(piece)?;
            let (from, end) = (strip.start + moved, strip.start + moved + piece.len() as u64);
            free(self.output.file(), from.max(self.data_start + self.written)..end);
            own.add(piece);
            sum.add(piece);
            moved += piece.len() as u64;
        }
        if own.finish() == strip.sum.finish() {
            return Ok(());
        }
        Err(IoError::new(ErrorKind::InvalidData, "the disk gave back other bytes than were written"))
            .at(self.output.target(), "read back")
    }
}

impl Large<'_, '_> {
    fn take(&mut self, group: Group<'_>, progress: &dyn Progress) -> Result<()> {
        let source = self.writer.source;
        progress.go_on(source.path())?;
        let Group::Next { numbers, encoded, strips } = group else {
            (self.strips, self.sum, self.difference) = (Vec::new(), Checksum::default(), None);
            self.pieces = self.writer.pieces.clone();
            return Ok(());
        };
        let (own, mut at) = (&self.data[numbers.clone()], 0);
        decode(source, self.planned, encoded, &mut |piece| {
            self.sum.add(piece);
            let theirs = &own[at..at + piece.len()];
            if self.difference.is_none() && piece != theirs {
                let same = piece.iter().zip(theirs).take_while(|(a, b)| a == b).count();
                self.difference = Some(numbers.start + at + same);
            }
            at += piece.len();
            ControlFlow::Continue(())
        })?;
        give_back(own);
        if self.strips.is_empty() {
            let start = self.writer.data_start + self.writer.written;
            self.strips = Strip::places(start, &self.planned.entry.lengths, strips);
        }
        for (strip, bytes) in self.strips.iter_mut().flatten().zip(strips.iter().flatten()) {
            let at = strip.start + strip.length;
            strip.length += bytes.len() as u64;
            if strip.start + strip.length > strip.end {
                return Err(broken_promise(source, Some(self.planned)));
            }
            strip.sum.add(bytes);
            if strip.start == self.writer.data_start + self.writer.written
                && let Some(pieces) = &mut self.pieces
            {
                pieces.add(bytes);
            }
            self.writer.put_at(at, bytes)?;
        }
        if numbers.end > self.done {
            progress.advance((numbers.end - self.done) as u64);
            self.done = numbers.end;
        }
        Ok(())
    }
}
