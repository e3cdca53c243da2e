//! A node: an engine, a runtime, the sessions, and the running of one operation from beginning to end.

use crate::audit::{self, Asked, Audit};
use crate::call::{self, MethodCall};
use crate::dispatch::dispatch;
use crate::hot::HotObjects;
use crate::meter::{Allowances, Meters};
use crate::metered::Metered;
use crate::migrate::Migration;
use crate::mixin;
use crate::search;
use crate::session::{Identity, Known, Session, Sessions};
use crate::text::{TextIndex, Texts};
use crate::transaction;
use crate::transactions::Transactions;
use crate::watch::{self, Watches};
use core::net::IpAddr;
use emerge_engine::{Backend, Bearer, CommitError, Engine, Outcome, Principal, Tx};
use emerge_proto::account::UserAction;
use emerge_proto::frame::{Hello, Welcome};
use emerge_proto::guard::Guard;
use emerge_proto::watch::Change;
use emerge_proto::{Error, ErrorCode, MethodDecl, Op, Result, SessionId, limits};
use emerge_runtime::Runtime;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Says whom a token stands for.
pub trait Authenticator: Send + Sync {
    /// The caller, or none when the token is missing, wrong or expired. Compares in constant time.
    fn authenticate(&self, token: &str) -> Option<Principal>;

    /// For whom a token vouches that somebody else has made; none when it is not of such a kind.
    ///
    /// # Errors
    /// `unauthenticated`, when it is and is not valid.
    fn vouched(&self, token: &str) -> Option<Result<Vouched>> {
        let _ = token;
        None
    }
}

/// A user whom the node may know, for whom somebody else vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The user's name.
    pub user: String,
    /// Microseconds since 1970-01-01T00:00:00Z until when.
    pub expires: i64,
}

/// What a host decides.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The node's name, shown as `node` of what it holds.
    pub name: String,
    /// Secret randomness for session ids and the seeds of calls; 32 bytes from the host's source of randomness.
    pub entropy: [u8; 32],
    /// How long one method call may take.
    pub call_deadline: Duration,
    /// Bytes of memory for one method call.
    pub call_memory: usize,
    /// What each user and each address may take.
    pub allowances: Allowances,
}

impl NodeOptions {
    /// Options with the protocol's limits.
    pub fn new(name: impl Into<String>, entropy: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            entropy,
            call_deadline: Duration::from_millis(limits::CALL_DEADLINE_MS),
            call_memory: limits::CALL_MEMORY,
            allowances: Allowances::default(),
        }
    }
}

/// What an operation came to, and the commit that must be durable before anyone is told.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The encoded reply, or the error.
    pub result: Result<Vec<u8>>,
    /// The highest commit that it depends on; 0 for none.
    pub depends_on: u64,
}

impl Reply {
    pub(crate) fn error(error: Error) -> Self {
        Self { result: Err(error), depends_on: 0 }
    }
}

/// The key under which a request's outcome is kept.
#[derive(Clone, Debug)]
pub(crate) struct RequestKey {
    pub(crate) session: SessionId,
    pub(crate) user: String,
    pub(crate) seq: u64,
    pub(crate) acknowledged: u64,
    /// The member's name, in a call on a directory; empty otherwise.
    pub(crate) part: String,
}

impl RequestKey {
    pub(crate) fn outcome(&self, reply: Vec<u8>) -> Outcome {
        Outcome {
            session: self.session,
            seq: self.seq,
            part: self.part.clone(),
            user: self.user.clone(),
            acknowledged: self.acknowledged,
            reply,
        }
    }
}

/// A node. Cheap to clone; all clones are the same node.
pub struct Node<B: Backend> {
    shared: Arc<Shared<B>>,
}

struct Shared<B: Backend> {
    engine: Engine<B>,
    runtime: Arc<dyn Runtime>,
    authenticator: Arc<dyn Authenticator>,
    options: NodeOptions,
    sessions: Sessions,
    hot: HotObjects,
    transactions: Transactions<B>,
    watches: Arc<Watches>,
    wishes: search::Wishes,
    texts: Texts,
    meters: Arc<Meters>,
    audit: Option<Arc<dyn Audit>>,
    drawn: AtomicU64,
}

