//! Values as the bytes of other number types.

use super::cast;
use half::{bf16, f16};

/// Little-endian bytes of `values` in the number type that safetensors calls `dtype`, each rounded to the nearest;
/// whole numbers are scaled so that the largest magnitude becomes the type's largest, as tensors are quantised that
/// have one scale. `None` for a dtype that values are not stored in.
#[must_use]
pub fn stored_as(dtype: &str, values: &[f32]) -> Option<Vec<u8>> {
    Some(match dtype {
        "F8_E4M3" => cast(values),
        "F8_E5M2" => values.iter().map(|value| e5m2(*value)).collect(),
        "F8_E8M0" => values
            .iter()
            .map(|value| value.to_bits().to_be_bytes())
            .map(|[a, b, ..]| a << 1 | b >> 7)
            .collect(),
        "BF16" => bytes(values, |value| bf16::from_f32(value).to_le_bytes()),
        "F16" => bytes(values, |value| f16::from_f32(value).to_le_bytes()),
        "F32" => bytes(values, f32::to_le_bytes),
        "F64" => bytes(values, |value| f64::from(value).to_le_bytes()),
        "I8" => scaled(values, 127.0, |value| value.to_le_bytes()[..1].to_vec()),
        "I16" => scaled(values, 32_767.0, |value| value.to_le_bytes()[..2].to_vec()),
        "I32" => scaled(values, 1e6, |value| value.to_le_bytes().to_vec()),
        "I64" => scaled(values, 1e6, |value| i64::from(value).to_le_bytes().to_vec()),
        _ => return None,
    })
}

fn bytes<const N: usize>(values: &[f32], number: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| number(*value)).collect()
}

/// The upper byte of half precision, rounded to the nearest, ties to even.
fn e5m2(value: f32) -> u8 {
    let half = f16::from_f32(value);
    let [low, high] = half.to_le_bytes();
    let is_up = low > 0x80 || (low == 0x80 && high & 1 == 1);
    if half.is_nan() { high | 2 } else { high.wrapping_add(u8::from(is_up)) }
}

fn scaled(values: &[f32], largest: f32, number: impl Fn(i32) -> Vec<u8>) -> Vec<u8> {
    let most = values.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    values.iter().flat_map(|value| number(whole(value / most * largest))).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
fn whole(value: f32) -> i32 {
    value.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_to_the_nearest() {
        let of = |dtype, values: &[f32]| stored_as(dtype, values).unwrap();
        assert_eq!(of("BF16", &[1.0, -1.25]), [0x80, 0x3f, 0xa0, 0xbf]);
        assert_eq!(of("F16", &[1.0]), [0, 0x3c]);
        assert_eq!(of("F8_E5M2", &[1.0, 1.125, 1.13, 1.375, f32::NAN]), [0x3c, 0x3c, 0x3d, 0x3e, 0x7e]);
        assert_eq!(of("F8_E8M0", &[1.0, 0.25]), [127, 125]);
        assert_eq!(of("I8", &[0.5, -1.0, 0.0]), [64, 129, 0]);
        assert_eq!(of("I16", &[1.0]), [0xff, 0x7f]);
        assert_eq!((of("F64", &[1.0]).len(), stored_as("U8", &[1.0])), (8, None));
    }
}
