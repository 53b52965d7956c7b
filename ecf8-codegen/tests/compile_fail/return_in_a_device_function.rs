use ecf8_codegen::lang::*;

#[device]
fn clamped(x: V<u32>) -> V<u32> {
    if x > 3 {
        return x;
    }
    x
}

fn main() {}
