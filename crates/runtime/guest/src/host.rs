//! The host's side: the only two imports.

mod imported {
    #[link(wasm_import_module = "emerge")]
    unsafe extern "C" {
        /// Asks for something and keeps the reply at the host; gives the reply's length. With `len` 0 it copies the kept reply to `into`.
        pub fn ask(what: u32, request: *const u8, len: usize, into: *mut u8, capacity: usize) -> usize;
        /// Takes a line of the log.
        pub fn log(text: *const u8, len: usize);
    }
}

/// What the host is asked for.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// An operation's reply.
    Reply = 0,
    /// What a class is made of, by the operation that gives its record.
    Class = 1,
}

/// Asks the host.
pub fn ask(wanted: Wanted, request: &[u8]) -> Vec<u8> {
    let what = wanted as u32;
    // SAFETY: the host reads `request` and writes no more than `capacity` bytes to `into`.
    unsafe {
        let mut reply = Vec::with_capacity(1024);
        let len = imported::ask(what, request.as_ptr(), request.len(), reply.as_mut_ptr(), reply.capacity());
        if len > reply.capacity() {
            reply.reserve_exact(len);
            imported::ask(what, std::ptr::null(), 0, reply.as_mut_ptr(), reply.capacity());
        }
        reply.set_len(len);
        reply
    }
}

/// Adds a line to the log.
pub fn write_log(text: &str) {
    // SAFETY: the host only reads the text.
    unsafe { imported::log(text.as_ptr(), text.len()) }
}
