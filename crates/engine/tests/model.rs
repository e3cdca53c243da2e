//! Random operations against a simple model, interleaved, committed, lost and found again.
//!
//! Every transaction notes what each operation replied. When it commits, the same operations are run on the model, in
//! the order of the commits: equal replies mean that the transactions were serializable.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, CommitError, Engine, EngineOptions, MemoryBackend, Tx};
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, ErrorCode};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Operation {
    Mkdir(String, bool),
    Store(String, u64, StoreMode),
    Get(String),
    List(String),
    Rm(String, bool),
    Mv(String, String),
    Cp(String, String, bool),
}

/// What an operation said: its result in short, or its error.
type Reply = Result<String, ErrorCode>;

#[derive(Clone, Debug)]
enum Step {
    /// The transaction of this number begins if it has not, and runs an operation.
    Run(usize, Operation),
    Commit(usize),
    Abandon(usize),
    Settle,
    Collect,
    /// An index by all classes or one is made, or dropped.
    Index(&'static str, bool),
    /// The next objects are added to an index.
    Build,
    Reopen,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Directory,
    Object(u64),
}

/// A file system as simple as can be: a node for each path.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    nodes: BTreeMap<String, Node>,
}

fn parent(at: &str) -> &str {
    match at.rfind('/') {
        Some(0) | None => "/",
        Some(end) => &at[..end],
    }
}

fn name(at: &str) -> &str {
    at.rsplit('/').next().unwrap_or("")
}

fn join(directory: &str, name: &str) -> String {
    if directory == "/" { format!("/{name}") } else { format!("{directory}/{name}") }
}

fn within(at: &str, directory: &str) -> bool {
    directory == "/" || at == directory || at.starts_with(&format!("{directory}/"))
}

impl Model {
    fn new() -> Self {
        Self { nodes: BTreeMap::from([("/".to_owned(), Node::Directory)]) }
    }

    /// What is there; an error when the way leads through an object.
    fn find(&self, at: &str) -> Result<Option<&Node>, ErrorCode> {
        let mut above = at;
        while above != "/" {
            above = parent(above);
            if matches!(self.nodes.get(above), Some(Node::Object(_))) {
                return Err(ErrorCode::NotADirectory);
            }
        }
        Ok(self.nodes.get(at))
    }

    fn existing(&self, at: &str) -> Result<Node, ErrorCode> {
        self.find(at)?.cloned().ok_or(ErrorCode::NotFound)
    }

    fn make_directories(&mut self, at: &str) {
        if !self.nodes.contains_key(at) {
            self.make_directories(parent(at));
            self.nodes.insert(at.to_owned(), Node::Directory);
        }
    }

    fn members(&self, at: &str) -> Vec<String> {
        self.nodes.keys().filter(|other| *other != "/" && parent(other) == at).cloned().collect()
    }

    fn tree(&self, at: &str) -> Vec<(String, Node)> {
        let below = self.nodes.iter().filter(|(other, _)| within(other, at));
        below.map(|(other, node)| (other[at.len()..].to_owned(), node.clone())).collect()
    }

    /// Where `mv` and `cp` put something.
    fn slot(&self, from: &str, to: &str) -> Result<String, ErrorCode> {
        let mut to = to.to_owned();
        if self.find(&to)? == Some(&Node::Directory) {
            if to == from {
                return Err(ErrorCode::BadArgument);
            }
            to = join(&to, name(from));
        }
        if self.find(&to)?.is_some() {
            return Err(ErrorCode::AlreadyExists);
        }
        self.existing(parent(&to))?;
        if within(parent(&to), from) { Err(ErrorCode::BadArgument) } else { Ok(to) }
    }

