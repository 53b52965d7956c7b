//! What schemes that share do: one codebook for several tensors, small tensors' parts in a pool, the manifest deflated.

use super::*;
use crate::layout::Aim;
use crate::synthetic::{cast, gaussian, noise};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};

const LARGE: usize = SMALL_BYTES as usize + 77;

fn lanes(codebooks: Option<usize>) -> CompressOptions {
    CompressOptions { codebooks, ..by(&BYTE_LANES) }
}

/// Tensors of two distributions, alternating.
fn two_kinds(count: u64, elements: usize) -> Vec<u8> {
    let tensor = |i: u64| {
        let sigma = if i.is_multiple_of(2) { 0.02 } else { 1.0 };
        fp8(&format!("layer.{i}"), &[elements as u64], cast(&gaussian(i, elements, sigma)))
    };
    safetensors_bytes(&[], &(0..count).map(tensor).collect::<Vec<_>>()).unwrap()
}

#[test]
fn small_tensors_are_in_the_pool_and_large_ones_under_their_names() {
    let tensors = [fp8("large", &[LARGE as u64], weights(1, LARGE)), fp8("small", &[9000], weights(2, 9000))];
    let file = safetensors_bytes(&[], &tensors).unwrap();
    assert_eq!(assert_comes_back_with(&file, lanes(None)).tensors.len(), 2);
    let folder = folder();
    let container = fs::read(compressed_with(folder.path(), &file, lanes(None))).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&container).unwrap();
    let mut names = stored.names();
    names.sort_unstable();
    let own = ["__ecf8__.checksums", "__ecf8__.header", "__ecf8__.pool"];
    assert_eq!(names, [&own[..], &["large", "large.chunks", "large.rows", "large.tails"]].concat());
}

#[test]
fn codebooks_are_shared_by_tensors_alike_and_as_far_as_asked() {
    let file = two_kinds(6, 40_000);
    let count = |codebooks| {
        let inspection = assert_comes_back_with(&file, lanes(codebooks));
        (inspection.codebooks.count, inspection.file_bytes)
    };
    let (few, bytes) = count(None);
    assert_eq!(few, 2);
    assert_eq!(count(Some(2)), (2, bytes));
    let (one, more_bytes) = count(Some(1));
    assert!(one == 1 && more_bytes > bytes);
}

#[test]
fn what_would_become_larger_is_kept_however_small_the_difference() {
    // 254 values: two codewords of 7 bits save less than the layout takes.
    let nearly = |seed, count| noise(seed, count).into_iter().map(|byte| byte.min(253)).collect::<Vec<u8>>();
    let even = |seed, count| nearly(seed, count).into_iter().map(|b| b.saturating_sub(u8::from(b == 253)));
    for count in [5000, LARGE, 3 * LARGE] {
        let close: Vec<u8> = even(1, count).collect();
        let tensors = [fp8("close", &[count as u64], close), fp8("noise", &[count as u64], noise(2, count))];
        let inspection = assert_comes_back(&safetensors_bytes(&[], &tensors).unwrap());
        assert_eq!((inspection.tensors.len(), inspection.kept_tensors), (0, 2));
        let inspection = assert_comes_back_with(&safetensors_bytes(&[], &tensors).unwrap(), lanes(None));
        assert!(inspection.file_bytes <= inspection.file_original_bytes + 2000);
    }
}

#[test]
fn a_hundred_small_tensors_take_little_more_than_their_codewords() {
    let inspection = assert_comes_back_with(&two_kinds(100, 8192), lanes(None));
    let codewords: f64 = inspection.tensors.iter().map(|t| t.byte_entropy_bits.unwrap() * 1024.0).sum();
    let above = inspection.compressed_bytes as f64 / codewords - 1.0;
    assert!(above < 0.045, "{above}");
}

