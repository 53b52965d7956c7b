//! Sharded models.

use super::*;

const INDEX: &str = "model.safetensors.index.json";

/// A folder with two shards, their index, and other files.
fn sharded(root: &Path) -> PathBuf {
    let model = root.join("model");
    fs::create_dir_all(model.join("tokenizer/deep")).unwrap();
    let shard = |seed: u64| {
        let tensors = [fp8(&format!("layer.{seed}"), &[50_000], weights(seed, 50_000))];
        safetensors_bytes(&[], &tensors).unwrap()
    };
    fs::write(model.join("model-00001-of-00002.safetensors"), shard(1)).unwrap();
    fs::write(model.join("model-00002-of-00002.safetensors"), shard(2)).unwrap();
    let index = serde_json::json!({"metadata": {"total_size": 100_000}, "weight_map": {
        "layer.1": "model-00001-of-00002.safetensors", "layer.2": "model-00002-of-00002.safetensors"}});
    fs::write(model.join(INDEX), index.to_string()).unwrap();
    fs::write(model.join("config.json"), "{}").unwrap();
    fs::write(model.join("tokenizer/deep/vocab.txt"), "a b").unwrap();
    model
}

fn attempt(input: &Path, output: &Path) -> Result<Report> {
    compress(input, output, &CompressOptions::default(), &())
}

#[test]
fn a_sharded_model_comes_back_file_by_file() {
    let root = folder();
    let model = sharded(root.path());
    let (packed, back) = (root.path().join("packed"), root.path().join("back"));
    let report = attempt(&model, &packed).unwrap();
    assert_eq!(report.files.len(), 2);
    assert_eq!(report.copied, ["config.json", INDEX, "tokenizer/deep/vocab.txt"]);
    assert!(report.output_bytes() < report.input_bytes());

    let opened = CompressedModel::open(&packed).unwrap();
    assert_eq!(opened.name_of(&opened.files[1]), Path::new("model-00002-of-00002.safetensors"));
    verify_against(&opened, &model, &()).unwrap();
    let inspection = inspect(&opened);
    assert_eq!(inspection.file_bytes, report.output_bytes());
    assert_eq!(inspection.file_original_bytes, report.input_bytes());

    decompress(&packed, &back, false, &()).unwrap();
    for name in list_files(&model) {
        assert!(
            fs::read(model.join(&name)).unwrap() == fs::read(back.join(&name)).unwrap(),
            "{}",
            name.display()
        );
    }
    assert_eq!(list_files(&model), list_files(&back));
    assert_eq!(names_in(root.path()), ["back", "model", "packed"]);
}

