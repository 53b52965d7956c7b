//! Every operation on every type, at the ends of its range, against Rust's own.

use crate::case::Case;
use ecf8_codegen::lang::{Global, GlobalMut, Number, Scalar, V, device, kernel, thread_idx};

#[device]
fn equal<T: Number>(a: V<T>, b: V<T>) -> V<bool> {
    a == b
}
#[device]
fn unequal<T: Number>(a: V<T>, b: V<T>) -> V<bool> {
    a != b
}
#[device]
fn less<T: Number>(a: V<T>, b: V<T>) -> V<bool> {
    a < b
}
#[device]
fn at_most<T: Number>(a: V<T>, b: V<T>) -> V<bool> {
    a <= b
}
#[device]
fn greater<T: Number>(a: V<T>, b: V<T>) -> V<bool> {
    a > b
}
#[device]
fn at_least<T: Number>(a: V<T>, b: V<T>) -> V<bool> {
    a >= b
}

#[kernel(threads = 1024)]
fn binary<T: Number, R: Scalar, U: Scalar>(
    f: impl Fn(V<T>, V<R>) -> V<U>,
    n: u32,
    left: Global<T>,
    right: Global<R>,
    output: GlobalMut<U>,
) {
    let i = thread_idx();
    if i < n {
        output[i] = f(left[i], right[i]);
    }
}

#[kernel(threads = 64)]
fn unary<T: Number, U: Scalar>(f: impl Fn(V<T>) -> V<U>, n: u32, input: Global<T>, output: GlobalMut<U>) {
    let i = thread_idx();
    if i < n {
        output[i] = f(input[i]);
    }
}

fn count<T>(values: &[T]) -> u32 {
    values.len().try_into().unwrap()
}

/// `f` on the device and `by_rust` for all pairs.
fn pairs<T: Number, R: Scalar, U: Scalar>(
    pairs: &[(T, R)],
    f: impl Fn(V<T>, V<R>) -> V<U>,
    by_rust: impl Fn(T, R) -> U,
) -> Case {
    let (left, right): (Vec<T>, Vec<R>) = pairs.iter().copied().unzip();
    let expected: Vec<U> = pairs.iter().map(|&(a, b)| by_rust(a, b)).collect();
    Case::new(binary(f, count(pairs)), &expected).input(&left).input(&right)
}

fn singles<T: Number, U: Scalar>(values: &[T], f: impl Fn(V<T>) -> V<U>, by_rust: impl Fn(T) -> U) -> Case {
    let expected: Vec<U> = values.iter().map(|&x| by_rust(x)).collect();
    Case::new(unary(f, count(values)), &expected).input(values)
}

fn square<T: Copy>(values: &[T]) -> Vec<(T, T)> {
    values.iter().flat_map(|&a| values.iter().map(move |&b| (a, b))).collect()
}

/// Each value with each amount below the width.
fn shifted<T: Copy>(values: &[T], bits: u32) -> Vec<(T, u32)> {
    let amounts = [0, 1, bits / 2 - 1, bits / 2, bits - 2, bits - 1];
    values.iter().flat_map(|&a| amounts.map(|amount| (a, amount))).collect()
}

macro_rules! unsigned_edges {
    ($ty:ident) => {
        [0, 1, 2, 3, 7, 10, 100, $ty::MAX / 3, $ty::MAX / 2, $ty::MAX / 2 + 1, $ty::MAX - 1, $ty::MAX]
    };
}
const U8: [u8; 12] = unsigned_edges!(u8);
const U16: [u16; 12] = unsigned_edges!(u16);
const U32: [u32; 12] = unsigned_edges!(u32);
const U64: [u64; 12] = unsigned_edges!(u64);
const I32: [i32; 12] = [0, 1, -1, 2, -2, 7, -7, 1000, i32::MIN, i32::MIN + 1, i32::MAX - 1, i32::MAX];

