//! From exponents in shared memory to numbers in global memory, 16 at a time.
//!
//! A block's output starts anywhere, so its exponents are staged behind as many unused bytes as put them at the same place
//! within 32 bytes as their numbers have in global memory. The vectors at both ends may be shared with neighbouring blocks
//! and are written number by number, a thread to each.

use super::nibbles::unpack;
use crate::lang::{Global, GlobalMut, Shared, V, device, thread_idx};

/// Bytes of a vector.
const VECTOR: u32 = 16;

/// Bytes that global memory moves at once. Warps start their stores at multiples of it.
const SECTOR: u32 = 32;

/// Low nibbles of the bytes of a word; the nibble above holds anything.
const LOW_NIBBLES: u32 = 0x0f0f_0f0f;

/// Bytes that the exponents are staged behind, for a block whose output starts at `base`.
#[device]
pub(in super::super) fn lead(base: V<u64>) -> V<u32> {
    (base as u32) & (SECTOR - 1)
}

/// Writes `total` numbers from `base` on. Their exponents are the low nibbles of `staged`, behind [`lead`] bytes.
#[device]
pub(in super::super) fn write_back(
    threads: u32,
    staged: Shared<u8>,
    packed: Global<u32>,
    output: GlobalMut<u8>,
    base: V<u64>,
    total: V<u32>,
) {
    let begin = lead(base);
    let end = begin + total;
    let first_vector = base / (SECTOR as u64) * ((SECTOR / VECTOR) as u64);
    let first_whole = (begin + (VECTOR - 1)) / VECTOR;
    for vector in (begin / SECTOR * (SECTOR / VECTOR) + thread_idx()..end / VECTOR).step_by(threads) {
        if vector < first_whole {
            continue;
        }
        let at = first_vector + (vector as u64);
        let exponents = staged.view::<u32>().load4(vector);
        let nibbles = packed.load2(at);
        let rest = [unpack(nibbles[0]), unpack(nibbles[1])].concat();
        let numbers: Vec<V<u32>> =
            (0..4).map(|word| ((exponents[word] & LOW_NIBBLES) << 3) | rest[word]).collect();
        output.view::<u32>().store4(at, [numbers[0], numbers[1], numbers[2], numbers[3]]);
    }

    /// What is left at both ends, a lane to a number.
    if thread_idx() < 2 * VECTOR {
        let edge = if thread_idx() < VECTOR { begin / VECTOR } else { end / VECTOR };
        let i = edge * VECTOR + (thread_idx() & (VECTOR - 1));
        let is_whole = edge * VECTOR >= begin && edge * VECTOR + VECTOR <= end;
        let is_twice = thread_idx() >= VECTOR && edge == begin / VECTOR;
        if i >= begin && i < end && !is_whole && !is_twice {
            let element = base + ((i - begin) as u64);
            let pair = packed.view::<u8>()[element / 2] as u32;
            let nibble = pair >> (4 - ((element as u32) & 1) * 4);
            let exponent = (staged[i] as u32) & 15;
            output[element] = (((nibble & 8) << 4) | (exponent << 3) | (nibble & 7)) as u8;
        }
    }
}
