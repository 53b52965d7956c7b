//! Mistakes that only show when a kernel is built: each names its line.

use ecf8_codegen::ir::{BuildErrors, Kernel};
use ecf8_codegen::lang::{Global, GlobalMut, V, block_idx, dynamic_shared, kernel, rolled, thread_idx};

/// Asserts that building fails at the lines of this file marked `//~ NAME`, in this order, with these words.
fn assert_errors(built: Result<Kernel, BuildErrors>, expected: &[(&str, &str)]) {
    let errors = built.expect_err("the kernel was built");
    let found: Vec<_> =
        errors.errors.iter().map(|(at, message)| (at.file, at.line, message.as_str())).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((file, line, message), (mark, words)) in found.iter().zip(expected) {
        assert!(file.ends_with("build_errors.rs"), "{file}");
        assert_eq!(*line, marked_line(mark), "{message}");
        assert!(message.contains(words), "{message}");
    }
    assert!(errors.to_string().contains(&errors.kernel));
}

fn marked_line(mark: &str) -> u32 {
    let place =
        include_str!("build_errors.rs").lines().position(|line| line.ends_with(&format!("//~ {mark}")));
    u32::try_from(place.expect("no such mark")).unwrap() + 1
}

#[kernel(threads = 32)]
fn device_break(output: GlobalMut<u32>) {
    let i = thread_idx();
    for k in 0..4_u32 {
        if i == k {
            break; //~ device-break
        }
        output[i] = k;
    }
}

#[test]
fn an_unrolled_loop_cannot_be_left_on_a_device_condition() {
    assert_errors(device_break(), &[("device-break", "rolled(a..b)")]);
}

#[kernel(threads = 32)]
fn wide_shift(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i << 32; //~ wide-shift
}

#[test]
fn a_known_shift_by_the_width_is_refused() {
    assert_errors(wide_shift(), &[("wide-shift", "shift by 32, but a u32 has only 32 bits")]);
}

#[kernel(threads = 32)]
fn two_mistakes(output: GlobalMut<u8>) {
    let i = thread_idx() as u8;
    let a = i >> 8; //~ first-of-two
    let b = i / 0; //~ second-of-two
    output[i as u32] = a + b;
}

#[test]
fn two_mistakes_in_one_kernel_are_both_reported() {
    assert_errors(
        two_mistakes(),
        &[("first-of-two", "a u8 has only 8 bits"), ("second-of-two", "division by zero")],
    );
}

#[kernel(threads = 32)]
fn leaking_branch(output: GlobalMut<u32>) {
    let i = thread_idx();
    #[host]
    let mut inside = i;
    if i > 3 {
        inside = i + 1;
    }
    output[i] = inside; //~ leaking-branch
}

#[test]
fn a_value_cannot_leave_its_branch() {
    assert_errors(leaking_branch(), &[("leaking-branch", "carry it out in a `let mut` variable")]);
}

#[kernel(threads = 32)]
fn leaking_loop(output: GlobalMut<u32>) {
    let i = thread_idx();
    #[host]
    let mut last = i;
    for k in rolled(0..4_u32) {
        last = k * 2;
    }
    output[last] = i; //~ leaking-loop
}

#[test]
fn a_value_cannot_leave_its_loop() {
    assert_errors(leaking_loop(), &[("leaking-loop", "carry it out in a `let mut` variable")]);
}

#[kernel(threads = 32)]
fn two_dynamic(output: GlobalMut<u8>) {
    let a = dynamic_shared::<u8>();
    let b = dynamic_shared::<u8>(); //~ two-dynamic
    let i = thread_idx();
    a[i] = 1;
    b[i] = 2;
    output[i] = 3;
}

#[test]
fn there_is_only_one_dynamic_shared_array() {
    assert_errors(two_dynamic(), &[("two-dynamic", "at most one dynamic shared array")]);
}

#[kernel(threads = 32)]
fn stranger(foreign: &V<u64>, output: GlobalMut<u64>) {
    output[thread_idx()] = foreign.min(3_u64); //~ stranger
}

#[kernel(threads = 32)]
fn lender(lend: impl Fn(V<u64>), input: Global<u64>) {
    let mut x: u64 = 0;
    for k in 0..20_u64 {
        x += input[block_idx()] + k;
    }
    lend(x);
}

#[test]
fn a_value_of_another_kernel_is_refused() {
    let lent = std::cell::Cell::new(None);
    lender(|value| lent.set(Some(value))).unwrap();
    let errors = stranger(&lent.get().unwrap()).expect_err("the kernel was built");
    let (at, message) = &errors.errors[0];
    assert_eq!(at.line, marked_line("stranger"));
    assert!(message.contains("another kernel") || message.contains("branch or loop"), "{message}");
}
