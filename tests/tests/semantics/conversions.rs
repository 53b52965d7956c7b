//! `as` between all types, and the choices between values.

use crate::case::Case;
use ecf8_codegen::lang::{Global, GlobalMut, V, device, kernel, select, thread_idx};

macro_rules! casts {
    ($($sentence:ident $from:ident $values:expr;)*) => {
        mod kernels {
            use super::*;
            $(
                /// The value as every type, each widened to `u64` so that all bits show.
                #[kernel(threads = 8)]
                pub(super) fn $sentence(input: Global<$from>, output: GlobalMut<u64>) {
                    let i = thread_idx();
                    let x = input[i];
                    output[i * 6] = x as u8 as u64;
                    output[i * 6 + 1] = x as u16 as u64;
                    output[i * 6 + 2] = x as u32 as u64;
                    output[i * 6 + 3] = x as u64;
                    output[i * 6 + 4] = x as i32 as u64;
                    output[i * 6 + 5] = x as $from as u32 as u64;
                }
            )*
        }
        $crate::cases! {
    what_is_widened_keeps_its_value_beside_anything: Case::new(widened(), &expected_widened());
            $(
                $sentence: {
                    let values: [$from; 8] = $values;
                    #[allow(clippy::cast_lossless, clippy::cast_possible_truncation, clippy::unnecessary_cast)]
                    let expected: Vec<u64> = values
                        .iter()
                        .flat_map(|&x| {
                            [x as u8 as u64, x as u16 as u64, x as u32 as u64, x as u64, x as i32 as u64, x as u32 as u64]
                        })
                        .collect();
                    Case::new(kernels::$sentence(), &expected).input(&values)
                };
            )*
            truth_values_become_0_and_1: Case::new(truth(), &[1_u8, 0, 1, 0]).input(&[5_u32, 9, 0, 10]);
            select_evaluates_both_sides: Case::new(selected(), &[10_u32, 21, 12, 23]).input(&[10_u32, 11, 12, 13, 20, 21, 22, 23]);
            an_if_with_a_value_evaluates_only_the_arm_it_takes:
                Case::new(guarded(), &[7_u32, 8, 0, 0]).input(&[7_u32, 8]);
            arms_may_be_literals: Case::new(literals(), &[1_u8, 250, 1, 250]);
            arms_may_be_blocks_with_statements: Case::new(blocks(), &[0_u32, 11, 2, 33]);
        }
    };
}
casts! {
    u8_converts_to_every_type u8 [0, 1, 2, 127, 128, 200, 254, 255];
    u16_converts_to_every_type u16 [0, 1, 255, 256, 0x7fff, 0x8000, 0xfffe, 0xffff];
    u32_converts_to_every_type u32 [0, 1, 255, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
    u64_converts_to_every_type u64 [0, 1, 0xffff_ffff, 1 << 32, 1 << 63, u64::MAX, 0x0123_4567_89ab_cdef, 0xff00_8000_0000];
    i32_extends_its_sign_to_every_type i32 [0, 1, -1, -128, 127, i32::MIN, i32::MAX, -32769];
}

#[kernel(threads = 4)]
fn truth(input: Global<u32>, output: GlobalMut<u8>) {
    let i = thread_idx();
    let x = input[i];
    let is_small = x < 6;
    output[i] = is_small as u8;
}

#[kernel(threads = 4)]
fn selected(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = select(i % 2 == 0, input[i], input[i + 4]);
}

#[kernel(threads = 4)]
fn guarded(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = if i < 2 { input[i] } else { 0 };
}

#[kernel(threads = 4)]
fn literals(output: GlobalMut<u8>) {
    let i = thread_idx();
    output[i] = if i % 2 == 0 { 1_u8 } else { 250 };
}

#[device]
fn tripled(x: V<u32>) -> V<u32> {
    let mut sum: u32 = 0;
    for _ in 0..3 {
        sum += x;
    }
    sum
}

#[kernel(threads = 4)]
fn blocks(output: GlobalMut<u32>) {
    let i = thread_idx();
    let value = if i % 2 == 0 {
        i
    } else {
        let three = tripled(i);
        let more = if i > 1 { i * 8 } else { i * 8 };
        three + more
    };
    output[i] = value;
}

#[kernel(threads = 4)]
fn widened(output: GlobalMut<u64>) {
    let i = thread_idx();
    let small = (i as u8) + 250;
    let wide = (i as u64) + 0xffff_ffff;
    let less = (i - 1) as u64;
    let chosen = if i > 1 { small as u64 } else { 0 };
    let both = if i > 2 { small as u64 } else { i as u64 };
    let mut sum = (small as u64) + less;
    sum += ((i - 1) * 3) as u64;
    sum *= small as u64;
    let word = (small as u32) * (i - 9) + (small as u32);
    output[i] = sum + wide * (small as u64) + chosen + both + (word as u64) + ((i.count_ones() + i) as u64);
}

fn expected_widened() -> Vec<u64> {
    let one = |i: u32| {
        let small = 250 + u64::from(i);
        let less = u64::from(i.wrapping_sub(1));
        let tripled = u64::from(i.wrapping_sub(1).wrapping_mul(3));
        let sum = (small + less + tripled).wrapping_mul(small);
        let word = (250 + i).wrapping_mul(i.wrapping_sub(9)).wrapping_add(250 + i);
        let chosen = if i > 1 { small } else { 0 };
        let both = if i > 2 { small } else { u64::from(i) };
        sum + (u64::from(i) + 0xffff_ffff) * small
            + chosen
            + both
            + u64::from(word)
            + u64::from(i.count_ones() + i)
    };
    (0..4).map(one).collect()
}
