//! Native Python where there is none: what confines it is Linux's.

use crate::{Call, Fs, Returned};
use emerge_proto::{ClassSource, ClassVersion, Error, ErrorCode, Result};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// How a [`Native`] is made.
#[derive(Clone, Debug)]
pub struct NativeOptions {
    /// The folder of the virtual environment.
    pub venv: PathBuf,
}

impl NativeOptions {
    /// For an environment.
    pub fn new(venv: impl Into<PathBuf>) -> Self {
        Self { venv: venv.into() }
    }
}

/// What native Python is on this system.
#[derive(Clone, Debug)]
pub struct NativeReport {
    /// The version of the interpreter.
    pub version: String,
    /// The interpreter's program.
    pub interpreter: PathBuf,
    /// What is installed.
    pub packages: Vec<String>,
    /// The version of Landlock in the kernel.
    pub landlock: i64,
    /// The user of the workers, when it is not the node's own.
    pub user: Option<u32>,
}

/// Runs classes that require packages; there is none.
#[derive(Debug)]
pub struct Native {
    none: std::convert::Infallible,
}

impl Native {
    /// Says that there is none.
    ///
    /// # Errors
    /// `unsupported`, always.
    pub async fn open(_: &NativeOptions) -> Result<(Arc<Self>, NativeReport)> {
        let why = "native Python is on Linux alone, whose kernel confines it";
        Err(Error::new(ErrorCode::Unsupported, why).field("native-python"))
    }

    pub(crate) fn has(&self, _: &ClassSource, _: &BTreeSet<&str>) -> Result<()> {
        match self.none {}
    }

    pub(crate) async fn check(self: &Arc<Self>, _: &ClassSource, _: &[Arc<ClassVersion>]) -> Result<()> {
        match self.none {}
    }

    pub(crate) async fn call(self: &Arc<Self>, _: Call, _: Arc<dyn Fs>, _: bool) -> Result<Returned> {
        match self.none {}
    }
}

/// The packages that classes require.
pub(crate) fn packages_of<'a>(classes: impl Iterator<Item = &'a ClassSource>) -> BTreeSet<&'a str> {
    classes.flat_map(ClassSource::packages).map(String::as_str).collect()
}
