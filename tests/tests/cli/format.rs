//! FORMAT.md is enough: a decoder in Python, written from it alone, restores what the program compressed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::schemes;
use ecf8_core::synthetic::{SyntheticTensor, alpha_stable, gaussian, noise, stored_as};
use ecf8_tests::cli::{Scratch, drifting, file, raw_file, sample, weights};
use safetensors::Dtype;
use std::process::{Command, Output};

/// The entry of a tensor that is not compressed.
const KEPT: &str = r#""kept":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;

const DECODER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format_decoder.py");

/// Whether there is Python; if not, says that the caller is skipped.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: without python3 the decoder written from FORMAT.md cannot run");
    }
    found
}

fn python(scratch: &Scratch, input: &str, output: &str) -> Output {
    python_with(scratch, &[input, output])
}

fn python_with(scratch: &Scratch, args: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command.arg("-B").arg(DECODER).args(args).current_dir(scratch.path("."));
    command.output().unwrap()
}

/// A tensor of E4M3 bytes given one by one.
fn fp8(name: &str, bytes: Vec<u8>) -> SyntheticTensor {
    SyntheticTensor::new(name, Dtype::F8_E4M3, &[bytes.len() as u64], bytes)
}

/// Tensors of other number types, with bytes that are the same in all numbers, and numbers outside every window.
fn other_types() -> Vec<SyntheticTensor> {
    let mut tensors = Vec::new();
    for dtype in
        [Dtype::BF16, Dtype::F16, Dtype::F32, Dtype::F64, Dtype::F8_E5M2, Dtype::I8, Dtype::I16, Dtype::I64]
    {
        for (count, numbers, sigma) in [(1000, 1000, 0.02), (1537, 1537, 40.0)] {
            let values = alpha_stable(count, numbers, 1.7, sigma);
            let bytes = stored_as(&dtype.to_string(), &values).unwrap();
            tensors.push(SyntheticTensor::new(&format!("{dtype}.{count}"), dtype, &[count], bytes));
        }
    }
    let bf16 = stored_as("BF16", &gaussian(7, 2100, 0.02)).unwrap();
    let upcast = bf16.as_chunks::<2>().0.iter().flat_map(|[low, high]| [0, 0, *low, *high]).collect();
    tensors.push(SyntheticTensor::new("upcast", Dtype::F32, &[2100], upcast));
    tensors.push(SyntheticTensor::new(
        "complex",
        Dtype::C64,
        &[300],
        stored_as("F32", &gaussian(8, 600, 1.0)).unwrap(),
    ));
    tensors.push(SyntheticTensor::new(
        "codes",
        Dtype::F4,
        &[1200],
        noise(9, 600).iter().map(|byte| byte & 0x31).collect(),
    ));
    tensors
}

#[test]
fn a_decoder_written_from_the_format_restores_any_file() {
    if !has_python() {
        return;
    }
    // Frequencies of Fibonacci give the longest codewords, sixteen symbols of which one fills nearly everything.
    let mut fibonacci = Vec::new();
    let (mut count, mut next) = (1, 1);
    for exponent in 0..16u8 {
        fibonacci.extend(std::iter::repeat_n(exponent << 3 | 0x85, count));
        (count, next) = (next, count + next);
    }
    let alternating: Vec<u8> = [0x38, 0x41].repeat(5000);
    let clashing = ["x", "x.gaps", "x~.packed", "__ecf8__.header", "naïve/\"\n"];
    let kept = SyntheticTensor::new("k", Dtype::BF16, &[3, 2], noise(5, 12));
    let files = [
        raw_file("{}", b""),
        raw_file("{\"__metadata__\":{\"ecf8\":\"mine\"}}   ", b""),
        raw_file(format!("{{{KEPT},\"__metadata__\":null}}"), b"four"),
        raw_file(format!("\n{{\"__metadata__\" : {{ }} ,{KEPT}}} "), b"four"),
        raw_file(format!("{{\"__metadata__\":{{\"a\":\"é\"}},{KEPT}}}"), b"four"),
        raw_file(format!("{{{KEPT}}}"), b"four"),
        raw_file(r#" {"w":["F8_E4M3",[9000],[0,9000]],"__metadata__":null}"#, &[0x38; 9000]),
        sample(),
        file(&[fp8("fibonacci", fibonacci), fp8("one", vec![0x39; 9001]), fp8("two", alternating), kept]),
        file(&clashing.map(|name| weights(name, 1, 7001))),
        file(&[weights("large", 4, 100_000), weights("tiny", 5, 3), fp8("empty", vec![])]),
        file(&other_types()),
        file(&[drifting("drifting", Dtype::F8_E4M3)]),
    ];
    for (i, bytes) in files.iter().enumerate() {
        let scratch = Scratch::new();
        scratch.write("in", bytes);
        for scheme in schemes().iter().map(|scheme| scheme.name()) {
            let _ = scratch.ecf8(&format!("compress in -o packed --force --scheme {scheme}")).answer();
            let output = python(&scratch, "packed", "out");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "file {i} under {scheme}: {said}");
            assert!(scratch.read("out") == *bytes, "file {i} under {scheme} is not byte-identical");
        }
    }
}

