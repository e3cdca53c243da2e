//! Method calls: a call is a transaction, run again after a conflict, with its outcome in the same commit.

use crate::dispatch::dispatch;
use crate::migrate::Migration;
use crate::mixin;
use crate::node::{Node, Reply, RequestKey, too_much_contention};
use crate::search;
use crate::source_lines;
use emerge_engine::{Backend, CommitError, ObjectForCall, Principal, Tx};
use emerge_proto::class::encode;
use emerge_proto::op::{CallWith, Target};
use emerge_proto::record::{Called, MemberCalled, ObjectType, Page};
use emerge_proto::value::raw;
use emerge_proto::{
    ClassHash, ClassSource, ClassVersion, Error, ErrorCode, MethodDecl, Op, Path, Result, Value, class,
    limits,
};
use emerge_runtime::{BoxFuture, Call, Fs};
use futures_util::lock::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The method of a query object.
const QUERY: &str = "query";

/// What a request asks to be called.
#[derive(Clone, Debug)]
pub(crate) struct MethodCall {
    pub(crate) path: Target,
    pub(crate) method: String,
    pub(crate) args: Vec<u8>,
    pub(crate) log: bool,
    pub(crate) kwargs: Option<Vec<u8>>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) work: Work,
}

/// What is made of a call.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Its result goes to the caller.
    Call,
    /// Its results are kept in the object.
    Query,
    /// The object gets another class.
    Migrate(Arc<Migration>),
}

impl MethodCall {
    /// A plain call of a method, which `with` may say more of.
    ///
    /// # Errors
    /// `bad_argument`: a method that has no time cannot run, so a deadline of 0 is a mistake by whichever door it came.
    pub(crate) fn new(
        path: Target,
        method: String,
        args: Vec<u8>,
        log: bool,
        with: Option<&CallWith>,
    ) -> Result<Self> {
        if with.is_some_and(|with| with.deadline_ms == Some(0)) {
            let why = "a deadline is 1 millisecond at least; without one the node's own counts";
            return Err(Error::new(ErrorCode::BadArgument, why).field("deadline"));
        }
        let kwargs = with.and_then(|with| with.kwargs.clone());
        let deadline = with.and_then(|with| with.deadline_ms).map(Duration::from_millis);
        Ok(Self { deadline, kwargs, ..Self::of(path, method, args, log) })
    }

    fn of(path: Target, method: String, args: Vec<u8>, log: bool) -> Self {
        Self { path, method, args, log, kwargs: None, deadline: None, work: Work::Call }
    }

    /// The call of a query object's own method.
    pub(crate) fn query(path: Target) -> Self {
        let args = Value::List(Vec::new()).encode();
        Self { work: Work::Query, ..Self::of(path, QUERY.to_owned(), args, false) }
    }

    /// The migration of an object.
    pub(crate) fn migrate(path: Target, migration: Migration) -> Self {
        Self { work: Work::Migrate(Arc::new(migration)), ..Self::of(path, String::new(), Vec::new(), false) }
    }
}

/// Checks a class with the runtime, before it is kept.
pub(crate) async fn analyse<B: Backend>(node: &Node<B>, class: &ClassSource) -> Result<Vec<MethodDecl>> {
    class.check()?;
    // A version that the node has already needs no second analysis.
    if let Ok(known) = node.engine().class(class.hash()).await
        && let Some(known) = known.first()
    {
        return Ok(known.methods.clone());
    }
    let mut tx = node.engine().begin(Principal::admin(), 0, 0);
    analyse_in(node, &mut tx, class).await
}

/// Checks a class whose bases and captures a transaction sees.
pub(crate) async fn analyse_in<B: Backend>(
    node: &Node<B>,
    tx: &mut Tx<B>,
    class: &ClassSource,
) -> Result<Vec<MethodDecl>> {
    let mut bases = Vec::with_capacity(class.bases.len());
    for base in &class.bases {
        bases.push(tx.class(base.hash).await?.to_vec());
    }
    let sources: Vec<&ClassSource> =
        std::iter::once(class).chain(bases.iter().flatten().map(|base| &base.source)).collect();
    let captured = tx.captured_by(&sources).await?;
    if !captured.is_empty() {
        bases.push(captured);
    }
    node.runtime().analyse(class, &bases).await
}

