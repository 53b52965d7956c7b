use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let squares = table(&[0_u32, 1, 4, 9]);
    let i = thread_idx();
    squares[i] = i;
    output[i] = i;
}

fn main() {}
