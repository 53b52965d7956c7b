//! The Huffman codes that ECF8's authors and DFloat11 have: with a symbol for the end that occurs once, and just the tree that
//! their library makes, so that equal weights give equal bytes.

use crate::codebook::{Codebook, CodebookError, MAX_CODE_LEN};
use crate::int;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A code, its symbols in the order of the tree's leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::foreign) struct Code {
    /// Symbols with their codewords, in the low bits, and the lengths of these.
    pub(in crate::foreign) symbols: Vec<(usize, u32, u8)>,
    /// The codeword of the end, of which a stream has as many bits as fill its last byte.
    pub(in crate::foreign) end: (u32, u8),
}

/// A leaf: its symbol, its codeword and the length of that. The end comes before all symbols.
type Leaf = (Option<usize>, u128, u32);

impl Code {
    /// The code for symbols, each with how often it occurs, whose codewords have at most `max_len` bits. For that, as many of the
    /// rarest symbols as necessary count as if they occurred once.
    pub(in crate::foreign) fn new(frequencies: &[(usize, u64)], max_len: u8) -> Self {
        let mut rarest: Vec<usize> = (0..frequencies.len()).collect();
        rarest.sort_by_key(|index| frequencies[*index].1);
        let mut leaves = tree(frequencies);
        let mut count = 2;
        while leaves.iter().any(|(.., length)| *length > u32::from(max_len.min(MAX_CODE_LEN))) {
            let mut adjusted = frequencies.to_vec();
            rarest.iter().take(count).for_each(|index| adjusted[*index].1 = 1);
            leaves = tree(&adjusted);
            count += 1;
        }
        let mut code = Self { symbols: Vec::with_capacity(leaves.len()), end: (0, 0) };
        for (symbol, bits, length) in leaves {
            let (bits, length) = (u32::try_from(bits).unwrap_or_default(), length.to_le_bytes()[0]);
            match symbol {
                Some(symbol) => code.symbols.push((symbol, bits, length)),
                None => code.end = (bits, length),
            }
        }
        code
    }

    /// As a codebook of an alphabet.
    pub(in crate::foreign) fn codebook(&self, alphabet: usize) -> Result<Codebook, CodebookError> {
        Codebook::from_codewords(alphabet, &self.symbols)
    }

    /// Ends a stream whose codewords take this many bits: fills the last byte.
    pub(in crate::foreign) fn end(&self, stream: &mut [u8], bits: u64) {
        let used = int::low_byte(bits % 8);
        let (code, length) = self.end;
        if let Some(last) = stream.last_mut().filter(|_| used > 0) {
            let free = 8 - used;
            let filled = match length.checked_sub(free) {
                Some(beyond) => code.checked_shr(u32::from(beyond)).unwrap_or(0),
                None => code << (free - length),
            };
            *last |= filled.to_le_bytes()[0];
        }
    }
}

/// The leaves of the tree: the two rarest nodes are joined again and again, the rarer one being the branch of zeros. Of equally rare
/// ones that comes first whose first leaf does.
fn tree(frequencies: &[(usize, u64)]) -> Vec<Leaf> {
    let leaf = |symbol, frequency: u64| Reverse((u128::from(frequency), vec![(symbol, 0, 0)]));
    let mut heap: BinaryHeap<Reverse<(u128, Vec<Leaf>)>> =
        frequencies.iter().map(|(symbol, frequency)| leaf(Some(*symbol), *frequency)).collect();
    heap.push(leaf(None, 1));
    while let Some(Reverse((rarer, zeros))) = heap.pop() {
        let Some(Reverse((other, ones))) = heap.pop() else { return zeros };
        let zeros = zeros.into_iter().map(|(symbol, code, length)| (symbol, code, length + 1));
        // Frequencies that fit a file make no tree of 128 levels.
        let bit = |length: u32| 1u128.checked_shl(length).unwrap_or(0);
        let ones = ones.into_iter().map(|(symbol, code, length)| (symbol, bit(length) | code, length + 1));
        heap.push(Reverse((rarer + other, zeros.chain(ones).collect())));
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_the_one_of_the_library_that_others_use() {
        // By hand: the end and 3 (twice) make a node of 3 whose first leaf is the end; it is joined with 2 (3 times), which comes
        // after it; then with 1 (6 times), then with 0.
        let code = Code::new(&[(0, 12), (1, 6), (2, 3), (3, 2)], 16);
        assert_eq!(code.symbols, [(3, 0b0001, 4), (2, 0b001, 3), (1, 0b01, 2), (0, 1, 1)]);
        assert_eq!(code.end, (0, 4));
        let mut stream = [0b1010_0000];
        Code { end: (0b1011, 4), ..code.clone() }.end(&mut stream, 5);
        assert_eq!(stream, [0b1010_0101]);
        Code { end: (0b10, 2), ..code.clone() }.end(&mut stream[..0], 0);
        let mut stream = [0];
        Code { end: (0b11, 2), ..code }.end(&mut stream, 1);
        assert_eq!(stream, [0b0110_0000]);
    }

    #[test]
    fn codewords_keep_to_a_limit() {
        let fibonacci = (0..60).scan((1u64, 1u64), |(a, b), symbol| {
            let own = *a;
            (*a, *b) = (*b, *a + *b);
            Some((symbol, own))
        });
        let frequencies: Vec<(usize, u64)> = fibonacci.collect();
        for limit in [16, 32] {
            let code = Code::new(&frequencies, limit);
            assert!(code.symbols.iter().all(|(.., length)| *length <= limit) && code.end.1 <= limit);
            assert!(code.codebook(64).is_ok());
        }
    }
}
