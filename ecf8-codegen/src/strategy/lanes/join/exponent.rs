//! Floats of two or more bytes whose exponents are coded.

use crate::lang::{V, byte_permute, device};

/// The numbers, from exponents in the order 0, 2, 1, 3 and planes of other bytes. The first plane has signs and
/// mantissas as they are stored: numbers 0 and 1 are in place, and numbers 2 and 3 are when the word is turned by eight
/// bits. `mask` says where the exponents of two numbers of 16 bits are.
#[track_caller]
pub(super) fn join(bytes: u32, exponents: &[V<u32>], planes: &[V<u32>], mask: V<u32>) -> Vec<V<u32>> {
    let fours = exponents.iter().zip(planes).enumerate();
    fours
        .flat_map(|(four, (&exponents, &rest))| {
            let [first, second] = upper_halves(exponents, rest, mask);
            if bytes == 2 {
                vec![first, second]
            } else {
                whole(first, second, planes[8 + four], planes[4 + four])
            }
        })
        .collect()
}

/// The upper halves of numbers 0 and 1, and of numbers 2 and 3.
#[device]
fn upper_halves(exponents: V<u32>, rest: V<u32>, mask: V<u32>) -> [V<u32>; 2] {
    let first = ((exponents << 7) & mask) | (rest & !mask);
    let turned = byte_permute(rest, rest, 0x0321);
    let second = ((exponents >> 1) & mask) | (turned & !mask);
    [first, second]
}

/// Four numbers of four bytes from their upper halves, two to a word, and their lowest and second lowest bytes.
#[device]
fn whole(first: V<u32>, second: V<u32>, lowest: V<u32>, second_lowest: V<u32>) -> Vec<V<u32>> {
    let low = byte_permute(lowest, second_lowest, 0x5140);
    let low_of_second = byte_permute(lowest, second_lowest, 0x7362);
    vec![
        byte_permute(low, first, 0x5410),
        byte_permute(low, first, 0x7632),
        byte_permute(low_of_second, second, 0x5410),
        byte_permute(low_of_second, second, 0x7632),
    ]
}
