//! Containers and what lies beside them in folders. Changes that a checksum would give away are sealed: the checksum is made
//! anew, so that what is behind it is tried, too.

#![allow(clippy::cast_possible_truncation, reason = "these files are small")]

use super::edits::Bytes;
use ecf8_core::checksum::{checksum, to_hex};
use ecf8_core::container::{self, CompressedFile, CompressedModel};
use ecf8_core::header::Header;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Tensors up to this many bytes are decoded whole, and others in pieces.
const WHOLE: u64 = 4 << 20;

/// A folder of its own for one input, in memory where the system has such a place.
pub(super) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// The header of a file: accepted as safetensors accepts it, with the same meaning.
pub(super) fn header(data: &[u8]) {
    let Ok(header) = Header::of_file(data) else { return };
    let (_, theirs) = SafeTensors::read_metadata(data).unwrap();
    assert_eq!(header.data_start() + header.data_bytes(), data.len() as u64);
    assert_eq!(header.tensors.len(), theirs.tensors().len());
    let mut end = 0;
    for tensor in &header.tensors {
        let info = theirs.info(&tensor.name).unwrap();
        assert_eq!((tensor.begin, tensor.dtype), (end, info.dtype));
        assert_eq!((tensor.begin as usize, tensor.end as usize), info.data_offsets);
        end = tensor.end;
    }
}

/// A file as a container: opened, checked, looked at, every tensor decoded, all of it restored.
pub fn container(data: &[u8]) {
    let folder = folder();
    let path = folder.path().join("in.safetensors");
    fs::write(&path, data).unwrap();
    let _ = container::is_container(&path);
    let Ok(model) = CompressedModel::open(&path) else { return };
    let _ = container::inspect(&model);
    let file = &model.files[0];
    let is_whole = file.verify_integrity(&()).is_ok();
    let decodes = decode_all(file);
    let out = folder.path().join("out.safetensors");
    let restored = container::decompress(&path, &out, false, &());
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, if restored.is_ok() { 2 } else { 1 }, "something is left behind");
    if restored.is_ok() {
        assert!(decodes, "restored, but not decoded");
        Header::of_file(&fs::read(&out).unwrap()).unwrap();
        container::verify_against(&model, &out, &()).unwrap();
    } else {
        let is_to_be_refused = file.original().is_err() || file.base_needed().is_some();
        assert!(!(is_whole && decodes) || is_to_be_refused, "{:?}", restored.err());
    }
}

/// Decodes every tensor in every way; whether all are right.
fn decode_all(file: &CompressedFile) -> bool {
    let mut all = true;
    for tensor in file.tensors() {
        let (name, bytes) = (tensor.name(), tensor.original_bytes());
        let pieces = tensor.decode_pieces(&mut |_| Ok(()));
        all &= pieces.is_ok();
        let unit = tensor.split().element.bytes;
        let mut some = vec![0; unit * usize::try_from(tensor.elements().min(100)).unwrap_or(0)];
        let _ = file.read_range(name, 0, &mut some);
        if bytes > WHOLE {
            continue;
        }
        let whole = file.read_tensor(name);
        assert_eq!(whole.is_ok(), pieces.is_ok(), "{name}: {:?}", whole.err());
        let encoded = tensor.encoded();
        let (fast, reference) = (encoded.decode(), encoded.decode_reference());
        if let Ok(fast) = &fast {
            assert_eq!(Ok(fast), reference.as_ref(), "{name}");
        }
        let _ = tensor.statistics();
    }
    for kept in file.kept() {
        all &= file.read_tensor(&kept.record.name).is_ok();
    }
    all && file.require_known().is_ok()
}

/// The same with the container's checksums made right.
pub(super) fn sealed(data: &[u8]) {
    if let Some(sealed) = seal(data) {
        container(&sealed);
    }
}

/// A container with checksums of what it holds; `None` if there is no place for them.
fn seal(data: &[u8]) -> Option<Vec<u8>> {
    let header = Header::of_file(data).ok()?;
    let mut sealed = data.to_vec();
    let start = header.data_start() as usize;
    let (table, tensors) = header.tensors.split_last()?;
    let place = start + table.begin as usize;
    if data.len() - place != 8 * (tensors.len() + 2) {
        return None;
    }
    let of_tensors = tensors.iter().map(|one| &data[start + one.begin as usize..start + one.end as usize]);
    let mut entries: Vec<u8> = std::iter::once(&data[..start])
        .chain(of_tensors)
        .flat_map(|bytes| checksum(bytes).to_le_bytes())
        .collect();
    entries.extend(checksum(&entries).to_le_bytes());
    sealed[place..].copy_from_slice(&entries);
    Some(sealed)
}

/// Whole containers that manifests are put into.
pub(super) fn containers() -> &'static [Vec<u8>] {
    static READ: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let names = [
        "v1.dtypes.optimize-size.safetensors",
        "v1.ans-lanes.safetensors",
        "v1.exponent-gap.safetensors",
        "v1.triple-lanes.safetensors",
        "v1-unguarded/mixed.quad-lanes",
        "v1-unguarded/nothing.kept",
    ];
    READ.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        names.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect()
    })
}

/// A container with another manifest, or another continuation of it, of which the first byte says which container it is.
/// Lengths and checksums that follow from it are made right.
pub(super) fn manifest(data: &[u8]) {
    let mut bytes = Bytes(data);
    let number = bytes.below(containers().len());
    let Ok(text) = std::str::from_utf8(bytes.0) else { return };
    if let Some(file) = container_with(number, text) {
        container(&file);
    }
}