/// A tensor in two states: the second time, about one number in `every` has moved.
fn moved(name: &str, dtype: Dtype, count: usize, every: usize, step: u64) -> SyntheticTensor {
    let (mut bytes, dice) =
        (stored_as(&dtype.to_string(), &gaussian(3, count, 0.02)).unwrap(), noise(4, count));
    let width = bytes.len() / count;
    for (place, number) in bytes.chunks_exact_mut(width).enumerate() {
        let is_moved = step > 0 && place % every == usize::from(dice[place]) % every;
        number[0] ^= if is_moved { dice[place] % 4 } else { 0 };
    }
    SyntheticTensor::new(name, dtype, &[count as u64], bytes)
}

#[test]
fn it_restores_what_is_told_from_a_base() {
    if !has_python() {
        return;
    }
    let state = |step: u64| {
        let own = [
            moved("dense", Dtype::BF16, 9000, 1, step),
            moved("wide", Dtype::F32, 5000, 2, step),
            moved("sparse", Dtype::BF16, 9000, 200, step),
            moved("bytes", Dtype::F8_E4M3, 9001, 300, step),
            SyntheticTensor::new("other", Dtype::U8, &[700], noise(step, 700)),
            SyntheticTensor::new("step", Dtype::I64, &[], step.to_le_bytes().to_vec()),
            SyntheticTensor::new("empty", Dtype::F32, &[0], Vec::new()),
        ];
        let tied = SyntheticTensor { name: "tied".to_owned(), ..own[0].clone() };
        let same = moved("same", Dtype::BF16, 4000, 1, 0);
        file(&own.into_iter().chain([tied, same]).collect::<Vec<_>>())
    };
    let scratch = Scratch::new();
    scratch.write("0", state(0));
    scratch.write("1", state(1));
    for (base, args) in [("0", &["delta", "out", "0"][..]), ("1", &["delta", "out", "1"])] {
        let _ = scratch.ecf8(&format!("compress 1 -o delta --force --base {base}")).answer();
        let output = python_with(&scratch, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(scratch.read("out") == scratch.read("1"), "beside {base}");
    }
    let _ = scratch.ecf8("compress 1 -o delta --force --base 0").answer();
    let wrong = python_with(&scratch, &["delta", "out", "1"]);
    assert!(!wrong.status.success(), "another base is refused");
}

#[test]
fn it_restores_files_of_several_pieces_and_checks_each() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new();
    let kept = SyntheticTensor::new("kept", Dtype::U8, &[1_100_000], noise(6, 1_100_000));
    scratch.write("in", file(&[weights("w", 1, 9000), kept]));
    let _ = scratch.ecf8("compress in -o packed --scheme exponent-gap").answer();
    let packed = scratch.read("packed");
    let digits = |packed: &[u8]| {
        let at = packed.windows(9).position(|bytes| bytes == b"checksums").unwrap();
        at + packed[at..].iter().position(|byte| *byte == b':').unwrap() + 3
    };
    assert!(packed[..digits(&packed)].ends_with(br#"pieces\":{\"bytes\":1048576,\"checksums\":\""#));
    let output = python(&scratch, "packed", "out");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(scratch.read("out") == scratch.read("in"));

    // The header's checksum would notice another digit, too, so it is made right again.
    let mut forged = packed.clone();
    let digit = &mut forged[digits(&packed)];
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    let start = 8 + usize::try_from(u64::from_le_bytes(*forged.first_chunk().unwrap())).unwrap();
    let (last, header) = (forged.len() - 8, ecf8_core::checksum::checksum(&forged[..start]));
    let entry = ecf8_core::checksum::checksum(&packed[..start]).to_le_bytes();
    let table = start + forged[start..].windows(8).rposition(|bytes| bytes == entry).unwrap();
    forged[table..table + 8].copy_from_slice(&header.to_le_bytes());
    let sum = ecf8_core::checksum::checksum(&forged[table..last]).to_le_bytes();
    forged[last..].copy_from_slice(&sum);
    scratch.write("forged", forged);
    let output = python(&scratch, "forged", "none");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a checksum of a piece is wrong"), "{said}");
}

#[test]
fn it_also_refuses_what_the_format_says() {
    if !has_python() {
        return;
    }
    for input in [sample(), raw_file(format!("{{{KEPT},\"__metadata__\":null}}"), b"four")] {
        let scratch = Scratch::new();
        scratch.write("in", input);
        let _ = scratch.ecf8("compress in -o packed --scheme exponent-gap").answer();
        let good = scratch.read("packed");
        for part in 1..12 {
            let mut bad = good.clone();
            bad[good.len() * part / 12] ^= 0x10;
            scratch.write("bad", bad);
            let output = python(&scratch, "bad", "out");
            assert!(!output.status.success() && !scratch.path("out").exists(), "a bit flipped at {part}/12");
        }
    }
}
