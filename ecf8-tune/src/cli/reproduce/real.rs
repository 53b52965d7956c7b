//! Weights of a model's files as E4M3 numbers, whatever they are stored in.

use crate::cli::answer::Failure;
use ecf8_core::container::{Weights, WeightsFile};
use ecf8_core::format::{BF16, E4M3, F16, F32, FloatFormat};
use ecf8_core::header::TensorRecord;
use ecf8_core::synthetic;
use half::{bf16, f16};
use std::path::Path;

/// Real weights.
pub(super) struct Real {
    /// E4M3 numbers, of every tensor an even share.
    pub(super) bytes: Vec<u8>,
    /// Elements of these tensors in all.
    pub(super) elements: u64,
    /// How many tensors they are from.
    pub(super) tensors: usize,
    /// How many of these have a wider type, from which they were cast.
    pub(super) cast: usize,
}

/// A tensor to take weights of.
struct Matrix<'f> {
    file: &'f WeightsFile,
    record: &'f TensorRecord,
    format: &'static FloatFormat,
}

impl Real {
    /// Reads a file, or a folder's files, `most` elements at most: those of matrices in E4M3, or, if there are none, of matrices
    /// in BF16, F16 and F32.
    pub(super) fn read(path: &Path, most: u64) -> Result<Self, Failure> {
        let model = Weights::open(path)?;
        let all = model.files.iter().flat_map(matrices);
        let (native, wide): (Vec<_>, Vec<_>) = all.partition(|matrix| *matrix.format == E4M3);
        let (taken, cast) = if native.is_empty() { (&wide, wide.len()) } else { (&native, 0) };
        let elements: u64 = taken.iter().map(Matrix::elements).sum();
        if elements == 0 {
            return Err(Failure::request(format!(
                "{}: no matrix of F8_E4M3, BF16, F16 or F32 is in it; name another model, or leave --weights out",
                path.display()
            )));
        }
        let mut bytes = Vec::new();
        for matrix in taken {
            let share = (u128::from(matrix.elements()) * u128::from(most)).div_ceil(u128::from(elements));
            let count = u64::try_from(share).map_or(matrix.elements(), |share| share.min(matrix.elements()));
            bytes.extend(matrix.read(count)?);
        }
        for file in &model.files {
            file.check_unchanged()?;
        }
        Ok(Self { bytes, elements, tensors: taken.len(), cast })
    }
}

/// A file's matrices of types that weights have. Vectors are norms, biases and scales.
fn matrices(file: &WeightsFile) -> impl Iterator<Item = Matrix<'_>> {
    file.tensors().iter().filter_map(move |record| {
        let dtype = record.dtype.to_string();
        let format = [&E4M3, &BF16, &F16, &F32].into_iter().find(|format| format.dtype == dtype)?;
        let is_scale = ["scale", "scales", "scale_inv"].iter().any(|end| record.name.ends_with(*end));
        let is_matrix = record.shape.len() > 1 && record.bytes() > 0 && !is_scale;
        is_matrix.then_some(Matrix { file, record, format })
    })
}

impl Matrix<'_> {
    fn width(&self) -> u64 {
        self.format.bits().div_ceil(8).into()
    }

    fn elements(&self) -> u64 {
        self.record.bytes() / self.width()
    }

    /// Its first `count` numbers, as E4M3.
    fn read(&self, count: u64) -> Result<Vec<u8>, Failure> {
        let raw = self.file.read(self.record, 0..count.saturating_mul(self.width()))?;
        Ok(as_e4m3(self.format, &raw))
    }
}

/// Numbers of a type, cast to E4M3 as they are.
fn as_e4m3(format: &FloatFormat, raw: &[u8]) -> Vec<u8> {
    let (twos, fours) = (raw.as_chunks::<2>().0.iter(), raw.as_chunks::<4>().0.iter());
    match format.dtype {
        "BF16" => twos.map(|two| synthetic::from_f32(bf16::from_le_bytes(*two).to_f32())).collect(),
        "F16" => twos.map(|two| synthetic::from_f32(f16::from_le_bytes(*two).to_f32())).collect(),
        "F32" => fours.map(|four| synthetic::from_f32(f32::from_le_bytes(*four))).collect(),
        _ => raw.to_vec(),
    }
}
