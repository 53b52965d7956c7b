//! Models as their difference from others.

use super::*;
use crate::synthetic::{gaussian, noise, stored_as};
use std::sync::Arc;

/// A checkpoint: BF16 weights with moments in FP32, a mask, a scalar and an empty tensor; `step` moves them.
fn checkpoint(step: u64) -> Vec<SyntheticTensor> {
    let moved = |seed: u64, count: usize, scale: f32, by: f32| -> Vec<f32> {
        (1..=step).fold(gaussian(seed, count, scale), |values, step| {
            values.iter().zip(gaussian(100 * step + seed, count, by)).map(|(value, by)| value + by).collect()
        })
    };
    let weights = |seed| stored_as("BF16", &moved(seed, 20_000, 0.02, 2e-5)).unwrap();
    let moments = |seed| stored_as("F32", &moved(seed, 20_000, 1e-3, 1e-5)).unwrap();
    let tensor = |name: &str, dtype, shape: &[u64], bytes| SyntheticTensor::new(name, dtype, shape, bytes);
    vec![
        tensor("embed.weight", Dtype::BF16, &[100, 200], weights(1)),
        tensor("mlp.weight", Dtype::BF16, &[200, 100], weights(2)),
        tensor("exp_avg.mlp", Dtype::F32, &[20_000], moments(3)),
        tensor(
            "frozen.weight",
            Dtype::BF16,
            &[20_000],
            stored_as("BF16", &gaussian(4, 20_000, 0.02)).unwrap(),
        ),
        tensor("mask", Dtype::U8, &[3001], noise(step, 3001)),
        tensor("step", Dtype::I64, &[], step.to_le_bytes().to_vec()),
        tensor("none", Dtype::F32, &[0, 7], Vec::new()),
        tensor("lm_head.weight", Dtype::BF16, &[100, 200], weights(1)),
    ]
}

fn file(tensors: &[SyntheticTensor]) -> Vec<u8> {
    safetensors_bytes(&[("format".to_owned(), "pt".to_owned())], tensors).unwrap()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn told(input: &Path, output: &Path, base: &[&Path]) -> Result<Report> {
    compress_against(input, output, &*Base::open(base)?, &CompressOptions::default(), &())
}

fn restored(input: &Path, output: &Path, base: &[&Path]) -> Result<Report> {
    decompress_beside(input, output, &Base::open(base)?, false, &())
}

#[test]
fn a_chain_of_checkpoints_comes_back_from_plain_and_compressed_bases() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let plain: Vec<PathBuf> = (0..3)
        .map(|step| written(folder.path(), &format!("{step}.safetensors"), &file(&checkpoint(step))))
        .collect();
    compress(&plain[0], &at("0.ecf8"), &CompressOptions::default(), &()).unwrap();
    let alone = compress(&plain[1], &at("1.alone"), &CompressOptions::default(), &()).unwrap().output_bytes();
    for base in [&plain[0], &at("0.ecf8")] {
        let (delta, back) = (at("1.ecf8"), at("1.back"));
        let report = told(&plain[1], &delta, &[base]).unwrap();
        assert_eq!(report.input_bytes(), fs::metadata(&plain[1]).unwrap().len());
        assert!(report.output_bytes() * 10 < alone * 7, "{} of {alone}", report.output_bytes());
        restored(&delta, &back, &[base]).unwrap();
        assert!(fs::read(&back).unwrap() == fs::read(&plain[1]).unwrap());
        let (model, opened) = (CompressedModel::open(&delta).unwrap(), Base::open(&[base]).unwrap());
        verify_beside(&model, &opened, &()).unwrap();
        verify_against_beside(&model, &opened, &plain[1], &()).unwrap();
        let other = verify_against_beside(&model, &opened, &plain[2], &()).unwrap_err();
        assert!(matches!(&other, Error::Differs { .. }), "{other}");
        for path in [&delta, &back] {
            fs::remove_file(path).unwrap();
        }
    }
    // The base of a difference is itself one.
    told(&plain[1], &at("1.ecf8"), &[&at("0.ecf8")]).unwrap();
    let chain = [&*at("1.ecf8"), &*at("0.ecf8")];
    told(&plain[2], &at("2.ecf8"), &chain).unwrap();
    restored(&at("2.ecf8"), &at("2.back"), &chain).unwrap();
    assert!(fs::read(at("2.back")).unwrap() == fs::read(&plain[2]).unwrap());
    // It does not matter in which way the base is stored.
    restored(&at("2.ecf8"), &at("2.again"), &[&plain[1]]).unwrap();
    assert!(fs::read(at("2.again")).unwrap() == fs::read(&plain[2]).unwrap());
    let missing = restored(&at("2.ecf8"), &at("2.none"), &[&at("1.ecf8")]).unwrap_err();
    assert!(matches!(&missing, Error::NeedsBase { named, .. } if named.starts_with("0.ecf8 ")), "{missing}");
    let idle = restored(&at("2.ecf8"), &at("2.none"), &[&plain[1], &plain[0]]).unwrap_err();
    assert!(matches!(&idle, Error::NoDelta { path } if *path == plain[1]), "{idle}");
}

