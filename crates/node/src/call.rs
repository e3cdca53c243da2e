//! Method calls: a call is a transaction, run again after a conflict, with its outcome in the same commit.

use crate::dispatch::dispatch;
use crate::method_fs::{Caller, MethodFs};
use crate::migrate::Migration;
use crate::node::{Node, Reply, RequestKey, too_much_contention};
use crate::source_lines;
use emerge_engine::{Backend, CommitError, ObjectForCall, Principal, Tx};
use emerge_proto::class::encode;
use emerge_proto::guard::Guard;
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
    /// Class versions that the caller trusts with all of the caller's rights.
    pub(crate) trusted: Arc<[ClassHash]>,
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
        let trusted = trusted(with.and_then(|with| with.trusted.as_deref()))?;
        Ok(Self { deadline, kwargs, trusted, ..Self::of(path, method, args, log) })
    }

    fn of(path: Target, method: String, args: Vec<u8>, log: bool) -> Self {
        Self {
            path,
            method,
            args,
            log,
            kwargs: None,
            deadline: None,
            trusted: Arc::default(),
            work: Work::Call,
        }
    }

    /// The call of a query object's own method.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub(crate) fn query(path: Target, trusts: Option<&[ClassHash]>) -> Result<Self> {
        let args = Value::List(Vec::new()).encode();
        let trusted = trusted(trusts)?;
        Ok(Self { work: Work::Query, trusted, ..Self::of(path, QUERY.to_owned(), args, false) })
    }

    /// The migration of an object.
    pub(crate) fn migrate(path: Target, migration: Migration) -> Self {
        Self { work: Work::Migrate(Arc::new(migration)), ..Self::of(path, String::new(), Vec::new(), false) }
    }
}

