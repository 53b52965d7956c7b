//! Float types by their numbers: which value bits stand for, which values are rounded to it, and what a value is rounded to.
//!
//! Of each number the *head* is looked at as one, its upper 16 bits or all of fewer; of wider types the head is what they are
//! when the rest is cut off. A head without its sign is a *magnitude*, and magnitudes are in the order of their values.

use ecf8_core::element::Element;
use ecf8_core::format::{BF16, E4M3, E4M3FNUZ, E5M2, E5M2FNUZ, E8M0, F16, F32, F64, FloatFormat};
use half::{bf16, f16};

/// A float type.
#[derive(Debug)]
pub struct FloatType {
    /// How its bits split.
    pub format: &'static FloatFormat,
    /// What the exponent's field has for the exponent 0.
    pub bias: i32,
    /// The largest finite magnitude.
    pub largest: u32,
    /// Whether −0 is NaN, the only one.
    has_one_nan: bool,
}

const fn of(format: &'static FloatFormat, bias: i32, largest: u32) -> FloatType {
    FloatType { format, bias, largest, has_one_nan: false }
}

static TYPES: [FloatType; 9] = [
    of(&E4M3, 7, 0x7e),
    FloatType { has_one_nan: true, ..of(&E4M3FNUZ, 8, 0x7f) },
    of(&E5M2, 15, 0x7b),
    FloatType { has_one_nan: true, ..of(&E5M2FNUZ, 16, 0x7f) },
    of(&E8M0, 127, 0xfe),
    of(&BF16, 127, 0x7f7f),
    of(&F16, 15, 0x7bff),
    of(&F32, 127, 0x7f7f),
    of(&F64, 1023, 0x7fef),
];

/// Bits of a head, at most.
const HEAD: u32 = 16;

