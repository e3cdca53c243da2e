//! What every call goes through, whatever its language.

use super::internal;
use crate::{Call, Returned};
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, Result, limits};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Lets a number of calls run at once; more wait.
pub(super) struct Admission {
    permits: Semaphore,
}

/// A call that may run until this is dropped.
pub(super) struct Admitted<'a> {
    /// `Airport.distanceTo`, for example.
    pub(super) what: String,
    pub(super) deadline_ms: u64,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Admission {
    pub(super) fn new(calls: usize) -> Self {
        Self { permits: Semaphore::new(calls.max(1)) }
    }

    /// Checks that the method is there, and waits for its turn.
    ///
    /// # Errors
    /// `class_not_found`, `method_not_found`, and `unavailable` when the turn has not come by the call's deadline.
    pub(super) async fn admit(&self, call: &Call, nested: bool) -> Result<Admitted<'_>> {
        let Some(class) = call.lineage.first() else {
            return Err(Error::new(ErrorCode::ClassNotFound, "the object has no class"));
        };
        let known =
            call.lineage.iter().any(|class| class.methods.iter().any(|method| method.name == call.method));
        if !known {
            return Err(Error::new(
                ErrorCode::MethodNotFound,
                format!("class {:?} has no method {:?}", class.source.name, call.method),
            )
            .field(&call.method));
        }
        let what = format!("{}.{}", class.source.name, call.method);
        let deadline_ms = u64::try_from(call.deadline.as_millis()).unwrap_or(u64::MAX);
        // A nested call goes on at once: its outer call holds a permit already, and the depth of nesting is limited.
        let permit = if nested {
            None
        } else if let Ok(permit) = self.permits.try_acquire() {
            Some(permit)
        } else {
            let waiting = tokio::time::timeout(call.deadline, self.permits.acquire());
            let permit = waiting.await.map_err(|_| {
                Error::new(
                    ErrorCode::Unavailable,
                    format!("{what} waited {deadline_ms} ms for other calls to end"),
                )
            })?;
            Some(permit.map_err(|error| internal("the sandbox is stopping", &error))?)
        };
        Ok(Admitted { what, deadline_ms, _permit: permit })
    }
}

/// What a call left behind: its result, and its state when that is another than before and there is one.
///
/// # Errors
/// `too_large` when either is over the limit.
pub(super) fn returned(before: &[u8], result: Vec<u8>, state: Vec<u8>) -> Result<Returned> {
    for (bytes, what) in [(&result, "result"), (&state, "state")] {
        if bytes.len() > limits::MAX_STATE && Guard::Result.holds() {
            return Err(Error::new(
                ErrorCode::TooLarge,
                format!("the {what} is {} bytes; the limit is {}", bytes.len(), limits::MAX_STATE),
            )
            .limit(limits::MAX_STATE as u64));
        }
    }
    let changed = !state.is_empty() && state != before;
    Ok(Returned { result, state: changed.then_some(state), log: String::new() })
}

/// Gives the log along, also with what went wrong: then it is wanted most.
pub(super) fn with_log(returned: Result<Returned>, log: String) -> Result<Returned> {
    match returned {
        Ok(returned) => Ok(Returned { log, ..returned }),
        Err(error) if log.is_empty() => Err(error),
        Err(error) => Err(error.log(log)),
    }
}
