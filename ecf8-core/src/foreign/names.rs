//! Names and shapes of the tensors of a block, which these formats do not store: from a pattern dictionary beside the file, from an
//! original, or made up.

use super::Wrong;
use crate::error::{IoContext, Result};
use crate::header::TensorRecord;
use crate::map::MappedFile;
use regex_lite::Regex;
use safetensors::Dtype;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::Path;

/// A tensor within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its first element.
    pub(super) first: u64,
    /// How many it has.
    pub(super) elements: u64,
}

/// A tensor's name and shape.
pub(super) type Named = (String, Vec<u64>);

/// What is known of the tensors of blocks.
#[derive(Default)]
pub(super) struct Names {
    /// Patterns of blocks' names, and the paths of their modules within them.
    patterns: Vec<(Regex, Vec<String>)>,
    /// Bytes per thread and threads per block, if the configuration says so.
    pub(super) threads: Option<(u64, u64)>,
    /// The tensors of an original, in the order of their data.
    like: Option<Vec<TensorRecord>>,
}

/// The end of a weight's name: blocks have the weights of modules.
const WEIGHT: &str = ".weight";

impl Names {
    /// What the files beside a compressed one say, and what an original has.
    pub(super) fn beside(path: &Path, like: Option<Vec<TensorRecord>>) -> Self {
        let mut names = Self { like, ..Self::default() };
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let read = |name: &str| {
            let path = folder.join(name);
            let file = std::fs::File::open(path.is_file().then_some(path)?).ok()?;
            // A model's configuration is some kilobytes; who knows what else has the name.
            let json: Value = serde_json::from_reader(std::io::Read::take(file, 64 << 20)).ok()?;
            json.as_object().cloned()
        };
        let config = read("config.json").unwrap_or_default();
        let nested = |key: &str| config.get(key).and_then(Value::as_object).cloned();
        let configs = [nested("dfloat11_config"), nested("dfloat_config"), read("dfloat_config.json")];
        for config in configs.into_iter().flatten() {
            let number = |key| config.get(key).and_then(first_number);
            names.threads = names.threads.or(number("bytes_per_thread").zip(number("threads_per_block")));
            names.take_patterns(config.get("pattern_dict").and_then(Value::as_object));
        }
        names.take_patterns(read("pattern_dict.json").as_ref());
        names
    }

    /// Takes a dictionary of patterns, or one of such dictionaries by the kind of weights.
    fn take_patterns(&mut self, dictionary: Option<&Map<String, Value>>) {
        let entries = dictionary.into_iter().flatten();
        for (pattern, paths) in entries {
            match paths {
                Value::Object(of_kind) => self.take_patterns(Some(of_kind)),
                Value::Array(paths) => {
                    // What this dialect of expressions lacks, as looking ahead, names nothing.
                    let Ok(pattern) = Regex::new(&format!("^(?:{pattern})$")) else { continue };
                    let paths = paths.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                    self.patterns.push((pattern, paths));
                }
                _ => {}
            }
        }
    }

    /// The names and shapes of a block's pieces; `is_alone` if it is the only one of its file.
    ///
    /// # Errors
    /// If an original was given that has not these tensors.
    pub(super) fn of(
        &self,
        block: &str,
        pieces: &[Piece],
        dtype: Dtype,
        is_alone: bool,
    ) -> Result<Vec<Named>, Wrong> {
        let listed = self.listed(block, pieces.len());
        if let Some(like) = &self.like {
            return like_original(like, listed.as_deref(), block, pieces, dtype, is_alone).ok_or_else(|| {
                let sizes: Vec<String> = pieces.iter().take(5).map(|piece| piece.elements.to_string()).collect();
                Wrong::Like(format!(
                    "it has no {} tensors of {dtype} with {}{} elements, in this order or by name, for block `{block}`",
                    pieces.len(),
                    sizes.join(", "),
                    if pieces.len() > 5 { ", ..." } else { "" },
                ))
            });
        }
        let made_up = || match pieces.len() {
            1 => vec![format!("{block}{WEIGHT}")],
            count => (0..count).map(|number| format!("{block}.{number}")).collect(),
        };
        let names = listed.unwrap_or_else(made_up);
        Ok(names.into_iter().zip(pieces).map(|(name, piece)| (name, vec![piece.elements])).collect())
    }

