use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn and(output: GlobalMut<u32>) {
    output[thread_idx()] = 1;
}

#[kernel(threads = 32)]
fn memcpy(output: GlobalMut<u32>) {
    output[thread_idx()] = 1;
}

fn main() {}
