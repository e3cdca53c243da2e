//! What the bindings need of the host besides the network.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

thread_local! {
    static FULFILLED: Promise = Promise::resolve(&JsValue::UNDEFINED);
}

/// Runs a function once the code that runs now, and what it has queued, is done. A fulfilled promise does what `queueMicrotask` does without leaving the
/// engine for the browser, which a page that was idle feels.
pub(crate) fn queue_microtask(task: &Closure<dyn FnMut(JsValue)>) {
    let _ = FULFILLED.with(|fulfilled| fulfilled.then(task));
}

/// Milliseconds of a clock that only goes forward.
pub(crate) fn now() -> u64 {
    performance_now() as u64
}

/// A seed that differs between pages.
pub(crate) fn seed() -> u64 {
    (js_sys::Math::random().to_bits()).rotate_left(32) ^ js_sys::Math::random().to_bits()
}
