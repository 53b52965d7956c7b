//! Containers that version 0.1.0 wrote, before there was a guard, stay readable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::Scratch;

macro_rules! bytes {
    ($name:literal) => {
        include_bytes!(concat!("containers/", $name)).as_slice()
    };
}

#[test]
fn containers_without_a_guard_are_read_as_ever() {
    let cases = [
        (bytes!("mixed.original"), bytes!("mixed.exponent-gap")),
        (bytes!("mixed.original"), bytes!("mixed.quad-lanes")),
        (bytes!("nothing.original"), bytes!("nothing.kept")),
    ];
    for (original, container) in cases {
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
}
