//! Folders as people have them: indices left over, hidden files, hub caches, other files that change, empty folders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Scratch, contents, file, sample, weights};
use serde_json::json;
use std::fs;

const LIST: &str = "packed/ecf8.files.json";

fn index(shards: &[&str]) -> String {
    let map: serde_json::Map<_, _> =
        shards.iter().enumerate().map(|(i, shard)| (format!("t{i}"), json!(shard))).collect();
    json!({"weight_map": map}).to_string()
}

/// A folder `model` with whole weights and other files.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("model/model.safetensors", sample());
    scratch.write("model/config.json", "{}");
    scratch.write("model/tokenizer.json", r#"{"vocab":{"a":1}}"#);
    scratch
}

/// Compresses, verifies and restores `model`; gives what was said on standard error when it was compressed.
fn round_trip(scratch: &Scratch, options: &str) -> String {
    let said = scratch.ecf8(&format!("compress model -o packed --force{options}"));
    assert_eq!(said.status, Some(0), "{said:?}");
    for line in ["verify packed --against model", "decompress packed -o back --force"] {
        let said = scratch.ecf8(line);
        assert_eq!(said.status, Some(0), "{line}: {said:?}");
    }
    assert!(contents(&scratch.path("model")) == contents(&scratch.path("back")), "not the same folder");
    said.stderr
}

