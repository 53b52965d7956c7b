//! What is counted of a tensor before it is split, in one reading.

use super::dictionary::Dictionary;
use super::planes;
use super::split::{Plane, Split};
use super::{Element, Shape};
use crate::histogram::Histogram;
use crate::int;
use crate::map::passing;
use rayon::prelude::*;
use std::sync::Arc;

/// Numbers of the shortest run: whole chunks of every scheme, but for the longest of them, which are made shorter.
pub const RUN: u64 = 98_304;

/// Runs of a tensor, at most: those of a larger one are longer.
const MOST_RUNS: u64 = 4096;

/// What one look at the numbers of a tensor tells.
#[derive(Debug)]
pub struct Counts {
    /// How they are best split.
    pub split: Split,
    /// Of the bytes of each plane of what is split, the most significant one first; of all bytes where a number has
    /// one.
    pub planes: Vec<Histogram>,
    /// Of the coded bytes of each run; empty if it was known only afterwards which plane is coded.
    pub runs: Vec<Histogram>,
    /// Numbers of a run: [`RUN`], or a power of two times as many.
    pub run: u64,
    /// Of all bytes.
    pub bytes: Histogram,
    /// Of exponents, if the numbers are floats.
    pub exponents: Option<Histogram>,
}

/// Counts the bytes and exponents of numbers, in parallel, and decides how to split them.
#[must_use]
pub fn counts(element: &'static Element, bytes: &[u8]) -> Counts {
    let run_bytes = int::index(RUN) * element.bytes;
    let times = ((bytes.len() / element.bytes) as u64).div_ceil(RUN * MOST_RUNS).max(1).next_power_of_two();
    let is_known = element.bytes == 1 || element.shape == Shape::Exponent;
    let mut all = Counted::zero(element);
    let mut runs: Vec<Histogram> = Vec::new();
    let mut index = 0;
    for piece in passing(bytes, run_bytes) {
        let counted =
            piece.par_chunks(run_bytes).map_init(Vec::new, |memory, run| count(element, run, memory));
        for run in counted.collect::<Vec<Counted>>() {
            all.add(&run);
            let coded = run.planes.into_iter().next().filter(|_| is_known);
            match runs.last_mut().filter(|_| index % times > 0) {
                Some(last) => coded.iter().for_each(|coded| last.add(coded)),
                None => runs.extend(coded),
            }
            index += 1;
        }
    }
    let Counted { planes, bytes, exponents } = all;
    let split = Split::suited(element, None, &planes);
    Counts { split, planes, runs, run: RUN * times, bytes, exponents }
}

/// What is counted of a run.
struct Counted {
    planes: Vec<Histogram>,
    bytes: Histogram,
    exponents: Option<Histogram>,
}

impl Counted {
    fn zero(element: &Element) -> Self {
        Self {
            planes: vec![Histogram::zero(256); element.bytes],
            bytes: Histogram::zero(256),
            exponents: element.float.map(|format| Histogram::zero(format.exponents())),
        }
    }

    fn add(&mut self, other: &Self) {
        self.planes.iter_mut().zip(&other.planes).for_each(|(sum, counted)| sum.add(counted));
        self.bytes.add(&other.bytes);
        self.exponents.iter_mut().zip(&other.exponents).for_each(|(sum, counted)| sum.add(counted));
    }
}

/// Counts a run.
fn count(element: &Element, run: &[u8], memory: &mut Vec<u32>) -> Counted {
    // Of fewer than 8,192 numbers, looking at all counters afterwards would take longer than counting does.
    if element.bytes == 2 && run.len() > NUMBERS / 4 {
        by_number(element, run, memory)
    } else {
        by_byte(element, run)
    }
}

/// Numbers of two bytes that there are.
const NUMBERS: usize = 1 << 16;

/// Counts numbers of two bytes, and their bytes and exponents by what there is of each: one increment instead of four.
fn by_number(element: &Element, run: &[u8], counts: &mut Vec<u32>) -> Counted {
    counts.clear();
    counts.resize(NUMBERS, 0);
    for number in run.as_chunks::<2>().0 {
        counts[usize::from(u16::from_le_bytes(*number))] += 1;
    }
    let mut of_planes = [[0u64; 256]; 2];
    let mut of_bytes = [0u64; 256];
    let mut of_exponents = element.float.map(|format| vec![0u64; format.exponents()]);
    for (block, counts) in counts.chunks_exact(BLOCK).enumerate() {
        // Hardly any numbers occur, and their neighbours do, too.
        if counts.iter().fold(0, |any, count| any | count) == 0 {
            continue;
        }
        for (number, &count) in (BLOCK * block..).zip(counts) {
            let (number, count) = (int::low_half(int::low(number as u64)), u64::from(count));
            let [second, first] = planes::arranged(element.shape, number).to_le_bytes();
            of_planes[0][usize::from(first)] += count;
            of_planes[1][usize::from(second)] += count;
            number.to_le_bytes().into_iter().for_each(|byte| of_bytes[usize::from(byte)] += count);
            if let (Some(format), Some(counts)) = (element.float, &mut of_exponents) {
                counts[format.exponent(number.into())] += count;
            }
        }
    }
    Counted {
        planes: of_planes.iter().map(|counts| Histogram::from_counts(counts)).collect(),
        bytes: Histogram::from_counts(&of_bytes),
        exponents: of_exponents.map(|counts| Histogram::from_counts(&counts)),
    }
}

