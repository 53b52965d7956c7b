//! Which tensors of a model are coded together: the weights of a block, as runtimes decode them before the block runs.

use crate::header::TensorRecord;
use safetensors::Dtype;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A block, and its tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedBlock {
    /// Its module's name.
    pub(crate) name: String,
    /// Names of the modules in it whose weights these are, without the block's; none if it is such a module itself.
    pub(crate) paths: Vec<String>,
    /// Places of the tensors in the list that was given.
    pub(crate) tensors: Vec<usize>,
}

/// The blocks of a model: weights of a dtype with two dimensions, which are those of linear layers and embeddings, go together up to
/// the first number in their names. In a block they are in the order of their modules' names.
pub(crate) fn blocks(tensors: &[&TensorRecord], dtype: Dtype) -> Vec<PlannedBlock> {
    let mut found: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (place, tensor) in tensors.iter().enumerate() {
        let Some(module) = tensor.name.strip_suffix(".weight") else { continue };
        if tensor.dtype != dtype || tensor.shape.len() != 2 || tensor.bytes() == 0 {
            continue;
        }
        let (block, path) = split(module);
        let _ = found.entry(block).or_default().insert(path, place);
    }
    let planned = found.into_iter().map(|(name, mut paths)| {
        // What has weights of its own and modules with weights in it is no block of theirs; those in it are.
        if paths.len() > 1 {
            let _ = paths.remove("");
        }
        let tensors = paths.values().copied().collect();
        let paths = paths.into_keys().filter(|path| !path.is_empty()).map(str::to_owned).collect();
        PlannedBlock { name: name.to_owned(), paths, tensors }
    });
    planned.collect()
}

/// A module's block and its path there.
fn split(module: &str) -> (&str, &str) {
    let mut end = 0;
    for part in module.split('.') {
        end += part.len();
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            return (&module[..end], module.get(end + 1..).unwrap_or_default());
        }
        end += 1;
    }
    (module, "")
}

/// The dictionary by which runtimes find the modules of blocks: expressions that whole names of blocks match, and the paths.
pub(crate) fn patterns(blocks: &[PlannedBlock]) -> Map<String, Value> {
    let mut alike: BTreeMap<String, BTreeMap<&[String], Vec<&str>>> = BTreeMap::new();
    for block in blocks {
        let paths = alike.entry(pattern(&block.name)).or_default();
        paths.entry(&block.paths).or_default().push(&block.name);
    }
    let mut patterns = Map::new();
    for (general, by_paths) in alike {
        let is_one = by_paths.len() == 1;
        for (paths, names) in by_paths {
            let exact = || names.iter().map(|name| escaped(name)).collect::<Vec<_>>().join("|");
            let pattern = if is_one { general.clone() } else { exact() };
            let _ = patterns.insert(pattern, paths.into());
        }
    }
    patterns
}

/// An expression for a name and for those with other numbers.
fn pattern(name: &str) -> String {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.split('.').map(|part| if is_number(part) { r"\d+".to_owned() } else { escaped(part) });
    parts.collect::<Vec<_>>().join(r"\.")
}

fn escaped(name: &str) -> String {
    regex_lite::escape(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, dims: usize) -> TensorRecord {
        TensorRecord { name: name.to_owned(), dtype: Dtype::BF16, shape: vec![1; dims], begin: 0, end: 2 }
    }

    #[test]
    fn weights_go_together_up_to_the_first_number_in_their_names() {
        let names = [
            ("model.layers.0.mlp.up.weight", 2),
            ("model.layers.0.attn.q.weight", 2),
            ("model.layers.0.norm.weight", 1),
            ("model.layers.10.mlp.up.weight", 2),
            ("model.layers.10.attn.q.weight", 2),
            ("model.layers.2.experts.7.up.weight", 2),
            ("model.embed.weight", 2),
            ("model.embed.bias", 2),
            ("7.weight", 2),
        ];
        let records: Vec<TensorRecord> = names.iter().map(|(name, dims)| record(name, *dims)).collect();
        let records: Vec<&TensorRecord> = records.iter().collect();
        let blocks = blocks(&records, Dtype::BF16);
        let told: Vec<(&str, String, &[usize])> =
            blocks.iter().map(|block| (&*block.name, block.paths.join(" "), &*block.tensors)).collect();
        assert_eq!(
            told,
            [
                ("7", String::new(), &[8][..]),
                ("model.embed", String::new(), &[6]),
                ("model.layers.0", "attn.q mlp.up".to_owned(), &[1, 0]),
                ("model.layers.10", "attn.q mlp.up".to_owned(), &[4, 3]),
                ("model.layers.2", "experts.7.up".to_owned(), &[5]),
            ]
        );
        let patterns = serde_json::to_string(&patterns(&blocks)).unwrap();
        let expected = r#"{"\\d+":[],"model\\.embed":[],"model\\.layers\\.2":["experts.7.up"],"model\\.layers\\.0|model\\.layers\\.10":["attn.q","mlp.up"]}"#;
        let sorted = |text: &str| serde_json::from_str::<BTreeMap<String, Value>>(text).unwrap();
        assert_eq!(sorted(&patterns), sorted(expected));
    }
}
