//! Files of others, read where they lie: which tensors they hold, and the bytes of these.
//!
//! A further format is a file here that implements `Format`, and its line in `FORMATS`. `docs/formats` has a page for each.
//!
//! - `luts`, `parts`, `names`: what ECF8's authors and DFloat11 have in common.
//! - `export`: the way back, into files that their programs read.

mod dfloat11;
mod ecf8_paper;
pub mod export;
mod gap_stream;
mod luts;
mod names;
mod parts;
mod zipnn;

use crate::error::{Error, Result};
use crate::header::{Entry, Header, LENGTH_BYTES, TensorRecord};
use crate::int::index;
use crate::layout::{DecodeError, Encoded};
use crate::map::MappedFile;
use crate::source::Source;
use names::Names;
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// A format of others.
trait Format: Sync {
    /// Its name, as messages and the command line have it.
    fn name(&self) -> &'static str;

    /// Whether a file, which has this header, is one.
    fn recognises(&self, file: &[u8], header: &Header) -> bool;

    /// The tensors that a file stands for.
    fn read<'m>(
        &self,
        file: &'m [u8],
        header: &Header,
        names: &Names,
    ) -> Result<Vec<Tensor<'m>>, (String, Wrong)>;

    /// What metadata an original had, of those of its file.
    fn metadata(&self, header: &Header) -> Vec<(String, String)> {
        header.metadata.clone()
    }

    /// Whether it stores no shapes, so that an original has to give them.
    fn lacks_shapes(&self) -> bool {
        false
    }
}

/// The formats that are read, see [`foreign`](self).
static FORMATS: [&dyn Format; 3] = [&ecf8_paper::Ecf8Paper, &dfloat11::DFloat11, &zipnn::ZipNn];

/// What is wrong with a file of others.
enum Wrong {
    /// With its bytes.
    Data(String),
    /// With codewords and what belongs to them.
    Decode(DecodeError),
    /// With the original that was to give names.
    Like(String),
}

impl From<String> for Wrong {
    fn from(problem: String) -> Self {
        Self::Data(problem)
    }
}

impl From<DecodeError> for Wrong {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// A tensor that a file stands for.
struct Tensor<'m> {
    name: String,
    dtype: Dtype,
    shape: Vec<u64>,
    bytes: u64,
    stored: Box<dyn Stored + 'm>,
}

impl<'m> Tensor<'m> {
    /// One that is stored as it was.
    fn kept(record: &TensorRecord, bytes: &'m [u8]) -> Self {
        let (name, dtype, shape) = (record.name.clone(), record.dtype, record.shape.clone());
        Self { name, dtype, shape, bytes: bytes.len() as u64, stored: Box::new(bytes) }
    }
}

/// How a tensor is stored.
trait Stored: Send + Sync {
    /// Its bytes.
    fn bytes(&self) -> Result<Cow<'_, [u8]>, Wrong>;

    /// What it is decoded from, and the first of its elements there, if that is one of our schemes.
    fn encoded(&self) -> Option<(&Encoded<'_>, u64)> {
        None
    }
}

/// Bytes as they are.
impl Stored for &[u8] {
    fn bytes(&self) -> Result<Cow<'_, [u8]>, Wrong> {
        Ok(Cow::Borrowed(self))
    }
}

/// A file of others as the safetensors file that it stands for: its tensors lie there as the safetensors library puts them, wide
/// elements first and otherwise by name.
pub struct Foreign<'m> {
    map: &'m MappedFile,
    format: &'static dyn Format,
    header: Header,
    json: Vec<u8>,
    stored: HashMap<String, Box<dyn Stored + 'm>>,
    has_shapes: bool,
}

impl std::fmt::Debug for Foreign<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Foreign")
            .field("path", &self.path())
            .field("format", &self.format.name())
            .finish_non_exhaustive()
    }
}

/// The name of the format that a file of others has; `None` if it is not one of those that are known, or is no safetensors file.
#[must_use]
pub fn format_of(file: &MappedFile) -> Option<&'static str> {
    recognised(file, &file.header().ok()?.0).map(|format| format.name())
}

fn recognised(file: &[u8], header: &Header) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.recognises(file, header))
}

