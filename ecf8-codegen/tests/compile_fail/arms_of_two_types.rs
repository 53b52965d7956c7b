use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let i = thread_idx();
    let x = if i < 3 { i } else { i as u64 };
    output[i] = x;
}

fn main() {}
