//! Damaged and forged compressed files: verifying, and restoring too, notices every flipped bit and every contradiction.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use ecf8_tests::cli::{Scratch, file, raw_file, sample, weights};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The sample, compressed.
fn packed() -> &'static [u8] {
    static PACKED: OnceLock<Vec<u8>> = OnceLock::new();
    PACKED.get_or_init(|| {
        let scratch = Scratch::new();
        scratch.write("in", sample());
        let _ = scratch.ecf8("compress in -o packed --scheme exponent-gap").answer();
        scratch.read("packed")
    })
}

/// Both ways of finding out must refuse the file.
fn refused(bytes: &[u8], what: &str) {
    let scratch = Scratch::new();
    scratch.write("bad", bytes);
    let before = scratch.contents();
    for line in ["verify bad", "decompress bad -o out"] {
        let said = scratch.ecf8(line);
        // A flipped bit can also make it look like no safetensors, no container, or another version.
        let status = said.status.unwrap_or(-1);
        assert!(status == 1 || status == 2, "{what}: {said:?}");
        said.finds(status, &["bad"]);
        scratch.assert_unchanged(&before, what);
    }
}

/// As [`refused`], with status 1 and words that both must say.
fn damaged(bytes: &[u8], words: &[&str]) {
    let scratch = Scratch::new();
    scratch.write("bad", bytes);
    let words = [&["bad"], words].concat();
    scratch.finds("verify bad", 1, &words);
    scratch.refuses("decompress bad -o out", 1, &words);
}

/// The header of a file as JSON, and where its data start.
fn header(bytes: &[u8]) -> (Value, usize) {
    let start = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..start]).unwrap(), start)
}

fn flipped(place: usize, bit: usize) -> Vec<u8> {
    let mut bytes = packed().to_vec();
    bytes[place] ^= 1 << bit;
    bytes
}

#[test]
fn a_flipped_bit_in_any_section_is_told_with_its_place() {
    let (json, start) = header(packed());
    let mut sections = 0;
    for (name, record) in json.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__") {
        if record["data_offsets"] == json!([0, 0]) {
            continue; // the guard, which has no bytes
        }
        let [begin, end] = [0, 1].map(|i| record["data_offsets"][i].as_u64().unwrap() as usize);
        for (place, bit) in [(begin, 0), ((begin + end) / 2, 3), (end - 1, 7)] {
            let what = if name.ends_with(".checksums") { "damaged" } else { name };
            damaged(&flipped(start + place, bit), &[what, "damaged", "fetch"]);
        }
        sections += 1;
    }
    // Two tensors in four parts, two kept tensors, the original header, the checksums.
    assert_eq!(sections, 12);
    // The spaces that end the header, which nothing but its checksum covers.
    assert_eq!(packed()[start - 1], b' ');
    damaged(&flipped(start - 1, 0), &["header"]);
    (0..8).for_each(|place| (0..8).for_each(|bit| refused(&flipped(place, bit), "length of the header")));
}

#[test]
fn any_of_300_random_flipped_bits_is_noticed() {
    let bits = packed().len() * 8;
    (0..300usize).into_par_iter().for_each(|i| {
        // A multiplier that spreads 300 places over the file, whatever its length.
        let bit = i.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize) % bits;
        refused(&flipped(bit / 8, bit % 8), &format!("bit {bit}"));
    });
}

#[test]
fn any_truncation_is_noticed() {
    let (_, start) = header(packed());
    let lengths =
        [0, 7, 8, 9, start / 2, start - 1, start, start + 1, packed().len() / 2, packed().len() - 1];
    lengths.into_par_iter().for_each(|length| refused(&packed()[..length], &format!("cut to {length}")));
    refused(&[packed(), b"\0"].concat(), "one byte more");
}

/// The compressed sample with its header and manifest edited. Its checksums no longer fit unless `repaired`.
fn edited(edit: impl FnOnce(&mut Value, &mut Value)) -> Vec<u8> {
    let (mut json, start) = header(packed());
    let mut manifest = serde_json::from_str(json["__metadata__"]["ecf8"].as_str().unwrap()).unwrap();
    edit(&mut json, &mut manifest);
    if !manifest.is_null() {
        json["__metadata__"]["ecf8"] = json!(manifest.to_string());
    }
    let mut json = json.to_string();
    json += &" ".repeat((json.len() + 8).next_multiple_of(32) - 8 - json.len());
    repaired(raw_file(json, &packed()[start..]))
}

