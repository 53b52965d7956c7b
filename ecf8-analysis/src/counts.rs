//! Counting the numbers of a tensor: whole heads, the bytes below them, and exponents beside those before and above.

use crate::numbers::FloatType;
use ecf8_core::element::Element;
use rayon::prelude::*;
use std::collections::HashMap;

/// Elements that one task counts: many tasks for a large tensor, one for a small one.
const TASK: usize = 1 << 18;

/// Elements that are taken apart at once, into memory that stays in the nearest cache.
const AT_ONCE: usize = 4096;

/// What one tensor's numbers are, for counting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    /// Bytes of one.
    pub(crate) width: usize,
    /// What they are, if they are floats.
    pub(crate) float: Option<&'static FloatType>,
}

impl Numbers {
    pub(crate) fn of(element: &'static Element) -> Self {
        Self { width: element.bytes, float: FloatType::of(element) }
    }

    /// How many bytes of one are below its head: all, if they are no floats.
    fn lower(self) -> usize {
        self.width - self.float.map_or(0, |float| float.head_bits() as usize / 8)
    }
}

/// Some numbers of a tensor, and what is before them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// Their bytes, after those of the elements before them that are known.
    pub(crate) bytes: &'a [u8],
    /// How many elements before them are there.
    pub(crate) before: usize,
    /// Which element of the tensor the first of them is.
    pub(crate) first: u64,
    /// Elements of a row.
    pub(crate) row: u64,
}

/// How often things occur among the numbers of a tensor.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// Heads; none, if the numbers are no floats.
    pub(crate) heads: Vec<u64>,
    /// Bytes below the heads, the most significant first.
    pub(crate) lower: Vec<[u64; 256]>,
    /// Exponents after each other in a row.
    pub(crate) previous: Pairs<u64>,
    /// Exponents below each other.
    pub(crate) above: Pairs<u64>,
}

/// How often two exponents occur together: at `first * alphabet + second`.
#[derive(Debug, Clone)]
pub(crate) enum Pairs<T> {
    /// All pairs.
    Dense(Vec<T>),
    /// Those that occur, where there would be too many.
    Sparse(HashMap<u32, T>),
}

/// Bits of an exponent up to which pairs are counted densely.
const DENSE: u32 = 8;

/// Counts of one task, in as little memory as possible.
struct Tables {
    heads: Vec<u32>,
    lower: Vec<[u32; 256]>,
    previous: Pairs<u32>,
    above: Pairs<u32>,
}

impl Tables {
    fn new(numbers: Numbers) -> Self {
        let (heads, exponent_bits) =
            numbers.float.map_or((0, 0), |float| (1 << float.head_bits(), float.format.exponent_bits));
        let pairs = || {
            if exponent_bits <= DENSE {
                Pairs::Dense(vec![0; if heads == 0 { 0 } else { 1 << (2 * exponent_bits) }])
            } else {
                Pairs::Sparse(HashMap::new())
            }
        };
        Self {
            heads: vec![0; heads],
            lower: vec![[0; 256]; numbers.lower()],
            previous: pairs(),
            above: pairs(),
        }
    }

    fn count(&mut self, numbers: Numbers, piece: Piece<'_>) {
        for (plane, counts) in self.lower.iter_mut().enumerate() {
            let byte = numbers.lower() - 1 - plane;
            let own = &piece.bytes[piece.before * numbers.width..];
            own.chunks_exact(numbers.width).for_each(|number| counts[usize::from(number[byte])] += 1);
        }
        let Some(float) = numbers.float else { return };
        let row = usize::try_from(piece.row).unwrap_or(usize::MAX);
        let total = piece.bytes.len() / numbers.width;
        let mut memory = Extracted::default();
        for begin in (piece.before..total).step_by(AT_ONCE) {
            let end = (begin + AT_ONCE).min(total);
            let heads = |range: std::ops::Range<usize>, out: &mut Vec<u16>| {
                out.clear();
                extract(
                    &piece.bytes[range.start * numbers.width..range.end * numbers.width],
                    numbers.width,
                    out,
                );
            };
            heads(begin..end, &mut memory.heads);
            for head in &memory.heads {
                self.heads[usize::from(*head)] += 1;
            }
            exponents(float, &memory.heads, &mut memory.own);
            if row > 1 {
                let before = begin.saturating_sub(1);
                heads(before..end - 1, &mut memory.heads);
                exponents(float, &memory.heads, &mut memory.other);
                let skipped = begin - before;
                let own = &memory.own[1 - skipped..];
                self.previous.add(float, &memory.other, own);
                // Those that begin a row have nothing before them in it.
                let first = piece.first + (begin - piece.before) as u64;
                let mut start =
                    usize::try_from((piece.row - first % piece.row) % piece.row).unwrap_or(usize::MAX);
                while start < end - begin {
                    if let Some(pair) = (start + skipped).checked_sub(1) {
                        self.previous.take_back(float, memory.other[pair], memory.own[start]);
                    }
                    start = start.saturating_add(row);
                }
            }
            // The first row has none above it.
            if let Some(above) = end.checked_sub(row).filter(|above| *above > 0) {
                let start = begin.saturating_sub(row);
                heads(start..above, &mut memory.heads);
                exponents(float, &memory.heads, &mut memory.other);
                let missing = memory.own.len() - memory.other.len();
                self.above.add(float, &memory.other, &memory.own[missing..]);
            }
        }
    }

