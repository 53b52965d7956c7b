//! The classes that issued instructions are counted by.

use serde::Serialize;
use std::ops::{Add, AddAssign, Mul};

/// What an instruction is, as far as it matters to where it executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Sums, differences, bitwise logic, moves, counts of bits; arithmetic on 64 bits counts as two.
    Integer,
    /// Shifts, funnel shifts, byte permutes.
    Shift,
    /// Products, with or without a sum; address arithmetic of the form `base + 4 * index`.
    Multiply,
    /// Comparisons, selections, minima and maxima.
    Compare,
    /// Jumps, and what a warp needs to part and meet again.
    Branch,
    /// Loads from global memory.
    GlobalLoad,
    /// Stores to global memory.
    GlobalStore,
    /// Loads from shared memory.
    SharedLoad,
    /// Stores to shared memory.
    SharedStore,
    /// Loads from constant tables, in constant or global memory.
    Table,
    /// Ballots and shuffles.
    Warp,
    /// Barriers of the block or the warp.
    Barrier,
}

impl Class {
    /// All classes, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::Integer,
        Self::Shift,
        Self::Multiply,
        Self::Compare,
        Self::Branch,
        Self::GlobalLoad,
        Self::GlobalStore,
        Self::SharedLoad,
        Self::SharedStore,
        Self::Table,
        Self::Warp,
        Self::Barrier,
    ];

    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Shift => "shift and permute",
            Self::Multiply => "multiply",
            Self::Compare => "compare and select",
            Self::Branch => "branch",
            Self::GlobalLoad => "global load",
            Self::GlobalStore => "global store",
            Self::SharedLoad => "shared load",
            Self::SharedStore => "shared store",
            Self::Table => "table load",
            Self::Warp => "warp exchange",
            Self::Barrier => "barrier",
        }
    }
}

/// A number of instructions per class.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts([f64; Class::ALL.len()]);

impl Counts {
    /// None.
    pub const NONE: Self = Self([0.0; Class::ALL.len()]);

    /// `count` of one class.
    #[must_use]
    pub const fn of(class: Class, count: f64) -> Self {
        let mut counts = Self::NONE;
        counts.0[class as usize] = count;
        counts
    }

    /// Those of one class.
    #[must_use]
    pub fn get(&self, class: Class) -> f64 {
        self.0[class as usize]
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

impl Add for Counts {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

impl Mul<f64> for Counts {
    type Output = Self;
    fn mul(self, times: f64) -> Self {
        Self(self.0.map(|count| count * times))
    }
}
