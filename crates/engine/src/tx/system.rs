//! Directories that nobody made: `/registry` (every object by its id), `/classes` and `/nodes`. They can be read by who knows of them, are in
//! no listing of the root, and cannot be changed.

use super::Tx;
use super::list::{Filter, Listing, limit_of};
use super::order::Order;
use super::place::{self, Place};
use crate::access::{self, ROOT_OWNER};
use crate::backend::Backend;
use crate::keys;
use crate::object::{ClassHead, read};
use emerge_proto::op::{SortBy, Target};
use emerge_proto::scope::Verb;
use emerge_proto::{
    ClassHash, ClassVersion, Error, ErrorCode, Fetched, ObjectId, ObjectType, Page, Path, Perms, Result,
    Stat, Value, limits,
};
use std::sync::Arc;

/// One of these directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directory {
    Registry,
    Classes,
    Nodes,
}

/// What a path below the root means that the node itself answers.
#[derive(Clone, Debug)]
pub(super) struct System {
    directory: Directory,
    /// What of it; none for the directory itself.
    member: Option<String>,
    path: Path,
}

impl System {
    /// Whether it leads to an object or a directory that somebody made.
    pub(super) fn is_object(&self) -> bool {
        self.directory == Directory::Registry && self.member.is_some()
    }
}

impl Directory {
    fn of(name: &str) -> Option<Self> {
        match name {
            "registry" => Some(Directory::Registry),
            "classes" => Some(Directory::Classes),
            "nodes" => Some(Directory::Nodes),
            _ => None,
        }
    }

    /// No object has an id of these: they carry no time.
    fn id(self) -> ObjectId {
        let mut id = [0; 16];
        id[15] = match self {
            Directory::Registry => 1,
            Directory::Classes => 2,
            Directory::Nodes => 3,
        };
        ObjectId(id)
    }
}

const DIRECTORY_PERMS: Perms = Perms(0o555);
const MEMBER_PERMS: Perms = Perms(0o444);

/// Whether the node itself tells what is at a path: `/registry`, `/classes`, `/nodes`, and what is below them.
pub fn is_told_by_node(path: &Path) -> bool {
    path.segments().next().is_some_and(is_told_by_node_at)
}

/// The same of the first segment of a path.
pub(crate) fn is_told_by_node_at(first: &str) -> bool {
    Directory::of(first).is_some()
}

/// Refuses to change what the node itself answers.
pub(super) fn check_changeable(path: &Path) -> Result<()> {
    if !is_told_by_node(path) {
        return Ok(());
    }
    let why = format!("{path} is told by the node itself and cannot be changed");
    Err(Error::new(ErrorCode::PermissionDenied, why).at(path))
}

impl<B: Backend> Tx<B> {
    /// What a target means that the node itself answers. An object below `/registry` is the object.
    pub(super) fn system_of(&self, target: &Target) -> Result<Option<System>> {
        let Target::Path(text) = target else { return Ok(None) };
        if super::inside::is_inside(target) {
            return Ok(None);
        }
        // Nearly every path is another.
        let first = text.trim_start_matches('/').split('/').next().unwrap_or_default();
        let Some(directory) = Directory::of(first) else { return Ok(None) };
        let path = Path::parse(text)?;
        if path.segments().count() > 2 {
            return Err(place::not_found(&path));
        }
        let member = path.segments().nth(1).map(str::to_owned);
        let system = System { directory, member, path };
        // An object has a place of its own, by which it is decided.
        if !system.is_object() && !self.principal.is_granted_at(Verb::Read, &system.path) {
            return Err(place::not_found(&system.path));
        }
        Ok(Some(system))
    }

    /// What lies at a target that is only read: a path below `/registry` leads to an object by its id.
    pub(super) async fn seen(&mut self, target: &Target) -> Result<Place> {
        match self.system_of(target)? {
            Some(System { directory: Directory::Registry, member: Some(id), path }) => {
                let id = ObjectId::parse(&id).ok_or_else(|| place::not_found(&path))?;
                match self.place(&Target::Id(id)).await {
                    Err(error) if error.code == ErrorCode::NotFound => Err(place::not_found(&path)),
                    found => found,
                }
            }
            Some(System { path, member: None, .. }) => Err(place::is_a_directory(&path)),
            Some(System { path, .. }) => {
                let why = format!(
                    "{path} is told by the node itself; it can be read, and has neither methods nor versions"
                );
                Err(Error::new(ErrorCode::Unsupported, why).at(path))
            }
            None => self.place(target).await,
        }
    }

    /// The properties of what the node itself answers; none when that is an object.
    pub(super) async fn stat_system(&mut self, system: &System) -> Result<Option<Stat>> {
        let Some(name) = &system.member else { return Ok(Some(self.directory_stat(system).await?)) };
        match system.directory {
            Directory::Registry => Ok(None),
            Directory::Classes => {
                let class = self.class_of(name, &system.path).await?;
                Ok(Some(self.class_stat(name.clone(), &class)))
            }
            Directory::Nodes => self.node_stat(name, &system.path).await.map(Some),
        }
    }

