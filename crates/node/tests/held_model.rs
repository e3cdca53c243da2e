//! Named transactions of two users, several open at once and added to by several clients, between plain transactions, against a simple model.
//!
//! Every transaction notes what each operation replied. When it commits, the same operations are run on the model, in the order of the commits: equal
//! replies mean that the transactions were serializable. What is rolled back, expires or conflicts leaves the model as it is.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[path = "../../engine/tests/tree/mod.rs"]
#[allow(dead_code, reason = "no rights are changed here")]
mod tree;

use common::*;
use emerge_engine::MemoryBackend;
use emerge_node::Node;
use emerge_proto::class::decode;
use emerge_proto::frame::Frame;
use emerge_proto::op::StoreMode;
use emerge_proto::record::{Fetched, Page};
use emerge_proto::transaction::{Ended, Transaction};
use emerge_proto::{Error, ErrorCode, Op, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tree::{Model, Operation, Reply, cases};

/// The tokens of the clients: two of one user, one of another.
const TOKENS: [&str; 3] = ["right", "right", "ada"];
const NAMES: [&str; 3] = ["one", "two", "three"];
/// Both users are administrators, so that rights never matter.
const WHO: &str = "admin";

#[derive(Clone, Debug)]
enum Step {
    /// Begins a transaction of this name that lasts for so many seconds.
    Begin(usize, &'static str, u64),
    /// An operation in it.
    In(usize, &'static str, Operation),
    /// Its commit, or that it is rolled back.
    End(usize, &'static str, bool),
    /// An operation that is a transaction of its own.
    Plain(usize, Operation),
    /// The client's last request comes again, as after a cut.
    Again(usize),
    /// So many seconds pass, and the node may notice.
    Wait(i64, bool),
    /// Which are open is asked.
    Open(usize),
}

/// A client that numbers its requests and waits for each.
struct Client {
    peer: Peer,
    seq: u64,
    /// The last request and its reply, if it must be the same when it comes again.
    last: Option<(Op, Vec<u8>)>,
}

impl Client {
    fn new(node: &Node<MemoryBackend>, token: &str) -> Self {
        let mut peer = Peer::new(node);
        assert!(matches!(peer.says(&[hello(token, None, 1)], NOW)[..], [Frame::Welcome(_)]));
        Self { peer, seq: 0, last: None }
    }

    fn send(&mut self, node: &Node<MemoryBackend>, op: Op, now: i64) -> Result<Vec<u8>, Error> {
        let seq = self.seq;
        let mut heard = self.peer.says(&[request(seq, 0, op, None)], now);
        commit(node);
        heard.extend(self.peer.hears(now));
        match &heard[..] {
            [Frame::Result { seq: of, value, error }] if *of == seq => {
                error.clone().map_or_else(|| Ok(value.clone().unwrap()), Err)
            }
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, node: &Node<MemoryBackend>, op: Op, now: i64) -> Result<Vec<u8>, Error> {
        self.seq += 1;
        let reply = self.send(node, op.clone(), now);
        let is_kept = match &op {
            Op::In { op, .. } => op.may_write(),
            op => op.may_write(),
        };
        self.last = reply.clone().ok().filter(|_| is_kept).map(|reply| (op, reply));
        reply
    }
}

fn operation(op: &Operation) -> Op {
    match op {
        Operation::Mkdir(at, exist_ok) => Op::Mkdir { path: (&**at).into(), exist_ok: *exist_ok },
        Operation::Store(at, value, mode) => Op::Store {
            path: (&**at).into(),
            class: thing().hash(),
            fields: Value::Map(vec![("n".into(), Value::Int(*value as i64))]).encode(),
            mode: *mode,
            base: None,
            removed: None,
            id: None,
        },
        Operation::Get(at) => Op::Get { path: (&**at).into(), version: None, children: None },
        Operation::List(at) => Op::List {
            path: (&**at).into(),
            after: None,
            limit: None,
            glob: None,
            sort: None,
            descending: None,
        },
        Operation::Rm(at, recursive) => Op::Rm { path: (&**at).into(), recursive: *recursive },
        Operation::Mv(from, to) => Op::Mv { from: (&**from).into(), to: to.clone() },
        other => unreachable!("{other:?}"),
    }
}

/// A reply in short, as the model says it.
fn told(op: &Operation, reply: &Result<Vec<u8>, Error>) -> Reply {
    let reply = reply.as_ref().map_err(|error| error.code)?;
    Ok(match op {
        Operation::Mkdir(..) => "made".into(),
        Operation::Store(..) => "stored".into(),
        Operation::Rm(..) => "removed".into(),
        Operation::Mv(..) => "moved".into(),
        Operation::Get(_) => {
            let fetched: Fetched = decode(reply).unwrap();
            match (fetched.members, Value::decode(&fetched.state).unwrap()) {
                (Some(_), _) => "directory".into(),
                (None, Value::Map(fields)) => match &fields[0].1 {
                    Value::Int(value) => value.to_string(),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        Operation::List(_) => {
            let page: Page = decode(reply).unwrap();
            page.members.into_iter().map(|member| member.name).collect::<Vec<_>>().join(" ")
        }
        other => unreachable!("{other:?}"),
    })
}

/// What the model knows of an open transaction.
struct Held {
    expires: i64,
    /// Operations that were done.
    done: u64,
    told: Vec<(Operation, Reply)>,
    /// How many had committed when it began.
    began: usize,
    /// An operation has met what was changed since: it cannot commit.
    is_stale: bool,
}

type Name = (&'static str, &'static str);

struct World {
    node: Node<MemoryBackend>,
    clients: Vec<Client>,
    now: i64,
    model: Model,
    commits: usize,
    open: BTreeMap<Name, Held>,
    over: BTreeSet<Name>,
}

impl World {
    fn new() -> Self {
        let node = node();
        let mut clients: Vec<Client> = TOKENS.iter().map(|token| Client::new(&node, token)).collect();
        clients[0].ask(&node, Op::PutClass { class: thing() }, NOW).unwrap();
        let model = Model::new();
        Self { node, clients, now: NOW, model, commits: 0, open: BTreeMap::new(), over: BTreeSet::new() }
    }

    fn ask(&mut self, client: usize, op: Op) -> Result<Vec<u8>, Error> {
        self.clients[client].ask(&self.node, op, self.now)
    }

    fn expire(&mut self) {
        let now = self.now;
        let over: Vec<Name> =
            self.open.iter().filter(|(_, held)| held.expires <= now).map(|(name, _)| *name).collect();
        for name in over {
            self.open.remove(&name);
            self.over.insert(name);
        }
    }

    /// The error for a transaction that is not open.
    fn missing(&self, name: Name) -> ErrorCode {
        if self.over.contains(&name) { ErrorCode::TransactionExpired } else { ErrorCode::NotFound }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Begin(client, name, seconds) => self.begin(client, name, seconds),
            Step::In(client, name, op) => self.inside(client, name, op),
            Step::End(client, name, commit) => self.end(client, name, commit),
            Step::Plain(client, op) => {
                let reply = self.ask(client, operation(&op));
                assert_eq!(told(&op, &reply), self.model.run(WHO, &op), "{op:?}");
                self.commits += usize::from(reply.is_ok() && operation(&op).may_write());
            }
            Step::Again(client) => {
                if let Some((op, reply)) = self.clients[client].last.clone() {
                    let again = self.clients[client].send(&self.node, op.clone(), self.now);
                    if let Op::Begin { .. } = op {
                        // The same one, as it is by now.
                        let id = |reply: &[u8]| decode::<Transaction>(reply).unwrap().id;
                        assert_eq!(id(&again.unwrap()), id(&reply));
                    } else {
                        assert_eq!(again, Ok(reply), "{op:?}");
                    }
                }
            }
            Step::Wait(seconds, is_noticed) => {
                self.now += seconds * 1_000_000;
                if is_noticed {
                    self.node.handle_timeout(self.now);
                }
                self.expire();
                self.clients.iter_mut().for_each(|client| client.last = None);
            }
            Step::Open(client) => {
                let reply = self.ask(client, Op::Transactions { tx: None }).unwrap();
                let listed: Vec<Transaction> = decode(&reply).unwrap();
                let listed: BTreeMap<String, u64> =
                    listed.into_iter().map(|info| (info.name.unwrap(), info.operations)).collect();
                let own = self.open.iter().filter(|((token, _), _)| *token == TOKENS[client]);
                let wanted: BTreeMap<String, u64> =
                    own.map(|((_, name), held)| ((*name).to_owned(), held.done)).collect();
                assert_eq!(listed, wanted);
            }
        }
    }

    fn begin(&mut self, client: usize, name: &'static str, seconds: u64) {
        let begun =
            self.ask(client, Op::Begin { name: Some(name.into()), lifetime_ms: Some(seconds * 1000) });
        let key = (TOKENS[client], name);
        if self.open.contains_key(&key) {
            assert_eq!(begun.unwrap_err().code, ErrorCode::AlreadyExists);
            return;
        }
        let info: Transaction = decode(&begun.unwrap()).unwrap();
        assert_eq!((info.name.as_deref(), info.operations), (Some(name), 0));
        let (expires, began) = (self.now + seconds as i64 * 1_000_000, self.commits);
        self.open.insert(key, Held { expires, done: 0, told: Vec::new(), began, is_stale: false });
    }

    fn inside(&mut self, client: usize, name: &'static str, op: Operation) {
        let reply = self.ask(client, Op::In { tx: name.into(), op: Box::new(operation(&op)), after: None });
        let key = (TOKENS[client], name);
        let Some(held) = self.open.get_mut(&key) else {
            assert_eq!(reply.unwrap_err().code, self.missing(key));
            return;
        };
        held.done += u64::from(reply.is_ok());
        match told(&op, &reply) {
            Err(ErrorCode::Conflict) => {
                assert!(held.began < self.commits, "nothing has changed: {op:?}");
                held.is_stale = true;
            }
            reply => held.told.push((op, reply)),
        }
    }

    fn end(&mut self, client: usize, name: &'static str, commit: bool) {
        let reply = self.ask(client, Op::End { tx: name.into(), commit });
        // What others did in it has its end for an answer now.
        let others = self.clients.iter_mut().enumerate().filter(|(at, _)| *at != client);
        others.for_each(|(_, other)| other.last = None);
        let key = (TOKENS[client], name);
        let Some(held) = self.open.remove(&key) else {
            assert_eq!(reply.unwrap_err().code, self.missing(key));
            return;
        };
        self.over.insert(key);
        match reply.map(|reply| decode::<Ended>(&reply).unwrap().committed) {
            Ok(committed) => {
                assert_eq!(committed, commit.then_some(self.now));
                if !commit {
                    return;
                }
                assert!(!held.is_stale, "it had met what was changed");
                for (op, reply) in &held.told {
                    assert_eq!(&self.model.run(WHO, op), reply, "{op:?} in {:#?}", held.told);
                }
                self.commits += 1;
            }
            Err(error) => {
                assert_eq!(error.code, ErrorCode::Conflict, "{error}");
                assert!(commit && held.began < self.commits, "nothing has changed: {error}");
            }
        }
    }

    /// The whole store is what the model is.
    fn check(&mut self) {
        let mut directories = vec!["/".to_owned()];
        let mut found = BTreeSet::new();
        while let Some(at) = directories.pop() {
            let list = Operation::List(at.clone());
            let reply = self.ask(0, operation(&list));
            let names = told(&list, &reply);
            assert_eq!(names, self.model.run(WHO, &list), "{at}");
            for name in names.unwrap().split(' ').filter(|name| !name.is_empty()) {
                let path = if at == "/" { format!("/{name}") } else { format!("{at}/{name}") };
                let get = Operation::Get(path.clone());
                let reply = self.ask(0, operation(&get));
                let value = told(&get, &reply);
                assert_eq!(value, self.model.run(WHO, &get), "{path}");
                if value.as_deref() == Ok("directory") {
                    directories.push(path.clone());
                }
                found.insert(path);
            }
        }
        found.insert("/".into());
        assert!(self.model.nodes.keys().eq(&found), "{:?} and {found:?}", self.model.nodes);
    }
}

fn any_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..3)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let mode = prop::sample::select(vec![StoreMode::Put, StoreMode::Create]);
    prop_oneof![
        1 => (any_path(), any::<bool>()).prop_map(|(at, ok)| Operation::Mkdir(at, ok)),
        5 => (any_path(), 0..1000u64, mode).prop_map(|(at, value, mode)| Operation::Store(at, value, mode)),
        3 => any_path().prop_map(Operation::Get),
        2 => any_path().prop_map(Operation::List),
        2 => any_path().prop_map(|at| Operation::Rm(at, false)),
        1 => (any_path(), any_path()).prop_map(|(from, to)| Operation::Mv(from, to)),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let client = || 0..TOKENS.len();
    let name = || prop::sample::select(NAMES.to_vec());
    prop_oneof![
        5 => (client(), name(), 5..60u64).prop_map(|(client, name, seconds)| Step::Begin(client, name, seconds)),
        14 => (client(), name(), any_operation()).prop_map(|(client, name, op)| Step::In(client, name, op)),
        5 => (client(), name(), prop::bool::weighted(0.8)).prop_map(|(client, name, commit)| Step::End(client, name, commit)),
        4 => (client(), any_operation()).prop_map(|(client, op)| Step::Plain(client, op)),
        2 => client().prop_map(Step::Again),
        1 => (0..30i64, any::<bool>()).prop_map(|(seconds, noticed)| Step::Wait(seconds, noticed)),
        1 => client().prop_map(Step::Open),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(600), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn held_transactions_are_serializable(steps in prop::collection::vec(any_step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.check();
    }
}