    fn merge(mut self, other: Self) -> Self {
        add(&mut self.heads, &other.heads);
        self.lower.iter_mut().zip(&other.lower).for_each(|(sums, counts)| add(sums, counts));
        self.previous.merge(other.previous);
        self.above.merge(other.above);
        self
    }
}

/// Memory for elements taken apart.
#[derive(Default)]
struct Extracted {
    heads: Vec<u16>,
    own: Vec<u16>,
    other: Vec<u16>,
}

/// Appends the heads of numbers.
fn extract(bytes: &[u8], width: usize, heads: &mut Vec<u16>) {
    match width {
        1 => heads.extend(bytes.iter().map(|byte| u16::from(*byte))),
        2 => heads.extend(bytes.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes))),
        4 => {
            heads.extend(
                bytes.as_chunks::<4>().0.iter().map(|[.., low, high]| u16::from_le_bytes([*low, *high])),
            );
        }
        _ => {
            heads.extend(
                bytes.as_chunks::<8>().0.iter().map(|[.., low, high]| u16::from_le_bytes([*low, *high])),
            );
        }
    }
}

/// The exponents' fields of heads.
fn exponents(float: &FloatType, heads: &[u16], fields: &mut Vec<u16>) {
    let (shift, mask) = (float.head_mantissa(), (1u16 << float.format.exponent_bits) - 1);
    fields.clear();
    fields.extend(heads.iter().map(|head| head >> shift & mask));
}

fn add<A: Copy, B: std::ops::AddAssign + From<A>>(sums: &mut [B], counts: &[A]) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += B::from(*count));
}

impl Pairs<u32> {
    fn add(&mut self, float: &FloatType, firsts: &[u16], seconds: &[u16]) {
        let bits = float.format.exponent_bits;
        match self {
            Self::Dense(counts) => {
                for (first, second) in firsts.iter().zip(seconds) {
                    counts[usize::from(*first) << bits | usize::from(*second)] += 1;
                }
            }
            Self::Sparse(counts) => {
                for (first, second) in firsts.iter().zip(seconds) {
                    *counts.entry(u32::from(*first) << bits | u32::from(*second)).or_default() += 1;
                }
            }
        }
    }

    /// Uncounts a pair that was counted.
    fn take_back(&mut self, float: &FloatType, first: u16, second: u16) {
        let pair = u32::from(first) << float.format.exponent_bits | u32::from(second);
        let count = match self {
            Self::Dense(counts) => counts.get_mut(pair as usize),
            Self::Sparse(counts) => counts.get_mut(&pair),
        };
        if let Some(count) = count {
            *count -= 1;
        }
    }
}

impl<T: Copy + std::ops::AddAssign + Default> Pairs<T> {
    fn merge<O: Copy>(&mut self, other: Pairs<O>)
    where
        T: From<O>,
    {
        match (self, other) {
            (Self::Dense(sums), Pairs::Dense(counts)) => add(sums, &counts),
            (Self::Sparse(sums), Pairs::Sparse(counts)) => {
                for (pair, count) in counts {
                    *sums.entry(pair).or_default() += T::from(count);
                }
            }
            // Both are of one type.
            (Self::Dense(_), Pairs::Sparse(_)) | (Self::Sparse(_), Pairs::Dense(_)) => {}
        }
    }
}

impl Pairs<u64> {
    /// How often each pair occurs that does.
    pub(crate) fn present(&self) -> Vec<(u32, u64)> {
        match self {
            Self::Dense(counts) => {
                (0..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
            }
            Self::Sparse(counts) => {
                let mut present: Vec<(u32, u64)> = counts
                    .iter()
                    .map(|(pair, count)| (*pair, *count))
                    .filter(|(_, count)| *count > 0)
                    .collect();
                // Sums do not depend on the order of a map.
                present.sort_unstable();
                present
            }
        }
    }
}

impl Counts {
    /// Nothing counted yet.
    pub(crate) fn new(numbers: Numbers) -> Self {
        let Tables { heads, lower, previous, .. } = Tables::new(numbers);
        let pairs = || match &previous {
            Pairs::Dense(counts) => Pairs::Dense(vec![0; counts.len()]),
            Pairs::Sparse(_) => Pairs::Sparse(HashMap::new()),
        };
        Self {
            heads: vec![0; heads.len()],
            lower: vec![[0; 256]; lower.len()],
            previous: pairs(),
            above: pairs(),
        }
    }