/// Runs a method of one object, to the end.
pub(crate) async fn run<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    call: MethodCall,
    now: i64,
) -> Reply {
    let mut turn = None;
    for _ in 0..limits::MAX_RETRIES {
        match node.earlier_outcome(key).await {
            Ok(None) => {}
            Ok(Some(reply)) => return reply,
            Err(error) => return Reply::error(error),
        }
        let attempt = Attempt::new(node, principal, now);
        let object = match attempt.object(&call).await {
            Ok(object) => object,
            Err(error) => match attempt.failed(error).await {
                Some(reply) => return reply,
                None => continue,
            },
        };
        let id = object.id;
        if turn.is_none() {
            turn = node.hot().turn_if_hot(id).await;
            if turn.is_some() {
                // What was read before the wait is stale by now.
                continue;
            }
        }
        let called = match attempt.perform(object, &call, 0).await {
            Ok(called) => called,
            Err(error) => match attempt.failed(error).await {
                Some(reply) => return reply,
                None => continue,
            },
        };
        match attempt.commit(key, encode(&called)).await {
            Ok(reply) => return reply,
            Err(CommitError::Conflict) => {
                if turn.is_none() {
                    turn = Some(node.hot().turn(id).await);
                }
            }
            Err(CommitError::Error(error)) => return Reply::error(error),
        }
    }
    Reply::error(too_much_contention())
}

/// Runs a method on several objects in one transaction: all of it happens, or nothing. Replies with a list of [`MemberCalled`], none of which is a failure.
pub(crate) async fn run_all<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: Option<&RequestKey>,
    call: &MethodCall,
    paths: Option<&[String]>,
    now: i64,
) -> Reply {
    for _ in 0..limits::MAX_RETRIES {
        match node.earlier_outcome(key).await {
            Ok(None) => {}
            Ok(Some(reply)) => return reply,
            Err(error) => return Reply::error(error),
        }
        let attempt = Attempt::new(node, principal, now);
        let all = match attempt.all(call, paths).await {
            Ok(all) => all,
            Err(error) => match attempt.failed(error).await {
                Some(reply) => return reply,
                None => continue,
            },
        };
        match attempt.commit(key, encode(&all)).await {
            Ok(reply) => return reply,
            Err(CommitError::Conflict) => {}
            Err(CommitError::Error(error)) => return Reply::error(error),
        }
    }
    Reply::error(too_much_contention())
}

/// The objects that a call names, each once, in the order of their paths.
///
/// # Errors
/// `limit_exceeded`, `bad_path`.
pub(crate) fn named(paths: &[String]) -> Result<Vec<String>> {
    if paths.len() > limits::MAX_CALLED {
        return Err(too_many_called());
    }
    let mut named = paths.to_vec();
    named.sort_unstable();
    named.dedup();
    for path in &named {
        Path::parse(emerge_proto::inside::split(path).0)?;
    }
    Ok(named)
}

pub(crate) fn too_many_called() -> Error {
    let why = format!("one request calls a method on {} objects at most", limits::MAX_CALLED);
    Error::new(ErrorCode::LimitExceeded, why).limit(limits::MAX_CALLED as u64)
}

/// Runs an operation, calls and all that need the runtime included, in a transaction that goes on after it. The caller takes back what one that failed
/// has done.
pub(crate) async fn inside<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    tx: Arc<Mutex<Option<Tx<B>>>>,
    op: Op,
    now: i64,
) -> Result<Vec<u8>> {
    let attempt = Arc::new(Attempt {
        node: node.clone(),
        user: principal.user.clone(),
        now,
        tx,
        over: AtomicBool::new(false),
    });
    let _ending = Ending(attempt.clone());
    MethodFs { attempt, depth: 0, owner: None }.request(op).await
}

/// Ends an attempt, also one that nobody waits for any more.
struct Ending<B: Backend>(Arc<Attempt<B>>);

impl<B: Backend> Drop for Ending<B> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}