impl FloatType {
    /// The float type of an element; `None` if that is no float.
    #[must_use]
    pub fn of(element: &Element) -> Option<&'static Self> {
        let format = element.float?;
        TYPES.iter().find(|own| own.format == format)
    }

    /// Bits of its heads.
    #[must_use]
    pub fn head_bits(&self) -> u32 {
        self.format.bits().min(HEAD)
    }

    /// Mantissa bits in its heads.
    #[must_use]
    pub fn head_mantissa(&self) -> u32 {
        self.head_bits() - self.format.sign_bits - self.format.exponent_bits
    }

    /// Whether heads are all of a number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.format.bits() <= HEAD
    }

    /// The exponent's field in a head.
    #[must_use]
    pub fn field(&self, head: u32) -> u32 {
        head >> self.head_mantissa() & ((1 << self.format.exponent_bits) - 1)
    }

    /// The exponent that a field stands for; of the field 0, which has all smaller numbers, one less than of the field 1.
    #[must_use]
    pub fn exponent(&self, field: u32) -> i32 {
        field.cast_signed() - self.bias
    }

    /// The magnitude of a head and whether it is negative.
    #[must_use]
    pub fn magnitude(&self, head: u32) -> (u32, bool) {
        let below_sign = self.head_bits() - self.format.sign_bits;
        (head & ((1 << below_sign) - 1), head >> below_sign != 0)
    }

    /// Whether a head is of a number, neither infinity nor NaN.
    #[must_use]
    pub fn is_finite(&self, head: u32) -> bool {
        let (magnitude, is_negative) = self.magnitude(head);
        magnitude <= self.largest && !(self.has_one_nan && is_negative && magnitude == 0)
    }

    /// The value of a magnitude; of the one after the largest, what it would be if exponents went on.
    #[must_use]
    pub fn value(&self, magnitude: u32) -> f64 {
        let mantissa_bits = self.head_mantissa();
        let (field, mantissa) = (magnitude >> mantissa_bits, magnitude & ((1 << mantissa_bits) - 1));
        // Powers of two have no smaller numbers.
        let is_subnormal = field == 0 && self.format.sign_bits > 0;
        let ones = if is_subnormal { 0 } else { 1 << mantissa_bits };
        let exponent = if is_subnormal { 1 } else { field.cast_signed() } - self.bias;
        f64::from(ones + mantissa) * power_of_two(exponent - mantissa_bits.cast_signed())
    }

    /// The values from which and up to which a magnitude stands for them: halfway to the neighbours where values were
    /// rounded; from the magnitude to the next of heads, whose rest is cut off. From 0 on for the magnitude 0.
    #[must_use]
    pub fn cell(&self, magnitude: u32) -> [f64; 2] {
        let (value, next) = (self.value(magnitude), self.value(magnitude + 1));
        if !self.is_whole() {
            return [value, next];
        }
        let before = magnitude.checked_sub(1).map_or(value, |before| self.value(before));
        [f64::midpoint(before, value), f64::midpoint(value, next)]
    }

    /// The values of numbers as bytes; of 8 bytes each, [`FloatType::wide_values`] has them.
    pub(crate) fn values(&self, bytes: &[u8], values: &mut Vec<f32>) {
        values.clear();
        match self.format.bits() {
            8 => {
                let table: Vec<f32> = (0..256).map(|byte| self.small_value(byte)).collect();
                values.extend(bytes.iter().map(|byte| table[usize::from(*byte)]));
            }
            16 if self.format == &BF16 => {
                values.extend(bytes.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()));
            }
            16 => {
                values.extend(bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()));
            }
            _ => values.extend(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
        }
    }

    /// The values of doubles as bytes.
    pub(crate) fn wide_values(bytes: &[u8], values: &mut Vec<f64>) {
        values.clear();
        values.extend(bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)));
    }

    #[expect(clippy::cast_possible_truncation, reason = "numbers of 8 bits are exact in single precision")]
    fn small_value(&self, byte: u32) -> f32 {
        let (magnitude, is_negative) = self.magnitude(byte);
        if !self.is_finite(byte) {
            return f32::NAN;
        }
        let value = self.value(magnitude) as f32;
        if is_negative { -value } else { value }
    }

    /// The numbers nearest to values, as bytes; ties go to the even mantissa, values beyond the largest become the largest.
    pub(crate) fn round(&self, values: &[f32], bytes: &mut Vec<u8>) {
        bytes.clear();
        let most = self.largest_single();
        match self.format.bits() {
            8 => bytes.extend(values.iter().map(|value| self.round_small(*value, most))),
            16 if self.format == &BF16 => bytes.extend(
                values.iter().flat_map(|value| bf16::from_f32(value.clamp(-most, most)).to_le_bytes()),
            ),
            16 => {
                bytes.extend(
                    values.iter().flat_map(|value| f16::from_f32(value.clamp(-most, most)).to_le_bytes()),
                );
            }
            _ => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the largest of a type is no more than that of single precision"
    )]
    fn largest_single(&self) -> f32 {
        self.value(self.largest) as f32
    }

    /// The number of 8 bits that is nearest.
    fn round_small(&self, value: f32, most: f32) -> u8 {
        /// Adding it leaves no fraction bits, so the hardware rounds to the nearest even multiple of the smallest number.
        const INTEGERS: f32 = 8_388_608.0;
        let mantissa_bits = self.format.mantissa_bits;
        let field = |exponent: i32| (exponent + 127).cast_unsigned() << 23;
        let least_normal = f32::from_bits(field(1 - self.bias));
        let magnitude = value.abs().min(most);
        let code = if magnitude < least_normal {
            let smallest = f32::from_bits(field(self.bias - 1 + mantissa_bits.cast_signed()));
            (magnitude * smallest + INTEGERS).to_bits() - INTEGERS.to_bits()
        } else {
            let (bits, dropped) = (magnitude.to_bits(), 23 - mantissa_bits);
            let is_odd = (bits >> dropped) & 1;
            let re_biased = (127 - self.bias).cast_unsigned() << mantissa_bits;
            ((bits + (1 << (dropped - 1)) - 1 + is_odd) >> dropped) - re_biased
        };
        let is_negative = value.is_sign_negative() && !(self.has_one_nan && code == 0);
        code.to_le_bytes()[0] | if is_negative { 0x80 } else { 0 }
    }
}

