//! What a GPU compiler makes of an operation: the one table of costs.
//!
//! Costs are instructions of SASS as NVRTC emits them for sm_90 (sm_80 to sm_120 differ little), for 32-bit registers: what
//! has 64 bits takes a pair, and each half that is known to be zero, or that nobody asks for, is free. Constants are part
//! of the instruction. What one instruction does for several operations ([`super::issue`] finds these) is counted once.

use super::class::{Class, Counts};

const fn integer(count: f64) -> Counts {
    Counts::of(Class::Integer, count)
}
const fn compare(count: f64) -> Counts {
    Counts::of(Class::Compare, count)
}
const fn branch(count: f64) -> Counts {
    Counts::of(Class::Branch, count)
}

/// Which halves of a 64-bit value an operation has to compute; for narrower values only the low one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Halves {
    pub(super) low: bool,
    pub(super) high: bool,
}

impl Halves {
    /// One instruction for each half that is computed.
    pub(super) fn count(self) -> f64 {
        f64::from(u8::from(self.low)) + f64::from(u8::from(self.high))
    }
}

/// `a + b`, `a - b`: `IADD3`, and `IADD3.X` with the carry for the high half, which needs the low one.
pub(super) fn sum(halves: Halves) -> Counts {
    integer(if halves.high { 2.0 } else { 1.0 })
}

/// Bitwise logic: `LOP3` per half, any function of three inputs.
pub(super) fn logic(halves: Halves) -> Counts {
    integer(halves.count())
}

/// A shift by a known or unknown amount: `SHF` per half. `SHF.L.U64.HI` and `SHF.R.U64` take amounts up to 63 and both
/// halves of the source, so an unknown amount costs no more; a shift by 32 only renames registers.
pub(super) fn shift(halves: Halves, amount: Option<u64>) -> Counts {
    match amount {
        Some(32) => Counts::NONE,
        _ => Counts::of(Class::Shift, halves.count()),
    }
}

/// `PRMT`, `SHF` with two sources.
pub(super) const PERMUTE: Counts = Counts::of(Class::Shift, 1.0);

/// A product, and the sum that it goes into: `IMAD`. Two 32-bit factors give 64 bits in one `IMAD.WIDE`; with one 64-bit
/// factor the cross product is added by another, with two by two more and the sums between them.
pub(super) fn product(is_wide: bool, wide_factors: u32) -> Counts {
    let count = match (is_wide, wide_factors) {
        (false, _) | (true, 0) => 1.0,
        (true, 1) => 2.0,
        (true, _) => 4.0,
    };
    Counts::of(Class::Multiply, count)
}

/// A quotient or remainder by a constant that is no power of two: the high half of a product, a shift, and for the
/// remainder a product again. By an unknown: the reciprocal in floating point and its correction, in 64 bits by a call.
pub(super) fn quotient(is_wide: bool, divisor_is_known: bool) -> Counts {
    match (is_wide, divisor_is_known) {
        (false, true) => Counts::of(Class::Multiply, 1.0) + Counts::of(Class::Shift, 1.0),
        (true, true) => Counts::of(Class::Multiply, 6.0) + integer(4.0),
        (false, false) => Counts::of(Class::Multiply, 4.0) + integer(8.0) + compare(4.0),
        (true, false) => Counts::of(Class::Multiply, 24.0) + integer(36.0) + compare(10.0),
    }
}

/// Smaller or larger of two: `IMNMX`; of 64 bits, two comparisons and two selections.
pub(super) fn extreme(is_wide: bool) -> Counts {
    compare(if is_wide { 4.0 } else { 1.0 })
}

/// A comparison: `ISETP`, and `ISETP.EX` for the high halves.
pub(super) fn comparison(is_wide: bool) -> Counts {
    compare(if is_wide { 2.0 } else { 1.0 })
}

/// `SEL` per half. Also what turns a predicate into a number.
pub(super) fn selection(halves: Halves) -> Counts {
    compare(halves.count())
}

/// Logic on predicates: the second comparison takes the first one's result as an input; else `PLOP3`.
pub(super) fn predicate_logic(joins_a_comparison: bool) -> Counts {
    compare(if joins_a_comparison { 0.0 } else { 1.0 })
}

