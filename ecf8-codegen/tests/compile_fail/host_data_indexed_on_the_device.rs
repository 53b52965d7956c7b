use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(squares: &[u32], output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = squares[i];
}

fn main() {}
