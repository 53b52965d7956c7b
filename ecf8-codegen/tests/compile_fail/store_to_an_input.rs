use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    input[i] = i;
    output[i] = i;
}

fn main() {}