impl<B: Backend> Clone for Node<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<B: Backend> Node<B> {
    /// A node over an opened engine.
    pub fn new(
        engine: Engine<B>,
        runtime: Arc<dyn Runtime>,
        authenticator: Arc<dyn Authenticator>,
        options: NodeOptions,
    ) -> Self {
        let meters = Arc::new(Meters::new(options.allowances));
        let runtime = match options.allowances.user.run {
            0 => runtime,
            _ => Arc::new(Metered { runtime, meters: meters.clone() }),
        };
        let shared = Shared {
            engine,
            runtime,
            authenticator,
            options,
            sessions: Sessions::default(),
            hot: HotObjects::default(),
            transactions: Transactions::default(),
            watches: Arc::default(),
            wishes: search::Wishes::default(),
            texts: Texts::default(),
            meters,
            audit: None,
            drawn: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// As [`Node::new`], with a text index; without one there is no search for text.
    pub fn with_text(
        engine: Engine<B>,
        runtime: Arc<dyn Runtime>,
        authenticator: Arc<dyn Authenticator>,
        options: NodeOptions,
        text: Arc<dyn TextIndex>,
    ) -> Self {
        let mut node = Self::new(engine, runtime, authenticator, options);
        if let Some(shared) = Arc::get_mut(&mut node.shared) {
            shared.texts = Texts::new(Some(text));
        }
        node
    }

    /// The same, with somebody who writes down what is done. To be called before the node is cloned.
    pub fn with_audit(mut self, audit: Option<Arc<dyn Audit>>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.audit = audit;
        }
        self
    }

    /// What each user and each address takes.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.shared.meters
    }

    /// Who writes down what is done, if this is to be.
    pub fn audit(&self) -> Option<&dyn Audit> {
        self.shared.audit.as_deref()
    }

    /// Tells of what a caller asked for over HTTP, and what came of it.
    pub fn audited(&self, asked: Option<Asked>, caller: &Principal, result: Option<ErrorCode>, time: i64) {
        if let (Some(audit), Some(asked)) = (self.audit(), asked) {
            audit::tell(audit, &asked, Some(caller), caller.from, result, time);
        }
    }

    /// What an operation asks for, if it is to be told of.
    pub fn asked(&self, asked: impl FnOnce() -> Asked) -> Option<Asked> {
        let audit = self.audit()?;
        Some(asked()).filter(|asked| audit.wants(asked))
    }

    /// The engine that holds the objects.
    pub fn engine(&self) -> &Engine<B> {
        &self.shared.engine
    }

    /// What the host decided.
    pub fn options(&self) -> &NodeOptions {
        &self.shared.options
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.shared.runtime
    }

    pub(crate) fn wishes(&self) -> &search::Wishes {
        &self.shared.wishes
    }

    pub(crate) fn texts(&self) -> &Texts {
        &self.shared.texts
    }

    pub(crate) fn hot(&self) -> &HotObjects {
        &self.shared.hot
    }

    pub(crate) fn transactions(&self) -> &Transactions<B> {
        &self.shared.transactions
    }

    pub(crate) fn watches(&self) -> &Arc<Watches> {
        &self.shared.watches
    }

    /// Changes of what matches a pattern, in the order of their commits: from now on, when the first item says that it has begun, or after the change with
    /// a token. Only what is durable is told, and only what the watcher may know.
    ///
    /// # Errors
    /// `unauthenticated`, `bad_argument`, `limit_exceeded`; as an item `log_expired`, `storage_failed`, `unauthenticated`.
    pub async fn watch(
        &self,
        token: &str,
        pattern: &str,
        from: Option<&str>,
        now: i64,
    ) -> Result<impl Stream<Item = Result<Change>> + Send + use<B>> {
        let identity = self.identify(token, now).await?;
        let meter = self.meters().user(&identity.principal.user, now);
        meter.request(now)?;
        let seat = meter.stream()?;
        let changes = watch::changes(self, identity, None, pattern, from, now)?;
        // The place is the stream's as long as it is.
        Ok(changes.map(move |change| {
            let _held = &seat;
            change
        }))
    }

    /// Lets go of what has expired: the host calls it now and then.
    pub fn handle_timeout(&self, now: i64) {
        self.shared.transactions.expire(now);
        self.shared.meters.forget_idle(now);
    }

    /// Whom a token stands for: by the host's authenticator, or else one of the users whom the engine knows. For a request outside any session, which is
    /// counted; it came from an address, with so many bytes.
    ///
    /// # Errors
    /// `unauthenticated`, `limit_exceeded`, `storage_failed`.
    pub async fn authenticate(
        &self,
        token: &str,
        from: Option<IpAddr>,
        bytes: usize,
        now: i64,
    ) -> Result<Principal> {
        let principal = match self.identify(token, now).await {
            Ok(identity) => Principal { from, ..(*identity.principal).clone() },
            Err(error) => {
                self.refused(from, error.code, now);
                return Err(error);
            }
        };
        let meter = self.meters().user(&principal.user, now);
        meter.bytes(bytes, now);
        meter.request(now)?;
        Ok(principal)
    }

