//! Sharded models: folders go in, the same folders come out, and whatever is missing or too many is named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Scratch, file, weights};
use serde_json::json;

const INDEX: &str = "model.safetensors.index.json";
const SHARDS: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

/// A folder `model` with two shards, their index, and files and folders of other kinds.
fn sharded() -> Scratch {
    let scratch = Scratch::new();
    for (shard, layer) in SHARDS.iter().zip(0..) {
        let tensors = [0, 1].map(|i| weights(&format!("layers.{layer}.{i}.weight"), 2 * layer + i, 20_000));
        scratch.write(&format!("model/{shard}"), file(&tensors));
    }
    let place = |layer: usize| (format!("layers.{layer}.0.weight"), json!(SHARDS[layer]));
    let map: serde_json::Map<_, _> = [0, 1].map(place).into_iter().collect();
    scratch.write(
        &format!("model/{INDEX}"),
        json!({"metadata": {"total_size": 80_000}, "weight_map": map}).to_string(),
    );
    scratch.write("model/config.json", "{}");
    scratch.write("model/empty", "");
    scratch.write("model/tokenizer/deep/vocab.txt", "a b");
    scratch.write("model/draft/model.safetensors", file(&[weights("draft.weight", 9, 9000)]));
    scratch
}

#[test]
fn a_sharded_model_comes_back_file_by_file() {
    let scratch = sharded();
    let inspection = scratch.round_trip("model");
    let files: Vec<&str> =
        inspection["tensors"].as_array().unwrap().iter().map(|t| t["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["draft/model.safetensors", SHARDS[0], SHARDS[0], SHARDS[1], SHARDS[1]]);
    let report = scratch.ecf8("compress model/ -o again/ --scheme exponent-gap --json").json();
    assert_eq!(report["copied"], json!(["config.json", "empty", INDEX, "tokenizer/deep/vocab.txt"]));
    assert_eq!(report["files"].as_array().unwrap().len(), 3);
    assert_eq!(report["output_bytes"], inspection["file_bytes"]);
}

#[test]
#[cfg(unix)]
fn links_to_files_and_folders_are_followed_unless_they_lead_nowhere_or_back() {
    use std::os::unix::fs::symlink;
    let scratch = sharded();
    scratch.write("blobs/shard", scratch.read(&format!("model/{}", SHARDS[0])));
    std::fs::remove_file(scratch.path("model").join(SHARDS[0])).unwrap();
    symlink("../blobs/shard", scratch.path("model").join(SHARDS[0])).unwrap();
    let _ = scratch.ecf8("compress model -o packed").answer();
    let _ = scratch.ecf8("decompress packed -o back").answer();
    assert!(scratch.read(&format!("back/{}", SHARDS[0])) == scratch.read("blobs/shard"));
    let _ = scratch.ecf8("verify packed --against model").answer();

    // A linked folder is a part of the model like any other, unless it leads back.
    scratch.write("shared/vocab.txt", "words");
    symlink("../shared", scratch.path("model/vocabulary")).unwrap();
    let _ = scratch.ecf8("compress model -o packed --force").answer();
    assert_eq!(scratch.read("packed/vocabulary/vocab.txt"), b"words");
    let _ = scratch.ecf8("verify packed --against model").answer();

    symlink("..", scratch.path("model/parent")).unwrap();
    scratch.refuses("compress model -o other", 2, &["model/parent", "link to a folder that it lies in"]);
    std::fs::remove_file(scratch.path("model/parent")).unwrap();
    symlink("nowhere", scratch.path("model/broken")).unwrap();
    scratch.refuses("compress model -o other", 2, &["model/broken", "a link to nowhere, which is not there"]);
}

#[test]
fn one_bad_file_fails_all_and_leaves_nothing() {
    let scratch = sharded();
    let shard = format!("model/{}", SHARDS[1]);
    let good = scratch.read(&shard);
    scratch.write(&shard, &good[..good.len() - 1]);
    scratch.refuses("compress model -o packed", 1, &[SHARDS[1], "`layers.1.1.weight`", "fetch it again"]);
    scratch.write(&shard, &good);

    let _ = scratch.ecf8("compress model -o packed --scheme exponent-gap").answer();
    let shard = format!("packed/{}", SHARDS[1]);
    let mut bad = scratch.read(&shard);
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    scratch.write(&shard, bad);
    scratch.refuses("decompress packed -o back", 1, &[SHARDS[1], "`layers.1.", "damaged"]);
    scratch.finds("verify packed", 1, &[SHARDS[1], "`layers.1.", "damaged", "decompress --partial packed"]);
}

#[test]
fn a_shard_that_the_index_names_must_be_there() {
    let scratch = sharded();
    let _ = scratch.ecf8("compress model -o packed").answer();
    for folder in ["model", "packed"] {
        std::fs::remove_file(scratch.path(folder).join(SHARDS[0])).unwrap();
    }
    for line in ["compress model -o x", "decompress packed -o x", "verify packed", "inspect packed"] {
        scratch.refuses(line, 1, &[INDEX, SHARDS[0], "fetch it"]);
    }
    for broken in ["", "[]", r#"{"weight_map":3}"#, r#"{"weight_map":{"a":["b"]}}"#] {
        scratch.write(&format!("model/{INDEX}"), broken);
        scratch.refuses("compress model -o x", 1, &[INDEX, "not a model index", "fetch it again"]);
    }
}

#[test]
fn folders_that_are_no_model_are_told_apart() {
    let scratch = sharded();
    scratch.write("other/readme.txt", "no weights here");
    std::fs::create_dir(scratch.path("empty")).unwrap();
    for folder in ["other", "empty"] {
        for line in [
            format!("compress {folder} -o x"),
            format!("decompress {folder} -o x"),
            format!("verify {folder}"),
        ] {
            scratch.refuses(&line, 2, &[folder, "no .safetensors file"]);
        }
    }
    // A folder that is not compressed, or is already, or is partly.
    scratch.refuses("verify model", 2, &["model/", "not compressed by ecf8"]);
    scratch.refuses("decompress model -o x", 2, &["model/", "not compressed by ecf8"]);
    let _ = scratch.ecf8("compress model -o packed").answer();
    scratch.refuses("compress packed -o x", 2, &["packed/", "compressed already"]);
    scratch.write("packed/plain.safetensors", scratch.read("model/draft/model.safetensors"));
    scratch.refuses("verify packed", 2, &["packed/plain.safetensors", "not compressed by ecf8"]);
}

#[test]
fn outputs_and_inputs_do_not_nest() {
    let scratch = sharded();
    for output in ["model/packed", "model/tokenizer/packed", "model/../model/x"] {
        scratch.refuses(
            &format!("compress model -o {output}"),
            2,
            &[output, "lies within", "choose another"],
        );
    }
    for line in ["compress model -o model", "compress model -o ./model/", "compress model -o model --force"] {
        scratch.refuses(line, 2, &["model", "is the input"]);
    }
    scratch.refuses("compress model/draft -o model --force", 2, &["model", "contains the input"]);
    scratch.refuses("compress model -o model/config.json --force", 2, &["model/config.json"]);
}

#[test]
fn a_full_folder_is_replaced_only_on_request_and_an_empty_one_always() {
    let scratch = sharded();
    scratch.write("packed/precious", "data");
    scratch.refuses("compress model -o packed", 2, &["packed exists already"]);
    let _ = scratch.ecf8("compress model -o packed --force").answer();
    assert!(!scratch.path("packed/precious").exists());
    std::fs::create_dir(scratch.path("back")).unwrap();
    let _ = scratch.ecf8("decompress packed -o back").answer();
    let _ = scratch.ecf8("verify packed --against back").answer();
    // A folder does not replace a file, nor a file a folder.
    scratch.write("file", "data");
    scratch.refuses("compress model -o file --force", 2, &["file exists already"]);
    scratch.refuses("compress model/draft/model.safetensors -o back --force", 2, &["back exists already"]);
}

#[test]
fn comparing_notices_any_missing_changed_or_extra_file() {
    let scratch = sharded();
    let _ = scratch.ecf8("compress model -o packed").answer();
    let same = scratch.contents();
    let line = "verify packed --against model";
    let _ = scratch.ecf8(line).answer();
    let differs = |name: &str, bytes: Option<&[u8]>, words: &[&str]| {
        let before = scratch.path(name).exists().then(|| scratch.read(name));
        match bytes {
            Some(bytes) => scratch.write(name, bytes),
            None => std::fs::remove_file(scratch.path(name)).unwrap(),
        }
        scratch.refuses(line, 1, &[&["packed differs from model"], words].concat());
        match before {
            Some(bytes) => scratch.write(name, bytes),
            None => std::fs::remove_file(scratch.path(name)).unwrap(),
        }
        scratch.assert_unchanged(&same, "the test itself");
    };
    differs("model/config.json", Some(b"{ }"), &["config.json from its byte 1 on"]);
    differs("model/config.json", None, &["the original has no config.json"]);
    differs("model/extra.bin", Some(b"1"), &["extra.bin is missing"]);
    differs("packed/notes.txt", Some(b"1"), &["the original has no notes.txt"]);
    differs("model/draft/model.safetensors", None, &["the original has no draft/model.safetensors"]);

    // What is wrong with the packed folder by itself is told first.
    let vocabulary = scratch.read("packed/tokenizer/deep/vocab.txt");
    std::fs::remove_file(scratch.path("packed/tokenizer/deep/vocab.txt")).unwrap();
    scratch.refuses(line, 1, &["packed/tokenizer/deep/vocab.txt is missing, which was there when"]);
    scratch.write("packed/tokenizer/deep/vocab.txt", vocabulary);

    let shard = format!("model/{}", SHARDS[0]);
    let mut changed = scratch.read(&shard);
    let last = changed.len() - 1;
    changed[last] ^= 1;
    scratch.write(&shard, changed);
    scratch.refuses(line, 1, &[SHARDS[0], "tensor `layers.0.1.weight`, from its byte 19999 on"]);
    // A file is not compared with a folder, nor a folder with a file.
    scratch.refuses("verify packed --against model/config.json", 2, &["model/config.json"]);
    scratch.refuses(
        &format!("verify packed/{} --against model", SHARDS[0]),
        2,
        &["model is not a regular file"],
    );
    scratch.refuses("verify packed --against nowhere", 2, &["nowhere", "check the path"]);
}
