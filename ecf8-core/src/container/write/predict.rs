//! What a container will take, before it is written.

use super::file_header::{Description, data_start};
use super::plan::{OutputPlan, Planned};
use crate::container::sizes::{part_alignment, parts_bytes};

/// Bytes of a checksum.
const CHECKSUM_BYTES: u64 = 8;

impl OutputPlan<'_> {
    /// What the whole container is likely to take, in bytes: within a few hundred where all compressed tensors are in
    /// the pool, since those have been encoded; otherwise about what [`crate::layout::Scheme::encoded_bytes`] tells of
    /// the others.
    pub(in crate::container) fn predicted_bytes(&self) -> u64 {
        let Ok(description) = Description::at_most(self) else { return u64::MAX };
        let parts = self.tensors.iter().map(|planned| self.part_bytes(planned));
        let kept = self.kept.iter().map(|record| record.bytes());
        let data = parts.chain(kept).fold(0, u64::saturating_add);
        data_start(self, &description.json)
            .saturating_add(data)
            .saturating_add(description.own_header.len() as u64)
            .saturating_add(self.checksums().saturating_mul(CHECKSUM_BYTES))
    }

    fn part_bytes(&self, planned: &Planned) -> u64 {
        let Planned { entry, scheme, split, record, likely, .. } = planned;
        match likely {
            Some(likely) => {
                let padding = part_alignment(entry.pooled) / 2 * entry.lengths.len() as u64;
                let units = record.bytes() / split.element.bytes as u64;
                let chunks = scheme.chunk_bytes(units, self.aim);
                likely.saturating_add(chunks).saturating_add(padding)
            }
            None => parts_bytes(entry),
        }
    }

    /// Checksums of what is stored: one for each stored tensor, for the guard, the header and the original's, and their
    /// own.
    fn checksums(&self) -> u64 {
        let parts = self.tensors.iter().filter(|planned| !planned.entry.pooled);
        let parts: u64 = parts.map(|planned| planned.entry.lengths.len() as u64).sum();
        let guard = u64::from(!self.tensors.is_empty());
        parts + u64::from(self.is_continued()) + guard + self.kept.len() as u64 + 3
    }
}
