//! Operations whose result has no meaning.

use super::assert_fault;
use ecf8_codegen::emulator::FaultKind;
use ecf8_codegen::lang::{Global, GlobalMut, kernel, thread_idx};

#[kernel(threads = 64)]
pub(super) fn wide_shift(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i << i; //~ wide_shift
}

#[test]
fn a_shift_by_the_width_is_reported() {
    let kind = FaultKind::Shift { amount: 32, bits: 32 };
    assert_fault(wide_shift(), 1, &kind, "wide_shift", (Some(0), Some(32)));
}

#[kernel(threads = 64)]
fn zero_divisor(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i / (input[i] + 5 - i.min(5)); //~ zero_divisor
}

#[test]
fn a_division_by_zero_is_reported() {
    assert_fault(zero_divisor(), 1, &FaultKind::DivisionByZero, "zero_divisor", (Some(0), Some(5)));
}

#[kernel(threads = 64)]
fn least_quotient(output: GlobalMut<i32>) {
    let i = thread_idx();
    let least = (i as i32) - i32::MAX - 1;
    output[i] = least / ((i as i32) - 1); //~ least_quotient
}

#[test]
fn a_quotient_that_does_not_fit_is_not_called_a_division_by_zero() {
    assert_fault(least_quotient(), 1, &FaultKind::DivisionOverflow, "least_quotient", (Some(0), Some(0)));
}
