//! Tensors beyond 4 GiB, where 32-bit numbers would overflow. Slow, so only where `ECF8_TEST_LARGE=1` asks for it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic;
use ecf8_tests::cli::Scratch;
use std::fs::File;
use std::io::{BufWriter, Read, Write};

/// 4.5 GiB.
const BYTES: u64 = 9 << 29;

#[test]
fn a_tensor_of_four_and_a_half_gibibytes_comes_back() {
    if !ecf8_tests::is_required("ECF8_TEST_LARGE") {
        eprintln!("skipped: set ECF8_TEST_LARGE=1 to try 4.5 GiB; that takes minutes and 13 GB of disk");
        return;
    }
    let scratch = Scratch::new();
    let weights = synthetic::cast(&synthetic::gaussian(1, 16 << 20, 0.05));
    let json =
        format!(r#"{{"large.weight":{{"dtype":"F8_E4M3","shape":[{BYTES}],"data_offsets":[0,{BYTES}]}},"#)
            + &format!(r#""last":{{"dtype":"U8","shape":[3],"data_offsets":[{BYTES},{}]}}}}"#, BYTES + 3);
    let mut file = BufWriter::new(File::create(scratch.path("in")).unwrap());
    file.write_all(&(json.len() as u64).to_le_bytes()).unwrap();
    file.write_all(json.as_bytes()).unwrap();
    let rounds = BYTES / weights.len() as u64;
    for round in 0..rounds {
        // Every round differs, so that a misplaced one shows.
        file.write_all(&round.to_le_bytes()).unwrap();
        file.write_all(&weights[8..]).unwrap();
    }
    file.write_all(&[1, 2, 3]).unwrap();
    file.flush().unwrap();
    drop(file);

    for line in ["compress in -o packed", "verify packed --against in", "decompress packed -o back"] {
        println!("{line}: {}", scratch.ecf8(line).answer().trim_end());
    }
    let inspection = scratch.ecf8("inspect packed --json").json();
    assert_eq!(inspection["tensors"][0]["elements"], BYTES);
    let ratio = inspection["ratio"].as_f64().unwrap();
    assert!((0.7..0.9).contains(&ratio), "{ratio}");
    let [mut one, mut other] = ["in", "back"].map(|name| File::open(scratch.path(name)).unwrap());
    assert_eq!(one.metadata().unwrap().len(), other.metadata().unwrap().len());
    let (mut left, mut right) = (vec![0; 1 << 24], vec![0; 1 << 24]);
    for offset in 0.. {
        let read = one.read(&mut left).unwrap();
        other.read_exact(&mut right[..read]).unwrap();
        assert!(left[..read] == right[..read], "somewhere around byte {} it differs", offset * left.len());
        if read == 0 {
            break;
        }
    }
}
