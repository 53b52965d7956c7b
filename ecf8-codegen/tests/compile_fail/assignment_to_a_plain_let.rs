use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let sum = thread_idx();
    sum += 1;
    output[0] = sum;
}

fn main() {}
