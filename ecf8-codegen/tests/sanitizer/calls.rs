//! Faults in device functions.

use super::{assert_is, fault, marked, out_of_bounds, place_of};
use ecf8_codegen::emulator::FaultKind;
use ecf8_codegen::lang::{GlobalMut, Shared, V, barrier, device, kernel, shared, thread_idx};

#[device]
fn neighbour(tile: Shared<u32>, i: V<u32>) -> V<u32> {
    tile[i + 1] //~ called_twice
}

#[device]
fn sum_of_neighbours(tile: Shared<u32>, i: V<u32>) -> V<u32> {
    let right = neighbour(tile, i - 1);
    right + neighbour(tile, i) //~ inner call
}

#[kernel(threads = 64)]
fn called_twice(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i] = i;
    barrier();
    output[i] = sum_of_neighbours(tile, i); //~ outer call
}

#[test]
fn a_fault_in_a_device_function_names_its_line_and_the_calls_that_led_there() {
    let fault = fault(called_twice(), 1);
    assert_is(&fault, &out_of_bounds("tile", 64, 64), "called_twice", (Some(0), Some(63)));
    let callers: Vec<_> = fault.callers.iter().map(|at| place_of(*at)).collect();
    assert_eq!(callers, [marked("inner call"), marked("outer call")], "{fault}");
    let text = fault.to_string();
    let places: Vec<usize> = [fault.at.unwrap(), fault.callers[0], fault.callers[1]]
        .iter()
        .map(|at| text.find(&at.to_string()).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
}

#[device]
fn twice_if(condition: V<bool>, x: V<u32>) -> V<u32> {
    let mut doubled = x;
    if condition {
        barrier(); //~ statement_of_a_call
        doubled *= 2;
    }
    doubled
}

#[kernel(threads = 64)]
fn statement_of_a_call(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = if i < 64 { twice_if(i < 50, i) } else { i }; //~ lazy call
}

#[test]
fn a_fault_in_a_function_called_in_an_arm_or_a_branch_is_found_as_well() {
    let fault = fault(statement_of_a_call(), 1);
    let kind = FaultKind::DivergentBarrier { present: 50, expected: 64 };
    assert_is(&fault, &kind, "statement_of_a_call", (Some(0), Some(50)));
    assert_eq!(fault.callers.len(), 1, "{fault}");
    assert_eq!(place_of(fault.callers[0]), marked("lazy call"), "{fault}");
}
