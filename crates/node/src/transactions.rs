//! The transactions that the node holds open for its users. They lie in memory: what was not committed when the node stops has not
//! happened.

use crate::node::{Reply, RequestKey};
use crate::turns::{Turn, Turns};
use emerge_engine::{Backend, Principal, Tx};
use emerge_proto::transaction::Transaction;
use emerge_proto::{Error, ErrorCode, Result, Scope, SessionId, TransactionId, limits};
use futures_util::lock::Mutex as AsyncMutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request, by its session and its sequence there.
pub(crate) type Asked = (SessionId, u64);

/// Transactions that have ended, of which it is remembered how.
const MAX_REMEMBERED: usize = 1024;

/// An open transaction.
pub(crate) struct Held<B: Backend> {
    pub(crate) id: TransactionId,
    pub(crate) name: Option<String>,
    pub(crate) user: String,
    /// What the token was for with which it was opened.
    scope: Option<Arc<Scope>>,
    began: i64,
    expires: i64,
    /// The request that opened it.
    opened_by: Option<Asked>,
    turns: Arc<Turns>,
    /// Gone once it has ended.
    pub(crate) tx: Arc<AsyncMutex<Option<Tx<B>>>>,
    /// It has ended, and who works with it is to leave nothing behind.
    over: AtomicBool,
    done: Mutex<Done>,
}

/// What was done in a transaction.
#[derive(Default)]
struct Done {
    operations: u64,
    /// Bytes of memory of the transaction.
    bytes: usize,
    /// Replies that their clients have not acknowledged, so that what comes again is not done again.
    replies: BTreeMap<(SessionId, u64, String), Vec<u8>>,
    reply_bytes: usize,
}

/// How a transaction ended.
struct Over {
    id: TransactionId,
    name: Option<String>,
    user: String,
    /// The request that ended it, and its reply.
    ended_by: Option<Asked>,
    reply: Option<Reply>,
    /// For people: "it was …".
    how: &'static str,
}

impl<B: Backend> Held<B> {
    /// A place in the queue of its operations.
    pub(crate) fn queue(&self) -> Result<Turn> {
        self.turns.queue()
    }