    /// Tells of a caller who is not let in.
    pub(crate) fn refused(&self, from: Option<IpAddr>, code: ErrorCode, now: i64) {
        if let Some(audit) = self.audit() {
            audit::tell(audit, &Asked::hello(), None, from, Some(code), now);
        }
    }

    async fn identify(&self, token: &str, now: i64) -> Result<Arc<Identity>> {
        if let Some(principal) = self.shared.authenticator.authenticate(token) {
            return Ok(Arc::new(Identity::of(principal)));
        }
        if let Some(vouched) = self.shared.authenticator.vouched(token) {
            let Vouched { user, expires } = vouched?;
            let known = self.vouched(&user, expires).await?;
            let known = known.ok_or_else(|| {
                let why = format!("the node knows no user {user:?}, for whom the token vouches");
                Error::new(ErrorCode::Unauthenticated, why)
            })?;
            return if known.is_over(now) && Guard::End.holds() { Err(expired(&user)) } else { Ok(known) };
        }
        let known = if token.is_empty() { None } else { self.account(Sha256::digest(token).into()).await? };
        if let Some(known) = &known
            && known.is_over(now)
            && Guard::End.holds()
        {
            return Err(expired(&known.principal.user));
        }
        if !Guard::Token.holds() {
            return Ok(Arc::new(Identity::of(Principal::admin())));
        }
        known.ok_or_else(|| {
            let why = if token.is_empty() { "a token is needed" } else { "the token is not valid here" };
            Error::new(
                ErrorCode::Unauthenticated,
                format!("{why}; the node prints its link with the token when it starts"),
            )
        })
    }

    async fn account(&self, token: [u8; 32]) -> Result<Option<Arc<Identity>>> {
        let engine = &self.shared.engine;
        // Before the records are read, so that what changes meanwhile is noticed.
        let generation = engine.accounts_generation();
        let bearer = engine.user_of_token(&token).await?;
        Ok(bearer.map(|Bearer { principal, expires }| {
            Arc::new(Identity {
                principal: Arc::new(principal),
                known: Known::Token(token),
                expires,
                generation,
            })
        }))
    }

    async fn vouched(&self, user: &str, expires: i64) -> Result<Option<Arc<Identity>>> {
        let engine = &self.shared.engine;
        let generation = engine.accounts_generation();
        let principal = engine.vouched_user(user).await?;
        Ok(principal.map(|principal| {
            let principal = Arc::new(principal);
            Arc::new(Identity { principal, known: Known::Vouched, expires: Some(expires), generation })
        }))
    }

    /// Whom a session stands for now; see [`Node::renewed`].
    ///
    /// # Errors
    /// `unauthenticated`, `storage_failed`.
    pub(crate) async fn principal_of(&self, session: &Session, now: i64) -> Result<Arc<Principal>> {
        let known = session.identity();
        let renewed = self.renewed(&known, now).await?;
        if !Arc::ptr_eq(&known, &renewed) {
            session.renew(renewed.clone());
        }
        Ok(renewed.principal.clone())
    }

    /// An identity as it is by now: who was removed, or whose token has ended or was taken back, may do nothing any more, and groups are those of now.
    ///
    /// # Errors
    /// `unauthenticated`, `storage_failed`.
    pub(crate) async fn renewed(&self, identity: &Arc<Identity>, now: i64) -> Result<Arc<Identity>> {
        if identity.is_over(now) {
            return Err(expired(&identity.principal.user));
        }
        if identity.generation == self.shared.engine.accounts_generation() {
            return Ok(identity.clone());
        }
        let user = &identity.principal.user;
        let renewed = match identity.known {
            Known::Host => return Ok(identity.clone()),
            Known::Token(token) => self.account(token).await?,
            Known::Vouched => self.vouched(user, identity.expires.unwrap_or_default()).await?,
        };
        let renewed = renewed.filter(|renewed| renewed.principal.user == *user);
        renewed.ok_or_else(|| {
            let why = format!("the token of user {user:?} is not valid any more");
            Error::new(ErrorCode::Unauthenticated, why)
        })
    }

    /// Whom a request stands for that goes on for long: the session's identity, or outside of one the caller as it is.
    pub(crate) fn identity_of(&self, session: Option<SessionId>, principal: &Principal) -> Arc<Identity> {
        let session = session.and_then(|id| self.shared.sessions.get(id));
        session.map_or_else(|| Arc::new(Identity::of(principal.clone())), |session| session.identity())
    }

