//! ZipNN's safetensors files, see `docs/formats/zipnn.md`: what it could make smaller is a tensor of bytes that say themselves what they
//! stand for.

mod chunk;

use super::names::Names;
use super::parts::range;
use super::{Format, Stored, Tensor, Wrong};
use crate::header::{Header, TensorRecord};
use crate::int;
use crate::layout::DecodeError;
use crate::layout::memory::zeroed;
use chunk::Planes;
use rayon::prelude::*;
use safetensors::Dtype;
use std::borrow::Cow;

pub(super) struct ZipNn;

/// The entry of `__metadata__` that lists the tensors, where the original had any metadata.
const METADATA: &str = "znn_compressed_vectors";

/// Bytes before the shape.
const HEADER: usize = 32;

/// The method of all chunks: Huffman codes, or bytes as they are.
const HUFFMAN: u8 = 1;

impl Format for ZipNn {
    fn name(&self) -> &'static str {
        "zipnn"
    }

    fn recognises(&self, file: &[u8], header: &Header) -> bool {
        let is_one = |tensor: &TensorRecord| {
            is_compressed(tensor, file.get(range(header, tensor)).unwrap_or_default())
        };
        header.metadata(METADATA).is_some() || header.tensors.iter().any(is_one)
    }

    fn read<'m>(
        &self,
        file: &'m [u8],
        header: &Header,
        _names: &Names,
    ) -> Result<Vec<Tensor<'m>>, (String, Wrong)> {
        let tensor = |tensor: &TensorRecord| {
            let bytes = file.get(range(header, tensor)).unwrap_or_default();
            if !is_compressed(tensor, bytes) {
                return Ok(Tensor::kept(tensor, bytes));
            }
            Compressed::read(bytes).map(|compressed| Tensor {
                name: tensor.name.clone(),
                dtype: compressed.dtype,
                shape: compressed.shape.clone(),
                bytes: compressed.bytes,
                stored: Box::new(compressed),
            })
        };
        let named =
            |own: &TensorRecord| tensor(own).map_err(|problem| (own.name.clone(), Wrong::Data(problem)));
        let tensors = header.tensors.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        let listed =
            header.metadata(METADATA).and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let listed = listed.as_ref().and_then(serde_json::Value::as_object);
        for name in listed.into_iter().flat_map(serde_json::Map::keys) {
            let found = header.tensors.iter().find(|tensor| tensor.name == *name);
            if !found.is_some_and(|own| is_compressed(own, file.get(range(header, own)).unwrap_or_default()))
            {
                let problem = "it is listed as compressed, and is not".to_owned();
                return Err((name.clone(), Wrong::Data(problem)));
            }
        }
        Ok(tensors)
    }

    fn metadata(&self, header: &Header) -> Vec<(String, String)> {
        header.metadata.iter().filter(|(key, _)| key != METADATA).cloned().collect()
    }
}

/// Whether a tensor is one that ZipNN made: bytes that begin with its letters and tell how many they are.
fn is_compressed(tensor: &TensorRecord, bytes: &[u8]) -> bool {
    tensor.dtype == Dtype::U8
        && tensor.shape.len() == 1
        && bytes.starts_with(b"ZN")
        && number(bytes, 24) == Some(bytes.len() as u64)
}

/// Eight bytes as a number.
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|own| u64::from_le_bytes(*own))
}

/// A compressed tensor.
struct Compressed<'m> {
    dtype: Dtype,
    shape: Vec<u64>,
    bytes: u64,
    planes: Planes,
    /// Bytes of a chunk before it was split.
    chunk: usize,
    /// Of each plane, chunk after chunk: what it is stored as, and its bytes.
    chunks: Vec<Vec<(u8, &'m [u8])>>,
}

