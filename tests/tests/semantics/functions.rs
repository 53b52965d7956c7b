//! Device functions, closures and variables: what is shared and what is not.

use crate::case::Case;
use ecf8_codegen::lang::{GlobalMut, V, Var, device, kernel, rolled, thread_idx};

crate::cases! {
    a_device_function_changes_the_variable_it_borrows: Case::new(borrowing(), &[1_u32, 3, 5, 7]);
    borrowed_variables_can_be_lent_on: Case::new(lending(), &[2_u32, 4, 6, 8]);
    a_closure_sees_and_changes_variables: Case::new(closing(), &[3_u32, 13, 23, 33]);
    an_inner_name_shadows_the_outer_one_in_its_block_only: Case::new(shadowing(), &[0_u32, 101, 2, 103]);
    a_value_read_last_in_a_round_is_that_of_the_round: Case::new(rounds(), &[3_u32, 8, 13, 18]);
    a_value_keeps_what_the_variable_was: Case::new(snapshot(), &[1_u32, 2, 3, 4]);
    a_read_that_waits_for_its_use_is_not_moved_past_an_assignment: Case::new(waiting(), &[10_u32, 11, 12, 13]);
    a_variable_may_wait_for_its_first_value: Case::new(late(), &[5_u32, 6, 5, 6]);
    variables_of_a_function_called_twice_are_two: Case::new(twice(), &[3_u32, 5, 7, 9]);
    numbers_known_while_building_fold_away: Case::new(folding(7), &[1_u32; 4]);
    mutable_host_data_serves_while_building: Case::new(counting(), &[6_u32; 4]);
    deep_precedence_survives_printing: Case::new(precedence(), &expected_precedence());
}

#[device]
fn add_to(sum: &mut Var<u32>, x: V<u32>) {
    *sum += x;
    sum += 1;
}

#[kernel(threads = 4)]
fn borrowing(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum = i;
    add_to(&mut sum, i);
    output[i] = sum;
}

#[device]
fn add_on(sum: &mut Var<u32>, x: V<u32>) {
    add_to(&mut *sum, x);
    add_to(&mut sum, x * 0);
}

#[kernel(threads = 4)]
fn lending(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum = i;
    add_on(&mut sum, i);
    output[i] = sum;
}

#[device]
fn three_times(each: impl Fn(u32)) {
    for k in 0..3 {
        each(k);
    }
}

#[kernel(threads = 4)]
fn closing(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum = i * 10;
    three_times(|k| sum += k);
    output[i] = sum;
}

#[kernel(threads = 4)]
fn shadowing(output: GlobalMut<u32>) {
    let i = thread_idx();
    let x = i;
    let mut y = x;
    if i % 2 == 1 {
        let x = i + 100;
        y = x;
    }
    let x = y;
    output[i] = x;
}

#[kernel(threads = 4)]
fn snapshot(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x = i;
    let before = x;
    x += 1;
    output[i] = before + (x - before);
}

#[kernel(threads = 4)]
fn rounds(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum: u32 = 0;
    let mut last: u32 = 0;
    for k in rolled(0..3_u32) {
        let mut x = k;
        if k > 0 {
            x += i;
        }
        let read = x;
        last = read;
        sum += read + last - x;
    }
    let total = sum;
    output[i] = total + last * 2 - (4 - i) + i * 3 - i * 2 - i + total - sum;
}

#[kernel(threads = 4)]
fn waiting(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x = i;
    let parts = [x + 10, i];
    x = 77;
    if i < 9 {
        x = 78;
    }
    output[i] = parts[0] + parts[1] * 0 + (x - 78);
}

#[kernel(threads = 4)]
fn late(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x: u32;
    if i % 2 == 0 {
        x = 5;
    } else {
        x = 6;
    }
    output[i] = x;
}

#[device]
fn doubled_and_one(x: V<u32>) -> V<u32> {
    let mut sum = x;
    sum += x;
    sum += 1;
    sum
}

#[kernel(threads = 4)]
fn twice(output: GlobalMut<u32>) {
    let i = thread_idx();
    let first = doubled_and_one(i);
    let second = doubled_and_one(i * 0);
    output[i] = first + second + 1;
}

#[kernel(threads = 4)]
fn folding(n: u32, output: GlobalMut<u32>) {
    let known = (n * 6) / 2 - 20;
    output[thread_idx()] = if known == 1 { 1_u32 } else { 0 };
}

#[kernel(threads = 4)]
fn counting(output: GlobalMut<u32>) {
    #[host]
    let mut total = 0;
    for k in [1, 2, 3] {
        total += k;
    }
    output[thread_idx()] = total;
}

#[kernel(threads = 4)]
fn precedence(output: GlobalMut<u32>) {
    let i = thread_idx();
    let a = i + 3;
    output[i] = ((a - (i - 1)) * (a + 2) - a % 3)
        ^ ((a << 2 | 1) & !(i >> 1)) + (if i < 2 { a } else { i }) * 2 - (a - (i + (a - 1)));
}

fn expected_precedence() -> Vec<u32> {
    let one = |i: u32| {
        let a = i + 3;
        let first = (a.wrapping_sub(i.wrapping_sub(1)) * (a + 2)) - a % 3;
        let second = ((a << 2 | 1) & !(i >> 1))
            .wrapping_add((if i < 2 { a } else { i }) * 2)
            .wrapping_sub(a.wrapping_sub(i + (a - 1)));
        first ^ second
    };
    (0..4).map(one).collect()
}
