//! x
use std::collections::HashMap;
fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let m = ecf8_simcuda::ptx::Module::parse(&text).and_then(|m| { let a: HashMap<&str,u64> = m.globals.iter().map(|g| (g.name, 4096)).collect(); m.kernels(&a) });
        match m { Err(e) => println!("{path}: {e}"), Ok(k) => { std::hint::black_box(k); } }
    }
}
