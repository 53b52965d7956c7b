//! What is compressed need not be a file.

use super::*;
use crate::header::{Header, TensorRecord};
use crate::source::{Assembled, AssembledTensor, Source};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

fn in_memory(tensors: &[SyntheticTensor]) -> Vec<AssembledTensor<'_>> {
    let one = |tensor: &'_ SyntheticTensor| AssembledTensor {
        name: tensor.name.clone(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        bytes: Cow::Owned(tensor.bytes.clone()),
    };
    tensors.iter().map(one).collect()
}

/// A source that makes its bytes whenever they are asked for, as often as it can.
struct Made<'a> {
    whole: Assembled<'a>,
    left: AtomicUsize,
}

impl Source for Made<'_> {
    fn path(&self) -> &Path {
        self.whole.path()
    }

    fn header(&self) -> &Header {
        self.whole.header()
    }

    fn json(&self) -> &[u8] {
        self.whole.json()
    }

    fn bytes(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            return Err(Error::NotAFile { path: self.path().to_owned() });
        }
        Ok(Cow::Owned(self.whole.bytes(record)?.into_owned()))
    }
}

fn tensors() -> Vec<SyntheticTensor> {
    vec![
        fp8("a.weight", &[100, 64], weights(1, 6400)),
        fp8("none", &[0, 3], Vec::new()),
        SyntheticTensor::new("a.scale", Dtype::F32, &[], vec![1; 4]),
        fp8("b.weight", &[8191], weights(3, 8191)),
        fp8("large", &[1100, 1024], weights(4, 1100 * 1024)),
    ]
}

#[test]
fn tensors_in_memory_become_the_container_that_their_file_becomes() {
    let folder = folder();
    let metadata = [("format".to_owned(), "pt".to_owned())];
    let hardly = [SyntheticTensor::new("noise", Dtype::F32, &[3000], crate::synthetic::noise(1, 12_000))];
    for tensors in [tensors(), hardly.to_vec(), Vec::new()] {
        let file = safetensors_bytes(&metadata, &tensors).unwrap();
        let expected = fs::read(compressed_with(folder.path(), &file, CompressOptions::default())).unwrap();
        let whole = Assembled::new(Path::new("memory"), &metadata, in_memory(&tensors)).unwrap();
        let made = Made { whole, left: AtomicUsize::new(usize::MAX) };
        let options = CompressOptions { overwrite: true, ..CompressOptions::default() };
        for source in [&made.whole as &dyn Source, &made] {
            let output = folder.path().join("of-source.safetensors");
            let report = compress_source(source, &output, &options, &()).unwrap();
            assert_eq!(report.input_bytes, file.len() as u64);
            assert!(fs::read(&output).unwrap() == expected);
            let existing = compress_source(source, &output, &CompressOptions::default(), &()).unwrap_err();
            assert!(matches!(existing, Error::OutputExists { .. }), "{existing}");
        }
    }
}

#[test]
fn a_source_that_fails_at_any_time_leaves_nothing_behind() {
    let folder = folder();
    let output = folder.path().join("out.safetensors");
    let tensors = tensors();
    let mut whole = Assembled::new(Path::new("memory"), &[], in_memory(&tensors)).unwrap();
    for calls in 0.. {
        let made = Made { whole, left: AtomicUsize::new(calls) };
        let result = compress_source(&made, &output, &CompressOptions::default(), &());
        whole = made.whole;
        if result.is_ok() {
            assert!(calls > tensors.len(), "read more than once");
            break;
        }
        assert!(matches!(result, Err(Error::NotAFile { .. })), "{result:?}");
        assert!(names_in(folder.path()).is_empty());
    }
}

#[test]
fn tensors_that_contradict_themselves_are_refused_by_name() {
    let refused = |tensors: Vec<SyntheticTensor>| {
        Assembled::new(Path::new("memory"), &[], in_memory(&tensors)).unwrap_err().to_string()
    };
    let short = refused(vec![fp8("a", &[3], vec![1; 2])]);
    assert!(short.contains('a') && short.starts_with("memory: "), "{short}");
    let twice = refused(vec![fp8("a", &[2], vec![1; 2]), fp8("a", &[2], vec![1; 2])]);
    assert!(twice.contains("memory: "), "{twice}");
}
