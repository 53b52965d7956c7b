use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let i = thread_idx();
    if i {
        output[i] = 1;
    }
}

fn main() {}
