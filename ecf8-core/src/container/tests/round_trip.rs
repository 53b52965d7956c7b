//! What goes in comes out, whatever the file looks like.

use super::*;
use proptest::prelude::*;

#[test]
fn compressed_and_kept_tensors_come_back_and_are_counted() {
    let inspection = assert_comes_back(&sample());
    assert_eq!(inspection.tensors.len(), 2);
    assert_eq!((inspection.kept_tensors, inspection.kept_bytes), (2, 512));
    assert_eq!(inspection.original_bytes, 6400 + 8191);
    assert_eq!(inspection.compressed_bytes, inspection.file_bytes - 512);
    assert_eq!(inspection.file_original_bytes, sample().len() as u64);
    let json = serde_json::to_value(&inspection).unwrap();
    for key in ["original_bytes", "compressed_bytes", "ratio", "file_original_bytes", "file_bytes"] {
        assert!(json[key].is_number(), "{key}");
    }
    let tensor = &json["tensors"][0];
    for key in ["name", "dtype", "shape", "elements", "scheme", "codebook", "exponent_entropy_bits"] {
        assert!(!tensor[key].is_null(), "{key}");
    }
    for key in ["byte_entropy_bits", "original_bytes", "compressed_bytes", "ratio"] {
        assert!(tensor[key].is_number(), "{key}");
    }
}

#[test]
fn a_file_without_anything_to_compress_is_kept_whole_with_ratio_one() {
    for tensors in [
        vec![],
        vec![SyntheticTensor::new("x", Dtype::BF16, &[3], vec![7; 6])],
        vec![fp8("empty", &[0, 5], vec![]), fp8("scalar", &[], vec![0x38]), fp8("noise", &[300], noise(300))],
    ] {
        let inspection = assert_comes_back(&safetensors_bytes(&[], &tensors).unwrap());
        assert_eq!((inspection.original_bytes, inspection.ratio), (0, 1.0));
        assert_eq!(inspection.kept_tensors, tensors.len());
    }
}

fn noise(count: usize) -> Vec<u8> {
    crate::synthetic::noise(9, count)
}

#[test]
fn header_bytes_come_back_as_they_were() {
    let json = "{ \"b\" : {\"shape\":[8192],\"data_offsets\":[4,8196] ,\"dtype\":\"F8_E4M3\"},\t\"__metadata__\":{\"ecf8\":\"mine\",\"z\":\"\\u00e9\"},\"a/ü.x\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ";
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend(json.as_bytes());
    file.extend([1, 2, 3, 4]);
    file.extend(vec![0x38; 8192]);
    let inspection = assert_comes_back(&file);
    assert_eq!(inspection.tensors[0].name, "b");
    assert_eq!(inspection.tensors[0].exponent_entropy_bits, Some(0.0));
}

#[test]
fn whatever_spelling_the_reference_takes_comes_back() {
    let data = weights(1, 9000);
    for json in [
        r#"{"__metadata__":null,"w":{"dtype":"F8_E4M3","shape":[9000],"data_offsets":[0,9000]}}"#,
        " \n{\"w\":[\"F8_E4M3\",[90,100],[0,9000]]}\t",
        r#"{"w":{"more":[{}],"dtype":{"F8_E4M3":null},"data_offsets":[0,9000],"shape":[9000],"z":null}}"#,
        r#"{"":["F8_E4M3",[9000],[0,9000]],"z":["F32",[4611686018427387904,0],[9000,9000]]}"#,
    ] {
        let file = [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &data].concat();
        assert_eq!(assert_comes_back(&file).tensors.len(), 1, "{json}");
    }
}

#[test]
fn names_that_our_own_tensors_would_need_are_left_to_their_owners() {
    let tensors = [
        fp8("x", &[4096], weights(1, 4096)),
        fp8("x.encoded", &[4096], weights(2, 4096)),
        fp8("x~.gaps", &[2], vec![1, 2]),
        fp8("__ecf8__.header", &[3], vec![1, 2, 3]),
        fp8("__ecf8__~.checksums", &[4096], weights(3, 4096)),
    ];
    let folder = folder();
    let file = safetensors_bytes(&[], &tensors).unwrap();
    assert_comes_back(&file);
    let container = CompressedFile::open(&compressed(folder.path(), &file)).unwrap();
    let stored = fs::read(container.path()).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&stored).unwrap();
    for name in ["x~~.encoded", "x.encoded.encoded", "__ecf8__~~.header", "__ecf8__.header"] {
        assert!(stored.names().contains(&name), "{name} in {:?}", stored.names());
    }
    for tensor in &tensors {
        assert_eq!(&container.read_tensor(&tensor.name).unwrap()[..], &tensor.bytes[..]);
    }
}

