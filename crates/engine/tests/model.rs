//! Random operations of several users against a simple model, interleaved, committed, lost and found again.
//!
//! Every transaction notes what each operation replied. When it commits, the same operations are run on the model, in
//! the order of the commits: equal replies mean that the transactions were serializable.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, CommitError, Engine, EngineOptions, MemoryBackend, Principal, Tx};
use emerge_proto::account::{GroupAction, UserAction};
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, ErrorCode, Perms, PermsChange};
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
    Chmod(String, &'static str, bool),
    Chown(String, Option<&'static str>, Option<&'static str>, bool),
    Stat(String),
}

/// The administrator, and two of the same group: who runs a transaction, by its number.
const USERS: [&str; 3] = ["admin", "ada", "bob"];
const GROUP: &str = "staff";

fn principal(user: &str) -> Principal {
    if user == "admin" {
        return Principal::admin();
    }
    Principal { groups: vec![GROUP.into()], ..Principal::user(user) }
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
struct Node {
    /// None for a directory.
    value: Option<u64>,
    owner: String,
    group: String,
    perms: u16,
}

impl Node {
    fn new(value: Option<u64>, user: &str) -> Self {
        let group = if user == "admin" { "admin" } else { GROUP };
        Self { value, owner: user.into(), group: group.into(), perms: 0o750 }
    }

    fn is_directory(&self) -> bool {
        self.value.is_none()
    }

    fn owned(&self, user: &str) -> bool {
        user == "admin" || self.owner == user
    }

    fn bits(&self, user: &str) -> u16 {
        match user {
            "admin" => 7,
            user if self.owner == user => self.perms >> 6 & 7,
            _ if self.group == GROUP => self.perms >> 3 & 7,
            _ => self.perms & 7,
        }
    }

    fn may(&self, user: &str, bit: u16) -> Result<(), ErrorCode> {
        if self.bits(user) & bit != 0 { Ok(()) } else { Err(ErrorCode::PermissionDenied) }
    }

    fn shown(&self, user: &str) -> bool {
        self.bits(user) & READ != 0 || self.owned(user)
    }
}

const READ: u16 = 4;
const WRITE: u16 = 2;
const PASS: u16 = 1;

/// A file system as simple as can be: a node for each path.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    nodes: BTreeMap<String, Node>,
}