    /// The names that a pattern dictionary gives the pieces of a block.
    fn listed(&self, block: &str, pieces: usize) -> Option<Vec<String>> {
        let (_, paths) = self.patterns.iter().find(|(pattern, _)| pattern.is_match(block))?;
        let names: Vec<String> = match &paths[..] {
            [] => vec![format!("{block}{WEIGHT}")],
            paths => paths
                .iter()
                .map(|path| {
                    if path.is_empty() {
                        format!("{block}{WEIGHT}")
                    } else {
                        format!("{block}.{path}{WEIGHT}")
                    }
                })
                .collect(),
        };
        Some(names).filter(|names| names.len() == pieces)
    }

    /// Whether shapes are known.
    pub(super) fn has_shapes(&self) -> bool {
        self.like.is_some()
    }
}

/// A number, or the first of a list: threads per block are written either way.
fn first_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_array()?.first()?.as_u64())
}

/// The tensors of an original that a block has, if some are just that long: those that are listed, or else the weights of the block
/// by name, or if the block is all there is, those of the original by name or as they lie there.
fn like_original<'o>(
    like: &'o [TensorRecord],
    listed: Option<&[String]>,
    block: &str,
    pieces: &[Piece],
    dtype: Dtype,
    is_alone: bool,
) -> Option<Vec<Named>> {
    let elements = |tensor: &TensorRecord| tensor.bytes() * 8 / dtype.bitsize() as u64;
    let fit = |tensors: Vec<&'o TensorRecord>| {
        let are_they = tensors.len() == pieces.len()
            && tensors.iter().zip(pieces).all(|(tensor, piece)| elements(tensor) == piece.elements);
        are_they
            .then(|| tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect())
    };
    let all: Vec<&TensorRecord> = like.iter().filter(|tensor| tensor.dtype == dtype).collect();
    let by_name: HashMap<&str, &TensorRecord> =
        all.iter().map(|tensor| (tensor.name.as_str(), *tensor)).collect();
    let listed =
        listed.map(|names| names.iter().filter_map(|name| by_name.get(name.as_str()).copied()).collect());
    let module = |tensor: &TensorRecord| tensor.name.strip_suffix(WEIGHT).unwrap_or(&tensor.name).to_owned();
    let sorted = |mut tensors: Vec<&'o TensorRecord>| {
        tensors.sort_by_key(|tensor| module(tensor));
        tensors.into_iter().map(|tensor| tensor.name.clone()).collect::<Vec<_>>()
    };
    let of_names =
        |names: Vec<String>| names.iter().filter_map(|name| by_name.get(name.as_str()).copied()).collect();
    let is_within = |tensor: &&TensorRecord| {
        let rest = module(tensor).strip_prefix(block).map(str::to_owned);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let within: Vec<&TensorRecord> = all.iter().copied().filter(is_within).collect();
    // Of a block, what is coded are mostly matrices, and what has one dimension is not.
    let matrices = |tensors: &[&'o TensorRecord]| {
        tensors.iter().copied().filter(|own| own.shape.len() == 2).collect::<Vec<_>>()
    };
    let of_block = [within.clone(), matrices(&within)].map(|own| of_names(sorted(own)));
    let of_all = [all.clone(), matrices(&all)].map(|own| of_names(sorted(own)));
    let of_all = of_all.into_iter().chain([all]).filter(|_| is_alone);
    listed.into_iter().chain(of_block).chain(of_all).find_map(fit)
}

/// The tensors of a safetensors file, or of all files in a folder that have the name of one.
pub(super) fn tensors_of(path: &Path) -> Result<Vec<TensorRecord>> {
    if !path.is_dir() {
        return Ok(MappedFile::open(path)?.header()?.0.tensors);
    }
    let entries = std::fs::read_dir(path).at(path, "list")?;
    let files = entries.map(|entry| Ok(entry.at(path, "list")?.path())).collect::<Result<Vec<_>>>()?;
    let mut weights: Vec<_> =
        files.into_iter().filter(|file| file.extension().is_some_and(|own| own == "safetensors")).collect();
    weights.sort();
    let tensors = weights.iter().map(|file| Ok(MappedFile::open(file)?.header()?.0.tensors));
    Ok(tensors.collect::<Result<Vec<_>>>()?.concat())
}
