use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn entschlüsseln(output: GlobalMut<u32>) {
    output[thread_idx()] = 1;
}

fn main() {}
