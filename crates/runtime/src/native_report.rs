//! What an operator is told of native Python.

use std::path::PathBuf;

/// What native Python is on this system.
#[derive(Clone, Debug)]
pub struct NativeReport {
    /// The version of the interpreter, as in `3.11.7`.
    pub version: String,
    /// The interpreter's program.
    pub interpreter: PathBuf,
    /// What is installed, with versions, as in `numpy 2.4.6`.
    pub packages: Vec<String>,
    /// The version of Landlock in the kernel.
    pub landlock: i64,
    /// The user of the workers, when it is not the node's own.
    pub user: Option<u32>,
}
