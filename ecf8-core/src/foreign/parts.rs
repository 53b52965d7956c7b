//! What ECF8's authors and DFloat11 have in common: the weights of a block of a model, one after the other, coded as one tensor.

use super::names::Piece;
use crate::header::{Header, TensorRecord};
use crate::int;
use safetensors::Dtype;
use std::collections::HashMap;
use std::ops::Range;

/// The names that a format gives its stored tensors, after the block's name and a dot.
pub(super) struct PartNames {
    pub(super) luts: &'static str,
    pub(super) encoded: &'static str,
    pub(super) raw: &'static str,
    pub(super) positions: &'static str,
    pub(super) gaps: &'static str,
    pub(super) splits: &'static str,
}

impl PartNames {
    fn all(&self) -> [&'static str; 6] {
        [self.luts, self.encoded, self.raw, self.positions, self.gaps, self.splits]
    }
}

/// The stored tensors of one block.
pub(super) struct Block<'m> {
    /// Its name, without a dot at the end.
    pub(super) name: String,
    pub(super) luts: &'m [u8],
    pub(super) encoded: &'m [u8],
    pub(super) raw: &'m [u8],
    pub(super) positions: &'m [u8],
    pub(super) gaps: &'m [u8],
    splits: Vec<u64>,
}

/// The name of the block that a stored tensor belongs to.
pub(super) fn block_of<'n>(name: &'n str, part: &str) -> Option<&'n str> {
    name.strip_suffix(part)?.strip_suffix('.').filter(|block| !block.is_empty())
}

/// Tensors that are stored as they are.
pub(super) type Kept<'h> = Vec<&'h TensorRecord>;

/// The blocks of a file, in the order of their data, and the tensors that are stored as they are.
///
/// # Errors
/// If a block lacks a part, or a part has another dtype than the format's.
pub(super) fn blocks<'m, 'h>(
    file: &'m [u8],
    header: &'h Header,
    names: &PartNames,
) -> Result<(Vec<Block<'m>>, Kept<'h>), (String, String)> {
    let by_name: HashMap<&str, &TensorRecord> =
        header.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let part_of = |block: &str, part: &str| by_name.get(format!("{block}.{part}").as_str()).copied();
    let is_part = |tensor: &TensorRecord| {
        let block = names.all().iter().find_map(|part| block_of(&tensor.name, part));
        block.is_some_and(|block| part_of(block, names.raw).is_some())
    };
    let (mut blocks, mut kept) = (Vec::new(), Vec::new());
    for tensor in &header.tensors {
        if !is_part(tensor) {
            kept.push(tensor);
        }
        let Some(name) = block_of(&tensor.name, names.raw) else { continue };
        let part = |part: &str, dtype: Dtype| {
            let wrong = |problem| Err((name.to_owned(), problem));
            match part_of(name, part) {
                None => wrong(format!("it has no `{name}.{part}`")),
                Some(own) if own.dtype != dtype => {
                    wrong(format!("its `{part}` is {} instead of {dtype}", own.dtype))
                }
                Some(own) => Ok(file.get(range(header, own)).unwrap_or_default()),
            }
        };
        let splits = part(names.splits, Dtype::I64)?;
        blocks.push(Block {
            name: name.to_owned(),
            luts: part(names.luts, Dtype::U8)?,
            encoded: part(names.encoded, Dtype::U8)?,
            raw: part(names.raw, Dtype::U8)?,
            positions: part(names.positions, Dtype::U8)?,
            gaps: part(names.gaps, Dtype::U8)?,
            splits: splits.as_chunks::<8>().0.iter().map(|own| u64::from_le_bytes(*own)).collect(),
        });
    }
    Ok((blocks, kept))
}

/// Where a tensor lies in its file.
pub(super) fn range(header: &Header, tensor: &TensorRecord) -> Range<usize> {
    int::index(header.data_start() + tensor.begin)..int::index(header.data_start() + tensor.end)
}

impl Block<'_> {
    /// The tensors of a block that has `elements` elements in all.
    ///
    /// # Errors
    /// If the places at which it is split are not within it, or fall.
    pub(super) fn pieces(&self, elements: u64) -> Result<Vec<Piece>, String> {
        let mut start = 0;
        let ends = self.splits.iter().copied().chain([elements]);
        let pieces = ends.map(|end| {
            let own = end.checked_sub(start).filter(|_| end <= elements);
            let own =
                own.ok_or_else(|| format!("its split positions fall, or exceed its {elements} elements"))?;
            start = end;
            Ok(Piece { first: end - own, elements: own })
        });
        pieces.collect()
    }
}
