//! Weights of a model's files as E4M3 numbers, whatever they are stored in.

use super::super::answer::Failure;
use ecf8_core::container::{CompressedFile, is_container};
use ecf8_core::format::{BF16, E4M3, F16, F32};
use ecf8_core::header::{Header, TensorRecord};
use ecf8_core::map::MappedFile;
use ecf8_core::{Error, synthetic};
use half::{bf16, f16};
use std::ops::Range;
use std::path::{Path, PathBuf};

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
struct Matrix {
    /// The index of its file.
    file: usize,
    name: String,
    dtype: String,
    elements: u64,
}

/// A file that is open.
enum Opened {
    Plain(Box<(MappedFile, Header)>),
    Compressed(Box<CompressedFile>),
}

impl Real {
    /// Reads a file, or the `.safetensors` files of a folder, `most` elements at most: those of matrices in E4M3, or, if there are
    /// none, of matrices in BF16, F16 and F32.
    pub(super) fn read(path: &Path, most: u64) -> Result<Self, Failure> {
        let files = files(path)?.iter().map(|file| Opened::new(file)).collect::<Result<Vec<_>, _>>()?;
        let all = files.iter().enumerate().flat_map(|(file, opened)| opened.matrices(file));
        let (native, wide): (Vec<Matrix>, Vec<Matrix>) = all.partition(|matrix| matrix.dtype == E4M3.dtype);
        let (taken, cast) = if native.is_empty() { (&wide, wide.len()) } else { (&native, 0) };
        let elements: u64 = taken.iter().map(|matrix| matrix.elements).sum();
        if elements == 0 {
            return Err(Failure::request(format!(
                "{}: no matrix of F8_E4M3, BF16, F16 or F32 is in it; name another model, or leave --weights out",
                path.display()
            )));
        }
        let mut bytes = Vec::new();
        for matrix in taken {
            let share = (u128::from(matrix.elements) * u128::from(most)).div_ceil(u128::from(elements));
            let count = u64::try_from(share).map_or(matrix.elements, |share| share.min(matrix.elements));
            if let Some(file) = files.get(matrix.file) {
                bytes.extend(file.read(matrix, count)?);
            }
        }
        for file in &files {
            file.check_unchanged()?;
        }
        Ok(Self { bytes, elements, tensors: taken.len(), cast })
    }
}

/// The file, or a folder's `.safetensors` files by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::request(format!(
            "cannot read {}: {error}; name a .safetensors file or a model's folder",
            path.display()
        ))
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries =
        std::fs::read_dir(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| {
        file.extension().is_some_and(|extension| extension == "safetensors") && !file.is_dir()
    });
    files.sort();
    if files.is_empty() {
        return Err(Failure::request(format!(
            "{}: there is no .safetensors file in this folder",
            path.display()
        )));
    }
    Ok(files)
}

impl Opened {
    fn new(path: &Path) -> Result<Self, Failure> {
        if is_container(path)? {
            return Ok(Self::Compressed(Box::new(CompressedFile::open(path)?)));
        }
        let map = MappedFile::open(path)?;
        let header = Header::of_file(&map).map_err(|source| Error::Header { path: path.to_owned(), source });
        let header = map.or_changed(header)?;
        Ok(Self::Plain(Box::new((map, header))))
    }

    /// Its matrices of types that weights have. Vectors are norms, biases and scales.
    fn matrices(&self, file: usize) -> Vec<Matrix> {
        let matrix = |name: &str, dtype: &str, shape: &[u64]| {
            let is_taken = [E4M3, BF16, F16, F32].iter().any(|format| format.dtype == dtype);
            let is_scale = name.contains("scale");
            let elements = shape.iter().product();
            (is_taken && !is_scale && shape.len() > 1 && elements > 0).then(|| Matrix {
                file,
                name: name.to_owned(),
                dtype: dtype.to_owned(),
                elements,
            })
        };
        let of_record =
            |record: &TensorRecord| matrix(&record.name, &record.dtype.to_string(), &record.shape);
        match self {
            Self::Plain(plain) => plain.1.tensors.iter().filter_map(of_record).collect(),
            Self::Compressed(file) => {
                let compressed =
                    file.tensors().filter_map(|tensor| matrix(tensor.name(), tensor.dtype(), tensor.shape()));
                compressed.chain(file.kept().filter_map(|tensor| of_record(tensor.record))).collect()
            }
        }
    }

    /// The first `count` numbers of a tensor, as E4M3.
    fn read(&self, matrix: &Matrix, count: u64) -> Result<Vec<u8>, Failure> {
        let width = match matrix.dtype.as_str() {
            "F32" => 4,
            "BF16" | "F16" => 2,
            _ => 1,
        };
        let bytes = usize::try_from(count.saturating_mul(width)).map_err(Failure::request)?;
        let raw = match self {
            Self::Plain(plain) => {
                let (map, header) = plain.as_ref();
                let start = header
                    .tensors
                    .iter()
                    .find(|tensor| tensor.name == matrix.name)
                    .map_or(0, |tensor| tensor.begin);
                let start = usize::try_from(header.data_start() + start).map_err(Failure::request)?;
                map.get(Range { start, end: start + bytes }).unwrap_or_default().to_vec()
            }
            Self::Compressed(file) => {
                let mut raw = vec![0; bytes];
                file.read_range(&matrix.name, 0, &mut raw)?;
                raw
            }
        };
        Ok(as_e4m3(&matrix.dtype, raw))
    }

    fn check_unchanged(&self) -> Result<(), Failure> {
        match self {
            Self::Plain(plain) => plain.0.check_unchanged()?,
            Self::Compressed(file) => file.check_unchanged()?,
        }
        Ok(())
    }
}

/// Numbers of a type, cast to E4M3 as they are.
fn as_e4m3(dtype: &str, raw: Vec<u8>) -> Vec<u8> {
    let pairs = raw.as_chunks::<2>().0.iter();
    match dtype {
        "BF16" => pairs.map(|pair| synthetic::from_f32(bf16::from_le_bytes(*pair).to_f32())).collect(),
        "F16" => pairs.map(|pair| synthetic::from_f32(f16::from_le_bytes(*pair).to_f32())).collect(),
        "F32" => {
            raw.as_chunks::<4>().0.iter().map(|four| synthetic::from_f32(f32::from_le_bytes(*four))).collect()
        }
        _ => raw,
    }
}
