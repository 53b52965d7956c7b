use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u64>) {
    let i = thread_idx();
    let end = i as u64;
    for k in i..end {
        output[k] = k;
    }
}

fn main() {}
