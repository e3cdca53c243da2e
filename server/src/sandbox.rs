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
    let options = SandboxOptions::new(cache_folder()?);
    // Blocking is right here: nothing else runs before the sandbox is ready.
    tokio::task::block_in_place(|| Sandbox::open(&options, progress)).map(Arc::new)
}

/// Readies native Python, which runs classes that require packages of this environment.
///
/// # Errors
/// As [`Native::open`].
pub async fn native_python(venv: &Path) -> Result<(Arc<Native>, NativeReport)> {
    Native::open(&NativeOptions::new(venv)).await
}

/// As [`sandbox`], with native Python beside it.
///
/// # Errors
/// As [`sandbox`] and [`native_python`].
pub async fn sandbox_with_native(
    progress: &(dyn Fn(&str) + Sync),
    venv: &Path,
) -> Result<(Arc<Sandbox>, NativeReport)> {
    let (native, report) = native_python(venv).await?;
    let options = SandboxOptions::new(cache_folder()?);
    let sandbox = tokio::task::block_in_place(|| Sandbox::open(&options, progress))?;
    Ok((Arc::new(sandbox.with_native(native)), report))
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
