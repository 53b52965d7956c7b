//! Arithmetic. Values are registers': no bits are set above those of their type.

use crate::ptx::{Binary, Comparison, Type, Unary};

pub(super) fn unary(op: Unary, of: Type, value: u64) -> u64 {
    let above = 64 - of.bits;
    let result = match op {
        Unary::Not => !value,
        Unary::Negate => value.wrapping_neg(),
        Unary::CountOnes => u64::from(value.count_ones()),
        Unary::LeadingZeros => u64::from(value.leading_zeros() - above),
        Unary::Reverse => value.reverse_bits() >> above,
        Unary::Absolute => of.wide(value).cast_signed().unsigned_abs(),
    };
    of.cut(result)
}

pub(super) fn binary(op: Binary, of: Type, a: u64, b: u64) -> u64 {
    let result = match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Subtract => a.wrapping_sub(b),
        Binary::MultiplyLow => a.wrapping_mul(b),
        Binary::MultiplyHigh => high(of, a, b),
        // Of 32 bits, the only ones that have a type of twice as many, this is exact.
        Binary::MultiplyWide => {
            return Type { bits: 2 * of.bits, ..of }.cut(of.wide(a).wrapping_mul(of.wide(b)));
        }
        Binary::Divide | Binary::Remainder => divide(op, of, a, b),
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        // PTX stops shifting where nothing is left.
        Binary::ShiftLeft => {
            if b < u64::from(of.bits) {
                a << b
            } else {
                0
            }
        }
        Binary::ShiftRight if of.is_signed => (of.wide(a).cast_signed() >> b.min(63)).cast_unsigned(),
        Binary::ShiftRight => {
            if b < u64::from(of.bits) {
                a >> b
            } else {
                0
            }
        }
        Binary::Least => {
            if less(of, a, b) {
                a
            } else {
                b
            }
        }
        Binary::Greatest => {
            if less(of, a, b) {
                b
            } else {
                a
            }
        }
    };
    of.cut(result)
}

fn high(of: Type, a: u64, b: u64) -> u64 {
    let (a, b) = (of.wide(a), of.wide(b));
    let product = if of.is_signed {
        (i128::from(a.cast_signed()) * i128::from(b.cast_signed())).cast_unsigned()
    } else {
        u128::from(a) * u128::from(b)
    };
    u64::try_from((product >> of.bits) & u128::from(u64::MAX)).unwrap_or(0)
}

/// Of what is divided by 0, hardware says that all bits are set.
fn divide(op: Binary, of: Type, a: u64, b: u64) -> u64 {
    let is_quotient = op == Binary::Divide;
    if of.is_signed {
        let (a, b) = (of.wide(a).cast_signed(), of.wide(b).cast_signed());
        let result = if is_quotient { a.checked_div(b) } else { a.checked_rem(b) };
        result.unwrap_or(-1).cast_unsigned()
    } else {
        let result = if is_quotient { a.checked_div(b) } else { a.checked_rem(b) };
        result.unwrap_or(u64::MAX)
    }
}

fn less(of: Type, a: u64, b: u64) -> bool {
    if of.is_signed { of.wide(a).cast_signed() < of.wide(b).cast_signed() } else { a < b }
}

pub(super) fn compare(how: Comparison, of: Type, a: u64, b: u64) -> bool {
    match how {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => less(of, a, b),
        Comparison::LessOrEqual => !less(of, b, a),
        Comparison::Greater => less(of, b, a),
        Comparison::GreaterOrEqual => !less(of, a, b),
    }
}

/// The bytes of eight that the lower digits of `by` name; the fourth bit of a digit asks for the byte's sign instead.
pub(super) fn permute(low: u64, high: u64, by: u64) -> u64 {
    let all = (low | high << 32).to_le_bytes();
    let byte = |digit: u32| {
        let chosen = by >> (4 * digit) & 15;
        let byte = all[usize::try_from(chosen & 7).unwrap_or(0)];
        if chosen & 8 == 0 {
            byte
        } else if byte & 128 == 0 {
            0
        } else {
            255
        }
    };
    u64::from(u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]))
}

/// 32 of the 64 bits of two words, after a shift that wraps around or stops at 32.
pub(super) fn funnel(low: u64, high: u64, by: u64, is_left: bool, is_clamped: bool) -> u64 {
    let all = low | high << 32;
    let by = if is_clamped { by.min(32) } else { by & 31 };
    let word = if is_left { all << by >> 32 } else { all >> by };
    word & u64::from(u32::MAX)
}

/// The bits of a field of `count` from `start` on, as far as the type has them.
fn field(of: Type, start: u64, count: u64) -> u64 {
    let ones = if count >= 64 { u64::MAX } else { (1 << count) - 1 };
    if start >= u64::from(of.bits) { 0 } else { of.cut(ones << start) }
}

pub(super) fn insert(of: Type, from: u64, into: u64, start: u64, count: u64) -> u64 {
    let (start, count) = (start & 255, count & 255);
    let field = field(of, start, count);
    into & !field | from.checked_shl(u32::try_from(start).unwrap_or(64)).unwrap_or(0) & field
}

