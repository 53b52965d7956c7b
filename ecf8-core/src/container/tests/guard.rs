//! The guard: loaders that do not know the format must not take a container for the model.

use super::*;
use safetensors::SafeTensors;

/// Checks that exactly the tensor `name` of the container stands guard, and that it is nothing else.
fn assert_guarded(container: &Path, name: &str) {
    let bytes = fs::read(container).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let guard = stored.tensor(name).unwrap();
    assert_eq!((guard.dtype(), guard.shape(), guard.data()), (Dtype::U8, &[0][..], &[][..]));
    let file = CompressedFile::open(container).unwrap();
    assert!(file.kept_tensor(name).is_none());
    let first = file.tensors().next().unwrap();
    assert_eq!(first.name(), name);
    for tensor in file.tensors().skip(1) {
        assert!(stored.tensor(tensor.name()).is_err(), "{} is no guard", tensor.name());
    }
    let manifest = file.header.metadata("ecf8").unwrap();
    assert!(manifest.contains("\"guard\":true"), "{manifest}");
}

#[test]
fn the_first_compressed_tensor_stands_guard_whatever_its_name_and_place() {
    let odd = "naïve \"w\"\n\u{1}";
    let large = usize::try_from(SMALL_BYTES).unwrap();
    let kept = SyntheticTensor::new("a", Dtype::F32, &[0, 3], vec![]);
    let small = [kept.clone(), fp8(odd, &[80, 100], weights(1, 8000)), fp8("b", &[9000], weights(2, 9000))];
    // Parts that have names come first, so here the second tensor does.
    let mixed = [kept, fp8("s", &[9000], weights(1, 9000)), fp8(odd, &[large as u64], weights(2, large))];
    for tensors in [small, mixed] {
        for scheme in schemes() {
            let folder = folder();
            let file = safetensors_bytes(&[], &tensors).unwrap();
            let container = compressed_with(folder.path(), &file, by(*scheme));
            let is_pooled = scheme.shares() || tensors[1].name == odd;
            assert_guarded(&container, if is_pooled { odd } else { "s" });
        }
        assert_comes_back(&safetensors_bytes(&[], &tensors).unwrap());
    }
}

#[test]
fn a_name_longer_than_that_of_the_first_tensor_leaves_room_for_either() {
    // The writer reserves the header before it knows which tensors stay compressed.
    let long = "n".repeat(3000);
    let tensors = [fp8("a", &[9000], weights(1, 9000)), fp8(&long, &[9000], weights(2, 9000))];
    assert_comes_back(&safetensors_bytes(&[], &tensors).unwrap());
    let tensors = [fp8(&long, &[9000], weights(1, 9000)), fp8("a", &[9000], weights(2, 9000))];
    assert_comes_back(&safetensors_bytes(&[], &tensors).unwrap());
}
