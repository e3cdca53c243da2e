//! Putting a subtree down.

use super::{FORM, Item, NAME, OwnRules, Owned, Version};
use crate::node::Node;
use emerge_engine::{Backend, Principal};
use emerge_proto::class::{Captured, decode};
use emerge_proto::op::Target;
use emerge_proto::record::{ClassInfo, ObjectType, Page, VersionInfo};
use emerge_proto::rules::Rules;
use emerge_proto::sequence::SequenceWriter;
use emerge_proto::{
    AsOf, ClassHash, ClassSource, Error, ErrorCode, Fetched, Op, Path, Result, Stat, Value, limits,
};
use serde_json::json;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Bytes after which what there is is handed over.
const PIECE: usize = 256 * 1024;
/// Members of a directory that are known at a time.
const MEMBERS: usize = 100;

/// A directory that is being walked.
struct Level {
    /// Its path, relative to the subtree.
    path: String,
    members: VecDeque<Stat>,
    /// Where the next page begins.
    next: Option<String>,
}

enum Stage {
    Begin,
    Walk,
    Done,
}

/// A subtree that is being put down. Each object is whole by itself; others may change the tree meanwhile.
pub struct Export<B: Backend> {
    node: Node<B>,
    principal: Principal,
    now: i64,
    root: Path,
    history: bool,
    stage: Stage,
    levels: Vec<Level>,
    classes: HashSet<ClassHash>,
    writer: SequenceWriter,
}

impl<B: Backend> Node<B> {
    /// Puts what is at a path down, as far as the caller may read it; with `history` all versions that are kept. `now` is noted in it.
    pub fn export(&self, principal: &Principal, root: Path, history: bool, now: i64) -> Export<B> {
        Export {
            node: self.clone(),
            principal: principal.clone(),
            now,
            root,
            history,
            stage: Stage::Begin,
            levels: Vec::new(),
            classes: HashSet::new(),
            writer: SequenceWriter::default(),
        }
    }
}

fn owned(stat: &Stat) -> Owned {
    Owned { owner: stat.owner.clone(), group: stat.group.clone(), perms: stat.perms }
}

