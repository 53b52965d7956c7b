//! Whether a count of instructions can be right.
//!
//! A compiler may write a loop out, split it or join it with another in ways that the mapping does not see, and then
//! the count is far too small. What must be so however it was compiled tells: accesses to memory are neither saved nor
//! invented, a loop is there as a loop or as copies, and there are about as many instructions as operations.

/// Why there is no count: the machine code does not do what the emulator saw, as far as it is understood.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unmapped {
    /// Rounds of a loop that are nowhere in the machine code.
    #[error(
        "the loop of line {line} has {rounds:.0} rounds each time, but the machine code has neither such a loop nor as many \
         copies of its body"
    )]
    Loop {
        /// The line of the source, from 1; 0 if it has none.
        line: usize,
        /// Rounds each time that it is entered.
        rounds: f64,
    },
    /// Another number of accesses to memory.
    #[error("it would access memory {counted:.0} times, but the emulator saw {emulated:.0}")]
    Accesses {
        /// By the mapping.
        counted: f64,
        /// By the emulator.
        emulated: f64,
    },
    /// Another number of instructions.
    #[error("it would issue {counted:.1} instructions per byte, but the emulator counted {emulated:.1}")]
    Instructions {
        /// By the mapping.
        counted: f64,
        /// By the emulator.
        emulated: f64,
    },
}

/// Accesses by the mapping for each that the emulator saw. Some loads are saved; predicated ones are issued where no
/// lane takes part, which the emulator does not see.
const ACCESSES: std::ops::Range<f64> = 0.8..2.0;

/// Instructions by the mapping for each that the emulator counted: some are joined, and there are others for addresses.
/// 0.78 to 1.33 is usual, over variants of all strategies and sm_75 to sm_120.
const INSTRUCTIONS: std::ops::Range<f64> = 0.6..2.0;

/// Compares what was counted of accesses and of instructions per byte with the emulator's.
pub(super) fn check(accesses: (f64, f64), instructions: (f64, f64)) -> Result<(), Unmapped> {
    let differs = |(counted, emulated): (f64, f64), possible: std::ops::Range<f64>| {
        emulated > 0.0 && !possible.contains(&(counted / emulated))
    };
    if differs(accesses, ACCESSES) {
        return Err(Unmapped::Accesses { counted: accesses.0, emulated: accesses.1 });
    }
    if differs(instructions, INSTRUCTIONS) {
        return Err(Unmapped::Instructions { counted: instructions.0, emulated: instructions.1 });
    }
    Ok(())
}
