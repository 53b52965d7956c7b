//! Going on with a file that a killed run had begun. Its [journal](crate::container::output::Journal) has a line for each batch of tensors
//! that is in the file: what their parts have become, and a checksum of that and of all data so far. What is planned is found out
//! again, and must be the same; then nothing of these batches needs to be made again.

use super::compress::Writer;
use super::plan::{OutputPlan, Planned};
use crate::checksum::{Checksum, checksum, from_hex, to_hex};
use crate::container::manifest::{Params, TensorEntry};
use crate::container::output::Journal;
use crate::container::sizes::{padded_to, part_alignment};
use crate::error::{IoContext, Result};
use crate::int;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read};

/// Bytes that are read at once.
const READ: u64 = 1 << 20;

/// What became of a tensor that is compressed.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    /// Of its parts.
    lengths: Vec<u64>,
    params: Params,
}

impl Writer<'_> {
    /// Opens the journal. What a killed run noted in it holds if it was about the same plan.
    pub(super) fn open_journal(&mut self, plan: &OutputPlan<'_>, batches: usize) -> Result<()> {
        // Of one batch, nothing would be noted before it ends. Without checksums of pieces there are very few data.
        if batches < 2 || self.pieces.is_none() || self.output.journal.is_none() {
            self.output.journal = None;
            return Ok(());
        }
        let entries: Vec<&TensorEntry> = plan.tensors.iter().map(|planned| &planned.entry).collect();
        let all = (env!("CARGO_PKG_VERSION"), self.data_start, &plan.codebooks, entries);
        let all = serde_json::to_vec(&all).map_err(std::io::Error::from);
        let all = all.at(self.source.path(), "describe the plan of")?;
        let text = format!("{} {}", to_hex(checksum(plan.json)), to_hex(checksum(&all)));
        match &mut self.output.journal {
            Some(journal) if journal.next() == Some(&*text) => journal.keep(),
            journal => journal.iter_mut().try_for_each(|journal| journal.note(&text))?,
        }
        Ok(())
    }

    /// Takes a batch over that a killed run has written, if the journal says so and it is as it was. Gives the tensors' entries, none of
    /// those that are kept as they are.
    pub(super) fn take_over(
        &mut self,
        batch: &[Planned],
        pool: &mut Checksum,
    ) -> Result<Option<Vec<Option<TensorEntry>>>> {
        let line = self.output.journal.as_ref().and_then(Journal::next).map(str::to_owned);
        let Some((sum, text)) = line.as_deref().and_then(|line| line.split_once(' ')) else {
            return Ok(None);
        };
        let (sum, made) = (from_hex(sum), serde_json::from_str::<Vec<Option<Made>>>(text));
        let (Some(sum), Ok(made), Some(pieces)) = (sum, made, &self.pieces) else { return Ok(None) };
        let is_possible = |(made, planned): (&Option<Made>, &Planned)| {
            made.as_ref().is_none_or(|made| planned.allows(&made.lengths))
        };
        if made.len() != batch.len() || !made.iter().zip(batch).all(is_possible) {
            return Ok(None);
        }
        let (mut own_pool, mut pieces, mut at) = (pool.clone(), pieces.clone(), self.written);
        let (mut sums, mut memory) = (Vec::new(), vec![0; int::index(READ)]);
        for (made, planned) in made.iter().zip(batch) {
            let is_pooled = planned.entry.pooled;
            for length in made.iter().flat_map(|made| &made.lengths) {
                let end = padded_to(part_alignment(is_pooled), at.saturating_add(*length));
                let mut own = Checksum::default();
                while at < end {
                    let piece = &mut memory[..int::index((end - at).min(READ))];
                    if !self.read_back(at, piece)? {
                        return Ok(None);
                    }
                    pieces.add(piece);
                    let sum = if is_pooled { &mut own_pool } else { &mut own };
                    sum.add(piece);
                    at += piece.len() as u64;
                }
                sums.extend((!is_pooled).then(|| own.finish()));
            }
        }
        if pieces.so_far(text) != sum {
            return Ok(None);
        }
        (*pool, self.pieces, self.written) = (own_pool, Some(pieces), at);
        self.checksums.extend(sums);
        if let Some(journal) = &mut self.output.journal {
            journal.keep();
        }
        let entry = |(made, planned): (Option<Made>, &Planned)| {
            made.map(|Made { lengths, params }| TensorEntry { lengths, params, ..planned.entry.clone() })
        };
        Ok(Some(made.into_iter().zip(batch).map(entry).collect()))
    }

    /// Notes what became of a batch.
    pub(super) fn note(&mut self, batch: &[Option<TensorEntry>]) -> Result<()> {
        let (Some(journal), Some(pieces)) = (&mut self.output.journal, &self.pieces) else { return Ok(()) };
        let made =
            |entry: &TensorEntry| Made { lengths: entry.lengths.clone(), params: entry.params.clone() };
        let made: Vec<Option<Made>> = batch.iter().map(|entry| entry.as_ref().map(made)).collect();
        let text = serde_json::to_string(&made).map_err(std::io::Error::from);
        let text = text.at(self.source.path(), "describe what became of")?;
        let sum = to_hex(pieces.so_far(&text));
        journal.note(&format!("{sum} {text}"))
    }

    /// Fills `bytes` from the data section, from its byte `at` on; gives false if the file ends before.
    fn read_back(&mut self, at: u64, bytes: &mut [u8]) -> Result<bool> {
        self.seek(self.data_start + at)?;
        match self.output.file().read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error).at(self.output.target(), "read back"),
        }
    }
}
