//! The files of ECF8's authors, see `docs/formats/ecf8-paper.md`. Their bitstream, gaps and output positions are those of our scheme
//! `exponent-gap`, so our decoders and kernels decode it where it lies. Only codewords are not canonical.

use super::names::{Named, Names, Piece};
use super::parts::{Block, PartNames, block_of, blocks, range};
use super::{Format, Stored, Tensor, Wrong, luts};
use crate::element::Numbers;
use crate::header::Header;
use crate::int;
use crate::layout::exponent_gap::{
    BYTES_PER_THREAD, ENCODED, EXPONENT_GAP, GAPS, OUTPUT_POSITIONS, PACKED, THREADS_PER_BLOCK,
};
use crate::layout::memory::zeroed;
use crate::layout::{Encoded, Part, PartType, Scheme};
use safetensors::Dtype;
use std::borrow::Cow;
use std::sync::Arc;

/// The format.
pub(super) struct Ecf8Paper;

/// What its stored tensors are called.
pub(super) const PARTS: PartNames = PartNames {
    luts: "luts",
    encoded: "encoded",
    raw: "packed_other_4bits",
    positions: "output_positions",
    gaps: "gaps",
    splits: "split_positions",
};

/// Exponents that there are.
pub(super) const EXPONENTS: usize = 16;

impl Format for Ecf8Paper {
    fn name(&self) -> &'static str {
        "ecf8-paper"
    }

    fn recognises(&self, _file: &[u8], header: &Header) -> bool {
        header.tensors.iter().any(|tensor| block_of(&tensor.name, PARTS.raw).is_some())
    }

    fn read<'m>(
        &self,
        file: &'m [u8],
        header: &Header,
        names: &Names,
    ) -> Result<Vec<Tensor<'m>>, (String, Wrong)> {
        let (blocks, kept) =
            blocks(file, header, &PARTS).map_err(|(block, problem)| (block, Wrong::Data(problem)))?;
        let mut tensors: Vec<Tensor<'m>> = kept
            .into_iter()
            .map(|tensor| Tensor::kept(tensor, file.get(range(header, tensor)).unwrap_or_default()))
            .collect();
        for block in &blocks {
            let of_block = block_tensors(block, names, blocks.len() == 1);
            tensors.extend(of_block.map_err(|wrong| (block.name.clone(), wrong))?);
        }
        Ok(tensors)
    }

    fn lacks_shapes(&self) -> bool {
        true
    }
}

fn block_tensors<'m>(block: &Block<'m>, names: &Names, is_alone: bool) -> Result<Vec<Tensor<'m>>, Wrong> {
    let encoded = Arc::new(encoded(block, names)?);
    let pieces = block.pieces(encoded.elements)?;
    let named = names.of(&block.name, &pieces, Dtype::F8_E4M3, is_alone)?;
    let tensor = |((name, shape), Piece { first, elements }): (Named, Piece)| {
        let stored = Box::new(OfBlock { block: encoded.clone(), first, elements });
        Tensor { name, dtype: Dtype::F8_E4M3, shape, bytes: elements, stored }
    };
    Ok(named.into_iter().zip(pieces).map(tensor).collect())
}

/// A block as a tensor of ours; nothing of it is copied.
fn encoded<'m>(block: &Block<'m>, names: &Names) -> Result<Encoded<'m>, Wrong> {
    let elements = block.positions.last_chunk::<8>().map(|last| u64::from_le_bytes(*last));
    let elements = elements.ok_or_else(|| "its `output_positions` are empty".to_owned())?;
    let (bytes_per_thread, threads_per_block) =
        names.threads.unwrap_or((EXPONENT_GAP.bytes_per_thread, EXPONENT_GAP.threads_per_block));
    let part = |name, dtype, bytes: &'m [u8]| Part { name, dtype, bytes: Cow::Borrowed(bytes) };
    let encoded = Encoded {
        scheme: &EXPONENT_GAP,
        split: Numbers::e4m3(&[]).split.clone(),
        elements,
        codebooks: (&luts::codebook(block.luts, EXPONENTS)?).into(),
        params: [(BYTES_PER_THREAD, bytes_per_thread), (THREADS_PER_BLOCK, threads_per_block)]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        parts: vec![
            part(ENCODED, PartType::U8, block.encoded),
            part(PACKED, PartType::U8, block.raw),
            part(GAPS, PartType::U8, block.gaps),
            part(OUTPUT_POSITIONS, PartType::U64, block.positions),
        ],
    };
    // So lengths agree with each other, and elements with the nibbles.
    EXPONENT_GAP.check(&encoded)?;
    Ok(encoded)
}

/// A tensor that is some elements of a block.
struct OfBlock<'m> {
    block: Arc<Encoded<'m>>,
    first: u64,
    elements: u64,
}

impl Stored for OfBlock<'_> {
    fn bytes(&self) -> Result<Cow<'_, [u8]>, Wrong> {
        let mut bytes = zeroed(int::index(self.elements)).map_err(crate::layout::DecodeError::from)?;
        self.block.scheme.decode_range(&self.block, self.first, &mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    fn encoded(&self) -> Option<(&Encoded<'_>, u64)> {
        Some((&self.block, self.first))
    }
}
