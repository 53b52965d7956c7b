//! The data that every decoder is tried on (design §8), each encoded once.

use ecf8_core::corpus::{Tier, corpus};
use ecf8_core::element::{Numbers, counts, element};
use ecf8_core::{Encoded, Scheme, schemes};
use std::path::{Path, PathBuf};

/// One tensor and its encoding.
#[derive(Debug)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The tensor's bytes.
    pub data: Vec<u8>,
    /// The same, encoded with a codebook of its own.
    pub encoded: Encoded<'static>,
}

/// The tensors of `ecf8_core::corpus`, quick tier, under every scheme.
#[must_use]
pub fn cases() -> Vec<Case> {
    let tensors = corpus(Tier::Quick);
    let under = |scheme: &'static dyn Scheme| {
        let suited = tensors.iter().filter(move |tensor| tensor.suits(scheme));
        suited.map(move |tensor| case(&tensor.name, &tensor.bytes, tensor.encode(scheme).unwrap()))
    };
    schemes().iter().copied().flat_map(under).collect()
}

/// Tensors of other types than E4M3 that are taken of each file of weights: its kernels are the same for all.
const OTHERS_OF_A_FILE: usize = 6;

/// The tensors of the safetensors files in the folder that `ECF8_TEST_WEIGHTS` names, under every scheme that takes
/// them; at most `limit` bytes of each. Without that variable, says that the caller is skipped.
#[must_use]
pub fn weights(limit: usize) -> Option<Vec<Case>> {
    let Some(folder) = std::env::var_os("ECF8_TEST_WEIGHTS") else {
        eprintln!("skipped: real weights are tried if ECF8_TEST_WEIGHTS names a folder of safetensors files");
        return None;
    };
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    assert!(!files.is_empty(), "there are no safetensors files in {}", folder.display());
    Some(files.iter().flat_map(|path| weights_of(path, limit)).collect())
}

/// The files that ECF8's authors wrote, each with that of the bytes which it decodes to, in the folder `official-ecf8` beside the one
/// that `ECF8_TEST_WEIGHTS` names. Where they are not, says that the caller is skipped.
#[must_use]
pub fn official() -> Option<Vec<(PathBuf, PathBuf)>> {
    let weights = std::env::var_os("ECF8_TEST_WEIGHTS").map(PathBuf::from);
    let folder = weights.map(|weights| weights.join("../official-ecf8")).filter(|folder| folder.is_dir());
    let Some(folder) = folder else {
        eprintln!(
            "skipped: ECF8_TEST_WEIGHTS names no folder with `official-ecf8`, files of ECF8's authors, beside it"
        );
        return None;
    };
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    assert!(!files.is_empty(), "there are no safetensors files in {}", folder.display());
    Some(files.into_iter().map(|path| (path.clone(), path.with_extension("raw"))).collect())
}

fn weights_of(path: &Path, limit: usize) -> Vec<Case> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (mut cases, mut others) = (Vec::new(), 0);
    for (name, tensor) in file.tensors() {
        others += usize::from(tensor.dtype() != safetensors::Dtype::F8_E4M3);
        if tensor.dtype() != safetensors::Dtype::F8_E4M3 && others > OTHERS_OF_A_FILE {
            continue;
        }
        let element = element(&tensor.dtype().to_string()).unwrap();
        let bytes = tensor.data().len().min(limit);
        let data = &tensor.data()[..bytes - bytes % element.bytes];
        let split = counts(element, data).split;
        let numbers = Numbers { split: &split, bytes: data };
        let name = format!("{} {name}", path.file_name().unwrap().display());
        let encode = |scheme: &dyn Scheme| {
            scheme.encode(numbers, &scheme.codebook(&scheme.symbol_histogram(numbers))).unwrap()
        };
        let suited = schemes().iter().filter(|scheme| scheme.takes(element));
        cases.extend(suited.map(|&scheme| case(&name, data, encode(scheme))));
    }
    cases
}

fn case(name: &str, data: &[u8], encoded: Encoded<'static>) -> Case {
    assert_eq!(encoded.decode_reference().unwrap(), data, "{name}: the reference decoder differs");
    Case { name: format!("{name} under {}", encoded.scheme.name()), data: data.to_vec(), encoded }
}
