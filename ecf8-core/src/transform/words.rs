//! Whole numbers of each width, so that loops over them are compiled for it.

/// An unsigned number.
pub(crate) trait Word: Copy + PartialEq {
    /// The difference, modulo two to the width.
    fn minus(self, other: Self) -> Self;
    /// The sum, modulo two to the width.
    fn plus(self, other: Self) -> Self;
    /// A signed number such that small ones of either sign are small.
    fn folded(self) -> Self;
    /// The inverse of [`Word::folded`].
    fn unfolded(self) -> Self;
    /// Replaces each number of `bytes` by what `change` makes of it and its counterpart in `base`.
    fn each(bytes: &mut [u8], base: &[u8], change: impl Fn(Self, Self) -> Self);
    /// Which numbers of a few, at most 128, differ from their counterparts: a bit for each, the first the lowest.
    fn differing(numbers: &[u8], base: &[u8]) -> u128;
}

macro_rules! word {
    ($word:ty) => {
        impl Word for $word {
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn folded(self) -> Self {
                let sign = self.cast_signed() >> (Self::BITS - 1);
                self << 1 ^ sign.cast_unsigned()
            }

            fn unfolded(self) -> Self {
                self >> 1 ^ (self & 1).wrapping_neg()
            }

            fn each(bytes: &mut [u8], base: &[u8], change: impl Fn(Self, Self) -> Self) {
                const WIDTH: usize = size_of::<$word>();
                let own = bytes.as_chunks_mut::<WIDTH>().0.iter_mut();
                for (own, base) in own.zip(base.as_chunks::<WIDTH>().0) {
                    *own = change(Self::from_le_bytes(*own), Self::from_le_bytes(*base)).to_le_bytes();
                }
            }

            fn differing(numbers: &[u8], base: &[u8]) -> u128 {
                const WIDTH: usize = size_of::<$word>();
                let both = numbers.as_chunks::<WIDTH>().0.iter().zip(base.as_chunks::<WIDTH>().0);
                both.enumerate().fold(0, |bits, (at, (own, base))| bits | u128::from(own != base) << at)
            }
        }
    };
}

word!(u8);
word!(u16);
word!(u32);
word!(u64);

/// Calls a function that is generic in its [`Word`] with that of a width in bytes: 1, 2, 4, or else 8.
macro_rules! with_words {
    ($width:expr, $function:ident($($argument:expr),*)) => {
        match $width {
            1 => $function::<u8>($($argument),*),
            2 => $function::<u16>($($argument),*),
            4 => $function::<u32>($($argument),*),
            _ => $function::<u64>($($argument),*),
        }
    };
}

pub(crate) use with_words;
