//! What the text of JavaScript says, without running it.
//!
//! The parser and its visitors recurse as deep as the text nests, so that all of this runs in a thread with a large stack ([`deep`]), and only on text that
//! QuickJS has parsed in the sandbox before, within the little stack that it has there. What still nests deep then (`a+a+a+…`) does so by two bytes a level.

mod analysis;
mod arguments;
mod class_text;
mod docs;
mod file;
mod place;

pub(crate) use analysis::Analysis;
pub(crate) use arguments::placed;
pub(crate) use class_text::ClassText;
pub(crate) use file::file_module;

use emerge_proto::{Error, ErrorCode, Result};
use tokio::sync::Semaphore;

/// Enough for [`emerge_proto::limits::MAX_SOURCE`] bytes at a kilobyte for each level of two bytes. Only what is used is ever backed by memory.
const STACK: usize = 640 * 1024 * 1024;

/// What of it is used by hostile text is much, so that few do it at once.
static PERMITS: Semaphore = Semaphore::const_new(2);

/// Runs work in a thread with a large stack.
pub(crate) async fn deep<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    let failed = |why: &dyn std::fmt::Display| {
        Error::new(ErrorCode::Internal, format!("the analysis of JavaScript failed: {why}"))
    };
    let permit = PERMITS.acquire().await.map_err(|error| failed(&error))?;
    std::thread::Builder::new()
        .name("emerge-analysis".into())
        .stack_size(STACK)
        .spawn(move || {
            let _ = done.send(work());
            drop(permit);
        })
        .map_err(|error| failed(&error))?;
    result.await.map_err(|error| failed(&error))?
}
