//! The file system inside a method, with the rights that the method has.

use crate::call::{Attempt, MethodCall, analyse, ended, open};
use crate::migrate::Migration;
use crate::{mixin, search};
use emerge_engine::{Backend, Code, Principal, Tx};
use emerge_proto::class::encode;
use emerge_proto::guard::Guard;
use emerge_proto::{ClassHash, ClassSource, Error, ErrorCode, Op, Result, limits};
use emerge_runtime::{BoxFuture, Call, Fs};
use futures_util::lock::MutexGuard;
use std::sync::Arc;

/// The file system inside a method: each operation joins the call's transaction.
pub(crate) struct MethodFs<B: Backend> {
    attempt: Arc<Attempt<B>>,
    depth: usize,
    /// What the method may do: what its caller and all who answer for its code may.
    rights: Arc<Principal>,
    /// Class versions that the caller trusts.
    trusted: Arc<[ClassHash]>,
    /// The first owner of the class whose method runs; none where no method does.
    owner: Option<String>,
}

/// Who calls a method, within an attempt.
pub(crate) struct Caller<'a, B: Backend> {
    pub(crate) attempt: &'a Arc<Attempt<B>>,
    /// What who calls may do.
    pub(crate) rights: &'a Arc<Principal>,
    /// Class versions that the caller trusts.
    pub(crate) trusted: &'a Arc<[ClassHash]>,
    /// How deep the method runs.
    pub(crate) depth: usize,
}

impl<B: Backend> Caller<'_, B> {
    /// The transaction, alone, with the rights of who calls; see [`open`].
    pub(crate) async fn lock(&self) -> MutexGuard<'_, Option<Tx<B>>> {
        self.attempt.lock(self.rights).await
    }

    /// The file system of the method of a call on an object of this owner.
    pub(crate) async fn fs(&self, call: &Call, object_owner: &str) -> Result<Arc<dyn Fs>> {
        let code =
            Code { lineage: &call.lineage, captured: &call.captured, object_owner, trusted: self.trusted };
        let rights = open(&mut *self.lock().await)?.narrowed(self.rights, &code).await?;
        Ok(Arc::new(MethodFs {
            attempt: self.attempt.clone(),
            depth: self.depth,
            rights,
            trusted: self.trusted.clone(),
            owner: call.lineage.first().map(|class| class.owner.clone()),
        }))
    }
}

impl<B: Backend> MethodFs<B> {
    /// That of a client's own operation, which is no method's.
    pub(crate) fn outermost(attempt: &Arc<Attempt<B>>) -> Self {
        Self {
            attempt: attempt.clone(),
            depth: 0,
            rights: attempt.caller().clone(),
            trusted: Arc::default(),
            owner: None,
        }
    }

    /// The transaction, alone, with the method's rights; see [`open`].
    async fn lock(&self) -> MutexGuard<'_, Option<Tx<B>>> {
        self.attempt.lock(&self.rights).await
    }

    async fn call(&self, call: MethodCall) -> Result<Vec<u8>> {
        let depth = self.depth + 1;
        if depth > limits::MAX_CALL_DEPTH && Guard::Depth.holds() {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("calls nest deeper than {}", limits::MAX_CALL_DEPTH),
            )
            .limit(limits::MAX_CALL_DEPTH as u64));
        }
        let call = match self.owner {
            // A client's own operation, in its transaction.
            None => call,
            Some(_) if !Guard::Trust.holds() && !call.trusted.is_empty() => call,
            Some(_) => MethodCall { trusted: self.trusted.clone(), ..call },
        };
        let object = self.attempt.object(&call, &self.rights).await?;
        Ok(encode(&self.attempt.perform(object, &call, &self.rights, depth).await?))
    }

    /// Refuses to be told by a method what its caller trusts.
    fn check_trust(&self, trusted: Option<&[ClassHash]>) -> Result<()> {
        if self.owner.is_none() || trusted.is_none() || !Guard::Trust.holds() {
            return Ok(());
        }
        let why = "what a caller trusts is said by the caller, and by no method";
        Err(Error::new(ErrorCode::BadArgument, why).field("trusted"))
    }

    /// A class version that the method meets. Sandboxes run its code within the method when it has the owner of the running class, so that of several owners
    /// that one is told: the running class's first, who answers for both sources. Who stored the running class later does not count: what its method knows,
    /// which its caller need not be allowed to read, would be open to anybody's code. Code for which nobody answers whose rights the method's do not exceed
    /// does not run either, such as more of who wrote a class that the caller trusts: then nobody is told.
    async fn class(&self, hash: ClassHash) -> Result<Vec<u8>> {
        let mut tx = self.lock().await;
        let tx = open(&mut tx)?;
        let mut info = tx.class_by_hash(hash).await?;
        let lineage = tx.class(hash).await?;
        if let (Some(owner), Some(met)) = (&self.owner, info.lineage.first_mut())
            && tx.owns_version(met, owner).await?
        {
            let sources: Vec<&ClassSource> = lineage.iter().map(|class| &class.source).collect();
            let captured = tx.captured_by(&sources).await?;
            let code =
                Code { lineage: &lineage, captured: &captured, object_owner: owner, trusted: &self.trusted };
            match tx.may_join(&code).await? {
                true => met.owner.clone_from(owner),
                false => met.owner.clear(),
            }
        }
        Ok(encode(&info))
    }
}

impl<B: Backend> Fs for MethodFs<B> {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            if self.attempt.is_over() {
                return Err(ended());
            }
            match op {
                Op::Call { path, method, args, log, after: _, with } => {
                    if with.as_ref().is_some_and(|with| with.paths.is_some()) {
                        let why =
                            "inside a method the objects are called one by one: all of it is one transaction";
                        return Err(Error::new(ErrorCode::BadArgument, why).field("paths"));
                    }
                    self.check_trust(with.as_deref().and_then(|with| with.trusted.as_deref()))?;
                    self.call(MethodCall::new(path, method, args, log, with.as_deref())?).await
                }
                Op::Query { path, trusted } => {
                    self.check_trust(trusted.as_deref())?;
                    self.call(MethodCall::query(path, trusted.as_deref())?).await
                }
                Op::Migrate { path, class, how, from, after: _ } => {
                    let migration = {
                        let mut tx = self.lock().await;
                        Migration::prepare(self.attempt.node(), open(&mut tx)?, class, how, from).await?
                    };
                    self.call(MethodCall::migrate(path, migration)).await
                }
                Op::Mixin { first, second, to, name } => {
                    let mut tx = self.lock().await;
                    mixin::mixin(self.attempt.node(), open(&mut tx)?, &first, &second, &to, name.as_deref())
                        .await
                }
                Op::Class { path: None, hash: Some(hash), name: None } => self.class(hash).await,
                Op::PutClass { ref class } => {
                    let methods = analyse(self.attempt.node(), class).await?;
                    self.attempt.dispatch(&op, &methods, &self.rights).await
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
                    let mut tx = self.lock().await;
                    let place =
                        search::Place { node: self.attempt.node(), now: self.attempt.now(), noted: true };
                    search::reply(&place, open(&mut tx)?, &op).await
                }
                op => self.attempt.dispatch(&op, &[], &self.rights).await,
            }
        })
    }
}