/// One attempt at a call: its transaction, shared with the operations that the method asks for.
pub(crate) struct Attempt<B: Backend> {
    node: Node<B>,
    user: String,
    now: i64,
    /// Gone once the attempt has ended, so that a method that lives on can change nothing.
    tx: Arc<Mutex<Option<Tx<B>>>>,
    /// The same, where the transaction goes on.
    over: AtomicBool,
}

impl<B: Backend> Attempt<B> {
    fn new(node: &Node<B>, principal: &Principal, now: i64) -> Arc<Self> {
        Arc::new(Self {
            node: node.clone(),
            user: principal.user.clone(),
            now,
            tx: Arc::new(Mutex::new(Some(node.begin(principal, now)))),
            over: AtomicBool::new(false),
        })
    }

    /// The transaction, alone; see [`open`].
    pub(crate) async fn lock(&self) -> MutexGuard<'_, Option<Tx<B>>> {
        self.tx.lock().await
    }

    async fn object(&self, call: &MethodCall) -> Result<ObjectForCall> {
        let mut tx = self.lock().await;
        let tx = open(&mut tx)?;
        match call.work {
            Work::Migrate(_) => tx.object_to_migrate(&call.path).await,
            Work::Call | Work::Query => tx.object_for_call(&call.path).await,
        }
    }

    async fn dispatch(&self, op: &Op, methods: &[MethodDecl]) -> Result<Vec<u8>> {
        dispatch(open(&mut *self.lock().await)?, op, methods).await
    }

    /// The reply for an error; none when the attempt should be made again, since what it read while others committed may
    /// never have been true together. A method that used up its time or memory is not run again.
    async fn failed(&self, error: Error) -> Option<Reply> {
        let tx = self.tx.lock().await;
        let exhausted = matches!(error.code, ErrorCode::DeadlineExceeded | ErrorCode::OutOfMemory);
        match tx.as_ref() {
            Some(tx) if !exhausted && !tx.is_current() => None,
            tx => Some(Reply { result: Err(error), depends_on: tx.map_or(0, Tx::depends_on) }),
        }
    }

    async fn commit(&self, key: Option<&RequestKey>, reply: Vec<u8>) -> Result<Reply, CommitError> {
        let tx = self.tx.lock().await.take();
        let tx = tx.ok_or_else(|| Error::new(ErrorCode::Internal, "the call's transaction is gone"))?;
        let commit = tx.commit(key.map(|key| key.outcome(reply.clone()))).await?;
        Ok(Reply { result: Ok(reply), depends_on: commit.number })
    }

    /// Calls on several objects, which end at the first that fails.
    async fn all(self: &Arc<Self>, call: &MethodCall, paths: Option<&[String]>) -> Result<Vec<MemberCalled>> {
        let members = match paths {
            Some(paths) => named(paths)?.into_iter().map(|path| (path.clone(), Target::Path(path))).collect(),
            None => self.members(&call.path).await?,
        };
        let mut all = Vec::with_capacity(members.len());
        for (name, path) in members {
            let one = MethodCall { path: path.clone(), ..call.clone() };
            let called = async { self.perform(self.object(&one).await?, &one, 0).await };
            let called = called.await.map_err(|mut error| {
                error.message = format!("{name}: {}", error.message);
                match &path {
                    Target::Path(path) if error.path.is_none() => error.at(path),
                    _ => error,
                }
            })?;
            all.push(MemberCalled { name, called: Some(called), error: None });
        }
        Ok(all)
    }

    /// The members of a directory that are objects.
    async fn members(&self, target: &Target) -> Result<Vec<(String, Target)>> {
        let directory = open(&mut *self.lock().await)?.path_of(target).await?;
        let mut members = Vec::new();
        let mut after = None;
        loop {
            let list = Op::List {
                path: target.clone(),
                after,
                limit: None,
                glob: None,
                sort: None,
                descending: None,
            };
            let page: Page = class::decode(&self.dispatch(&list, &[]).await?)?;
            for member in page.members.into_iter().filter(|member| member.kind == ObjectType::Object) {
                let path = directory.join(&member.name)?;
                members.push((member.name, (&path).into()));
            }
            if members.len() > limits::MAX_CALLED {
                return Err(too_many_called().at(&directory));
            }
            after = page.next;
            if after.is_none() {
                return Ok(members);
            }
        }
    }

    /// Does the work of a call on its object, in this attempt's transaction.
    fn perform<'a>(
        self: &'a Arc<Self>,
        object: ObjectForCall,
        call: &'a MethodCall,
        depth: usize,
    ) -> BoxFuture<'a, Result<Called>> {
        match &call.work {
            Work::Call | Work::Query => self.invoke(object, call, depth),
            Work::Migrate(migration) => Box::pin(migration.migrate(self, object, depth)),
        }
    }

    /// Runs a method in this attempt's transaction.
    fn invoke<'a>(
        self: &'a Arc<Self>,
        mut object: ObjectForCall,
        call: &'a MethodCall,
        depth: usize,
    ) -> BoxFuture<'a, Result<Called>> {
        Box::pin(async move {
            let (lineage, captured, shows_source) = {
                let mut tx = self.lock().await;
                let tx = open(&mut tx)?;
                let lineage = tx.class(object.class).await?;
                // Who may call it need not be one who may read its class.
                let shows_source = match lineage.first() {
                    Some(class) if !object.readable => tx.owns_version(class, &self.user).await?,
                    _ => true,
                };
                let sources: Vec<&ClassSource> = lineage.iter().map(|class| &class.source).collect();
                let captured = tx.captured_by(&sources).await?;
                (lineage, captured, shows_source)
            };
            let is_query = matches!(call.work, Work::Query);
            let before = is_query.then(|| object.state.clone());
            let request = Call {
                path: object.path.clone(),
                state: std::mem::take(&mut object.state),
                method: call.method.clone(),
                args: call.args.clone(),
                kwargs: call.kwargs.clone(),
                is_query,
                log: call.log,
                ..self.request(lineage.to_vec(), captured, call.deadline)
            };
            let fs = self.fs(depth, request.lineage.first());
            let called = self.node.runtime().call(request, fs).await;
            let returned = if shows_source { called } else { source_lines::hide(called) }?;
            let state = match before {
                Some(before) => {
                    let state = returned.state.as_deref().unwrap_or(&before);
                    Some(self.with_results(state, &returned.result)?)
                }
                None => returned.state,
            };
            let version = match state {
                Some(state) => {
                    let mut tx = self.lock().await;
                    Some(open(&mut tx)?.set_state(&object, &state, &call.method).await?.version)
                }
                None => None,
            };
            Ok(Called { result: returned.result, version, log: call.log.then_some(returned.log) })
        })
    }

    /// A call of this attempt's user and time, of which only what is particular to it is still to be said.
    pub(crate) fn request(
        &self,
        lineage: Vec<Arc<ClassVersion>>,
        captured: Vec<Arc<ClassVersion>>,
        deadline: Option<Duration>,
    ) -> Call {
        let options = self.node.options();
        Call {
            lineage,
            captured,
            path: String::new(),
            state: raw::EMPTY.to_vec(),
            method: String::new(),
            args: Vec::new(),
            kwargs: None,
            is_query: false,
            user: self.user.clone(),
            now_micros: self.now,
            seed: self.node.seed(),
            deadline: deadline.map_or(options.call_deadline, |deadline| deadline.min(options.call_deadline)),
            memory: options.call_memory,
            log: false,
        }
    }

    /// The file system for a method of a class that runs this deep.
    pub(crate) fn fs(self: &Arc<Self>, depth: usize, class: Option<&Arc<ClassVersion>>) -> Arc<dyn Fs> {
        let owner = class.map(|class| class.owner.clone());
        Arc::new(MethodFs { attempt: self.clone(), depth, owner })
    }

    /// The node that this is an attempt on.
    pub(crate) fn node(&self) -> &Node<B> {
        &self.node
    }

    /// The state of a query object with what its query gave, when and for whom.
    fn with_results(&self, state: &[u8], results: &[u8]) -> Result<Vec<u8>> {
        let (at, by) = (Value::DateTime(self.now).encode(), Value::Text(self.user.clone()).encode());
        let kept = raw::build(&[("results", results), ("results_at", &at[..]), ("results_by", &by[..])]);
        raw::patch(state, &kept, &[])
    }
}