/// What a file takes beside the entropy of its tensors' bytes, tensor by tensor, as a part of the tensors.
fn beside_entropy(count: u64, elements: usize) -> f64 {
    let tensors = (0..count).map(|i| {
        let name =
            format!("model.layers.{}.self_attn.q_proj.lora_{}.weight", i / 2, ["A", "B"][i as usize % 2]);
        fp8(&name, &[elements as u64 / 64, 64], cast(&gaussian(i, elements, 0.02)))
    });
    let file = safetensors_bytes(&[], &tensors.collect::<Vec<_>>()).unwrap();
    let inspection = assert_comes_back_with(&file, CompressOptions::default());
    assert_eq!(inspection.tensors.len() as u64, count);
    let bits = |tensor: &TensorInspection| tensor.byte_entropy_bits.unwrap() * tensor.elements as f64;
    let entropy = inspection.tensors.iter().map(bits).sum::<f64>() / 8.0;
    (inspection.file_bytes as f64 - entropy) / inspection.original_bytes as f64
}

#[test]
fn small_tensors_cost_little_beside_their_entropy() {
    // Huffman codewords and a lane's last bits are some 1.2 % of 4 KiB; 8 + 8 for the checksum, 11 for the name.
    for (count, elements, most) in [(200, 4 << 10, 0.0245), (16, 4 << 10, 0.037), (60, 64 << 10, 0.006)] {
        let beside = beside_entropy(count, elements);
        assert!(beside < most, "{count} of {elements}: {beside}");
    }
}

/// Writes the container with the deflated part of its manifest edited.
fn edited(folder: &Path, edit: impl FnOnce(&mut Value, &mut Value)) -> PathBuf {
    let file = fs::read(folder.join("out.safetensors")).unwrap();
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut manifest: Value = serde_json::from_str(header["__metadata__"]["ecf8"].as_str().unwrap()).unwrap();
    let data = &file[8 + length..];
    let range = |name: &str| {
        let place = |index: usize| header[name]["data_offsets"][index].as_u64().unwrap() as usize;
        place(0)..place(1)
    };
    let (own, checksums) = (range("__ecf8__.header"), range("__ecf8__.checksums"));
    let mut original = Vec::new();
    flate2::read::DeflateDecoder::new(&data[own.clone()]).read_to_end(&mut original).unwrap();
    let front = manifest["header"]["length"].as_u64().unwrap() as usize;
    let mut lists: Value = serde_json::from_slice(&original[front..]).unwrap();
    edit(&mut manifest, &mut lists);
    let lists = lists.to_string();
    if manifest["continued"]["length"] != json!(0) {
        manifest["continued"]["length"] = json!(lists.len());
        let checksum = crate::checksum::checksum(lists.as_bytes());
        manifest["continued"]["checksum"] = json!(crate::checksum::to_hex(checksum));
    }
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    deflated.write_all(&original[..front]).unwrap();
    deflated.write_all(lists.as_bytes()).unwrap();
    let mut deflated = deflated.finish().unwrap();
    manifest["header"]["deflated"] = json!(deflated.len());
    deflated.resize(deflated.len().next_multiple_of(8), 0);
    let end = own.start + deflated.len();
    header["__ecf8__.header"]["data_offsets"] = json!([own.start, end]);
    header["__ecf8__.header"]["shape"] = json!([deflated.len()]);
    header["__ecf8__.checksums"]["data_offsets"] = json!([end, end + checksums.len()]);
    header["__metadata__"]["ecf8"] = json!(manifest.to_string());
    let mut json = header.to_string().into_bytes();
    json.resize((json.len() + 8).next_multiple_of(32) - 8, b' ');
    let file =
        [&(json.len() as u64).to_le_bytes(), &json[..], &data[..own.start], &deflated, &data[checksums]];
    let path = folder.join("edited.safetensors");
    fs::write(&path, file.concat()).unwrap();
    path
}

