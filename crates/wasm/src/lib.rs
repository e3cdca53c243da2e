//! Thin bindings of the client's session for JavaScript. They convert, make one call of the session, and convert back.
//!
//! Exports take `&self` only: JavaScript may call in while a callback of an earlier call runs.

mod core;
mod host;
mod options;
#[cfg(feature = "pickle")]
mod pickle;
mod probe;
mod transport;

use emerge_proto::{ClassSource, Error, Path, class};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

pub use self::core::Core;

/// The address of a class version: 16 bytes for an encoded class source.
///
/// # Errors
/// The bytes of an encoded error: `bad_frame`, `class_invalid`, `too_large`.
#[wasm_bindgen(js_name = classHash)]
pub fn class_hash(source: &[u8]) -> Result<Uint8Array, Uint8Array> {
    let source: ClassSource = class::decode(source).map_err(thrown)?;
    source.check().map_err(thrown)?;
    Ok(Uint8Array::from(&source.hash().0[..]))
}

/// The path in its one form.
///
/// # Errors
/// The bytes of an encoded error: `bad_path`.
#[wasm_bindgen(js_name = checkPath)]
pub fn check_path(path: &str) -> Result<String, Uint8Array> {
    Path::parse(path).map(|path| path.to_string()).map_err(thrown)
}

/// Errors cross to JavaScript as their encoding, which its own codec reads.
pub(crate) fn thrown(error: Error) -> Uint8Array {
    Uint8Array::from(&class::encode(&error)[..])
}