    fn run(&mut self, operation: &Operation) -> Reply {
        match operation {
            Operation::Mkdir(at, exist_ok) => match self.find(at)? {
                Some(Node::Directory) if *exist_ok => Ok("made".into()),
                Some(Node::Object(_)) if *exist_ok => Err(ErrorCode::NotADirectory),
                Some(_) => Err(ErrorCode::AlreadyExists),
                None => {
                    self.make_directories(at);
                    Ok("made".into())
                }
            },
            Operation::Store(at, value, mode) => {
                let patches = *mode == StoreMode::Overwrite;
                match self.find(at)? {
                    None if patches => return Err(ErrorCode::NotFound),
                    Some(Node::Directory) => return Err(ErrorCode::IsADirectory),
                    Some(Node::Object(_)) if *mode == StoreMode::Create => {
                        return Err(ErrorCode::AlreadyExists);
                    }
                    _ => {}
                }
                self.make_directories(parent(at));
                self.nodes.insert(at.clone(), Node::Object(*value));
                Ok("stored".into())
            }
            Operation::Get(at) => match self.existing(at)? {
                Node::Object(value) => Ok(value.to_string()),
                Node::Directory => Err(ErrorCode::IsADirectory),
            },
            Operation::List(at) => match self.existing(at)? {
                Node::Directory => {
                    Ok(self.members(at).iter().map(|member| name(member)).collect::<Vec<_>>().join(" "))
                }
                Node::Object(_) => Err(ErrorCode::NotADirectory),
            },
            Operation::Rm(at, recursive) => {
                let node = self.existing(at)?;
                if at == "/" {
                    return Err(ErrorCode::BadArgument);
                }
                if node == Node::Directory && !recursive && !self.members(at).is_empty() {
                    return Err(ErrorCode::DirectoryNotEmpty);
                }
                self.nodes.retain(|other, _| !within(other, at));
                Ok("removed".into())
            }
            Operation::Mv(from, to) => {
                self.existing(from)?;
                if from == "/" {
                    return Err(ErrorCode::BadArgument);
                }
                let to = self.slot(from, to)?;
                let moved = self.tree(from);
                self.nodes.retain(|other, _| !within(other, from));
                self.nodes.extend(moved.into_iter().map(|(rest, node)| (format!("{to}{rest}"), node)));
                Ok("moved".into())
            }
            Operation::Cp(from, to, recursive) => {
                if self.existing(from)? == Node::Directory && !recursive {
                    return Err(ErrorCode::IsADirectory);
                }
                if from == "/" {
                    return Err(ErrorCode::BadArgument);
                }
                let to = self.slot(from, to)?;
                for (rest, node) in self.tree(from) {
                    self.nodes.insert(format!("{to}{rest}"), node);
                }
                Ok("copied".into())
            }
        }
    }
}

async fn run<B: Backend>(tx: &mut Tx<B>, operation: &Operation, class: ClassHash) -> Reply {
    let result = match operation {
        Operation::Mkdir(at, exist_ok) => tx.mkdir(&path(at), *exist_ok).await.map(|_| "made".to_owned()),
        Operation::Store(at, value, mode) => {
            tx.store(&path(at), class, &n(*value), *mode, None, &[]).await.map(|_| "stored".to_owned())
        }
        Operation::Get(at) => tx.get(&path(at), None).await.map(|fetched| n_of(&fetched.state).to_string()),
        Operation::List(at) => tx
            .list(&path(at), None, None)
            .await
            .map(|page| page.members.iter().map(|member| member.name.clone()).collect::<Vec<_>>().join(" ")),
        Operation::Rm(at, recursive) => tx.rm(&path(at), *recursive).await.map(|()| "removed".to_owned()),
        Operation::Mv(from, to) => tx.mv(&path(from), to).await.map(|()| "moved".to_owned()),
        Operation::Cp(from, to, recursive) => {
            tx.cp(&path(from), to, *recursive).await.map(|()| "copied".to_owned())
        }
    };
    result.map_err(|error| error.code)
}

type Transaction = (Tx<MemoryBackend>, Vec<(Operation, Reply)>);

/// Commits, and compares with the model what the transaction was told.
async fn finish(open: Option<Transaction>, model: &mut Model) {
    let Some((tx, told)) = open else { return };
    match tx.commit(None).await {
        Ok(_) => {
            for (operation, reply) in &told {
                assert_eq!(&model.run(operation), reply, "{operation:?} in {told:#?}");
            }
        }
        Err(CommitError::Conflict) => {}
        Err(CommitError::Error(error)) => panic!("{error}"),
    }
}