#[test]
fn contradictions_about_the_pool_are_told_in_one_line() {
    let folder = folder();
    compressed_with(folder.path(), &two_kinds(3, 9000), lanes(None));
    let whole = edited(folder.path(), |_, _| {});
    let file = CompressedFile::open(&whole).unwrap();
    file.tensors().for_each(|tensor| assert_eq!(tensor.decode().unwrap().len(), 9000));
    type Edit = fn(&mut Value, &mut Value);
    let cases: &[(&str, Edit)] = &[
        ("codebook 9 does not exist", |_, l| l["tensors"][0]["codebook"] = json!(9)),
        ("its parts leave the pool", |_, l| l["tensors"][0]["lengths"][0] = json!(1u64 << 60)),
        ("its parts leave the pool", |_, l| l["tensors"][2]["lengths"][0] = json!(u64::MAX - 3)),
        ("does not fit its length 7", |_, l| l["tensors"][0]["lengths"][1] = json!(7)),
        ("pool holds more than the parts", |_, l| l["tensors"][2]["lengths"][0] = json!(0)),
        ("`layer.1.rows` is missing", |_, l| l["tensors"][1]["pooled"] = json!(false)),
        ("its manifest is not valid", |_, l| l["tensors"] = json!("none")),
        ("pool is aligned to 3", |m, _| m["continued"]["alignment"] = json!(3)),
        ("pool is aligned to 64", |m, _| m["continued"]["alignment"] = json!(64)),
        // As in containers of older versions, which have more padding.
        ("its parts leave the pool", |m, _| m["continued"]["alignment"] = json!(32)),
        ("not what its length and checksum say", |m, _| m["continued"]["length"] = json!(0)),
    ];
    for (expected, edit) in cases {
        let error = CompressedFile::open(&edited(folder.path(), edit)).expect_err(expected);
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains('\n'), "{expected}: {text}");
    }
}

#[test]
fn a_tensor_written_in_an_unknown_way_leaves_its_neighbours_in_the_pool_readable() {
    let folder = folder();
    compressed_with(folder.path(), &two_kinds(3, 9000), lanes(None));
    let whole = CompressedFile::open(&folder.path().join("out.safetensors")).unwrap();
    let edited = edited(folder.path(), |_, l| l["tensors"][1]["params"]["fast"] = json!(1));
    let file = CompressedFile::open(&sealed(edited)).unwrap();
    let unknown = file.unknown().first().unwrap();
    assert!(unknown.why.contains("no parameter \"fast\"") && file.unknown().len() == 1, "{unknown:?}");
    assert_others_are_read(&file, &whole, &unknown.name);
}

#[test]
fn names_of_the_pool_yield_to_tensors_of_the_input() {
    let tensors = [fp8("__ecf8__.pool", &[9000], weights(1, 9000)), fp8("b", &[9000], weights(2, 9000))];
    let inspection = assert_comes_back_with(&safetensors_bytes(&[], &tensors).unwrap(), lanes(None));
    assert_eq!(inspection.tensors.len(), 2);
}

#[test]
fn one_scheme_is_chosen_for_a_file_and_the_smallest_for_each_tensor_on_request() {
    // In the first, two neighbours have one exponent, and all else is noise: tuples say more than bytes. The second has
    // eight bytes in turn, with one exponent, and is longer: two neighbours have one of four pairs of mantissas.
    let exponents = noise(2, 20_000).into_iter().flat_map(|byte| [byte & 0x38; 2]);
    let noisy: Vec<u8> =
        noise(1, 40_000).iter().zip(exponents).map(|(raw, exponent)| raw & 0x87 | exponent).collect();
    let regular: Vec<u8> = (0..120_000u32).map(|i| 0x30 + (i % 8) as u8).collect();
    let file = safetensors_bytes(&[], &[fp8("noisy", &[40_000], noisy), fp8("regular", &[120_000], regular)])
        .unwrap();
    let schemes = |aim| {
        let options = CompressOptions { aim, ..CompressOptions::default() };
        let inspection = assert_comes_back_with(&file, options);
        let tensors = inspection.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.scheme));
        tensors.collect::<BTreeMap<_, _>>().into_values().collect::<Vec<_>>()
    };
    assert_eq!(schemes(Aim::Balanced), ["pair6-lanes", "pair6-lanes"]);
    assert_eq!(schemes(Aim::Size), ["pair-lanes", "byte-lanes"]);
    assert_eq!(schemes(Aim::Speed), ["pair-lanes", "pair6-lanes"]);
}
