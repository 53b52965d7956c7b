use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(bias: V<u32>, output: GlobalMut<u32>) {
    bias = thread_idx();
    output[0] = bias;
}

fn main() {}
