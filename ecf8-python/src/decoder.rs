//! Layers of tensors, decoded into one buffer at places that never change.

use crate::encoded::Encoded;
use crate::file::whole;
use crate::{error, threads};
use numpy::PyReadwriteArray1;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use rayon::prelude::*;

/// Layers of tensors, each of which has its place in a buffer that all layers share.
#[pyclass(frozen, module = "ecf8._ecf8")]
pub(crate) struct Decoder {
    /// In the order of their places.
    layers: Vec<Vec<Place>>,
}

struct Place {
    name: String,
    start: usize,
    end: usize,
    tensor: Py<Encoded>,
}

#[pymethods]
impl Decoder {
    #[new]
    fn new(device: &str, layers: Vec<Vec<(String, usize, Py<Encoded>)>>) -> PyResult<Self> {
        if device != "cpu" {
            return Err(error::plain(format!(
                "device {device:?} is not supported by this version of ecf8; use \"cpu\""
            )));
        }
        let layers = layers.into_iter().map(placed).collect::<PyResult<_>>()?;
        Ok(Self { layers })
    }

    /// Decodes a layer into an array, each tensor to its place there.
    fn decode(&self, py: Python<'_>, layer: usize, mut out: PyReadwriteArray1<'_, u8>) -> PyResult<()> {
        let places = self.layers.get(layer).ok_or_else(|| {
            PyIndexError::new_err(format!("there is no layer {layer} of {}", self.layers.len()))
        })?;
        let mut rest = whole(&mut out, None, "of the layer")?;
        let (room, needed) = (rest.len(), places.last().map_or(0, |last| last.end));
        if room < needed {
            return Err(PyValueError::new_err(format!(
                "the array has {room} bytes, layer {layer} takes {needed}; give a larger one"
            )));
        }
        let (mut at, mut work) = (0, Vec::with_capacity(places.len()));
        for place in places {
            let (before, behind) = rest.split_at_mut(place.end - at);
            work.push((place.tensor.get(), &mut before[place.start - at..]));
            (at, rest) = (place.end, behind);
        }
        threads::work(py, || work.into_par_iter().try_for_each(|(tensor, out)| tensor.decode_into(out)))
    }

    /// Decodes a layer to an address on a GPU, by one launch on a stream.
    fn decode_at(&self, layer: usize, address: u64, nbytes: u64, stream: u64) -> PyResult<()> {
        let _ = (layer, address, nbytes, stream);
        Err(error::plain("decode_at is for GPUs; on \"cpu\" call decode with an array".to_owned()))
    }

    fn __len__(&self) -> usize {
        self.layers.len()
    }
}

/// A layer's tensors in the order of their places, of which no two overlap.
fn placed(tensors: Vec<(String, usize, Py<Encoded>)>) -> PyResult<Vec<Place>> {
    let mut places = Vec::with_capacity(tensors.len());
    for (name, start, tensor) in tensors {
        let bytes = usize::try_from(tensor.get().decoded_bytes()).ok();
        let end = bytes.and_then(|bytes| start.checked_add(bytes));
        let end =
            end.ok_or_else(|| PyValueError::new_err(format!("tensor {name:?} is placed beyond all memory")))?;
        places.push(Place { name, start, end, tensor });
    }
    places.sort_by_key(|place| (place.start, place.end));
    match places.windows(2).find(|pair| pair[1].start < pair[0].end) {
        Some(pair) => Err(PyValueError::new_err(format!(
            "tensors {:?} and {:?} overlap in the buffer: the second starts at byte {}, the first ends at {}",
            pair[0].name, pair[1].name, pair[1].start, pair[0].end
        ))),
        None => Ok(places),
    }
}
