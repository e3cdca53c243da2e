//! What a request expects of the objects that any operation is about (RFC 9110, section 13), asked in the transaction of that operation.

use crate::call;
use crate::node::{Node, RequestKey, too_much_contention};
use crate::resource::{Expected, Refusal};
use emerge_engine::{Backend, CommitError, Principal, Tx};
use emerge_proto::op::Target;
use emerge_proto::record::ObjectType;
use emerge_proto::{Error, ErrorCode, Op, Result, Stat, limits};
use futures_util::lock::Mutex;
use std::sync::Arc;

/// What is expected of one object.
struct Subject<'a> {
    /// The object, or the place in it that is to be changed.
    target: Target,
    /// The field below it that is to be changed.
    field: Option<&'a str>,
    expected: Expected,
}

/// What an operation is about: the object whose version `If-Match` names, and where `If-None-Match` says that nothing is to be. None
/// where an operation is about no one object.
fn subjects_of(op: &Op) -> (Option<Target>, Option<Target>) {
    match op {
        Op::Mkdir { path, .. }
        | Op::Store { path, .. }
        | Op::Rm { path, .. }
        | Op::Restore { path, .. }
        | Op::Chmod { path, .. }
        | Op::Chown { path, .. }
        | Op::Purge { path, .. }
        | Op::SetRules { path, .. }
        | Op::Add { path, .. }
        | Op::Set { path, .. }
        | Op::Query { path, .. }
        | Op::Migrate { path, .. } => (Some(path.clone()), Some(path.clone())),
        Op::Call { path, with, .. } if with.as_ref().is_none_or(|with| with.paths.is_none()) => {
            (Some(path.clone()), Some(path.clone()))
        }
        Op::Mv { from, to } | Op::Cp { from, to, .. } => (Some(from.clone()), Some(Target::Path(to.clone()))),
        Op::Mixin { first, to, .. } => (Some(first.clone()), Some(Target::Path(to.clone()))),
        _ => (None, None),
    }
}

/// What is expected of which objects.
///
/// # Errors
/// `bad_argument` for a condition that can mean nothing here.
fn subjects<'a>(op: &'a Op, expected: &Expected) -> Result<Vec<Subject<'a>>> {
    let (matching, none_matching) = subjects_of(op);
    let field = match op {
        Op::Add { field, .. } => Some(&**field),
        _ => None,
    };
    let conditions = [
        (matching, Expected { matching: expected.matching.clone(), none_matching: None }, "If-Match"),
        (
            none_matching,
            Expected { matching: None, none_matching: expected.none_matching.clone() },
            "If-None-Match",
        ),
    ];
    let mut subjects = Vec::new();
    for (target, expected, header) in conditions {
        match target {
            _ if expected.is_anything() => {}
            Some(target) => subjects.push(Subject { target, field, expected }),
            None => return Err(meaningless(header, &format!("{:?} changes no one object", op.name()))),
        }
    }
    Ok(subjects)
}

/// The error for a condition that cannot be asked.
pub fn meaningless(header: &str, why: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{header} means nothing here: {why}")).field(header)
}

impl<B: Backend> Node<B> {
    /// Runs an operation if what it is about is as expected; a condition and the change are one transaction.
    pub(crate) async fn run_expecting(
        &self,
        principal: &Principal,
        key: Option<&RequestKey>,
        op: Op,
        expected: &Expected,
        now: i64,
    ) -> Result<Vec<u8>, Refusal> {
        let subjects = subjects(&op, expected)?;
        for _ in 0..limits::MAX_RETRIES {
            if let Some(earlier) = self.earlier_outcome(key).await? {
                self.engine().durable(earlier.depends_on).await?;
                return Ok(earlier.result?);
            }
            let shared = Arc::new(Mutex::new(Some(self.begin(principal, now))));
            // Its lock ends here: the operation takes it too.
            let expected = asked(&mut *shared.lock().await, &op, &subjects).await;
            let done = match expected {
                Ok(()) => {
                    let done = call::inside(self, principal, shared.clone(), op.clone(), now).await;
                    done.map_err(Refusal::Failed)
                }
                Err(refusal) => Err(refusal),
            };
            let Some(tx) = shared.lock().await.take() else { return Err(call::ended().into()) };
            let reply = match done {
                Ok(reply) => reply,
                Err(refusal) => {
                    let exhausted = matches!(&refusal, Refusal::Failed(error)
                        if matches!(error.code, ErrorCode::DeadlineExceeded | ErrorCode::OutOfMemory));
                    if !exhausted && !tx.is_current() {
                        continue;
                    }
                    self.engine().durable(tx.depends_on()).await?;
                    return Err(refusal);
                }
            };
            match tx.commit(key.map(|key| key.outcome(reply.clone()))).await {
                Ok(commit) => {
                    self.engine().durable(commit.number).await?;
                    return Ok(reply);
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Error(error)) => return Err(error.into()),
            }
        }
        Err(too_much_contention().into())
    }
}

/// Asks whether all is as expected.
async fn asked<B: Backend>(tx: &mut Option<Tx<B>>, op: &Op, subjects: &[Subject<'_>]) -> Result<(), Refusal> {
    let tx = call::open(tx)?;
    for Subject { target, field, expected } in subjects {
        let stat = match op {
            Op::Set { .. } | Op::Add { .. } => tx.stat_around(target, *field).await,
            _ => tx.stat(target).await,
        };
        let there = there(stat)?;
        let each = matches!(op, Op::Call { .. } | Op::Migrate { .. });
        if each && there.as_ref().is_some_and(|stat| stat.kind == ObjectType::Directory) {
            let header = if expected.matching.is_some() { "If-Match" } else { "If-None-Match" };
            let why = format!("{:?} of a directory is one of each of its members", op.name());
            return Err(meaningless(header, &why).into());
        }
        let path = match (target, &there) {
            (Target::Path(text), _) => text.clone(),
            (_, Some(Stat { path: Some(path), .. })) => path.clone(),
            (Target::Id(id), _) => id.to_string(),
            (Target::ResultOf(seq), _) => seq.to_string(),
        };
        expected.check(&path, there.as_ref()).map_err(Refusal::Unexpected)?;
    }
    Ok(())
}

/// What is there, if anything is.
pub(crate) fn there(stat: Result<Stat>) -> Result<Option<Stat>> {
    match stat {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
