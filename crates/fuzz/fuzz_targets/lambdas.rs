#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| emerge_fuzz::lambdas(bytes));
