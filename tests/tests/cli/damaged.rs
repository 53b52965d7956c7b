//! Damaged files and folders: everything that is wrong is told at once, and what is good can be saved.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, noise};
use ecf8_tests::cli::{Scratch, file, weights};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// A folder with three containers and other files, compressed as `packed`.
fn model() -> Scratch {
    let scratch = Scratch::new();
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        let seed = number as u64;
        let tensors = [
            weights(&format!("{name}.0"), seed, 1_200_000),
            weights(&format!("{name}.1"), seed + 9, 1_200_000),
            SyntheticTensor::new(&format!("{name}.kept"), Dtype::U8, &[5000], noise(seed, 5000)),
        ];
        scratch.write(&format!("model/{name}.safetensors"), file(&tensors));
    }
    scratch.write("model/config.json", "{}");
    scratch.write("model/vocab.txt", "some words");
    let _ = scratch.ecf8("compress model -o packed --scheme pair-lanes").answer();
    scratch
}

/// Flips a bit in the middle of a tensor of a container.
fn damage(scratch: &Scratch, name: &str, tensor: &str) -> u64 {
    let mut bytes = scratch.read(name);
    let view = SafeTensors::deserialize(&bytes).unwrap();
    let data = view.tensor(tensor).unwrap().data();
    let place = data.as_ptr() as usize - bytes.as_ptr() as usize + data.len() / 2;
    bytes[place] ^= 8;
    scratch.write(name, bytes);
    place as u64
}

#[test]
fn all_that_is_wrong_with_a_folder_is_told_at_once_and_the_rest_is_saved() {
    let scratch = model();
    let _ = scratch.ecf8("verify packed --against model").answer();
    let place = damage(&scratch, "packed/a.safetensors", "a.1.packed");
    let _ = damage(&scratch, "packed/c.safetensors", "c.kept");
    scratch.write("packed/vocab.txt", "other words");
    let words = [
        "2 of 3 containers are damaged, and 1 other file is",
        "`a.1` is damaged",
        "`c.kept` is damaged",
        "vocab.txt",
    ];
    scratch.finds("verify packed", 1, &words);
    scratch.finds(
        "verify packed",
        1,
        &["7 tensors that are good: `ecf8 decompress --partial packed -o OUT`"],
    );
    scratch.finds("verify packed", 1, &["1 of 3 containers", "b.safetensors"]);

    let said = scratch.ecf8("verify packed --json");
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.status, &found["exact"]), (Some(1), &Value::Bool(false)));
    let tensor = &found["files"][0]["tensors"][0];
    let [start, end] = ["start", "end"].map(|at| tensor["places"][0]["in_file"][at].as_u64().unwrap());
    assert!(tensor["name"] == "a.1" && start <= place && place < end && end - start <= 1 << 20, "{tensor}");
    assert_eq!(tensor["places"][0]["part"], "a.1.packed");
    assert_eq!(found["files"][1]["exact"], true);

    scratch.refuses("decompress packed -o back", 1, &["a.safetensors", "`a.1.packed`", "--partial"]);
    let said = scratch.ecf8("decompress --partial packed -o back");
    said.finds(
        1,
        &["left out: a.safetensors: tensor `a.1`", "left out: c.safetensors: tensor `c.kept`", "vocab.txt"],
    );
    assert!(scratch.read("back/b.safetensors") == scratch.read("model/b.safetensors"));
    assert!(scratch.read("back/config.json") == b"{}" && !scratch.path("back/vocab.txt").exists());
    for (name, left) in [("a", ["a.0", "a.kept"]), ("c", ["c.0", "c.1"])] {
        let name = format!("{name}.safetensors");
        let [saved, original] = ["back", "model"].map(|folder| scratch.read(&format!("{folder}/{name}")));
        let [saved, original] = [&saved, &original].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        assert_eq!(saved.len(), left.len());
        for tensor in left {
            let [one, other] = [&saved, &original].map(|file| file.tensor(tensor).unwrap());
            assert!(
                one.data() == other.data() && one.shape() == other.shape() && one.dtype() == other.dtype()
            );
        }
    }
}

#[test]
fn files_that_are_missing_or_cannot_be_read_do_not_keep_others_from_being_looked_at() {
    let scratch = model();
    scratch.write("packed/a.safetensors", &scratch.read("packed/a.safetensors")[..100]);
    std::fs::remove_file(scratch.path("packed/b.safetensors")).unwrap();
    let _ = damage(&scratch, "packed/c.safetensors", "c.0.rows");
    scratch.finds("verify packed", 1, &["a.safetensors", "b.safetensors is missing", "`c.0` is damaged"]);
    let said = scratch.ecf8("decompress --partial packed -o back --json");
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.status, report["lost"].as_array().unwrap().len()), (Some(1), 3), "{report}");
    assert!(!scratch.path("back/a.safetensors").exists() && scratch.path("back/vocab.txt").exists());
    for name in ["a", "c"] {
        scratch.write(&format!("packed/{name}.safetensors"), b"nothing");
    }
    scratch.refuses("decompress --partial packed -o none", 1, &["packed", "nothing can be saved"]);
}

#[test]
fn what_is_not_damaged_is_restored_as_ever_and_what_cannot_be_read_is_refused() {
    let scratch = model();
    let _ = scratch.ecf8("decompress --partial packed -o back").answer();
    let _ = scratch.ecf8("verify packed --against back").answer();
    let path = "packed/a.safetensors";
    let _ = scratch.run(["decompress", "--partial", path, "-o", "whole"]).answer();
    assert!(scratch.read("whole") == scratch.read("model/a.safetensors"));
    let mut bytes = scratch.read(path);
    bytes[9] ^= 1; // the quotation mark before the first name
    scratch.write("bad", &bytes);
    scratch.refuses("decompress --partial bad -o none", 1, &["nothing can be saved", "bad", "header"]);
    scratch.refuses("decompress --partial bad -o whole", 2, &["whole exists already"]);
    scratch.refuses("decompress --partial model/a.safetensors -o none", 2, &["not compressed by ecf8"]);
}
