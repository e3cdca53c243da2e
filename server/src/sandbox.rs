//! Readies the sandbox in which all stored code runs.

use crate::running::now_micros;
use emerge_proto::{Error, ErrorCode, Result, limits};
use emerge_runtime::{FileObjects, Native, NativeOptions, NativeReport, Sandbox, SandboxOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Opens the sandbox; compiles the guests when this program runs for the first time, of which `progress` hears.
///
/// # Errors
/// `unavailable` when the guests have not been built; `storage_failed` when there is no folder for compiled guests.
pub async fn sandbox(progress: &(dyn Fn(&str) + Sync)) -> Result<Arc<Sandbox>> {
    sandbox_with(&Additions::default(), progress).await.map(|(sandbox, _)| sandbox)
}

/// Readies native Python, which runs classes that require packages of this environment.
///
/// # Errors
/// As [`Native::open`].
pub async fn native_python(venv: &Path) -> Result<(Arc<Native>, NativeReport)> {
    Native::open(&NativeOptions::new(venv)).await
}

/// What an operator adds to the sandbox.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// A folder of packages of pure Python that methods may import.
    pub python_packages: Option<PathBuf>,
    /// A virtual environment whose packages classes may require, which run in native Python.
    pub native_python: Option<PathBuf>,
}

/// As [`sandbox`], with what the operator adds; tells what native Python has.
///
/// # Errors
/// As [`sandbox`] and [`native_python`]; `bad_argument` naming the file that is no package of pure Python.
pub async fn sandbox_with(
    additions: &Additions,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(Arc<Sandbox>, Option<NativeReport>)> {
    let native = match &additions.native_python {
        Some(venv) => Some(native_python(venv).await?),
        None => None,
    };
    let mut options = SandboxOptions::new(cache_folder()?);
    options.python_packages.clone_from(&additions.python_packages);
    // Blocking is right here: nothing else runs before the sandbox is ready.
    let sandbox = tokio::task::block_in_place(|| Sandbox::open(&options, progress))?;
    Ok(match native {
        Some((native, report)) => (Arc::new(sandbox.with_native(native)), Some(report)),
        None => (Arc::new(sandbox), None),
    })
}

/// As [`sandbox`], with the Python guest compiled too; a node compiles it beside its work.
///
/// # Errors
/// As [`sandbox`].
pub async fn whole_sandbox(progress: &(dyn Fn(&str) + Sync)) -> Result<Arc<Sandbox>> {
    let sandbox = sandbox(progress).await?;
    tokio::task::block_in_place(|| sandbox.ready_python(progress))?;
    Ok(sandbox)
}

/// Runs a Python or JavaScript file in the sandbox, now, and gives the objects that it wants stored and what it printed.
///
/// # Errors
/// As [`Sandbox::run_file`].
pub async fn run_file(sandbox: &Sandbox, name: &str, source: &str) -> Result<FileObjects> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| {
        Error::new(ErrorCode::Internal, format!("the system gives no randomness: {error}"))
    })?;
    let deadline = Duration::from_millis(limits::CALL_DEADLINE_MS);
    sandbox.run_file(name, source, now_micros(), u64::from_le_bytes(seed), deadline).await
}

/// The user's own folder for what can be made again: `$XDG_CACHE_HOME/emerge` or `~/.cache/emerge`.
fn cache_folder() -> Result<PathBuf> {
    std::env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .map(|base| base.join("emerge"))
        .ok_or_else(|| {
            Error::new(
                ErrorCode::StorageFailed,
                "there is no home directory for compiled guests; set XDG_CACHE_HOME",
            )
        })
}