    /// Counts some numbers, in parallel if they are many; at most 2³² of them.
    pub(crate) fn add(&mut self, numbers: Numbers, piece: Piece<'_>) {
        let total = piece.bytes.len() / numbers.width;
        let row = usize::try_from(piece.row).unwrap_or(usize::MAX);
        let starts: Vec<usize> = (piece.before..total).step_by(TASK).collect();
        let part = |start: usize| {
            let known = start.min(row);
            let end = (start + TASK).min(total);
            Piece {
                bytes: &piece.bytes[(start - known) * numbers.width..end * numbers.width],
                before: known,
                first: piece.first + (start - piece.before) as u64,
                row: piece.row,
            }
        };
        let new = || Tables::new(numbers);
        let counted = if let [start] = starts[..] {
            let mut tables = new();
            tables.count(numbers, part(start));
            tables
        } else {
            let counted = starts.into_par_iter().fold(new, |mut tables, start| {
                tables.count(numbers, part(start));
                tables
            });
            counted.reduce(new, Tables::merge)
        };
        add(&mut self.heads, &counted.heads);
        self.lower.iter_mut().zip(&counted.lower).for_each(|(sums, counts)| add(sums, counts));
        self.previous.merge(counted.previous);
        self.above.merge(counted.above);
    }

    /// How many numbers were counted.
    pub(crate) fn total(&self) -> u64 {
        match self.lower.last() {
            Some(counts) => counts.iter().sum(),
            None => self.heads.iter().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecf8_core::element::element;
    use ecf8_core::synthetic::{gaussian, stored_as};

    /// How often pairs occur that do.
    type Present = Vec<(u32, u64)>;

    /// The same by going through elements one by one.
    fn one_by_one(numbers: Numbers, bytes: &[u8], row: usize) -> (Vec<u64>, Present, Present) {
        let float = numbers.float.unwrap();
        let mut heads = Vec::new();
        extract(bytes, numbers.width, &mut heads);
        let mut counts = vec![0; 1 << float.head_bits()];
        heads.iter().for_each(|head| counts[usize::from(*head)] += 1);
        let field = |i: usize| float.field(heads[i].into());
        let pair = |a: usize, b: usize| field(a) << float.format.exponent_bits | field(b);
        let count = |pairs: Vec<u32>| {
            let mut counts = std::collections::BTreeMap::<u32, u64>::new();
            pairs.into_iter().for_each(|pair| *counts.entry(pair).or_default() += 1);
            counts.into_iter().collect::<Vec<_>>()
        };
        let previous = (0..heads.len()).filter(|i| i % row > 0).map(|i| pair(i - 1, i)).collect();
        let above = (row..heads.len()).map(|i| pair(i - row, i)).collect();
        (counts, count(previous), count(above))
    }

    #[test]
    fn counting_in_pieces_equals_counting_one_by_one() {
        for dtype in ["F8_E4M3", "F8_E5M2", "BF16", "F16", "F32", "F64"] {
            let numbers = Numbers::of(element(dtype).unwrap());
            for (count, row) in [(600_000usize, 1000usize), (9000, 7), (5000, 5000), (40, 1), (3, 2), (1, 1)]
            {
                let bytes = stored_as(dtype, &gaussian(3, count, 0.02)).unwrap();
                let (heads, previous, above) = one_by_one(numbers, &bytes, row);
                // In two pieces, the second of which has the last row of the first before it.
                let cut = count / 3;
                let known = cut.min(row);
                let mut counts = Counts::new(numbers);
                let row = row as u64;
                counts.add(numbers, Piece { bytes: &bytes[..cut * numbers.width], before: 0, first: 0, row });
                let second = &bytes[(cut - known) * numbers.width..];
                counts.add(numbers, Piece { bytes: second, before: known, first: cut as u64, row });
                assert_eq!(counts.heads, heads, "{dtype}");
                assert_eq!(counts.previous.present(), previous, "{dtype}, {count} in rows of {row}");
                assert_eq!(counts.above.present(), above, "{dtype}, {count} in rows of {row}");
                assert_eq!(counts.total(), count as u64);
            }
        }
    }

    #[test]
    fn bytes_of_whole_numbers_are_counted_from_the_most_significant_one() {
        let numbers = Numbers::of(element("I32").unwrap());
        let mut counts = Counts::new(numbers);
        let bytes = [4, 3, 2, 1, 5, 3, 2, 1];
        counts.add(numbers, Piece { bytes: &bytes, before: 0, first: 0, row: 2 });
        let most: Vec<u64> =
            counts.lower.iter().zip([1, 2, 3, 4]).map(|(counts, byte)| counts[byte]).collect();
        assert_eq!((most, counts.total()), (vec![2, 2, 2, 1], 2));
    }
}
