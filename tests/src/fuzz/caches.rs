//! Files that a program of ours left for the next, in folders where anyone may write.

use ecf8_core::checksum::{checksum, to_hex};
use ecf8_tune::cache::{self, Record};
use ecf8_tune::kernel_cache::{Compiler, KernelCache, KernelRequest};
use ecf8_tune::nvrtc::{CompileReport, Compiled, NvrtcError};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// A tuning cache is read, as it is and with its records' checksums made right; what is accepted can be saved and is then
/// read without a complaint.
pub(super) fn tuning(data: &[u8]) {
    read_and_save(data);
    if let Some(sealed) = seal(data) {
        read_and_save(&sealed);
    }
}

fn read_and_save(data: &[u8]) {
    let folder = super::containers::folder();
    let path = folder.path().join("model.tuning.json");
    fs::write(&path, data).unwrap();
    let loaded = cache::load(&path);
    for choice in loaded.records.iter().filter_map(|record| record.choice.as_ref()) {
        for scheme in ecf8_core::schemes() {
            let _ = choice.resolve(scheme.name());
        }
    }
    if loaded.foreign {
        assert!(cache::save(&path, &[]).is_err() && fs::read(&path).unwrap() == data, "not ours to replace");
        return;
    }
    cache::save(&path, &[]).unwrap();
    let again = cache::load(&path);
    assert_eq!((again.warning, again.records), (None, loaded.records));
}

fn seal(data: &[u8]) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(data).ok()?;
    for checked in document.get_mut("records")?.as_array_mut()? {
        let record: Record = serde_json::from_value(checked.get("record")?.clone()).ok()?;
        let seal = to_hex(checksum(&serde_json::to_vec(&record).ok()?));
        checked.as_object_mut()?.insert("checksum".to_owned(), seal.into());
    }
    serde_json::to_vec(&document).ok()
}

/// Makes the emptiest cubin that passes for one.
struct Compiles;

impl Compiler for Compiles {
    fn version(&self) -> String {
        "13.0".to_owned()
    }

    fn compile(&self, _: &KernelRequest<'_>) -> Result<Compiled, NvrtcError> {
        let mut image = vec![0; 64];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        image[18] = 190;
        Ok(Compiled { image, report: CompileReport::default() })
    }
}

/// A kernel that is stored, as the files of its entry.
struct Stored {
    kernel: Arc<Compiled>,
    /// The entry's folder within that of the cache.
    entry: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
}

fn request() -> KernelRequest<'static> {
    KernelRequest { name: "k.cu", source: "int a;", arch: "sm_90".parse().unwrap(), options: &[] }
}

fn open(root: &Path) -> KernelCache {
    KernelCache::at(root, 1 << 20).with_driver(None)
}

fn stored() -> &'static Stored {
    static STORED: OnceLock<Stored> = OnceLock::new();
    STORED.get_or_init(|| {
        let folder: TempDir = super::containers::folder();
        let kernel = open(folder.path()).with_compiler(|| Ok(Arc::new(Compiles))).get(&request()).unwrap();
        let all = crate::cli::contents(folder.path());
        let files: Vec<_> = all.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))).collect();
        Stored { kernel, entry: files[0].0.parent().unwrap().to_owned(), files }
    })
}

/// The files of a stored kernel, by name: what fuzzers change.
pub(super) fn stored_files() -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    stored().files.iter().map(|(path, bytes)| (name(path), bytes.clone())).collect()
}

/// One file of a stored kernel is replaced. The kernel is read as it was made, or not at all.
pub(super) fn kernels(data: &[u8]) {
    let (which, data) = data.split_first().unwrap_or((&0, data));
    let folder = super::containers::folder();
    let Stored { kernel, entry, files } = stored();
    fs::create_dir_all(folder.path().join(entry)).unwrap();
    let replaced = usize::from(*which) % files.len();
    for (index, (name, bytes)) in files.iter().enumerate() {
        fs::write(folder.path().join(name), if index == replaced { data } else { bytes }).unwrap();
    }
    let missing = || Err(NvrtcError::NotFound { attempts: Vec::new(), package: "" });
    let cache = open(folder.path()).with_compiler(missing);
    match cache.get(&request()) {
        Ok(found) => assert_eq!(&found, kernel, "another kernel than was stored"),
        Err(_) => assert_eq!(cache.take_warnings().len(), 1, "that it is compiled again is said"),
    }
}
