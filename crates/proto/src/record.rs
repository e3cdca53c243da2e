//! Records that operations return. Each is a CBOR array in the order of its numbers.

use crate::class::{ClassHash, ClassVersion, FieldDecl, MethodDecl};
use crate::version::ClassAt;
use crate::{Error, ErrorCode, ObjectId, Result};
use minicbor::{Decode, Decoder, Encode, Encoder};

pub use crate::perms::Perms;
use crate::rules::Rules;

/// What is stored at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ObjectType {
    /// An object with fields and methods.
    #[n(0)]
    Object,
    /// A directory.
    #[n(1)]
    Directory,
    /// A file.
    #[n(2)]
    File,
    /// A reference to another object.
    #[n(3)]
    Reference,
    /// A node of the cluster.
    #[n(4)]
    Node,
}

impl ObjectType {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectType::Object => "object",
            ObjectType::Directory => "directory",
            ObjectType::File => "file",
            ObjectType::Reference => "reference",
            ObjectType::Node => "node",
        }
    }
}

/// The properties of what is stored at a path (`o.meta`). `Text` holds its texts; those of a listing are borrowed when they are written.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stat<Text = String> {
    /// The last segment of the path; the path is the request's own, or the listed directory's plus this.
    #[n(0)]
    pub name: Text,
    /// The identity, for life.
    #[n(1)]
    pub id: ObjectId,
    /// What it is.
    #[n(2)]
    pub kind: ObjectType,
    /// The class's registered name; absent for a directory.
    #[n(3)]
    pub class: Option<Text>,
    /// The class version's address; absent for a directory.
    #[n(4)]
    pub class_hash: Option<ClassHash>,
    /// The class version's number; absent for a directory.
    #[n(5)]
    pub class_version: Option<u64>,
    /// The owner's user name.
    #[n(6)]
    pub owner: Text,
    /// The group's name.
    #[n(7)]
    pub group: Text,
    /// The permissions.
    #[n(8)]
    pub perms: Perms,
    /// 1, 2, 3 … one for each committed change.
    #[n(9)]
    pub version: u64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(10)]
    pub created: i64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(11)]
    pub modified: i64,
    /// Bytes of the encoded state; for a directory 0.
    #[n(12)]
    pub size: u64,
    /// The name of the node that holds it.
    #[n(13)]
    pub node: Text,
    /// The rules that hold in a directory, when it was asked for by itself; absent otherwise.
    #[n(14)]
    pub rules: Option<Rules>,
    /// The path, where the request named the object by its id or through `/registry`; absent otherwise.
    #[n(15)]
    pub path: Option<Text>,
    /// The packages of native Python that its class requires, its bases included, when it was asked for by itself; absent otherwise, and when there are none.
    #[n(16)]
    pub requires: Option<Vec<String>>,
}

impl Stat<&str> {
    /// The same, with texts of its own.
    pub fn into_owned(self) -> Stat {
        Stat {
            name: self.name.to_owned(),
            id: self.id,
            kind: self.kind,
            class: self.class.map(str::to_owned),
            class_hash: self.class_hash,
            class_version: self.class_version,
            owner: self.owner.to_owned(),
            group: self.group.to_owned(),
            perms: self.perms,
            version: self.version,
            created: self.created,
            modified: self.modified,
            size: self.size,
            node: self.node.to_owned(),
            rules: self.rules,
            path: self.path.map(str::to_owned),
            requires: self.requires,
        }
    }
}

/// The reply to `get`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Fetched {
    /// The properties.
    #[n(0)]
    pub stat: Stat,
    /// The fields: an encoded map [`crate::Value`]; with `part` the value of that place.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub state: Vec<u8>,
    /// Where the object is, when the request's path led into an object: `stat` is of the object at this path.
    #[n(2)]
    pub path: Option<String>,
    /// The field path, within that object, of what `state` is the value of; absent when `state` are the fields.
    #[n(3)]
    pub part: Option<String>,
    /// The objects that a list of references leads to, when they were asked for; `state` is null then.
    #[n(4)]
    pub children: Option<Children>,
    /// Of a directory the first page of its members.
    #[n(5)]
    pub members: Option<Page>,
}

impl Fetched {
    /// A whole object, at the path that was asked for.
    pub fn whole(stat: Stat, state: Vec<u8>) -> Self {
        Self { stat, state, path: None, part: None, children: None, members: None }
    }
}

