//! What fuzzers start from: for each target a few inputs that are accepted, made from what the repository has anyway.

use super::{caches, containers, deltas, foreign};
use crate::cli::raw_file;
use ecf8_core::{Scheme, schemes};
use std::collections::BTreeSet;
use std::path::Path;

/// The seeds of a target. Those of targets that take changes of encoded tensors are a few changes.
///
/// # Panics
/// If there is no such target, or something in the repository cannot be read.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "header" => headers(),
        "container" | "sealed" => containers::containers().to_vec(),
        "manifest" => manifests(),
        "folder_list" => texts(&FOLDER_LISTS),
        "index" => texts(&INDICES),
        "codebook" => codebooks(),
        "round_trip" => round_trips(),
        "delta" => deltas::descriptions(),
        "foreign" => foreign::files(),
        "tuning_cache" => vec![asset("fuzz/tuning.json")],
        "kernel_cache" => kernel_files(),
        "front_end" => sources(),
        _ => changes(),
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn asset(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)).unwrap()
}

fn headers() -> Vec<Vec<u8>> {
    let one = r#""a":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[0,6]}"#;
    let two = format!(r#"{one},"b":{{"dtype":"BF16","shape":[],"data_offsets":[6,8]}}"#);
    let metadata = r#""__metadata__":{"format":"pt","é":"\u00e9"}"#;
    vec![
        raw_file("{}", b""),
        raw_file(format!("{{{one}}}   "), &[1; 6]),
        raw_file(format!("{{{metadata},{two}}}"), &[2; 8]),
        raw_file(r#"{"__metadata__":null,"a":["F4",[4],[0,2]]}"#, &[3; 2]),
    ]
}

fn manifests() -> Vec<Vec<u8>> {
    let all = containers::containers().iter().enumerate();
    let of = |(number, base): (usize, &Vec<u8>)| {
        let number = u8::try_from(number).unwrap();
        let texts = containers::manifest_texts(base).into_iter();
        texts.map(move |text| [&[number], text.as_bytes()].concat()).collect::<Vec<_>>()
    };
    all.flat_map(of).collect()
}

const FOLDER_LISTS: [&str; 2] = [
    r#"{"ecf8_files":1,"containers":["model-00001-of-00002.safetensors"],"files":[{"name":"a.txt","bytes":4,"checksum":"c34cd1d8fa3eb3f8"},{"name":"sub/config.json","bytes":2,"checksum":"0123456789abcdef"}],"empty_folders":["none","x/y"],"absent":["model-00002-of-00002.safetensors"]}"#,
    r#"{"ecf8_files":1,"containers":[],"files":[{"name":[97,46,116,120,116],"bytes":4,"checksum":"0000000000000000"},{"name":"../b","bytes":1,"checksum":"0000000000000000"}]}"#,
];

const INDICES: [&str; 3] = [
    r#"{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00002.safetensors"}}"#,
    r#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"sub/absent.safetensors"}}"#,
    r#"{"weight_map":{"a":"../model.safetensors","b":"/etc/passwd"}}"#,
];

fn codebooks() -> Vec<Vec<u8>> {
    let of = |scheme: &'static dyn Scheme| {
        let all = super::suited(scheme).iter().flat_map(|encoded| encoded.codebooks.list());
        all.map(|codebook| codebook.to_text()).collect::<Vec<_>>()
    };
    // A few long ones, and all short ones.
    let all: BTreeSet<String> = schemes().iter().copied().flat_map(of).collect();
    let short = all.iter().filter(|text| text.len() < 80);
    let long = all.iter().filter(|text| (80..1500).contains(&text.len())).step_by(23);
    short.chain(long).map(|text| text.clone().into_bytes()).collect()
}

fn changes() -> Vec<Vec<u8>> {
    let change = |kind: u8| {
        let own = [kind, 1, 40, 3, 200, 7].map(|byte| byte.wrapping_mul(kind | 1));
        [&[kind, 0, 0, 50, 0, kind.wrapping_mul(7)][..], &[kind], &own[1..]].concat()
    };
    std::iter::once(Vec::new()).chain((0..24).map(change)).collect()
}

fn round_trips() -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = (0..160_u8).map(|i| i.wrapping_mul(i) >> 3).collect();
    let of = |dtype: u8| (0..7).map(move |scheme| [dtype, scheme, 2, 40 + dtype, 0, 3, 9]);
    (0..22).flat_map(of).step_by(5).map(|first| [&first[..], &bytes].concat()).collect()
}

fn kernel_files() -> Vec<Vec<u8>> {
    let numbered = (0u8..).zip(caches::stored_files());
    numbered.map(|(number, (_, bytes))| [&[number][..], &bytes].concat()).collect()
}

/// The kernels of the guide and of the tests that macros refuse.
fn sources() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ecf8-codegen");
    let mut paths: Vec<_> = std::fs::read_dir(root.join("tests/compile_fail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    paths.extend(
        ["tests/guide/gap_simple.rs", "src/strategy/gap_wide.rs", "src/strategy/lanes/patches.rs"]
            .map(|p| root.join(p)),
    );
    paths.sort();
    paths.iter().flat_map(|path| items(&std::fs::read_to_string(path).unwrap())).collect()
}

/// The functions and structs of a file, each without its attribute, which is the first line.
fn items(source: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for part in source.split("\n\n") {
        let Some(at) = ["fn ", "struct "].iter().filter_map(|word| part.find(word)).min() else { continue };
        let Ok(item) = syn::parse_str::<syn::Item>(part) else { continue };
        drop(item);
        let threads = part.split_once("threads = ").and_then(|(_, rest)| rest.split_once(")]\n"));
        let (attribute, item) = match threads {
            Some((threads, item)) => (format!("threads = {threads}"), item),
            None => (String::new(), &part[part[..at].rfind('\n').map_or(0, |line| line + 1)..]),
        };
        found.push(format!("{attribute}\n{item}").into_bytes());
    }
    found
}