#[test]
fn what_has_not_changed_takes_next_to_nothing() {
    let folder = folder();
    let many: Vec<SyntheticTensor> = (0..200)
        .map(|layer| {
            let bytes = stored_as("BF16", &gaussian(layer, 2000, 0.02)).unwrap();
            SyntheticTensor::new(
                &format!("model.layers.{layer}.mlp.down_proj.weight"),
                Dtype::BF16,
                &[2000],
                bytes,
            )
        })
        .collect();
    let base = written(folder.path(), "base.safetensors", &file(&many));
    let (delta, back) = (folder.path().join("delta"), folder.path().join("back"));
    let same = told(&base, &delta, &[&base]).unwrap();
    assert!(same.output_bytes() < 10_000, "{}", same.output_bytes());
    restored(&delta, &back, &[&base]).unwrap();
    assert!(fs::read(&back).unwrap() == fs::read(&base).unwrap());

    // One number in a hundred has another value.
    let mut dice = noise(9, 200 * 2000 * 2).into_iter().cycle();
    let changed: Vec<SyntheticTensor> = many
        .iter()
        .map(|tensor| {
            let mut bytes = tensor.bytes.clone();
            for number in bytes.chunks_exact_mut(2) {
                if usize::from(dice.next().unwrap()) < 256 / 100 + 1 {
                    number[0] ^= dice.next().unwrap() | 1;
                }
            }
            SyntheticTensor::new(&tensor.name, Dtype::BF16, &[2000], bytes)
        })
        .collect();
    let input = written(folder.path(), "changed.safetensors", &file(&changed));
    let (delta, back) = (folder.path().join("delta2"), folder.path().join("back2"));
    let report = told(&input, &delta, &[&base]).unwrap();
    restored(&delta, &back, &[&base]).unwrap();
    assert!(fs::read(&back).unwrap() == fs::read(&input).unwrap());
    let share = report.output_bytes() as f64 / report.input_bytes() as f64;
    assert!(share < 0.08, "{share}: tensors of 4 KB, each with some 240 bytes about its streams");
}

