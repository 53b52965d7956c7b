//! Writes what fuzzers start from into `fuzz/corpus`, a folder for each target.

use ecf8_tests::fuzz::{TARGETS, seeds};
use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for target in &TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        let seeds = seeds(target.name);
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
        let bytes: usize = seeds.iter().map(Vec::len).sum();
        println!("{}: {} seeds, {bytes} bytes", target.name, seeds.len());
    }
    Ok(())
}
