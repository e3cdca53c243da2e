//! For tests of backends and of what stands on the engine: the suite that every backend must pass, a backend that
//! fails on demand, and a check of everything that must hold of a store.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by a panic")]

mod check;
mod failing;
mod suite;

pub use check::{Checked, check_store};
pub use failing::{FailingBackend, FailureMode};
pub use suite::backend_suite;
