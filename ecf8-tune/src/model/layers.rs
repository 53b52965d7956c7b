//! Which tensors make a layer, and the order of layers: both by name.

use std::cmp::Ordering;

/// The layer that a tensor belongs to unless the caller groups otherwise: its name up to the first component that is a
/// number, `model.layers.3.` for `model.layers.3.mlp.up_proj.weight`. A tensor without one is a layer of its own.
#[must_use]
pub fn layer_of(name: &str) -> &str {
    let mut end = 0;
    for component in name.split_inclusive('.') {
        end += component.len();
        let word = component.trim_end_matches('.');
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            return &name[..end];
        }
    }
    name
}

/// Names in the order in which people count: `layers.2` before `layers.10`.
pub(super) fn natural(one: &str, other: &str) -> Ordering {
    let (mut one_words, mut other_words) = (one.split('.'), other.split('.'));
    loop {
        let (a, b) = match (one_words.next(), other_words.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => (a.unwrap_or_default(), b.unwrap_or_default()),
        };
        let number = |word: &str| word.parse::<u64>().ok();
        let order = match (number(a), number(b)) {
            (Some(x), Some(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
            _ => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_the_name_up_to_its_first_number() {
        for (name, layer) in [
            ("model.layers.3.mlp.up_proj.weight", "model.layers.3."),
            ("model.layers.12.experts.7.weight", "model.layers.12."),
            ("blocks.0", "blocks.0"),
            ("lm_head.weight", "lm_head.weight"),
            ("conv2d.weight", "conv2d.weight"),
            ("0.weight", "0."),
            ("a..b", "a..b"),
            ("", ""),
        ] {
            assert_eq!(layer_of(name), layer);
        }
    }

    #[test]
    fn layers_are_counted_as_people_count() {
        let mut names = ["m.10.a", "m.9.b", "m.9.a", "lm_head", "m.2.", "m.norm"];
        names.sort_by(|one, other| natural(one, other));
        assert_eq!(names, ["lm_head", "m.2.", "m.9.a", "m.9.b", "m.10.a", "m.norm"]);
        assert_eq!(natural("m.01", "m.1"), Ordering::Less, "different names are never equal");
    }
}