#[test]
fn one_number_in_a_hundred_takes_two_percent() {
    let folder = folder();
    let types = [(Dtype::BF16, 2_000_000), (Dtype::F32, 1_000_000), (Dtype::F8_E4M3, 4_000_000)];
    for (of, count) in types {
        let dtype = &*of.to_string();
        let before = stored_as(dtype, &gaussian(1, count, 0.02)).unwrap();
        let width = before.len() / count;
        let (mut after, dice) = (before.clone(), noise(2, 4 * count));
        for (number, dice) in after.chunks_exact_mut(width).zip(dice.chunks_exact(4)) {
            if u16::from_le_bytes([dice[0], dice[1]]) < 655 {
                number[0] ^= dice[2] | 1;
            }
        }
        let one = |bytes| file(&[SyntheticTensor::new("w", of, &[count as u64], bytes)]);
        let base = written(folder.path(), "base.safetensors", &one(before));
        let input = written(folder.path(), "in.safetensors", &one(after));
        let (delta, back) = (folder.path().join(format!("{dtype}.delta")), folder.path().join(dtype));
        let report = told(&input, &delta, &[&base]).unwrap();
        restored(&delta, &back, &[&base]).unwrap();
        assert!(fs::read(&back).unwrap() == fs::read(&input).unwrap());
        assert!(report.output_bytes() * 100 < report.input_bytes() * 3, "{dtype} {}", report.output_bytes());
    }
}

#[test]
fn another_base_is_refused_by_both_names_and_nothing_is_written() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let [first, second] =
        [0, 1].map(|step| written(folder.path(), &format!("{step}.safetensors"), &file(&checkpoint(step))));
    let mut other = checkpoint(0);
    other[1].bytes[77] ^= 1;
    let other = written(folder.path(), "other.safetensors", &file(&other));
    let mut reshaped = checkpoint(0);
    reshaped[1] =
        SyntheticTensor::new("mlp.weight", Dtype::BF16, &[10, 10], reshaped[1].bytes[..200].to_vec());
    let reshaped = written(folder.path(), "reshaped.safetensors", &file(&reshaped));
    let without = written(folder.path(), "without.safetensors", &file(&checkpoint(0)[2..]));
    let delta = at("delta");
    told(&second, &delta, &[&first]).unwrap();
    for (base, why) in [
        (&other, "its tensor `mlp.weight`, BF16 [200, 100], has other bytes"),
        (&reshaped, "its tensor `mlp.weight`, BF16 [10, 10], has other bytes"),
        (&without, "it has no tensor `"),
    ] {
        for error in [
            restored(&delta, &at("out"), &[base]).unwrap_err(),
            verify_beside(&CompressedModel::open(&delta).unwrap(), &Base::open(&[base]).unwrap(), &())
                .unwrap_err(),
        ] {
            let line = error.to_string();
            let name = base.file_name().unwrap().to_str().unwrap();
            assert!(!error.is_data_error() && line.contains(why), "{line}");
            assert!(line.contains("0.safetensors") && line.contains(name) && !line.contains('\n'), "{line}");
        }
    }
    let alone = decompress(&delta, &at("out"), false, &()).unwrap_err();
    assert!(
        matches!(&alone, Error::NeedsBase { named, .. } if named.starts_with("0.safetensors ")),
        "{alone}"
    );
    let alone = decompress_partial(&delta, &at("out"), false, &()).unwrap_err();
    assert!(matches!(alone, Error::NeedsBase { .. }), "{alone}");
    let missing = Base::open(&[at("nowhere")]).unwrap_err();
    assert!(matches!(&missing, Error::Io { .. }) && !missing.is_data_error(), "{missing}");
    compress(&second, &at("plain"), &CompressOptions::default(), &()).unwrap();
    let idle = restored(&at("plain"), &at("out"), &[&first]).unwrap_err();
    assert!(matches!(idle, Error::NoDelta { .. }), "{idle}");
    let strange = written(folder.path(), "strange.safetensors", &sample());
    let nothing = told(&strange, &at("out"), &[&first]).unwrap_err();
    assert!(matches!(nothing, Error::NothingInCommon { .. }) && !nothing.is_data_error(), "{nothing}");
    assert!(!at("out").exists());
    assert_eq!(names_in(folder.path()).len(), 8, "no leftovers");
}

