//! Pickles for the Python package in Pyodide. Errors are thrown as the bytes of their pickles.

use emerge_proto::{Error, Result, class};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

fn answer(result: Result<Vec<u8>>) -> std::result::Result<Uint8Array, Uint8Array> {
    match result {
        Ok(bytes) => Ok(Uint8Array::from(&bytes[..])),
        Err(error) => Err(Uint8Array::from(&emerge_pickle::error_to_pickle(&error)[..])),
    }
}

/// The encoded operation of a pickled request.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = opFromPickle)]
pub fn op_from_pickle(request: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::op_from_pickle(request).map(|op| class::encode(&op)))
}

/// The pickle of an encoded reply.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = replyToPickle)]
pub fn reply_to_pickle(op: &str, reply: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::reply_to_pickle(op, reply))
}

/// The pickle of an encoded item of a stream.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = itemToPickle)]
pub fn item_to_pickle(op: &str, item: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::stream_item_to_pickle(op, item))
}

/// The pickle of an encoded error.
#[wasm_bindgen(js_name = errorToPickle)]
pub fn error_to_pickle(error: &[u8]) -> Uint8Array {
    let error: Error = class::decode(error).unwrap_or_else(|error| error);
    Uint8Array::from(&emerge_pickle::error_to_pickle(&error)[..])
}

/// The address of a pickled class.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = pickledClassHash)]
pub fn class_hash(source: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::class_from_pickle(source).and_then(|class| {
        class.check()?;
        Ok(class.hash().0.to_vec())
    }))
}

/// Whether a pickled value can travel; gives no bytes.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = checkPickle)]
pub fn check(value: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::value_of_pickle(value).map(|_| Vec::new()))
}

/// Names of changed and of removed fields, pickled, for two pickled dicts.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = pickledChanges)]
pub fn changes(old: &[u8], new: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::changes(old, new))
}
