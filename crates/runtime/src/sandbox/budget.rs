//! The memory that all instances hold together, and that those of one user do.

use emerge_proto::{Error, ErrorCode};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Users beyond whom those without instances are let go.
const MANY_USERS: usize = 64;

/// The bytes that all instances of a sandbox may hold together.
pub(super) struct Budget {
    used: AtomicUsize,
    limit: usize,
    /// What each user holds who has instances.
    users: Mutex<HashMap<String, Weak<AtomicUsize>>>,
}

/// Which of the two is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UsedUp {
    /// That of all.
    All,
    /// The half that one user may have.
    Own,
}

impl fmt::Display for UsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UsedUp::All => "all calls together have used up the sandbox's memory",
            UsedUp::Own => "your calls together have used up what one user may have of the sandbox's memory",
        })
    }
}

impl std::error::Error for UsedUp {}

/// Why an instance could not be made: for want of memory, or for a fault of the sandbox's.
pub(super) fn unmade(what: &str, error: &wasmtime::Error) -> Error {
    match error.downcast_ref::<UsedUp>() {
        Some(used_up) => Error::new(ErrorCode::OutOfMemory, format!("{used_up}; later there may be some")),
        None => super::internal(what, error),
    }
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit, users: Mutex::default() })
    }

    /// What an instance of a user's holds: nothing yet.
    pub(super) fn of(self: &Arc<Self>, user: &str) -> Held {
        Held { budget: Arc::clone(self), own: Some(self.own(user)), size: 0 }
    }

    /// What an instance holds that is nobody's: one that makes an image.
    pub(super) fn of_nobody(self: &Arc<Self>) -> Held {
        Held { budget: Arc::clone(self), own: None, size: 0 }
    }

    fn own(&self, user: &str) -> Arc<AtomicUsize> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = users.get(user).and_then(Weak::upgrade) {
            return own;
        }
        if users.len() >= MANY_USERS {
            users.retain(|_, own| own.strong_count() > 0);
        }
        let own = Arc::new(AtomicUsize::new(0));
        users.insert(user.to_owned(), Arc::downgrade(&own));
        own
    }
}

/// The memory of one instance.
pub(super) struct Held {
    budget: Arc<Budget>,
    own: Option<Arc<AtomicUsize>>,
    size: usize,
}

impl Held {
    /// Takes what is missing to `size` bytes.
    pub(super) fn grow(&mut self, size: usize) -> Result<(), UsedUp> {
        let more = size.saturating_sub(self.size);
        if !take(&self.budget.used, more, self.budget.limit) {
            return Err(UsedUp::All);
        }
        // The other half is for whoever else comes.
        let share = self.budget.limit / 2;
        if self.own.as_ref().is_some_and(|own| !take(own, more, share)) {
            self.budget.used.fetch_sub(more, Ordering::Relaxed);
            return Err(UsedUp::Own);
        }
        self.size += more;
        Ok(())
    }

    /// Gives back what is more than `size` bytes.
    pub(super) fn shrink(&mut self, size: usize) {
        let less = self.size.saturating_sub(size);
        self.give_back(less);
        self.size -= less;
    }

    fn give_back(&self, less: usize) {
        self.budget.used.fetch_sub(less, Ordering::Relaxed);
        if let Some(own) = &self.own {
            own.fetch_sub(less, Ordering::Relaxed);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back(self.size);
    }
}

fn take(used: &AtomicUsize, more: usize, limit: usize) -> bool {
    let took = used.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= limit;
    if !took {
        used.fetch_sub(more, Ordering::Relaxed);
    }
    took
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_half_and_others_the_rest() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.of("ada"), budget.of("ada"));
        assert_eq!(first.grow(30), Ok(()));
        assert_eq!(second.grow(21), Err(UsedUp::Own));
        assert_eq!(second.grow(20), Ok(()));
        // What was refused is not held.
        let mut other = budget.of("bo");
        assert_eq!(other.grow(50), Ok(()));
        assert_eq!(budget.of("cy").grow(1), Err(UsedUp::All));
        drop(first);
        assert_eq!(second.grow(50), Ok(()));
        // An image is nobody's.
        drop((second, other));
        assert_eq!(budget.of_nobody().grow(100), Ok(()));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_waits_holds_less_and_takes_it_again() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.of("ada"), budget.of("ada"));
        assert_eq!(first.grow(50), Ok(()));
        first.shrink(10);
        assert_eq!(second.grow(40), Ok(()));
        assert_eq!(first.grow(11), Err(UsedUp::Own));
        drop(second);
        assert_eq!(first.grow(50), Ok(()));
        first.shrink(60);
        drop(first);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn users_without_instances_are_let_go() {
        let budget = Budget::new(1000);
        let kept = budget.of("kept");
        for number in 0..10 * MANY_USERS {
            drop(budget.of(&number.to_string()));
        }
        assert!(budget.users.lock().unwrap().len() <= MANY_USERS + 1);
        assert!(Arc::ptr_eq(&budget.own("kept"), kept.own.as_ref().unwrap()));
    }
}
