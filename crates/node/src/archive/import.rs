//! Making a subtree of an export.

use super::{FORM, Item, NAME};
use crate::node::{Node, too_much_contention};
use emerge_engine::{Backend, CommitError, Principal, Tx};
use emerge_proto::class::decode;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::{ObjectType, Page};
use emerge_proto::sequence::{Part, SequenceReader, damaged};
use emerge_proto::{Error, ErrorCode, Op, Path, Result, Stat, limits};
use minicbor::Decoder;
use serde_json::json;
use std::collections::HashSet;

/// Items of one transaction.
const BATCH: usize = 200;
/// Bytes of fields after which a transaction takes no more.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What an import made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The root of the subtree.
    pub path: Path,
    /// Classes that the export had; those that were there already count too.
    pub classes: u64,
    /// Directories, the root among them if it is one.
    pub directories: u64,
    /// Objects.
    pub objects: u64,
    /// Their versions.
    pub versions: u64,
}

/// A subtree that is being made. What the administrator imports is as it was: version numbers, times, authors, owners and rights. What anyone else
/// imports is as if that user had stored each version again.
pub struct Import<B: Backend> {
    node: Node<B>,
    principal: Principal,
    now: i64,
    to: Option<Path>,
    reader: SequenceReader,
    imported: Option<Imported>,
    batch: Vec<Item>,
    bytes: usize,
    /// The paths of the versions in the batch.
    paths: HashSet<String>,
    last_object: Option<String>,
    /// The last commit.
    number: u64,
}

impl<B: Backend> Node<B> {
    /// Makes a subtree of an export, which comes in pieces: at `to`, or where it was. Nothing may be there but an empty directory.
    pub fn import(&self, principal: &Principal, to: Option<Path>, now: i64) -> Import<B> {
        Import {
            node: self.clone(),
            principal: principal.clone(),
            now,
            to,
            reader: SequenceReader::default(),
            imported: None,
            batch: Vec::new(),
            bytes: 0,
            paths: HashSet::new(),
            last_object: None,
            number: 0,
        }
    }
}

