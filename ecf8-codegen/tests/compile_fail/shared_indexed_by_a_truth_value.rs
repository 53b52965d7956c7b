use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let tile = shared::<u32>(32_u32);
    let i = thread_idx();
    tile[i > 3] = i;
    output[i] = i;
}

fn main() {}