#[test]
fn a_tuning_cache_made_beside_the_compressed_weights_is_not_restored_and_any_other_file_is() {
    let root = folder();
    let model = sharded(root.path());
    let own = "model-00001-of-00002.tuning.json";
    // The original has files of such names that are something else.
    fs::write(model.join("model-00002-of-00002.tuning.json"), r#"{"learning_rate": 0.1}"#).unwrap();
    let (packed, back) = (root.path().join("packed"), root.path().join("back"));
    attempt(&model, &packed).unwrap();
    let record = r#"{"checksum": "0", "record": {"fingerprint": {}, "problem": {}}}"#;
    for name in [own, "model.tuning.json", "config.tuning.json"] {
        fs::write(packed.join(name), format!(r#"{{"schema": 1, "records": [{record}]}}"#)).unwrap();
    }
    let report = decompress(&packed, &back, false, &()).unwrap();
    assert_eq!(report.skipped, [own, "model.tuning.json"]);
    let mut expected = list_files(&model);
    expected.push(PathBuf::from("config.tuning.json"));
    expected.sort();
    assert_eq!(list_files(&back), expected);
}

pub(super) fn list_files(folder: &Path) -> Vec<PathBuf> {
    let listing = super::super::folder::Listing::of(folder).unwrap();
    listing.files.into_iter().map(|found| found.name).collect()
}

#[test]
fn one_bad_shard_fails_all_and_leaves_nothing() {
    let root = folder();
    let model = sharded(root.path());
    let shard = model.join("model-00002-of-00002.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    let error = attempt(&model, &root.path().join("packed")).unwrap_err().to_string();
    assert!(error.contains("model-00002-of-00002.safetensors") && error.contains("`layer.2`"), "{error}");
    assert_eq!(names_in(root.path()), ["model"]);
}

#[test]
fn a_shard_that_the_index_names_must_be_there() {
    let root = folder();
    let model = sharded(root.path());
    let packed = root.path().join("packed");
    attempt(&model, &packed).unwrap();
    for folder in [&model, &packed] {
        fs::remove_file(folder.join("model-00001-of-00002.safetensors")).unwrap();
    }
    let missing = |error: Error| {
        let text = error.to_string();
        assert!(
            error.is_data_error() && text.contains(INDEX) && text.contains("model-00001-of-00002"),
            "{text}"
        );
    };
    missing(attempt(&model, &root.path().join("other")).unwrap_err());
    missing(CompressedModel::open(&packed).unwrap_err());
    missing(decompress(&packed, &root.path().join("back"), false, &()).unwrap_err());
    fs::write(model.join(INDEX), "[]").unwrap();
    assert!(matches!(attempt(&model, &root.path().join("other")), Err(Error::Index { .. })));
    assert_eq!(names_in(root.path()), ["model", "packed"]);
}

#[test]
fn a_shard_that_the_container_lacks_is_a_difference() {
    let root = folder();
    let model = sharded(root.path());
    let packed = root.path().join("packed");
    attempt(&model, &packed).unwrap();
    fs::copy(model.join("model-00001-of-00002.safetensors"), model.join("extra.safetensors")).unwrap();
    let error =
        verify_against(&CompressedModel::open(&packed).unwrap(), &model, &()).unwrap_err().to_string();
    assert!(error.ends_with("extra.safetensors is missing"), "{error}");
}

#[test]
fn folders_do_not_mix_with_their_outputs() {
    let root = folder();
    let model = sharded(root.path());
    let within = attempt(&model, &model.join("packed")).unwrap_err();
    assert!(matches!(within, Error::OutputIsInput { how: "lies within the input", .. }), "{within}");
    let same = attempt(&model, &model).unwrap_err();
    assert!(matches!(same, Error::OutputIsInput { .. }), "{same}");
    let around = attempt(&model, root.path()).unwrap_err();
    assert!(matches!(around, Error::OutputIsInput { how: "contains the input", .. }), "{around}");
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(attempt(&empty, &root.path().join("out")), Err(Error::NoModel { .. })));
    attempt(&model, &empty).unwrap();
    assert!(matches!(attempt(&model, &empty), Err(Error::OutputExists { .. })));
    let replaced = CompressOptions { overwrite: true, ..CompressOptions::default() };
    fs::write(empty.join("stale"), "").unwrap();
    compress(&model, &empty, &replaced, &()).unwrap();
    assert!(!empty.join("stale").exists() && CompressedModel::open(&empty).is_ok());
    assert_eq!(names_in(root.path()), ["empty", "model"]);
}

#[test]
fn a_configuration_that_names_ecf8_is_undone_and_no_other_change_is() {
    let folder = tempfile::tempdir().unwrap();
    let [input, packed, back] = ["in", "packed", "back"].map(|name| folder.path().join(name));
    fs::create_dir(&input).unwrap();
    let tensors = [fp8("w", &[5000], weights(1, 5000))];
    fs::write(input.join("model.safetensors"), safetensors_bytes(&[], &tensors).unwrap()).unwrap();
    let options = CompressOptions { for_transformers: true, ..CompressOptions::default() };
    let error = compress(&input, &packed, &options, &()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    // As people write it, which no serialiser would.
    let text = "{ \"architectures\" : [\"L\"],\n\t\"quantization_config\": {\"quant_method\": \"fp8\", \"x\": 1e-05} }\r\n";
    fs::write(input.join("config.json"), "[]").unwrap();
    let error = compress(&input, &packed, &options, &()).unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
    fs::write(input.join("config.json"), text).unwrap();
    let error = compress(&input.join("model.safetensors"), &packed, &options, &()).unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
    compress(&input, &packed, &options, &()).unwrap();
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(packed.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["quantization_config"]["quant_method"], "ecf8");
    assert_eq!(config["quantization_config"]["inner"]["quant_method"], "fp8");
    let model = CompressedModel::open(&packed).unwrap();
    assert_eq!(model.check_other_files(&()).unwrap().checked, 1);
    decompress(&packed, &back, false, &()).unwrap();
    assert_eq!(fs::read_to_string(back.join("config.json")).unwrap(), text);

    // Anything else than what was there before is a change.
    let other = config.to_string().replace("fp8", "fp4");
    fs::write(packed.join("config.json"), other).unwrap();
    let error = decompress(&packed, &back, true, &()).unwrap_err();
    assert!(matches!(error, Error::OtherFile { .. }), "{error}");
    let found = CompressedModel::open(&packed).unwrap().check_other_files(&()).unwrap();
    assert!(matches!(&*found.damaged, [Error::OtherFile { .. }]), "{found:?}");
}