    /// What the node itself tells; none when that is an object.
    pub(super) async fn get_system(&mut self, system: &System) -> Result<Option<Fetched>> {
        let Some(mut stat) = self.stat_system(system).await? else { return Ok(None) };
        let empty = || Value::Map(Vec::new()).encode();
        let Some(name) = &system.member else {
            let members = Some(self.list_system(system, &Listing::default()).await?);
            return Ok(Some(Fetched { members, ..Fetched::whole(stat, empty()) }));
        };
        let text = |text: &str| Value::Text(text.to_owned());
        let fields = match system.directory {
            Directory::Registry => return Ok(None),
            Directory::Classes => {
                // It tells of a class and is no instance of it.
                (stat.class, stat.class_hash, stat.class_version) = (None, None, None);
                let class = self.class_of(name, &system.path).await?;
                let source = &class.source;
                vec![
                    ("name", text(&source.name)),
                    ("version", Value::Int(class.version as i64)),
                    ("hash", text(&class.hash.to_string())),
                    ("owner", text(&class.owner)),
                    ("language", text(source.language.as_str())),
                    ("doc", source.doc.as_deref().map_or(Value::Null, text)),
                    ("bases", Value::List(source.bases.iter().map(|base| text(&base.name)).collect())),
                    ("fields", Value::List(source.fields.iter().map(|field| text(&field.name)).collect())),
                    ("methods", Value::List(class.methods.iter().map(|method| text(&method.name)).collect())),
                    ("source", text(&source.shown())),
                ]
            }
            Directory::Nodes => {
                vec![("name", text(name)), ("store", text(&self.engine.store_id().to_string()))]
            }
        };
        let state = Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        Ok(Some(Fetched::whole(stat, state.encode())))
    }

    /// A page of what the node itself tells, in the order of its names.
    pub(super) async fn list_system(&mut self, system: &System, listing: &Listing<'_>) -> Result<Page> {
        if system.member.is_some() {
            return Err(place::not_a_directory(&system.path));
        }
        let order = Order { by: listing.sort.unwrap_or(SortBy::Name), descending: listing.descending };
        if !order.is_natural() {
            let why = format!("{} is listed in the order of its names only", system.path);
            return Err(Error::new(ErrorCode::Unsupported, why).at(&system.path).field("sort"));
        }
        let (limit, filter) = (limit_of(listing.limit)?, Filter::new(listing.glob)?);
        match system.directory {
            Directory::Registry => self.list_registry(listing.after, limit, &filter, &system.path).await,
            Directory::Classes => self.list_classes(listing.after, limit, &filter, &system.path).await,
            Directory::Nodes => {
                let name = self.engine.shared.options.node_name.clone();
                let wanted = filter.matches(&name) && listing.after.is_none_or(|after| *name > *after);
                let members =
                    if wanted { vec![self.node_stat(&name, &system.path).await?] } else { Vec::new() };
                Ok(Page { members, next: None, last: None })
            }
        }
    }

    /// Objects by their ids: those that the caller may reach, and see.
    async fn list_registry(
        &mut self,
        after: Option<&str>,
        limit: usize,
        filter: &Filter,
        path: &Path,
    ) -> Result<Page> {
        let bad = || {
            Error::new(ErrorCode::BadArgument, "the cursor of /registry is an object's id")
                .field("after")
                .at(path)
        };
        let mut from = after.map(|after| ObjectId::parse(after).ok_or_else(bad)).transpose()?;
        let mut page = Page { members: Vec::new(), next: None, last: None };
        let mut passed = 0;
        loop {
            let found = self.scan(keys::objects(from), limits::MAX_PAGE).await?;
            let ended = found.len() < limits::MAX_PAGE;
            for (key, _) in found {
                let Some(id) = keys::id_of(&key) else { continue };
                from = Some(id);
                if id == ObjectId::ROOT || !filter.matches(&id.to_string()) {
                    continue;
                }
                let place = match self.place(&Target::Id(id)).await {
                    Ok(place) if access::shows(&self.principal, &place.object, &place.path) => place,
                    // What cannot be reached, or waits for collection.
                    Ok(_) => continue,
                    Err(error) if error.code == ErrorCode::NotFound => continue,
                    Err(error) => return Err(error),
                };
                if page.members.len() == limit {
                    page.next = page.members.last().map(|last| last.name.clone());
                    return Ok(page);
                }
                let mut stat = self.stat_of(id, &place.object, &id.to_string()).await?;
                stat.path = Some(place.path.to_string());
                page.members.push(stat);
            }
            if ended {
                return Ok(page);
            }
            passed += limits::MAX_PAGE;
            if passed >= limits::MAX_HIDDEN {
                // An id says nothing of what it is of.
                page.next = from.map(|id| id.to_string());
                return Ok(page);
            }
        }
    }

