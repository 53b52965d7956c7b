//! A folder compressed by several processes.

use super::folders::list_files;
use super::*;

/// A model of five files of different sizes, one of them in a folder.
fn model(root: &Path) -> PathBuf {
    let model = root.join("model");
    fs::create_dir_all(model.join("part")).unwrap();
    for (index, elements) in [60_000usize, 50_000, 40_000, 30_000, 20_000].into_iter().enumerate() {
        let tensor = fp8("w", &[elements as u64], weights(index as u64, elements));
        let name = if index == 3 { "part/d.safetensors".to_owned() } else { format!("{index}.safetensors") };
        fs::write(model.join(name), safetensors_bytes(&[], &[tensor]).unwrap()).unwrap();
    }
    fs::write(model.join("config.json"), "{}").unwrap();
    model
}

fn share(text: &str) -> Share {
    text.parse().unwrap()
}

fn take(model: &Path, output: &Path, text: &str) -> Result<Report> {
    compress_share(model, output, share(text), &CompressOptions::default(), &())
}

#[test]
fn shares_are_put_together_to_what_one_process_gives() {
    let root = folder();
    let model = model(root.path());
    let (whole, shared) = (root.path().join("whole"), root.path().join("shared"));
    compress(&model, &whole, &CompressOptions::default(), &()).unwrap();
    let reports: Vec<Report> = (0..3).map(|i| take(&model, &shared, &format!("{i}/3")).unwrap()).collect();
    // The largest file, and then by turns to whoever has least.
    let names = |report: &Report| report.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&reports[0]), ["0.safetensors"]);
    assert_eq!(names(&reports[1]), ["1.safetensors", "4.safetensors"]);
    assert_eq!(names(&reports[2]), ["2.safetensors", "part/d.safetensors"]);
    assert!(!shared.exists());
    let merged = merge(&model, &shared, &CompressOptions::default(), &()).unwrap();
    assert_eq!((merged.files.len(), merged.copied.len()), (5, 1));
    assert_eq!(list_files(&whole), list_files(&shared));
    for name in list_files(&whole) {
        assert!(fs::read(whole.join(&name)).unwrap() == fs::read(shared.join(&name)).unwrap(), "{name:?}");
    }
    assert_eq!(names_in(root.path()), ["model", "shared", "whole"]);
}

#[test]
fn a_share_goes_on_and_a_merge_waits_for_all() {
    let root = folder();
    let model = model(root.path());
    let output = root.path().join("out");
    take(&model, &output, "0/2").unwrap();
    let parts = root.path().join("out.parts");
    let first = parts.join("0.safetensors");
    let before = fs::metadata(&first).unwrap().modified().unwrap();
    let error = merge(&model, &output, &CompressOptions::default(), &()).unwrap_err();
    assert!(matches!(&error, Error::MissingPart { path } if path.starts_with(&parts)), "{error}");
    assert!(!output.exists());
    // What is there is not made again.
    take(&model, &output, "0/1").unwrap();
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), before);
    // A part of another original is found, and nothing is lost.
    let other = fp8("w", &[60_000], weights(77, 60_000));
    fs::write(model.join("0.safetensors"), safetensors_bytes(&[], &[other]).unwrap()).unwrap();
    let error = merge(&model, &output, &CompressOptions::default(), &()).unwrap_err();
    assert!(matches!(error, Error::Differs { .. }), "{error}");
    assert_eq!(names_in(root.path()), ["model", "out.parts"]);
    fs::remove_file(&first).unwrap();
    take(&model, &output, "0/1").unwrap();
    merge(&model, &output, &CompressOptions::default(), &()).unwrap();
    let opened = CompressedModel::open(&output).unwrap();
    verify_against(&opened, &model, &()).unwrap();
}

#[test]
fn a_part_of_another_length_is_named_at_once() {
    let root = folder();
    let model = model(root.path());
    let output = root.path().join("out");
    take(&model, &output, "0/1").unwrap();
    let longer = fp8("w", &[70_000], weights(77, 70_000));
    fs::write(model.join("0.safetensors"), safetensors_bytes(&[], &[longer]).unwrap()).unwrap();
    let error = take(&model, &output, "0/1").unwrap_err();
    assert!(
        error.to_string().contains("out.parts/0.safetensors") && error.to_string().contains("remove it"),
        "{error}"
    );
    let file = model.join("1.safetensors");
    assert!(matches!(take(&file, &output, "0/1").unwrap_err(), Error::NoShares { .. }));
}

#[test]
fn a_share_is_one_of_those_that_there_are() {
    assert_eq!(share("3/4"), share("03/4"));
    for (text, why) in
        [("4/4", "0 to 3"), ("0/0", "no shares"), ("1", "I/N"), ("-1/4", "I/N"), ("a/b", "I/N")]
    {
        let error = text.parse::<Share>().unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}
