//! Streamed results: a listing page by page, a call on each member of a directory.

use crate::call::{self, MethodCall, Work};
use crate::copy::{self, Copy};
use crate::migrate::Migration;
use crate::node::{Node, Reply, RequestKey};
use crate::search;
use crate::watch;
use emerge_engine::{Backend, Principal};
use emerge_proto::class::encode;
use emerge_proto::op::{CallWith, Target};
use emerge_proto::query::Matches;
use emerge_proto::record::{Called, MemberCalled, ObjectType, Page, PageCursors, Stat};
use emerge_proto::{Error, ErrorCode, Op, Path, Query, Result, class, limits};
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

/// Opens the stream of an operation; none when it has no streamed form.
pub(crate) async fn open<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    op: &Op,
    now: i64,
) -> Result<Option<Items>> {
    let caller =
        Caller { node: node.clone(), principal: principal.clone(), key: key.cloned(), tx: None, now };
    open_as(caller, op, None).await
}

/// `from` is where a stream in a transaction goes on.
async fn open_as<B: Backend>(caller: Caller<B>, op: &Op, from: Option<&String>) -> Result<Option<Items>> {
    match op {
        Op::List { .. } => Ok(Some(pages(caller, op.clone(), from.cloned()))),
        Op::Cp { from: source, to, recursive: true, after } if caller.tx.is_none() => {
            let copy = Copy { from: source.clone(), to: to.clone() };
            let Caller { node, principal, key, now, .. } = caller;
            Ok(Some(copy::parts(node, principal, key, copy, after.clone(), now)))
        }
        Op::Search { query, after } => {
            Ok(Some(matches(caller, query.clone(), from.or(after.as_ref()).cloned())))
        }
        Op::Call { path, method, args, log, after, with } => {
            let call = MethodCall::new(path.clone(), method.clone(), args.clone(), *log, with.as_deref())?;
            let (atomic, paths) =
                with.as_ref().map_or((false, None), |with| (with.atomic == Some(true), with.paths.clone()));
            if paths.is_none() && !caller.is_directory(path).await? {
                return Err(no_members(path));
            }
            if atomic && caller.tx.is_some() {
                let why = "in a transaction calls are one already; roll it back when one of them fails";
                return Err(Error::new(ErrorCode::BadArgument, why).field("atomic"));
            }
            let after = from.or(after.as_ref()).cloned();
            Ok(Some(match (atomic, paths) {
                (true, paths) => all_at_once(caller, call, paths, after),
                (false, Some(paths)) => {
                    let members = call::named(&paths)?.into_iter();
                    let members = members.filter(|path| after.as_ref().is_none_or(|after| path > after));
                    let members: Vec<_> =
                        members.map(|path| Ok((path.clone(), Target::Path(path), 0))).collect();
                    member_calls(caller, op.clone(), call, stream::iter(members).boxed())
                }
                (false, None) => {
                    let members = members(&caller, call.path.clone(), after, None);
                    member_calls(caller, op.clone(), call, members)
                }
            }))
        }
        Op::Migrate { path, class, how, from: old, after } => {
            if !caller.is_directory(path).await? {
                return Err(no_members(path));
            }
            let Caller { node, principal, now, .. } = &caller;
            let mut tx = node.begin(principal, *now);
            let migration = Migration::prepare(node, &mut tx, *class, how.clone(), old.clone()).await?;
            let call = MethodCall::migrate(path.clone(), migration);
            let taken = match &call.work {
                Work::Migrate(migration) => Some(migration.clone()),
                _ => None,
            };
            let members = members(&caller, path.clone(), from.or(after.as_ref()).cloned(), taken);
            Ok(Some(member_calls(caller, op.clone(), call, members)))
        }
        Op::Watch { pattern, from: after } if caller.tx.is_none() => {
            let Caller { node, principal, key, now, .. } = &caller;
            watch::items(
                node,
                principal,
                key.as_ref().map(|key| key.session),
                pattern,
                after.as_deref(),
                *now,
            )
            .map(Some)
        }
        Op::In { tx, op, after } if caller.tx.is_none() => {
            let inside = Caller { tx: Some(tx.clone()), ..caller };
            Box::pin(open_as(inside, op, after.as_ref())).await
        }
        _ => Ok(None),
    }
}

/// An object has no members: who asks for what became of each is not to find that it was done to the object itself.
fn no_members(target: &Target) -> Error {
    let error = |what: &str| {
        let why =
            format!("{what} is not a directory, of whose members each could be asked; ask the object itself");
        Error::new(ErrorCode::NotADirectory, why)
    };
    match target {
        Target::Path(path) => error(path).at(path),
        Target::Id(id) => error(&id.to_string()).at(id),
        Target::ResultOf(_) => error("the result of a request"),
    }
}

