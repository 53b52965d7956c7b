//! Safetensors headers: read with errors that name the tensor, and written in a chosen order.
//!
//! The `safetensors` crate has the last word on what is valid; its errors name no tensor, so ours come first.

mod entries;
mod error;
mod recognise;
mod slot;
mod spelling;
mod write;

pub use error::HeaderError;
pub(crate) use slot::Slot;
pub(crate) use write::{Entry, entry_json_len, header_json, name_json_len};

use entries::{RawHeader, RawTensor};
use safetensors::Dtype;
use spelling::RawDtype;

/// Header bytes that the format allows at most.
pub(crate) const MAX_HEADER: u64 = 100_000_000;

/// Bytes of the header length before the header.
pub(crate) const LENGTH_BYTES: u64 = 8;

/// One tensor of a safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRecord {
    /// Its name.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Its dimensions; none for a scalar.
    pub shape: Vec<u64>,
    /// First byte, counted in the data section.
    pub begin: u64,
    /// First byte after it, counted in the data section.
    pub end: u64,
}

impl TensorRecord {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end - self.begin
    }
}

/// The header of a valid safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header itself, trailing spaces included, without the 8 bytes that hold this number.
    pub length: u64,
    /// The tensors in the order of their data, without holes or overlaps.
    pub tensors: Vec<TensorRecord>,
    /// `__metadata__`, in the order of the file.
    pub metadata: Vec<(String, String)>,
}

impl Header {
    /// Reads and checks the header of a whole file.
    ///
    /// # Errors
    /// Whatever is wrong with it, as precisely as can be told.
    pub fn of_file(file: &[u8]) -> Result<Self, HeaderError> {
        Self::copied_from(file).map(|(header, _)| header)
    }

    /// As [`Header::of_file`], with the JSON that was read: a copy, because a mapped file may change at any time.
    pub(crate) fn copied_from(file: &[u8]) -> Result<(Self, Vec<u8>), HeaderError> {
        let json = split(file)?.to_vec();
        let header = Self::of_json(&json, file.len() as u64 - LENGTH_BYTES - json.len() as u64)?;
        match serde_json::from_slice::<safetensors::tensor::Metadata>(&json) {
            Ok(_) => Ok((header, json)),
            Err(error) => Err(HeaderError::Json { why: error.to_string() }),
        }
    }

    /// Reads and checks a header apart from its file, which has `data_bytes` bytes after it.
    ///
    /// # Errors
    /// As [`Header::of_file`].
    pub fn of_json(json: &[u8], data_bytes: u64) -> Result<Self, HeaderError> {
        let header = Self::unbounded(json)?;
        check_coverage(&header.tensors, data_bytes)?;
        Ok(header)
    }

    /// Reads and checks a header apart from its file, whose data section is as long as the header says.
    pub(crate) fn alone(json: &[u8]) -> Result<Self, HeaderError> {
        let header = Self::unbounded(json)?;
        check_coverage(&header.tensors, header.data_bytes())?;
        Ok(header)
    }

    /// Reads the header of a file that may be shorter or longer than the header says.
    pub(crate) fn of_cut_file(file: &[u8]) -> Result<Self, HeaderError> {
        Self::alone(split(file)?)
    }

    fn unbounded(json: &[u8]) -> Result<Self, HeaderError> {
        let RawHeader { tensors, metadata } = RawHeader::parse(json)?;
        let mut tensors = tensors.into_iter().map(check_tensor).collect::<Result<Vec<_>, _>>()?;
        tensors.sort_by_key(|tensor| (tensor.begin, tensor.end));
        Ok(Self { length: json.len() as u64, tensors, metadata })
    }

    /// Where the data section starts in the file.
    #[must_use]
    pub fn data_start(&self) -> u64 {
        LENGTH_BYTES + self.length
    }

    /// Bytes of the data section.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.tensors.last().map_or(0, |tensor| tensor.end)
    }

    /// The metadata value of this key.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// The header of a file as bytes, if its length makes sense.
fn split(file: &[u8]) -> Result<&[u8], HeaderError> {
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return Err(recognise::something_else(file, "it has fewer than 8 bytes"));
    };
    // The reference takes a header that starts with white space, as any JSON may.
    let first = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    if first.is_some_and(|first| *first != b'{') {
        return Err(recognise::something_else(file, "no header starts after its first 8 bytes"));
    }
    let (claimed, available) = (u64::from_le_bytes(*length), rest.len() as u64);
    if claimed > available {
        return Err(HeaderError::Length { claimed, available });
    }
    if claimed > MAX_HEADER {
        return Err(HeaderError::TooLarge { claimed });
    }
    Ok(&rest[..crate::int::index(claimed)])
}

fn check_tensor(raw: RawTensor) -> Result<TensorRecord, HeaderError> {
    let RawTensor { name, dtype, shape, begin, end } = raw;
    let known = match dtype {
        RawDtype::Known(known) => known,
        RawDtype::Unknown(dtype) => return Err(HeaderError::UnknownDtype { tensor: name, dtype }),
    };
    let elements = shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    let bits = elements.and_then(|elements| elements.checked_mul(known.bitsize() as u64));
    let Some(bits) = bits else {
        return Err(HeaderError::Entry { tensor: name, why: "its shape overflows".to_owned() });
    };
    if bits % 8 != 0 {
        return Err(HeaderError::Entry { tensor: name, why: "its bits do not fill whole bytes".to_owned() });
    }
    match end.checked_sub(begin) {
        None => Err(HeaderError::Entry {
            tensor: name,
            why: format!("it ends at {end}, before it starts at {begin}"),
        }),
        Some(found) if found != bits / 8 => {
            Err(HeaderError::Size { tensor: name, expected: bits / 8, found })
        }
        Some(_) => Ok(TensorRecord { name, dtype: known, shape, begin, end }),
    }
}

/// Checks that tensors, in the order of their offsets, cover the data section exactly.
fn check_coverage(tensors: &[TensorRecord], data_bytes: u64) -> Result<(), HeaderError> {
    // A truncated file is most useful to know about, so it comes before other faults.
    if let Some(last) = tensors.iter().max_by_key(|tensor| tensor.end).filter(|last| last.end > data_bytes) {
        let (tensor, end) = (last.name.clone(), last.end);
        return Err(HeaderError::OutsideFile { tensor, end, available: data_bytes });
    }
    let mut previous: Option<&TensorRecord> = None;
    for tensor in tensors {
        let at = previous.map_or(0, |previous| previous.end);
        if tensor.begin < at {
            let other = previous.map_or_else(String::new, |previous| previous.name.clone());
            return Err(HeaderError::Overlap { tensor: tensor.name.clone(), begin: tensor.begin, other });
        }
        if tensor.begin > at {
            return Err(HeaderError::Hole { from: at, to: tensor.begin });
        }
        previous = Some(tensor);
    }
    let covered = previous.map_or(0, |previous| previous.end);
    if covered < data_bytes { Err(HeaderError::Hole { from: covered, to: data_bytes }) } else { Ok(()) }
}

#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;