    /// Classes by their names: the caller's own, and for the administrator those of all, by their owners.
    async fn list_classes(
        &mut self,
        after: Option<&str>,
        limit: usize,
        filter: &Filter,
        path: &Path,
    ) -> Result<Page> {
        let range = match (self.principal.admin, self.principal.sees_classes_of()) {
            (true, _) => Some(keys::all(keys::CLASS_HEAD)),
            (false, user) => user.map(|user| keys::prefix(&keys::class_head(user, ""))),
        };
        let heads = match range {
            Some(range) => self.scan(range, limits::MAX_SORTED + 1).await?,
            None => Vec::new(),
        };
        if heads.len() > limits::MAX_SORTED {
            let why = format!("there are more than {} classes", limits::MAX_SORTED);
            return Err(Error::new(ErrorCode::LimitExceeded, why).at(path).limit(limits::MAX_SORTED as u64));
        }
        let mut named = Vec::with_capacity(heads.len());
        for (key, record) in heads {
            let (owner, name) =
                keys::class_head_parts(&key).ok_or_else(|| crate::object::damaged("a class"))?;
            let own = owner == self.principal.user;
            let shown = if own { name.to_owned() } else { format!("{owner}:{name}") };
            let head: ClassHead = read(&record.bytes()?, "a class")?;
            if filter.matches(&shown) && after.is_none_or(|after| *shown > *after) {
                named.push((shown, head.hash));
            }
        }
        named.sort_unstable();
        let more = named.len() > limit;
        named.truncate(limit);
        let mut page = Page { members: Vec::with_capacity(named.len()), next: None, last: None };
        page.next = named.last().filter(|_| more).map(|(name, _)| name.clone());
        for (name, hash) in named {
            let class = self.class_version(hash).await?;
            page.members.push(self.class_stat(name, &class));
        }
        Ok(page)
    }

    /// The class that a name in `/classes` means: the caller's own, or for the administrator `OWNER:NAME`.
    async fn class_of(&mut self, name: &str, path: &Path) -> Result<Arc<ClassVersion>> {
        let (owner, name) = name.split_once(':').unwrap_or((self.principal.user.as_str(), name));
        let (owner, name) = (owner.to_owned(), name.to_owned());
        if !self.principal.admin && self.principal.sees_classes_of() != Some(&*owner) {
            return Err(place::not_found(path));
        }
        let record =
            self.read(&keys::class_head(&owner, &name)).await?.ok_or_else(|| place::not_found(path))?;
        let head: ClassHead = read(&record.bytes()?, "a class")?;
        self.class_version(head.hash).await
    }

    async fn class_version(&mut self, hash: ClassHash) -> Result<Arc<ClassVersion>> {
        self.class(hash).await?.first().cloned().ok_or_else(|| crate::object::damaged("a class"))
    }

    fn class_stat(&self, name: String, class: &ClassVersion) -> Stat {
        Stat {
            name,
            id: class.class_id,
            kind: ObjectType::Object,
            class: Some(class.source.name.clone()),
            class_hash: Some(class.hash),
            class_version: Some(class.version),
            owner: class.owner.clone(),
            group: class.owner.clone(),
            perms: MEMBER_PERMS,
            version: class.version,
            created: class.created,
            modified: class.created,
            size: class.source.size() as u64,
            node: self.engine.shared.options.node_name.clone(),
            rules: None,
            path: None,
            requires: None,
        }
    }

    async fn node_stat(&mut self, name: &str, path: &Path) -> Result<Stat> {
        if name != self.engine.shared.options.node_name {
            return Err(place::not_found(path));
        }
        let root = self.root().await?;
        let stat = self.told(name, self.engine.store_id(), ObjectType::Node, root.created);
        Ok(Stat { perms: MEMBER_PERMS, ..stat })
    }

    async fn directory_stat(&mut self, system: &System) -> Result<Stat> {
        let root = self.root().await?;
        Ok(self.told(system.path.name(), system.directory.id(), ObjectType::Directory, root.created))
    }

    fn told(&self, name: &str, id: ObjectId, kind: ObjectType, created: i64) -> Stat {
        Stat {
            name: name.to_owned(),
            id,
            kind,
            class: None,
            class_hash: None,
            class_version: None,
            owner: ROOT_OWNER.into(),
            group: ROOT_OWNER.into(),
            perms: DIRECTORY_PERMS,
            version: 1,
            created,
            modified: created,
            size: 0,
            node: self.engine.shared.options.node_name.clone(),
            rules: None,
            path: None,
            requires: None,
        }
    }
}
