use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(a: Global<u32>, b: Global<u64>, output: GlobalMut<u64>) {
    let i = thread_idx();
    output[i] = a[i] + b[i];
}

fn main() {}
