#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ecf8_tests::fuzz::run("foreign", data));