impl<B: Backend> Import<B> {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// `bad_argument` when they are damaged, `already_exists`, and what storing gives. What came before stays.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.feed(bytes);
        while let Some(part) = self.reader.next_part()? {
            match part {
                Part::End(_) => self.flush().await?,
                Part::Item(item) if self.imported.is_none() => self.begin(&item).await?,
                Part::Item(item) => self.add(Item::read(&item)?).await?,
            }
        }
        Ok(())
    }

    /// Sees that all was there, and waits until it is on disk.
    ///
    /// # Errors
    /// `bad_argument` when the end is missing, `storage_failed`.
    pub async fn finish(self) -> Result<Imported> {
        let done = self.reader.is_done();
        let imported = self.imported.filter(|_| done).ok_or_else(|| damaged("its end is missing"))?;
        self.node.engine().durable(self.number).await?;
        Ok(imported)
    }

    async fn begin(&mut self, item: &[u8]) -> Result<()> {
        let mut d = Decoder::new(item);
        let mut read = || -> Result<String, minicbor::decode::Error> {
            if d.array()? != Some(4) || d.str()? != NAME || d.u64()? != FORM {
                return Err(minicbor::decode::Error::message(
                    "it does not begin as an export of this version",
                ));
            }
            Ok(d.str()?.to_owned())
        };
        let was = Path::parse(&read().map_err(damaged)?)?;
        let path = self.to.take().unwrap_or(was);
        self.must_be_free(&path).await?;
        self.imported = Some(Imported { path, classes: 0, directories: 0, objects: 0, versions: 0 });
        Ok(())
    }

    async fn must_be_free(&self, path: &Path) -> Result<()> {
        let taken = || {
            let why = format!(
                "something is stored at {path}; an export is imported where nothing is, or into an empty directory"
            );
            Error::new(ErrorCode::AlreadyExists, why).at(path)
        };
        let stat = self.node.execute(&self.principal, Op::Stat { path: Target::from(path) }, self.now).await;
        let stat: Stat = match stat {
            Err(error) if error.code == ErrorCode::NotFound => return Ok(()),
            stat => decode(&stat?)?,
        };
        if stat.kind != ObjectType::Directory {
            return Err(taken());
        }
        let list = crate::json::op_from_json(&json!({ "op": "list", "path": path.as_str(), "limit": 1 }))?;
        let page: Page = decode(&self.node.execute(&self.principal, list, self.now).await?)?;
        if page.members.is_empty() { Ok(()) } else { Err(taken()) }
    }

    async fn add(&mut self, item: Item) -> Result<()> {
        let (class, owner) = match item {
            Item::Class(class, owner) => (class, owner),
            item => {
                let (path, bytes) = match &item {
                    Item::Version(path, version) => (Some(path), version.fields.len()),
                    _ => (None, 0),
                };
                // A transaction makes one version of an object, unless it is told all about each.
                let again = !self.principal.admin && path.is_some_and(|path| self.paths.contains(path));
                if self.batch.len() == BATCH || self.bytes + bytes > BATCH_BYTES || again {
                    self.flush().await?;
                }
                if let Item::Version(path, version) = &item {
                    self.bytes += version.fields.len();
                    self.paths.insert(path.clone());
                }
                self.batch.push(item);
                return Ok(());
            }
        };
        // What waits does not need it, and goes with what comes: an export that fits into one transaction is imported whole or not at all.
        match owner.filter(|owner| self.principal.admin && *owner != self.principal.user) {
            // As all that an administrator imports it belongs to whom it belonged to: who has stored a source answers for what it does.
            Some(owner) => {
                let owner = Principal::user(owner);
                self.node.execute(&owner, Op::PutClass { class: *class }, self.now).await?;
            }
            // What others have stored here already is not the importer's for being in an export.
            None if !self.principal.admin && self.node.engine().class(class.hash()).await.is_ok() => {}
            None => {
                self.node.execute(&self.principal, Op::PutClass { class: *class }, self.now).await?;
            }
        }
        self.count(|imported| imported.classes += 1)
    }

    fn count(&mut self, change: impl FnOnce(&mut Imported)) -> Result<()> {
        change(self.imported.as_mut().ok_or_else(|| damaged("it has no beginning"))?);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let items = std::mem::take(&mut self.batch);
        self.paths.clear();
        self.bytes = 0;
        if items.is_empty() {
            return Ok(());
        }
        let root = self.imported.as_ref().ok_or_else(|| damaged("it has no beginning"))?.path.clone();
        self.number = self.number.max(self.commit(&root, &items).await?);
        for item in items {
            match item {
                Item::Class(..) => {}
                Item::Directory(..) => self.count(|imported| imported.directories += 1)?,
                Item::Version(path, _) => {
                    let first = self.last_object.as_ref() != Some(&path);
                    self.last_object = Some(path);
                    self.count(|imported| {
                        imported.versions += 1;
                        imported.objects += u64::from(first);
                    })?;
                }
            }
        }
        Ok(())
    }

    async fn commit(&self, root: &Path, items: &[Item]) -> Result<u64> {
        for _ in 0..limits::MAX_RETRIES {
            let mut tx = self.node.begin(&self.principal, self.now);
            match apply(&mut tx, root, items).await {
                Err(_) if !tx.is_current() => continue,
                done => done?,
            }
            match tx.commit(None).await {
                Ok(commit) => return Ok(commit.number),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Error(error)) => return Err(error),
            }
        }
        Err(too_much_contention().at(root))
    }
}

async fn apply<B: Backend>(tx: &mut Tx<B>, root: &Path, items: &[Item]) -> Result<()> {
    let admin = tx.principal().admin;
    for item in items {
        match item {
            Item::Class(..) => {}
            Item::Directory(path, owned, rules) => {
                let target = at(root, path)?;
                match admin {
                    true => tx.import_directory(&target, owned.clone().into()).await?,
                    false => {
                        tx.mkdir(&target, true).await?;
                    }
                }
                tx.import_rules(&target, rules.keep.as_deref(), rules.mask.as_deref()).await?;
            }
            Item::Version(path, version) => {
                let target = at(root, path)?;
                match admin {
                    true => tx.import_version(&target, (**version).clone().into()).await?,
                    false => {
                        tx.store(&target, version.class, &version.fields, StoreMode::Put, None, &[]).await?
                    }
                };
            }
        }
    }
    Ok(())
}

/// Where something of the subtree goes. A path that leads out of it is none.
fn at(root: &Path, path: &str) -> Result<Target> {
    let mut target = root.clone();
    if !path.is_empty() {
        for segment in path.split('/') {
            target = target.join(segment)?;
        }
    }
    Ok(Target::from(&target))
}
