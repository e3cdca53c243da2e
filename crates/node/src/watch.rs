//! Watching: a stream of changes that waits for the next commit to be durable.

use crate::node::Node;
use crate::session::Identity;
use crate::stream::{Item, Items, Step};
use emerge_engine::{Backend, Mark, Pattern, Principal};
use emerge_proto::class::encode;
use emerge_proto::watch::{Change, ChangeKind};
use emerge_proto::{Error, ErrorCode, Result, SessionId, limits};
use futures_util::stream::{self, Stream, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// How many watches there are, by session; those outside of any session count as one.
#[derive(Default)]
pub(crate) struct Watches {
    by_session: Mutex<HashMap<Option<SessionId>, usize>>,
}

/// A place among the watches; dropping it gives it back.
struct Place {
    watches: Arc<Watches>,
    session: Option<SessionId>,
}

impl Watches {
    fn take(self: &Arc<Self>, session: Option<SessionId>) -> Result<Place> {
        let mut all = self.by_session.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |what: &str, limit: usize| {
            let why = format!("{what} has {limit} watches already");
            Err(Error::new(ErrorCode::LimitExceeded, why).limit(limit as u64))
        };
        if session.is_some() && all.get(&session).is_some_and(|count| *count >= limits::MAX_WATCHES) {
            return full("the session", limits::MAX_WATCHES);
        }
        if all.values().sum::<usize>() >= limits::MAX_NODE_WATCHES {
            return full("the node", limits::MAX_NODE_WATCHES);
        }
        *all.entry(session).or_default() += 1;
        Ok(Place { watches: self.clone(), session })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.watches.by_session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.session);
            }
        }
    }
}

struct Watching<B: Backend> {
    node: Node<B>,
    identity: Arc<Identity>,
    pattern: Pattern,
    now: i64,
    at: Mark,
    told: VecDeque<Change>,
    over: bool,
    _place: Place,
}

impl<B: Backend> Watching<B> {
    async fn next(&mut self) -> Result<Change> {
        loop {
            if let Some(change) = self.told.pop_front() {
                // No clock runs here; what was committed after the token ended is not for its bearer.
                self.now = self.now.max(change.time);
                self.identity = self.node.renewed(&self.identity, self.now).await?;
                return Ok(change);
            }
            self.identity = self.node.renewed(&self.identity, self.now).await?;
            let engine = self.node.engine();
            let who = &self.identity.principal;
            let seen = engine.changes_after(self.at, &self.pattern, who, self.now).await?;
            if seen.next == self.at {
                // Of a commit that failed nothing is in the log, and the watch goes on.
                engine.settled(self.at.commit().saturating_add(1)).await;
            }
            self.at = seen.next;
            self.told = seen.changes.into();
        }
    }
}

/// Changes that match a pattern, from now on or after a token; the first says that the watch has begun. Ends with an error only.
///
/// # Errors
/// `bad_argument`, `limit_exceeded`.
pub(crate) fn changes<B: Backend>(
    node: &Node<B>,
    identity: Arc<Identity>,
    session: Option<SessionId>,
    pattern: &str,
    from: Option<&str>,
    now: i64,
) -> Result<impl Stream<Item = Result<Change>> + Send + use<B>> {
    let engine = node.engine();
    let at = from.map_or_else(|| Ok(engine.log_end()), |token| engine.mark(token))?;
    let begun = Change {
        kind: ChangeKind::Watching,
        token: engine.token(at),
        path: pattern.to_owned(),
        from: None,
        id: None,
        version: None,
        time: now,
        author: String::new(),
        directory: false,
    };
    let watching = Watching {
        node: node.clone(),
        identity,
        pattern: Pattern::parse(pattern)?,
        now,
        at,
        // One that goes on has begun already.
        told: from.is_none().then_some(begun).into_iter().collect(),
        over: false,
        _place: node.watches().take(session)?,
    };
    Ok(stream::unfold(watching, |mut watching| async move {
        if watching.over {
            return None;
        }
        let next = watching.next().await;
        watching.over = next.is_err();
        Some((next, watching))
    }))
}

/// The same as the items of a request.
pub(crate) fn items<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    session: Option<SessionId>,
    pattern: &str,
    from: Option<&str>,
    now: i64,
) -> Result<Items> {
    let changes = changes(node, node.identity_of(session, principal), session, pattern, from, now)?;
    // All that is told is durable already.
    let item = |change: Change| Step {
        item: Some(Item { value: encode(&change), cursor: change.token }),
        depends_on: 0,
    };
    Ok(changes.map(move |change| change.map(item)).boxed())
}
