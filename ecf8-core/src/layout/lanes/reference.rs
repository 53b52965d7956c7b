//! Plain, sequential decoding, written from the format: canonical codes read bit by bit, lane after lane.

use super::LaneSymbols;
use super::by_chunk::ByChunk;
use super::geometry::{LANES, VECTOR};
use super::parts::{Chunk, Parts, check_length};
use super::streams::lead;
use super::turn::turns;
use crate::codebook::Codebook;
use crate::element::format::E4M3;
use crate::element::{Plane, SLOTS, Shape, Split};
use crate::layout::memory::zeroed;
use crate::layout::{DecodeError, Encoded};

pub(super) fn decode<S: LaneSymbols>(encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
    check_length(encoded, out)?;
    let parts = Parts::new::<S>(encoded)?;
    let codes = ByChunk::new(&encoded.codebooks, &parts.geometry, Code::new);
    let mut coded = zeroed(crate::int::index(encoded.elements))?;
    for (index, fields) in coded.chunks_mut(parts.geometry.chunk).enumerate() {
        let chunk = parts.chunk::<S>(index)?;
        let mut starts: Vec<Vec<u32>> = Vec::new();
        for lane in 0..LANES {
            starts.push(decode_lane::<S>(&chunk, lane, codes.of(index), fields)?);
        }
        for turn in 0..turns::<S>(chunk.elements, 0) {
            let positions: Vec<u32> = starts.iter().filter_map(|starts| starts.get(turn).copied()).collect();
            parts.check_lead(index, lead(&positions, parts.turn_bits))?;
        }
    }
    let (split, packed) = (&encoded.split, parts.packed);
    if S::KIND.bits == 6 {
        for (element, byte) in coded.iter_mut().enumerate() {
            let (k, bits) = (element % 16 / 4, packed[element / 16 * 4 + element % 4]);
            *byte = (bits >> (7 - k) & 1) << 7 | *byte << 1 | bits >> k & 1;
        }
    }
    if S::KIND.bits == 4 {
        for (element, byte) in coded.iter_mut().enumerate() {
            *byte = match split.shape() {
                Shape::Exponent => byte.wrapping_add(split.least_exponent),
                _ => {
                    let two = packed[element / 8 * 4 + element % 4];
                    let raw = if element % 8 < 4 { two >> 4 } else { two & 15 };
                    E4M3.merge(*byte, raw)
                }
            };
        }
    }
    for (index, coded) in coded.chunks_mut(parts.geometry.chunk).enumerate() {
        for word in parts.chunk::<S>(index)?.patches.iter().map(|word| u32::from_le_bytes(*word)) {
            let [first, second, ..] = word.to_le_bytes();
            let element = 2 * (word >> 16) as usize;
            coded[element] = first;
            if let Some(coded) = coded.get_mut(element + 1) {
                *coded = second;
            }
        }
    }
    if split.element.bytes == 1 {
        out.copy_from_slice(&coded);
    } else {
        for (slot, byte) in coded.iter().enumerate() {
            let number = number(split, packed, coded.len(), slot, *byte);
            let place = place(split.element.bytes, coded.len(), slot) * number.len();
            out[place..place + number.len()].copy_from_slice(&number);
        }
    }
    Ok(())
}

/// Which number is in a slot.
fn place(width: usize, count: usize, slot: usize) -> usize {
    let (block, within) = (slot / SLOTS, slot % SLOTS);
    if block == count / SLOTS {
        return slot;
    }
    // Numbers in a vector; lane, vector of its turn, and number of that.
    let per = 16 / width;
    let (lane, vector, number) = (within / 16, within % 16 / per, within % per);
    SLOTS * block + per * (32 * vector + lane) + number
}

/// The number in a slot, little endian, from its coded byte and the stored planes.
fn number(split: &Split, packed: &[u8], count: usize, slot: usize, coded: u8) -> Vec<u8> {
    let (is_float, mut before) = (split.shape() == Shape::Exponent, 0);
    let mut planes = Vec::new();
    for (index, plane) in split.planes.iter().enumerate() {
        planes.push(match plane {
            Plane::Coded => coded,
            Plane::Constant(byte) => *byte,
            Plane::Stored => {
                let bytes = &packed[before * count.next_multiple_of(16)..];
                before += 1;
                if is_float && index == 1 {
                    // In the order 0, 2, 1, 3, each sign one byte further.
                    let four = &bytes[slot / 4 * 4..][..4];
                    let place = [0, 2, 1, 3][slot % 4];
                    four[place] & 0x7f | four[(place + 1) % 4] & 0x80
                } else {
                    bytes[slot]
                }
            }
        });
    }
    if is_float {
        let (exponent, rest) = (u16::from(planes[0]), u16::from(planes[1]));
        let [high, low] = ((rest & 0x80) << 8 | exponent << 7 | rest & 0x7f).to_be_bytes();
        (planes[0], planes[1]) = (high, low);
    }
    planes.reverse();
    let Some(dictionary) = &split.dictionary else { return planes };
    let place = planes.iter().rev().fold(0, |place, byte| place << 8 | usize::from(*byte));
    let (entries, width) = (dictionary.to_bytes(), planes.len());
    let last = entries.len() / width - 1;
    entries[width * place.min(last)..][..width].to_vec()
}