pub(super) fn extract(of: Type, from: u64, start: u64, count: u64) -> u64 {
    let (start, count) = (start & 255, count & 255);
    let bits = from & field(of, start, count);
    let bits = bits.checked_shr(u32::try_from(start).unwrap_or(64)).unwrap_or(0);
    if !of.is_signed || count == 0 {
        return bits;
    }
    // The sign is the field's last bit, or the value's where the field goes beyond it.
    let last = (start + count - 1).min(u64::from(of.bits) - 1);
    let is_negative = from >> last & 1 == 1;
    let length = last.saturating_sub(start) + u64::from(last >= start);
    if is_negative {
        of.cut(bits | u64::MAX.checked_shl(u32::try_from(length).unwrap_or(64)).unwrap_or(0))
    } else {
        bits
    }
}

/// For each bit, the place in `table` that the bits of `a`, `b` and `c` make.
pub(super) fn logic3(a: u64, b: u64, c: u64, table: u8) -> u64 {
    let term = |place: u8| {
        let side = |bits: u64, bit: u8| if place & bit == 0 { !bits } else { bits };
        if table >> place & 1 == 0 { 0 } else { side(a, 4) & side(b, 2) & side(c, 1) }
    };
    (0..8).map(term).fold(0, |all, one| all | one) & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const U32: Type = Type { bits: 32, is_signed: false };
    const S32: Type = Type { bits: 32, is_signed: true };
    const U64: Type = Type { bits: 64, is_signed: false };
    const MINUS_2: u64 = 0xffff_fffe;

    #[test]
    fn results_have_no_more_bits_than_their_type() {
        assert_eq!(binary(Binary::Add, U32, 0xffff_ffff, 2), 1);
        assert_eq!(binary(Binary::Subtract, U32, 0, 2), MINUS_2);
        assert_eq!(binary(Binary::MultiplyWide, U32, MINUS_2, MINUS_2), 0xffff_fffc_0000_0004);
        assert_eq!(binary(Binary::MultiplyWide, S32, MINUS_2, 3), 6u64.wrapping_neg());
        assert_eq!(binary(Binary::MultiplyHigh, U32, MINUS_2, 2), 1);
        assert_eq!(binary(Binary::MultiplyHigh, S32, MINUS_2, 2), 0xffff_ffff);
        assert_eq!(binary(Binary::MultiplyHigh, U64, u64::MAX, u64::MAX), u64::MAX - 1);
        assert_eq!(unary(Unary::Not, U32, 0), 0xffff_ffff);
        assert_eq!((unary(Unary::LeadingZeros, U32, 1), unary(Unary::LeadingZeros, U32, 0)), (31, 32));
        assert_eq!(unary(Unary::Absolute, S32, MINUS_2), 2);
    }

    #[test]
    fn shifts_by_the_width_or_more_leave_nothing_but_the_sign() {
        assert_eq!([31, 32, 200].map(|by| binary(Binary::ShiftLeft, U32, 3, by)), [1 << 31, 0, 0]);
        assert_eq!([1, 32, 200].map(|by| binary(Binary::ShiftRight, U32, 3, by)), [1, 0, 0]);
        assert_eq!([1, 32, 200].map(|by| binary(Binary::ShiftRight, S32, MINUS_2, by)), [0xffff_ffff; 3]);
        assert_eq!(funnel(0x8000_0000, 1, 33, true, false), 3);
        assert_eq!(funnel(0x8000_0000, 1, 33, true, true), 0x8000_0000);
        assert_eq!(funnel(2, 1, 1, false, false), 0x8000_0001);
    }

    #[test]
    fn signs_count_where_types_have_them() {
        assert!(compare(Comparison::Less, S32, MINUS_2, 1) && !compare(Comparison::Less, U32, MINUS_2, 1));
        assert_eq!(
            (binary(Binary::Least, S32, MINUS_2, 1), binary(Binary::Least, U32, MINUS_2, 1)),
            (MINUS_2, 1)
        );
        assert_eq!(binary(Binary::Divide, S32, MINUS_2, 2), 0xffff_ffff);
        assert_eq!(binary(Binary::Remainder, U32, 7, 4), 3);
    }

    #[test]
    fn bytes_and_bits_are_picked() {
        assert_eq!(permute(0x4433_2211, 0x8877_6655, 0x0516), 0x1166_2277);
        assert_eq!(permute(0x4433_2211, 0x8877_6655, 0x00f8), 0x1111_ff00);
        assert_eq!(insert(U32, 0xff, 0, 28, 8), 0xf000_0000);
        assert_eq!(insert(U32, 0x5, 0xffff, 4, 4), 0xff5f);
        assert_eq!(extract(U32, 0xabcd, 4, 8), 0xbc);
        assert_eq!(extract(S32, 0xabcd, 4, 8), 0xffff_ffbc);
        assert_eq!(logic3(0b1100, 0b1010, 0b1111, 0xc0), 0b1000);
        assert_eq!(logic3(0xf0, 0xcc, 0xaa, 0x96), 0xf0 ^ 0xcc ^ 0xaa);
    }
}