/// 2^exponent, exact where doubles have it.
fn power_of_two(exponent: i32) -> f64 {
    f64::from(exponent).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecf8_core::element::element;
    use ecf8_core::synthetic;

    fn float(dtype: &str) -> &'static FloatType {
        FloatType::of(element(dtype).unwrap()).unwrap()
    }

    #[test]
    fn every_float_type_is_there_and_no_other() {
        for element in &ecf8_core::element::ELEMENTS {
            assert_eq!(FloatType::of(element).is_some(), element.float.is_some(), "{}", element.dtype);
        }
    }

    #[test]
    fn values_are_those_of_the_formats() {
        assert_eq!([0x7e, 0x01, 0x38].map(|byte| float("F8_E4M3").value(byte)), [448.0, 1.0 / 512.0, 1.0]);
        assert_eq!([0x7f, 0x40].map(|byte| float("F8_E4M3FNUZ").value(byte)), [240.0, 1.0]);
        assert_eq!([0x7b, 0x3c].map(|byte| float("F8_E5M2").value(byte)), [57344.0, 1.0]);
        assert_eq!(float("F8_E5M2FNUZ").value(0x7f), 57344.0);
        assert_eq!((float("F8_E8M0").value(127), float("F8_E8M0").value(0)), (1.0, 2f64.powi(-127)));
        for bits in [0u16, 1, 0x3ff, 0x400, 0x3c01, 0x7bff] {
            assert_eq!(float("F16").value(bits.into()), f16::from_bits(bits).to_f64());
        }
        for bits in [0u16, 1, 0x7f, 0x80, 0x3f81, 0x7f7f] {
            assert_eq!(float("BF16").value(bits.into()), bf16::from_bits(bits).to_f64());
            assert_eq!(float("F32").value(bits.into()), f64::from(f32::from_bits(u32::from(bits) << 16)));
        }
        assert_eq!(float("F64").value(0x3ff8), 1.5);
    }

    #[test]
    fn rounding_agrees_with_the_core_and_with_a_search_for_the_nearest() {
        let mut values: Vec<f32> = (0..1u32 << 15).map(|high| f32::from_bits(high << 16)).collect();
        values.extend(synthetic::gaussian(5, 20_000, 0.3));
        values.retain(|value| value.is_finite());
        let mut bytes = Vec::new();
        float("F8_E4M3").round(&values, &mut bytes);
        assert_eq!(bytes, synthetic::cast(&values));
        for dtype in ["F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ"] {
            let float = float(dtype);
            float.round(&values, &mut bytes);
            for (value, byte) in values.iter().zip(&bytes) {
                let wanted = f64::from(value.abs()).min(float.value(float.largest));
                let distance = |magnitude: u32| (float.value(magnitude) - wanted).abs();
                let best = (0..=float.largest)
                    .min_by(|a, b| distance(*a).total_cmp(&distance(*b)).then((a & 1).cmp(&(b & 1))))
                    .unwrap();
                let (magnitude, is_negative) = float.magnitude(u32::from(*byte));
                assert_eq!(magnitude, best, "{value:e} in {dtype}");
                assert!(is_negative == (*value < 0.0) || magnitude == 0);
            }
        }
    }

    #[test]
    fn values_are_rounded_to_themselves_and_lie_in_their_cells() {
        for dtype in ["F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ"] {
            let float = float(dtype);
            let finite: Vec<u8> = (0..=255u8).filter(|byte| float.is_finite((*byte).into())).collect();
            let (mut values, mut back) = (Vec::new(), Vec::new());
            float.values(&finite, &mut values);
            float.round(&values, &mut back);
            assert_eq!(finite, back, "{dtype}");
            for magnitude in 1..float.largest {
                let ([low, high], value) = (float.cell(magnitude), float.value(magnitude));
                assert!(low < value && value < high && high == float.cell(magnitude + 1)[0]);
            }
        }
    }
}
