//! Small models to try things on, and safetensors files of given tensors.

use super::{alpha_stable, block_scaled, cast, gaussian};
use crate::header::{Entry, header_json};
use safetensors::Dtype;

/// A tensor with its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticTensor {
    /// Its name.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// Its bytes, as many as dtype and shape need.
    pub bytes: Vec<u8>,
}

impl SyntheticTensor {
    /// A tensor of E4M3 numbers, or of anything else.
    #[must_use]
    pub fn new(name: &str, dtype: Dtype, shape: &[u64], bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), dtype, shape: shape.to_vec(), bytes }
    }

    /// A vector of E4M3 numbers.
    #[must_use]
    pub fn e4m3(name: &str, bytes: &[u8]) -> Self {
        Self::new(name, Dtype::F8_E4M3, &[bytes.len() as u64], bytes.to_vec())
    }
}

/// A safetensors file of these tensors in this order, its header padded to a multiple of 8 bytes as usual.
///
/// # Errors
/// If the header cannot be written as JSON, which valid names and shapes always can.
pub fn safetensors_bytes(
    metadata: &[(String, String)],
    tensors: &[SyntheticTensor],
) -> Result<Vec<u8>, serde_json::Error> {
    let entries = tensors.iter().map(|tensor| Entry {
        name: tensor.name.clone(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        bytes: tensor.bytes.len() as u64,
    });
    let mut json = header_json(metadata, &entries.collect::<Vec<_>>())?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend(json);
    tensors.iter().for_each(|tensor| file.extend(&tensor.bytes));
    Ok(file)
}

/// A model of `layers` layers around a width of `width` (a multiple of 128 reads best), in E4M3 as found in practice:
/// a block-scaled attention matrix and a cast one, both Gaussian, two α-stable matrices, and norms kept in F32.
#[must_use]
pub fn demo_model(seed: u64, layers: u64, width: u32) -> Vec<SyntheticTensor> {
    let side = width as usize;
    let (count, wide) = (side * side, u64::from(width));
    let mut tensors = Vec::new();
    for layer in 0..layers {
        let seed = seed.wrapping_add(layer.wrapping_mul(16));
        let mut add = |name: &str, dtype: Dtype, shape: &[u64], bytes: Vec<u8>| {
            tensors.push(SyntheticTensor::new(&format!("model.layers.{layer}.{name}"), dtype, shape, bytes));
        };
        let mut add_scaled = |name: &str, values: &[f32]| {
            let scaled = block_scaled(values, side);
            let [rows, columns] = scaled.scales_shape.map(|side| side as u64);
            let scales = scaled.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
            add(&format!("{name}.weight"), Dtype::F8_E4M3, &[wide, wide], scaled.bytes);
            add(&format!("{name}.weight_scale_inv"), Dtype::F32, &[rows, columns], scales);
        };
        add_scaled("self_attn.q_proj", &gaussian(seed, count, 0.02));
        add_scaled("mlp.up_proj", &alpha_stable(seed + 1, count, 1.9, 0.02));
        add("self_attn.o_proj.weight", Dtype::F8_E4M3, &[wide, wide], cast(&gaussian(seed + 2, count, 0.03)));
        add(
            "mlp.down_proj.weight",
            Dtype::F8_E4M3,
            &[wide, wide],
            cast(&alpha_stable(seed + 3, count, 1.7, 0.02)),
        );
        let norm =
            gaussian(seed + 4, side, 0.1).iter().flat_map(|value| (1.0 + value).to_le_bytes()).collect();
        add("input_layernorm.weight", Dtype::F32, &[wide], norm);
    }
    tensors
}
