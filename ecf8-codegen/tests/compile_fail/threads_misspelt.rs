use ecf8_codegen::lang::*;

#[kernel(thread = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    output[thread_idx()] = 1;
}

fn main() {}