/// Where a path leads for a user.
enum Way {
    There,
    /// The lowest directory that is there, how many segments are not, and whether the first of them is taken all the same.
    Missing(String, usize, bool),
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
        let root = Node { perms: 0o777, ..Node::new(None, "admin") };
        Self { nodes: BTreeMap::from([("/".to_owned(), root)]) }
    }

    fn walk(&self, user: &str, at: &str) -> Result<Way, ErrorCode> {
        let mut here = "/".to_owned();
        let segments: Vec<&str> = at.split('/').filter(|segment| !segment.is_empty()).collect();
        for (depth, segment) in segments.iter().enumerate() {
            let node = &self.nodes[&here];
            if !node.is_directory() {
                return Err(ErrorCode::NotADirectory);
            }
            node.may(user, PASS)?;
            let next = join(&here, segment);
            let there = self.nodes.get(&next);
            if there.is_none_or(|node| node.bits(user) == 0 && !node.owned(user)) {
                return Ok(Way::Missing(here, segments.len() - depth, there.is_some()));
            }
            here = next;
        }
        Ok(Way::There)
    }

    fn existing(&self, user: &str, at: &str) -> Result<&Node, ErrorCode> {
        match self.walk(user, at)? {
            Way::There => Ok(&self.nodes[at]),
            Way::Missing(..) => Err(ErrorCode::NotFound),
        }
    }

    /// Makes what is missing above a path.
    fn make_above(&mut self, user: &str, at: &str, lowest: &str, taken: bool) -> Result<(), ErrorCode> {
        self.nodes[lowest].may(user, WRITE)?;
        if taken {
            return Err(ErrorCode::PermissionDenied);
        }
        let mut above = parent(at);
        while !self.nodes.contains_key(above) {
            self.nodes.insert(above.to_owned(), Node::new(None, user));
            above = parent(above);
        }
        Ok(())
    }

    fn members(&self, at: &str) -> Vec<String> {
        self.nodes.keys().filter(|other| *other != "/" && parent(other) == at).cloned().collect()
    }

    /// The paths of a tree that a user is shown; each directory of it must be readable and passable.
    fn tree(&self, user: &str, at: &str) -> Result<Vec<String>, ErrorCode> {
        let mut tree = vec![at.to_owned()];
        if self.nodes[at].is_directory() {
            self.nodes[at].may(user, READ)?;
            self.nodes[at].may(user, PASS)?;
            for member in self.members(at) {
                if self.nodes[&member].shown(user) {
                    tree.extend(self.tree(user, &member)?);
                }
            }
        }
        Ok(tree)
    }

    /// Where `mv` and `cp` put something.
    fn slot(&self, user: &str, from: &str, to: &str) -> Result<String, ErrorCode> {
        let mut to = to.to_owned();
        let mut way = self.walk(user, &to)?;
        if matches!(way, Way::There) && self.nodes[&to].is_directory() {
            if to == from {
                return Err(ErrorCode::BadArgument);
            }
            to = join(&to, name(from));
            way = self.walk(user, &to)?;
        }
        let Way::Missing(lowest, missing, taken) = way else { return Err(ErrorCode::AlreadyExists) };
        if missing > 1 {
            return Err(ErrorCode::NotFound);
        }
        self.nodes[&lowest].may(user, WRITE)?;
        if taken {
            return Err(ErrorCode::AlreadyExists);
        }
        if within(&lowest, from) { Err(ErrorCode::BadArgument) } else { Ok(to) }
    }

    /// Whether an entry may go from where it is.
    fn may_unlink(&self, user: &str, at: &str) -> Result<(), ErrorCode> {
        if at == "/" {
            return Err(ErrorCode::BadArgument);
        }
        let (node, directory) = (&self.nodes[at], &self.nodes[parent(at)]);
        directory.may(user, WRITE)?;
        if directory.perms & 0o1000 != 0 && !node.owned(user) && !directory.owned(user) {
            return Err(ErrorCode::PermissionDenied);
        }
        if node.is_directory() { node.may(user, WRITE) } else { Ok(()) }
    }

    fn may_remove(&self, user: &str, at: &str) -> Result<(), ErrorCode> {
        self.existing(user, at)?;
        self.may_unlink(user, at)
    }

    /// Whether a user might remove what is in a directory, and what is below.
    fn may_empty(&self, user: &str, at: &str) -> Result<(), ErrorCode> {
        let node = &self.nodes[at];
        for member in self.members(at) {
            node.may(user, WRITE)?;
            node.may(user, PASS)?;
            if node.perms & 0o1000 != 0 && !node.owned(user) && !self.nodes[&member].owned(user) {
                return Err(ErrorCode::PermissionDenied);
            }
            self.may_empty(user, &member)?;
        }
        Ok(())
    }

    fn remove(&mut self, at: &str) {
        self.nodes.retain(|other, _| !within(other, at));
    }

    fn run(&mut self, user: &str, operation: &Operation) -> Reply {
        match operation {
            Operation::Mkdir(at, exist_ok) => match self.walk(user, at)? {
                Way::There if *exist_ok && self.nodes[at].is_directory() => Ok("made".into()),
                Way::There if *exist_ok => Err(ErrorCode::NotADirectory),
                Way::There => Err(ErrorCode::AlreadyExists),
                Way::Missing(lowest, _, taken) => {
                    self.make_above(user, at, &lowest, taken)?;
                    self.nodes.insert(at.clone(), Node::new(None, user));
                    Ok("made".into())
                }
            },
            Operation::Store(at, value, mode) => match self.walk(user, at)? {
                Way::Missing(..) if *mode == StoreMode::Overwrite => Err(ErrorCode::NotFound),
                Way::Missing(lowest, _, taken) => {
                    self.make_above(user, at, &lowest, taken)?;
                    self.nodes.insert(at.clone(), Node::new(Some(*value), user));
                    Ok("stored".into())
                }
                Way::There if self.nodes[at].is_directory() => Err(ErrorCode::IsADirectory),
                Way::There if *mode == StoreMode::Create => Err(ErrorCode::AlreadyExists),
                Way::There => {
                    self.nodes[at].may(user, WRITE)?;
                    if let Some(node) = self.nodes.get_mut(at) {
                        node.value = Some(*value);
                    }
                    Ok("stored".into())
                }
            },
            Operation::Get(at) => {
                let node = self.existing(user, at)?;
                node.may(user, READ)?;
                Ok(node.value.map_or("directory".to_owned(), |value| value.to_string()))
            }
            Operation::List(at) => {
                let node = self.existing(user, at)?;
                node.may(user, READ)?;
                if !node.is_directory() {
                    return Err(ErrorCode::NotADirectory);
                }
                let members = self.members(at).into_iter().filter(|member| self.nodes[member].shown(user));
                Ok(members.map(|member| name(&member).to_owned()).collect::<Vec<_>>().join(" "))
            }
            Operation::Rm(at, recursive) => {
                self.may_remove(user, at)?;
                if !recursive && !self.members(at).is_empty() {
                    return Err(ErrorCode::DirectoryNotEmpty);
                }
                self.may_empty(user, at)?;
                self.remove(at);
                Ok("removed".into())
            }
            Operation::Mv(from, to) => {
                self.existing(user, from)?;
                self.may_unlink(user, from)?;
                let to = self.slot(user, from, to)?;
                let moved: Vec<_> = self.nodes.keys().filter(|other| within(other, from)).cloned().collect();
                for at in moved {
                    if let Some(node) = self.nodes.remove(&at) {
                        self.nodes.insert(format!("{to}{}", &at[from.len()..]), node);
                    }
                }
                Ok("moved".into())
            }
            Operation::Cp(from, to, recursive) => {
                let node = self.existing(user, from)?;
                node.may(user, READ)?;
                if node.is_directory() && !recursive {
                    return Err(ErrorCode::IsADirectory);
                }
                if from == "/" {
                    return Err(ErrorCode::BadArgument);
                }
                let to = self.slot(user, from, to)?;
                let tree = self.tree(user, from)?;
                tree.iter().try_for_each(|at| self.nodes[at].may(user, READ))?;
                for at in tree {
                    let node = &self.nodes[&at];
                    let copy = Node { perms: node.perms, ..Node::new(node.value, user) };
                    self.nodes.insert(format!("{to}{}", &at[from.len()..]), copy);
                }
                Ok("copied".into())
            }
            Operation::Chmod(at, perms, recursive) => {
                let change = PermsChange::parse(perms).map_err(|error| error.code)?;
                self.existing(user, at)?;
                for at in self.owned_tree(user, at, *recursive)? {
                    if let Some(node) = self.nodes.get_mut(&at) {
                        node.perms = change.apply(Perms(node.perms)).0;
                    }
                }
                Ok("changed".into())
            }
            Operation::Chown(at, owner, group, recursive) => {
                self.existing(user, at)?;
                let tree = self.owned_tree(user, at, *recursive)?;
                for at in &tree {
                    let node = &self.nodes[at];
                    let foreign = owner.is_some_and(|owner| owner != node.owner)
                        || group.is_some_and(|group| group != node.group && group != user && group != GROUP);
                    if foreign && user != "admin" {
                        return Err(ErrorCode::PermissionDenied);
                    }
                }
                for at in tree {
                    if let Some(node) = self.nodes.get_mut(&at) {
                        node.owner = owner.map_or(node.owner.clone(), str::to_owned);
                        node.group = group.map_or(node.group.clone(), str::to_owned);
                    }
                }
                Ok("given".into())
            }
            Operation::Stat(at) => {
                let node = self.existing(user, at)?;
                Ok(format!("{} {} {}", Perms(node.perms), node.owner, node.group))
            }
        }
    }

    fn owned_tree(&self, user: &str, at: &str, recursive: bool) -> Result<Vec<String>, ErrorCode> {
        let tree = if recursive { self.tree(user, at)? } else { vec![at.to_owned()] };
        let all = tree.iter().all(|at| self.nodes[at].owned(user));
        if all { Ok(tree) } else { Err(ErrorCode::PermissionDenied) }
    }
}

