//! The host's side: the only two imports.

#[link(wasm_import_module = "emerge")]
unsafe extern "C" {
    /// Runs a request and keeps its reply at the host; gives the reply's length. With `len` 0 it copies the kept reply to `into`.
    fn fs(request: *const u8, len: usize, into: *mut u8, capacity: usize) -> usize;
    /// Takes a line of the log.
    fn log(text: *const u8, len: usize);
}

/// Runs a request of the file system.
pub fn request(request: &[u8]) -> Vec<u8> {
    // SAFETY: the host reads `request` and writes no more than `capacity` bytes to `into`.
    unsafe {
        let mut reply = Vec::with_capacity(1024);
        let len = fs(request.as_ptr(), request.len(), reply.as_mut_ptr(), reply.capacity());
        if len > reply.capacity() {
            reply.reserve_exact(len);
            fs(std::ptr::null(), 0, reply.as_mut_ptr(), reply.capacity());
        }
        reply.set_len(len);
        reply
    }
}

/// Adds a line to the log.
pub fn write_log(text: &str) {
    // SAFETY: the host only reads the text.
    unsafe { log(text.as_ptr(), text.len()) }
}
