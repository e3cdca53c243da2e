//! What must hold for whatever strangers send: a typed error or a value that holds what it promises, and never a panic, a loop or memory without end.
//! Each function is a fuzz target (`fuzz_targets/`); `tests/crashes.rs` runs those inputs again that once broke one.
#![allow(clippy::unwrap_used, reason = "a panic here is the finding")]

mod lambdas;
mod paths;
mod worker;

pub use lambdas::lambdas;
pub use paths::paths;
pub use worker::worker;

use emerge_proto::perturb;

/// A fuzz target: it panics where a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 4] =
    [("frames", frames), ("paths", paths), ("lambdas", lambdas), ("worker", worker)];

/// Messages of a socket, and the values in them.
pub fn frames(bytes: &[u8]) {
    perturb::message(bytes);
    perturb::value(bytes);
}