/// Decodes the fields of the turns of one lane into their places; gives the bit at which each starts.
fn decode_lane<S: LaneSymbols>(
    chunk: &Chunk<'_>,
    lane: usize,
    code: &Code,
    out: &mut [u8],
) -> Result<Vec<u32>, DecodeError> {
    let mut starts = Vec::new();
    let mut bit = 0;
    // From one element of a symbol to the next, and from one symbol to the next.
    let (stride, step) = if S::VECTORS == 1 { (1, S::KIND.elements) } else { (LANES * VECTOR, 1) };
    let mut state = None;
    for turn in 0..turns::<S>(chunk.elements, lane) {
        starts.push(u32::try_from(bit).unwrap_or(u32::MAX));
        let first = (turn * S::VECTORS * LANES + lane) * VECTOR;
        for at in (first..first + VECTOR).step_by(step) {
            let symbol = match code {
                Code::Prefix { order, counts } => next_symbol(order, counts, chunk, lane, &mut bit)?,
                Code::Ans(ans) => ans.next_symbol(chunk, lane, &mut bit, &mut state)?,
            };
            for element in 0..S::KIND.elements {
                if let Some(out) = out.get_mut(at + element * stride) {
                    *out = S::KIND.field(symbol, element);
                }
            }
        }
    }
    chunk.check_end(lane, bit)?;
    Ok(starts)
}

/// Bit `bit` of a lane's stream: of the rows, word `bit / 32` is in row `bit / 32`; what is beyond them is in the tails.
fn read_bit(chunk: &Chunk<'_>, lane: usize, bit: u64) -> Option<bool> {
    let row_bits = chunk.rows.len() as u64;
    let word = if bit < row_bits {
        let row = crate::int::index(bit / 32);
        u32::from_le_bytes(chunk.rows[row * LANES + lane]) << (bit % 32)
    } else {
        if bit >= chunk.bits(lane) {
            return None;
        }
        let beyond = bit - row_bits;
        chunk.word_beyond(lane, crate::int::index(beyond / 32)) << (beyond % 32)
    };
    Some(word >> 31 == 1)
}

/// What is read bit by bit.
enum Code {
    /// A canonical code.
    Prefix {
        /// The symbols in the order of their codewords.
        order: Vec<usize>,
        /// How many codewords there are of 1 bit, 2 bits and so on.
        counts: Vec<usize>,
    },
    /// An asymmetric numeral system.
    Ans(Ans),
}

impl Code {
    fn new(codebook: &Codebook) -> Self {
        if codebook.has_frequencies() {
            return Self::Ans(Ans::new(codebook));
        }
        let count = |length| codebook.present().filter(|(_, own)| *own == length).count();
        Self::Prefix {
            order: codebook.canonical_order(),
            counts: (1..=codebook.max_len()).map(count).collect(),
        }
    }
}

/// Reads a bit of a lane's stream, and steps over it.
fn next_bit(chunk: &Chunk<'_>, lane: usize, bit: &mut u64) -> Result<usize, DecodeError> {
    let (index, bits) = (chunk.index as u64, chunk.bits(lane));
    let end = DecodeError::LaneEnd { chunk: index, lane: lane as u64, end: *bit + 1, bits };
    let found = read_bit(chunk, lane, *bit).ok_or(end)?;
    *bit += 1;
    Ok(found.into())
}

/// Reads one codeword. Among the codewords of one length, values are consecutive, from `first` on; `before` codewords
/// are shorter.
fn next_symbol(
    order: &[usize],
    counts: &[usize],
    chunk: &Chunk<'_>,
    lane: usize,
    bit: &mut u64,
) -> Result<usize, DecodeError> {
    let start = *bit;
    let (mut code, mut first, mut before) = (0usize, 0usize, 0usize);
    for count in counts {
        code = code << 1 | next_bit(chunk, lane, bit)?;
        if code < first + count {
            let symbol = order.get(before + code - first).copied();
            return symbol.ok_or(DecodeError::NoCodeword { bit: start });
        }
        before += count;
        first = (first + count) << 1;
    }
    Err(DecodeError::NoCodeword { bit: start })
}

/// An asymmetric numeral system.
struct Ans {
    /// Bits of a state.
    bits: u32,
    /// Whose each state is, and what it counts.
    states: Vec<(usize, usize)>,
}

impl Ans {
    /// Deals out the states: each symbol has as many as its frequency says, one a step after the other.
    fn new(codebook: &Codebook) -> Self {
        let bits = u32::from(codebook.max_len());
        let size = 1usize << bits;
        let step = size / 2 + size / 8 + 3;
        let step = if step.is_multiple_of(2) { step + 1 } else { step };
        let all = codebook.frequencies().flat_map(|(symbol, own)| std::iter::repeat_n(symbol, own.into()));
        let mut states = vec![(0, 0); size];
        for (number, symbol) in all.enumerate() {
            states[number * step % size].0 = symbol;
        }
        for (symbol, own) in codebook.frequencies() {
            let of_symbol = states.iter_mut().filter(|(owner, _)| *owner == symbol);
            (usize::from(own)..).zip(of_symbol).for_each(|(x, (_, counts))| *counts = x);
        }
        Self { bits, states }
    }

    /// Reads what leads to the next symbol. If it is the first, these are all bits of its state. Otherwise bits are put behind the
    /// number of the state before, one by one, until the number has as many bits as states are counted with.
    fn next_symbol(
        &self,
        chunk: &Chunk<'_>,
        lane: usize,
        bit: &mut u64,
        state: &mut Option<usize>,
    ) -> Result<usize, DecodeError> {
        let mut x = state.map_or(1, |state| self.states[state].1);
        while x < self.states.len() {
            x = x << 1 | next_bit(chunk, lane, bit)?;
        }
        debug_assert!(x >> self.bits == 1);
        let next = x - self.states.len();
        *state = Some(next);
        Ok(self.states[next].0)
    }
}
