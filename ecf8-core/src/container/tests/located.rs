//! Damage is located: every flipped bit is told with the tensor that it is in, or as metadata or padding, and what is good
//! all the same can be saved.

use super::*;
use crate::header::{Header, TensorRecord};
use crate::synthetic::{gaussian, noise, stored_as};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::ops::Range;

/// Tensors of several pieces of a MiB, small ones that are pooled, and kept ones.
fn several() -> Vec<SyntheticTensor> {
    let bf16 = |seed, count| stored_as("BF16", &gaussian(seed, count, 0.02)).unwrap();
    let mut drifting = gaussian(11, 300_000, 0.02);
    drifting.iter_mut().enumerate().for_each(|(place, value)| *value *= 1.0 + (place / 100_000 * 20) as f32);
    let mut tensors = vec![
        SyntheticTensor::new("embedding", Dtype::BF16, &[300, 2000], bf16(1, 600_000)),
        fp8("layer.weight", &[1_100_000], weights(2, 1_100_000)),
        SyntheticTensor::new("drifting", Dtype::BF16, &[300_000], stored_as("BF16", &drifting).unwrap()),
        SyntheticTensor::new("noise", Dtype::U8, &[500_000], noise(3, 500_000)),
        SyntheticTensor::new("scale", Dtype::F32, &[3], noise(4, 12)),
    ];
    tensors.extend((0..8u64).map(|i| fp8(&format!("small.{i}"), &[8000], weights(i, 8000))));
    tensors
}

/// A container and the tensors that it has.
struct Made {
    folder: TempDir,
    good: Vec<u8>,
    tensors: BTreeMap<String, Vec<u8>>,
    original: Vec<u8>,
}

impl Made {
    fn new(tensors: &[SyntheticTensor], options: CompressOptions) -> Self {
        let folder = folder();
        let metadata = [("format".to_owned(), "pt".to_owned())];
        let original = safetensors_bytes(&metadata, tensors).unwrap();
        let good = fs::read(compressed_with(folder.path(), &original, options)).unwrap();
        let tensors = tensors_of(&original);
        Self { folder, good, tensors, original }
    }

