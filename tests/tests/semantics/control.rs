//! Branches, loops and jumps.

use crate::case::Case;
use ecf8_codegen::lang::{Global, GlobalMut, V, device, kernel, rolled, thread_idx};

crate::cases! {
    the_first_condition_that_holds_decides: Case::new(chain(), &[10_u32, 20, 20, 30, 30, 31, 30, 31]);
    branches_that_diverge_assign_variables: Case::new(diverging(), &[0_u32, 101, 2, 103]);
    and_asks_the_right_side_only_where_the_left_holds: Case::new(both(), &[1_u32, 0, 0, 0]).input(&[1_u32, 0]);
    or_asks_the_right_side_only_where_the_left_fails: Case::new(either(), &[1_u32, 0, 1, 1]).input(&[1_u32, 0]);
    a_while_runs_as_often_as_each_thread_needs: Case::new(collatz(), &[0_u32, 0, 1, 7, 2, 5, 8, 16]);
    a_while_with_a_composed_condition_asks_it_each_round: Case::new(composed(), &[0_u32, 1, 2, 3]).input(&[9_u32, 9, 9, 0]);
    a_loop_ends_at_its_break: Case::new(broken(), &[8_u32, 8, 8, 9]);
    continue_goes_on_with_the_next_round: Case::new(continued(), &[0_u32, 1, 1, 4]);
    a_break_leaves_the_inner_loop_only: Case::new(inner_break(), &[0_u32, 3, 6, 9]);
    a_for_over_device_bounds_counts_by_its_step: Case::new(stepped(), &[4_u32 + 8, 1 + 5 + 9, 2 + 6, 3 + 7]);
    a_for_over_an_empty_range_does_nothing: Case::new(empty_range(), &[5_u32, 5, 5, 5]);
    bounds_of_a_for_are_evaluated_once: Case::new(moving_bound(), &[3_u32, 3, 3, 3]);
    steps_of_a_for_are_evaluated_once: Case::new(moving_step(), &[2_u32, 2, 2, 2]);
    rolled_and_unrolled_loops_agree: Case::new(rolled_too(), &[28_u32, 28, 28, 28]);
    unroll_hints_change_nothing: Case::new(hinted(), &[6_u32, 6, 6, 6]);
    a_loop_over_known_data_is_unrolled: Case::new(over_data(&[3, 1, 4]), &[314_u32; 4]);
    a_break_on_a_known_condition_leaves_an_unrolled_loop: Case::new(known_break(), &[3_u32; 4]);
    a_continue_on_a_known_condition_skips_a_round_of_an_unrolled_loop: Case::new(known_continue(), &[4_u32; 4]);
    a_return_ends_only_its_thread: Case::new(returning(), &[1_u32, 0, 1, 0]);
    known_conditions_are_decided_while_building: Case::new(known(true), &[1_u32; 4]);
    known_conditions_that_fail_leave_nothing: Case::new(known(false), &[2_u32; 4]);
    a_loop_within_a_branch_keeps_other_threads_waiting: Case::new(loop_in_branch(), &[0_u32, 10, 0, 30]);
    a_return_within_a_loop_spares_the_rest: Case::new(return_in_loop(), &[7_u32, 1, 2, 3]);
}

#[kernel(threads = 8)]
fn chain(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x: u32;
    if i == 0 {
        x = 10;
    } else if i < 3 {
        x = 20;
    } else {
        x = 30;
        if i > 4 {
            if i % 2 == 1 {
                x += 1;
            }
        }
    }
    output[i] = x;
}

#[kernel(threads = 4)]
fn diverging(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x = i;
    if i % 2 == 1 {
        x += 100;
    }
    output[i] = x;
}

#[kernel(threads = 4)]
fn both(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let both = i < 2 && input[i] == 1;
    output[i] = both as u32;
}

#[kernel(threads = 4)]
fn either(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    if i >= 2 || input[i] == 1 {
        output[i] = 1;
    } else {
        output[i] = 0;
    }
}

#[kernel(threads = 8)]
fn collatz(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x = i;
    let mut steps: u32 = 0;
    while x > 1 {
        if x % 2 == 0 {
            x /= 2;
        } else {
            x = x * 3 + 1;
        }
        steps += 1;
    }
    output[i] = steps;
}

#[kernel(threads = 4)]
fn composed(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut n: u32 = 0;
    while n < i && input[n] == 9 {
        n += 1;
    }
    output[i] = n;
}