macro_rules! number_cases {
    ($($ty:ident $edges:ident: $add:ident $sub:ident $mul:ident $div:ident $rem:ident $bits:ident $shl:ident $shr:ident
        $compare:ident $minmax:ident $not:ident;)*) => {
        $crate::cases! {$(
            $add: pairs(&square(&$edges), |a, b| a + b, $ty::wrapping_add);
            $sub: pairs(&square(&$edges), |a, b| a - b, $ty::wrapping_sub);
            $mul: pairs(&square(&$edges), |a, b| a * b, $ty::wrapping_mul);
            $div: pairs(&divisible(&$edges, $ty::checked_div), |a, b| a / b, |a, b| a / b);
            $rem: pairs(&divisible(&$edges, $ty::checked_div), |a, b| a % b, |a, b| a % b);
            $bits: pairs(&square(&$edges), |a, b| (a & b) ^ (a | b) | (b ^ a), |a, b| (a & b) ^ (a | b) | (b ^ a));
            $shl: pairs(&shifted(&$edges, $ty::BITS), |a, by| a << by, |a, by| a << by);
            $shr: pairs(&shifted(&$edges, $ty::BITS), |a, by| a >> by, |a, by| a >> by);
            $compare: pairs(
                &square(&$edges),
                |a, b| {
                    let ordered = less(a, b).cast::<u32>() * 2 + at_most(a, b).cast::<u32>() * 4;
                    let reversed = greater(a, b).cast::<u32>() * 8 + at_least(a, b).cast::<u32>() * 16;
                    ordered + reversed + equal(a, b).cast::<u32>() + unequal(a, b).cast::<u32>() * 32
                },
                |a, b| {
                    let bits = [a == b, a < b, a <= b, a > b, a >= b, a != b];
                    bits.iter().rev().fold(0_u32, |sum, &bit| sum * 2 + u32::from(bit))
                },
            );
            $minmax: pairs(&square(&$edges), |a, b| a.min(b) ^ (a.max(b) + 1), |a, b| a.min(b) ^ a.max(b).wrapping_add(1));
            $not: singles(&$edges, |a| !a, |a| !a);
        )*
            known_left_operands_compute_as_device_ones: pairs(
                &square(&U8),
                |a, b| (200_u8 - a) + (7_u8 * b) + (3_u8 << (a & 7).cast::<u32>()),
                |a, b| 200_u8.wrapping_sub(a).wrapping_add(7_u8.wrapping_mul(b)).wrapping_add(3 << (a & 7)),
            );
            known_amounts_shift_every_type: pairs(
                &square(&U64),
                |a, b| (a << 63_u32) ^ (b >> 1_u32) ^ (a << 0_u32),
                |a, b| (a << 63) ^ (b >> 1) ^ a,
            );
            bits_of_32_are_counted: singles(&U32, |a| a.count_ones() * 64 + a.leading_zeros(), |a: u32| {
                a.count_ones() * 64 + a.leading_zeros()
            });
            bits_of_64_are_counted: singles(&U64, |a| a.count_ones() * 128 + a.leading_zeros(), |a: u64| {
                a.count_ones() * 128 + a.leading_zeros()
            });
        }
    };
}
number_cases! {
    u8 U8: u8_sums_wrap u8_differences_wrap u8_products_wrap u8_quotients u8_remainders u8_bits u8_left_shifts
        u8_right_shifts u8_comparisons u8_extremes u8_complements;
    u16 U16: u16_sums_wrap u16_differences_wrap u16_products_wrap u16_quotients u16_remainders u16_bits u16_left_shifts
        u16_right_shifts u16_comparisons u16_extremes u16_complements;
    u32 U32: u32_sums_wrap u32_differences_wrap u32_products_wrap u32_quotients u32_remainders u32_bits u32_left_shifts
        u32_right_shifts u32_comparisons u32_extremes u32_complements;
    u64 U64: u64_sums_wrap u64_differences_wrap u64_products_wrap u64_quotients u64_remainders u64_bits u64_left_shifts
        u64_right_shifts u64_comparisons u64_extremes u64_complements;
    i32 I32: i32_sums_wrap i32_differences_wrap i32_products_wrap i32_quotients_go_towards_zero
        i32_remainders_have_the_sign_of_the_dividend i32_bits i32_left_shifts i32_right_shifts_keep_the_sign
        i32_comparisons_are_signed i32_extremes_are_signed i32_complements;
}

/// The pairs whose quotient exists.
fn divisible<T: Copy>(values: &[T], divide: impl Fn(T, T) -> Option<T>) -> Vec<(T, T)> {
    square(values).into_iter().filter(|&(a, b)| divide(a, b).is_some()).collect()
}