impl<'m> Compressed<'m> {
    /// Reads what its header and its list of chunks say.
    fn read(bytes: &'m [u8]) -> Result<Self, String> {
        let header = bytes.first_chunk::<HEADER>().ok_or("it has no header")?;
        let [.., byte_order, bit_order, method, _, delta, lossy] = header[..11] else {
            return Err("it has no header".to_owned());
        };
        if (method, delta, lossy, header[13]) != (HUFFMAN, 0, 0, 0) {
            return Err(format!(
                "its method {method}, delta {delta}, loss {lossy} and streaming {} are not those of safetensors files (1, 0, 0, 0)",
                header[13]
            ));
        }
        let (dtype, planes) = kind(header[15], byte_order, bit_order)?;
        let original = number(header, 16).unwrap_or_default();
        let (shape, start) = shape(bytes)?;
        let elements = shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
        if elements.and_then(|elements| elements.checked_mul(planes.count() as u64)) != Some(original) {
            return Err(format!("its shape {shape:?} of {dtype} has not the {original} bytes that it says"));
        }
        let exponent = u32::from(header[14]);
        if !(10..=18).contains(&exponent) {
            return Err(format!("its chunks are of 2^{exponent} bytes, and 2^10 to 2^18 are possible"));
        }
        // A plane of a chunk is at most one block of Huffman codes.
        let chunk = (1usize << exponent).min(planes.count() * chunk::MOST_BYTES);
        let count = int::index(original.div_ceil(chunk as u64));
        let lists = planes.count().checked_mul(count).filter(|lists| *lists <= bytes.len());
        let lists = lists.ok_or_else(|| format!("it has no room for a list of {count} chunks"))?;
        let sizes = start + lists;
        let data = sizes + 8 * lists;
        let (kinds, ends) = (bytes.get(start..sizes), bytes.get(sizes..data));
        let (Some(kinds), Some(ends)) = (kinds, ends) else {
            return Err(format!("it ends within its list of {count} chunks"));
        };
        let mut ends = ends.as_chunks::<8>().0.iter().map(|end| u64::from_le_bytes(*end));
        let mut kinds = kinds.iter();
        let mut rest = bytes.get(data..).unwrap_or_default();
        let mut chunks = Vec::new();
        for _ in 0..planes.count() {
            let (mut previous, mut of_plane) = (0, Vec::with_capacity(count));
            for (end, kind) in ends.by_ref().take(count).zip(kinds.by_ref()) {
                let own = end.checked_sub(previous).and_then(|own| rest.split_at_checked(int::index(own)));
                let (own, after) = own.ok_or("its chunks do not follow each other, or leave it")?;
                of_plane.push((*kind, own));
                (previous, rest) = (end, after);
            }
            chunks.push(of_plane);
        }
        if !rest.is_empty() {
            return Err(format!("it goes on for {} bytes after its last chunk", rest.len()));
        }
        Ok(Self { dtype, shape, bytes: original, planes, chunk, chunks })
    }
}

/// The type of numbers of a code, and how their bytes are put together.
fn kind(dtype: u8, byte_order: u8, bit_order: u8) -> Result<(Dtype, Planes), String> {
    match (dtype, byte_order, bit_order) {
        (1 | 2, 220, 1) => Ok((Dtype::F32, Planes::FourFloat)),
        (4 | 5, 10, 0) => Ok((Dtype::F16, Planes::Two)),
        (6, 10, 1) => Ok((Dtype::BF16, Planes::TwoFloat)),
        (29, 10, 1) => Ok((Dtype::F8_E4M3, Planes::One)),
        (30, 10, 1) => Ok((Dtype::F8_E5M2, Planes::One)),
        _ => Err(format!("its number type {dtype} with the orders {byte_order} and {bit_order} is unknown")),
    }
}

/// The shape after the header, and where it ends: how many dimensions, and of each its width in bytes and itself.
fn shape(bytes: &[u8]) -> Result<(Vec<u64>, usize), String> {
    let cut = || "it ends within its shape".to_owned();
    let dims = *bytes.get(HEADER).ok_or_else(cut)?;
    let (mut shape, mut at) = (Vec::new(), HEADER + 1);
    for _ in 0..dims {
        let width = usize::from(*bytes.get(at).ok_or_else(cut)?);
        if ![1, 2, 4, 8].contains(&width) {
            return Err(format!("a dimension of it has {width} bytes"));
        }
        let dim = bytes.get(at + 1..at + 1 + width).ok_or_else(cut)?;
        shape.push(dim.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)));
        at += 1 + width;
    }
    Ok((shape, at))
}

impl Stored for Compressed<'_> {
    fn bytes(&self) -> Result<Cow<'_, [u8]>, Wrong> {
        let mut out = zeroed::<u8>(int::index(self.bytes)).map_err(DecodeError::from)?;
        out.par_chunks_mut(self.chunk).enumerate().try_for_each(|(number, out)| {
            let planes = self.chunks.iter().filter_map(|plane| plane.get(number).copied());
            let restored = self.planes.restore(planes, out);
            restored.map_err(|problem| format!("chunk {number} {problem}"))
        })?;
        Ok(Cow::Owned(out))
    }
}
