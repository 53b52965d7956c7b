//! Float formats as data: how the bits of a number split into sign, exponent and mantissa.
//!
//! Everything that depends on a format reads these figures, so a further format is a further constant.

/// The widths of a float format's fields, from the most significant bit down: sign, exponent, mantissa.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatFormat {
    /// What people call it, for example `E4M3`.
    pub name: &'static str,
    /// Its name in safetensors headers, for example `F8_E4M3`.
    pub dtype: &'static str,
    /// Bits of the sign: 1, or 0 for an unsigned format.
    pub sign_bits: u32,
    /// Bits of the exponent.
    pub exponent_bits: u32,
    /// Bits of the mantissa.
    pub mantissa_bits: u32,
}

/// 8-bit floats with 4 exponent and 3 mantissa bits, the `e4m3fn` of OCP and safetensors: bias 7, largest
/// finite value 448, no infinities, NaN is `0x7f` and `0xff`.
pub const E4M3: FloatFormat =
    FloatFormat { name: "E4M3", dtype: "F8_E4M3", sign_bits: 1, exponent_bits: 4, mantissa_bits: 3 };

/// As [`E4M3`] with another bias, no negative zero and one NaN, `0x80`.
pub const E4M3FNUZ: FloatFormat = FloatFormat { name: "E4M3FNUZ", dtype: "F8_E4M3FNUZ", ..E4M3 };

/// 8-bit floats with 5 exponent and 2 mantissa bits, with infinities, as OCP defines them.
pub const E5M2: FloatFormat =
    FloatFormat { name: "E5M2", dtype: "F8_E5M2", sign_bits: 1, exponent_bits: 5, mantissa_bits: 2 };

/// As [`E5M2`] with another bias, no negative zero, no infinities and one NaN.
pub const E5M2FNUZ: FloatFormat = FloatFormat { name: "E5M2FNUZ", dtype: "F8_E5M2FNUZ", ..E5M2 };

/// Powers of two, as scales of OCP's microscaling formats have them: 8 exponent bits and nothing else.
pub const E8M0: FloatFormat =
    FloatFormat { name: "E8M0", dtype: "F8_E8M0", sign_bits: 0, exponent_bits: 8, mantissa_bits: 0 };

/// The upper half of single precision.
pub const BF16: FloatFormat =
    FloatFormat { name: "BF16", dtype: "BF16", sign_bits: 1, exponent_bits: 8, mantissa_bits: 7 };

/// IEEE 754 half precision.
pub const F16: FloatFormat =
    FloatFormat { name: "F16", dtype: "F16", sign_bits: 1, exponent_bits: 5, mantissa_bits: 10 };

/// IEEE 754 single precision.
pub const F32: FloatFormat =
    FloatFormat { name: "F32", dtype: "F32", sign_bits: 1, exponent_bits: 8, mantissa_bits: 23 };

/// IEEE 754 double precision.
pub const F64: FloatFormat =
    FloatFormat { name: "F64", dtype: "F64", sign_bits: 1, exponent_bits: 11, mantissa_bits: 52 };

impl FloatFormat {
    /// Bits of one number.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.sign_bits + self.exponent_bits + self.mantissa_bits
    }

    /// Bytes of one number as stored.
    #[must_use]
    pub const fn bytes_per_element(&self) -> usize {
        self.bits().div_ceil(8) as usize
    }

    /// How many exponents there are: the alphabet of an exponent codebook.
    #[must_use]
    pub const fn exponents(&self) -> usize {
        1 << self.exponent_bits
    }

    /// The exponent of a number whose bits these are.
    #[must_use]
    #[inline]
    pub const fn exponent(&self, bits: u64) -> usize {
        crate::int::index(bits >> self.mantissa_bits) & (self.exponents() - 1)
    }

    /// Splits an 8-bit number into its exponent and its raw bits; in the raw bits the sign stands directly
    /// above the mantissa (for E4M3: sign at bit 3, mantissa in bits 0 to 2).
    #[must_use]
    #[inline]
    pub const fn split(&self, byte: u8) -> (u8, u8) {
        let sign = byte >> (8 - self.sign_bits);
        let exponent = (byte >> self.mantissa_bits) & mask(self.exponent_bits);
        (exponent, (sign << self.mantissa_bits) | (byte & mask(self.mantissa_bits)))
    }

    /// The 8-bit number with this exponent and these raw bits: the inverse of [`FloatFormat::split`].
    /// Bits above either field are ignored.
    #[must_use]
    #[inline]
    pub const fn merge(&self, exponent: u8, raw: u8) -> u8 {
        let sign = (raw >> self.mantissa_bits) & mask(self.sign_bits);
        (sign << (8 - self.sign_bits))
            | ((exponent & mask(self.exponent_bits)) << self.mantissa_bits)
            | (raw & mask(self.mantissa_bits))
    }
}

/// A byte whose low `bits` bits are set, for `bits` up to 7.
const fn mask(bits: u32) -> u8 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_and_merge_are_inverse_for_every_byte() {
        for byte in 0..=255 {
            let (exponent, raw) = E4M3.split(byte);
            assert!(exponent < 16 && raw < 16);
            assert_eq!(E4M3.merge(exponent, raw), byte);
        }
    }

    #[test]
    fn the_fields_of_minus_one_and_three_quarters_are_where_the_format_says() {
        // 1.75 = 1.110b x 2^0: sign 1, exponent 7 (bias 7), mantissa 110b.
        assert_eq!(E4M3.split(0b1011_1110), (7, 0b1110));
        assert_eq!(E4M3.bytes_per_element(), 1);
        // 1.0 in the wider ones: exponents are the biases.
        assert_eq!((BF16.exponent(0x3f80), F16.exponent(0x3c00), F32.exponent(0xbf80_0000)), (127, 15, 127));
        assert_eq!((F64.exponent(0x3ff0 << 48), E8M0.exponent(127), E5M2.exponent(0x3c)), (1023, 127, 15));
        assert_eq!([&E8M0, &BF16, &F32, &F64].map(FloatFormat::bytes_per_element), [1, 2, 4, 8]);
    }
}