#[kernel(threads = 4)]
fn broken(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x = i;
    loop {
        if x >= 8 {
            break;
        }
        x += i + 1;
    }
    output[i] = if i == 3 {
        x - 2
    } else if i == 1 {
        x - 1
    } else {
        x
    };
}

#[kernel(threads = 4)]
fn continued(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum: u32 = 0;
    for k in 0..i + 1 {
        if k % 2 == 0 {
            continue;
        }
        sum += k;
    }
    output[i] = sum;
}

#[kernel(threads = 4)]
fn inner_break(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut rounds: u32 = 0;
    for _outer in rolled(0..3_u32) {
        for inner in rolled(0..10_u32) {
            if inner == i {
                break;
            }
            rounds += 1;
        }
    }
    output[i] = rounds;
}

#[kernel(threads = 4)]
fn stepped(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum: u32 = 0;
    for k in (i..10).step_by(4) {
        sum += k;
    }
    output[i] = sum;
}

#[kernel(threads = 4)]
fn empty_range(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum: u32 = 5;
    for k in i + 1..i {
        sum += k + 1;
    }
    output[i] = sum;
}

#[kernel(threads = 4)]
fn moving_bound(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut rounds: u32 = 0;
    let mut bound: u32 = 3;
    for _k in 0..bound {
        rounds += 1;
        bound += 1;
        if rounds > 50 {
            break;
        }
    }
    output[i] = rounds + (bound - rounds) - 3;
}

#[kernel(threads = 4)]
fn moving_step(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut rounds: u32 = 0;
    let mut step: u32 = 4;
    for _k in (i * 0..8).step_by(step) {
        rounds += 1;
        step = 1;
    }
    output[i] = rounds;
}

#[kernel(threads = 4)]
fn rolled_too(output: GlobalMut<u32>) {
    let mut sum: u32 = 0;
    for k in 0..8_u32 {
        sum += k;
    }
    let mut again: u32 = 0;
    for k in rolled(0..8_u32) {
        again += k;
    }
    output[thread_idx()] = if sum == again { sum } else { 0 };
}

#[kernel(threads = 4)]
fn hinted(output: GlobalMut<u32>) {
    let mut sum: u32 = 0;
    #[unroll(2)]
    for k in rolled(0..3_u32) {
        sum += k;
    }
    #[unroll]
    for k in rolled(0..3_u32) {
        sum += k;
    }
    output[thread_idx()] = sum;
}

#[kernel(threads = 4)]
fn over_data(digits: &[u32], output: GlobalMut<u32>) {
    let mut number: u32 = 0;
    for &digit in digits {
        number = number * 10 + digit;
    }
    output[thread_idx()] = number;
}

#[kernel(threads = 4)]
fn known_break(output: GlobalMut<u32>) {
    let mut rounds: u32 = 0;
    for k in 0..8_u32 {
        if k == 3 {
            break;
        }
        rounds += 1;
    }
    output[thread_idx()] = rounds;
}

#[kernel(threads = 4)]
fn known_continue(output: GlobalMut<u32>) {
    let mut rounds: u32 = 0;
    for k in 0..8_u32 {
        if k % 2 == 0 {
            continue;
        }
        rounds += 1;
    }
    output[thread_idx()] = rounds;
}

#[kernel(threads = 4)]
fn returning(output: GlobalMut<u32>) {
    let i = thread_idx();
    if i % 2 == 0 {
        output[i] = 1;
        return;
    }
    output[i] = 0;
}

#[kernel(threads = 4)]
fn known(first: bool, output: GlobalMut<u32>) {
    let i = thread_idx();
    if first {
        output[i] = 1;
    } else {
        output[i] = 2;
    }
}

#[kernel(threads = 4)]
fn loop_in_branch(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut sum: u32 = 0;
    if i % 2 == 1 {
        let mut left = i;
        while left > 0 {
            sum += 10;
            left -= 1;
        }
    }
    output[i] = sum;
}

#[device]
fn first_from(i: V<u32>) -> V<u32> {
    i
}

#[kernel(threads = 4)]
fn return_in_loop(output: GlobalMut<u32>) {
    let i = thread_idx();
    for k in rolled(0..3_u32) {
        if first_from(i) == 0 && k == 1 {
            output[i] = 7;
            return;
        }
    }
    output[i] = i;
}
