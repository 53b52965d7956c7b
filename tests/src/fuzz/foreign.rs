//! Files of others: read, every tensor decoded, all of it restored.

use super::containers::folder;
use crate::cli::file;
use ecf8_core::container::{self, CompressOptions};
use ecf8_core::foreign::Foreign;
use ecf8_core::header::Header;
use ecf8_core::map::MappedFile;
use ecf8_core::source::Source;
use ecf8_core::synthetic::{SyntheticTensor, gaussian, stored_as};
use safetensors::Dtype;
use std::fs;

/// A file as one of others. What it stands for is decoded, or refused; restored, it is a valid file.
pub(super) fn foreign(data: &[u8]) {
    let folder = folder();
    let (path, out) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    fs::write(&path, data).unwrap();
    let map = MappedFile::open(&path).unwrap();
    let Ok(Some(file)) = Foreign::open(&map, None) else { return };
    let mut decodes = true;
    for tensor in &file.header().tensors {
        let bytes = file.bytes(tensor);
        decodes &= bytes.is_ok();
        if let Some((block, _)) = file.encoded(tensor) {
            let (fast, reference) = (block.decode(), block.decode_reference());
            if let Ok(fast) = &fast {
                assert_eq!(Ok(fast), reference.as_ref(), "{}", tensor.name);
            }
        }
    }
    let restored = container::restore(&path, None, &out, false, &());
    assert_eq!(restored.is_ok(), decodes, "{:?}", restored.err());
    assert_eq!(out.exists(), decodes, "something is left behind, or nothing was written");
    if decodes {
        let _ = Header::of_file(&fs::read(&out).unwrap()).unwrap();
        fs::remove_file(&out).unwrap();
        let imported = container::import(&path, None, &out, &CompressOptions::default(), &());
        assert!(imported.is_ok(), "{:?}", imported.err());
    }
}

/// Small files of every format that is read: those that are written here, and one that ZipNN made.
pub(super) fn files() -> Vec<Vec<u8>> {
    let folder = folder();
    let mut files = Vec::new();
    for (dtype, format) in [(Dtype::F8_E4M3, "ecf8-paper"), (Dtype::BF16, "dfloat11")] {
        let tensor = |name: &str, rows: u64, seed| {
            let values = gaussian(seed, usize::try_from(rows * 32).unwrap(), 0.05);
            let bytes = stored_as(&dtype.to_string(), &values).unwrap();
            SyntheticTensor::new(name, dtype, &[rows, 32], bytes)
        };
        let tensors = [tensor("m.0.a.weight", 9, 1), tensor("m.0.b.weight", 20, 2), tensor("e.weight", 3, 3)];
        let (model, out) = (folder.path().join(format), folder.path().join(format!("{format}.out")));
        fs::write(&model, file(&tensors)).unwrap();
        let _ = container::export(&model, &out, format, false, &()).unwrap();
        let mut written: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
        written.retain(|path| path.extension().is_some_and(|own| own == "safetensors"));
        written.sort();
        files.extend(written.iter().map(|path| fs::read(path).unwrap()));
    }
    files.push(super::seeds::asset("fuzz/zipnn.safetensors"));
    files
}
