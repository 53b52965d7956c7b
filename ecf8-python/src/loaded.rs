//! Layers on a GPU or on the emulator, decoded by the generated kernels.

use crate::encoded::Encoded;
use crate::{error, threads};
use ecf8_codegen::emulator::Checks;
use ecf8_tune::device::CudaDevice;
use ecf8_tune::executor::{Allocate, CudaExecutor, EmulatorExecutor, ExecutorError, Target};
use ecf8_tune::kernel_cache::KernelCache;
use ecf8_tune::model::{CudaModel, EmulatedModel, LoadedModel, Model, ModelError, NamedTensor};
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A model that is loaded somewhere.
pub(crate) enum Loaded {
    Gpu(Mutex<CudaModel>),
    Emulator(Mutex<EmulatedModel>),
}

/// A layer: names, and tensors.
pub(crate) type Layer = Vec<(String, Py<Encoded>)>;

impl Loaded {
    /// Loads layers onto a device, "emulator" or "cuda:N". On a GPU, `allocate` gives the memory for what is uploaded.
    pub(crate) fn new(
        py: Python<'_>,
        device: &str,
        layers: Vec<Layer>,
        allocate: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let model = Arc::new(model(layers)?);
        if device == "emulator" {
            let target = EmulatorExecutor { checks: Checks::Full };
            return Ok(Self::Emulator(Mutex::new(loaded(py, move || model.load(target))?)));
        }
        let ordinal = device.strip_prefix("cuda:").and_then(|ordinal| ordinal.parse().ok());
        let Some(ordinal) = ordinal else {
            return Err(error::plain(format!(
                "{device:?} is no device; give \"cpu\", \"emulator\" or \"cuda:N\""
            )));
        };
        let load = move || {
            let device = CudaDevice::open(ordinal).map_err(ExecutorError::from)?;
            let mut target = CudaExecutor::on(device, Arc::new(KernelCache::open()));
            if let Some(allocate) = allocate {
                target = target.with_memory(by_python(allocate));
            }
            let mut model = model.load(target)?;
            warm(&mut model)?;
            Ok(model)
        };
        Ok(Self::Gpu(Mutex::new(loaded(py, load)?)))
    }

    /// The first byte of each of a layer's tensors in the buffer, in the order in which they were given.
    pub(crate) fn places(&self, layer: usize) -> PyResult<Vec<usize>> {
        self.with(|model| places(model, layer), |model| places(model, layer))
    }

    pub(crate) fn layers(&self) -> PyResult<usize> {
        self.with(|model| Ok(model.model().layers().len()), |model| Ok(model.model().layers().len()))
    }

    /// How many kernels decoding a layer launches.
    pub(crate) fn launches(&self, layer: usize) -> PyResult<usize> {
        self.with(|model| Ok(model.launches(layer)), |model| Ok(model.launches(layer)))
    }

    /// Decodes a layer to an address of the GPU on a stream, without waiting.
    pub(crate) fn decode_at(
        &self,
        py: Python<'_>,
        layer: usize,
        address: u64,
        bytes: usize,
        stream: u64,
    ) -> PyResult<()> {
        let Self::Gpu(model) = self else {
            return Err(error::plain("the emulator has no addresses: call decode with an array".to_owned()));
        };
        py.detach(|| {
            let mut model = model.lock().unwrap_or_else(PoisonError::into_inner);
            threads::caught(|| model.decode_layer_at(layer, address, bytes, stream))
        })?
        .map_err(of_model)
    }

    /// Decodes a layer into memory of the host's, and waits.
    pub(crate) fn decode(&self, py: Python<'_>, layer: usize, out: &mut [u8]) -> PyResult<()> {
        py.detach(|| match self {
            Self::Gpu(model) => {
                into_host(&mut model.lock().unwrap_or_else(PoisonError::into_inner), layer, out)
            }
            Self::Emulator(model) => {
                into_host(&mut model.lock().unwrap_or_else(PoisonError::into_inner), layer, out)
            }
        })
    }

    /// Decodes every layer and compares it with what the CPU decodes; gives the bytes that were compared.
    pub(crate) fn verify(&self, py: Python<'_>) -> PyResult<u64> {
        let pool = threads::pool(py)?;
        let verified = py.detach(|| {
            pool.install(|| {
                threads::caught(|| match self {
                    Self::Gpu(model) => model.lock().unwrap_or_else(PoisonError::into_inner).verify(),
                    Self::Emulator(model) => model.lock().unwrap_or_else(PoisonError::into_inner).verify(),
                })
            })
        });
        verified?.map_err(of_model)
    }