async fn run<B: Backend>(tx: &mut Tx<B>, operation: &Operation, class: ClassHash) -> Reply {
    let result = match operation {
        Operation::Mkdir(at, exist_ok) => tx.mkdir(&path(at), *exist_ok).await.map(|_| "made".to_owned()),
        Operation::Store(at, value, mode) => {
            tx.store(&path(at), class, &n(*value), *mode, None, &[]).await.map(|_| "stored".to_owned())
        }
        Operation::Get(at) => tx.get(&path(at), None).await.map(|fetched| match fetched.members {
            Some(_) => "directory".to_owned(),
            None => n_of(&fetched.state).to_string(),
        }),
        Operation::List(at) => tx
            .list(&path(at), None, None)
            .await
            .map(|page| page.members.iter().map(|member| member.name.clone()).collect::<Vec<_>>().join(" ")),
        Operation::Rm(at, recursive) => tx.rm(&path(at), *recursive).await.map(|()| "removed".to_owned()),
        Operation::Mv(from, to) => tx.mv(&path(from), to).await.map(|()| "moved".to_owned()),
        Operation::Cp(from, to, recursive) => {
            tx.cp(&path(from), to, *recursive).await.map(|_| "copied".to_owned())
        }
        Operation::Chmod(at, perms, recursive) => {
            tx.chmod(&path(at), perms, *recursive).await.map(|_| "changed".to_owned())
        }
        Operation::Chown(at, owner, group, recursive) => {
            tx.chown(&path(at), *owner, *group, *recursive).await.map(|_| "given".to_owned())
        }
        Operation::Stat(at) => {
            let stat = tx.stat(&path(at)).await;
            stat.map(|stat| format!("{} {} {}", stat.perms, stat.owner, stat.group))
        }
    };
    result.map_err(|error| error.code)
}

