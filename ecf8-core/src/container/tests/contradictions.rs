//! Manifests that contradict themselves or their file: refused on opening, whatever the checksums say.

use super::*;
use serde_json::{Value, json};

/// Writes the container with its header and manifest edited, the data as they were.
fn edited(folder: &Path, edit: impl FnOnce(&mut Value, &mut Value)) -> PathBuf {
    let bytes = fs::read(folder.join("out.safetensors")).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut manifest: Value = serde_json::from_str(header["__metadata__"]["ecf8"].as_str().unwrap()).unwrap();
    edit(&mut header, &mut manifest);
    header["__metadata__"]["ecf8"] = json!(manifest.to_string());
    let mut json = header.to_string().into_bytes();
    json.resize((json.len() + 8).next_multiple_of(32) - 8, b' ');
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend(json);
    file.extend(&bytes[8 + length..]);
    let path = folder.join("edited.safetensors");
    fs::write(&path, file).unwrap();
    path
}

#[test]
fn each_contradiction_is_told_in_one_line() {
    let folder = folder();
    compressed(folder.path(), &sample());
    assert!(CompressedFile::open(&edited(folder.path(), |_, _| {})).is_ok(), "editing alone changes nothing");
    type Edit = fn(&mut Value, &mut Value);
    let cases: &[(&str, Edit)] = &[
        ("codebook 7 does not exist", |_, m| m["tensors"][0]["codebook"] = json!(7)),
        ("codebook 0 of its manifest is not valid", |_, m| m["codebooks"][0] = json!("1110000000000000")),
        ("codebook 0 of its manifest is not valid", |_, m| m["codebooks"][0] = json!("!")),
        ("it has runs, which scheme exponent-gap has not", |_, m| {
            m["tensors"][0]["runs"] = json!({"elements": 6400, "codebooks": [0]});
        }),
        ("its shape overflows", |_, m| m["tensors"][0]["shape"] = json!([u64::MAX, 3])),
        ("exponent counts do not fit", |_, m| {
            m["tensors"][0]["exponents"] = json!(vec![400; 16]);
            m["tensors"][0]["shape"] = json!([6401]);
        }),
        ("exponent counts do not fit", |_, m| m["tensors"][0]["exponents"] = json!([6400])),
        ("it has 1 parts", |_, m| m["tensors"][0]["lengths"] = json!([1])),
        ("does not fit its length", |_, m| m["tensors"][0]["lengths"][0] = json!(u64::MAX)),
        ("does not fit its length", |_, m| m["tensors"][0]["lengths"][3] = json!(15)),
        ("tensor `a.weight`: its checksum", |_, m| m["tensors"][0]["checksum"] = json!("xyz")),
        ("`c.encoded` is missing", |_, m| m["tensors"][0]["prefix"] = json!("c")),
        ("`a.weight.encoded` is used twice", |_, m| {
            m["tensors"][1] = m["tensors"][0].renamed("b.weight", "a.weight");
        }),
        ("its parts are in a pool, but there is none", |_, m| m["tensors"][0]["pooled"] = json!(true)),
        ("`__ecf8__.pool` is missing", |_, m| m["continued"] = json!({"length": 1, "checksum": ""})),
        ("is missing", |_, m| m["prefix"] = json!("ours")),
        ("leaves its tensor", |_, m| m["header"]["deflated"] = json!(1u64 << 40)),
        ("length 100000001 is over", |_, m| m["header"]["length"] = json!(100_000_001)),
        ("original header's checksum", |_, m| m["header"]["checksum"] = json!("")),
        ("there are two tensors `noise`", |_, m| {
            m["tensors"][1] = m["tensors"][1].renamed("noise", "b.weight");
        }),
        ("has dtype I8, expected U8", |h, _| h["a.weight.packed"]["dtype"] = json!("I8")),
        ("manifest is not valid", |_, m| m["tensors"][0]["elements"] = m["tensors"][0].take()),
        ("manifest is not valid", |_, m| m["header"] = json!(null)),
    ];
    for (expected, edit) in cases {
        let error = CompressedFile::open(&edited(folder.path(), edit)).expect_err(expected);
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains('\n'), "{expected}: {text}");
        assert!(error.is_data_error() && text.contains("edited.safetensors"), "{text}");
    }
}