/// A container, by its number, with another manifest or another continuation of it; `None` if it has none and is
/// to have one.
#[must_use]
pub fn container_with(number: usize, manifest: &str) -> Option<Vec<u8>> {
    let base = &containers()[number];
    let is_outer = manifest.contains("format_version");
    let file = if is_outer { with_manifest(base, manifest) } else { with_continuation(base, manifest)? };
    Some(seal(&file).unwrap_or(file))
}

/// The parts of a manifest as fuzzers change them: itself, and what it goes on with.
pub(super) fn manifest_texts(base: &[u8]) -> Vec<String> {
    let (header, _) = split(base);
    let text = header["__metadata__"]["ecf8"].as_str().unwrap().to_owned();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let deflated = manifest["header"]["deflated"].as_u64();
    let both = deflated.map(|length| inflated(base, &manifest, length as usize));
    let length = manifest["header"]["length"].as_u64().unwrap() as usize;
    let further = both.map(|both| String::from_utf8(both[length..].to_vec()).unwrap());
    [text].into_iter().chain(further.filter(|further| !further.is_empty())).collect()
}

fn own_name(manifest: &Value, what: &str) -> String {
    format!("{}.{what}", manifest["prefix"].as_str().unwrap_or("__ecf8__"))
}

fn inflated(base: &[u8], manifest: &Value, length: usize) -> Vec<u8> {
    let header = Header::of_file(base).unwrap();
    let name = own_name(manifest, "header");
    let own = header.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    let at = (header.data_start() + own.begin) as usize;
    let mut bytes = Vec::new();
    let mut decoder = flate2::write::DeflateDecoder::new(&mut bytes);
    decoder.write_all(&base[at..at + length]).unwrap();
    decoder.finish().unwrap();
    bytes
}

/// A file's header as JSON, and its data.
fn split(file: &[u8]) -> (Map<String, Value>, &[u8]) {
    let start = Header::of_file(file).unwrap().data_start() as usize;
    (serde_json::from_slice(&file[8..start]).unwrap(), &file[start..])
}

fn joined(header: &Map<String, Value>, data: &[u8]) -> Vec<u8> {
    let mut json = serde_json::to_vec(header).unwrap();
    json.resize((json.len() + 8).next_multiple_of(32) - 8, b' ');
    [&(json.len() as u64).to_le_bytes()[..], &json, data].concat()
}

fn with_manifest(base: &[u8], text: &str) -> Vec<u8> {
    let (mut header, data) = split(base);
    header.insert("__metadata__".to_owned(), json!({ "ecf8": text }));
    joined(&header, data)
}

fn with_continuation(base: &[u8], text: &str) -> Option<Vec<u8>> {
    let (mut header, data) = split(base);
    let mut manifest: Value = serde_json::from_str(header["__metadata__"]["ecf8"].as_str()?).ok()?;
    let (length, deflated) =
        (manifest["header"]["length"].as_u64()? as usize, manifest["header"]["deflated"].as_u64()? as usize);
    let alignment = manifest.get("continued")?["alignment"].as_u64().unwrap_or(32);
    let original = &inflated(base, &manifest, deflated)[..length];
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(original).unwrap();
    encoder.write_all(text.as_bytes()).unwrap();
    let mut stored = encoder.finish().unwrap();
    manifest["header"]["deflated"] = stored.len().into();
    manifest["continued"] = json!({
        "length": text.len(),
        "checksum": to_hex(checksum(text.as_bytes())),
        "alignment": alignment,
    });
    header.insert("__metadata__".to_owned(), json!({ "ecf8": manifest.to_string() }));
    // The tensor with the header is the last but one, before the checksums.
    let (name, table) = (own_name(&manifest, "header"), own_name(&manifest, "checksums"));
    let begin = header[&name]["data_offsets"][0].as_u64()? as usize;
    let sums = header[&table]["data_offsets"][0].as_u64()? as usize;
    stored.resize((begin + stored.len()).next_multiple_of(8) - begin, 0);
    let end = begin + stored.len();
    header[&name] = json!({ "dtype": "U8", "shape": [stored.len()], "data_offsets": [begin, end] });
    let length = data.len() - sums;
    header[&table]["data_offsets"] = json!([end, end + length]);
    Some(joined(&header, &[&data[..begin], &stored, &data[sums..]].concat()))
}

/// A compressed folder with this list of its copies: opened, checked, restored, and nothing written outside the result.
pub(super) fn folder_list(data: &[u8]) {
    model_folder(&[("ecf8.files.json", data)]);
}

/// A compressed folder with this index of its shards.
pub(super) fn index(data: &[u8]) {
    model_folder(&[("model.safetensors.index.json", data)]);
}

fn model_folder(files: &[(&str, &[u8])]) {
    let folder = folder();
    let model = folder.path().join("deep/model");
    fs::create_dir_all(model.join("sub")).unwrap();
    fs::write(model.join("model-00001-of-00002.safetensors"), &containers()[5]).unwrap();
    fs::write(model.join("a.txt"), "text").unwrap();
    fs::write(model.join("sub/config.json"), "{}").unwrap();
    for (name, bytes) in files {
        fs::write(model.join(name), bytes).unwrap();
    }
    let before = crate::cli::contents(folder.path());
    if let Ok(model) = CompressedModel::open(&model) {
        let _ = model.check_other_files(&());
        let _ = container::inspect(&model);
    }
    let out = folder.path().join("deep/out");
    let restored = container::decompress(&model, &out, false, &());
    if restored.is_ok() {
        assert!(out.join("a.txt").is_file());
        fs::remove_dir_all(&out).unwrap();
    }
    assert!(crate::cli::contents(folder.path()) == before, "something was written outside the result");
}
