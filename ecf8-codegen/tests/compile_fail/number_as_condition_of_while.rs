use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let mut left = thread_idx();
    while left {
        left -= 1;
    }
    output[0] = left;
}

fn main() {}
