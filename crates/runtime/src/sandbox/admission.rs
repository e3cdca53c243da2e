//! What every call goes through, whatever its language.

use super::internal;
use crate::{Call, Returned};
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, Result, limits};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Lets a number of calls run at once, and of each user a part of them; more wait. So whoever makes endless loops waits for them alone, and those of one user that do run take
/// turns with the calls of others.
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    share: usize,
    /// What is left of the share of each user who has calls.
    users: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Users beyond whom those without calls are let go.
const MANY_USERS: usize = 64;
/// A share without a limit.
const MOST: usize = Semaphore::MAX_PERMITS;

/// A call that may run until this is dropped.
pub(crate) struct Admitted {
    /// `Airport.distanceTo`, for example.
    pub(crate) what: String,
    pub(crate) deadline_ms: u64,
    _turn: Option<Turn>,
}

/// A place among the calls that run, and one among those of its user.
struct Turn {
    _place: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Admission {
    /// So many calls at once, and of each user so many.
    pub(crate) fn new(calls: usize, share: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(calls.max(1))), share: share.max(1), users: Mutex::default() }
    }

    fn of_user(&self, user: &str) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = users.get(user).and_then(Weak::upgrade) {
            return own;
        }
        if users.len() >= MANY_USERS {
            users.retain(|_, own| own.strong_count() > 0);
        }
        let own = Arc::new(Semaphore::new(if Guard::Share.holds() { self.share } else { MOST }));
        users.insert(user.to_owned(), Arc::downgrade(&own));
        own
    }

    async fn turn(&self, user: &str) -> Result<Turn, AcquireError> {
        let own = self.of_user(user).acquire_owned().await?;
        Ok(Turn { _place: Arc::clone(&self.permits).acquire_owned().await?, _own: own })
    }

    /// Checks that the method is there, and waits for its turn.
    ///
    /// # Errors
    /// `class_not_found`, `method_not_found`, and `unavailable` when the turn has not come by the call's deadline.
    pub(crate) async fn admit(&self, call: &Call, nested: bool) -> Result<Admitted> {
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
        let turn = if nested {
            None
        } else {
            let turn = tokio::time::timeout(call.deadline, self.turn(&call.user)).await.map_err(|_| {
                Error::new(
                    ErrorCode::Unavailable,
                    format!("{what} waited {deadline_ms} ms for other calls to end"),
                )
            })?;
            Some(turn.map_err(|error| internal("the sandbox is stopping", &error))?)
        };
        Ok(Admitted { what, deadline_ms, _turn: turn })
    }
}

/// What a call left behind: its result, and its state when that is another than before and there is one.
///
/// # Errors
/// `too_large` when either is over the limit.
pub(crate) fn returned(before: &[u8], result: Vec<u8>, state: Vec<u8>) -> Result<Returned> {
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
pub(crate) fn with_log(returned: Result<Returned>, log: String) -> Result<Returned> {
    match returned {
        Ok(returned) => Ok(Returned { log, ..returned }),
        Err(error) if log.is_empty() => Err(error),
        Err(error) => Err(error.log(log)),
    }
}