    /// Whether it is the caller's: a token for less has nothing to do with what one for more has begun.
    fn is_of(&self, principal: &Principal) -> bool {
        self.user == principal.user && (principal.scope.is_none() || principal.scope == self.scope)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The reply to an operation that was done already.
    pub(crate) fn reply(&self, key: &RequestKey) -> Option<Vec<u8>> {
        self.done().replies.get(&(key.session, key.seq, key.part.clone())).cloned()
    }

    /// Notes an operation that was done, with its reply if that must be kept, and forgets what the client has acknowledged.
    pub(crate) fn note(&self, key: Option<&RequestKey>, reply: Option<&[u8]>, bytes: usize) {
        let mut done = self.done();
        done.operations += 1;
        done.bytes = bytes;
        let Some(key) = key else { return };
        while let Some(((session, seq, part), _)) =
            done.replies.range((key.session, 0, String::new())..).next()
            && *session == key.session
            && *seq <= key.acknowledged
        {
            let old = (*session, *seq, part.clone());
            let freed = done.replies.remove(&old).map_or(0, |reply| reply.len());
            done.reply_bytes -= freed;
        }
        if let Some(reply) = reply {
            done.reply_bytes += reply.len();
            done.replies.insert((key.session, key.seq, key.part.clone()), reply.to_vec());
        }
    }

    /// It cannot go on.
    pub(crate) fn abandon(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Bytes of replies that are kept.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.done().reply_bytes
    }

    pub(crate) fn info(&self) -> Transaction {
        let done = self.done();
        Transaction {
            id: self.id,
            name: self.name.clone(),
            began: self.began,
            expires: self.expires,
            operations: done.operations,
            bytes: (done.bytes + done.reply_bytes) as u64,
        }
    }

    /// That it has ended, to who still wanted something of it.
    pub(crate) fn gone(&self, how: &str) -> Error {
        expired(self.name.as_deref().unwrap_or(&self.id.to_string()), how)
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction that has ended.
fn expired(tx: &str, how: &str) -> Error {
    Error::new(ErrorCode::TransactionExpired, format!("the transaction {tx} is over: it {how}")).field(tx)
}

pub(crate) const EXPIRED: &str = "expired, and nothing of it has happened";
pub(crate) const COMMITTED: &str = "was committed";
pub(crate) const TAKEN_BACK: &str = "was rolled back, and nothing of it has happened";
pub(crate) const NOT_COMMITTED: &str = "could not be committed, and nothing of it has happened";

/// All open transactions of a node.
pub(crate) struct Transactions<B: Backend> {
    open: Mutex<Open<B>>,
}

struct Open<B: Backend> {
    by_id: HashMap<TransactionId, Arc<Held<B>>>,
    /// By user and name.
    names: HashMap<(String, String), TransactionId>,
    over: VecDeque<Over>,
}

impl<B: Backend> Default for Transactions<B> {
    fn default() -> Self {
        let open = Open { by_id: HashMap::new(), names: HashMap::new(), over: VecDeque::new() };
        Self { open: Mutex::new(open) }
    }
}

impl<B: Backend> Transactions<B> {
    /// Opens a transaction that `begin` makes, or gives the one that the same request has opened already.
    ///
    /// # Errors
    /// `already_exists`, `limit_exceeded`.
    pub(crate) fn open(
        &self,
        id: TransactionId,
        name: Option<String>,
        principal: &Principal,
        opened_by: Option<Asked>,
        (began, expires): (i64, i64),
        begin: impl FnOnce() -> Tx<B>,
    ) -> Result<Transaction> {
        self.expire(began);
        let user = principal.user.as_str();
        let mut open = self.lock();
        if let Some(known) = opened_by.and_then(|asked| {
            open.by_id.values().find(|held| held.opened_by == Some(asked) && held.user == user)
        }) {
            return Ok(known.info());
        }
        let named = name.as_ref().map(|name| (user.to_owned(), name.clone()));
        if let Some((_, name)) = named.as_ref().filter(|named| open.names.contains_key(*named)) {
            let why = format!("user {user:?} has an open transaction {name:?} already");
            return Err(Error::new(ErrorCode::AlreadyExists, why).field("name"));
        }
        let full = |what: &str, limit: usize| {
            let why = format!("{what} {limit} open transactions already; commit some or roll them back");
            Err(Error::new(ErrorCode::LimitExceeded, why).limit(limit as u64))
        };
        if open.by_id.values().filter(|held| held.user == user).count() >= limits::MAX_USER_TRANSACTIONS {
            return full(&format!("user {user:?} has"), limits::MAX_USER_TRANSACTIONS);
        }
        if open.by_id.len() >= limits::MAX_TRANSACTIONS {
            return full("the node holds", limits::MAX_TRANSACTIONS);
        }
        let held = Arc::new(Held {
            id,
            name,
            user: user.to_owned(),
            scope: principal.scope.clone(),
            began,
            expires,
            opened_by,
            turns: Arc::default(),
            tx: Arc::new(AsyncMutex::new(Some(begin()))),
            over: AtomicBool::new(false),
            done: Mutex::default(),
        });
        let info = held.info();
        open.by_id.insert(id, held);
        if let Some(named) = named {
            open.names.insert(named, id);
        }
        Ok(info)
    }

    /// An open transaction of a user, by its name or id.
    ///
    /// # Errors
    /// `transaction_expired`, `not_found` (a name that the user has given to none).
    pub(crate) fn find(&self, principal: &Principal, tx: &str, now: i64) -> Result<Arc<Held<B>>> {
        let user = principal.user.as_str();
        let by_id = TransactionId::parse(tx);
        let found = {
            let open = self.lock();
            let id = by_id.or_else(|| open.names.get(&(user.to_owned(), tx.to_owned())).copied());
            id.and_then(|id| open.by_id.get(&id)).filter(|held| held.is_of(principal)).cloned()
        };
        match found {
            Some(held) if held.expires <= now || held.is_over() => {
                self.end(&held, None, None, EXPIRED);
                Err(self.missing(user, tx, by_id))
            }
            Some(held) => Ok(held),
            None => Err(self.missing(user, tx, by_id)),
        }
    }

    fn missing(&self, user: &str, tx: &str, by_id: Option<TransactionId>) -> Error {
        let open = self.lock();
        let is_it = |over: &&Over| match by_id {
            Some(id) => over.id == id,
            None => over.name.as_deref() == Some(tx),
        };
        match open.over.iter().rev().filter(|over| over.user == user).find(is_it) {
            Some(over) => expired(over.name.as_deref().unwrap_or(tx), over.how),
            None if by_id.is_some() => {
                expired(tx, "has ended, or the node was started again since; what of it was not committed has not happened")
            }
            None => Error::new(
                ErrorCode::NotFound,
                format!("user {user:?} has no open transaction {tx:?}; one that the node held when it stopped has not happened"),
            )
            .field(tx),
        }
    }

    /// The reply of the request that ended a transaction, when it comes again.
    pub(crate) fn ended_by(&self, asked: Asked) -> Option<Reply> {
        self.lock().over.iter().find(|over| over.ended_by == Some(asked)).and_then(|over| over.reply.clone())
    }

    /// A user's open transactions, oldest first.
    pub(crate) fn of(&self, principal: &Principal, now: i64) -> Vec<Transaction> {
        self.expire(now);
        let mut all: Vec<Transaction> =
            self.lock().by_id.values().filter(|held| held.is_of(principal)).map(|held| held.info()).collect();
        all.sort_by_key(|info| (info.began, info.id));
        all
    }

    /// Ends a transaction: nobody finds it any more. Gives it, unless an operation is at work in it, which then drops it.
    pub(crate) fn end(
        &self,
        held: &Held<B>,
        ended_by: Option<Asked>,
        reply: Option<Reply>,
        how: &'static str,
    ) -> Option<Tx<B>> {
        held.over.store(true, Ordering::Release);
        let mut open = self.lock();
        if open.by_id.remove(&held.id).is_some() {
            if let Some(name) = &held.name {
                open.names.remove(&(held.user.clone(), name.clone()));
            }
            if open.over.len() == MAX_REMEMBERED {
                open.over.pop_front();
            }
            let (id, name, user) = (held.id, held.name.clone(), held.user.clone());
            open.over.push_back(Over { id, name, user, ended_by, reply, how });
        }
        drop(open);
        held.tx.try_lock().and_then(|mut tx| tx.take())
    }

    /// Says how the end of a transaction came out after all.
    pub(crate) fn ended(&self, id: TransactionId, reply: Reply, how: &'static str) {
        if let Some(over) = self.lock().over.iter_mut().rev().find(|over| over.id == id) {
            (over.reply, over.how) = (Some(reply), how);
        }
    }

    /// Ends those whose time is up.
    pub(crate) fn expire(&self, now: i64) {
        self.end_all(EXPIRED, |held| held.expires <= now);
    }

    /// Ends those without a name that a session has opened, which has gone.
    pub(crate) fn forget_session(&self, session: SessionId) {
        let is_its =
            |held: &Held<B>| held.name.is_none() && held.opened_by.is_some_and(|(by, _)| by == session);
        self.end_all(TAKEN_BACK, is_its);
    }

    /// Ends those of a user who is removed: another one of that name has nothing to do with them.
    pub(crate) fn forget_user(&self, user: &str) {
        self.end_all(TAKEN_BACK, |held| held.user == user);
    }

    fn end_all(&self, how: &'static str, is_meant: impl Fn(&Held<B>) -> bool) {
        let meant: Vec<Arc<Held<B>>> =
            self.lock().by_id.values().filter(|held| is_meant(held)).cloned().collect();
        for held in meant {
            self.end(&held, None, None, how);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open<B>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
