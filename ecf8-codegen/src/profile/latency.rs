//! How long instructions take: cycles from operands to result.
//!
//! Sources: Jia et al. 2018, "Dissecting the NVIDIA Volta GPU Architecture via Microbenchmarking", and Luo et al. 2024,
//! "Benchmarking and Dissecting the Nvidia Hopper GPU Architecture via Microbenchmarking". From Volta to Hopper and Ada they
//! differ by a fifth at most, so one figure serves all.

use super::class::{Class, Counts};
use crate::emulator::{Cost, Costs};

/// Arithmetic of fixed latency: 4 to 6 cycles.
const ARITHMETIC: f64 = 4.5;
/// A load from shared memory: 29 or 30 on A100, H100 and RTX 4090; one from a table in constant memory takes as long.
const SHARED: f64 = 30.0;
/// A load that the L1 serves: 38 to 43.
const L1: f64 = 40.0;
/// A load from global memory: 466 on the A100, 479 on the H100, 542 on the RTX 4090.
const GLOBAL: f64 = 480.0;
/// A shuffle or a vote: 23.
const WARP: f64 = 23.0;
/// From a predicate to the first instruction behind the branch that it decides: `ptxas` waits 13 cycles in all.
const BRANCH: f64 = 9.0;
/// A barrier at which nobody is late. Not in the sources; a guess.
const BARRIER: f64 = 20.0;
/// Instructions that `ptxas` predicates rather than branch around: 7, as its listings show.
const PREDICATED: f64 = 7.0;

/// What statements take that issue these instructions each time, and in each round of a loop.
pub(super) fn costs(table: &[[Counts; 2]]) -> Costs {
    Costs {
        statements: table.iter().map(|[once, round]| [cost(once), cost(round)]).collect(),
        miss: GLOBAL - L1,
        predicated: PREDICATED,
    }
}

/// One instruction after the other.
fn cost(issued: &Counts) -> Cost {
    let latency = Class::ALL.iter().map(|&class| issued.get(class) * latency(class)).sum();
    let (all, integer) = (issued.total(), integer(issued));
    // A scheduler has 16 lanes for integers, so one instruction keeps them for two cycles.
    Cost { issued: all, integer, issue: all.max(2.0 * integer), latency }
}

/// Instructions that the lanes for 32-bit integers execute.
fn integer(issued: &Counts) -> f64 {
    [Class::Integer, Class::Shift, Class::Compare].map(|class| issued.get(class)).iter().sum()
}

fn latency(class: Class) -> f64 {
    match class {
        Class::Integer | Class::Shift | Class::Multiply | Class::Compare => ARITHMETIC,
        Class::Branch => BRANCH,
        Class::GlobalLoad => L1,
        Class::SharedLoad | Class::Table => SHARED,
        Class::Warp => WARP,
        Class::Barrier => BARRIER,
        // Nobody waits for a store.
        Class::GlobalStore | Class::SharedStore => 0.0,
    }
}
