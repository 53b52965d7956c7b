//! A tensor encoded group by group, so that one larger than memory can be: a group is some whole chunks, which are encoded as
//! a tensor of their own. Only entries of chunks tell where in the whole tensor they are.

use super::chunk::ChunkEntry;
use super::geometry::LANES;
use super::{CHUNKS, ELEMENTS_PER_LANE, LEAD_ROWS, LaneSymbols, PACKED, ROWS, TAILS, encode};
use crate::element::Numbers;
use crate::int;
use crate::layout::{Codebooks, EncodeError, Encoded, Group, TakeGroup};
use std::collections::BTreeMap;

/// Words of both kinds that come before a group.
#[derive(Default)]
struct Before {
    rows: u64,
    tails: u64,
}

pub(super) fn encode_groups<S: LaneSymbols>(
    numbers: Numbers<'_>,
    codebooks: &Codebooks,
    mut elements_per_lane: u64,
    most_bytes: usize,
    take: &mut TakeGroup<'_>,
) -> Result<BTreeMap<String, u64>, EncodeError> {
    let Numbers { split, bytes } = numbers;
    let width = split.element.bytes;
    'again: loop {
        let chunk = LANES as u64 * elements_per_lane;
        let chunk_bytes = int::index(chunk) * width;
        let group_bytes = (most_bytes / chunk_bytes).max(1) * chunk_bytes;
        let (mut before, mut lead_rows) = (Before::default(), 1);
        for (index, bytes) in bytes.chunks(group_bytes).enumerate() {
            let first = index * group_bytes;
            let units = (bytes.len() / width) as u64;
            let own = codebooks.part((first / width) as u64, units, chunk);
            let encoded = encode::encode::<S>(Numbers { split, bytes }, &own, elements_per_lane)?;
            let param = |name| encoded.params.get(name).copied().unwrap_or_default();
            // All chunks of a tensor are equally long, those of groups that are done already, too.
            if param(ELEMENTS_PER_LANE) < elements_per_lane {
                elements_per_lane = param(ELEMENTS_PER_LANE);
                if take(Group::Again).is_break() {
                    return Ok(BTreeMap::new());
                }
                continue 'again;
            }
            lead_rows = lead_rows.max(param(LEAD_ROWS));
            let is_last = first + bytes.len() == numbers.bytes.len();
            let chunks_end = int::index(units.next_multiple_of(chunk));
            let entries = before.entries(&encoded, is_last)?;
            let strips: Vec<Vec<&[u8]>> = encoded
                .parts
                .iter()
                .map(|part| match part.name {
                    CHUNKS => vec![&entries[..]],
                    PACKED => split.stored_of(S::KIND.bits, &part.bytes, units, 0..chunks_end).collect(),
                    ROWS | TAILS => vec![&*part.bytes],
                    // A dictionary is of all numbers.
                    _ => vec![if is_last { &*part.bytes } else { &[] }],
                })
                .collect();
            if take(Group::Next { numbers: first..first + bytes.len(), encoded: &encoded, strips: &strips })
                .is_break()
            {
                return Ok(BTreeMap::new());
            }
        }
        let params = [(ELEMENTS_PER_LANE, elements_per_lane), (LEAD_ROWS, lead_rows)];
        return Ok(params.map(|(name, value)| (name.to_owned(), value)).into());
    }
}

impl Before {
    /// The entries of a group's chunks as they are in the whole tensor, and with them that of the end if it is the last
    /// group. What comes before the next one is known then.
    fn entries(&mut self, encoded: &Encoded<'_>, is_last: bool) -> Result<Vec<u8>, EncodeError> {
        let own = encoded.parts.iter().find(|part| part.name == CHUNKS);
        let own = own.map(|part| part.bytes.as_chunks::<8>().0).unwrap_or_default();
        let entry = |bytes: &[u8; 8]| {
            let entry = ChunkEntry::from_bits(u64::from_le_bytes(*bytes));
            let first_row = u32::try_from(self.rows + u64::from(entry.first_row));
            let first_tail = u32::try_from(self.tails + u64::from(entry.first_tail));
            let first_tail = first_tail.ok().filter(|tail| *tail < 1 << ChunkEntry::TAIL_BITS);
            Ok(ChunkEntry {
                first_row: first_row.map_err(|_| EncodeError::TooLarge { part: ROWS })?,
                first_tail: first_tail.ok_or(EncodeError::TooLarge { part: TAILS })?,
                ..entry
            })
        };
        let mut entries = own.iter().map(entry).collect::<Result<Vec<ChunkEntry>, EncodeError>>()?;
        if let Some(end) = entries.last().copied() {
            *self = Self { rows: end.first_row.into(), tails: end.first_tail.into() };
            if !is_last {
                entries.pop();
            }
        }
        Ok(entries.into_iter().flat_map(|entry| entry.to_bits().to_le_bytes()).collect())
    }
}
