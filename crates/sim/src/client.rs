//! A simulated client: a session, a plan of work, and a record of what it was told.

use crate::faults::Defects;
use emerge_client::{Config, Session};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{ClassHash, Error, Op, Value};
use fastrand::Rng;
use std::collections::HashMap;

/// What a client wants to do, each with a token of its own that shows the effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Makes an object that holds the token.
    Create { path: String },
    /// Makes a new version, which holds the token, of the client's own log.
    Put { path: String },
    /// Adds the token to an object that all clients share.
    Add { path: String },
    /// Calls a method that fails.
    Fail { path: String },
    /// Adds the token to each member of a directory, in a stream.
    AddToAll { path: String },
    /// Lists a directory that nobody changes, in a stream.
    List { path: String },
    /// Reads back what was acknowledged.
    Read { path: String },
    /// Moves what an earlier, acknowledged `Create` made.
    Move { from: String, to: String },
    /// Removes what an earlier, acknowledged `Create` made.
    Remove { path: String },
    /// Watches the objects that all clients share, to the end.
    Watch,
    /// Adds the token to two objects that all clients share, in a transaction.
    Transact { paths: [String; 2] },
}

/// What became of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Asked for, and nothing heard (yet, or ever: the client died).
    Unknown,
    /// Acknowledged.
    Done,
    /// Told that it did not happen.
    Refused(Error),
}

/// One piece of work and its outcome.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) token: String,
    pub(crate) work: Work,
    pub(crate) outcome: Outcome,
    /// What a stream has given so far.
    pub(crate) items: Vec<String>,
    pub(crate) step: Step,
}

/// How far a transaction has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has been asked for, if it is one.
    Begun,
    /// So many of its operations have no answer; and the first refusal.
    Within { tx: String, left: usize, refused: Option<Error> },
    /// Its commit has been asked for.
    Committing,
    /// It was given up, for this.
    GivenUp(Error),
}

/// One client, over all its lives.
pub(crate) struct SimClient {
    pub(crate) index: usize,
    pub(crate) life: u64,
    pub(crate) session: Session,
    /// The link of the newest connection.
    pub(crate) link: Option<u64>,
    /// Streams need a transport that keeps order; without them a client bears one that does not.
    pub(crate) ordered: bool,
    pub(crate) left: usize,
    pub(crate) pending: HashMap<u64, usize>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) closing: bool,
}

/// Objects that all clients share.
pub(crate) const SHARED: usize = 3;
/// Names of the directory that nobody changes.
pub(crate) const FIXED: usize = 7;
/// Members of the directory whose members are called together.
pub(crate) const MEMBERS: usize = 5;

impl SimClient {
    pub(crate) fn new(
        index: usize,
        ordered: bool,
        left: usize,
        defects: Defects,
        seed: u64,
        now: u64,
    ) -> Self {
        Self {
            index,
            life: 1,
            session: new_session(defects, seed, now),
            link: None,
            ordered,
            left,
            pending: HashMap::new(),
            journal: Vec::new(),
            closing: false,
        }
    }

    /// The client dies and begins again, knowing nothing.
    pub(crate) fn reborn(&mut self, defects: Defects, seed: u64, now: u64) {
        self.life += 1;
        self.session = new_session(defects, seed, now);
        self.link = None;
        self.pending.clear();
    }

    /// True when all work has been asked for and answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.left == 0 && self.pending.values().all(|at| self.journal[*at].work == Work::Watch)
    }

    /// Asks for the next piece of work.
    pub(crate) fn act(&mut self, class: ClassHash, rng: &mut Rng, now: u64) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let token = format!("c{}n{}", self.index, self.journal.len());
        let home = format!("/home/c{}", self.index);
        // What was acknowledged as made and is not touched by other work.
        let made = self.journal.iter().find_map(|entry| match (&entry.work, &entry.outcome) {
            (Work::Create { path }, Outcome::Done) if !self.is_touched(path) => Some(path.clone()),
            _ => None,
        });
        let shared = format!("/shared/s{}", rng.usize(0..SHARED));
        let work = match (rng.u32(0..if self.ordered { 15 } else { 11 }), made) {
            (0 | 1, _) => Work::Create { path: format!("{home}/{token}") },
            (2, _) => Work::Put { path: format!("{home}/log") },
            (3 | 4, _) => Work::Add { path: shared },
            (5, _) => Work::Fail { path: shared },
            (6, Some(path)) => Work::Move { to: format!("{home}/moved-{token}"), from: path },
            (7, Some(path)) => Work::Remove { path },
            (8, Some(path)) => Work::Read { path },
            (9 | 10, _) => {
                let first = rng.usize(0..SHARED);
                let second = (first + rng.usize(1..SHARED)) % SHARED;
                Work::Transact { paths: [first, second].map(|at| format!("/shared/s{at}")) }
            }
            (11 | 12, _) => Work::List { path: "/fixed".into() },
            (13, _) => Work::AddToAll { path: "/members".into() },
            (14, _) => Work::Watch,
            _ => Work::Create { path: format!("{home}/{token}") },
        };
        let (op, credit) = operation(&work, &token, class, rng);
        let entry = Entry { token, work, outcome: Outcome::Unknown, items: Vec::new(), step: Step::Begun };
        match self.session.request(op, None, credit, now) {
            Ok(seq) => {
                self.pending.insert(seq, self.journal.len());
                self.journal.push(entry);
            }
            Err(error) => self.journal.push(Entry { outcome: Outcome::Refused(error), ..entry }),
        }
    }

    fn is_touched(&self, path: &str) -> bool {
        self.journal.iter().any(|entry| match &entry.work {
            Work::Move { from, .. } => from == path,
            Work::Remove { path: removed } => removed == path,
            _ => false,
        }) || self
            .pending
            .values()
            .filter_map(|at| self.journal.get(*at))
            .any(|entry| matches!(&entry.work, Work::Read { path: read } if read == path))
    }
}

