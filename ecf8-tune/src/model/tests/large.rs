//! Models of hundreds of tensors: few kernels, few launches.

use super::*;

const LAYERS: usize = 100;
const EACH: usize = 5;

pub(super) fn five_hundred(scheme: &str) -> Made {
    model_of_layers(LAYERS, EACH, elements(scheme), scheme)
}

/// Elements of a tensor: enough to get smaller.
fn elements(scheme: &str) -> usize {
    if scheme == "exponent-gap" { 6000 } else { 2500 }
}

fn decodes_exactly_with_few_kernels_and_one_launch_a_layer(scheme: &str) {
    let made = five_hundred(scheme);
    let model = made.open();
    let compressed = model.tensors().iter().filter(|tensor| !tensor.is_kept).count();
    assert_eq!(compressed, LAYERS * EACH, "tensors too small to compress are no use here");
    let mut loaded = model.load(emulator()).unwrap();
    let kernels = loaded.plan().kernels();
    eprintln!("{scheme}: {compressed} tensors, {kernels} kernels");
    assert!(kernels <= MOST_KERNELS, "{kernels} kernels");
    assert_eq!(loaded.notes(), Vec::<String>::new());
    for (index, layer) in model.layers().iter().enumerate() {
        let expected = usize::from(layer.tensors.len() > 1);
        assert_eq!(loaded.launches(index), expected, "{}", layer.name);
    }
    assert_eq!(loaded.verify().unwrap(), (LAYERS * (EACH * elements(scheme) + 12) + 400) as u64);
}

#[test]
fn five_hundred_pair_lanes_tensors_need_at_most_sixteen_kernels_and_a_launch_a_layer() {
    decodes_exactly_with_few_kernels_and_one_launch_a_layer("pair-lanes");
}

#[test]
fn five_hundred_byte_lanes_tensors_need_at_most_sixteen_kernels_and_a_launch_a_layer() {
    decodes_exactly_with_few_kernels_and_one_launch_a_layer("byte-lanes");
}

#[test]
fn five_hundred_exponent_gap_tensors_need_at_most_sixteen_kernels_and_a_launch_a_layer() {
    decodes_exactly_with_few_kernels_and_one_launch_a_layer("exponent-gap");
}
