//! A connection over a memory store, by hand.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use emerge_engine::{Engine, EngineOptions, MemoryBackend, Principal};
use emerge_node::{Authenticator, Connection, Node, NodeOptions};
use emerge_proto::frame::{Frame, Hello, Request, decode_message, encode_frame};
use emerge_proto::{ClassSource, ClassVersion, MethodDecl, Op, Result, SessionId, limits};
use emerge_runtime::{BoxFuture, Call, Fs, Returned, Runtime};
use futures_util::FutureExt;
use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Waker};

pub const NOW: i64 = 1_800_000_000_000_000;

/// A runtime of one method.
pub struct Method<F>(pub F);

impl<F: Fn(Call) -> BoxFuture<'static, Result<Returned>> + Send + Sync> Runtime for Method<F> {
    fn analyse<'a>(
        &'a self,
        _: &'a ClassSource,
        _: &'a [Vec<Arc<ClassVersion>>],
    ) -> BoxFuture<'a, Result<Vec<MethodDecl>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn call<'a>(&'a self, call: Call, _: Arc<dyn Fs>) -> BoxFuture<'a, Result<Returned>> {
        (self.0)(call)
    }
}

/// A runtime of one method that uses the file system.
pub struct WithFs<F>(pub F);

impl<F: Fn(Call, Arc<dyn Fs>) -> BoxFuture<'static, Result<Returned>> + Send + Sync> Runtime for WithFs<F> {
    fn analyse<'a>(
        &'a self,
        _: &'a ClassSource,
        _: &'a [Vec<Arc<ClassVersion>>],
    ) -> BoxFuture<'a, Result<Vec<MethodDecl>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn call<'a>(&'a self, call: Call, fs: Arc<dyn Fs>) -> BoxFuture<'a, Result<Returned>> {
        (self.0)(call, fs)
    }
}

pub struct Anyone;

impl Authenticator for Anyone {
    fn authenticate(&self, token: &str) -> Option<Principal> {
        match token {
            "right" => Some(Principal::admin()),
            "ada" => Some(Principal { admin: true, ..Principal::user("ada") }),
            _ => None,
        }
    }
}

pub fn node() -> Node<MemoryBackend> {
    node_with(Method(|_| -> BoxFuture<'static, _> { Box::pin(pending()) }))
}

pub fn node_with(runtime: impl Runtime + 'static) -> Node<MemoryBackend> {
    let opened = Engine::open(MemoryBackend::default(), EngineOptions::new("test"), NOW).now_or_never();
    Node::new(
        opened.unwrap().unwrap(),
        Arc::new(runtime),
        Arc::new(Anyone),
        NodeOptions::new("test", [7; 32]),
    )
}

pub struct Peer {
    pub connection: Connection<MemoryBackend>,
}

impl Peer {
    pub fn new(node: &Node<MemoryBackend>) -> Self {
        Self { connection: Connection::new(node.clone(), NOW) }
    }

    /// A connection that has been welcomed, and its session.
    pub fn open(
        node: &Node<MemoryBackend>,
        session: Option<SessionId>,
        connection: u64,
    ) -> (Self, SessionId) {
        let mut peer = Self::new(node);
        match &peer.says(&[hello("right", session, connection)], NOW)[..] {
            [Frame::Welcome(welcome)] => {
                let session = welcome.session;
                (peer, session)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Hands frames in as one message and gives what leaves at once.
    pub fn says(&mut self, frames: &[Frame], now: i64) -> Vec<Frame> {
        let mut message = Vec::new();
        frames.iter().for_each(|frame| encode_frame(frame, &mut message));
        self.connection.handle_message(&message, now);
        self.hears(now)
    }

    pub fn hears(&mut self, now: i64) -> Vec<Frame> {
        let _ = self.connection.poll(&mut Context::from_waker(Waker::noop()), now);
        self.connection.poll_transmit().map_or_else(Vec::new, |message| decode_message(&message).unwrap())
    }
}

pub fn hello(token: &str, session: Option<SessionId>, connection: u64) -> Frame {
    Frame::Hello(Hello {
        min_version: 1,
        max_version: limits::PROTOCOL_VERSION,
        token: token.into(),
        session,
        connection,
        acknowledged: 0,
        agent: "test".into(),
    })
}

pub fn request(seq: u64, acknowledged: u64, op: Op, timeout_ms: Option<u64>) -> Frame {
    Frame::Request(Request { seq, acknowledged, op, timeout_ms, credit: None })
}

pub fn mkdir(path: &str) -> Op {
    Op::Mkdir { path: path.into(), exist_ok: false }
}

pub fn thing() -> ClassSource {
    ClassSource::new("Thing", emerge_proto::Language::JavaScript, "class Thing extends EmergeObject {}")
}

pub fn store(path: &str, class: &ClassSource) -> Op {
    Op::Store {
        path: path.into(),
        class: class.hash(),
        fields: vec![0xa0],
        mode: emerge_proto::op::StoreMode::Create,
        base: None,
        removed: None,
        id: None,
    }
}

pub fn commit(node: &Node<MemoryBackend>) {
    // The committer takes what is queued to the store and then waits for more.
    assert!(node.engine().run().now_or_never().is_none());
}
