//! What a method knows of its call. On the node and in a test the same call sees the same.

use crate::convert::DateTime;
use crate::host;
use emerge_proto::ClassHash;
use std::cell::{Cell, RefCell};

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
    static SEED: Cell<u64> = const { Cell::new(0) };
    static CLASS: Cell<[u8; 16]> = const { Cell::new([0; 16]) };
    static PATH: RefCell<String> = const { RefCell::new(String::new()) };
}

pub(crate) fn begin(path: &str, now: i64, seed: u64, class: &[u8]) {
    CLASS.set(class.try_into().unwrap_or_default());
    NOW.set(now);
    SEED.set(seed);
    PATH.with_borrow_mut(|kept| path.clone_into(kept));
}

/// The clock of the call.
pub fn now() -> DateTime {
    DateTime(NOW.get())
}

/// The address of the running class's version.
pub(crate) fn class() -> ClassHash {
    ClassHash(CLASS.get())
}

/// The path of the object.
pub fn path() -> String {
    PATH.with_borrow(String::clone)
}

/// The next of the call's random numbers, which its seed decides (SplitMix64). They are good for dice and not for keys.
pub fn random() -> u64 {
    let seed = SEED.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    SEED.set(seed);
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Writes a line into the call's log.
pub fn log(line: impl AsRef<str>) {
    host::log(line.as_ref());
}
