//! What the bindings need of the host besides the network.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    /// Runs a function once the code that runs now, and what it has queued, is done.
    #[wasm_bindgen(js_name = queueMicrotask)]
    pub(crate) fn queue_microtask(task: &JsValue);
}

/// Milliseconds of a clock that only goes forward.
pub(crate) fn now() -> u64 {
    performance_now() as u64
}

/// A seed that differs between pages.
pub(crate) fn seed() -> u64 {
    (js_sys::Math::random().to_bits()).rotate_left(32) ^ js_sys::Math::random().to_bits()
}
