use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let mut first;
    let second = thread_idx();
    second = second + 1;
    output[second] = 1;
}

fn main() {}