/// The file system inside a method: each operation joins the call's transaction.
struct MethodFs<B: Backend> {
    attempt: Arc<Attempt<B>>,
    depth: usize,
    /// The first owner of the class whose method runs; none where no method does.
    owner: Option<String>,
}

impl<B: Backend> MethodFs<B> {
    async fn call(&self, call: MethodCall) -> Result<Vec<u8>> {
        let depth = self.depth + 1;
        if depth > limits::MAX_CALL_DEPTH {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("calls nest deeper than {}", limits::MAX_CALL_DEPTH),
            )
            .limit(limits::MAX_CALL_DEPTH as u64));
        }
        let object = self.attempt.object(&call).await?;
        Ok(encode(&self.attempt.perform(object, &call, depth).await?))
    }

    /// A class version that the method meets. Sandboxes run its code within the method when it has the owner of the running class, so of several owners
    /// that one is told: the running class's first, who answers for both sources. Who stored the running class later does not count: to store a known
    /// source would let anyone's code run with the rights of those who call it.
    async fn class(&self, hash: ClassHash) -> Result<Vec<u8>> {
        let mut tx = self.attempt.lock().await;
        let tx = open(&mut tx)?;
        let mut info = tx.class_by_hash(hash).await?;
        if let (Some(owner), Some(met)) = (&self.owner, info.lineage.first_mut())
            && tx.owns_version(met, owner).await?
        {
            met.owner.clone_from(owner);
        }
        Ok(encode(&info))
    }
}

