//! Numbers of two or more bytes of which one is coded and the others are stored as they are.

use crate::lang::{V, byte_permute};

/// The numbers, from the coded bytes and the planes of the others, the most significant first: bytes of two planes become
/// pairs of bytes, and so on, until words have whole numbers.
#[track_caller]
pub(super) fn join(coded: u32, fields: &[V<u32>], planes: &[V<u32>]) -> Vec<V<u32>> {
    let mut all: Vec<Vec<V<u32>>> = planes.chunks_exact(4).map(|plane| plane.to_vec()).collect();
    all.insert(coded as usize, fields.to_vec());
    all.reverse();
    let pairs: Vec<Vec<V<u32>>> =
        all.chunks_exact(2).map(|two| interleave(&two[0], &two[1], 0x5140, 0x7362)).collect();
    let mut parts: Vec<Vec<V<u32>>> = match pairs.len() {
        1 => pairs,
        _ => pairs.chunks_exact(2).map(|two| interleave(&two[0], &two[1], 0x5410, 0x7632)).collect(),
    };
    if parts.len() == 2 {
        let (low, high) = (&parts[0], &parts[1]);
        return low.iter().zip(high).flat_map(|(low, high)| [*low, *high]).collect();
    }
    parts.remove(0)
}

/// Words of two lists joined piece by piece, as two selectors of [`byte_permute`] say.
#[track_caller]
fn interleave(low: &[V<u32>], high: &[V<u32>], first: u32, second: u32) -> Vec<V<u32>> {
    low.iter()
        .zip(high)
        .flat_map(|(&low, &high)| [byte_permute(low, high, first), byte_permute(low, high, second)])
        .collect()
}
