use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(input: Global<u64>, output: GlobalMut<u32>) {
    let i = thread_idx();
    if input[i] < i {
        output[i] = 1;
    }
}

fn main() {}
