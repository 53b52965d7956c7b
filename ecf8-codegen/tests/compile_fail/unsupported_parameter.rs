use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(scale: V<f32>, output: GlobalMut<u32>) {
    output[thread_idx()] = 1;
}

fn main() {}