/// Some of the objects that a list of references leads to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Children {
    /// How many references the list has.
    #[n(0)]
    pub total: u64,
    /// What they lead to, from the place that was asked for on; not all of them, when they are many or large.
    #[n(1)]
    pub items: Vec<FetchedChild>,
}

/// What one reference of a list leads to: the object, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FetchedChild {
    /// The path that the reference has.
    #[n(0)]
    pub path: String,
    /// The properties of the object.
    #[n(1)]
    pub stat: Option<Stat>,
    /// Its fields: an encoded map.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub state: Option<Vec<u8>>,
    /// Why there is no object: `not_found` when it was deleted.
    #[n(3)]
    pub error: Option<Error>,
}

/// One part of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Copied {
    /// Objects and directories that are copied by now.
    #[n(0)]
    pub count: u64,
    /// What was copied last.
    #[n(1)]
    pub path: String,
}

/// The reply to `store`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stored {
    /// The identity.
    #[n(0)]
    pub id: ObjectId,
    /// The version that the change made.
    #[n(1)]
    pub version: u64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(2)]
    pub modified: i64,
}

/// Which members of a directory are wanted, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing<'a> {
    /// Goes on after this cursor.
    pub after: Option<&'a str>,
    /// Members a page; [`crate::limits::MAX_PAGE`] when absent.
    pub limit: Option<u32>,
    /// Only members whose names match: `*`, `?`, `[a-z]`, `{a,b}`.
    pub glob: Option<&'a str>,
    /// What they are sorted by.
    pub sort: Option<crate::op::SortBy>,
    /// Whether the last comes first.
    pub descending: bool,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    /// The cursor from which the next page goes on; absent on the last page. It is before the members, so that the next page can be asked for before
    /// they are read.
    #[n(0)]
    pub next: Option<String>,
    /// The cursor after the last of these members; absent when there are none.
    #[n(1)]
    pub last: Option<String>,
    /// The members, in the order that was asked for; else in that of their names' bytes.
    #[n(2)]
    pub members: Vec<Stat>,
}

impl Page {
    /// A page of members in the order of their names, which are the cursors after them.
    pub fn by_name(members: Vec<Stat>, next: Option<String>) -> Self {
        let last = members.last().map(|member| member.name.clone());
        Self { next, last, members }
    }
}

/// Encodes a [`Page`] of members whose texts are borrowed: what `encode` gives of one that has them.
pub fn encode_page<'a>(
    members: impl ExactSizeIterator<Item = Stat<&'a str>>,
    next: Option<&str>,
    last: Option<&str>,
) -> Vec<u8> {
    /// About the bytes of a member.
    const MEMBER: usize = 120;
    let mut page = Encoder::new(Vec::with_capacity(128 + MEMBER * members.len()));
    // Writing to a vector cannot fail, and no record refuses to encode.
    let _ = write_page(&mut page, members, next, last);
    page.into_writer()
}

fn write_page<'a>(
    page: &mut Encoder<Vec<u8>>,
    members: impl ExactSizeIterator<Item = Stat<&'a str>>,
    next: Option<&str>,
    last: Option<&str>,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    page.array(3)?.encode(next)?.encode(last)?.array(members.len() as u64)?;
    // What most members share with the one before is copied from there.
    let (mut before, mut shared, mut node) = (None, 0..0, 0..0);
    for member in members {
        if member.rules.is_some() || member.path.is_some() {
            page.encode(member)?;
            continue;
        }
        page.array(14)?.encode(member.name)?.encode(member.id)?.encode(member.kind)?;
        let Stat { class, class_hash, class_version, owner, group, perms, .. } = member;
        let here = (class, class_hash, class_version, owner, group, perms, member.node);
        let is_same = before.as_ref() == Some(&here);
        let start = page.writer().len();
        if is_same {
            page.writer_mut().extend_from_within(shared.clone());
        } else {
            page.encode(class)?.encode(class_hash)?.encode(class_version)?;
            page.encode(owner)?.encode(group)?.encode(perms)?;
            shared = start..page.writer().len();
        }
        page.encode(member.version)?.encode(member.created)?.encode(member.modified)?.encode(member.size)?;
        let start = page.writer().len();
        if is_same {
            page.writer_mut().extend_from_within(node.clone());
        } else {
            page.encode(member.node)?;
            node = start..page.writer().len();
        }
        before = Some(here);
    }
    Ok(())
}