#[test]
fn parts_are_aligned_for_upload_and_kept_tensors_to_their_elements() {
    let mut tensors = vec![
        SyntheticTensor::new("bytes", Dtype::U8, &[3], vec![0; 3]),
        SyntheticTensor::new("half", Dtype::F16, &[3], vec![0; 6]),
        SyntheticTensor::new("long", Dtype::I64, &[1], vec![0; 8]),
        SyntheticTensor::new("single", Dtype::F32, &[1], vec![0; 4]),
    ];
    tensors.push(fp8("w", &[4099], weights(5, 4099)));
    for scheme in schemes() {
        assert_aligned(&tensors, by(*scheme));
    }
}

fn assert_aligned(tensors: &[SyntheticTensor], options: CompressOptions) {
    let folder = folder();
    let container = compressed_with(folder.path(), &safetensors_bytes(&[], tensors).unwrap(), options);
    let file = CompressedFile::open(&container).unwrap();
    let tensor = file.tensor("w").unwrap();
    let start = file.map.as_ptr() as usize;
    for part in tensor.encoded().parts {
        let alignment = if tensor.scheme().shares() { POOL_ALIGNMENT } else { ALIGNMENT } as usize;
        assert_eq!((part.bytes.as_ptr() as usize - start) % alignment, 0, "{}", part.name);
    }
    for kept in file.kept() {
        let at = file.header.data_start() + kept.record.begin;
        assert_eq!(at % (kept.record.dtype.bitsize() as u64 / 8), 0, "{}", kept.record.name);
    }
    assert_eq!(tensor.checksum(), crate::checksum::checksum(&tensors[4].bytes));
    assert_eq!(
        tensor.statistics().unwrap().exponents.as_ref(),
        Some(&crate::Histogram::of_exponents(&tensors[4].bytes, &crate::format::E4M3))
    );
}

#[test]
fn equal_inputs_give_equal_files() {
    let (one, other) = (folder(), folder());
    let [one, other] =
        [one.path(), other.path()].map(|folder| fs::read(compressed(folder, &sample())).unwrap());
    assert!(one == other);
}

#[test]
fn a_difference_from_the_original_is_named_with_tensor_and_place() {
    let folder = folder();
    let model = CompressedModel::open(&compressed(folder.path(), &sample())).unwrap();
    let start = sample().len() - (6400 + 500 + 12 + 8191);
    let other = folder.path().join("other.safetensors");
    let place = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = sample();
        edit(&mut changed);
        fs::write(&other, changed).unwrap();
        match verify_against(&model, &other, &()) {
            Err(Error::Differs { place, .. }) => place,
            unexpected => panic!("{unexpected:?}"),
        }
    };
    assert_eq!(place(&|file| file[start + 6400 + 17] ^= 1), "tensor `noise`, from its byte 17 on");
    assert_eq!(place(&|file| file[start + 99] ^= 1), "tensor `a.weight`, from its byte 99 on");
    assert_eq!(place(&|file| file[12] ^= 1), "the header, from byte 12 of the file on");
    assert_eq!(place(&|file| file.truncate(file.len() - 1)), "tensor `b.weight`, from its byte 8190 on");
    assert_eq!(place(&|file| file.push(0)), format!("the original goes on after byte {}", sample().len()));
}

#[test]
fn a_tensor_larger_than_a_batch_comes_back() {
    let count = usize::try_from(BATCH_BYTES).unwrap() + 12_345;
    let small = fp8("small", &[4096], weights(2, 4096));
    let tensors = [
        small.clone(),
        fp8("large", &[count as u64], weights(1, count)),
        SyntheticTensor { name: "z".into(), ..small },
    ];
    let inspection = assert_comes_back(&safetensors_bytes(&[], &tensors).unwrap());
    assert_eq!(inspection.tensors.len(), 3);
}

fn tensor() -> impl Strategy<Value = (String, Dtype, usize, u64, bool)> {
    let name = prop_oneof![
        "[a-z.~/_ü\"\\\\]{0,12}",
        Just("__ecf8__.header".to_owned()),
        Just("t.gaps".to_owned()),
        Just("t".to_owned())
    ];
    let dtype = prop_oneof![4 => Just(Dtype::F8_E4M3), 1 => Just(Dtype::F32), 1 => Just(Dtype::U8), 1 => Just(Dtype::BF16)];
    (name, dtype, prop_oneof![0..5usize, 0..6000usize], any::<u64>(), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_file_comes_back(
        tensors in prop::collection::vec(tensor(), 0..8),
        metadata in prop::collection::btree_map("[a-z8]{0,5}", ".{0,9}", 0..4)
    ) {
        let mut names = std::collections::HashSet::new();
        let mut file = Vec::new();
        for (name, dtype, count, seed, smooth) in tensors {
            if name == "__metadata__" || !names.insert(name.clone()) { continue }
            let bytes = count * dtype.bitsize() / 8;
            let data = if smooth { weights(seed, bytes) } else { crate::synthetic::noise(seed, bytes) };
            file.push(SyntheticTensor::new(&name, dtype, &[count as u64], data));
        }
        let metadata: Vec<(String, String)> = metadata.into_iter().collect();
        assert_comes_back(&safetensors_bytes(&metadata, &file).unwrap());
    }
}
