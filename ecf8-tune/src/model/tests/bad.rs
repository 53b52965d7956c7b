//! Damaged containers: an error that names the tensor, whatever is damaged, and never a panic.

use super::*;
use ecf8_core::container::CompressedFile;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A model with one byte changed.
fn damaged(bytes: &[u8], at: usize, folder: &Path) -> PathBuf {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x55;
    let path = folder.join("damaged.safetensors");
    fs::write(&path, bytes).unwrap();
    path
}

/// Loads and verifies everything.
fn use_it(path: &Path) -> Result<u64, ModelError> {
    let model = Arc::new(Model::open(path)?);
    model.load(emulator())?.verify()
}

#[test]
fn any_changed_byte_is_an_error_or_harmless_and_never_a_panic() {
    for scheme in ecf8_core::schemes() {
        let made = model_of_layers(2, 2, 3000, scheme.name());
        let whole = fs::read(made.path()).unwrap();
        let bytes = use_it(&made.path()).unwrap();
        let (mut errors, mut tried) = (0, 0);
        for at in (0..whole.len()).step_by(whole.len() / 150) {
            let path = damaged(&whole, at, made.folder.path());
            let done = catch_unwind(AssertUnwindSafe(|| use_it(&path)));
            tried += 1;
            match done.unwrap_or_else(|_| panic!("{}: byte {at} of {}", scheme.name(), whole.len())) {
                // What decoding has no use for: padding, checksums, the original header.
                Ok(all) => assert_eq!(all, bytes),
                Err(error) => {
                    errors += 1;
                    assert_eq!(error.to_string().lines().count(), 1, "{error}");
                }
            }
        }
        assert!(errors > tried / 2, "{}: {errors} of {tried}", scheme.name());
    }
}

#[test]
fn a_damaged_part_is_an_error_that_names_its_tensor() {
    // The parts of such small tensors are in one pool, so that the container's own checksums do not tell whose they are.
    for scheme in ["pair-lanes", "byte-lanes"] {
        let made = Made::new(&[e4m3("layers.0.one", 1, 3000), e4m3("layers.0.other", 2, 3000)], scheme);
        let whole = fs::read(made.path()).unwrap();
        let file = CompressedFile::open(&made.path()).unwrap();
        let encoded = file.tensor("layers.0.other").unwrap().encoded();
        for part in &encoded.parts {
            let middle = &part.bytes[part.bytes.len() / 2..];
            if middle.len() < 16 {
                continue;
            }
            let at = whole.windows(16).position(|window| window == &middle[..16]).unwrap();
            let path = damaged(&whole, at, made.folder.path());
            let error = use_it(&path).unwrap_err().to_string();
            assert!(error.contains("`layers.0.other`"), "{scheme} {}: {error}", part.name);
            assert!(!error.contains("report this"), "the file is to blame, not the program: {error}");
            let model = Model::open(&path).unwrap();
            assert!(model.verify_integrity(&()).is_err());
        }
    }
}

#[test]
fn a_damaged_tensor_that_is_kept_is_named_too() {
    let made = Made::new(&[e4m3("layers.0.w", 1, 3000), f32s("layers.0.norm", 40)], "pair-lanes");
    let whole = fs::read(made.path()).unwrap();
    let norm = f32s("layers.0.norm", 40).bytes;
    let at = whole.windows(160).position(|window| window == norm).unwrap();
    let error = use_it(&damaged(&whole, at + 80, made.folder.path())).unwrap_err().to_string();
    assert!(error.contains("`layers.0.norm` is damaged"), "{error}");
}

#[test]
fn what_is_no_compressed_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.safetensors");
    fs::write(&text, "nothing of the kind").unwrap();
    for path in [text, folder.path().join("not there"), folder.path().to_owned()] {
        assert!(matches!(Model::open(&path), Err(ModelError::Container(_))), "{}", path.display());
    }
}