/// Set bits: `POPC`; of 64 bits, twice and a sum.
pub(super) fn count_ones(is_wide: bool) -> Counts {
    integer(if is_wide { 3.0 } else { 1.0 })
}

/// Zero bits above: `FLO`, which counts from the other end, and a difference; of 64 bits, twice and a selection.
pub(super) fn leading_zeros(is_wide: bool) -> Counts {
    if is_wide { integer(3.0) + compare(2.0) } else { integer(2.0) }
}

/// A mask that cuts a number to a narrower type: `LOP3`. Free where whoever takes it looks at no more bits.
pub(super) const MASK: Counts = integer(1.0);

/// A sign spread over the high half: `SHF`.
pub(super) const SIGN: Counts = Counts::of(Class::Shift, 1.0);

/// A constant, or a value that is needed otherwise too, put into a variable's own register.
pub(super) fn copy(halves: Halves) -> Counts {
    integer(halves.count())
}

/// A coordinate read from its special register: `S2R`.
pub(super) const COORDINATE: Counts = integer(1.0);

/// The address of an element in global memory. By a 32-bit index, `IMAD.WIDE` with the base; single bytes take the two sums
/// of a 64-bit addition, as does a 64-bit index (`LEA`, `LEA.HI.X`).
pub(super) fn global_address(bytes: u64, index_is_wide: bool) -> Counts {
    if bytes > 1 && !index_is_wide { Counts::of(Class::Multiply, 1.0) } else { integer(2.0) }
}

/// The address of an element in shared or constant memory: a shift or `LEA` that adds the array's base, `IADD3` for bytes.
pub(super) const NEAR_ADDRESS: Counts = integer(1.0);

/// An access of up to 16 bytes per lane, of whatever kind.
pub(super) fn access(class: Class) -> Counts {
    Counts::of(class, 1.0)
}

/// `SHFL` per 32 bits; `VOTE`. Within a loop, whose rounds lanes may leave one by one, the mask is set and `BRA.DIV` asks
/// first whether they have parted.
pub(super) fn exchange(is_wide: bool, in_loop: bool) -> Counts {
    let exchanges = Counts::of(Class::Warp, if is_wide { 2.0 } else { 1.0 });
    if in_loop { exchanges + integer(1.0) + JUMP } else { exchanges }
}

/// `BAR.SYNC`; `WARPSYNC`.
pub(super) const BARRIER: Counts = Counts::of(Class::Barrier, 1.0);

/// The longest body of a branch, in instructions, that is not jumped over but *predicated*: issued in any case, and without
/// effect in lanes that do not take it.
pub(super) const LONGEST_PREDICATED: f64 = 8.0;

/// A branch around a longer body: the jump, and, where lanes may part, `BSSY` before and `BSYNC` behind.
pub(super) fn around(parts_lanes: bool) -> Counts {
    branch(if parts_lanes { 3.0 } else { 1.0 })
}

/// A jump: over the other arm, back to a loop's head, out of a loop.
pub(super) const JUMP: Counts = branch(1.0);

/// What entering a loop costs: it may have no round, and lanes that leave early wait behind it.
pub(super) fn loop_entry(parts_lanes: bool) -> Counts {
    around(parts_lanes)
}

/// A round of a counted loop that the compiler unrolls `unroll` times: the count, and per unrolled round the comparison
/// and the jump.
pub(super) fn counted_round(unroll: f64) -> Counts {
    integer(1.0 / unroll) + compare(1.0 / unroll) + branch(1.0 / unroll)
}

/// How often the compiler unrolls a loop of unknown length without a hint.
pub(super) const USUAL_UNROLL: f64 = 4.0;

/// The longest body of such a loop, in instructions.
pub(super) const LONGEST_UNROLLED: f64 = 40.0;

/// The most rounds of a loop of known length that the compiler writes out in full without a hint.
pub(super) const MOST_WRITTEN_OUT: u64 = 32;

/// What a kernel begins and ends with: the stack pointer, the bases of its buffers, `EXIT`.
pub(super) const FRAME: Counts = Counts::of(Class::Integer, 3.0);
