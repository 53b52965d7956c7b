//! `gap-simple`: one thread per window, one codeword at a time.

use ecf8_codegen::ir::Kernel;
use ecf8_codegen::lang::{
    Global, GlobalMut, Shared, Table, V, WARP, barrier, block_idx, byte_permute, device, funnel_left, kernel,
    lane_idx, shared, shuffle_up, table, thread_idx, warp_idx,
};
use ecf8_codegen::launch::{ALIGNMENT, Arg, Gather, Launch};
use ecf8_codegen::sink::Sink;
use ecf8_codegen::strategy::{
    Coding, DecodeStrategy, Describe, StrategyError, Tunables, batch_output, checked_grid, only, only_store,
};
use ecf8_core::layout::exponent_gap::{self, ENCODED, MAX_LEN, PACKED};
use ecf8_core::{Codebook, Encoded};

/// What a GPU may like differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
#[tunables(require(
    bytes_per_thread * threads_per_block < 6144,
    "a block keeps a byte for every bit of its windows, in less than 48 KiB of shared memory"
))]
pub(super) struct GapSimple {
    /// B: bytes of the bitstream that one thread decodes.
    #[tunable(values = [4, 8, 16], default = 8)]
    bytes_per_thread: u32,
    /// T: threads in a block.
    #[tunable(values = [64, 128, 256, 512], default = 128)]
    threads_per_block: u32,
}

/// A canonical code, by length.
#[derive(Debug)]
struct Canonical {
    /// Length of the longest codeword.
    longest: u32,
    /// Per length, the first 16 bits that no codeword up to this length begins.
    ends: Vec<u32>,
    /// Per length, what turns a codeword into its symbol's place in `symbols`.
    offsets: Vec<u32>,
    /// The symbols in the order of their codewords.
    symbols: Vec<u8>,
}

impl Canonical {
    fn new(codebook: &Codebook) -> Self {
        let lengths = usize::from(MAX_LEN) + 1;
        let (mut ends, mut offsets, mut symbols) = (vec![0; lengths], vec![0; lengths], vec![0; 16]);
        let codewords = codebook.codewords();
        for (place, symbol) in codebook.canonical_order().into_iter().enumerate() {
            let (code, length) = codewords[symbol];
            ends[usize::from(length)] = (code + 1) << (MAX_LEN - length);
            offsets[usize::from(length)] = u32::try_from(place).unwrap_or(0).wrapping_sub(code);
            symbols[place] = u8::try_from(symbol).unwrap_or(0);
        }
        for length in 1..lengths {
            ends[length] = ends[length].max(ends[length - 1]);
        }
        Self { longest: codebook.max_len().into(), ends, offsets, symbols }
    }
}

/// The code as the kernel sees it.
#[derive(Clone, Copy)]
struct Code {
    longest: u32,
    ends: Table<u32>,
    offsets: Table<u32>,
    symbols: Table<u8>,
}

/// The symbol whose codeword `bits` begin with, and the length of that codeword.
#[device]
fn next_symbol(code: Code, bits: V<u32>) -> (V<u8>, V<u32>) {
    let next = bits >> 16;
    let mut length: u32 = 1;
    while length < code.longest && next >= code.ends[length] {
        length += 1;
    }
    let place = (next >> (16 - length)) + code.offsets[length];
    (code.symbols[place & 15], length)
}

/// The sum of the `count`s of the threads before this one. `sums` has a word per warp.
#[device]
fn sum_before(count: V<u32>, sums: Shared<u32>) -> V<u32> {
    let lane = lane_idx();
    let warp = warp_idx();
    let mut sum = count;
    for step in [1_u32, 2, 4, 8, 16] {
        let below = shuffle_up(sum, step);
        if lane >= step {
            sum += below;
        }
    }
    if lane == WARP - 1 {
        sums[warp] = sum;
    }
    barrier();
    let mut before: u32 = 0;
    for w in 0_u32..warp {
        before += sums[w];
    }
    before + sum - count
}

