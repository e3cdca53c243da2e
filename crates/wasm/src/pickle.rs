//! Pickles for the Python package in Pyodide. Errors are thrown as the bytes of their pickles.

use crate::core::Core;
use emerge_client::Kind;
use emerge_proto::{Error, Result, class};
use js_sys::Uint8Array;
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::prelude::*;

fn answer(result: Result<Vec<u8>>) -> std::result::Result<Uint8Array, Uint8Array> {
    match result {
        Ok(bytes) => Ok(Uint8Array::from(&bytes[..])),
        Err(error) => Err(error_to_js(&error)),
    }
}

/// The encoded operation of a pickled request, of which nothing is sent. (What the bench measures.)
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = opFromPickle)]
pub fn op_from_pickle(request: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::op_from_pickle(request).map(|op| class::encode(&op)))
}

/// The operations of pickled requests under way, by the numbers that JavaScript knows.
pub(crate) type Pickled = RefCell<HashMap<u32, &'static str>>;

#[wasm_bindgen]
impl Core {
    /// As [`Core::request`], for a pickled request; [`Core::reply_pickle`] reads what comes of it.
    ///
    /// # Errors
    /// A reply as [`Core::reply_pickle`] gives it, when the request is refused. It then has no effect.
    #[wasm_bindgen(js_name = requestPickle)]
    pub fn request_pickle(
        &self,
        pickle: &[u8],
        timeout_ms: Option<f64>,
        credit: Option<u32>,
    ) -> std::result::Result<u32, Uint8Array> {
        let begun = emerge_pickle::op_from_pickle(pickle).and_then(|op| {
            let seq = self.begin(class::encode(&op), timeout_ms, credit)?;
            self.pickled.borrow_mut().insert(seq, op.replies_as());
            Ok(seq)
        });
        begun.map_err(|error| reply(Err(error)))
    }

    /// Gives up a pickled request.
    #[wasm_bindgen(js_name = cancelPickle)]
    pub fn cancel_pickle(&self, seq: u32) {
        self.pickled.borrow_mut().remove(&seq);
        self.cancel(seq);
    }

    /// The reply that an event of a pickled request is: its pickle or that of an error, after a byte that says which. Nothing at the end of a stream, for a
    /// push, and for a request that was given up.
    #[wasm_bindgen(js_name = replyPickle)]
    pub fn reply_pickle(&self, seq: u32, kind: u32, bytes: &[u8]) -> Option<Uint8Array> {
        let kind = [Kind::Value, Kind::Error, Kind::Item].into_iter().find(|each| *each as u32 == kind);
        let mut pickled = self.pickled.borrow_mut();
        let name = match kind {
            Some(Kind::Item) => pickled.get(&seq).copied(),
            _ => pickled.remove(&seq),
        }?;
        let pickle = match kind? {
            Kind::Error => Err(class::decode(bytes).unwrap_or_else(|error| error)),
            Kind::Item => emerge_pickle::stream_item_to_pickle(name, bytes),
            _ => emerge_pickle::reply_to_pickle(name, bytes),
        };
        Some(reply(pickle))
    }
}

/// What Python reads as a reply (`_host_pyodide.py`): after a byte, 2 or for an error 1, the pickle.
fn reply(pickle: Result<Vec<u8>>) -> Uint8Array {
    let (state, pickle) = match pickle {
        Ok(pickle) => (2, pickle),
        Err(error) => (1, emerge_pickle::error_to_pickle(&error)),
    };
    let mut reply = Vec::with_capacity(pickle.len() + 1);
    reply.push(state);
    reply.extend_from_slice(&pickle);
    Uint8Array::from(&reply[..])
}

fn error_to_js(error: &Error) -> Uint8Array {
    Uint8Array::from(&emerge_pickle::error_to_pickle(error)[..])
}

/// The pickle of an encoded error.
#[wasm_bindgen(js_name = errorToPickle)]
pub fn error_to_pickle(error: &[u8]) -> Uint8Array {
    let error: Error = class::decode(error).unwrap_or_else(|error| error);
    error_to_js(&error)
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

/// What a module of a class in WebAssembly says of itself, pickled.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = moduleAbout)]
pub fn module_about(module: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::module_to_pickle(module))
}

/// The request of a call of its, of a pickled one.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = moduleRequest)]
pub fn module_request(description: &[u8], call: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::module_request(description, call))
}

/// The pickle of its reply.
///
/// # Errors
/// A pickled error.
#[wasm_bindgen(js_name = moduleReply)]
pub fn module_reply(reply: &[u8]) -> std::result::Result<Uint8Array, Uint8Array> {
    answer(emerge_pickle::module_reply(reply))
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
