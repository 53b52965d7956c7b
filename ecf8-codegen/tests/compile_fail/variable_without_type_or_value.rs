use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let mut sum;
    sum = thread_idx();
    output[0] = sum;
}

fn main() {}
