//! Layers that the CPU decodes, each tensor to a place of the caller's choice.

use crate::encoded::Encoded;
use crate::threads;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use rayon::prelude::*;

/// Layers of tensors and where they go.
pub(crate) struct Placed {
    /// In the order of their places.
    layers: Vec<Vec<Place>>,
}

struct Place {
    name: String,
    /// Its number among those that were given.
    number: usize,
    start: usize,
    end: usize,
    tensor: Py<Encoded>,
}

impl Placed {
    pub(crate) fn new(layers: Vec<Vec<(String, usize, Py<Encoded>)>>) -> PyResult<Self> {
        Ok(Self { layers: layers.into_iter().map(placed).collect::<PyResult<_>>()? })
    }

    pub(crate) fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The first byte of each of a layer's tensors, in the order in which they were given.
    pub(crate) fn places(&self, layer: usize) -> PyResult<Vec<usize>> {
        let mut starts: Vec<_> = self.layer(layer)?.iter().map(|place| (place.number, place.start)).collect();
        starts.sort_unstable();
        Ok(starts.into_iter().map(|(_, start)| start).collect())
    }

    /// Decodes a layer, its tensors in parallel.
    pub(crate) fn decode(&self, py: Python<'_>, layer: usize, out: &mut [u8]) -> PyResult<()> {
        let places = self.layer(layer)?;
        let mut rest = out;
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

    /// Decodes everything, which checks it as far as there are checksums; gives how many bytes that are.
    pub(crate) fn verify(&self, py: Python<'_>) -> PyResult<u64> {
        let mut sum = 0;
        for (number, layer) in self.layers.iter().enumerate() {
            let mut out = vec![0; layer.last().map_or(0, |last| last.end)];
            self.decode(py, number, &mut out)?;
            sum += layer.iter().map(|place| place.tensor.get().decoded_bytes()).sum::<u64>();
        }
        Ok(sum)
    }

    fn layer(&self, layer: usize) -> PyResult<&[Place]> {
        let no_layer =
            || PyIndexError::new_err(format!("there is no layer {layer} of {}", self.layers.len()));
        self.layers.get(layer).map(Vec::as_slice).ok_or_else(no_layer)
    }
}

/// A layer's tensors in the order of their places, of which no two overlap.
fn placed(tensors: Vec<(String, usize, Py<Encoded>)>) -> PyResult<Vec<Place>> {
    let mut places = Vec::with_capacity(tensors.len());
    for (number, (name, start, tensor)) in tensors.into_iter().enumerate() {
        let bytes = usize::try_from(tensor.get().decoded_bytes()).ok();
        let end = bytes.and_then(|bytes| start.checked_add(bytes));
        let end =
            end.ok_or_else(|| PyValueError::new_err(format!("tensor {name:?} is placed beyond all memory")))?;
        places.push(Place { name, number, start, end, tensor });
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
