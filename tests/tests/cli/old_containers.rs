//! Containers that earlier versions wrote stay readable, for ever. `tests/assets` has samples of format version 1, made
//! once by the version of 25 November 2026, with each scheme and each goal; they are never made anew. `v1-unguarded`
//! has some that are older, of before there was a guard; `v1.dtypes` has numbers of many types, and is of the next day.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::Scratch;

macro_rules! bytes {
    ($name:literal) => {
        include_bytes!(concat!("../../assets/", $name)).as_slice()
    };
}

/// Reads a container in every way, and notices any change to it.
fn is_read_as_ever(original: &[u8], container: &[u8]) {
    let scratch = Scratch::new();
    scratch.write("in", original);
    scratch.write("packed", container);
    let _ = scratch.ecf8("verify packed --against in").answer();
    let _ = scratch.ecf8("inspect packed").answer();
    let _ = scratch.ecf8("decompress packed -o back").answer();
    assert!(scratch.read("back") == original, "not byte-identical");
    // Every bit is covered by a checksum still.
    for place in [container.len() / 3, container.len() / 2, container.len() - 70] {
        let mut bad = container.to_vec();
        bad[place] ^= 4;
        scratch.write("bad", bad);
        assert_ne!(scratch.ecf8("verify bad").status, Some(0), "byte {place}");
    }
}

#[test]
fn containers_without_a_guard_are_read_as_ever() {
    let mixed = bytes!("v1-unguarded/mixed.original");
    is_read_as_ever(mixed, bytes!("v1-unguarded/mixed.exponent-gap"));
    is_read_as_ever(mixed, bytes!("v1-unguarded/mixed.quad-lanes"));
    is_read_as_ever(bytes!("v1-unguarded/nothing.original"), bytes!("v1-unguarded/nothing.kept"));
}

#[test]
fn containers_of_format_version_1_are_read_as_ever() {
    let original = bytes!("v1.original.safetensors");
    for container in [
        bytes!("v1.exponent-gap.safetensors"),
        bytes!("v1.quad-lanes.safetensors"),
        bytes!("v1.triple-lanes.safetensors"),
        bytes!("v1.pair-lanes.safetensors"),
        bytes!("v1.pair6-lanes.safetensors"),
        bytes!("v1.byte-lanes.safetensors"),
        bytes!("v1.ans-lanes.safetensors"),
        bytes!("v1.optimize-size.safetensors"),
        bytes!("v1.optimize-speed.safetensors"),
    ] {
        is_read_as_ever(original, container);
    }
}

#[test]
fn containers_of_many_dtypes_are_read_as_ever() {
    let original = bytes!("v1.dtypes.original.safetensors");
    for container in [
        bytes!("v1.dtypes.default.safetensors"),
        bytes!("v1.dtypes.optimize-size.safetensors"),
        bytes!("v1.dtypes.quad-lanes.safetensors"),
        bytes!("v1.dtypes.triple-lanes.safetensors"),
        bytes!("v1.dtypes.pair-lanes.safetensors"),
        bytes!("v1.dtypes.byte-lanes.safetensors"),
        bytes!("v1.dtypes.ans-lanes.safetensors"),
    ] {
        is_read_as_ever(original, container);
    }
}
