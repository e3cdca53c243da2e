//! Method calls: a call is a transaction, run again after a conflict, with its outcome in the same commit.

use crate::dispatch::dispatch;
use crate::node::{Node, Reply, RequestKey, too_much_contention};
use emerge_engine::{Backend, CommitError, ObjectForCall, Principal, Tx};
use emerge_proto::class::encode;
use emerge_proto::op::Target;
use emerge_proto::record::Called;
use emerge_proto::{ClassSource, Error, ErrorCode, MethodDecl, Op, Result, limits};
use emerge_runtime::{BoxFuture, Call, Fs};
use futures_util::lock::Mutex;
use std::sync::Arc;

/// What a request asks to be called.
#[derive(Clone, Debug)]
pub(crate) struct MethodCall {
    pub(crate) path: Target,
    pub(crate) method: String,
    pub(crate) args: Vec<u8>,
    pub(crate) log: bool,
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
    let mut bases = Vec::with_capacity(class.bases.len());
    for base in &class.bases {
        bases.push(node.engine().class(base.hash).await?.to_vec());
    }
    let sources: Vec<&ClassSource> =
        std::iter::once(class).chain(bases.iter().flatten().map(|base| &base.source)).collect();
    let captured = node.engine().begin(Principal::admin(), 0, 0).captured_by(&sources).await?;
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
        let object = match attempt.object(&call.path).await {
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
        let called = match attempt.invoke(object, &call, 0).await {
            Ok(called) => called,
            Err(error) => match attempt.failed(error).await {
                Some(reply) => return reply,
                None => continue,
            },
        };
        let Some(tx) = attempt.tx.lock().await.take() else {
            return Reply::error(Error::new(ErrorCode::Internal, "the call's transaction is gone"));
        };
        let reply = encode(&called);
        match tx.commit(key.map(|key| key.outcome(reply.clone()))).await {
            Ok(commit) => return Reply { result: Ok(reply), depends_on: commit.number },
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

/// One attempt at a call: its transaction, shared with the operations that the method asks for.
struct Attempt<B: Backend> {
    node: Node<B>,
    user: String,
    now: i64,
    /// Gone once the attempt has ended, so that a method that lives on can change nothing.
    tx: Mutex<Option<Tx<B>>>,
}

impl<B: Backend> Attempt<B> {
    fn new(node: &Node<B>, principal: &Principal, now: i64) -> Arc<Self> {
        Arc::new(Self {
            node: node.clone(),
            user: principal.user.clone(),
            now,
            tx: Mutex::new(Some(node.begin(principal, now))),
        })
    }

    async fn object(&self, target: &Target) -> Result<ObjectForCall> {
        self.tx.lock().await.as_mut().ok_or_else(ended)?.object_for_call(target).await
    }

    async fn dispatch(&self, op: &Op, methods: &[MethodDecl]) -> Result<Vec<u8>> {
        dispatch(self.tx.lock().await.as_mut().ok_or_else(ended)?, op, methods).await
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

    /// Runs a method in this attempt's transaction.
    fn invoke<'a>(
        self: &'a Arc<Self>,
        mut object: ObjectForCall,
        call: &'a MethodCall,
        depth: usize,
    ) -> BoxFuture<'a, Result<Called>> {
        Box::pin(async move {
            let lineage = self.tx.lock().await.as_mut().ok_or_else(ended)?.class(object.class).await?;
            let captured = {
                let mut tx = self.tx.lock().await;
                let sources: Vec<&ClassSource> = lineage.iter().map(|class| &class.source).collect();
                tx.as_mut().ok_or_else(ended)?.captured_by(&sources).await?
            };
            let options = self.node.options();
            let request = Call {
                lineage: lineage.to_vec(),
                captured,
                path: object.path.clone(),
                state: std::mem::take(&mut object.state),
                method: call.method.clone(),
                args: call.args.clone(),
                user: self.user.clone(),
                now_micros: self.now,
                seed: self.node.seed(),
                deadline: options.call_deadline,
                memory: options.call_memory,
                log: call.log,
            };
            let fs = Arc::new(MethodFs { attempt: self.clone(), depth });
            let returned = self.node.runtime().call(request, fs).await?;
            let version = match returned.state {
                Some(state) => {
                    let mut tx = self.tx.lock().await;
                    let tx = tx.as_mut().ok_or_else(ended)?;
                    Some(tx.set_state(&object, &state, &call.method).await?.version)
                }
                None => None,
            };
            Ok(Called { result: returned.result, version, log: call.log.then_some(returned.log) })
        })
    }
}

/// The file system inside a method: each operation joins the call's transaction.
struct MethodFs<B: Backend> {
    attempt: Arc<Attempt<B>>,
    depth: usize,
}

impl<B: Backend> Fs for MethodFs<B> {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            match op {
                Op::Call { path, method, args, log, after: _ } => {
                    let depth = self.depth + 1;
                    if depth > limits::MAX_CALL_DEPTH {
                        return Err(Error::new(
                            ErrorCode::LimitExceeded,
                            format!("calls nest deeper than {}", limits::MAX_CALL_DEPTH),
                        )
                        .limit(limits::MAX_CALL_DEPTH as u64));
                    }
                    let call = MethodCall { path, method, args, log };
                    let object = self.attempt.object(&call.path).await?;
                    Ok(encode(&self.attempt.invoke(object, &call, depth).await?))
                }
                Op::PutClass { ref class } => {
                    let methods = analyse(&self.attempt.node, class).await?;
                    self.attempt.dispatch(&op, &methods).await
                }
                op => self.attempt.dispatch(&op, &[]).await,
            }
        })
    }
}

fn ended() -> Error {
    Error::new(ErrorCode::Cancelled, "the call has ended")
}