#[test]
fn tensors_are_found_by_what_they_hold_under_other_names_and_in_other_shards() {
    let folder = folder();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let bytes = |seed| stored_as("BF16", &gaussian(seed, 30_000, 0.02)).unwrap();
    let tensor = |name: &str, seed| SyntheticTensor::new(name, Dtype::BF16, &[30_000], bytes(seed));
    for (root, shards) in [
        (&old, [vec![tensor("a", 1), tensor("b", 2)], vec![tensor("c", 3)]]),
        // `b` went to another shard, `c` is called `d`, `a` is there twice, and what the base does not have three times.
        (
            &new,
            [
                vec![tensor("a", 1), tensor("tied", 1), tensor("e", 4)],
                vec![tensor("b", 2), tensor("d", 3), tensor("f", 4), tensor("g", 4)],
            ],
        ),
    ] {
        fs::create_dir(root).unwrap();
        for (number, tensors) in shards.iter().enumerate() {
            fs::write(root.join(format!("model-0000{}-of-00002.safetensors", number + 1)), file(tensors))
                .unwrap();
        }
        fs::write(root.join("config.json"), "{}").unwrap();
    }
    let packed = folder.path().join("old.packed");
    compress(&old, &packed, &CompressOptions::default(), &()).unwrap();
    for (base, name) in [(&old, "one"), (&packed, "two")] {
        let (delta, back) = (folder.path().join(name), folder.path().join(format!("{name}.back")));
        let report = told(&new, &delta, &[base]).unwrap();
        let once = 60_000 * 7 / 10;
        assert!(
            report.output_bytes() < once + 4000,
            "`e` is stored once, nothing else: {}",
            report.output_bytes()
        );
        restored(&delta, &back, &[base]).unwrap();
        assert_eq!(names_in(&back), names_in(&new));
        for name in names_in(&new) {
            assert!(fs::read(back.join(&name)).unwrap() == fs::read(new.join(&name)).unwrap(), "{name}");
        }
        let (model, opened) = (CompressedModel::open(&delta).unwrap(), Base::open(&[base]).unwrap());
        verify_against_beside(&model, &opened, &new, &()).unwrap();
        let error = decompress(&delta, &folder.path().join("out"), false, &()).unwrap_err();
        assert!(matches!(error, Error::NeedsBase { .. }), "{error}");
        // The second shard needs the first, whose tensor it has.
        let [first, second] =
            [1, 2].map(|number| delta.join(format!("model-0000{number}-of-00002.safetensors")));
        let out = folder.path().join("out");
        restored(&second, &out, &[base]).unwrap();
        assert!(fs::read(&out).unwrap() == fs::read(new.join(second.file_name().unwrap())).unwrap());
        fs::remove_file(&out).unwrap();
        fs::remove_file(&first).unwrap();
        let missing = restored(&second, &out, &[base]).unwrap_err().to_string();
        assert!(missing.contains("model-00001-of-00002") && !out.exists(), "{missing}");
    }
}

#[test]
fn a_base_that_changes_or_a_delta_that_is_damaged_is_noticed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let [first, second] =
        [0, 1].map(|step| written(folder.path(), &format!("{step}.safetensors"), &file(&checkpoint(step))));
    let delta = at("delta");
    told(&second, &delta, &[&first]).unwrap();
    let whole = fs::read(&delta).unwrap();
    for place in (whole.len() / 40..whole.len()).step_by(whole.len() / 40) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&delta, damaged).unwrap();
        let error = restored(&delta, &at("out"), &[&first]).unwrap_err();
        assert!(error.is_data_error(), "{place}: {error}");
        assert!(!at("out").exists());
    }
    fs::write(&delta, whole).unwrap();
    let base: Arc<Base> = Base::open(&[&first]).unwrap();
    let model = CompressedModel::open(&delta).unwrap();
    fs::write(&first, file(&checkpoint(2))).unwrap();
    assert!(verify_beside(&model, &base, &()).is_err());
}