/// Decodes a tensor of scheme `exponent-gap`, one codeword at a time.
#[kernel(threads = t.threads_per_block)]
fn gap_simple(
    t: &GapSimple,
    canonical: &Canonical,
    encoded: Global<u32>,
    packed: Global<u8>,
    gaps: Global<u8>,
    output_positions: Global<u64>,
    output: GlobalMut<u8>,
    encoded_words: V<u32>,
) {
    let threads = t.threads_per_block;
    let words = t.bytes_per_thread / 4;
    let kept = shared::<u8>(threads * words * 32);
    let sums = shared::<u32>(threads / WARP);
    let ends = table(&canonical.ends);
    let offsets = table(&canonical.offsets);
    let symbols = table(&canonical.symbols);
    let code = Code { longest: canonical.longest, ends, offsets, symbols };

    let thread = thread_idx();
    let block = block_idx();
    let global_thread = block * threads + thread;

    /// The words of this thread's window and the one after them, first bit on top.
    let window: Vec<V<u32>> = (0..=words)
        .map(|i| {
            let at = global_thread * words + i;
            let word = if at < encoded_words { encoded[at] } else { 0 };
            byte_permute(word, 0, 0x0123)
        })
        .collect();
    let gap = ((gaps[global_thread / 2] as u32) >> (4 - ((thread & 1) * 4))) & 15;

    /// Decode the codewords that start in the window, and keep their symbols.
    let first = thread * (words * 32);
    let mut count: u32 = 0;
    let mut used = gap;
    for pair in window.windows(2) {
        while used < 32 {
            let (symbol, length) = next_symbol(code, funnel_left(pair[0], pair[1], used));
            kept[first + count] = symbol;
            count += 1;
            used += length;
        }
        used -= 32;
    }
    let start = sum_before(count, sums);

    /// Join them with signs and mantissas. What follows the last codeword of the stream is of no tensor.
    let base = output_positions[block];
    let total = (output_positions[block + 1] - base) as u32;
    let wanted = if start < total { count.min(total - start) } else { 0 };
    for i in 0_u32..wanted {
        let element = base + ((start + i) as u64);
        let pair = packed[element / 2] as u32;
        let nibble = pair >> (4 - ((element as u32) & 1) * 4);
        let exponent = kept[first + i] as u32;
        output[element] = (((nibble & 8) << 4) | (exponent << 3) | (nibble & 7)) as u8;
    }
}

/// The strategy.
#[derive(Debug)]
pub(super) struct GapSimpleStrategy;

impl Describe for GapSimpleStrategy {
    fn name(&self) -> &'static str {
        "gap-simple"
    }

    fn about(&self) -> &'static str {
        "the guide's: one thread per window, one codeword at a time"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["exponent-gap"]
    }
}

impl DecodeStrategy for GapSimpleStrategy {
    type Tunables = GapSimple;

    fn kernel(&self, t: &GapSimple, coding: &Coding<'_>, sink: &dyn Sink) -> Result<Kernel, StrategyError> {
        only_store(self.name(), sink)?;
        Ok(gap_simple(t, &Canonical::new(coding.codebook))?)
    }

    fn launch<'a>(
        &self,
        t: &GapSimple,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let encoded = only(batch)?;
        let (b, threads) = (u64::from(t.bytes_per_thread), u64::from(t.threads_per_block));
        let (gaps, positions) = exponent_gap::resync(encoded, b, threads)?;
        let stream = encoded.part(ENCODED)?;
        let words = (stream.len().next_multiple_of(ALIGNMENT) / 4) as u64;
        let too_large = StrategyError::TooLarge {
            what: "the number of words of the bitstream",
            needed: words,
            limit: u32::MAX.into(),
        };
        Ok(Launch {
            grid: checked_grid((stream.len() as u64).div_ceil(b * threads))?,
            dynamic_shared_bytes: 0,
            outputs: vec![batch_output(batch)?],
            args: vec![
                Arg::Input(stream.into()),
                Arg::Input(encoded.part(PACKED)?.into()),
                Arg::Input(gaps.into()),
                Arg::Input(positions.iter().flat_map(|p| p.to_le_bytes()).collect::<Vec<u8>>().into()),
                Arg::Output(0),
                Arg::U32(u32::try_from(words).map_err(|_| too_large)?),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecf8_codegen::strategy::prove;
    use ecf8_core::corpus::Tier;

    #[test]
    fn every_variant_decodes_the_corpus_exactly() {
        match prove(&GapSimpleStrategy, Tier::Quick, &|_| {}) {
            Ok(proof) => println!("{} variants × {} tensors: exact", proof.variants, proof.tensors),
            Err(error) => panic!("{error}"),
        }
    }
}
