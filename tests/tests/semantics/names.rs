//! Names that Rust allows and C does not, or that meet again.

use crate::case::Case;
use ecf8_codegen::lang::{GlobalMut, V, barrier, device, kernel, shared, table, thread_idx};

crate::cases! {
    names_may_be_words_of_c: Case::new(words_of_c(), &[15_u32, 16, 17, 18]);
    parameters_may_be_words_of_c: Case::new(parameter(), &[0_u32, 1, 2, 3]);
    arrays_and_tables_may_be_words_of_c: Case::new(arrays_of_c(), &[14_u32, 13, 12, 11]);
    raw_names_and_other_letters_are_spelt_for_c: Case::new(letters(), &[3_u32, 4, 5, 6]);
    names_of_the_prelude_may_be_used_again: Case::new(prelude(), &[6_u32, 7, 7, 8]);
    arrays_of_a_function_called_twice_are_two: Case::new(two_tiles(), &[14_u32, 12, 10, 8]);
    tables_of_one_name_are_two: Case::new(two_tables(), &[11_u32, 22, 33, 44]);
    a_value_may_be_named_as_its_kernel: Case::new(itself(), &[1_u32, 2, 3, 4]);
}

#[kernel(threads = 4)]
fn words_of_c(output: GlobalMut<u32>) {
    let int = thread_idx();
    let mut register: u32 = 1;
    register += int;
    let short = int + 2;
    let signed = short * 2;
    let default = signed - int;
    let mut switch: u32 = 0;
    if int < 10 {
        switch = register;
    }
    let double = switch + default;
    let float = double * 2;
    let auto = float - double;
    output[int] = auto + 10 - int - short + short - (double - double);
}

#[kernel(threads = 4)]
fn arrays_of_c(unsigned: GlobalMut<u32>) {
    let int = shared::<u32>(4_u32);
    let memcpy = table(&[1_u32, 2, 3, 4]);
    let long = thread_idx();
    int[long] = memcpy[long];
    barrier();
    for double in 3..long + 4 {
        unsigned[long] = int[3 - long] + double * 0 + 10;
    }
}

#[device]
fn doubled(r#virtual: V<u32>) -> V<u32> {
    let größe = r#virtual + r#virtual;
    größe - größe / 2
}

#[kernel(threads = 4)]
fn letters(output: GlobalMut<u32>) {
    let r#typeof = thread_idx() + 1;
    let mut größe = r#typeof;
    größe += 1;
    let öl = doubled(größe);
    output[r#typeof - 1] = öl + größe - r#typeof;
}

#[kernel(threads = 4)]
fn parameter(char: GlobalMut<u32>) {
    let i = thread_idx();
    char[i] = i;
}

#[allow(non_snake_case, reason = "CUDA's names are not")]
#[kernel(threads = 4)]
fn prelude(output: GlobalMut<u32>) {
    let min = thread_idx();
    let max = min + 1;
    let u32 = max.max(2) + 4;
    let gridDim = u32.min(max + 100);
    let smaller = gridDim * 2 - u32;
    output[min] = if min == 0 { smaller } else { smaller + min - min + 1 - if max > 2 { 1_u32 } else { 0 } };
}

#[device]
fn from_right(x: V<u32>) -> V<u32> {
    let tile = shared::<u32>(4_u32);
    let i = thread_idx();
    tile[i] = x;
    barrier();
    tile[3 - i]
}

#[kernel(threads = 4)]
fn two_tiles(output: GlobalMut<u32>) {
    let i = thread_idx();
    let first = from_right(i);
    let second = from_right(i + 4);
    output[i] = first + second + 4 - i * 0;
}

#[device]
fn entry(data: &[u32], i: V<u32>) -> V<u32> {
    let entries = table(data);
    entries[i]
}

#[kernel(threads = 4)]
fn two_tables(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = entry(&[1, 2, 3, 4], i) + entry(&[10, 20, 30, 40], i);
}

#[kernel(threads = 4)]
fn itself(output: GlobalMut<u32>) {
    let itself = thread_idx() + 1;
    output[itself - 1] = itself;
}
