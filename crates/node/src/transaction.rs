//! Operations about transactions that are held open: begin, in, end, transactions.

use crate::call;
use crate::node::{Node, Reply, RequestKey};
use crate::transactions::{Asked, COMMITTED, EXPIRED, Held, NOT_COMMITTED, TAKEN_BACK};
use emerge_engine::{Backend, CommitError, Principal, Savepoint, Tx};
use emerge_proto::class::encode;
use emerge_proto::transaction::{Ended, Transaction, check_name};
use emerge_proto::{Error, ErrorCode, Op, Result, TransactionId, limits};
use std::sync::Arc;

/// Runs an operation about transactions.
pub(crate) async fn run<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    op: Op,
    now: i64,
) -> Reply {
    let reply = |result| Reply { result, depends_on: 0 };
    match op {
        Op::Begin { name, lifetime_ms } => {
            let begun = begin(node, principal, key, name, lifetime_ms, now);
            reply(begun.map(|info| encode(&info)))
        }
        Op::Transactions { tx: None } => reply(Ok(encode(&node.transactions().of(principal, now)))),
        Op::Transactions { tx: Some(tx) } => {
            let found = node.transactions().find(principal, &tx, now);
            reply(found.map(|held| encode(&vec![held.info()])))
        }
        Op::In { tx, op, after: _ } => inside(node, principal, key, &tx, *op, now).await,
        Op::End { tx, commit } => end(node, principal, key, &tx, commit, now).await,
        other => {
            Reply::error(Error::new(ErrorCode::Internal, format!("{:?} does not belong here", other.name())))
        }
    }
}

fn asked(key: Option<&RequestKey>) -> Option<Asked> {
    key.map(|key| (key.session, key.seq))
}

fn begin<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    name: Option<String>,
    lifetime_ms: Option<u64>,
    now: i64,
) -> Result<Transaction> {
    if let Some(name) = &name {
        check_name(name)?;
    }
    let lifetime = lifetime_ms.unwrap_or(limits::TRANSACTION_MS);
    let limit = limits::MAX_TRANSACTION_MS;
    if lifetime == 0 {
        return Err(Error::new(ErrorCode::BadArgument, "a transaction must last longer than no time")
            .field("lifetime_ms"));
    }
    if lifetime > limit {
        let why = format!("a transaction expires after {limit} ms at most, not {lifetime}");
        return Err(Error::new(ErrorCode::LimitExceeded, why).field("lifetime_ms").limit(limit));
    }
    let mut random = [0; 10];
    random.copy_from_slice(&node.random()[..10]);
    let id = TransactionId::v7(u64::try_from(now / 1000).unwrap_or(0), random);
    let times = (now, now.saturating_add(lifetime as i64 * 1000));
    node.transactions().open(id, name, principal, asked(key), times, || node.begin(principal, now))
}

/// Refuses what cannot be done in a transaction.
pub(crate) fn check_inside(op: &Op) -> Result<()> {
    match op {
        Op::Begin { .. } | Op::In { .. } | Op::End { .. } | Op::Transactions { .. } => {
            let why = format!("{:?} does not go into a transaction: there is none within another", op.name());
            Err(Error::new(ErrorCode::BadArgument, why).field("op"))
        }
        Op::Watch { .. } => {
            let why = "a watch tells of what is committed, and does not go into a transaction";
            Err(Error::new(ErrorCode::BadArgument, why).field("op"))
        }
        _ => Ok(()),
    }
}

/// Runs an operation in an open transaction.
async fn inside<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    tx: &str,
    op: Op,
    now: i64,
) -> Reply {
    // The place in the queue is taken before anything is waited for, so that what came first is done first.
    let held = check_inside(&op).and_then(|()| node.transactions().find(principal, tx, now));
    let (held, turn) = match held.and_then(|held| held.queue().map(|turn| (held, turn))) {
        Ok(queued) => queued,
        Err(error) => return Reply::error(error),
    };
    turn.come().await;
    if let Some(reply) = key.and_then(|key| held.reply(key)) {
        let depends_on = held.tx.lock().await.as_ref().map_or(0, Tx::depends_on);
        return Reply { result: Ok(reply), depends_on };
    }
    let step = match Step::begin(&held, principal, now).await {
        Ok(step) => step,
        Err(error) => return Reply::error(error),
    };
    let writes = op.may_write();
    let result = call::inside(node, principal, held.tx.clone(), op, now).await;
    step.finish(result, key.filter(|_| writes), key).await
}

/// One operation at work in a transaction. Dropped before it has finished, it leaves nothing.
struct Step<B: Backend> {
    held: Arc<Held<B>>,
    savepoint: Savepoint,
    finished: bool,
}

