use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(input: Global<u32>) -> V<u32> {
    input[thread_idx()]
}

fn main() {}
