//! The scalar types of a kernel and how their values are represented.

use std::fmt;

/// A scalar type. Values are carried as `u64` bit patterns, zero-extended from [`Ty::bits`]; an `i32` of −1 is
/// `0xffff_ffff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// A truth value, 0 or 1.
    Bool,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Two's complement, 32 bits.
    I32,
}

impl Ty {
    /// Width in bits of the value (1 for `Bool`).
    pub fn bits(self) -> u32 {
        match self {
            Ty::Bool => 1,
            Ty::U8 => 8,
            Ty::U16 => 16,
            Ty::U32 | Ty::I32 => 32,
            Ty::U64 => 64,
        }
    }

    /// Bytes that one value occupies in memory.
    pub fn bytes(self) -> usize {
        match self {
            Ty::Bool | Ty::U8 => 1,
            Ty::U16 => 2,
            Ty::U32 | Ty::I32 => 4,
            Ty::U64 => 8,
        }
    }

    /// All bits that a value of this type may have set.
    pub fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// The name in kernel sources, which is also the name of the typedef in the emitted CUDA.
    pub fn name(self) -> &'static str {
        match self {
            Ty::Bool => "bool",
            Ty::U8 => "u8",
            Ty::U16 => "u16",
            Ty::U32 => "u32",
            Ty::U64 => "u64",
            Ty::I32 => "i32",
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