/// Neighbours that are looked at together.
const BLOCK: usize = 64;

/// Counts bytes by their place in numbers.
fn by_byte(element: &Element, run: &[u8]) -> Counted {
    let planes = planes::count(element.shape, element.bytes, run);
    let bytes = match element.shape {
        Shape::Exponent => Histogram::of_bytes(run),
        Shape::Nibble | Shape::Bytes => Histogram::sum(256, planes.iter()),
    };
    let exponents = element.float.map(|format| match (element.shape, planes.as_slice()) {
        (Shape::Exponent, [exponents, ..]) => exponents.clone(),
        // The exponent is all in the first byte.
        (_, [first, ..]) if format.bits() - format.mantissa_bits <= 8 => {
            first.exponents(format, format.bits() - 8)
        }
        _ => Histogram::of_numbers(run, format),
    });
    Counted { planes, bytes, exponents }
}

/// The same where numbers may be split by a dictionary of them, if that makes them smaller.
#[must_use]
pub fn counts_with_dictionary(element: &'static Element, bytes: &[u8]) -> Counts {
    let plain = counts(element, bytes);
    let Some((dictionary, occurrences)) = Dictionary::of(element.bytes, bytes) else { return plain };
    let plane = |plane: usize| {
        let mut counts = [0u64; 256];
        let below = 8 * (element.bytes - 1 - plane);
        for (place, count) in (0u64..).zip(&occurrences) {
            counts[usize::from(int::low_byte(place >> below))] += count;
        }
        Histogram::from_counts(&counts)
    };
    let planes: Vec<Histogram> = (0..element.bytes).map(plane).collect();
    let split = Split::suited(element, Some(Arc::new(dictionary)), &planes);
    let bits = |split: &Split, planes: &[Histogram]| {
        let of = |(plane, counts): (&Plane, &Histogram)| match plane {
            Plane::Coded => counts.entropy_bits(),
            Plane::Stored => 8.0,
            Plane::Constant(_) => 0.0,
        };
        split.planes.iter().zip(planes).map(of).sum::<f64>() * counted(bytes, element)
    };
    let own = bits(&split, &planes) + 8.0 * (split.dictionary_bytes().unwrap_or(0) + DICTIONARY_COST) as f64;
    if own * 100.0 < bits(&plain.split, &plain.planes) * DICTIONARY_PERCENT {
        Counts { split, planes, runs: Vec::new(), ..plain }
    } else {
        plain
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of a tensor")]
fn counted(bytes: &[u8], element: &Element) -> f64 {
    (bytes.len() / element.bytes) as f64
}

/// Bytes that a dictionary takes in a container beside its entries.
const DICTIONARY_COST: u64 = 128;

/// What a tensor may take with a dictionary, in percent of what it takes without: looking numbers up takes time.
const DICTIONARY_PERCENT: f64 = 98.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::ELEMENTS;
    use crate::synthetic;

    #[test]
    fn one_reading_counts_what_planes_bytes_and_exponents_are() {
        for element in &ELEMENTS {
            let numbers = synthetic::stored_as(element.dtype, &synthetic::gaussian(3, 30_000, 0.02));
            let Some(numbers) = numbers else { continue };
            let run = int::index(RUN) * element.bytes;
            let many: Vec<u8> = numbers.iter().copied().cycle().take(2 * run + 7 * element.bytes).collect();
            for bytes in [&numbers[..0], &numbers[..element.bytes * 77], &numbers[..], &many[..]] {
                let counted = counts(element, bytes);
                assert_eq!(counted.bytes, Histogram::of_bytes(bytes), "{}", element.dtype);
                let exponents = element.float.map(|format| Histogram::of_numbers(bytes, format));
                assert_eq!(counted.exponents, exponents, "{}", element.dtype);
                let mut taken = Vec::new();
                for (plane, counted) in counted.planes.iter().enumerate() {
                    planes::take(element.shape, element.bytes, plane, bytes, &mut taken);
                    assert_eq!(*counted, Histogram::of_bytes(&taken), "{} {plane}", element.dtype);
                }
                let runs = counted.runs.iter().map(Histogram::total).sum::<u64>();
                assert!(counted.runs.is_empty() || runs == (bytes.len() / element.bytes) as u64);
                assert_eq!(
                    counted.runs.is_empty(),
                    bytes.is_empty() || element.bytes > 1 && element.shape == Shape::Bytes
                );
            }
        }
    }
}
