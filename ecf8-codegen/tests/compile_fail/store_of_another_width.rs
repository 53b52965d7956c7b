use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(input: Global<u32>, output: GlobalMut<u8>) {
    let i = thread_idx();
    output[i] = input[i];
}

fn main() {}
