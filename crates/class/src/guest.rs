//! The exports of a module, as `#[emerge::class]` writes them.

use crate::invoke::{Methods, answer};
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// The reply, until the host has read it.
    static REPLY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for bytes from the host.
pub fn alloc(length: u32) -> u32 {
    let room = vec![0u8; length as usize].into_boxed_slice();
    Box::into_raw(room).cast::<u8>() as u32
}

/// Takes over the bytes in the room that [`alloc`] gave.
pub(crate) fn taken(at: u32, length: u32) -> Vec<u8> {
    let room = std::ptr::slice_from_raw_parts_mut(at as *mut u8, length as usize);
    // SAFETY: the host gives back what `alloc` made of just this length, once.
    unsafe { Box::from_raw(room) }.into_vec()
}

/// Runs a method.
pub fn call<T: Methods>(request: u32, length: u32) -> u64 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| crate::host::fail(&panic.to_string()))));
    let reply = answer::<T>(&taken(request, length));
    REPLY.with_borrow_mut(|kept| {
        *kept = reply;
        (kept.as_ptr() as u64) << 32 | kept.len() as u64
    })
}