impl<'m> Foreign<'m> {
    /// Reads a mapped file of a known format. Names and shapes that it does not have are those of the safetensors file `like`.
    /// `None` if it has none of the known formats.
    ///
    /// # Errors
    /// Whatever is wrong with it; [`Error::Like`] if `like` does not hold what it does.
    pub fn open(map: &'m MappedFile, like: Option<&Path>) -> Result<Option<Self>> {
        let (stored, _) = map.header()?;
        let Some(format) = recognised(map, &stored) else { return Ok(None) };
        let names = Names::beside(map.path(), like.map(names::tensors_of).transpose()?);
        let has_shapes = !format.lacks_shapes() || names.has_shapes();
        let failed = |(tensor, wrong): (String, Wrong)| error(map.path(), format, &tensor, wrong, like);
        let mut tensors = format.read(map, &stored, &names).map_err(failed)?;
        let entry = |tensor: &Tensor<'_>| Entry {
            name: tensor.name.clone(),
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            bytes: tensor.bytes,
        };
        let start = export::file_start(map.path(), &format.metadata(&stored), &mut tensors, entry)?;
        let json = start.get(index(LENGTH_BYTES)..).unwrap_or_default().to_vec();
        let header = Header::alone(&json).map_err(|wrong| {
            let problem = format!("what it stands for is no file: {wrong}");
            error(map.path(), format, "", Wrong::Data(problem), like)
        })?;
        let stored = tensors.into_iter().map(|tensor| (tensor.name, tensor.stored)).collect();
        Ok(Some(Self { map, format, header, json, stored, has_shapes }))
    }

    /// The name of its format.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.format.name()
    }

    /// Whether its tensors have the shapes that they had, and are not flat because nothing says how they were.
    #[must_use]
    pub fn has_shapes(&self) -> bool {
        self.has_shapes
    }

    /// What a tensor is decoded from, and the first of its elements there, if that is one of our schemes: what
    /// kernels decode, too.
    #[must_use]
    pub fn encoded(&self, record: &TensorRecord) -> Option<(&Encoded<'_>, u64)> {
        self.stored.get(&record.name)?.encoded()
    }
}

/// A header with spaces at the end and, if there are no metadata, without an entry for them: as the library writes it.
fn as_library(json: Vec<u8>, has_no_metadata: bool) -> Vec<u8> {
    const EMPTY: &[u8] = b"{\"__metadata__\":{}";
    let mut json = match json.strip_prefix(EMPTY).filter(|_| has_no_metadata) {
        Some(rest) => [b"{", rest.strip_prefix(b",").unwrap_or(rest)].concat(),
        None => json,
    };
    json.resize(json.len().next_multiple_of(index(LENGTH_BYTES)), b' ');
    json
}

fn error(path: &Path, format: &'static dyn Format, tensor: &str, wrong: Wrong, like: Option<&Path>) -> Error {
    let path = path.to_owned();
    match wrong {
        Wrong::Decode(DecodeError::Memory { bytes }) => {
            Error::Memory { path, tensor: tensor.to_owned(), bytes }
        }
        Wrong::Decode(source) => Error::Foreign {
            path,
            format: format.name(),
            problem: format!("`{tensor}` cannot be decoded: {source}"),
        },
        Wrong::Data(problem) if tensor.is_empty() => Error::Foreign { path, format: format.name(), problem },
        Wrong::Data(problem) => {
            Error::Foreign { path, format: format.name(), problem: format!("`{tensor}`: {problem}") }
        }
        Wrong::Like(problem) => {
            Error::Like { path, like: like.map(Path::to_owned).unwrap_or_default(), problem }
        }
    }
}

impl Source for Foreign<'_> {
    fn path(&self) -> &Path {
        self.map.path()
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn json(&self) -> &[u8] {
        &self.json
    }

    fn bytes(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        let Some(stored) = self.stored.get(&record.name) else {
            return Err(Error::NoTensor { path: self.path().to_owned(), tensor: record.name.clone() });
        };
        let failed = |wrong| error(self.path(), self.format, &record.name, wrong, None);
        let bytes = stored.bytes().map_err(failed)?;
        if bytes.len() as u64 == record.bytes() {
            return Ok(bytes);
        }
        Err(failed(Wrong::Data(format!("it decodes to {} bytes instead of {}", bytes.len(), record.bytes()))))
    }

    fn check_unchanged(&self) -> Result<()> {
        self.map.check_unchanged()
    }
}