#[test]
fn a_tensor_written_in_an_unknown_way_leaves_all_others_readable() {
    let folder = folder();
    compressed(folder.path(), &sample());
    let whole = CompressedFile::open(&folder.path().join("out.safetensors")).unwrap();
    type Edit = fn(&mut Value, &mut Value);
    let cases: &[(&str, Edit)] = &[
        ("scheme \"zip\" is unknown", |_, m| m["tensors"][0]["scheme"] = json!("zip")),
        ("dtype \"F32\" is not what scheme", |_, m| m["tensors"][0]["dtype"] = json!("F32")),
        ("dtype \"F128\" is not what scheme", |_, m| m["tensors"][0]["dtype"] = json!("F128")),
        ("no parameter \"speed\"", |_, m| m["tensors"][0]["params"] = json!({"speed": 3})),
        ("split in an unknown way", |_, m| m["tensors"][0]["planes"] = json!(["squeezed"])),
        ("split in an unknown way", |_, m| m["tensors"][0]["dictionary"] = json!(5)),
        ("its entry has the key \"twist\"", |_, m| m["tensors"][0]["twist"] = json!({"by": [1, 2]})),
        // Its parts have other names, and it has more or fewer of them.
        ("scheme \"zip\" is unknown", |h, m| {
            m["tensors"][0]["scheme"] = json!("zip");
            let part = h.as_object_mut().unwrap().remove("a.weight.packed").unwrap();
            h["a.weight.zipped"] = part;
        }),
    ];
    for (expected, edit) in cases {
        let damaged = CompressedFile::open(&edited(folder.path(), edit)).unwrap_err();
        assert!(matches!(damaged, Error::Checksum { .. }), "what nobody wrote is damage: {damaged}");
        let file = CompressedFile::open(&sealed(edited(folder.path(), edit))).unwrap();
        let [unknown] = file.unknown() else { panic!("{expected}: {:?}", file.unknown()) };
        assert!(unknown.name == "a.weight" && unknown.why.contains(expected), "{unknown:?}");
        assert_others_are_read(&file, &whole, "a.weight");
        for error in [file.read_tensor("a.weight").unwrap_err(), file.require_known().unwrap_err()] {
            let text = error.to_string();
            assert!(
                error.is_data_error() && text.contains("`a.weight`") && text.contains(expected),
                "{text}"
            );
        }
    }
    let missing = edited(folder.path(), |h, m| {
        m["tensors"][0]["scheme"] = json!("zip");
        let part = h.as_object_mut().unwrap().remove("a.weight.packed").unwrap();
        h["elsewhere"] = part;
    });
    let error = CompressedFile::open(&missing).unwrap_err().to_string();
    assert!(error.contains("is unknown") && error.contains("its parts are not there"), "{error}");
}

trait Edits {
    fn renamed(&self, name: &str, prefix: &str) -> Value;
}

impl Edits for Value {
    /// A tensor's entry under another name, with the same parts.
    fn renamed(&self, name: &str, prefix: &str) -> Value {
        let mut entry = self.clone();
        entry["name"] = json!(name);
        entry["prefix"] = json!(prefix);
        entry
    }
}

#[test]
fn files_of_other_kinds_and_versions_are_requests_gone_wrong() {
    let folder = folder();
    compressed(folder.path(), &sample());
    let newer =
        CompressedFile::open(&edited(folder.path(), |_, m| m["format_version"] = json!(3))).unwrap_err();
    assert!(matches!(newer, Error::Version { found: 3, .. }) && !newer.is_data_error());
    // The second version is that of differences, which say so.
    let neither =
        CompressedFile::open(&edited(folder.path(), |_, m| m["format_version"] = json!(2))).unwrap_err();
    assert!(matches!(neither, Error::Container { .. }), "{neither}");
    let plain = CompressedFile::open(&folder.path().join("in.safetensors")).unwrap_err();
    assert!(matches!(plain, Error::NotCompressed { .. }) && !plain.is_data_error());
    let text = folder.path().join("text.safetensors");
    fs::write(&text, "Dear reader, this is a letter.").unwrap();
    let other = CompressedFile::open(&text).unwrap_err();
    assert!(!other.is_data_error() && other.to_string().contains("not a safetensors file"), "{other}");
    let (input, output) = (folder.path().join("out.safetensors"), folder.path().join("twice.safetensors"));
    let again = compress(&input, &output, &CompressOptions::default(), &()).unwrap_err();
    assert!(matches!(again, Error::AlreadyCompressed { .. }) && !again.is_data_error());
    assert!(!output.exists());
}

#[test]
fn what_only_the_bytes_can_tell_is_noticed_when_they_are_read() {
    let folder = folder();
    compressed(folder.path(), &sample());
    let wrong_window =
        edited(folder.path(), |_, m| m["tensors"][0]["params"] = json!({"bytes_per_thread": 4}));
    let error = CompressedFile::open(&wrong_window).unwrap().read_tensor("a.weight").unwrap_err();
    assert!(
        matches!(error, Error::Decode { .. }) && error.to_string().contains("tensor `a.weight`"),
        "{error}"
    );
    for length in [0u64, 5, 100_000_000] {
        let wrong_header = edited(folder.path(), |_, m| m["header"]["length"] = json!(length));
        let error = CompressedFile::open(&wrong_header).unwrap().original_header().unwrap_err();
        assert!(matches!(error, Error::Checksum { .. }), "{error}");
    }
    let cut = edited(folder.path(), |_, m| m["header"]["deflated"] = json!(9));
    let error = CompressedFile::open(&cut).unwrap().original_header().unwrap_err();
    assert!(error.is_data_error() && error.to_string().contains("original header"), "{error}");
    let swapped = edited(folder.path(), |_, m| {
        let shape = json!([64, 100]);
        m["tensors"][0]["shape"] = shape;
    });
    let file = CompressedFile::open(&swapped).unwrap();
    let error = file.original_layout().unwrap_err();
    assert!(
        error.to_string().contains("tensor `a.weight` is not there as the original header describes"),
        "{error}"
    );
}
