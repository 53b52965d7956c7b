//! Descriptions of differences, beside a base that is right: read, restored, or refused.

use super::containers::folder;
use crate::cli::file;
use ecf8_core::checksum::{checksum, to_hex};
use ecf8_core::container::{self, Base, CompressOptions, CompressedFile, CompressedModel};
use ecf8_core::header::{Header, TensorRecord};
use ecf8_core::source::{Assembled, AssembledTensor, DeltaMark, Source};
use ecf8_core::synthetic::{SyntheticTensor, noise};
use ecf8_core::transform::{Difference, Form, Stream, Xor};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use safetensors::Dtype;
use serde_json::json;
use std::borrow::Cow;
use std::fs;
use std::io::Write;
use std::path::Path;

/// A difference as what is compressed.
struct Delta<'a> {
    tensors: Assembled<'a>,
    mark: DeltaMark,
}

impl Source for Delta<'_> {
    fn path(&self) -> &Path {
        self.tensors.path()
    }

    fn header(&self) -> &Header {
        self.tensors.header()
    }

    fn json(&self) -> &[u8] {
        self.tensors.json()
    }

    fn bytes(&self, record: &TensorRecord) -> ecf8_core::Result<Cow<'_, [u8]>> {
        self.tensors.bytes(record)
    }

    fn delta(&self) -> Option<&DeltaMark> {
        Some(&self.mark)
    }
}

/// The base's tensor that others are told from: 300 numbers of two bytes.
fn before() -> Vec<u8> {
    noise(1, 600)
}

/// Its later state.
fn after() -> Vec<u8> {
    let mut after = before();
    after.iter_mut().step_by(50).for_each(|byte| *byte ^= 3);
    after
}

fn base() -> Vec<u8> {
    file(&[
        SyntheticTensor::new("a", Dtype::BF16, &[300], before()),
        SyntheticTensor::new("b", Dtype::U8, &[130], noise(2, 130)),
    ])
}

/// The streams of both forms, by the first letter of their names.
fn streams() -> Vec<AssembledTensor<'static>> {
    let forms = [
        ("d", Form { transform: &Difference, is_sparse: false, width: 2 }),
        ("s", Form { transform: &Xor, is_sparse: true, width: 2 }),
    ];
    let mut streams = Vec::new();
    for (prefix, form) in forms {
        for stream in form.streams() {
            let stream: (Stream, Vec<u8>) = (stream, form.stream(stream, &after(), &before()).unwrap());
            streams.push(AssembledTensor {
                name: format!("{prefix}.{}", form.suffix(stream.0)),
                dtype: Dtype::U8,
                shape: vec![stream.1.len() as u64],
                bytes: Cow::Owned(stream.1),
            });
        }
    }
    streams
}

/// A text as the description of a difference: with the base it gives a file, or is refused, and nothing is left behind.
pub(super) fn delta(data: &[u8]) {
    let folder = folder();
    let [before, path, out] = ["base", "delta", "out"].map(|name| folder.path().join(name));
    fs::write(&before, base()).unwrap();
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflated.write_all(data).unwrap();
    let described = deflated.finish().unwrap();
    let mut tensors = streams();
    let shape = vec![described.len() as u64];
    let bytes = Cow::Owned(described);
    tensors.push(AssembledTensor { name: "described".to_owned(), dtype: Dtype::U8, shape, bytes });
    let tensors = Assembled::new(&path, &[], tensors).unwrap();
    let mark =
        DeltaMark { base: "base".to_owned(), checksum: "0".repeat(16), description: "described".to_owned() };
    let source = Delta { tensors, mark };
    let _ = container::compress_source(&source, &path, &CompressOptions::default(), &()).unwrap();
    let told = CompressedFile::open(&path).unwrap().told_tensors();
    assert!(container::decompress(&path, &out, false, &()).is_err(), "it needs a base");
    let base = Base::open(&[&before]).unwrap();
    let restored = container::decompress_beside(&path, &out, &base, false, &());
    assert_eq!(out.exists(), restored.is_ok(), "something is left behind, or nothing was written");
    let model = CompressedModel::open(&path).unwrap();
    let verified = container::verify_beside(&model, &base, &());
    assert_eq!(verified.is_ok(), restored.is_ok(), "{:?} {:?}", verified.err(), restored.err());
    if restored.is_ok() {
        assert!(told.is_ok());
        let _ = Header::of_file(&fs::read(&out).unwrap()).unwrap();
        container::verify_against_beside(&model, &base, &out, &()).unwrap();
    }
}

/// Descriptions that restore a file.
pub(super) fn descriptions() -> Vec<Vec<u8>> {
    let tensors = [
        SyntheticTensor::new("x", Dtype::BF16, &[300], after()),
        SyntheticTensor::new("y", Dtype::BF16, &[20, 15], after()),
        SyntheticTensor::new("b", Dtype::U8, &[130], noise(2, 130)),
        SyntheticTensor::new("z", Dtype::BF16, &[300], after()),
    ];
    let whole = file(&tensors);
    let end = 8 + usize::try_from(u64::from_le_bytes(*whole.first_chunk().unwrap())).unwrap();
    let header = &whole[8..end];
    let sum = |bytes: &[u8]| to_hex(checksum(bytes));
    let change = |by: &str, sparse: bool, prefix: &str| {
        let mut change = json!({"by": by, "prefix": prefix, "checksum": sum(&after())});
        if sparse {
            change["sparse"] = json!(true);
        }
        change
    };
    let told = |name: &str, change| json!({"name": name, "base": "a", "base_checksum": sum(&before()), "change": change});
    let description = json!({
        "header": {
            "length": header.len(), "checksum": sum(header), "text": String::from_utf8_lossy(header),
        },
        "tensors": [
            told("x", change("difference", false, "d")),
            told("y", change("xor", true, "s")),
            {"name": "b", "base_checksum": sum(&noise(2, 130))},
            {"name": "z", "same_as": "x"},
        ],
    });
    let mut elsewhere = description.clone();
    elsewhere["tensors"][3]["elsewhere"] = json!({"file": "delta", "checksum": sum(&after())});
    let empty = json!({"header": {"length": 2, "checksum": sum(b"{}"), "text": "{}"}, "tensors": []});
    [description, elsewhere, empty].map(|text| text.to_string().into_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_restore_what_they_describe() {
        for description in descriptions() {
            delta(&description);
        }
    }
}