/// The same bytes with the checksums that whoever forged them would have written.
fn repaired(mut bytes: Vec<u8>) -> Vec<u8> {
    let (json, start) = header(&bytes);
    let mut ranges: Vec<[usize; 2]> = Vec::new();
    for (name, record) in json.as_object().unwrap() {
        if name != "__metadata__" {
            ranges.push([0, 1].map(|i| start + record["data_offsets"][i].as_u64().unwrap() as usize));
        }
    }
    ranges.sort_unstable();
    let [table, end] = ranges.pop().unwrap();
    let sums = std::iter::once([0, start])
        .chain(ranges)
        .map(|[from, to]| ecf8_core::checksum::checksum(&bytes[from..to]));
    let sums: Vec<u8> = sums.flat_map(u64::to_le_bytes).collect();
    let own = ecf8_core::checksum::checksum(&sums);
    bytes.splice(table..end, sums.into_iter().chain(own.to_le_bytes()));
    bytes
}

type Edit = fn(&mut Value, &mut Value);

#[test]
fn forged_manifests_are_refused_whatever_their_checksums_say() {
    assert!(
        edited(|_, _| {}).len() == packed().len(),
        "repairing what is right should change nothing but key order"
    );
    let cases: &[(&str, Edit)] = &[
        ("codebook 7 does not exist", |_, m| m["tensors"][0]["codebook"] = json!(7)),
        ("codebook 0", |_, m| m["codebooks"][0] = json!("1110000000000000")),
        ("codebook 0", |_, m| m["codebooks"][0] = json!("zzzzzzzzzzzzzzzz")),
        ("cannot be decoded", |_, m| {
            m["codebooks"] = json!(["4444444444444444", "4444444444444444"]);
        }),
        ("tensor `a.weight`: codebook 0 has 2 symbols, it takes 16", |_, m| m["codebooks"][0] = json!("11")),
        ("tensor `a.weight`: codebook 0 has 0 symbols", |_, m| m["codebooks"][0] = json!("")),
        ("tensor `a.weight`: `a.weight.encoded`", |_, m| m["tensors"][0]["lengths"][0] = json!(u64::MAX)),
        ("tensor `a.weight`: `a.weight.packed`", |_, m| m["tensors"][0]["lengths"][1] = json!(1u64 << 62)),
        ("tensor `a.weight`: it has 500 parts", |_, m| m["tensors"][0]["lengths"] = json!(vec![1; 500])),
        ("tensor `a.weight`: its shape overflows", |_, m| {
            m["tensors"][0]["shape"] = json!(vec![u64::MAX; 9]);
        }),
        ("original header", |_, m| m["tensors"][0]["shape"] = json!([1u64 << 62])),
        ("tensor `a.weight`: its exponent counts", |_, m| {
            m["tensors"][0]["exponents"] = json!(vec![u64::MAX; 16]);
        }),
        ("original header", |_, m| {
            // As many elements as nobody has memory for.
            m["tensors"][0]["shape"] = json!([1u64 << 62]);
            let mut counts = vec![0; 16];
            counts[0] = 1u64 << 62;
            m["tensors"][0]["exponents"] = json!(counts);
        }),
        ("tensor `a.weight`", |_, m| m["tensors"][0]["params"] = json!({"bytes_per_thread": 0})),
        ("tensor `a.weight`", |_, m| m["tensors"][0]["params"] = json!({"bytes_per_thread": u64::MAX})),
        ("tensor `a.weight`", |_, m| m["tensors"][0]["params"] = json!({"threads_per_block": 3})),
        ("no parameter \"speed\"", |_, m| m["tensors"][0]["params"] = json!({"speed": 1})),
        ("scheme \"zip\" is unknown", |_, m| m["tensors"][0]["scheme"] = json!("zip")),
        ("tensor `a.weight`", |_, m| m["tensors"][0]["checksum"] = json!("0000000000000000")),
        ("tensor `a.weight`", |_, m| m["tensors"][0]["prefix"] = json!("b.weight")),
        ("is missing", |_, m| m["tensors"][0]["name"] = json!("renamed")),
        ("original header", |_, m| {
            m["tensors"][0]["name"] = json!("renamed");
            m["tensors"][0]["prefix"] = json!("a.weight");
            let _ = m.as_object_mut().unwrap().remove("guard");
        }),
        ("its guard: `renamed` is missing", |_, m| {
            m["tensors"][0]["name"] = json!("renamed");
            m["tensors"][0]["prefix"] = json!("a.weight");
        }),
        ("original header", |_, m| m["tensors"][0]["shape"] = json!([80, 80])),
        ("original header", |_, m| m["header"]["length"] = json!(u64::MAX)),
        ("original header", |_, m| m["header"]["length"] = json!(99_999_999)),
        ("original header", |_, m| m["header"]["length"] = json!(3)),
        ("original header", |_, m| m["header"]["deflated"] = json!(u64::MAX)),
        ("original header", |_, m| m["header"]["deflated"] = json!(1)),
        ("original header", |_, m| m["header"]["checksum"] = json!("0000000000000000")),
        ("`ours.header` is missing", |_, m| m["prefix"] = json!("ours")),
        ("manifest is not valid", |_, m| m["tensors"][0]["lengths"][0] = json!(-1)),
        ("manifest is not valid", |_, m| m["tensors"][0]["lengths"][0] = json!(1.5)),
        ("manifest is not valid", |_, m| m["tensors"] = json!([3])),
        ("manifest is not valid", |_, m| {
            let _ = m.as_object_mut().unwrap().remove("codebooks");
        }),
        ("dtype", |h, _| h["a.weight.packed"]["dtype"] = json!("I8")),
        ("its guard: `a.weight` is missing", |h, _| {
            let guard = h.as_object_mut().unwrap().remove("a.weight").unwrap();
            h["else"] = guard;
        }),
        ("there are two tensors `a.weight`", |h, _| h["a.weight"]["dtype"] = json!("I8")),
        ("its guard: `a.weight` has shape [0, 0], expected [0]", |h, _| {
            h["a.weight"]["shape"] = json!([0, 0]);
        }),
        ("its guard: `a.weight` has shape [0, 6400]", |h, _| h["a.weight"]["shape"] = json!([0, 6400])),
        ("has a guard, but no compressed tensor", |_, m| m["tensors"] = json!([])),
        ("there are two tensors `a.weight`", |_, m| m["tensors"].as_array_mut().unwrap().reverse()),
        ("there are two tensors `a.weight`", |_, m| {
            let _ = m.as_object_mut().unwrap().remove("guard");
        }),
        ("manifest is not valid", |_, m| m["guard"] = json!("yes")),
        ("`b.weight.gaps`", |h, _| {
            let gaps = h.as_object_mut().unwrap().remove("b.weight.gaps").unwrap();
            h["b.weight.more"] = gaps;
        }),
    ];
    for (words, edit) in cases {
        damaged(&edited(edit), &[words]);
    }
    // A kept tensor that the original did not have: a tensor's entry is forgotten, so its parts are kept.
    damaged(&edited(|_, m| m["tensors"] = json!([m["tensors"][0]])), &["original"]);
}

