use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(input: Global<u64>, output: GlobalMut<u32>) {
    let i = thread_idx();
    if i {
        output[i] = 1;
    }
    output[i] = input[i];
}

fn main() {}
