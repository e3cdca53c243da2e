//! A copy of a tree as a stream: one commit when it fits into one, else part after part, with an item for each that says how far it is.

use crate::node::{Node, RequestKey, too_much_contention};
use crate::stream::{Item, Items, Step};
use emerge_engine::{Backend, CommitError, CopyPart, Principal};
use emerge_proto::class::{decode, encode};
use emerge_proto::error::Effect;
use emerge_proto::op::Target;
use emerge_proto::record::Copied;
use emerge_proto::{Error, Result, limits};
use futures_util::stream::{self, StreamExt};

/// What is copied, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) from: Target,
    pub(crate) to: String,
}

/// What is kept of a part, so that it is not made twice: how far the copy is, and where it goes on, if it does.
type Kept = (Copied, Option<String>);

/// The cursor after the last part; all others begin with digits, and so come before it.
const LAST: &str = "~";

/// Where a copy is.
enum At {
    /// Goes on after this cursor; at the beginning without.
    Going(Option<String>, Option<Copied>),
    Done,
}

/// The parts of a copy; ends after the first error, which says what was copied before.
pub(crate) fn parts<B: Backend>(
    node: Node<B>,
    principal: Principal,
    key: Option<RequestKey>,
    copy: Copy,
    after: Option<String>,
    now: i64,
) -> Items {
    let begin = if after.as_deref() == Some(LAST) { At::Done } else { At::Going(after, None) };
    stream::unfold(begin, move |at| {
        let (node, principal, key, copy) = (node.clone(), principal.clone(), key.clone(), copy.clone());
        async move {
            let At::Going(cursor, before) = at else { return None };
            let key = key.map(|key| RequestKey {
                part: format!("copy {}", cursor.as_deref().unwrap_or_default()),
                ..key
            });
            match part(&node, &principal, key.as_ref(), &copy, cursor.as_deref(), now).await {
                Ok(((copied, cursor), depends_on)) => {
                    let value = encode(&copied);
                    let item = Item { value, cursor: cursor.clone().unwrap_or_else(|| LAST.into()) };
                    let next = match cursor {
                        Some(cursor) => At::Going(Some(cursor), Some(copied)),
                        None => At::Done,
                    };
                    Some((Ok(Step { item: Some(item), depends_on }), next))
                }
                Err(error) => Some((Err(told(error, before.as_ref())), At::Done)),
            }
        }
    })
    .boxed()
}

/// An error that says what was copied before.
fn told(mut error: Error, before: Option<&Copied>) -> Error {
    if let Some(Copied { count, path }) = before {
        error.message = format!(
            "{}; {count} objects and directories were copied, the last of them {path}",
            error.message
        );
        error.effect = Some(Effect::Unknown);
    }
    error
}

/// Makes a part, or finds that it was made; gives the commit that it depends on too.
async fn part<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    copy: &Copy,
    cursor: Option<&str>,
    now: i64,
) -> Result<(Kept, u64)> {
    for _ in 0..limits::MAX_RETRIES {
        if let Some(reply) = node.earlier_outcome(key).await? {
            return Ok((decode(&reply.result?)?, reply.depends_on));
        }
        let mut tx = node.begin(principal, now);
        let made = match cursor {
            Some(_) => tx.copy_part(&copy.from, &copy.to, cursor).await,
            None => match tx.cp(&copy.from, &copy.to, true).await {
                Ok(copied) => match tx.path_of(&copy.from).await {
                    Ok(path) => Ok(CopyPart { path, copied, cursor: None }),
                    Err(error) => Err(error),
                },
                Err(error) if error.limit == Some(limits::MAX_COPY as u64) => {
                    // It had read most of the tree.
                    tx = node.begin(principal, now);
                    tx.copy_part(&copy.from, &copy.to, None).await
                }
                Err(error) => Err(error),
            },
        };
        let made = match made {
            Ok(made) => made,
            Err(_) if !tx.is_current() => continue,
            Err(error) => return Err(error),
        };
        let copied = Copied { count: made.copied, path: made.path.to_string() };
        let kept: Kept = (copied, made.cursor);
        match tx.commit(key.map(|key| key.outcome(encode(&kept)))).await {
            Ok(commit) => return Ok((kept, commit.number)),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Error(error)) => return Err(error),
        }
    }
    Err(too_much_contention())
}
