//! Streamed results: a listing page by page, a call on each member of a directory.

use crate::call::{self, MethodCall};
use crate::node::{Node, RequestKey};
use emerge_engine::{Backend, Principal};
use emerge_proto::class::encode;
use emerge_proto::op::Target;
use emerge_proto::record::{Called, MemberCalled, ObjectType, Page};
use emerge_proto::{Op, Path, Result, class, limits};
use futures_util::stream::{self, BoxStream, StreamExt};

/// One step of a stream.
pub(crate) struct Step {
    /// The item; none for a page without members, which says nothing but what it depends on.
    pub(crate) item: Option<Item>,
    /// The highest commit that it depends on.
    pub(crate) depends_on: u64,
}

/// One item of a stream.
pub(crate) struct Item {
    /// The encoded record.
    pub(crate) value: Vec<u8>,
    /// Where the stream goes on after it.
    pub(crate) cursor: String,
}

/// The items of an operation's result; ends after the first error.
pub(crate) type Items = BoxStream<'static, Result<Step>>;

/// Calls on members of one directory that run at the same time.
const CALLS_AT_ONCE: usize = 4;

/// Opens the stream of an operation; none when it has no streamed form (or, for a call, when the path is an object).
pub(crate) async fn open<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: &RequestKey,
    op: &Op,
    now: i64,
) -> Result<Option<Items>> {
    match op {
        Op::List { path, after, limit } => {
            Ok(Some(pages(node.clone(), principal.clone(), path.clone(), after.clone(), *limit, now)))
        }
        Op::Call { path, method, args, log, after } => {
            let stat = node.begin(principal, now).stat(path).await?;
            if stat.kind != ObjectType::Directory {
                return Ok(None);
            }
            let call =
                MethodCall { path: path.clone(), method: method.clone(), args: args.clone(), log: *log };
            Ok(Some(member_calls(node.clone(), principal.clone(), key.clone(), call, after.clone(), now)))
        }
        _ => Ok(None),
    }
}

/// A listing, a page for each item.
fn pages<B: Backend>(
    node: Node<B>,
    principal: Principal,
    path: Target,
    after: Option<String>,
    limit: Option<u32>,
    now: i64,
) -> Items {
    // The state is where to go on; none when the last page has been given.
    stream::unfold(Some(after), move |from| {
        let (node, principal, path) = (node.clone(), principal.clone(), path.clone());
        async move {
            let from = from?;
            let op = Op::List { path, after: from, limit };
            let reply = node.run(&principal, None, op, now).await;
            let page = reply.result.and_then(|value| class::decode::<Page>(&value).map(|page| (value, page)));
            Some(match page {
                Ok((value, page)) => {
                    let item = page.members.last().map(|last| Item { value, cursor: last.name.clone() });
                    (Ok(Step { item, depends_on: reply.depends_on }), page.next.map(Some))
                }
                Err(error) => (Err(error), None),
            })
        }
    })
    .boxed()
}

/// A call on each member that is an object, in the order of their names, each a transaction with an outcome of its own.
fn member_calls<B: Backend>(
    node: Node<B>,
    principal: Principal,
    key: RequestKey,
    call: MethodCall,
    after: Option<String>,
    now: i64,
) -> Items {
    let members =
        pages(node.clone(), principal.clone(), call.path.clone(), after, Some(limits::MAX_PAGE as u32), now)
            .flat_map(|page| {
                let page = page.and_then(|step| {
                    let page = step.item.map(|item| class::decode::<Page>(&item.value)).transpose()?;
                    Ok((page, step.depends_on))
                });
                let members: Vec<Result<(String, u64)>> = match page {
                    Ok((page, depends_on)) => page
                        .into_iter()
                        .flat_map(|page| page.members)
                        .filter(|member| member.kind == ObjectType::Object)
                        .map(|member| Ok((member.name, depends_on)))
                        .collect(),
                    Err(error) => vec![Err(error)],
                };
                stream::iter(members)
            });
    members
        .map(move |member| {
            let (node, principal, key, call) = (node.clone(), principal.clone(), key.clone(), call.clone());
            async move {
                let (name, listed) = member?;
                let path = match &call.path {
                    Target::Path(path) => Path::parse(path)?.join(&name)?,
                    other => node.begin(&principal, now).path_of(other).await?.join(&name)?,
                };
                let key = RequestKey { part: name.clone(), ..key };
                let reply = call::run(
                    &node,
                    &principal,
                    Some(&key),
                    MethodCall { path: (&path).into(), ..call },
                    now,
                )
                .await;
                let called = reply.result.and_then(|value| class::decode::<Called>(&value));
                let (called, error) = match called {
                    Ok(called) => (Some(called), None),
                    Err(error) => (None, Some(error)),
                };
                let value = encode(&MemberCalled { name: name.clone(), called, error });
                let item = Some(Item { value, cursor: name });
                Ok(Step { item, depends_on: reply.depends_on.max(listed) })
            }
        })
        .buffered(CALLS_AT_ONCE)
        .boxed()
}