impl<B: Backend> Step<B> {
    async fn begin(held: &Arc<Held<B>>, principal: &Principal, now: i64) -> Result<Self> {
        let mut guard = held.tx.lock().await;
        if held.is_over() {
            // Whoever ended it left it to the operation that was at work.
            guard.take();
        }
        let tx = guard.as_mut().ok_or_else(|| held.gone("has ended meanwhile"))?;
        let limit = limits::MAX_TRANSACTION_BYTES;
        if tx.bytes() + held.reply_bytes() >= limit {
            return Err(too_large(limit));
        }
        tx.go_on(principal, now);
        Ok(Self { held: held.clone(), savepoint: tx.savepoint(), finished: false })
    }

    async fn finish(
        mut self,
        result: Result<Vec<u8>>,
        keep: Option<&RequestKey>,
        key: Option<&RequestKey>,
    ) -> Reply {
        self.finished = true;
        let mut guard = self.held.tx.lock().await;
        if self.held.is_over() {
            guard.take();
        }
        let Some(tx) = guard.as_mut() else { return Reply::error(self.held.gone(EXPIRED)) };
        let result = result.and_then(|reply| {
            let kept = keep.map_or(0, |_| reply.len());
            let limit = limits::MAX_TRANSACTION_BYTES;
            if tx.bytes() + self.held.reply_bytes() + kept > limit {
                Err(too_large(limit))
            } else {
                Ok(reply)
            }
        });
        let depends_on = tx.depends_on();
        match result {
            Ok(reply) => {
                self.held.note(key, keep.map(|_| &reply[..]), tx.bytes());
                Reply { result: Ok(reply), depends_on }
            }
            Err(error) => {
                tx.back_to(&self.savepoint);
                // What was read while others committed may never have been true together, and such a transaction cannot commit.
                let error = if tx.is_current() { error } else { conflict(tx).await };
                Reply { result: Err(error), depends_on }
            }
        }
    }
}

impl<B: Backend> Drop for Step<B> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // Whoever was at work in it is gone before this is dropped; were it not so, the transaction could not go on.
        match self.held.tx.try_lock() {
            Some(mut guard) if self.held.is_over() => drop(guard.take()),
            Some(mut guard) => {
                if let Some(tx) = guard.as_mut() {
                    tx.back_to(&self.savepoint);
                }
            }
            None => self.held.abandon(),
        }
    }
}

fn too_large(limit: usize) -> Error {
    let why = format!(
        "the transaction holds more than {limit} bytes of what it has read and written; commit it, or do less in it"
    );
    Error::new(ErrorCode::TooLarge, why).limit(limit as u64)
}

/// What was read has been changed since.
async fn conflict<B: Backend>(tx: &Tx<B>) -> Error {
    match tx.changed_path().await {
        Some(path) => {
            let why = format!("{path} has changed since the transaction read it; run it again");
            Error::new(ErrorCode::Conflict, why).at(path)
        }
        None => Error::new(
            ErrorCode::Conflict,
            "something that the transaction read has changed since; run it again",
        ),
    }
}

/// Commits a transaction or takes it back. A commit that comes again finds its outcome.
async fn end<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    tx: &str,
    commit: bool,
    now: i64,
) -> Reply {
    let transactions = node.transactions();
    let found = transactions.find(principal, tx, now).and_then(|held| held.queue().map(|turn| (held, turn)));
    if let Ok((_, turn)) = &found {
        turn.come().await;
    }
    // After the wait, for the one who was before may have been the same request.
    if let Some(reply) = asked(key).and_then(|asked| transactions.ended_by(asked)) {
        return reply;
    }
    match node.earlier_outcome(key).await {
        Ok(None) => {}
        Ok(Some(reply)) => return reply,
        Err(error) => return Reply::error(error),
    }
    let (held, _turn) = match found {
        Ok(found) => found,
        Err(error) => return Reply::error(error),
    };
    if commit && let Err(error) = node.engine().room(key.map(|key| key.session)).await {
        return Reply::error(error);
    }
    if held.is_over() {
        return Reply::error(
            transactions.find(principal, tx, now).err().unwrap_or_else(|| held.gone(EXPIRED)),
        );
    }
    let taken_back = Reply { result: Ok(encode(&Ended { committed: None })), depends_on: 0 };
    if !commit {
        transactions.end(&held, asked(key), Some(taken_back.clone()), TAKEN_BACK);
        return taken_back;
    }
    let Some(mut tx) = transactions.end(&held, asked(key), None, NOT_COMMITTED) else {
        return Reply::error(held.gone(NOT_COMMITTED));
    };
    if let Err(error) = tx.check_groups(principal) {
        return Reply::error(error);
    }
    tx.stamp(now);
    let reply = encode(&Ended { committed: Some(now) });
    let (result, depends_on) = match tx.try_commit(key.map(|key| key.outcome(reply.clone()))).await {
        Ok(commit) => (Ok(reply), commit.number),
        Err(CommitError::Conflict) => (Err(conflict(&tx).await), tx.depends_on()),
        Err(CommitError::Error(error)) => (Err(error), 0),
    };
    let how = if result.is_ok() { COMMITTED } else { NOT_COMMITTED };
    let reply = Reply { result, depends_on };
    transactions.ended(held.id, reply.clone(), how);
    reply
}