    /// 32 bytes that nobody can foretell without the host's entropy.
    pub(crate) fn random(&self) -> [u8; 32] {
        let drawn = self.shared.drawn.fetch_add(1, Ordering::Relaxed);
        let mut hash = Sha256::new();
        hash.update(self.shared.options.entropy);
        hash.update(drawn.to_le_bytes());
        hash.finalize().into()
    }

    pub(crate) fn seed(&self) -> u64 {
        let mut seed = [0; 8];
        seed.copy_from_slice(&self.random()[..8]);
        u64::from_le_bytes(seed)
    }

    /// Begins a transaction of its own seed.
    pub(crate) fn begin(&self, principal: &Principal, now: i64) -> Tx<B> {
        self.shared.engine.begin(principal.clone(), now, self.seed())
    }

    /// Answers a hello: finds or makes the session and takes it over for this connection.
    ///
    /// # Errors
    /// `unsupported_version`, `unauthenticated`, `session_expired` (a newer connection has the session).
    pub(crate) async fn welcome(&self, hello: &Hello, now: i64) -> Result<(Arc<Session>, Welcome)> {
        let version = limits::PROTOCOL_VERSION;
        if !(hello.min_version..=hello.max_version).contains(&version) {
            return Err(Error::new(
                ErrorCode::UnsupportedVersion,
                format!(
                    "the client speaks protocol versions {} to {}; this node speaks {version}",
                    hello.min_version, hello.max_version
                ),
            )
            .limit(version.into()));
        }
        let identity = self.identify(&hello.token, now).await?;
        let known = match hello.session {
            Some(id) => self.find_session(id, &identity, now).await?,
            None => None,
        };
        let resumed = known.is_some();
        let session = known.unwrap_or_else(|| {
            let mut random = [0; 10];
            random.copy_from_slice(&self.random()[..10]);
            let id = SessionId::v7((now / 1000).max(0) as u64, random);
            self.shared.sessions.add(Session::new(id, identity.clone(), 0, now), now)
        });
        if !session.take(hello.connection) {
            return Err(Error::new(
                ErrorCode::SessionExpired,
                "a newer connection has taken this session over",
            ));
        }
        session.seen(now);
        if resumed {
            session.renew(identity);
            session.acknowledge(hello.acknowledged);
        }
        let welcome = Welcome {
            version,
            session: session.id,
            resumed,
            user: session.user.clone(),
            node: self.shared.options.name.clone(),
            time: now,
        };
        Ok((session, welcome))
    }

    async fn find_session(
        &self,
        id: SessionId,
        identity: &Arc<Identity>,
        now: i64,
    ) -> Result<Option<Arc<Session>>> {
        let user = &identity.principal.user;
        let foreign = || Error::new(ErrorCode::PermissionDenied, "the session belongs to another user");
        if let Some(session) = self.shared.sessions.get(id) {
            if session.user != *user {
                return Err(foreign());
            }
            // What was asked with a token for more is not answered to one for less.
            let scope = &identity.principal.scope;
            if scope.is_some() && *scope != session.identity().principal.scope {
                let why = "the session was begun with a token that grants other things";
                return Err(Error::new(ErrorCode::PermissionDenied, why));
            }
            return Ok(Some(session));
        }
        let acknowledged = match self.shared.engine.load_session(id).await? {
            Some(kept) if kept.user != *user => return Err(foreign()),
            Some(kept) => kept.acknowledged,
            // A session that has left no outcome has changed nothing since it was last collected, so that all its
            // requests may run again; but only while collection cannot have taken its outcomes away.
            None if now / 1000 - (id.unix_millis() as i64) < limits::SESSION_TTL_MS as i64 => 0,
            None => return Ok(None),
        };
        Ok(Some(self.shared.sessions.add(Session::new(id, identity.clone(), acknowledged, now), now)))
    }

    /// Ends a session for good.
    pub(crate) async fn forget(&self, session: &Session) -> Result<()> {
        self.shared.sessions.remove(session.id);
        self.shared.transactions.forget_session(session.id);
        self.shared.engine.forget_session(session.id).await
    }

    /// Runs one operation outside any session, to the end: for HTTP and for hosts.
    ///
    /// # Errors
    /// Whatever the operation gives, and `storage_failed`.
    pub async fn execute(&self, principal: &Principal, op: Op, now: i64) -> Result<Vec<u8>> {
        let reply = self.run(principal, None, op, now).await;
        if reply.depends_on > 0 {
            self.shared.engine.durable(reply.depends_on).await?;
        }
        reply.result
    }