async fn scenario(steps: Vec<Step>) {
    let backing = MemoryBackend::new();
    let mut model = Model::new();
    let mut rest = steps.into_iter().peekable();
    while rest.peek().is_some() {
        let engine = Engine::open(backing.clone(), EngineOptions::new("test"), NOW).await.unwrap();
        let body = async {
            let class = put_class(&engine).await;
            let mut open: [Option<Transaction>; 3] = [None, None, None];
            for step in rest.by_ref() {
                match step {
                    Step::Run(at, operation) => {
                        let (tx, told) = open[at].get_or_insert_with(|| (admin(&engine), Vec::new()));
                        let reply = run(tx, &operation, class).await;
                        told.push((operation, reply));
                    }
                    Step::Commit(at) => finish(open[at].take(), &mut model).await,
                    Step::Abandon(at) => open[at] = None,
                    Step::Settle => settle(&engine).await,
                    Step::Collect => {
                        engine.collect(NOW, 40).await.unwrap();
                    }
                    Step::Index(class, create) => {
                        let mut tx = admin(&engine);
                        if create {
                            tx.create_index(class, "n", false).await.unwrap();
                        } else {
                            tx.drop_index(class, "n").await.unwrap();
                        }
                        tx.commit(None).await.unwrap();
                    }
                    Step::Build => {
                        engine.build_indexes(NOW, 3).await.unwrap();
                    }
                    Step::Reopen => break,
                }
            }
            for open in &mut open {
                finish(open.take(), &mut model).await;
            }
            engine.shutdown().await.unwrap();
        };
        futures_util::future::join(async { engine.run().await.unwrap() }, body).await;
        let checked = check_store(&backing).await.unwrap();
        assert!(checked.paths.keys().eq(model.nodes.keys()), "{:#?} {:#?}", checked.paths, model.nodes);
    }
    // Collection leaves nothing behind.
    let engine = Engine::open(backing.clone(), EngineOptions::new("test"), NOW).await.unwrap();
    let body = async {
        while engine.collect(NOW, 100).await.unwrap().deleted > 0 {}
        engine.shutdown().await.unwrap();
    };
    futures_util::future::join(async { engine.run().await.unwrap() }, body).await;
    assert_eq!(check_store(&backing).await.unwrap().trash, 0);
}

fn any_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..4)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

fn operation() -> impl Strategy<Value = Operation> {
    let mode =
        prop::sample::select(vec![StoreMode::Put, StoreMode::Put, StoreMode::Create, StoreMode::Overwrite]);
    prop_oneof![
        2 => (any_path(), any::<bool>()).prop_map(|(at, ok)| Operation::Mkdir(at, ok)),
        6 => (any_path(), 0..1000u64, mode).prop_map(|(at, value, mode)| Operation::Store(at, value, mode)),
        3 => any_path().prop_map(Operation::Get),
        3 => any_path().prop_map(Operation::List),
        2 => (any_path(), any::<bool>()).prop_map(|(at, recursive)| Operation::Rm(at, recursive)),
        3 => (any_path(), any_path()).prop_map(|(from, to)| Operation::Mv(from, to)),
        2 => (any_path(), any_path(), any::<bool>()).prop_map(|(from, to, recursive)| Operation::Cp(from, to, recursive)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3usize, operation()).prop_map(|(at, operation)| Step::Run(at, operation)),
        5 => (0..3usize).prop_map(Step::Commit),
        1 => (0..3usize).prop_map(Step::Abandon),
        1 => Just(Step::Settle),
        1 => Just(Step::Collect),
        1 => (prop::sample::select(vec!["*", "Counter"]), prop::bool::weighted(0.7))
            .prop_map(|(class, create)| Step::Index(class, create)),
        3 => Just(Step::Build),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn interleaved_transactions_are_serializable(steps in prop::collection::vec(step(), 1..80)) {
        futures_executor::block_on(scenario(steps));
    }
}
