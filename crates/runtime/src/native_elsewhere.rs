//! Native Python where there is none: what confines it is Linux's.

use crate::{Call, Fs, NativeReport, Returned};
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
