//! Bytes put into the caller's memory, all or some of a tensor's; and tensors that are encoded in memory only.

use super::*;
use crate::source::{Assembled, AssembledTensor};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Containers of the sample by every scheme, and one in which nothing is compressed, each with the tensors' bytes.
fn containers(folder: &Path) -> Vec<(CompressedFile, Vec<SyntheticTensor>)> {
    let sample = [
        fp8("a.weight", &[100, 64], weights(1, 6400)),
        fp8("large", &[1100, 1024], weights(4, 1100 * 1024)),
        SyntheticTensor::new("bf16", Dtype::BF16, &[4096], crate::synthetic::noise(2, 4096).repeat(2)),
        SyntheticTensor::new("scale", Dtype::F32, &[3], vec![1; 12]),
        fp8("none", &[0, 3], Vec::new()),
    ];
    let noise = [SyntheticTensor::new("noise", Dtype::F32, &[75_000], crate::synthetic::noise(1, 300_000))];
    let mut containers = Vec::new();
    for scheme in schemes() {
        let path = compressed_with(folder, &safetensors_bytes(&[], &sample).unwrap(), by(*scheme));
        containers.push((CompressedFile::open(&path).unwrap(), sample.to_vec()));
    }
    let path = compressed_with(folder, &safetensors_bytes(&[], &noise).unwrap(), CompressOptions::default());
    containers.push((CompressedFile::open(&path).unwrap(), noise.to_vec()));
    containers
}

#[test]
fn whole_tensors_and_ranges_of_them_are_those_that_were_written() {
    let folder = folder();
    for (file, tensors) in containers(folder.path()) {
        for SyntheticTensor { name, bytes, .. } in &tensors {
            let mut out = vec![0xEE; bytes.len()];
            file.read_into(name, &mut out).unwrap();
            assert!(out == *bytes, "{name}");
            let end = bytes.len();
            for range in
                [0..end, 0..0, end..end, 0..end.min(4), end / 8 * 4..end, end / 16 * 8..end / 16 * 12]
            {
                let mut part = vec![0xEE; range.len()];
                file.read_range(name, range.start as u64, &mut part).unwrap();
                assert!(part == bytes[range.clone()], "{name} {range:?}");
            }
        }
    }
}

#[test]
fn buffers_of_another_length_are_refused_with_both_lengths() {
    let folder = folder();
    for (file, tensors) in containers(folder.path()) {
        for SyntheticTensor { name, bytes, .. } in &tensors {
            let error = file.read_into(name, &mut vec![0; bytes.len() + 1]).unwrap_err();
            assert!(matches!(&error, Error::Buffer { .. }) && !error.is_data_error());
            assert!(error.to_string().contains(&format!(
                "{} bytes, the tensor {};",
                bytes.len() + 1,
                bytes.len()
            )));
        }
        assert!(matches!(file.read_into("nothing", &mut []), Err(Error::NoTensor { .. })));
        assert!(matches!(file.read_range("nothing", 0, &mut []), Err(Error::NoTensor { .. })));
    }
}

#[test]
fn ranges_beyond_a_tensor_or_within_its_numbers_are_refused() {
    let folder = folder();
    for (file, tensors) in containers(folder.path()) {
        for SyntheticTensor { name, bytes, .. } in &tensors {
            let length = bytes.len() as u64;
            for (first, count) in
                [(length, 4), (length.saturating_sub(4), 8), (u64::MAX, 4), (u64::MAX - 3, 8)]
            {
                let error = file.read_range(name, first, &mut vec![0; count]).unwrap_err();
                assert!(matches!(error, Error::Range { .. }), "{name} {first} {count}: {error}");
            }
        }
        if let Some(tensor) = file.tensor("bf16") {
            assert_eq!(tensor.split().element.bytes, 2);
            for (first, count) in [(1, 2), (0, 3)] {
                let error = file.read_range("bf16", first, &mut vec![0; count]).unwrap_err();
                assert!(matches!(error, Error::Range { .. }));
            }
        }
    }
}

