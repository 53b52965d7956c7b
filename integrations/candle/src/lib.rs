//! A `VarBuilder` of candle from containers of ecf8.
//!
//! ```no_run
//! use candle_core::{DType, Device};
//! # fn main() -> candle_core::Result<()> {
//! let weights = ecf8_candle::var_builder(&["model.ecf8.safetensors"], DType::BF16, &Device::Cpu)?;
//! let head = candle_nn::linear_no_bias(2048, 32000, weights.pp("lm_head"))?;
//! # Ok(())
//! # }
//! ```

use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::var_builder::{SimpleBackend, VarBuilder};
use ecf8_core::CompressedFile;
use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

/// A model's containers. Tensors are decoded, and their checksums compared, when they are asked for.
pub struct Containers {
    files: Vec<CompressedFile>,
    /// Which file has the tensor of a name.
    by_name: HashMap<String, usize>,
}

impl Containers {
    /// Maps containers.
    ///
    /// # Errors
    /// If one cannot be read, is damaged, or is none.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let open = |path: &P| CompressedFile::open(path.as_ref()).map_err(Error::wrap);
        let files = paths.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut by_name = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            by_name.extend(file.tensors().map(|tensor| (tensor.name().to_owned(), index)));
            by_name.extend(file.kept().map(|kept| (kept.record.name.clone(), index)));
        }
        Ok(Self { files, by_name })
    }
}

impl SimpleBackend for Containers {
    fn get(&self, shape: Shape, name: &str, _: candle_nn::Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() == &shape {
            return Ok(tensor);
        }
        Err(Error::UnexpectedShape { msg: format!("tensor `{name}`"), expected: shape, got: tensor.shape().clone() })
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let missing = || Error::CannotFindTensor { path: name.to_owned() };
        let file = &self.files[*self.by_name.get(name).ok_or_else(missing)?];
        let (theirs, dimensions) = match (file.tensor(name), file.kept_tensor(name)) {
            (Some(tensor), _) => (tensor.dtype().to_owned(), tensor.shape().to_vec()),
            (_, Some(kept)) => (kept.record.dtype.to_string(), kept.record.shape.clone()),
            _ => return Err(missing()),
        };
        let stored = dtype_of(&theirs)?;
        let dimensions = dimensions.into_iter().map(usize::try_from).collect::<std::result::Result<Vec<_>, _>>();
        let data = file.read_tensor(name).map_err(Error::wrap)?;
        Tensor::from_raw_buffer(&data, stored, &dimensions.map_err(Error::wrap)?, device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

/// candle's dtype for one of safetensors.
fn dtype_of(name: &str) -> Result<DType> {
    DType::from_str(&name.to_lowercase().replace('_', "")).map_err(|_| Error::Msg(format!("candle has no dtype for {name}")).bt())
}

/// A `VarBuilder` that reads containers, and gives their tensors in a dtype on a device.
///
/// # Errors
/// As [`Containers::open`].
pub fn var_builder<P: AsRef<Path>>(paths: &[P], dtype: DType, device: &Device) -> Result<VarBuilder<'static>> {
    Ok(VarBuilder::from_backend(Box::new(Containers::open(paths)?), dtype, device.clone()))
}
