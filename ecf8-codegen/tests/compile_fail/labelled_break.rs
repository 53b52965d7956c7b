use ecf8_codegen::lang::*;

#[kernel(threads = 32)]
fn kernel_under_test(output: GlobalMut<u32>) {
    let i = thread_idx();
    'outer: for k in rolled(0..3_u32) {
        if k == i {
            break 'outer;
        }
    }
    output[i] = i;
}

fn main() {}