#[test]
fn an_index_that_is_left_over_beside_whole_weights_is_told_and_no_obstacle() {
    let scratch = scratch();
    let forms = [
        ("model/model.safetensors.index.json", "model/model.safetensors"),
        ("model/model.safetensors.index.fp16.json", "model/model.fp16.safetensors"),
        ("model/unet/d.fp16.safetensors.index.json", "model/unet/d.fp16.safetensors"),
    ];
    for (name, whole) in forms {
        scratch.write(whole, sample());
        scratch.write(name, index(&["gone-00001-of-00002.safetensors", "gone-00002-of-00002.safetensors"]));
        let said = round_trip(&scratch, "");
        assert!(said.contains(name) && said.contains("gone-00001") && said.contains("and 1 more"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        fs::remove_file(scratch.path(name)).unwrap();
    }
    scratch.write("model/model.safetensors.index.json", "no JSON");
    round_trip(&scratch, "");
}

#[test]
fn a_shard_that_is_missing_is_noticed_in_every_form_of_index() {
    let scratch = scratch();
    let names = [
        "model/model-x.safetensors.index.json",
        "model/m.safetensors.index.fp16.json",
        "model/sub/m.fp16.safetensors.index.json",
    ];
    for name in names {
        scratch.write(name, index(&["./model-00001-of-00002.safetensors"]));
        scratch.refuses("compress model -o x", 1, &[name, "model-00001-of-00002", "--allow-missing-shards"]);
        let said = round_trip(&scratch, " --allow-missing-shards");
        assert_eq!(said, "", "{said}");
        fs::remove_file(scratch.path(name)).unwrap();
    }
    // Paths may be written with dots, and lead to subfolders.
    scratch
        .write("model/m.safetensors.index.json", index(&["./model.safetensors", "sub/../sub/b.safetensors"]));
    scratch.write("model/sub/b.safetensors", sample());
    round_trip(&scratch, "");
}

#[test]
fn shards_whose_numbers_leave_gaps_are_told_where_no_index_says_more() {
    let scratch = scratch();
    scratch.write("model/w-00002-of-00003.safetensors", sample());
    let said = round_trip(&scratch, "");
    assert!(said.contains("of the 3 shards w-*-of-00003.safetensors only 1"), "{said}");
}

#[test]
fn other_files_that_change_or_go_missing_are_noticed() {
    let scratch = scratch();
    let _ = scratch.ecf8("compress model -o packed").answer();
    let verify = scratch.ecf8("verify packed").answer();
    assert!(verify.contains("2 other files are as they were"), "{verify}");
    let json = scratch.ecf8("verify packed --json").json();
    assert_eq!(json["other_files"], json!({"checked": 2, "unknown": []}));

    scratch.write("packed/tokenizer.json", r#"{"vocab":{"b":1}}"#);
    for line in ["verify packed", "decompress packed -o back"] {
        scratch.refuses(line, 1, &["packed/tokenizer.json is not what it was", "checksum"]);
    }
    fs::remove_file(scratch.path("packed/tokenizer.json")).unwrap();
    for line in ["verify packed", "decompress packed -o back"] {
        scratch.refuses(line, 1, &["packed/tokenizer.json is missing"]);
    }
    scratch.write("packed/tokenizer.json", scratch.read("model/tokenizer.json"));
    fs::rename(scratch.path("packed/model.safetensors"), scratch.path("packed/renamed.safetensors")).unwrap();
    for line in ["verify packed", "decompress packed -o back"] {
        scratch.refuses(line, 1, &["packed/model.safetensors is missing"]);
    }
    // Whoever means the change goes without the list.
    fs::remove_file(scratch.path(LIST)).unwrap();
    let verify = scratch.ecf8("verify packed").answer();
    assert!(verify.contains("not checked") && verify.contains("config.json, tokenizer.json"), "{verify}");
    let _ = scratch.ecf8("decompress packed -o back").answer();
}

#[test]
fn files_that_came_later_are_told() {
    let scratch = scratch();
    let _ = scratch.ecf8("compress model -o packed").answer();
    scratch.write("packed/README.md", "about the weights");
    let verify = scratch.ecf8("verify packed").answer();
    assert!(verify.contains("not checked, no checksum is known: README.md"), "{verify}");
    let answer = scratch.ecf8("decompress packed -o back").answer();
    assert!(answer.contains("no checksum is known of: README.md"), "{answer}");
}

#[test]
fn empty_folders_are_kept_even_where_the_compressed_folder_lost_them() {
    let scratch = scratch();
    fs::create_dir_all(scratch.path("model/logs/deep")).unwrap();
    round_trip(&scratch, "");
    // As after an upload to a hub, which knows files only.
    fs::remove_dir_all(scratch.path("packed/logs")).unwrap();
    let _ = scratch.ecf8("verify packed --against model").answer();
    let _ = scratch.ecf8("decompress packed -o back --force").answer();
    assert!(scratch.path("back/logs/deep").is_dir());
    fs::create_dir(scratch.path("model/more")).unwrap();
    scratch.refuses("verify packed --against model", 1, &["empty folder more is missing"]);
}

#[test]
fn a_list_that_lies_is_refused_and_writes_nothing_outside() {
    let scratch = scratch();
    let _ = scratch.ecf8("compress model -o packed").answer();
    let good: serde_json::Value = serde_json::from_slice(&scratch.read(LIST)).unwrap();
    let edits: [(&str, serde_json::Value, &str); 7] = [
        ("empty_folders", json!(["../evil"]), "outside the folder"),
        ("empty_folders", json!(["/tmp/evil"]), "outside the folder"),
        ("containers", json!(["a/../../b"]), "outside the folder"),
        (
            "files",
            json!([{"name": "../x", "bytes": 1, "checksum": "0000000000000000"}]),
            "outside the folder",
        ),
        ("files", json!([{"name": "config.json", "bytes": 2, "checksum": "xyz"}]), "16 hexadecimal digits"),
        ("files", json!(3), "is not a list of files"),
        ("ecf8_files", json!(99), "version 99"),
    ];
    for (key, value, words) in edits {
        let mut list = good.clone();
        list[key] = value;
        scratch.write(LIST, list.to_string());
        for line in ["verify packed", "decompress packed -o back", "inspect packed"] {
            let before = scratch.contents();
            let said = scratch.ecf8(line);
            assert!(matches!(said.status, Some(1 | 2)) && said.stderr.contains(words), "{line}: {said:?}");
            scratch.assert_unchanged(&before, line);
        }
    }
    scratch.write(LIST, "");
    scratch.refuses("verify packed", 1, &["ecf8.files.json", "remove it to go without its checks"]);
}

#[test]
fn a_model_with_files_of_the_lists_own_name_comes_back() {
    let scratch = scratch();
    scratch.write("model/ecf8.files.json", "mine");
    scratch.write("model/ecf8.files~~.json", "mine, too");
    round_trip(&scratch, "");
    assert!(scratch.path("packed/ecf8.files~~~.json").exists());
}

#[test]
fn what_hides_beside_weights_under_their_name_is_copied() {
    let scratch = scratch();
    scratch.write("model/._model.safetensors", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ");
    scratch.write("model/.ipynb_checkpoints/m.safetensors", "");
    scratch.write("model/__MACOSX/._model.sft", b"\0\x05\x16\x07");
    let said = round_trip(&scratch, "");
    assert_eq!(said.matches("hidden and no safetensors file").count(), 3, "{said}");
    // Weights that are hidden are weights.
    scratch.write("model/.hidden/w.safetensors", file(&[weights("w", 1, 50_000)]));
    round_trip(&scratch, "");
    assert!(scratch.read("packed/.hidden/w.safetensors").len() < 50_000);
    // What is not hidden is meant to be weights.
    scratch.write("other/zip.safetensors", b"PK\x03\x04");
    scratch.refuses("compress other -o x", 1, &["other/zip.safetensors", "a zip archive"]);
}

#[test]
fn other_extensions_of_safetensors_are_weights_too() {
    let scratch = scratch();
    for name in ["ae.sft", "B.SAFETENSORS", "c.Safetensors"] {
        scratch.write(&format!("model/{name}"), file(&[weights("w", 1, 50_000)]));
    }
    round_trip(&scratch, "");
    let report = scratch.ecf8("compress model -o again --json").json();
    assert_eq!(report["files"].as_array().unwrap().len(), 4, "{report}");
    assert_eq!(report["copied"], json!(["config.json", "tokenizer.json"]));
}

#[test]
fn files_that_are_copied_are_counted_and_named() {
    let scratch = scratch();
    scratch.write("model/pytorch_model.bin", vec![7; 12_345]);
    let answer = scratch.ecf8("compress model -o packed").answer();
    assert!(answer.contains("3 other files (12,364 bytes) copied as they are"), "{answer}");
    assert!(answer.contains("pytorch_model.bin"), "{answer}");
}

#[test]
#[cfg(unix)]
fn of_an_entry_of_a_hubs_cache_the_snapshot_is_taken() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    scratch.write("models--org--m/blobs/aaaa", sample());
    let link = |commit: &str| {
        let folder = scratch.path(&format!("models--org--m/snapshots/{commit}"));
        fs::create_dir_all(&folder).unwrap();
        symlink("../../blobs/aaaa", folder.join("model.safetensors")).unwrap();
    };
    link("0123");
    let said = scratch.ecf8("compress models--org--m -o packed");
    assert!(said.status == Some(0) && said.stderr.contains("snapshots/0123"), "{said:?}");
    assert!(!scratch.path("packed/blobs").exists() && scratch.path("packed/model.safetensors").exists());
    let said = scratch.ecf8("verify packed --against models--org--m");
    assert_eq!(said.status, Some(0), "{said:?}");
    link("4567");
    scratch.refuses("compress models--org--m -o x", 2, &["several snapshots", "give one of those in"]);
    scratch.write("models--org--m/refs/main", "4567");
    let said = scratch.ecf8("compress models--org--m -o packed --force");
    assert!(said.status == Some(0) && said.stderr.contains("snapshots/4567"), "{said:?}");
}

#[test]
#[cfg(unix)]
fn names_that_are_no_text_are_listed_and_come_back() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = scratch();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    fs::write(scratch.path("model").join(name), "latin").unwrap();
    round_trip(&scratch, "");
    fs::write(scratch.path("packed").join(name), "LATIN").unwrap();
    scratch.refuses("verify packed", 1, &["is not what it was"]);
}

#[test]
#[cfg(unix)]
fn what_is_no_file_in_a_folder_is_named_for_what_it_is() {
    let scratch = scratch();
    let pipe = scratch.path("model/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let said = scratch.ecf8("compress model -o packed");
    said.refuses(2, &["model/pipe is a pipe", "move it out"]);
}

#[test]
fn a_job_array_compresses_a_folder_share_by_share_and_merge_puts_it_together() {
    let scratch = scratch();
    for name in ["a", "b", "c"] {
        scratch.write(&format!("model/deep/{name}.safetensors"), file(&[weights("w", 3, 40_000)]));
    }
    let _ = scratch.ecf8("compress model -o whole").answer();
    let said = scratch.ecf8("compress model -o out --shard 0/2 --json").json();
    assert_eq!(said["files"].as_array().unwrap().len(), 2, "{said:#}");
    let said = scratch.ecf8("merge model -o out");
    said.refuses(2, &["out.parts", "is missing", "--shard"]);
    let said = scratch.ecf8("compress model -o out --shard 1/2").answer();
    assert!(said.contains("ecf8 merge"), "{said}");
    let merged = scratch.ecf8("merge model -o out --json").json();
    assert_eq!(
        (merged["files"].as_array().unwrap().len(), merged["copied"].as_array().unwrap().len()),
        (4, 2)
    );
    assert!(contents(&scratch.path("whole")) == contents(&scratch.path("out")), "not what one process gives");
    assert!(!scratch.path("out.parts").exists());
    let _ = scratch.ecf8("verify out --against model").answer();
    scratch.ecf8("compress model -o out --shard 2/2").refuses(2, &["numbered from 0 to 1"]);
    scratch.ecf8("compress model/model.safetensors -o o --shard 0/2").refuses(2, &["is one file", "--shard"]);
    scratch.ecf8("merge model -o out").refuses(2, &["out"]);
}
