//! Conversion between single precision and E4M3 (`e4m3fn`).

use crate::format::E4M3;

/// Exponent bias of E4M3.
const BIAS: u32 = 7;

/// The E4M3 number nearest to `value`; ties go to the even mantissa, values beyond 448 become 448, NaN stays NaN.
#[must_use]
pub fn from_f32(value: f32) -> u8 {
    let sign = if value.is_sign_negative() { 0x80 } else { 0 };
    let magnitude = value.abs();
    if magnitude.is_nan() {
        return sign | 0x7f;
    }
    // Adding 2^23 leaves no fraction bits, so the hardware rounds to the nearest even multiple of the smallest number.
    const INTEGERS: f32 = 8_388_608.0;
    let code = if magnitude < 0.015_625 {
        (magnitude * 512.0 + INTEGERS).to_bits() - INTEGERS.to_bits()
    } else {
        let bits = magnitude.min(448.0).to_bits();
        let dropped = 23 - E4M3.mantissa_bits;
        let is_odd = (bits >> dropped) & 1;
        ((bits + (1 << (dropped - 1)) - 1 + is_odd) >> dropped) - ((127 - BIAS) << E4M3.mantissa_bits)
    };
    sign | code.to_le_bytes()[0]
}

/// The value of an E4M3 number.
#[must_use]
pub fn to_f32(byte: u8) -> f32 {
    let (exponent, raw) = E4M3.split(byte);
    let mantissa = f32::from(raw & 7);
    let magnitude = match (exponent, raw & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(i32::from(exponent) - 7),
    };
    if raw & 8 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nearest finite number by trying all, the even one of two equally near.
    fn nearest(value: f32) -> u8 {
        let distance = |byte: u8| (f64::from(to_f32(byte)) - f64::from(value)).abs();
        let best = (0..0x7f).min_by(|a, b| distance(*a).total_cmp(&distance(*b)).then((a & 1).cmp(&(b & 1))));
        best.unwrap()
    }

    #[test]
    fn every_number_converts_to_itself() {
        for byte in (0..=255u8).filter(|byte| byte & 0x7f != 0x7f) {
            assert_eq!(from_f32(to_f32(byte)), byte);
        }
        assert_eq!((from_f32(f32::NAN) & 0x7f, from_f32(-f32::NAN) & 0x7f), (0x7f, 0x7f));
        assert_eq!((to_f32(0x7e), to_f32(0x01), to_f32(0x38)), (448.0, 1.0 / 512.0, 1.0));
    }

    #[test]
    fn conversion_finds_the_nearest_number_for_all_magnitudes_and_both_sides_of_all_ties() {
        let mut values: Vec<f32> = (0..1 << 16).map(|high| f32::from_bits(high << 15)).collect();
        for byte in 0..0x7e {
            let tie = f32::midpoint(to_f32(byte), to_f32(byte + 1));
            values.extend([tie, f32::from_bits(tie.to_bits() - 1), f32::from_bits(tie.to_bits() + 1)]);
        }
        values.retain(|value| !value.is_nan());
        for value in values {
            let expected = if value > 448.0 { 0x7e } else { nearest(value) };
            assert_eq!(from_f32(value), expected, "{value:e}");
            assert_eq!(from_f32(-value), expected | 0x80, "-{value:e}");
        }
    }
}