#[test]
fn a_range_of_damaged_parts_is_refused_though_it_has_no_checksum() {
    let folder = folder();
    let file = safetensors_bytes(&[], &[fp8("large", &[1100, 1024], weights(4, 1100 * 1024))]).unwrap();
    let path = compressed(folder.path(), &file);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let opened = CompressedFile::open(&path).unwrap();
    for _ in 0..2 {
        let error = opened.read_range("large", 0, &mut [0; 64]).unwrap_err();
        assert!(matches!(error, Error::Checksum { .. }), "{error}");
        assert!(opened.read_into("large", &mut vec![0; 1100 * 1024]).is_err());
    }
}

#[test]
fn the_originals_header_is_that_of_the_original() {
    let folder = folder();
    let path = compressed(folder.path(), &sample());
    let opened = CompressedFile::open(&path).unwrap();
    let original = opened.original().unwrap();
    assert_eq!(original, crate::header::Header::of_file(&sample()).unwrap());
    assert_eq!(original.metadata, [("format".to_owned(), "pt".to_owned())]);
}

#[test]
fn containers_are_told_from_other_files_and_so_are_their_folders() {
    let folder = folder();
    let path = compressed(folder.path(), &sample());
    let plain = folder.path().join("in.safetensors");
    let text = folder.path().join("text.sft");
    fs::write(&text, "version https://git-lfs.github.com/spec/v1\n").unwrap();
    assert_eq!([&path, &plain, &text].map(|path| is_container(path).unwrap()), [true, false, false]);
    assert!(is_container(folder.path()).unwrap());
    fs::remove_file(&path).unwrap();
    assert!(!is_container(folder.path()).unwrap());
    assert!(matches!(is_container(&path), Err(Error::Io { .. })));
    fs::write(&path, &sample()[..1000]).unwrap();
    assert!(matches!(is_container(&path), Err(Error::Header { .. })));
}

fn assembled(tensors: &[SyntheticTensor]) -> Assembled<'_> {
    let one = |tensor: &'_ SyntheticTensor| AssembledTensor {
        name: tensor.name.clone(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        bytes: Cow::Owned(tensor.bytes.clone()),
    };
    Assembled::new("memory".as_ref(), &[], tensors.iter().map(one).collect()).unwrap()
}

#[test]
fn tensors_encoded_in_memory_are_what_a_container_of_them_has() {
    let folder = folder();
    for (file, tensors) in containers(folder.path()) {
        let scheme = file.tensors().next().map(|tensor| tensor.scheme());
        let options = CompressOptions { scheme, ..CompressOptions::default() };
        let encoded = encode_source(&assembled(&tensors), &options, &()).unwrap();
        assert_eq!(encoded.len(), tensors.len());
        for (encoded, tensor) in encoded.iter().zip(&tensors) {
            let stored = file.tensor(&tensor.name);
            assert_eq!(encoded.is_some(), stored.is_some(), "{}", tensor.name);
            if let (Some(encoded), Some(stored)) = (encoded, stored) {
                assert!(encoded.parts == stored.encoded().parts && encoded.decode().unwrap() == tensor.bytes);
            }
        }
    }
}

/// Wants a result the first N times that it is asked, N being its number; then no more.
struct Patience(AtomicUsize);

impl Progress for Patience {
    fn start(&self, _what: &str, _total_bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}

    fn is_cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn work_that_nobody_wants_any_more_is_given_up_and_leaves_nothing() {
    let folder = folder();
    let [input, output, back] = ["in", "out", "back"].map(|name| folder.path().join(name));
    fs::write(&input, sample()).unwrap();
    let (mut asked, options) = (0, CompressOptions::default());
    while let Err(error) = compress(&input, &output, &options, &Patience(AtomicUsize::new(asked))) {
        assert!(matches!(error, Error::Cancelled { .. }) && !error.is_data_error(), "{error}");
        assert_eq!(names_in(folder.path()), ["in"]);
        asked += 1;
    }
    assert!(asked > 2, "asked {asked} times only");
    asked = 0;
    while let Err(error) = decompress(&output, &back, false, &Patience(AtomicUsize::new(asked))) {
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        assert_eq!(names_in(folder.path()), ["in", "out"]);
        asked += 1;
    }
    assert!(asked > 2 && fs::read(back).unwrap() == sample());
}
