//! Tensors that a file has twice.

use super::*;
use crate::synthetic::{gaussian, noise, stored_as};

fn file(tensors: &[SyntheticTensor]) -> Vec<u8> {
    safetensors_bytes(&[], tensors).unwrap()
}

fn tied(count: u64) -> Vec<SyntheticTensor> {
    let bytes = |seed| stored_as("BF16", &gaussian(seed, usize::try_from(count).unwrap(), 0.02)).unwrap();
    let random = noise(4, 4000);
    vec![
        SyntheticTensor::new("embed", Dtype::BF16, &[count / 10, 10], bytes(1)),
        SyntheticTensor::new("mlp", Dtype::BF16, &[count], bytes(2)),
        // Of another shape, but with the same bytes.
        SyntheticTensor::new("lm_head", Dtype::BF16, &[10, count / 10], bytes(1)),
        // Of another type, so that they are other numbers.
        SyntheticTensor::new("half", Dtype::F16, &[count], bytes(1)),
        SyntheticTensor::new("random", Dtype::U8, &[4000], random.clone()),
        SyntheticTensor::new("random again", Dtype::U8, &[4000], random),
        SyntheticTensor::new("nothing", Dtype::BF16, &[0], Vec::new()),
        SyntheticTensor::new("nothing again", Dtype::BF16, &[0], Vec::new()),
    ]
}

#[test]
fn a_tensor_that_is_there_twice_is_stored_once() {
    let folder = folder();
    for count in [200, 20_000, 600_000] {
        let all = tied(count);
        let (twice, once): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|tensor| tensor.name == "lm_head");
        let _ = assert_comes_back(&file(&all));
        let sizes = [&all, &once].map(|tensors| {
            for options in
                [CompressOptions::default(), CompressOptions { aim: crate::Aim::Size, ..Default::default() }]
            {
                let _ = assert_comes_back_with(&file(tensors), options);
            }
            fs::metadata(compressed_with(folder.path(), &file(tensors), CompressOptions::default()))
                .unwrap()
                .len()
        });
        let more = sizes[0] - sizes[1];
        assert!(more < 600, "{count}: {more} bytes more for {} that are there", twice[0].bytes.len());

        let path = compressed_with(folder.path(), &file(&all), CompressOptions::default());
        let opened = CompressedFile::open(&path).unwrap();
        let (first, second) = (opened.tensor("embed").unwrap(), opened.tensor("lm_head").unwrap());
        assert!(second.is_repeat() && !first.is_repeat() && second.stored_bytes() == 0);
        assert_eq!(second.shape(), [10, count / 10]);
        assert!(first.decode().unwrap() == second.decode().unwrap());
        assert!(opened.damage(&()).unwrap().is_none());
        let report = decompress_partial(&path, &folder.path().join("back"), true, &()).unwrap();
        assert!(report.is_whole() && fs::read(folder.path().join("back")).unwrap() == file(&all));
    }
}

#[test]
fn damage_is_that_of_all_tensors_that_share_it() {
    let folder = folder();
    let path = compressed_with(folder.path(), &file(&tied(600_000)), CompressOptions::default());
    let mut bytes = fs::read(&path).unwrap();
    let rows = {
        let header = crate::header::Header::of_file(&bytes).unwrap();
        let rows = header.tensors.iter().find(|tensor| tensor.name.starts_with("embed.")).unwrap().clone();
        usize::try_from(header.data_start() + rows.begin + 1000).unwrap()
    };
    bytes[rows] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damage = CompressedFile::open_damaged(&path).unwrap().damage(&()).unwrap();
    let names: Vec<&str> = damage.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["embed", "lm_head"]);
}

#[test]
fn a_repeat_of_what_is_not_there_or_not_alike_is_refused() {
    let folder = folder();
    let path = compressed_with(folder.path(), &file(&tied(600_000)[..3]), CompressOptions::default());
    let whole = fs::read(&path).unwrap();
    for (from, to) in [
        (r#"\"same_as\":\"embed\""#, r#"\"same_as\":\"other\""#),
        (r#"\"name\":\"lm_head\",\"dtype\":\"BF16\""#, r#"\"name\":\"lm_head\",\"dtype\":\"F16 \""#),
        (r#"\"shape\":[10,60000]"#, r#"\"shape\":[10,60001]"#),
    ] {
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut changed = whole.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        fs::write(&path, changed).unwrap();
        let error = CompressedFile::open(&sealed(path.clone())).unwrap_err();
        assert!(matches!(&error, Error::Container { problem, .. } if problem.contains("lm_head")), "{error}");
        let damaged = CompressedFile::open_damaged(&path).unwrap();
        assert!(damaged.unknown()[0].is_damaged && damaged.unknown()[0].name == "lm_head");
    }
}
