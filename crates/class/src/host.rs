//! The imports. Where there is no host, in a test of the class on the machine itself, nothing can be asked and the log goes to standard error.

use emerge_proto::{Error, ErrorCode, Result};

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "emerge")]
    unsafe extern "C" {
        pub(super) fn request(request: *const u8, length: usize) -> u64;
        pub(super) fn log(text: *const u8, length: usize);
        pub(super) fn fail(text: *const u8, length: usize);
    }
}

/// Asks for an operation; gives a 0 and its record, or a 1 and an error's.
#[cfg(target_arch = "wasm32")]
fn ask(request: &[u8]) -> Vec<u8> {
    // SAFETY: the host reads the bytes during the call, which are there until it is over.
    let packed = unsafe { imports::request(request.as_ptr(), request.len()) };
    crate::guest::taken((packed >> 32) as u32, packed as u32)
}

#[cfg(target_arch = "wasm32")]
pub(crate) fn log(text: &str) {
    // SAFETY: as in `ask`.
    unsafe { imports::log(text.as_ptr(), text.len()) };
}

/// Ends the call.
#[cfg(target_arch = "wasm32")]
pub(crate) fn fail(text: &str) {
    // SAFETY: as in `ask`; it does not return.
    unsafe { imports::fail(text.as_ptr(), text.len()) };
}

#[cfg(not(target_arch = "wasm32"))]
fn ask(_: &[u8]) -> Vec<u8> {
    let error = Error::new(ErrorCode::Unsupported, "there is no node to ask: this runs outside of one");
    [&[1], &emerge_proto::class::encode(&error)[..]].concat()
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn log(text: &str) {
    eprintln!("{text}");
}

/// Asks for an operation, and gives its encoded record.
pub(crate) fn request(request: &[u8]) -> Result<Vec<u8>> {
    let mut reply = ask(request);
    match reply.first() {
        Some(0) => {
            reply.remove(0);
            Ok(reply)
        }
        Some(1) => Err(emerge_proto::class::decode(&reply[1..])?),
        _ => Err(Error::new(ErrorCode::Internal, "the host's reply could not be read")),
    }
}