#[test]
fn other_versions_and_what_is_no_manifest_are_requests_gone_wrong() {
    let refused = |edit: Edit, words: &[&str]| {
        let scratch = Scratch::new();
        scratch.write("bad", edited(edit));
        scratch.refuses("verify bad", 2, words);
        scratch.refuses("decompress bad -o out", 2, words);
    };
    for version in ["0", "3", "18446744073709551615"] {
        let scratch = Scratch::new();
        scratch.write("bad", edited(|_, m| m["format_version"] = serde_json::from_str(version).unwrap()));
        scratch.refuses("verify bad", 2, &["bad", "version", version, "update the program"]);
    }
    let not_ours = ["bad", "not compressed by ecf8"];
    refused(|_, m| m["format_version"] = json!("1"), &not_ours);
    refused(|_, m| m["format_version"] = json!(-1), &not_ours);
    refused(|_, m| m["tensors"] = json!({}), &not_ours);
    let nested = |h: &mut Value, m: &mut Value| {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        h["__metadata__"]["ecf8"] = json!(format!(r#"{{"format_version":1,"tensors":[{deep}]}}"#));
        *m = Value::Null;
    };
    refused(nested, &["bad"]);
}

#[test]
fn an_original_header_that_inflates_without_end_is_cut_off() {
    // A container of an input whose header is long and all spaces, which is what deflates best.
    let scratch = Scratch::new();
    let json = format!("{{}}{}", " ".repeat(50_000_000));
    scratch.write("in", raw_file(json, b""));
    let _ = scratch.ecf8("compress in -o packed --scheme exponent-gap").answer();
    assert!(scratch.read("packed").len() < 100_000);
    let _ = scratch.ecf8("verify packed --against in").answer();
    let _ = scratch.ecf8("decompress packed -o back").answer();
    assert!(scratch.read("back") == scratch.read("in"));
}

#[test]
fn a_kernel_is_only_made_for_a_tensor_that_is_there() {
    let scratch = Scratch::new();
    scratch.write("in", file(&[weights("w", 1, 9000)]));
    let _ = scratch.ecf8("compress in -o packed --scheme exponent-gap").answer();
    let emit = "kernel emit --strategy gap-cascade";
    assert!(scratch.ecf8(&format!("{emit} --from packed --tensor w")).answer().contains("__global__"));
    scratch.refuses(
        &format!("{emit} --from packed --tensor v"),
        2,
        &["packed", "`v`", "ecf8 inspect packed"],
    );
    scratch.refuses(&format!("{emit} --from in --tensor w"), 2, &["in", "not compressed by ecf8"]);
    scratch.write("bad", edited(|_, m| m["codebooks"][0] = json!("11")));
    scratch.refuses(&format!("{emit} --from bad --tensor a.weight"), 1, &["bad", "codebook 0 has 2 symbols"]);
}
