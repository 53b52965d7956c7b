//! One tensor's compressed form, in memory or in a mapped file.

use crate::file::whole;
use crate::options::Options;
use crate::{progress, threads};
use ecf8_core::container::encode_source;
use ecf8_core::header::TensorRecord;
use ecf8_core::source::{Assembled, AssembledTensor};
use ecf8_core::{CompressedFile, Encoded as Coded, Error, element};
use ecf8_tune::model::HeldTensor;
use numpy::{PyReadonlyArray1, PyReadwriteArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use safetensors::Dtype;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One tensor's compressed form. It never changes, and any thread may use it.
#[pyclass(frozen, module = "ecf8._ecf8")]
pub(crate) struct Encoded {
    held: Held,
    name: String,
    /// As safetensors calls it.
    #[pyo3(get)]
    dtype: String,
    /// The tensor's dimensions.
    #[pyo3(get)]
    shape: Vec<u64>,
    /// Bytes of the tensor when it is decoded.
    #[pyo3(get)]
    nbytes: u64,
}

/// Where it is.
enum Held {
    /// In a mapped container, compressed or kept.
    File(Arc<CompressedFile>),
    /// Here.
    Coded(Arc<Coded<'static>>),
    /// Here, as the bytes that it decodes to, since no scheme makes it smaller.
    Kept(Vec<u8>),
}

#[pymethods]
impl Encoded {
    /// Encodes an array of bytes, which are a tensor of a dtype as safetensors calls it.
    #[staticmethod]
    #[pyo3(signature = (data, dtype, shape, *, scheme = None, optimize = None))]
    fn encode(
        py: Python<'_>,
        data: PyReadonlyArray1<'_, u8>,
        dtype: String,
        shape: Vec<u64>,
        scheme: Option<Bound<'_, PyAny>>,
        optimize: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let options = PyDict::new(py);
        options.set_item("scheme", scheme)?;
        options.set_item("optimize", optimize)?;
        let one = encode_all(py, vec![("tensor".to_owned(), dtype, shape, data)], Some(&options))?;
        one.into_iter().next().ok_or_else(|| PyValueError::new_err("nothing was encoded; please report this"))
    }

    /// Bytes that it takes.
    #[getter]
    fn stored_nbytes(&self) -> u64 {
        match &self.held {
            Held::File(file) => file.tensor(&self.name).map_or(self.nbytes, |tensor| tensor.stored_bytes()),
            Held::Coded(coded) => coded.bytes(),
            Held::Kept(bytes) => bytes.len() as u64,
        }
    }

    /// Whether it is compressed, or kept as it is.
    #[getter]
    fn is_compressed(&self) -> bool {
        self.scheme().is_some()
    }

    /// The scheme that it is compressed by; `None` if it is kept as it is.
    #[getter]
    fn scheme(&self) -> Option<&'static str> {
        match &self.held {
            Held::File(file) => file.tensor(&self.name).map(|tensor| tensor.scheme().name()),
            Held::Coded(coded) => Some(coded.scheme.name()),
            Held::Kept(_) => None,
        }
    }

    /// Puts the tensor's bytes into an array.
    #[pyo3(name = "decode_into")]
    fn decode_into_array(&self, py: Python<'_>, mut out: PyReadwriteArray1<'_, u8>) -> PyResult<()> {
        let out = whole(&mut out, Some(self.nbytes), &self.name)?;
        threads::work(py, || self.decode_into(out))
    }

    fn __repr__(&self) -> String {
        let how = self.scheme().unwrap_or("as it is");
        format!(
            "ecf8.Encoded({} {:?}, {} of {} bytes, {how})",
            self.dtype,
            self.shape,
            self.stored_nbytes(),
            self.nbytes
        )
    }

    fn __deepcopy__(slf: Py<Self>, _memo: Bound<'_, PyAny>) -> Py<Self> {
        slf
    }
}

impl Encoded {
    /// A tensor of an open container.
    pub(crate) fn in_file(file: Arc<CompressedFile>, record: &TensorRecord) -> Self {
        Self {
            held: Held::File(file),
            name: record.name.clone(),
            dtype: record.dtype.to_string(),
            shape: record.shape.clone(),
            nbytes: record.bytes(),
        }
    }

    /// It for a model, if it is compressed.
    pub(crate) fn held(&self) -> Option<HeldTensor> {
        match &self.held {
            Held::File(file) => {
                file.tensor(&self.name).map(|_| HeldTensor::File(file.clone(), self.name.clone()))
            }
            Held::Coded(coded) => Some(HeldTensor::Memory(coded.clone())),
            Held::Kept(_) => None,
        }
    }

    /// The file that it is in.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.held {
            Held::File(file) => Some(file.path()),
            _ => None,
        }
    }

    /// As safetensors calls it.
    pub(crate) fn dtype(&self) -> &str {
        &self.dtype
    }

    /// The tensor's dimensions.
    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Bytes of the tensor when it is decoded.
    pub(crate) fn decoded_bytes(&self) -> u64 {
        self.nbytes
    }

    /// Puts the tensor's bytes into `out`, which has just as many.
    pub(crate) fn decode_into(&self, out: &mut [u8]) -> Result<(), Error> {
        match &self.held {
            Held::File(file) => file.read_into(&self.name, out),
            Held::Coded(coded) => coded.scheme.decode(coded, out).map_err(|source| {
                let (path, tensor) = (PathBuf::from(MEMORY), self.name.clone());
                Error::Decode { path, tensor, source }
            }),
            Held::Kept(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// What messages call tensors that are in no file.
const MEMORY: &str = "memory";

/// A tensor as Python gives it: name, dtype as safetensors calls it, dimensions, bytes.
pub(crate) type Given<'py> = (String, String, Vec<u64>, PyReadonlyArray1<'py, u8>);

/// Encodes tensors, those of one dtype by one scheme, so that one launch decodes them together on a GPU.
#[pyfunction]
#[pyo3(signature = (tensors, **options))]
pub(crate) fn encode_all(
    py: Python<'_>,
    tensors: Vec<Given<'_>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<Encoded>> {
    let known = ["scheme", "optimize", "codebooks", "code_bits", "threads", "progress"];
    let options = Options::of(options, &known)?;
    let tensors = assembled(&tensors)?;
    let (pool, compress) = (options.pool()?, options.compress);
    progress::work(py, pool, options.progress, |told| {
        // A name may occur twice, since it is for messages only.
        let numbered = tensors.iter().enumerate().map(|(index, tensor)| AssembledTensor {
            name: format!("{index} {}", tensor.name),
            bytes: Cow::Borrowed(&*tensor.bytes),
            ..tensor.clone()
        });
        let source = Assembled::new(Path::new(MEMORY), &[], numbered.collect())?;
        let coded = encode_source(&source, &compress, told)?;
        let encoded = coded.into_iter().zip(&tensors).map(|(coded, tensor)| Encoded {
            held: coded
                .map_or_else(|| Held::Kept(tensor.bytes.to_vec()), |coded| Held::Coded(Arc::new(coded))),
            name: tensor.name.clone(),
            dtype: tensor.dtype.to_string(),
            shape: tensor.shape.clone(),
            nbytes: tensor.bytes.len() as u64,
        });
        Ok(encoded.collect())
    })
}

/// Tensors as the core takes them, with as many bytes as their dtypes and shapes say.
pub(crate) fn assembled<'a>(tensors: &'a [Given<'_>]) -> PyResult<Vec<AssembledTensor<'a>>> {
    let checked = tensors.iter().map(|(name, dtype, shape, data)| {
        let refused = |why: String| PyValueError::new_err(format!("tensor {name:?}: {why}"));
        let element = element::element(dtype);
        let element = element.ok_or_else(|| refused(format!("{dtype:?} is no dtype of safetensors")))?;
        let expected = element.units(shape).and_then(|units| units.checked_mul(element.bytes as u64));
        let bytes = data
            .as_slice()
            .map_err(|_| refused("its bytes have gaps between them; give a contiguous array".to_owned()))?;
        if expected != Some(bytes.len() as u64) {
            let expected =
                expected.map_or_else(|| "no whole number of".to_owned(), |bytes| bytes.to_string());
            return Err(refused(format!(
                "it has {} bytes, and {dtype} of shape {shape:?} has {expected} bytes",
                bytes.len()
            )));
        }
        let dtype = serde_json::from_value::<Dtype>(element.dtype.into());
        let dtype = dtype.map_err(|error| refused(error.to_string()))?;
        Ok(AssembledTensor { name: name.clone(), dtype, shape: shape.clone(), bytes: Cow::Borrowed(bytes) })
    });
    checked.collect()
}
