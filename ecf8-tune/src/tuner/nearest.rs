//! The variants of a strategy, those most like a given one first.

use super::Candidate;
use ecf8_codegen::strategy::{Params, Strategy, TunableSpec};

/// All variants of a strategy, in the order of how many parameters differ from these, and then of how far they are in the
/// lists of their values. These themselves come first if they are a variant.
#[must_use]
pub fn nearest_first(strategy: &dyn Strategy, params: &Params) -> Vec<Params> {
    let tunables = strategy.tunables();
    let mut variants = strategy.variants();
    variants.sort_by_cached_key(|variant| distance(&tunables, params, variant));
    variants
}

/// How unlike two sets of parameters are: how many differ, and by how many places in the lists of values.
fn distance(tunables: &[TunableSpec], one: &Params, other: &Params) -> (usize, usize) {
    let steps = tunables.iter().map(|tunable| {
        let place = |params: &Params| {
            tunable.values.iter().position(|value| params.get(tunable.name) == Some(value.as_str()))
        };
        match (place(one), place(other)) {
            (Some(one), Some(other)) => one.abs_diff(other),
            _ => tunable.values.len(),
        }
    });
    steps.filter(|steps| *steps > 0).fold((0, 0), |(count, sum), steps| (count + 1, sum + steps))
}

/// The place of a strategy's default in a space.
#[must_use]
pub fn is_default(candidate: &Candidate) -> bool {
    candidate.strategy.params(&[]).is_ok_and(|default| default == candidate.params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecf8_codegen::strategy::strategies;

    #[test]
    fn the_variant_itself_comes_first_and_then_those_that_differ_in_one_parameter_the_nearest_value_first() {
        for strategy in strategies() {
            let default = strategy.params(&[]).unwrap();
            let order = nearest_first(*strategy, &default);
            assert_eq!(order.len(), strategy.variants().len());
            assert_eq!(order[0], default);
            let tunables = strategy.tunables();
            let distances: Vec<_> = order.iter().map(|one| distance(&tunables, &default, one)).collect();
            assert!(distances.is_sorted() && distances[1..].iter().all(|distance| distance.0 > 0));
        }
        let lanes = ecf8_codegen::strategy::strategy("lanes-pair").unwrap();
        let order = nearest_first(lanes, &lanes.params(&[]).unwrap());
        let of = |one: &Params| {
            ["warps_per_block", "table", "warps_at_once"].map(|name| one.get(name).map(str::to_owned))
        };
        let expected = [
            ["16", "argument", "4096"],
            ["8", "argument", "4096"],
            ["16", "inlined", "4096"],
            ["16", "argument", "1"],
            ["16", "argument", "16384"],
            ["4", "argument", "4096"],
        ];
        let first: Vec<_> = order.iter().map(of).take(expected.len()).collect();
        assert_eq!(first, expected.map(|values| values.map(|value| Some(value.to_owned()))));
    }
}