/// What a caller says to trust.
///
/// # Errors
/// `limit_exceeded`.
fn trusted(trusted: Option<&[ClassHash]>) -> Result<Arc<[ClassHash]>> {
    match trusted {
        Some(trusted) if trusted.len() > limits::MAX_TRUSTED => {
            let why =
                format!("a call is of a caller who trusts {} class versions at most", limits::MAX_TRUSTED);
            Err(Error::new(ErrorCode::LimitExceeded, why).field("trusted").limit(limits::MAX_TRUSTED as u64))
        }
        trusted => Ok(trusted.unwrap_or_default().into()),
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
        let object = match attempt.object(&call, &attempt.caller).await {
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
        let called = match attempt.perform(object, &call, &attempt.caller, 0).await {
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
    let caller = Arc::new(principal.clone());
    let attempt = Arc::new(Attempt {
        node: node.clone(),
        caller: caller.clone(),
        now,
        tx,
        over: AtomicBool::new(false),
    });
    let _ending = Ending(attempt.clone());
    let done = MethodFs::outermost(&attempt).request(op).await;
    // What comes after it is the caller's own, and no longer a method's.
    drop(attempt.lock(&caller).await);
    done
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
    caller: Arc<Principal>,
    now: i64,
    /// Gone once the attempt has ended, so that a method that lives on can change nothing.
    tx: Arc<Mutex<Option<Tx<B>>>>,
    /// The same, where the transaction goes on.
    over: AtomicBool,
}

impl<B: Backend> Attempt<B> {
    fn new(node: &Node<B>, principal: &Principal, now: i64) -> Arc<Self> {
        let tx = node.begin(principal, now);
        Arc::new(Self {
            node: node.clone(),
            caller: tx.principal().clone(),
            now,
            tx: Arc::new(Mutex::new(Some(tx))),
            over: AtomicBool::new(false),
        })
    }

    /// The transaction, alone, in which these rights count; see [`open`].
    pub(crate) async fn lock(&self, rights: &Arc<Principal>) -> MutexGuard<'_, Option<Tx<B>>> {
        let mut tx = self.tx.lock().await;
        if let Some(tx) = &mut *tx {
            tx.act_as(rights);
        }
        tx
    }

    /// Who asked for it.
    pub(crate) fn caller(&self) -> &Arc<Principal> {
        &self.caller
    }

    /// Whether the attempt has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The object of a call.
    pub(crate) async fn object(&self, call: &MethodCall, rights: &Arc<Principal>) -> Result<ObjectForCall> {
        let mut tx = self.lock(rights).await;
        let tx = open(&mut tx)?;
        match call.work {
            Work::Migrate(_) => tx.object_to_migrate(&call.path).await,
            Work::Call | Work::Query => tx.object_for_call(&call.path).await,
        }
    }

    pub(crate) async fn dispatch(
        &self,
        op: &Op,
        methods: &[MethodDecl],
        rights: &Arc<Principal>,
    ) -> Result<Vec<u8>> {
        dispatch(open(&mut *self.lock(rights).await)?, op, methods).await
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
            let called =
                async { self.perform(self.object(&one, &self.caller).await?, &one, &self.caller, 0).await };
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
        let directory = open(&mut *self.lock(&self.caller).await)?.path_of(target).await?;
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
            let page: Page = class::decode(&self.dispatch(&list, &[], &self.caller).await?)?;
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

    /// Does the work of a call on its object, in this attempt's transaction. `rights` are those of who calls: of the object itself is read and written what
    /// these allow, and the method's file system may do what who answers for its code may too.
    pub(crate) fn perform<'a>(
        self: &'a Arc<Self>,
        object: ObjectForCall,
        call: &'a MethodCall,
        rights: &'a Arc<Principal>,
        depth: usize,
    ) -> BoxFuture<'a, Result<Called>> {
        match &call.work {
            Work::Call | Work::Query => self.invoke(object, call, rights, depth),
            Work::Migrate(migration) => Box::pin(async move {
                let caller = Caller { attempt: self, rights, trusted: &call.trusted, depth };
                migration.migrate(&caller, object).await
            }),
        }
    }

    /// Runs a method in this attempt's transaction.
    fn invoke<'a>(
        self: &'a Arc<Self>,
        mut object: ObjectForCall,
        call: &'a MethodCall,
        rights: &'a Arc<Principal>,
        depth: usize,
    ) -> BoxFuture<'a, Result<Called>> {
        Box::pin(async move {
            let (lineage, captured, shows_source, owner) = {
                let mut tx = self.lock(rights).await;
                let tx = open(&mut tx)?;
                let lineage = tx.class(object.class).await?;
                // Who may call it need not be one who may read its class.
                let shows_source = match lineage.first() {
                    Some(class) if !object.readable => tx.all_own_version(class).await?,
                    _ => true,
                };
                let sources: Vec<&ClassSource> = lineage.iter().map(|class| &class.source).collect();
                let captured = tx.captured_by(&sources).await?;
                let owner = tx.rights_of_mark(&object).await?;
                (lineage, captured, shows_source, owner)
            };
            let nobody = Arc::default();
            // What the caller trusts lends the caller's rights, and not the owner's.
            let (rights, trusted) = match &owner {
                Some(owner) => (owner, &nobody),
                None => (rights, &call.trusted),
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
            let caller = Caller { attempt: self, rights, trusted, depth };
            let fs = caller.fs(&request, &object.owner).await?;
            let called = self.node.runtime().call(request, fs).await;
            let returned =
                if shows_source || !Guard::Source.holds() { called } else { source_lines::hide(called) }?;
            let state = match before {
                Some(before) => {
                    let state = returned.state.as_deref().unwrap_or(&before);
                    Some(self.with_results(state, &returned.result)?)
                }
                None => returned.state,
            };
            let version = match state {
                Some(state) => {
                    let mut tx = self.lock(rights).await;
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
            user: self.caller.user.clone(),
            now_micros: self.now,
            seed: self.node.seed(),
            deadline: deadline.map_or(options.call_deadline, |deadline| deadline.min(options.call_deadline)),
            memory: options.call_memory,
            log: false,
        }
    }

    /// The time of the call.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// The node that this is an attempt on.
    pub(crate) fn node(&self) -> &Node<B> {
        &self.node
    }

    /// The state of a query object with what its query gave, when and for whom.
    fn with_results(&self, state: &[u8], results: &[u8]) -> Result<Vec<u8>> {
        let (at, by) = (Value::DateTime(self.now).encode(), Value::Text(self.caller.user.clone()).encode());
        let kept = raw::build(&[("results", results), ("results_at", &at[..]), ("results_by", &by[..])]);
        raw::patch(state, &kept, &[])
    }
}

/// The transaction of an attempt that has not ended.
pub(crate) fn open<B: Backend>(tx: &mut Option<Tx<B>>) -> Result<&mut Tx<B>> {
    tx.as_mut().ok_or_else(ended)
}

pub(crate) fn ended() -> Error {
    Error::new(ErrorCode::Cancelled, "the call has ended")
}
