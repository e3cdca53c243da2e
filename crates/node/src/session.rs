//! What the node remembers of a session while it runs. All that must survive a restart lies with the outcomes in the engine.

use emerge_engine::Principal;
use emerge_proto::{SessionId, limits};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// By what a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// To the host's authenticator.
    Host,
    /// By the token of this SHA-256, which the engine knows.
    Token([u8; 32]),
    /// As a user of the engine's, for whom somebody else vouches.
    Vouched,
}

/// Whom the token of a session stands for.
pub(crate) struct Identity {
    pub(crate) principal: Arc<Principal>,
    pub(crate) known: Known,
    /// Microseconds since 1970-01-01T00:00:00Z at which the token ends; none for one that does not.
    pub(crate) expires: Option<i64>,
    /// The engine's [`emerge_engine::Engine::accounts_generation`] before the principal was read.
    pub(crate) generation: u64,
}

impl Identity {
    /// A caller whom the host knows, for as long as it likes.
    pub(crate) fn of(principal: Principal) -> Self {
        Self { principal: Arc::new(principal), known: Known::Host, expires: None, generation: 0 }
    }

    /// Whether the token has ended.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// One session.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: String,
    /// As of the last hello or the last change of users and groups.
    identity: Mutex<Arc<Identity>>,
    /// All outcomes up to here have arrived at the client; requests up to here are never run again.
    acknowledged: AtomicU64,
    /// The highest connection that said hello; older ones are no longer listened to.
    connection: AtomicU64,
    /// Microseconds since 1970-01-01T00:00:00Z of the last sign of life.
    last_seen: AtomicI64,
}

impl Session {
    pub(crate) fn new(id: SessionId, identity: Arc<Identity>, acknowledged: u64, now: i64) -> Self {
        Self {
            id,
            user: identity.principal.user.clone(),
            identity: Mutex::new(identity),
            acknowledged: AtomicU64::new(acknowledged),
            connection: AtomicU64::new(0),
            last_seen: AtomicI64::new(now),
        }
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn renew(&self, identity: Arc<Identity>) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    pub(crate) fn acknowledge(&self, through: u64) {
        self.acknowledged.fetch_max(through, Ordering::AcqRel);
    }

    /// Takes the session over for a connection; false when a newer one has it.
    pub(crate) fn take(&self, connection: u64) -> bool {
        self.connection.fetch_max(connection, Ordering::AcqRel) < connection
    }

    pub(crate) fn is_current(&self, connection: u64) -> bool {
        self.connection.load(Ordering::Acquire) == connection
    }

    pub(crate) fn seen(&self, now: i64) {
        self.last_seen.fetch_max(now, Ordering::AcqRel);
    }
}

/// The sessions that this node has spoken with lately.
#[derive(Default)]
pub(crate) struct Sessions {
    map: Mutex<HashMap<SessionId, Arc<Session>>>,
}

/// Sessions kept in memory; the longest silent ones are dropped first, and found again through their outcomes.
const MAX_REMEMBERED: usize = 100_000;

impl Sessions {
    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().get(&id).cloned()
    }

    /// Adds a session, or gives the one that another connection added meanwhile.
    pub(crate) fn add(&self, session: Session, now: i64) -> Arc<Session> {
        let mut map = self.lock();
        if map.len() >= MAX_REMEMBERED {
            let horizon = now - limits::DEAD_AFTER_MS as i64 * 1000;
            let silent = |session: &Session| session.last_seen.load(Ordering::Acquire) < horizon;
            map.retain(|_, session| Arc::strong_count(session) > 1 || !silent(session));
        }
        map.entry(session.id).or_insert_with(|| Arc::new(session)).clone()
    }

    pub(crate) fn remove(&self, id: SessionId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
