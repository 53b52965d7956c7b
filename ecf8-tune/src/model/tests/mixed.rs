//! Models of several number types.

use super::*;
use crate::executor::Target;

/// Gaussian weights, stored as a dtype.
fn tensor(layer: u64, dtype: Dtype, seed: u64) -> SyntheticTensor {
    let values = synthetic::gaussian(seed, 7001, 0.02);
    let bytes = synthetic::stored_as(&dtype.to_string(), &values).unwrap();
    SyntheticTensor::new(&format!("layers.{layer}.{dtype}.{seed}"), dtype, &[7001], bytes)
}

#[test]
fn a_layer_of_several_number_types_is_decoded_by_one_launch_for_each() {
    let dtypes = [Dtype::BF16, Dtype::F16, Dtype::F32, Dtype::F64, Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::I8];
    let mut tensors: Vec<SyntheticTensor> = Vec::new();
    for (seed, dtype) in (0..).zip(dtypes) {
        tensors.extend([tensor(0, dtype, 2 * seed), tensor(0, dtype, 2 * seed + 1)]);
    }
    // Whole numbers of which another byte is coded than of the floats of as many bytes, in a layer of their own.
    let positions = (0..3000u64).flat_map(u64::to_le_bytes).collect();
    tensors.push(SyntheticTensor::new("layers.1.position_ids", Dtype::I64, &[3000], positions));
    tensors.push(tensor(1, Dtype::F64, 99));
    let all: u64 = tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum();
    let made = Made::new(&tensors, "byte-lanes");
    let model = Arc::new(Model::open(&made.path()).unwrap());
    let mut loaded = model.load(emulator()).unwrap();
    assert_eq!(loaded.notes(), [] as [String; 0]);
    assert_eq!((loaded.launches(0), loaded.launches(1)), (dtypes.len(), 2));
    assert_eq!(loaded.verify().unwrap(), all);
    // One by one as well, with kernels for each number type.
    let mut buffer = loaded.scratch().unwrap();
    for tensor in &tensors {
        loaded.decode_tensor(&tensor.name, &mut buffer).unwrap();
        let mut bytes = vec![0; tensor.bytes.len()];
        loaded.target().download(&buffer, &mut bytes).unwrap();
        assert!(bytes == tensor.bytes, "{}", tensor.name);
    }
}