/// The cursors of an encoded [`Page`], read without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCursors {
    /// [`Page::next`].
    pub next: Option<String>,
    /// [`Page::last`].
    pub last: Option<String>,
}

impl PageCursors {
    /// Reads what an encoded page begins with.
    ///
    /// # Errors
    /// `bad_frame`.
    pub fn of(page: &[u8]) -> Result<Self> {
        let bad = |error: minicbor::decode::Error| {
            Error::new(ErrorCode::BadFrame, format!("the page of a listing: {error}"))
        };
        let mut decoder = Decoder::new(page);
        decoder.array().map_err(bad)?;
        Ok(Self { next: decoder.decode().map_err(bad)?, last: decoder.decode().map_err(bad)? })
    }
}

/// One version of an object's history.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VersionInfo {
    /// Its number.
    #[n(0)]
    pub version: u64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(1)]
    pub modified: i64,
    /// Who made it.
    #[n(2)]
    pub author: String,
    /// The method that made it; absent when it was stored.
    #[n(3)]
    pub method: Option<String>,
    /// Bytes of its encoded state.
    #[n(4)]
    pub size: u64,
    /// The version whose state it has again; absent when it was not restored.
    #[n(5)]
    pub restored: Option<u64>,
    /// The operation that made it, when it changed no state: `chmod` or `chown`; absent otherwise.
    #[n(6)]
    pub operation: Option<String>,
}

/// The reply to `class`: a class version and those that it inherits from, nearest first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClassInfo {
    /// The class version and its bases, nearest first.
    #[n(0)]
    pub lineage: Vec<ClassVersion>,
}

impl ClassInfo {
    /// Own and inherited methods; a nearer one hides a farther one of the same name.
    pub fn methods(&self) -> Vec<&MethodDecl> {
        let mut methods: Vec<&MethodDecl> = Vec::new();
        for method in self.lineage.iter().flat_map(|class| &class.methods) {
            if !methods.iter().any(|known| known.name == method.name) {
                methods.push(method);
            }
        }
        methods
    }

    /// The packages of native Python that a class of this lineage requires, each once.
    pub fn requires(&self) -> Vec<&str> {
        requires_of(self.lineage.iter().map(|class| &class.source))
    }

    /// Own and inherited fields, those of the farthest class first; what a nearer class declares of one counts.
    pub fn fields(&self) -> Vec<&FieldDecl> {
        let mut fields: Vec<&FieldDecl> = Vec::new();
        for field in self.lineage.iter().rev().flat_map(|class| &class.source.fields) {
            match fields.iter_mut().find(|known| known.name == field.name) {
                Some(known) => *known = field,
                None => fields.push(field),
            }
        }
        fields
    }
}

/// The packages of native Python that classes require, each once, those of the first first.
pub fn requires_of<'a>(classes: impl Iterator<Item = &'a crate::ClassSource>) -> Vec<&'a str> {
    let mut packages: Vec<&str> = Vec::new();
    for package in classes.flat_map(crate::ClassSource::packages) {
        if !packages.contains(&package.as_str()) {
            packages.push(package);
        }
    }
    packages
}

/// The reply to `call`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Called {
    /// What the method returned: an encoded [`crate::Value`].
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub result: Vec<u8>,
    /// The object's version after the call; absent when the call changed nothing.
    #[n(1)]
    pub version: Option<u64>,
    /// What the method logged, when the request asked for it.
    #[n(2)]
    pub log: Option<String>,
}

/// The reply to `mixin`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mixed {
    /// The new object.
    #[n(0)]
    pub stored: Stored,
    /// Its class.
    #[n(1)]
    pub class: ClassAt,
    /// Members that both had: fields first, then methods, in the order of the first.
    #[n(2)]
    pub clashes: Vec<Clash>,
}

/// A name that both of two mixed objects have.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Clash {
    /// The name.
    #[n(0)]
    pub name: String,
    /// Whether it is a method; a field otherwise.
    #[n(1)]
    pub is_method: bool,
    /// The name of the class whose member counts.
    #[n(2)]
    pub kept: String,
    /// The name of the class whose member is hidden.
    #[n(3)]
    pub hidden: String,
}

/// One member's outcome in a call on a directory.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberCalled {
    /// The member's name.
    #[n(0)]
    pub name: String,
    /// Its result.
    #[n(1)]
    pub called: Option<Called>,
    /// Its error; exactly one of the two is there.
    #[n(2)]
    pub error: Option<Error>,
}