impl<B: Backend> Fs for MethodFs<B> {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            if self.attempt.over.load(Ordering::Acquire) {
                return Err(ended());
            }
            match op {
                Op::Call { path, method, args, log, after: _, with } => {
                    if with.as_ref().is_some_and(|with| with.paths.is_some()) {
                        let why =
                            "inside a method the objects are called one by one: all of it is one transaction";
                        return Err(Error::new(ErrorCode::BadArgument, why).field("paths"));
                    }
                    self.call(MethodCall::new(path, method, args, log, with.as_deref())?).await
                }
                Op::Query { path } => self.call(MethodCall::query(path)).await,
                Op::Migrate { path, class, how, from, after: _ } => {
                    let migration = {
                        let mut tx = self.attempt.lock().await;
                        Migration::prepare(self.attempt.node(), open(&mut tx)?, class, how, from).await?
                    };
                    self.call(MethodCall::migrate(path, migration)).await
                }
                Op::Mixin { first, second, to, name } => {
                    let mut tx = self.attempt.lock().await;
                    mixin::mixin(self.attempt.node(), open(&mut tx)?, &first, &second, &to, name.as_deref())
                        .await
                }
                Op::Class { path: None, hash: Some(hash), name: None } => self.class(hash).await,
                Op::PutClass { ref class } => {
                    let methods = analyse(self.attempt.node(), class).await?;
                    self.attempt.dispatch(&op, &methods).await
                }
                // Whoever calls a method lends it rights over objects, not over people.
                Op::Users { .. } | Op::Groups { .. } | Op::Tokens { .. } | Op::Quotas { .. } => {
                    let place = if self.owner.is_none() { "for transactions" } else { "for methods" };
                    let why = format!(
                        "{:?} is not {place}: users, groups, tokens and quotas are administered by a client, each change by itself",
                        op.name()
                    );
                    Err(Error::new(ErrorCode::Unsupported, why))
                }
                Op::Search { .. } | Op::Explain { .. } => {
                    let mut tx = self.attempt.lock().await;
                    let place =
                        search::Place { node: self.attempt.node(), now: self.attempt.now, noted: true };
                    search::reply(&place, open(&mut tx)?, &op).await
                }
                op => self.attempt.dispatch(&op, &[]).await,
            }
        })
    }
}

/// The transaction of an attempt that has not ended.
pub(crate) fn open<B: Backend>(tx: &mut Option<Tx<B>>) -> Result<&mut Tx<B>> {
    tx.as_mut().ok_or_else(ended)
}

pub(crate) fn ended() -> Error {
    Error::new(ErrorCode::Cancelled, "the call has ended")
}
