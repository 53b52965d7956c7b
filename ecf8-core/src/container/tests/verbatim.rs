//! Files in which nothing is compressed: hardly longer, loadable as they are, and as well protected.

use super::*;
use crate::header::Header;
use serde_json::{Value, json};

/// A file with this header and data.
fn raw(json: &str, data: &[u8]) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json.as_bytes(), data].concat()
}

/// Checks that the file comes back from a container that is the same for all who read safetensors.
fn assert_verbatim(file: &[u8]) {
    let inspection = assert_comes_back_with(file, CompressOptions::default());
    let most = file.len() as u64 + (file.len() as u64 / 100).max(4096);
    assert!(inspection.file_bytes <= most && inspection.tensors.is_empty(), "{}", inspection.file_bytes);
    let folder = folder();
    let container = fs::read(compressed_with(folder.path(), file, CompressOptions::default())).unwrap();
    let [original, container] = [file, &container].map(|bytes| Header::of_file(bytes).unwrap());
    assert_eq!(container.tensors, original.tensors);
    assert_eq!(container.data_start() % 64, original.data_start() % 64);
    let mut metadata = container.metadata.clone();
    metadata.retain(|(key, _)| key != MANIFEST_KEY);
    let mut expected = original.metadata;
    expected.retain(|(key, _)| key != MANIFEST_KEY);
    assert_eq!(metadata, expected);
}

#[test]
fn headers_of_any_spelling_keep_it() {
    let entry = r#""x":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}"#;
    for metadata in [
        "",
        "\"__metadata__\":null,",
        "\"__metadata__\":{},",
        "\"__metadata__\" : { } ,",
        "\"__metadata__\":{\"ecf8\":\"mine\",\"a\":\"\\u00e9\"},",
        "\"__metadata__\":{ \"a\" : \"}{\\\"\",\"\\u0065cf8\" : \"{\" ,\"z\":\"\"},",
        "\"__metadata__\":{\"ecf8\":\"1\",\"ecf8\":\"2\"},",
        "\"\\u005f_metadata__\":{\"a\":\"\"},",
    ] {
        for spaces in ["", "  ", "\n"] {
            assert_verbatim(&raw(&format!("{spaces}{{{spaces}{metadata}{entry}}}{spaces}"), b"datum"));
            let comma_last =
                format!(",{}", metadata.trim_end_matches(',')).repeat(usize::from(!metadata.is_empty()));
            assert_verbatim(&raw(&format!("{{{entry}{comma_last}{spaces}}}"), b"datum"));
            assert_verbatim(&raw(&format!("{{{}{spaces}}}", metadata.trim_end_matches(',')), b""));
        }
    }
}

#[test]
fn thousands_of_tiny_tensors_cost_no_more_than_a_manifest() {
    let tiny = |name: usize, bytes: usize| {
        let dtype = if name.is_multiple_of(20) { Dtype::F8_E4M3 } else { Dtype::U8 };
        let data = crate::synthetic::noise(name as u64, bytes);
        SyntheticTensor::new(&format!("layers.{name}.scale"), dtype, &[bytes as u64], data)
    };
    for bytes in [1, 64] {
        let tensors: Vec<SyntheticTensor> = (0..3000).map(|name| tiny(name, bytes)).collect();
        assert_verbatim(&safetensors_bytes(&[], &tensors).unwrap());
    }
}

#[test]
fn a_gain_that_the_container_would_eat_up_is_none() {
    // Each gains on its own, by its symbols, but not what the manifest takes.
    let tensors =
        [fp8("w", &[1000], weights(1, 1000)), fp8("noise", &[9000], crate::synthetic::noise(2, 9000))];
    assert_verbatim(&safetensors_bytes(&[], &tensors).unwrap());
}

/// A file of over three pieces, with tensors that end within them.
fn pieces() -> Vec<u8> {
    let tensor = |name: &str, bytes: usize| {
        SyntheticTensor::new(name, Dtype::U8, &[bytes as u64], crate::synthetic::noise(bytes as u64, bytes))
    };
    safetensors_bytes(&[], &[tensor("a", 1_500_000), tensor("b", 10), tensor("c", 2_000_000)]).unwrap()
}

#[test]
fn a_damaged_piece_is_told_by_its_tensors_and_the_others_are_read() {
    let folder = folder();
    let path = compressed_with(folder.path(), &pieces(), CompressOptions::default());
    let good = fs::read(&path).unwrap();
    let start = Header::of_file(&good).unwrap().data_start() as usize;
    let mut bad = good.clone();
    bad[start + 1_500_003] ^= 1;
    let damaged = folder.path().join("bad");
    fs::write(&damaged, bad).unwrap();
    let file = CompressedFile::open(&damaged).unwrap();
    let text = file.verify_integrity(&()).unwrap_err().to_string();
    assert!(text.contains("`a` to `c`, between bytes 1048576 and 2097152 of the data, is damaged"), "{text}");
    for name in ["a", "b", "c"] {
        assert!(file.read_tensor(name).is_err(), "{name} has bytes in that piece");
    }
    let mut bad = good;
    bad[start + 3_400_000] ^= 1;
    fs::write(&damaged, bad).unwrap();
    let file = CompressedFile::open(&damaged).unwrap();
    assert!(file.read_tensor("c").is_err());
    assert!(file.read_tensor("a").is_ok() && file.read_tensor("b").is_ok());
}

