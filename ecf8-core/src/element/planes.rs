//! Planes: one byte of each of many numbers.
//!
//! Numbers of several bytes are taken in the order of *slots*: in every [`SLOTS`] of them, slot 16·l + n·j + i is
//! number n·(32·j + l) + i, where n is how many numbers 16 bytes hold. So what lane l of a GPU's warp decodes in a
//! turn, 16 numbers, is one vector of 16 bytes in each 512 bytes, and all lanes together store 512 bytes in a row. What
//! is left over at the end of a tensor keeps its order.

use super::Shape;
use super::signs;
use crate::histogram::{Histogram, count_by_place, sum};
use crate::int;
use crate::wide::wide;

/// Numbers that are reordered together.
pub const SLOTS: usize = 512;

/// Bytes of a vector.
const VECTOR: usize = 16;

/// Vectors of a warp's store.
const LANES: usize = 32;

/// What is known of one plane.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bytes<'a> {
    /// A byte for each slot.
    Each(&'a [u8]),
    /// The same byte for all.
    All(u8),
}

/// Takes one plane of some numbers, in the order of slots, the first being one of a multiple of [`SLOTS`]. Plane 0 is
/// the most significant one.
pub(super) fn take(shape: Shape, bytes: usize, plane: usize, numbers: &[u8], out: &mut Vec<u8>) {
    out.resize(numbers.len() / bytes.max(1), 0);
    wide(
        #[inline(always)]
        || match bytes {
            2 => take_of::<2>(shape, plane, numbers, out),
            4 => take_of::<4>(shape, plane, numbers, out),
            8 => take_of::<8>(shape, plane, numbers, out),
            _ => out.copy_from_slice(numbers),
        },
    );
}

#[inline(always)]
fn take_of<const W: usize>(shape: Shape, plane: usize, numbers: &[u8], out: &mut [u8]) {
    let numbers = numbers.as_chunks::<W>().0;
    match (shape, plane) {
        (Shape::Exponent, 0) => take_by(numbers, out, |number| number[W - 1] << 1 | number[W - 2] >> 7),
        (Shape::Exponent, 1) => take_by(numbers, out, |number| number[W - 1] & 0x80 | number[W - 2] & 0x7f),
        _ => take_by(numbers, out, |number| number[W - 1 - plane]),
    }
}

/// Takes a byte of each number. All of a block's first and then where they belong, since compilers make wide operations of
/// that.
#[inline(always)]
fn take_by<const W: usize>(numbers: &[[u8; W]], out: &mut [u8], byte: impl Fn([u8; W]) -> u8) {
    let (blocks, rest) = numbers.as_chunks::<SLOTS>();
    let (slots, last) = out.as_chunks_mut::<SLOTS>();
    let mut taken = [0; SLOTS];
    for (block, slots) in blocks.iter().zip(slots) {
        for (taken, number) in taken.iter_mut().zip(block) {
            *taken = byte(*number);
        }
        for lane in 0..LANES {
            for part in 0..W {
                let (slot, number) = places::<W>(lane, part);
                slots[slot..slot + VECTOR / W].copy_from_slice(&taken[number..number + VECTOR / W]);
            }
        }
    }
    for (slot, number) in last.iter_mut().zip(rest) {
        *slot = byte(*number);
    }
}

/// How often each byte occurs in each plane of some numbers, of which there are at most 2^32: what counting what [`take`] takes
/// of each plane gives, in one reading.
pub(super) fn count(shape: Shape, bytes: usize, numbers: &[u8]) -> Vec<Histogram> {
    let by_place = if shape == Shape::Exponent {
        // The lowest bit of the two upper bytes of each number of a word.
        let upper = (0..8 / bytes).map(|number| 1 << (8 * (bytes * number + bytes - 2))).sum();
        count_by_place(numbers, |word| exponents_first(word, upper))
    } else {
        count_by_place(numbers, |word| word)
    };
    let plane =
        |plane| sum(256, by_place.iter().skip(bytes - 1 - plane).step_by(bytes).map(|counts| &counts[..]));
    (0..bytes).map(|of| Histogram::from_counts(&plane(of))).collect()
}

/// A number of two bytes as its planes stand behind each other, the first highest.
pub(super) fn arranged(shape: Shape, number: u16) -> u16 {
    match shape {
        Shape::Exponent => int::low_half(int::low(exponents_first(number.into(), 1))),
        Shape::Nibble | Shape::Bytes => number,
    }
}