impl<B: Backend> Export<B> {
    /// The next bytes; none when it is whole.
    ///
    /// # Errors
    /// `not_found`, `bad_argument` (the node itself tells what is there), `permission_denied` (it names what may not be read), `storage_failed`.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if matches!(self.stage, Stage::Done) {
            return Ok(None);
        }
        let mut put = Vec::new();
        while put.len() < PIECE && !matches!(self.stage, Stage::Done) {
            self.step().await?;
            put.extend(self.writer.take());
        }
        Ok(Some(put))
    }

    async fn step(&mut self) -> Result<()> {
        if let Stage::Begin = self.stage {
            let op = Op::Stat { path: Target::from(&self.root) };
            let stat: Stat = self.ask(op).await?;
            if emerge_engine::is_told_by_node(&self.root) {
                // An object or a directory by its id is exported from where it is.
                let place = stat.path.as_deref().map(Path::parse).transpose()?;
                self.root = place.ok_or_else(|| {
                    let why = "the node itself tells what is there, and no objects are stored below";
                    Error::new(ErrorCode::BadArgument, why).field("path").at(&self.root)
                })?;
            }
            let (root, now) = (self.root.to_string(), self.now);
            self.writer.item(|e| e.array(4)?.str(NAME)?.u64(FORM)?.str(&root)?.i64(now)?.ok());
            self.stage = Stage::Walk;
            return self.member(String::new(), &stat).await;
        }
        let Some(level) = self.levels.last_mut() else {
            self.writer.end(0);
            self.stage = Stage::Done;
            return Ok(());
        };
        if let Some(member) = level.members.pop_front() {
            let path = match level.path.as_str() {
                "" => member.name.clone(),
                above => format!("{above}/{}", member.name),
            };
            return self.member(path, &member).await;
        }
        match level.next.take() {
            None => {
                self.levels.pop();
            }
            next => {
                let path = level.path.clone();
                let page = self.page(&path, next).await?;
                if let Some(level) = self.levels.last_mut() {
                    (level.members, level.next) = (page.members.into(), page.next);
                }
            }
        }
        Ok(())
    }

    async fn ask<T: for<'b> minicbor::Decode<'b, ()>>(&self, op: Op) -> Result<T> {
        decode(&self.node.execute(&self.principal, op, self.now).await?)
    }

    fn at(&self, path: &str) -> Result<Path> {
        match (path, self.root.is_root()) {
            ("", _) => Ok(self.root.clone()),
            (path, true) => Path::parse(&format!("/{path}")),
            (path, false) => Path::parse(&format!("{}/{path}", self.root)),
        }
    }

    async fn page(&self, path: &str, after: Option<String>) -> Result<Page> {
        let list = json!({ "op": "list", "path": self.at(path)?.as_str(), "after": after, "limit": MEMBERS });
        self.ask(crate::json::op_from_json(&list)?).await
    }

    async fn member(&mut self, path: String, stat: &Stat) -> Result<()> {
        match stat.kind {
            ObjectType::Directory => {
                let rules = self.rules(&path, stat).await?;
                Item::Directory(path.clone(), owned(stat), rules).put(&mut self.writer);
                let page = self.page(&path, None).await?;
                self.levels.push(Level { path, members: page.members.into(), next: page.next });
                Ok(())
            }
            _ => match self.object(&path).await {
                // Whoever removed it meanwhile did so before it was reached.
                Err(error) if error.code == ErrorCode::NotFound && !path.is_empty() => Ok(()),
                done => done,
            },
        }
    }

    /// The rules that a directory sets itself. A listing does not tell them.
    async fn rules(&self, path: &str, listed: &Stat) -> Result<OwnRules> {
        let at = self.at(path)?;
        let told = match &listed.rules {
            Some(rules) => Some(rules.clone()),
            None => self.ask::<Stat>(Op::Stat { path: Target::from(&at) }).await?.rules,
        };
        let own = |from: &Option<String>| from.as_deref() == Some(at.as_str());
        Ok(told.map_or_else(OwnRules::default, |Rules { keep, mask, keep_from, mask_from }| OwnRules {
            keep: Some(keep).filter(|_| own(&keep_from)),
            mask: Some(mask).filter(|_| own(&mask_from)),
        }))
    }

    async fn object(&mut self, path: &str) -> Result<()> {
        let target = Target::from(&self.at(path)?);
        if !self.history {
            let fetched: Fetched = self.ask(Op::Get { path: target, version: None, children: None }).await?;
            return self.version(path, fetched, None).await;
        }
        let versions = self.versions(&target).await?;
        let newest = versions.first().map(|info| info.version);
        for info in versions.into_iter().rev() {
            let version = Some(AsOf::Version(info.version));
            match self.ask::<Fetched>(Op::Get { path: target.clone(), version, children: None }).await {
                Ok(fetched) => self.version(path, fetched, Some(info)).await?,
                // An old one has just been pruned.
                Err(error) if error.code == ErrorCode::NotFound && Some(info.version) != newest => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All versions that are kept, newest first.
    async fn versions(&mut self, target: &Target) -> Result<Vec<VersionInfo>> {
        let mut versions: Vec<VersionInfo> = Vec::new();
        loop {
            let before = versions.last().map(|info| info.version);
            let page: Vec<VersionInfo> =
                self.ask(Op::History { path: target.clone(), before, limit: None }).await?;
            let is_last = page.len() < limits::MAX_PAGE;
            versions.extend(page);
            if is_last {
                return Ok(versions);
            }
        }
    }

    async fn version(&mut self, path: &str, fetched: Fetched, info: Option<VersionInfo>) -> Result<()> {
        let Fetched { stat, state, .. } = fetched;
        let Some(class) = stat.class_hash else { return Ok(()) };
        let mut wanted = vec![class];
        embedded(&Value::decode(&state)?, &mut wanted);
        for class in wanted {
            self.class(class).await?;
        }
        let (author, method, restored, operation) = match info {
            Some(info) => (Some(info.author), info.method, info.restored, info.operation),
            None => (None, None, None, None),
        };
        let version = Version {
            owned: owned(&stat),
            class,
            fields: state,
            version: stat.version,
            created: stat.created,
            modified: stat.modified,
            author,
            method,
            restored,
            operation,
        };
        Item::Version(path.to_owned(), Box::new(version)).put(&mut self.writer);
        Ok(())
    }

    /// Puts a class down with all that it needs, unless it was already: bases and captures first.
    async fn class(&mut self, hash: ClassHash) -> Result<()> {
        if self.classes.contains(&hash) {
            return Ok(());
        }
        let mut sources: BTreeMap<ClassHash, (ClassSource, String)> = BTreeMap::new();
        let mut wanted = vec![hash];
        while let Some(hash) = wanted.pop() {
            if self.classes.contains(&hash) || sources.contains_key(&hash) {
                continue;
            }
            let info: ClassInfo = self.ask(Op::Class { path: None, hash: Some(hash), name: None }).await?;
            if let Some(class) = info.lineage.into_iter().next() {
                wanted.extend(needs(&class.source));
                sources.insert(hash, (class.source, class.owner));
            }
        }
        // A class is addressed by what it needs, so that none needs itself and each round finds one at least.
        while !sources.is_empty() {
            let ready = sources
                .iter()
                .find(|(_, (source, _))| needs(source).iter().all(|needed| !sources.contains_key(needed)))
                .map(|(hash, _)| *hash);
            let Some(hash) = ready.or_else(|| sources.keys().next().copied()) else { break };
            if let Some((source, owner)) = sources.remove(&hash) {
                Item::Class(Box::new(source), Some(owner)).put(&mut self.writer);
                self.classes.insert(hash);
            }
        }
        Ok(())
    }
}

/// The classes that a class inherits from and those that it uses.
fn needs(source: &ClassSource) -> Vec<ClassHash> {
    let captured = source.captures.iter().flatten().filter_map(|capture| match capture.what {
        Captured::Class(hash) => Some(hash),
        _ => None,
    });
    source.bases.iter().map(|base| base.hash).chain(captured).collect()
}

/// The classes of the objects in a value. A value nests no deeper than its limit.
fn embedded(value: &Value, found: &mut Vec<ClassHash>) {
    match value {
        Value::List(items) | Value::Set(items) => items.iter().for_each(|item| embedded(item, found)),
        Value::Map(entries) => entries.iter().for_each(|(_, entry)| embedded(entry, found)),
        Value::Object { class, fields } => {
            found.push(*class);
            fields.iter().for_each(|(_, entry)| embedded(entry, found));
        }
        Value::Table { rows, .. } => rows.iter().flatten().for_each(|cell| embedded(cell, found)),
        _ => {}
    }
}
