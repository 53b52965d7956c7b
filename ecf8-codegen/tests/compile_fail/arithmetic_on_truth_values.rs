use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let i = thread_idx();
    let is_small = i < 3;
    let is_even = i % 2 == 0;
    output[i] = (is_small + is_even) as u32;
}

fn main() {}