/// What a transaction was told by each operation, and how many had committed by then.
type Transaction = (Tx<MemoryBackend>, Vec<(Operation, Reply, usize)>);

/// Commits, and compares with the model what the transaction was told.
async fn finish(open: Option<Transaction>, model: &mut Model, commits: &mut usize) {
    let Some((tx, told)) = open else { return };
    let user = tx.principal().user.clone();
    match tx.commit(None).await {
        Ok(_) => {
            for (operation, reply, at_commits) in &told {
                if let (Operation::Rm(at, true), Ok(_)) = (operation, reply)
                    && at_commits < commits
                    && model.may_remove(&user, at).is_ok()
                {
                    // What others put into a tree while it is removed goes with it, whoever might remove it otherwise.
                    model.remove(at);
                    continue;
                }
                assert_eq!(&model.run(&user, operation), reply, "{operation:?} by {user} in {told:#?}");
            }
            *commits += 1;
        }
        Err(CommitError::Conflict) => {}
        Err(CommitError::Error(error)) => panic!("{error}"),
    }
}

async fn scenario(steps: Vec<Step>) {
    let backing = MemoryBackend::new();
    let mut model = Model::new();
    let mut new = true;
    let mut commits = 0;
    let mut rest = steps.into_iter().peekable();
    while rest.peek().is_some() {
        let engine = Engine::open(backing.clone(), EngineOptions::new("test"), NOW).await.unwrap();
        let body = async {
            let class = put_class(&engine).await;
            if std::mem::take(&mut new) {
                let mut tx = admin(&engine);
                tx.chmod(&path("/"), "777", false).await.unwrap();
                tx.groups(GroupAction::Add, Some(GROUP), None).await.unwrap();
                for (at, user) in USERS[1..].iter().enumerate() {
                    tx.users(UserAction::Add, Some(user), Some(&[at as u8; 32]), None).await.unwrap();
                }
                commit(tx).await.unwrap();
            }
            let mut open: [Option<Transaction>; 3] = [None, None, None];
            for step in rest.by_ref() {
                match step {
                    Step::Run(at, operation) => {
                        let (tx, told) = open[at].get_or_insert_with(|| {
                            (engine.begin(principal(USERS[at]), NOW, seed()), Vec::new())
                        });
                        let reply = run(tx, &operation, class).await;
                        told.push((operation, reply, commits));
                    }
                    Step::Commit(at) => finish(open[at].take(), &mut model, &mut commits).await,
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
                finish(open.take(), &mut model, &mut commits).await;
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
    let perms = prop::sample::select(vec![
        "777",
        "777",
        "1777",
        "750",
        "700",
        "o+r",
        "g+w,o=x",
        "go=",
        "u-r",
        "000",
        "rwxr-xr-t",
        "g-r",
    ]);
    let owner = prop::sample::select(vec![None, Some("ada"), Some("bob"), Some("admin")]);
    let group = prop::sample::select(vec![Some("ada"), Some(GROUP), Some("admin")]);
    prop_oneof![
        2 => (any_path(), any::<bool>()).prop_map(|(at, ok)| Operation::Mkdir(at, ok)),
        6 => (any_path(), 0..1000u64, mode).prop_map(|(at, value, mode)| Operation::Store(at, value, mode)),
        3 => any_path().prop_map(Operation::Get),
        3 => any_path().prop_map(Operation::List),
        2 => (any_path(), any::<bool>()).prop_map(|(at, recursive)| Operation::Rm(at, recursive)),
        3 => (any_path(), any_path()).prop_map(|(from, to)| Operation::Mv(from, to)),
        2 => (any_path(), any_path(), any::<bool>()).prop_map(|(from, to, recursive)| Operation::Cp(from, to, recursive)),
        4 => (any_path(), perms, any::<bool>()).prop_map(|(at, perms, recursive)| Operation::Chmod(at, perms, recursive)),
        2 => (any_path(), owner, group, any::<bool>())
            .prop_map(|(at, owner, group, recursive)| Operation::Chown(at, owner, group, recursive)),
        2 => any_path().prop_map(Operation::Stat),
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
