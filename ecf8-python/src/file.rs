//! An opened container.

use crate::encoded::Encoded;
use crate::threads;
use ecf8_core::CompressedFile;
use ecf8_core::header::{Header, TensorRecord};
use numpy::PyReadwriteArray1;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// A container, mapped into memory. It never changes, and any thread may use it.
#[pyclass(frozen, module = "ecf8._ecf8")]
pub(crate) struct File {
    file: Arc<CompressedFile>,
    /// The original's header.
    original: Header,
    by_name: HashMap<String, usize>,
}

#[pymethods]
impl File {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        // A file that becomes shorter while it is mapped would end the interpreter.
        ecf8_core::map::survive_truncation();
        let (file, original) = threads::work(py, || {
            let file = CompressedFile::open(&path)?;
            file.require_no_base()?;
            let original = file.original()?;
            Ok((file, original))
        })?;
        let names = original.tensors.iter().enumerate();
        let by_name = names.map(|(index, tensor)| (tensor.name.clone(), index)).collect();
        Ok(Self { file: Arc::new(file), original, by_name })
    }

    /// Where it is.
    #[getter]
    fn path(&self) -> OsString {
        self.file.path().as_os_str().to_owned()
    }

    /// The names of the original's tensors, in the order of their data.
    fn names(&self) -> Vec<&str> {
        self.original.tensors.iter().map(|tensor| tensor.name.as_str()).collect()
    }

    /// The original's metadata; `None` if it has none.
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        if self.original.metadata.is_empty() {
            return Ok(None);
        }
        let metadata = PyDict::new(py);
        self.original.metadata.iter().try_for_each(|(key, value)| metadata.set_item(key, value))?;
        Ok(Some(metadata))
    }

    /// A tensor's dtype as safetensors calls it.
    fn dtype(&self, name: &str) -> PyResult<String> {
        Ok(self.record(name)?.dtype.to_string())
    }

    /// A tensor's dimensions.
    fn shape(&self, name: &str) -> PyResult<Vec<u64>> {
        Ok(self.record(name)?.shape.clone())
    }

    /// Bytes of a tensor when it is decoded.
    fn nbytes(&self, name: &str) -> PyResult<u64> {
        Ok(self.record(name)?.bytes())
    }

    /// Whether a tensor is compressed.
    fn is_compressed(&self, name: &str) -> PyResult<bool> {
        self.record(name)?;
        Ok(self.file.tensor(name).is_some())
    }

    /// Bytes that a tensor takes in the file.
    fn stored_nbytes(&self, name: &str) -> PyResult<u64> {
        let bytes = self.record(name)?.bytes();
        Ok(self.file.tensor(name).map_or(bytes, |tensor| tensor.stored_bytes()))
    }

    /// Puts a tensor's original bytes into an array, and checks them.
    fn decode_into(&self, py: Python<'_>, name: &str, mut out: PyReadwriteArray1<'_, u8>) -> PyResult<()> {
        let expected = self.record(name)?.bytes();
        let out = whole(&mut out, Some(expected), name)?;
        threads::work(py, || self.file.read_into(name, out))
    }

    /// Puts the original bytes of several tensors into an array each, in parallel, and checks them.
    fn decode_all_into(
        &self,
        py: Python<'_>,
        mut tensors: Vec<(String, PyReadwriteArray1<'_, u8>)>,
    ) -> PyResult<()> {
        let work = tensors.iter_mut().map(|(name, out)| {
            let expected = self.record(name)?.bytes();
            Ok((&*name, whole(out, Some(expected), name)?))
        });
        let work = work.collect::<PyResult<Vec<_>>>()?;
        threads::work(py, || work.into_par_iter().try_for_each(|(name, out)| self.file.read_into(name, out)))
    }

    /// Puts some of a tensor's original bytes into an array, as many as it has room for, and decodes little more than
    /// these.
    fn decode_range_into(
        &self,
        py: Python<'_>,
        name: &str,
        first_byte: u64,
        mut out: PyReadwriteArray1<'_, u8>,
    ) -> PyResult<()> {
        self.record(name)?;
        let out = whole(&mut out, None, name)?;
        threads::work(py, || self.file.read_range(name, first_byte, out))
    }

    /// A tensor as it is stored, in this mapped file.
    fn encoded(&self, name: &str) -> PyResult<Encoded> {
        Ok(Encoded::in_file(self.file.clone(), self.record(name)?))
    }

    fn __len__(&self) -> usize {
        self.original.tensors.len()
    }

    fn __contains__(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn __repr__(&self) -> String {
        format!("ecf8.File({:?}, {} tensors)", self.file.path(), self.original.tensors.len())
    }

    /// Pickled as its path.
    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (OsString,)) {
        (py.get_type::<Self>(), (self.path(),))
    }

    fn __deepcopy__(slf: Py<Self>, _memo: Bound<'_, PyAny>) -> Py<Self> {
        slf
    }
}

impl File {
    fn record(&self, name: &str) -> PyResult<&TensorRecord> {
        let index = self.by_name.get(name).copied();
        index.map(|index| &self.original.tensors[index]).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }
}

/// The bytes of an array, if they lie in a row, and are `expected` many if that is given.
pub(crate) fn whole<'a>(
    out: &'a mut PyReadwriteArray1<'_, u8>,
    expected: Option<u64>,
    name: &str,
) -> PyResult<&'a mut [u8]> {
    let found = out.len()?;
    if expected.is_some_and(|expected| expected != found as u64) {
        let expected = expected.unwrap_or_default();
        return Err(PyValueError::new_err(format!(
            "the array for tensor {name:?} has {found} bytes, the tensor {expected}; give an array of just that length"
        )));
    }
    out.as_slice_mut().map_err(|_| {
        PyValueError::new_err(format!(
            "the array for tensor {name:?} has gaps between its bytes; give a contiguous one"
        ))
    })
}