    fn damaged(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("bad.safetensors");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Saves what is good of a file; gives the report and the tensors.
    fn saved(&self, bad: &Path) -> Result<(Report, BTreeMap<String, Vec<u8>>)> {
        let back = self.folder.path().join("back.safetensors");
        let report = decompress_partial(bad, &back, true, &())?;
        let bytes = fs::read(&back).unwrap();
        assert_eq!(report.is_whole(), bytes == self.original);
        Ok((report, tensors_of(&bytes)))
    }

    /// Checks that just these tensors are lost, and that all others come back.
    fn assert_lost(&self, bytes: &[u8], lost: &[&str]) -> Report {
        let (report, saved) = self.saved(&self.damaged(bytes)).unwrap();
        let mut left: Vec<&str> =
            self.tensors.keys().filter(|name| !saved.contains_key(*name)).map(String::as_str).collect();
        left.sort_by_key(|name| lost.iter().position(|lost| lost == name));
        assert_eq!(left, lost);
        assert!(saved.iter().all(|(name, bytes)| *bytes == self.tensors[name]), "with {lost:?} damaged");
        let told: Vec<&str> = report.files[0].lost.iter().filter_map(|lost| lost.tensor.as_deref()).collect();
        assert_eq!(told, lost);
        report
    }
}

fn tensors_of(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let header = Header::of_file(file).unwrap();
    safetensors::SafeTensors::deserialize(file).unwrap();
    let bytes = |record: &TensorRecord| {
        let start = header.data_start();
        file[(start + record.begin) as usize..(start + record.end) as usize].to_vec()
    };
    header.tensors.iter().map(|record| (record.name.clone(), bytes(record))).collect()
}

fn has_pieces(file: &[u8]) -> bool {
    let header = Header::of_file(file).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(header.metadata(MANIFEST_KEY).unwrap()).unwrap();
    manifest["pieces"]["checksums"].is_string()
}

/// The bytes of the file that a tensor of the container's own header has.
fn place_of(file: &[u8], name: &str) -> Range<usize> {
    let header = Header::of_file(file).unwrap();
    let record = header.tensors.iter().find(|record| record.name == name).unwrap();
    let at = |at| (header.data_start() + at) as usize;
    at(record.begin)..at(record.end)
}

/// Which tensor a byte of the file is of; `None` for what is none's.
fn owner(whole: &CompressedFile, place: usize) -> Option<String> {
    let has = |bytes: &[u8]| {
        let begin = bytes.as_ptr() as usize - whole.map.as_ptr() as usize;
        (begin..begin + bytes.len()).contains(&place)
    };
    let is_part = |tensor: &CompressedTensor<'_>| tensor.encoded().parts.iter().any(|part| has(&part.bytes));
    let tensor = whole.tensors().find(is_part).map(|tensor| tensor.name().to_owned());
    let name = |kept: KeptTensor<'_>| kept.record.name.clone();
    tensor.or_else(|| whole.kept().find(|kept| has(kept.data)).map(name))
}

#[test]
fn each_of_1000_flipped_bits_is_told_with_its_tensor_or_as_metadata_or_padding() {
    let made = Made::new(&several(), CompressOptions::default());
    let path = made.folder.path().join("out.safetensors");
    let whole = CompressedFile::open(&path).unwrap();
    assert!(has_pieces(&made.good) && whole.tensors().len() == 11 && whole.kept().len() == 2);
    assert!(whole.tensors().any(|tensor| tensor.codebooks().runs() > 1));
    assert!(whole.damage(&()).unwrap().is_none());
    let start = whole.header.data_start() as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    let (mut saved, mut by_kind) = (0, [0u32; 4]);
    // Most of the file are tensors, so that header and tables would hardly be met.
    let tail = made.good.len() - place_of(&made.good, "__ecf8__.header").start;
    let metadata =
        (0..100).map(|i| if i % 2 == 0 { (0, start) } else { (made.good.len() - tail, made.good.len()) });
    let ranges: Vec<(usize, usize)> = metadata.chain((0..900).map(|_| (0, made.good.len()))).collect();
    for (i, (from, to)) in ranges.into_iter().enumerate() {
        let (place, bit) = (rng.random_range(from..to), rng.random_range(0..8));
        let what = format!("bit {bit} of byte {place}");
        let mut bytes = made.good.clone();
        bytes[place] ^= 1 << bit;
        let bad = made.damaged(&bytes);
        let owner = owner(&whole, place);
        let check = match check(&bad, &()) {
            Ok(check) => check,
            Err(error) => {
                // Then header or manifest is what cannot be read.
                assert!(owner.is_none() && error.to_string().contains("bad.safetensors"), "{what}: {error}");
                let saving = decompress_partial(&bad, &made.folder.path().join("none"), false, &());
                assert!(saving.is_err() && !made.folder.path().join("none").exists(), "{what}");
                by_kind[0] += 1;
                continue;
            }
        };
        let damage = check.files[0].damage.clone();
        let has = |bytes: &Range<u64>| bytes.contains(&(place as u64));
        let message = check.into_model().expect_err(&what).to_string();
        match &owner {
            Some(owner) if damage.unused.is_empty() => {
                assert!(damage.metadata.is_empty() && damage.tensors.len() == 1, "{what}: {damage:?}");
                let tensor = &damage.tensors[0];
                assert_eq!((&tensor.name, damage.good.len()), (owner, 12), "{what}");
                assert!(message.contains(&format!("tensor `{owner}` is damaged")), "{message}");
                // In the pool, a piece has several parts of a tensor.
                assert!(tensor.places.iter().any(|one| has(&one.in_file)), "{what}: {tensor:?}");
                let is_piece = |one: &DamagedPlace| one.in_file.end - one.in_file.start <= 1 << 20;
                assert!(tensor.places.iter().all(is_piece), "{what}: {tensor:?}");
                assert!(tensor.affected.iter().all(|bytes| bytes.end <= tensor.bytes), "{what}: {tensor:?}");
                by_kind[1] += 1;
            }
            None if damage.unused.is_empty() => {
                assert!(damage.metadata.iter().any(|one| has(&one.bytes)), "{what}: {damage:?}");
                by_kind[2] += 1;
            }
            // Bits on which nothing depends, in a part, or between two.
            _ => {
                assert!(damage.unused.iter().any(|one| has(&one.bytes)), "{what}: {damage:?}");
                assert!(damage.tensors.is_empty() && damage.metadata.is_empty(), "{what}: {damage:?}");
                by_kind[3] += 1;
            }
        }
        if i % 20 == 0 {
            let lost: Vec<&str> = damage.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
            let _ = made.assert_lost(&bytes, &lost);
            saved += 1;
        }
    }
    // Beyond reading, tensors, metadata, padding.
    let [unreadable, tensors, metadata, padding] = by_kind;
    assert_eq!(unreadable + tensors + metadata + padding, 1000);
    assert!(saved > 30 && tensors > 800 && unreadable + metadata > 90, "{saved} {by_kind:?}");
}

/// What depends on damaged bytes, as [`Damage`] tells it, is wrong there only.
#[test]
fn bytes_that_are_not_affected_are_right_when_they_are_decoded() {
    for scheme in schemes().iter().skip(1) {
        let tensors = if scheme.takes(crate::element::element("BF16").unwrap()) {
            vec![SyntheticTensor::new(
                "w",
                Dtype::BF16,
                &[3_000_000],
                stored_as("BF16", &gaussian(1, 3_000_000, 0.02)).unwrap(),
            )]
        } else {
            vec![fp8("w", &[6_000_000], weights(1, 6_000_000))]
        };
        let (width, count) = (tensors[0].bytes.len() as u64 / tensors[0].shape[0], tensors[0].shape[0]);
        let made = Made::new(&tensors, by(*scheme));
        let mut told = 0;
        for part in ["rows", "tails", "packed"] {
            let header = Header::of_file(&made.good).unwrap();
            if !header.tensors.iter().any(|record| record.name == format!("w.{part}")) {
                continue;
            }
            let range = place_of(&made.good, &format!("w.{part}"));
            let mut bytes = made.good.clone();
            let middle = (range.start + range.end) / 2;
            bytes[middle] ^= 16;
            let bad = CompressedFile::open(&made.damaged(&bytes)).unwrap();
            let damage = bad.damage(&()).unwrap();
            let [tensor] = &*damage.tensors else { continue };
            let [affected] = &*tensor.affected else { panic!("{tensor:?}") };
            assert_eq!((affected.start % width, affected.end % width), (0, 0));
            if *affected != (0..tensor.bytes) {
                told += 1;
            }
            let original = &made.tensors["w"];
            for (from, to) in [(0, affected.start / width), (affected.end / width, count)] {
                let mut out = vec![0; ((to - from) * width) as usize];
                if !out.is_empty() {
                    bad.tensor("w").unwrap().decode_range(from, &mut out).unwrap();
                }
                assert!(
                    out == original[(from * width) as usize..(to * width) as usize],
                    "{} {part}",
                    scheme.name()
                );
            }
        }
        assert!(told > 0, "{}", scheme.name());
    }
}

#[test]
fn two_damaged_tensors_at_once_are_both_told_and_the_others_saved() {
    let made = Made::new(&several(), CompressOptions::default());
    let mut bytes = made.good.clone();
    let (header, pool) = (Header::of_file(&made.good).unwrap(), place_of(&made.good, "__ecf8__.pool"));
    let whole = CompressedFile::open(&made.folder.path().join("out.safetensors")).unwrap();
    let pooled = owner(&whole, pool.start + 1000).unwrap();
    let part = header
        .tensors
        .iter()
        .find(|record| record.name.starts_with("embedding.") && record.bytes() > 100_000);
    bytes[place_of(&made.good, &part.unwrap().name).start + 70_000] ^= 1;
    bytes[pool.start + 1000] ^= 1;
    let report = made.assert_lost(&bytes, &["embedding", &pooled]);
    assert_eq!((report.files[0].compressed_tensors, report.files[0].kept_tensors), (9, 2));
    let error = check(&made.damaged(&bytes), &()).unwrap().into_model().unwrap_err().to_string();
    assert!(
        error.contains("2 of 13 tensors are damaged") && error.contains("decompress --partial"),
        "{error}"
    );
}

#[test]
fn a_damaged_original_header_costs_no_tensor() {
    // Not continued, so that the manifest is whole without it.
    let tensors = vec![
        fp8("b.weight", &[50, 4000], weights(1, 200_000)),
        SyntheticTensor::new("a", Dtype::I16, &[2], vec![1, 2, 3, 4]),
    ];
    let made = Made::new(&tensors, by(schemes()[0]));
    let mut bytes = made.good.clone();
    bytes[place_of(&made.good, "__ecf8__.header").start + 20] ^= 1;
    let report = made.assert_lost(&bytes, &[]);
    assert!(
        !report.is_whole() && report.files[0].lost[0].why.contains("original header is damaged"),
        "{report:?}"
    );
    let back = fs::read(made.folder.path().join("back.safetensors")).unwrap();
    let (back, original) = (Header::of_file(&back).unwrap(), Header::of_file(&made.original).unwrap());
    assert_eq!(back.metadata, original.metadata);
    for record in &original.tensors {
        let same = back.tensors.iter().find(|other| other.name == record.name).unwrap();
        assert_eq!((same.dtype, &same.shape), (record.dtype, &record.shape));
    }
}

#[test]
fn a_damaged_checksum_or_padding_costs_nothing() {
    let made = Made::new(&several(), CompressOptions::default());
    let table = place_of(&made.good, "__ecf8__.checksums");
    for place in table.clone().step_by(8).chain([table.end - 1]) {
        let mut bytes = made.good.clone();
        bytes[place] ^= 1;
        assert!(made.assert_lost(&bytes, &[]).is_whole());
        let check = check(&made.damaged(&bytes), &()).unwrap();
        assert_eq!(check.files[0].damage.metadata[0].what, "the table of checksums");
    }
}

#[test]
fn a_cut_file_gives_what_is_there() {
    // Not continued: with the end of the file, only the original header and checksums of kept tensors are lost.
    let tensors = vec![fp8("a", &[200_000], weights(1, 200_000)), fp8("b", &[300_000], weights(2, 300_000))];
    let made = Made::new(&tensors, by(schemes()[0]));
    let end = place_of(&made.good, "b.encoded").start;
    let report = made.assert_lost(&made.good[..end + 100], &["b"]);
    assert!(report.files[0].lost.iter().any(|lost| lost.why.contains("nothing proves them")), "{report:?}");
    for length in [0, 7, 8, 100, 1000] {
        let bad = made.damaged(&made.good[..length]);
        assert!(made.saved(&bad).is_err(), "cut to {length}");
    }
    // The rest of the manifest lies behind the data, so nothing is known of the tensors.
    let made = Made::new(&several(), CompressOptions::default());
    let bad = made.damaged(&made.good[..made.good.len() - 2000]);
    let error = made.saved(&bad).unwrap_err();
    assert!(matches!(error, Error::BeyondRepair { .. }), "{error}");
    // What is longer has all that there was.
    let longer = [&made.good[..], b"more"].concat();
    assert!(made.assert_lost(&longer, &[]).is_whole());
}

#[test]
fn a_file_in_which_nothing_is_compressed_is_saved_by_its_pieces() {
    let tensor = |name: &str, bytes: usize| {
        SyntheticTensor::new(name, Dtype::U8, &[bytes as u64], noise(bytes as u64, bytes))
    };
    let made = Made::new(
        &[tensor("a", 1_500_000), tensor("b", 10), tensor("c", 2_000_000)],
        CompressOptions::default(),
    );
    let start = Header::of_file(&made.good).unwrap().data_start() as usize;
    let mut bytes = made.good.clone();
    bytes[start + 3_400_000] ^= 1;
    let _ = made.assert_lost(&bytes, &["c"]);
    let damage = CompressedFile::open(&made.damaged(&bytes)).unwrap().damage(&()).unwrap();
    let begin = (3 << 20) - 1_500_010;
    assert_eq!(damage.tensors[0].affected.first(), Some(&(begin..2_000_000)));
    let mut bytes = made.good.clone();
    bytes[start + 1_500_003] ^= 1;
    let bad = made.damaged(&bytes);
    assert!(matches!(made.saved(&bad).unwrap_err(), Error::NothingGood { .. }));
}

#[test]
fn small_files_and_old_ones_have_no_pieces_and_are_checked_all_the_same() {
    let made = Made::new(&[fp8("w", &[500_000], weights(1, 500_000))], CompressOptions::default());
    assert!(!has_pieces(&made.good));
    let mut bytes = made.good.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damage = CompressedFile::open(&made.damaged(&bytes)).unwrap().damage(&()).unwrap();
    assert!(damage.tensors[0].places[0].in_file.contains(&(middle as u64)), "{damage:?}");
}
