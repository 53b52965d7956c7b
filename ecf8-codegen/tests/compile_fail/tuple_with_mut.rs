use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let (i, mut sum) = (thread_idx(), thread_idx());
    sum += i;
    output[i] = sum;
}

fn main() {}
