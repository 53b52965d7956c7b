//! Damaged containers: every flipped bit and every truncation is noticed, and nothing is left behind.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What `verify` does with a file.
fn verify(path: &Path) -> Result<()> {
    let file = CompressedFile::open(path)?;
    file.verify_integrity(&())?;
    file.original_header()?;
    file.tensors().try_for_each(|tensor| tensor.decode().map(|_| ()))
}

/// The damaged file must be refused by checking and by restoring, in one line and without leaving an output.
fn assert_noticed(folder: &Path, bytes: &[u8], what: &str) {
    let (bad, back) = (folder.join("bad.safetensors"), folder.join("back.safetensors"));
    fs::write(&bad, bytes).unwrap();
    let error = verify(&bad).expect_err(what);
    assert!(!error.to_string().contains('\n'), "{error}");
    assert!(error.to_string().contains("bad.safetensors"), "{error}");
    assert!(decompress(&bad, &back, false, &()).is_err(), "{what}");
    assert_eq!(names_in(folder), ["bad.safetensors", "in.safetensors", "out.safetensors"], "{what}");
}

#[test]
fn any_flipped_bit_is_noticed() {
    schemes().iter().for_each(|scheme| flip_bits(by(*scheme)));
}

fn flip_bits(options: CompressOptions) {
    let folder = folder();
    let good = fs::read(compressed_with(folder.path(), &sample(), options)).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let header = 8 + u64::from_le_bytes(*good.first_chunk().unwrap()) as usize;
    let random = (0..700).map(|_| rng.random_range(0..good.len()));
    // The length, the end of the header with its spaces, and the checksums are where the special cases are.
    let special = (0..8).chain(header - 40..header).chain(good.len() - 64..good.len());
    for place in special.chain(random).collect::<Vec<_>>() {
        let mut bad = good.clone();
        bad[place] ^= 1 << rng.random_range(0..8);
        assert_noticed(folder.path(), &bad, &format!("byte {place}"));
    }
}

#[test]
fn any_truncation_and_anything_appended_is_noticed() {
    schemes().iter().for_each(|scheme| cut_and_append(by(*scheme)));
}

fn cut_and_append(options: CompressOptions) {
    let folder = folder();
    let good = fs::read(compressed_with(folder.path(), &sample(), options)).unwrap();
    for length in (0..good.len()).step_by(97).chain([1, 7, 8, 9, good.len() - 1]) {
        assert_noticed(folder.path(), &good[..length], &format!("cut to {length}"));
    }
    let longer = [&good[..], b"\0"].concat();
    assert_noticed(folder.path(), &longer, "one byte more");
}

#[test]
fn the_damaged_tensor_is_named() {
    let folder = folder();
    let path = compressed(folder.path(), &sample());
    let mut bytes = fs::read(&path).unwrap();
    let file = CompressedFile::open(&path).unwrap();
    let record = file.header.tensors.iter().find(|tensor| tensor.name == "b.weight.packed").unwrap();
    bytes[(file.header.data_start() + record.begin) as usize + 5] ^= 4;
    drop(file);
    fs::write(&path, bytes).unwrap();
    let file = CompressedFile::open(&path).unwrap();
    let error = file.verify_integrity(&()).unwrap_err();
    assert!(error.is_data_error() && error.to_string().contains("`b.weight.packed`"), "{error}");
    let error = file.read_tensor("b.weight").unwrap_err();
    assert!(error.is_data_error() && error.to_string().contains("tensor `b.weight`"), "{error}");
    assert!(file.read_tensor("a.weight").is_ok());
    assert!(matches!(file.read_tensor("c"), Err(Error::NoTensor { .. })));
}
