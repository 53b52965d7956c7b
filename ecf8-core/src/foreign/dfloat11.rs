//! The files of DFloat11, see `docs/formats/dfloat11.md`.

use super::gap_stream::{BYTES_PER_THREAD, GapStream, THREADS_PER_BLOCK, Threads};
use super::names::{Named, Names, Piece};
use super::parts::{Block, PartNames, block_of, blocks, range};
use super::{Format, Stored, Tensor, Wrong, luts};
use crate::codebook::cascade::ROW;
use crate::header::Header;
use crate::int;
use crate::layout::DecodeError;
use crate::layout::memory::zeroed;
use safetensors::Dtype;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) struct DFloat11;

/// What its stored tensors are called.
pub(super) const PARTS: PartNames = PartNames {
    luts: "luts",
    encoded: "encoded_exponent",
    raw: "sign_mantissa",
    positions: "output_positions",
    gaps: "gaps",
    splits: "split_positions",
};

/// The longest codeword, in bits.
pub(super) const MAX_LEN: u8 = 32;

/// The version that is written, and of which this is what its files are.
pub(super) const VERSION: &str = "0.5.0";

impl Format for DFloat11 {
    fn name(&self) -> &'static str {
        "dfloat11"
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
    let (bytes_per_thread, threads_per_block) =
        names.threads.unwrap_or((BYTES_PER_THREAD, THREADS_PER_BLOCK));
    let elements = block.raw.len() as u64;
    let codebook = luts::codebook(block.luts, ROW)?;
    let parts = [block.encoded, block.gaps, block.positions];
    let exponents =
        GapStream::new(parts, &codebook, elements, Threads { bytes_per_thread, threads_per_block })?;
    let shared = Arc::new(Whole { exponents, raw: block.raw });
    let pieces = block.pieces(elements)?;
    let named = names.of(&block.name, &pieces, Dtype::BF16, is_alone)?;
    let tensor = |((name, shape), piece): (Named, Piece)| {
        let stored = Box::new(OfBlock { block: shared.clone(), piece });
        Tensor { name, dtype: Dtype::BF16, shape, bytes: 2 * piece.elements, stored }
    };
    Ok(named.into_iter().zip(pieces).map(tensor).collect())
}

/// A block, to be decoded.
struct Whole<'m> {
    exponents: GapStream<'m>,
    raw: &'m [u8],
}

/// A tensor that is some elements of a block.
struct OfBlock<'m> {
    block: Arc<Whole<'m>>,
    piece: Piece,
}

impl Stored for OfBlock<'_> {
    fn bytes(&self) -> Result<Cow<'_, [u8]>, Wrong> {
        let (first, count) = (int::index(self.piece.first), int::index(self.piece.elements));
        let mut exponents = zeroed::<u8>(count).map_err(DecodeError::from)?;
        self.block.exponents.decode(self.piece.first, &mut exponents)?;
        let mut numbers = zeroed::<[u8; 2]>(count).map_err(DecodeError::from)?;
        let raw = self.block.raw.get(first..first + count).unwrap_or_default();
        for (number, (exponent, raw)) in numbers.iter_mut().zip(exponents.iter().zip(raw)) {
            *number = [raw & 0x7f | exponent << 7, raw & 0x80 | exponent >> 1];
        }
        Ok(Cow::Owned(numbers.into_flattened()))
    }
}