/// Makes the first byte of each number its exponent; its sign is in the second then. `upper` has the lowest bit of the two upper
/// bytes of each number.
fn exponents_first(word: u64, upper: u64) -> u64 {
    let (exponents, signs) = (0x7f80 * upper, 0x8000 * upper);
    (word & exponents) << 1 | (word & signs) >> 8 | word & !(exponents | signs)
}

/// Where the numbers of a vector begin in a block: their slots, and themselves.
#[inline]
const fn places<const W: usize>(lane: usize, part: usize) -> (usize, usize) {
    (VECTOR * lane + VECTOR / W * part, VECTOR / W * (LANES * part + lane))
}

/// Puts the planes of numbers together: the inverse of [`take`] for all planes.
pub(super) fn join(shape: Shape, planes: &[Bytes<'_>], out: &mut [u8]) {
    wide(
        #[inline(always)]
        || match planes {
            [a, b] => join_of::<2>(shape, [*a, *b], out),
            [a, b, c, d] => join_of::<4>(shape, [*a, *b, *c, *d], out),
            [a, b, c, d, e, f, g, h] => join_of::<8>(shape, [*a, *b, *c, *d, *e, *f, *g, *h], out),
            _ => {}
        },
    );
}

#[inline(always)]
fn join_of<const W: usize>(shape: Shape, planes: [Bytes<'_>; W], out: &mut [u8]) {
    if shape == Shape::Exponent {
        join_by(planes, out, |mut number| {
            let (exponent, rest) = (number[W - 1], number[W - 2]);
            (number[W - 1], number[W - 2]) = (rest & 0x80 | exponent >> 1, exponent << 7 | rest & 0x7f);
            number
        });
    } else {
        join_by(planes, out, |number| number);
    }
}

/// Puts numbers together of their bytes, and then finishes them. Bytes of a block in the order of its numbers first, see
/// [`take_by`].
#[inline(always)]
fn join_by<const W: usize>(planes: [Bytes<'_>; W], out: &mut [u8], finish: impl Fn([u8; W]) -> [u8; W]) {
    let (blocks, rest) = out.as_chunks_mut::<W>().0.as_chunks_mut::<SLOTS>();
    let count = blocks.len();
    let mut bytes = [[0u8; SLOTS]; W];
    for (index, block) in blocks.iter_mut().enumerate() {
        for (bytes, plane) in bytes.iter_mut().zip(planes) {
            let slots = match plane {
                Bytes::Each(all) => all.get(SLOTS * index..).and_then(<[u8]>::first_chunk::<SLOTS>),
                Bytes::All(byte) => {
                    bytes.fill(byte);
                    None
                }
            };
            let Some(slots) = slots else { continue };
            for lane in 0..LANES {
                for part in 0..W {
                    let (slot, number) = places::<W>(lane, part);
                    bytes[number..number + VECTOR / W].copy_from_slice(&slots[slot..slot + VECTOR / W]);
                }
            }
        }
        for (place, number) in block.iter_mut().enumerate() {
            *number = finish(std::array::from_fn(|byte| bytes[W - 1 - byte][place]));
        }
    }
    for (number, slot) in rest.iter_mut().zip(SLOTS * count..) {
        let byte = |plane: Bytes<'_>| match plane {
            Bytes::Each(bytes) => bytes.get(slot).copied().unwrap_or_default(),
            Bytes::All(byte) => byte,
        };
        *number = finish(std::array::from_fn(|place| byte(planes[W - 1 - place])));
    }
}

/// Bytes that a plane takes where it is stored: whole vectors.
pub(super) const fn stored_bytes(slots: u64) -> u64 {
    slots.div_ceil(VECTOR as u64).saturating_mul(VECTOR as u64)
}

/// Whether a plane is stored with its signs moved.
pub(super) fn is_turned(shape: Shape, plane: usize) -> bool {
    shape == Shape::Exponent && plane == 1
}

/// Stores a plane in `out`, which has [`stored_bytes`] zeros.
pub(super) fn store(turned: bool, plane: &[u8], out: &mut [u8]) {
    out[..plane.len()].copy_from_slice(plane);
    if turned {
        let fours = out.as_chunks_mut::<4>().0;
        wide(
            #[inline(always)]
            || fours.iter_mut().for_each(|four| *four = signs::turn(*four)),
        );
    }
}

/// Reads a plane back from how it is stored: whole vectors.
pub(super) fn read(turned: bool, stored: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(stored);
    if turned {
        let fours = out.as_chunks_mut::<4>().0;
        wide(
            #[inline(always)]
            || fours.iter_mut().for_each(|four| *four = signs::turn_back(*four)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<u8> {
        (0..count).map(|i| (i * i / 5 + i * 31) as u8).collect()
    }

    #[test]
    fn slots_are_in_the_order_that_the_format_says() {
        for width in [2, 4, 8] {
            let per = 16 / width;
            let numbers = numbers(width * (2 * SLOTS + 77));
            let mut taken = Vec::new();
            for plane in 0..width {
                take(Shape::Bytes, width, plane, &numbers, &mut taken);
                assert_eq!(taken.len(), 2 * SLOTS + 77);
                let byte = |number: usize| numbers[width * number + width - 1 - plane];
                for block in 0..2 {
                    for (l, j, i) in
                        (0..32).flat_map(|l| (0..width).flat_map(move |j| (0..per).map(move |i| (l, j, i))))
                    {
                        let slot = 512 * block + 16 * l + per * j + i;
                        assert_eq!(taken[slot], byte(512 * block + per * (32 * j + l) + i));
                    }
                }
                assert!((2 * SLOTS..taken.len()).all(|slot| taken[slot] == byte(slot)));
            }
        }
    }

    #[test]
    fn planes_join_to_the_numbers_that_they_were_taken_from() {
        for shape in [Shape::Bytes, Shape::Exponent] {
            for (width, count) in
                [2, 4, 8].into_iter().flat_map(|w| [0, 1, 3, 511, 512, 513, 1600].map(|n| (w, n)))
            {
                let numbers = numbers(width * count);
                let planes: Vec<Vec<u8>> = (0..width)
                    .map(|plane| {
                        let (mut taken, mut back) = (Vec::new(), Vec::new());
                        take(shape, width, plane, &numbers, &mut taken);
                        let mut stored = vec![0; stored_bytes(count as u64) as usize];
                        store(is_turned(shape, plane), &taken, &mut stored);
                        read(is_turned(shape, plane), &stored, &mut back);
                        assert!(back[..count] == taken && back[count..].iter().all(|byte| *byte == 0));
                        back
                    })
                    .collect();
                let each: Vec<Bytes<'_>> = planes.iter().map(|plane| Bytes::Each(plane)).collect();
                let mut out = vec![0; numbers.len()];
                join(shape, &each, &mut out);
                assert!(out == numbers, "{shape:?} {width} {count}");
            }
        }
    }

    #[test]
    fn planes_are_counted_as_they_are_taken() {
        for (shape, width) in [
            (Shape::Nibble, 1),
            (Shape::Bytes, 2),
            (Shape::Bytes, 4),
            (Shape::Bytes, 8),
            (Shape::Exponent, 2),
            (Shape::Exponent, 4),
        ] {
            for count_of in [0, 1, 2, 3, 511, 512, 513, 1601] {
                let numbers = numbers(width * count_of);
                let counted = count(shape, width, &numbers);
                assert_eq!(counted.len(), width);
                for (plane, counted) in counted.iter().enumerate() {
                    let mut taken = Vec::new();
                    take(shape, width, plane, &numbers, &mut taken);
                    assert_eq!(*counted, Histogram::of_bytes(&taken), "{shape:?} {width} {count_of} {plane}");
                }
            }
        }
    }

    #[test]
    fn the_exponent_of_a_float_is_the_first_plane() {
        let mut taken = Vec::new();
        for (plane, expected) in [(0, 127), (1, 0xa0)] {
            take(Shape::Exponent, 2, plane, &0xbfa0u16.to_le_bytes(), &mut taken);
            assert_eq!(taken, [expected], "-1.25 in BF16");
        }
        for (plane, expected) in [(0, 127), (1, 0xa0), (2, 0x12), (3, 0x34)] {
            take(Shape::Exponent, 4, plane, &0xbfa0_1234u32.to_le_bytes(), &mut taken);
            assert_eq!(taken, [expected]);
        }
    }
}
