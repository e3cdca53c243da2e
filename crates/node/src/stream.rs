//! Streamed results: a listing page by page, a call on each member of a directory.

use crate::call::{self, MethodCall, Work};
use crate::migrate::Migration;
use crate::node::{Node, RequestKey};
use crate::search;
use emerge_engine::{Backend, Principal};
use emerge_proto::class::encode;
use emerge_proto::op::Target;
use emerge_proto::query::Matches;
use emerge_proto::record::{Called, MemberCalled, ObjectType, Page};
use emerge_proto::{Op, Path, Query, Result, class, limits};
use futures_util::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;

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
        Op::Search { query, after } => {
            Ok(Some(matches(node.clone(), principal.clone(), query.clone(), after.clone(), now)))
        }
        Op::Call { path, method, args, log, after, with } => {
            let call = MethodCall::new(path.clone(), method.clone(), args.clone(), *log, with.as_deref());
            let (atomic, paths) =
                with.as_ref().map_or((false, None), |with| (with.atomic == Some(true), with.paths.clone()));
            if paths.is_none() && !is_directory(node, principal, path, now).await? {
                return Ok(None);
            }
            let caller = Caller { node: node.clone(), principal: principal.clone(), key: key.clone(), now };
            let after = after.clone();
            Ok(Some(match (atomic, paths) {
                (true, paths) => all_at_once(caller, call, paths, after),
                (false, Some(paths)) => {
                    let members = call::named(&paths)?.into_iter();
                    let members = members.filter(|path| after.as_ref().is_none_or(|after| path > after));
                    let members: Vec<_> =
                        members.map(|path| Ok((path.clone(), Target::Path(path), 0))).collect();
                    member_calls(caller, call, stream::iter(members).boxed())
                }
                (false, None) => {
                    let members = members(&caller, call.path.clone(), after, None);
                    member_calls(caller, call, members)
                }
            }))
        }
        Op::Migrate { path, class, how, from, after } => {
            if !is_directory(node, principal, path, now).await? {
                return Ok(None);
            }
            let mut tx = node.begin(principal, now);
            let migration = Migration::prepare(node, &mut tx, *class, how.clone(), from.clone()).await?;
            let call = MethodCall::migrate(path.clone(), migration);
            let caller = Caller { node: node.clone(), principal: principal.clone(), key: key.clone(), now };
            let taken = match &call.work {
                Work::Migrate(migration) => Some(migration.clone()),
                _ => None,
            };
            let members = members(&caller, path.clone(), after.clone(), taken);
            Ok(Some(member_calls(caller, call, members)))
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

/// What a search finds, a page for each item.
fn matches<B: Backend>(
    node: Node<B>,
    principal: Principal,
    query: Query,
    after: Option<String>,
    now: i64,
) -> Items {
    let end = || Some(search::END.to_owned());
    // The state is where to go on.
    stream::unfold(after, move |from| {
        let (node, principal, query) = (node.clone(), principal.clone(), query.clone());
        async move {
            if from == end() {
                return None;
            }
            let reply = node.run(&principal, None, Op::Search { query, after: from }, now).await;
            let page =
                reply.result.and_then(|value| class::decode::<Matches>(&value).map(|page| (value, page)));
            Some(match page {
                Ok((value, page)) => {
                    let next = page.next.or_else(end);
                    let item = next.clone().map(|cursor| Item { value, cursor });
                    (Ok(Step { item, depends_on: reply.depends_on }), next)
                }
                Err(error) => (Err(error), end()),
            })
        }
    })
    .boxed()
}

/// Who calls, and for which request.
struct Caller<B: Backend> {
    node: Node<B>,
    principal: Principal,
    key: RequestKey,
    now: i64,
}

impl<B: Backend> Clone for Caller<B> {
    fn clone(&self) -> Self {
        let Self { node, principal, key, now } = self;
        Self { node: node.clone(), principal: principal.clone(), key: key.clone(), now: *now }
    }
}

async fn is_directory<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    path: &Target,
    now: i64,
) -> Result<bool> {
    // A path into an object leads to no directory.
    if matches!(path, Target::Path(path) if path.contains('#')) {
        return Ok(false);
    }
    Ok(node.begin(principal, now).stat(path).await?.kind == ObjectType::Directory)
}

/// A member's name and where it is, and the highest commit that this depends on.
type Member = Result<(String, Target, u64)>;

/// The members of a directory that are objects, in the order of their names; with a migration those that it takes.
fn members<B: Backend>(
    caller: &Caller<B>,
    directory: Target,
    after: Option<String>,
    taken: Option<Arc<Migration>>,
) -> BoxStream<'static, Member> {
    let Caller { node, principal, now, .. } = caller.clone();
    let listed =
        pages(node.clone(), principal.clone(), directory.clone(), after, Some(limits::MAX_PAGE as u32), now);
    listed
        .then(move |page| {
            let (node, principal) = (node.clone(), principal.clone());
            let (directory, taken) = (directory.clone(), taken.clone());
            async move {
                let step = page?;
                let Some(item) = step.item else { return Ok(Vec::new()) };
                let directory = match &directory {
                    Target::Path(path) => Path::parse(path)?,
                    other => node.begin(&principal, now).path_of(other).await?,
                };
                let mut members = Vec::new();
                for member in class::decode::<Page>(&item.value)?.members {
                    let wanted = match &taken {
                        Some(migration) => migration.takes(&node, &member).await?,
                        None => member.kind == ObjectType::Object,
                    };
                    if wanted {
                        let path = Target::from(&directory.join(&member.name)?);
                        members.push((member.name, path, step.depends_on));
                    }
                }
                Ok(members)
            }
        })
        .flat_map(|members: Result<Vec<(String, Target, u64)>>| {
            stream::iter(match members {
                Ok(members) => members.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        })
        .boxed()
}

/// A call on each member, in their order, each a transaction with an outcome of its own.
fn member_calls<B: Backend>(
    caller: Caller<B>,
    call: MethodCall,
    members: BoxStream<'static, Member>,
) -> Items {
    members
        .map(move |member| {
            let (Caller { node, principal, key, now }, call) = (caller.clone(), call.clone());
            async move {
                let (name, path, listed) = member?;
                let key = RequestKey { part: name.clone(), ..key };
                let call = MethodCall { path, ..call };
                let reply = call::run(&node, &principal, Some(&key), call, now).await;
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

/// The items of a call that is one transaction: they come once it has committed, or its error does.
fn all_at_once<B: Backend>(
    caller: Caller<B>,
    call: MethodCall,
    paths: Option<Vec<String>>,
    after: Option<String>,
) -> Items {
    let called = async move {
        let Caller { node, principal, key, now } = caller;
        let reply = call::run_all(&node, &principal, Some(&key), &call, paths.as_deref(), now).await;
        let steps: Vec<Result<Step>> =
            match reply.result.and_then(|all| class::decode::<Vec<MemberCalled>>(&all)) {
                Ok(all) => all
                    .into_iter()
                    .filter(|member| after.as_ref().is_none_or(|after| member.name > *after))
                    .map(|member| {
                        let item = Item { value: encode(&member), cursor: member.name };
                        Ok(Step { item: Some(item), depends_on: reply.depends_on })
                    })
                    .collect(),
                Err(error) => vec![Err(error)],
            };
        stream::iter(steps)
    };
    stream::once(called).flatten().boxed()
}
