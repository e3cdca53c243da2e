//! A file system as simple as can be: what the engine, and the node, must say of the same operations.

use emerge_proto::op::StoreMode;
use emerge_proto::{ErrorCode, Perms, PermsChange};
use std::collections::BTreeMap;

/// The group of all users but the administrator.
pub const GROUP: &str = "staff";

/// Cases of a property: so many, or what `PROPTEST_CASES` says.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

#[derive(Clone, Debug)]
pub enum Operation {
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

/// What an operation said: its result in short, or its error.
pub type Reply = Result<String, ErrorCode>;

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
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

/// A node for each path.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub nodes: BTreeMap<String, Node>,
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
    pub fn new() -> Self {
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

    pub fn may_remove(&self, user: &str, at: &str) -> Result<(), ErrorCode> {
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

    pub fn remove(&mut self, at: &str) {
        self.nodes.retain(|other, _| !within(other, at));
    }

    pub fn run(&mut self, user: &str, operation: &Operation) -> Reply {
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