    /// Runs one operation; the caller sees to the output gate.
    pub(crate) async fn run(
        &self,
        principal: &Principal,
        key: Option<&RequestKey>,
        op: Op,
        now: i64,
    ) -> Reply {
        match op {
            Op::Call { path, method, args, log, after: _, with } => {
                let call = match MethodCall::new(path, method, args, log, with.as_deref()) {
                    Ok(call) => call,
                    Err(error) => return Reply::error(error),
                };
                match with {
                    Some(with) if with.atomic == Some(true) => {
                        call::run_all(self, principal, key, &call, with.paths.as_deref(), now).await
                    }
                    Some(with) if with.paths.is_some() => {
                        Reply::error(streams_only("a call of several objects"))
                    }
                    _ => call::run(self, principal, key, call, now).await,
                }
            }
            Op::Query { path, trusted } => match MethodCall::query(path, trusted.as_deref()) {
                Ok(call) => call::run(self, principal, key, call, now).await,
                Err(error) => Reply::error(error),
            },
            Op::Migrate { path, class, how, from, after: _ } => {
                let mut tx = self.begin(principal, now);
                match Migration::prepare(self, &mut tx, class, how, from).await {
                    Ok(migration) => {
                        call::run(self, principal, key, MethodCall::migrate(path, migration), now).await
                    }
                    Err(error) => Reply { result: Err(error), depends_on: tx.depends_on() },
                }
            }
            op @ (Op::Begin { .. } | Op::In { .. } | Op::End { .. } | Op::Transactions { .. }) => {
                transaction::run(self, principal, key, op, now).await
            }
            op => {
                let methods = match &op {
                    Op::PutClass { class } => match call::analyse(self, class).await {
                        Ok(methods) => methods,
                        Err(error) => return Reply::error(error),
                    },
                    _ => Vec::new(),
                };
                self.transaction(principal, key.filter(|_| op.may_write()), &op, &methods, now).await
            }
        }
    }

    /// Runs an operation in a transaction and commits it with its outcome; again after each conflict.
    async fn transaction(
        &self,
        principal: &Principal,
        key: Option<&RequestKey>,
        op: &Op,
        methods: &[MethodDecl],
        now: i64,
    ) -> Reply {
        for _ in 0..limits::MAX_RETRIES {
            match self.earlier_outcome(key).await {
                Ok(None) => {}
                Ok(Some(reply)) => return reply,
                Err(error) => return Reply::error(error),
            }
            let mut tx = self.begin(principal, now);
            let done = match op {
                Op::Mixin { first, second, to, name } => {
                    mixin::mixin(self, &mut tx, first, second, to, name.as_deref()).await
                }
                Op::Search { .. } | Op::Explain { .. } => {
                    let place = search::Place { node: self, now, noted: false };
                    search::reply(&place, &mut tx, op).await
                }
                op => dispatch(&mut tx, op, methods).await,
            };
            let reply = match done {
                Ok(reply) => reply,
                // What was read while others committed may never have been true together.
                Err(_) if !tx.is_current() => continue,
                // An error tells of what was read, so it too waits until that is durable.
                Err(error) => return Reply { result: Err(error), depends_on: tx.depends_on() },
            };
            match tx.commit(key.map(|key| key.outcome(reply.clone()))).await {
                Ok(commit) => {
                    if let Op::Users { action: UserAction::Remove, name: Some(name), .. } = op {
                        self.shared.transactions.forget_user(name);
                    }
                    return Reply { result: Ok(reply), depends_on: commit.number };
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Error(error)) => return Reply::error(error),
            }
        }
        Reply::error(too_much_contention())
    }

    /// The reply that an earlier run of the same request committed.
    pub(crate) async fn earlier_outcome(&self, key: Option<&RequestKey>) -> Result<Option<Reply>> {
        let Some(key) = key else { return Ok(None) };
        let kept = self.shared.engine.outcome(key.session, key.seq, &key.part).await?;
        Ok(kept.map(|kept| Reply { result: Ok(kept.reply), depends_on: kept.depends_on }))
    }
}

fn expired(user: &str) -> Error {
    Error::new(ErrorCode::Unauthenticated, format!("the token of user {user:?} has expired"))
}

fn streams_only(what: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{what} is answered as a stream, or with \"atomic\" at once"))
        .field("paths")
}

pub(crate) fn too_much_contention() -> Error {
    Error::new(
        ErrorCode::Conflict,
        format!("the operation met a conflict {} times in a row; try again later", limits::MAX_RETRIES),
    )
    .limit(limits::MAX_RETRIES.into())
}