    fn with<R>(
        &self,
        gpu: impl FnOnce(&CudaModel) -> PyResult<R>,
        emulator: impl FnOnce(&EmulatedModel) -> PyResult<R>,
    ) -> PyResult<R> {
        match self {
            Self::Gpu(model) => gpu(&model.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Emulator(model) => emulator(&model.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// The model of these layers; if all are of one file, by the tuning cache beside it.
fn model(layers: Vec<Layer>) -> PyResult<Model> {
    let tensors = || layers.iter().flatten().map(|(_, tensor)| tensor.get());
    let path = tensors().next().and_then(Encoded::path);
    let path = path.filter(|path| tensors().all(|tensor| tensor.path() == Some(*path)));
    let path = path.unwrap_or(Path::new("memory")).to_owned();
    let named = layers.iter().enumerate().map(|(number, layer)| {
        let tensors = layer.iter().map(|(name, tensor)| {
            let tensor = tensor.get();
            let held = tensor.held().ok_or_else(|| {
                PyValueError::new_err(format!("tensor {name:?} is kept as it is; give only compressed ones"))
            })?;
            Ok(NamedTensor {
                name: name.clone(),
                dtype: tensor.dtype().to_owned(),
                shape: tensor.shape().to_vec(),
                held,
            })
        });
        Ok((format!("layer {number}"), tensors.collect::<PyResult<_>>()?))
    });
    Model::of(&path, named.collect::<PyResult<_>>()?).map_err(of_model)
}

/// Does the loading, which may take a while, while other Python threads go on.
fn loaded<M: Send>(py: Python<'_>, load: impl FnOnce() -> Result<M, ModelError> + Send) -> PyResult<M> {
    let pool = threads::pool(py)?;
    py.detach(|| pool.install(|| threads::caught(load)))?.map_err(of_model)
}

/// Launches every kernel once, since a driver loads kernels when they are first launched, and may not while a graph is captured.
fn warm(model: &mut CudaModel) -> Result<(), ModelError> {
    let mut scratch = model.scratch()?;
    for layer in 0..model.model().layers().len() {
        model.decode_layer(layer, &mut scratch)?;
    }
    Ok(model.target().settle()?)
}

/// Memory from a Python function that takes a number of bytes and gives an address.
fn by_python(allocate: Py<PyAny>) -> Allocate {
    Allocate::by(move |bytes| {
        Python::attach(|py| allocate.call1(py, (bytes,))?.extract(py))
            .map_err(|error: PyErr| error.to_string())
    })
}

fn places<T: Target>(model: &LoadedModel<T>, layer: usize) -> PyResult<Vec<usize>> {
    if layer >= model.model().layers().len() {
        return Err(of_model(ModelError::NoLayer { index: layer, layers: model.model().layers().len() }));
    }
    // In the order of the model's tensors, which is the one that they were given in.
    Ok(model.places(layer).iter().map(|place| place.start).collect())
}

fn into_host<T: Target>(model: &mut LoadedModel<T>, layer: usize, out: &mut [u8]) -> PyResult<()> {
    let needed = model.layer_bytes(layer);
    if out.len() < needed {
        return Err(PyValueError::new_err(format!(
            "the array has {} bytes, layer {layer} takes {needed}; give a larger one",
            out.len()
        )));
    }
    let decoded = threads::caught(|| {
        let mut scratch = model.scratch()?;
        model.decode_layer(layer, &mut scratch)?;
        let mut all = vec![0; model.scratch_bytes()];
        model.target().download(&scratch, &mut all)?;
        Ok((all, model.places(layer).to_vec()))
    })?;
    let (all, places) = decoded.map_err(of_model)?;
    for place in places {
        let part = place.start..place.start + place.bytes;
        out[part.clone()].copy_from_slice(&all[part]);
    }
    Ok(())
}

fn of_model(error: ModelError) -> PyErr {
    let text = error.to_string();
    match error {
        ModelError::Container(error) => error::of_core(error),
        ModelError::NoLayer { .. } => PyIndexError::new_err(text),
        ModelError::Target(ExecutorError::Memory { .. }) => PyMemoryError::new_err(text),
        _ => error::plain(text),
    }
}