fn new_session(defects: Defects, seed: u64, now: u64) -> Session {
    #[cfg_attr(not(feature = "mutations"), allow(unused_mut, reason = "only mutations change it"))]
    let mut config = Config::new("token");
    #[cfg(feature = "mutations")]
    {
        config.mutations.resend_forgets_sequence = defects.resend_forgets_sequence;
        config.mutations.cursor_off_by_one = defects.cursor_off_by_one;
        config.mutations.cut_message_accepted = defects.cut_message_accepted;
    }
    let _ = defects;
    Session::new(config, seed, now)
}

/// The state of an object that holds one token.
pub(crate) fn state_with(tokens: &[&str]) -> Vec<u8> {
    let tokens = tokens.iter().map(|token| Value::Text((*token).to_owned())).collect();
    Value::Map(vec![("tokens".into(), Value::List(tokens))]).encode()
}

/// The tokens in an object's state.
pub(crate) fn tokens_of(state: &[u8]) -> Vec<String> {
    let Ok(Value::Map(fields)) = Value::decode(state) else { return Vec::new() };
    let tokens = fields.into_iter().find(|(name, _)| name == "tokens");
    let Some((_, Value::List(tokens))) = tokens else { return Vec::new() };
    tokens
        .into_iter()
        .filter_map(|token| if let Value::Text(token) = token { Some(token) } else { None })
        .collect()
}

fn call(path: &str, method: &str, token: &str) -> Op {
    Op::Call {
        path: path.into(),
        method: method.to_owned(),
        args: Value::List(vec![Value::Text(token.to_owned())]).encode(),
        log: false,
        after: None,
        with: None,
    }
}

/// Adds a token to an object.
pub(crate) fn call_add(path: &str, token: &str) -> Op {
    call(path, "add", token)
}

fn operation(work: &Work, token: &str, class: ClassHash, rng: &mut Rng) -> (Op, Option<u32>) {
    let target = |path: &String| Target::Path(path.clone());
    let store = |path: &String, mode| Op::Store {
        path: target(path),
        class,
        fields: state_with(&[token]),
        mode,
        base: None,
        removed: None,
        id: None,
    };
    let call = |path: &String, method: &str| call(path, method, token);
    let credit = Some(rng.u32(1..=3));
    match work {
        Work::Create { path } => (store(path, StoreMode::Create), None),
        Work::Put { path } => (store(path, StoreMode::Put), None),
        Work::Add { path } => (call(path, "add"), None),
        Work::Fail { path } => (call(path, "fail"), None),
        Work::AddToAll { path } => (call(path, "add"), credit),
        Work::List { path } => (
            Op::List {
                path: target(path),
                after: None,
                limit: Some(2),
                glob: None,
                sort: None,
                descending: None,
            },
            credit,
        ),
        Work::Read { path } => (Op::Get { path: target(path), version: None, children: None }, None),
        Work::Move { from, to } => (Op::Mv { from: target(from), to: to.clone() }, None),
        Work::Remove { path } => (Op::Rm { path: target(path), recursive: false }, None),
        Work::Watch => (Op::Watch { pattern: "/shared/*".into(), from: None }, credit),
        Work::Transact { .. } => {
            // Some expire while the network or the node is away.
            let lifetime_ms = Some(rng.u64(1_000..=60_000));
            (Op::Begin { name: None, lifetime_ms }, None)
        }
    }
}