/// The same work on another object.
fn at(op: &Op, path: Target) -> Op {
    match op.clone() {
        Op::Call { method, args, log, with, .. } => {
            let with = with.map(|with| Box::new(CallWith { paths: None, atomic: None, ..*with }));
            Op::Call { path, method, args, log, after: None, with }
        }
        Op::Migrate { class, how, from, .. } => Op::Migrate { path, class, how, from, after: None },
        other => other,
    }
}

/// A listing, a page for each item.
fn pages<B: Backend>(caller: Caller<B>, listing: Op, from: Option<String>) -> Items {
    let begin = match &listing {
        Op::List { after, .. } => from.or_else(|| after.clone()),
        _ => from,
    };
    // The state is where to go on; none when the last page has been given.
    stream::unfold(Some(begin), move |from| {
        let (caller, mut op) = (caller.clone(), listing.clone());
        async move {
            let from = from?;
            if let Op::List { after, .. } = &mut op {
                *after = from;
            }
            let reply = caller.run(None, op).await;
            let page = reply.result.and_then(|value| PageCursors::of(&value).map(|end| (value, end)));
            Some(match page {
                Ok((value, PageCursors { next, last })) => {
                    let item = last.map(|cursor| Item { value, cursor });
                    (Ok(Step { item, depends_on: reply.depends_on }), next.map(Some))
                }
                Err(error) => (Err(error), None),
            })
        }
    })
    .boxed()
}

/// What a search finds, a page for each item.
fn matches<B: Backend>(caller: Caller<B>, query: Query, after: Option<String>) -> Items {
    let end = || Some(search::END.to_owned());
    // The state is where to go on.
    stream::unfold(after, move |from| {
        let (caller, query) = (caller.clone(), query.clone());
        async move {
            if from == end() {
                return None;
            }
            let reply = caller.run(None, Op::Search { query, after: from }).await;
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

/// Who calls, for which request, and in which transaction.
struct Caller<B: Backend> {
    node: Node<B>,
    principal: Principal,
    /// None for one that comes from outside any session and brings no key.
    key: Option<RequestKey>,
    tx: Option<String>,
    now: i64,
}

impl<B: Backend> Clone for Caller<B> {
    fn clone(&self) -> Self {
        let Self { node, principal, key, tx, now } = self;
        Self { node: node.clone(), principal: principal.clone(), key: key.clone(), tx: tx.clone(), now: *now }
    }
}

impl<B: Backend> Caller<B> {
    /// Runs an operation, in the transaction if there is one.
    async fn run(&self, key: Option<&RequestKey>, op: Op) -> Reply {
        let op = match &self.tx {
            Some(tx) => Op::In { tx: tx.clone(), op: Box::new(op), after: None },
            None => op,
        };
        self.node.run(&self.principal, key, op, self.now).await
    }

    async fn is_directory(&self, path: &Target) -> Result<bool> {
        // A path into an object leads to no directory.
        if matches!(path, Target::Path(path) if path.contains('#')) {
            return Ok(false);
        }
        let stat = self.run(None, Op::Stat { path: path.clone() }).await.result?;
        Ok(class::decode::<Stat>(&stat)?.kind == ObjectType::Directory)
    }
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
    let node = caller.node.clone();
    let (path, limit) = (directory.clone(), Some(limits::MAX_PAGE as u32));
    let listing = Op::List { path, after, limit, glob: None, sort: None, descending: None };
    pages(caller.clone(), listing, None)
        .then(move |page| {
            let (node, directory, taken) = (node.clone(), directory.clone(), taken.clone());
            async move {
                let step = page?;
                let Some(item) = step.item else { return Ok(Vec::new()) };
                let mut members = Vec::new();
                for member in class::decode::<Page>(&item.value)?.members {
                    let wanted = match &taken {
                        Some(migration) => migration.takes(&node, &member).await?,
                        None => member.kind == ObjectType::Object,
                    };
                    if wanted {
                        let path = match &directory {
                            Target::Path(path) => Target::from(&Path::parse(path)?.join(&member.name)?),
                            Target::Id(_) | Target::ResultOf(_) => Target::Id(member.id),
                        };
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

/// A call on each member, in their order, each a transaction with an outcome of its own; or, in a transaction, an operation of it.
fn member_calls<B: Backend>(
    caller: Caller<B>,
    op: Op,
    call: MethodCall,
    members: BoxStream<'static, Member>,
) -> Items {
    members
        .map(move |member| {
            let (caller, op, call) = (caller.clone(), op.clone(), call.clone());
            async move {
                let (name, path, listed) = member?;
                let key = caller.key.clone().map(|key| RequestKey { part: name.clone(), ..key });
                let reply = if caller.tx.is_some() {
                    caller.run(key.as_ref(), at(&op, path)).await
                } else {
                    let call = MethodCall { path, ..call };
                    call::run(&caller.node, &caller.principal, key.as_ref(), call, caller.now).await
                };
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
        let Caller { node, principal, key, now, .. } = caller;
        let reply = call::run_all(&node, &principal, key.as_ref(), &call, paths.as_deref(), now).await;
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
