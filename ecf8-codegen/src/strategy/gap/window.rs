//! The words of a thread's window of the bitstream, and the walk over the codewords that start in it.

use super::table::{GapTable, extent, look_up};
use crate::lang::{Global, V, WARP, byte_permute, device, funnel_left, lane_idx, shuffle_down};

/// Bits of a word.
const WORD: u32 = 32;

/// The words of this thread's window, which has this number, first bits on top, and the one after them, in which its last
/// codeword may end.
///
/// What lies beyond the tensor's stream is of no consequence, so the index is only kept within the buffer.
#[device]
pub(in super::super) fn load_window(
    bytes_per_thread: u32,
    encoded: Global<u32>,
    encoded_words: V<u32>,
    number: V<u32>,
) -> Vec<V<u32>> {
    let words = bytes_per_thread / 4;
    let last = encoded_words / words - 1;
    let own = number.min(last);
    let window: Vec<V<u32>> = match words {
        1 => [encoded[own]].to_vec(),
        2 => encoded.load2(own).to_vec(),
        _ => encoded.load4(own).to_vec(),
    };
    let neighbour = shuffle_down(window[0], 1);
    let next = (own * words + words).min(encoded_words - 1);
    let after = if lane_idx() == WARP - 1 { encoded[next] } else { neighbour };
    window.into_iter().chain([after]).map(|word| byte_permute(word, 0, 0x0123)).collect()
}

/// Walks over the codewords that start in the window, several at a time: calls `each` with up to four symbols,
/// the first in the lowest nibble, and their number.
#[device]
pub(in super::super) fn each_group(
    decoder: &GapTable,
    window: &[V<u32>],
    gap: V<u32>,
    each: impl Fn(V<u32>, V<u32>),
) {
    let mut used = gap;
    let words = window.len() - 1;
    for word in 0..words {
        while used < WORD {
            let bits = funnel_left(window[word], window[word + 1], used);
            let entry = look_up(decoder, bits);
            let end = if word + 1 == words { Some(WORD) } else { None };
            let (symbols, count, length) = extent(entry, used, end);
            each(symbols, count);
            used += length;
        }
        if word + 1 < words {
            used -= WORD;
        }
    }
}