#[test]
fn any_flipped_bit_of_the_header_is_noticed() {
    let json = r#"{"x":{"dtype":"U8","shape":[9],"data_offsets":[0,9]},"__metadata__":null} "#;
    for file in [raw(json, b"some data"), raw(&json.replace("null", r#"{"ecf8":"mine"}"#), b"some data")] {
        let folder = folder();
        let good = fs::read(compressed_with(folder.path(), &file, CompressOptions::default())).unwrap();
        let (bad, back) = (folder.path().join("bad"), folder.path().join("back"));
        for (place, bit) in (0..good.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut bytes = good.clone();
            bytes[place] ^= 1 << bit;
            fs::write(&bad, bytes).unwrap();
            let verified = CompressedFile::open(&bad).and_then(|file| file.verify_integrity(&()));
            assert!(verified.is_err(), "bit {bit} of byte {place}");
            assert!(
                place % 7 > 0 || decompress(&bad, &back, false, &()).is_err(),
                "bit {bit} of byte {place}"
            );
        }
        for length in 0..good.len() {
            fs::write(&bad, &good[..length]).unwrap();
            assert!(CompressedFile::open(&bad).is_err(), "cut to {length}");
        }
    }
}

#[test]
fn each_contradiction_is_told() {
    type Edit = fn(&mut Value);
    let cases: &[(&str, Edit)] = &[
        ("outside the header", |m| m["verbatim"]["at"] = json!(u64::MAX)),
        ("outside the header", |m| m["verbatim"]["length"] = json!(1u64 << 62)),
        ("outside the header", |m| m["verbatim"]["at"] = json!(1 << 20)),
        ("not the original header", |m| m["verbatim"]["length"] = json!(0)),
        ("not the original header", |m| m["header"]["length"] = json!(99_999_999)),
        ("not the original header", |m| m["header"]["length"] = json!(3)),
        ("the original header is damaged", |m| m["header"]["checksum"] = json!("0123456789abcdef")),
        ("not the original header", |m| m["verbatim"]["instead"] = json!("  ")),
        ("length 100000001 is over", |m| m["header"]["length"] = json!(100_000_001)),
        ("checksum is not 16", |m| m["header"]["checksum"] = json!("0123456789ABCDEF")),
        ("and more than that", |m| m["header"]["deflated"] = json!(3)),
        ("and more than that", |m| m["guard"] = json!(true)),
        ("and more than that", |m| m["prefix"] = json!("p")),
        ("and more than that", |m| m["codebooks"] = json!(["11"])),
        ("and more than that", |m| m["continued"] = json!({"length": 1, "checksum": ""})),
        ("checksums are not 16", |m| m["verbatim"]["checksums"] = json!("0123456789abcde")),
        ("checksums are not 16", |m| m["verbatim"]["checksums"] = json!("0123456789abcdeg")),
        ("not one for each 1048576 bytes", |m| m["verbatim"]["checksums"] = json!("")),
        ("not one for each 1048576 bytes", |m| {
            m["verbatim"]["checksums"] = json!("0123456789abcdef".repeat(5));
        }),
        ("not one for each 2097152 bytes", |m| m["verbatim"]["piece"] = json!(1 << 21)),
        ("pieces have 0 bytes", |m| m["verbatim"]["piece"] = json!(0)),
        ("pieces have 1048575 bytes", |m| m["verbatim"]["piece"] = json!((1 << 20) - 1)),
        ("between bytes 0 and 1048576", |m| {
            m["verbatim"]["checksums"] = json!("0123456789abcdef".repeat(4));
        }),
        ("manifest is not valid", |m| m["verbatim"] = json!({})),
        ("manifest is not valid", |m| m["verbatim"]["at"] = json!(-1)),
        ("`__ecf8__.header` is missing", |m| m["verbatim"] = json!(null)),
    ];
    let folder = folder();
    let container = fs::read(compressed_with(folder.path(), &pieces(), CompressOptions::default())).unwrap();
    let start = Header::of_file(&container).unwrap().data_start() as usize;
    let path = folder.path().join("edited");
    for (expected, edit) in cases {
        let text = std::str::from_utf8(&container[8..start]).unwrap();
        let header: Value = serde_json::from_str(text).unwrap();
        let manifest = header["__metadata__"]["ecf8"].as_str().unwrap();
        let mut edited: Value = serde_json::from_str(manifest).unwrap();
        edit(&mut edited);
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        // With as many spaces in the manifest as make it as long as before, where that is possible.
        let mut edited = edited.to_string();
        while quoted(&edited).len() < quoted(manifest).len() {
            edited.push(' ');
        }
        let text = text.replace(&quoted(manifest), &quoted(&edited));
        fs::write(&path, raw(&text, &container[start..])).unwrap();
        let verified = CompressedFile::open(&path).and_then(|file| file.verify_integrity(&()));
        let error = verified.expect_err(expected);
        assert!(error.to_string().contains(expected) && error.is_data_error(), "{expected}: {error}");
    }
}

#[test]
fn whoever_names_a_scheme_gets_it_unless_it_costs_more_than_a_little() {
    let small = safetensors_bytes(&[], &[fp8("w", &[4096], weights(1, 4096))]).unwrap();
    let by_name = assert_comes_back_with(&small, by(schemes()[0]));
    assert!(by_name.tensors.len() == 1 && by_name.file_bytes > small.len() as u64);
    let mut tensors = vec![fp8("w", &[4096], weights(1, 4096))];
    tensors.extend((0..400).map(|i| SyntheticTensor::new(&format!("layers.{i}"), Dtype::U8, &[1], vec![1])));
    let many = safetensors_bytes(&[], &tensors).unwrap();
    assert!(assert_comes_back_with(&many, by(schemes()[0])).tensors.is_empty());
}

#[test]
fn a_header_that_is_mostly_space_takes_less_deflated() {
    let json = format!("{{}}{}", " ".repeat(100_000));
    let inspection = assert_comes_back_with(&raw(&json, b""), CompressOptions::default());
    assert!(inspection.file_bytes < 1000, "{}", inspection.file_bytes);
}
