//! Streams that lead from state to state of an asymmetric numeral system, instead of codewords.
//!
//! A lane's stream begins with the state of its first symbol, in L bits, the number of the codebook's state bits. Between
//! two symbols stand the bits that lead from the state of the one to that of the other; after the last, nothing. The bits
//! between two symbols depend on what follows, so an encoder goes from the last symbol to the first.

use super::code::{CodebookCost, cost_bits, patches_of};
use super::geometry::LANES;
use super::measure::lead;
use crate::codebook::Codebook;
use crate::codebook::ans::Steps;
use crate::histogram::Histogram;
use crate::symbols::SymbolKind;

/// The cheapest codebook found for at most 2^`limit` states. The rarest symbols have none where a patch costs less than what
/// a state takes from the others.
pub(super) fn within(kind: &SymbolKind, histogram: &Histogram, limit: u8) -> CodebookCost {
    let present = histogram.present();
    let stand_in = present.iter().max_by_key(|(symbol, count)| (*count, std::cmp::Reverse(*symbol)));
    let stand_in = stand_in.map_or(0, |(symbol, _)| *symbol);
    let keep = |is_kept: &dyn Fn(usize, u64) -> bool| {
        let mut kept: Vec<(usize, u64)> =
            present.iter().copied().filter(|&(symbol, count)| symbol == stand_in || is_kept(symbol, count)).collect();
        let dropped = histogram.total().saturating_sub(kept.iter().map(|(_, count)| *count).fold(0, u64::saturating_add));
        let own = kept.iter_mut().find(|(symbol, _)| *symbol == stand_in);
        own.into_iter().for_each(|(_, count)| *count = count.saturating_add(dropped));
        let codebook = Codebook::of_frequencies(&Histogram::from_present(histogram.alphabet(), kept), limit);
        CodebookCost { bits: cost_bits(kind, histogram, &codebook), codebook }
    };
    // A state less for the others makes all of them longer by log2(1 + 2^-limit) bits, or 1.44 * 2^-limit.
    let state_bits = histogram.total().saturating_mul(3) >> (limit + 1);
    let all = keep(&|_, _| true);
    let fewer = keep(&|symbol, count| {
        // A patch in place of a symbol that would take all bits of a state.
        let patched = 32 * patches_of(kind, symbol, stand_in);
        count.saturating_mul(patched.saturating_sub(limit.into())) > state_bits
    });
    if fewer.bits < all.bits || all.codebook.is_empty() { fewer } else { all }
}

/// What a lane with these symbols reads before each of them: a number, and of how many bits.
pub(super) fn reads(steps: &Steps, symbols: &[u16]) -> Vec<(u16, u8)> {
    let Some((last, before)) = symbols.split_last() else { return Vec::new() };
    let mut reads = vec![(0, 0); symbols.len()];
    let mut state = steps.last((*last).into());
    for (read, symbol) in reads[1..].iter_mut().zip(before).rev() {
        let step = steps.before((*symbol).into(), state);
        *read = (step.value, step.bits);
        state = step.state;
    }
    reads[0] = (state, steps.bits());
    reads
}

/// How long the lanes' streams become, and how many rows are in use at once, with `per_turn` symbols to a turn, which takes
/// at most `turn_bits` bits.
pub(super) fn measure(
    steps: &Steps,
    symbols: &[Vec<u16>; LANES],
    per_turn: usize,
    turn_bits: u32,
) -> ([u32; LANES], u32) {
    let mut bits = [0; LANES];
    let turns: Vec<Vec<u32>> = symbols
        .iter()
        .map(|symbols| {
            let reads = reads(steps, symbols);
            reads.chunks(per_turn).map(|turn| turn.iter().map(|(_, bits)| u32::from(*bits)).sum()).collect()
        })
        .collect();
    let mut lead_rows = 0;
    for turn in 0..turns.first().map_or(0, Vec::len) {
        // Those that take this turn are the first lanes.
        let lanes = turns.iter().filter(|turns| turn < turns.len()).count();
        lead_rows = lead_rows.max(lead(&bits[..lanes], turn_bits));
        bits.iter_mut().zip(&turns).for_each(|(bits, turns)| *bits += turns.get(turn).copied().unwrap_or(0));
    }
    (bits, lead_rows)
}
