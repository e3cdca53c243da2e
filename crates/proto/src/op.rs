//! Operations: what a request asks for. On the wire `[number, [argument, …]]`; trailing absent arguments may be left out.

use crate::class::{ClassHash, ClassSource};
use crate::query::Query;
use crate::version::AsOf;
use minicbor::{Decode, Encode};

/// An operation. Paths travel as text and are checked by the node (and by clients, to fail early).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Op {
    /// Makes a directory and those above it. Replies with [`crate::record::Stored`]. A directory that exists already is
    /// `already_exists`, unless `exist_ok`.
    #[n(0)]
    Mkdir {
        /// The directory.
        #[n(0)]
        path: Target,
        /// Whether an existing directory is fine.
        #[n(1)]
        exist_ok: bool,
    },
    /// Stores an object; directories are made on the way. Replies with [`crate::record::Stored`].
    #[n(1)]
    Store {
        /// Where.
        #[n(0)]
        path: Target,
        /// The version of its class, which the node has or gets earlier in the same session.
        #[n(1)]
        class: ClassHash,
        /// An encoded map: all fields, or with `base` those that changed.
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        fields: Vec<u8>,
        /// How it meets what is there.
        #[n(3)]
        mode: StoreMode,
        /// With [`StoreMode::Patch`], the version that was fetched.
        #[n(4)]
        base: Option<u64>,
        /// With [`StoreMode::Patch`], the names of fields that were deleted.
        #[n(5)]
        removed: Option<Vec<String>>,
    },
    /// Fetches an object's properties and state, or with a path into an object what is at that place:
    /// [`crate::record::Fetched`]. On a directory `is_a_directory`.
    #[n(2)]
    Get {
        /// Which.
        #[n(0)]
        path: Target,
        /// An earlier version; the current one when absent.
        #[n(1)]
        version: Option<AsOf>,
        /// Of a list of references: the objects that they lead to, from this place on.
        #[n(2)]
        children: Option<u64>,
    },
    /// Fetches the properties: [`crate::record::Stat`].
    #[n(3)]
    Stat {
        /// Which.
        #[n(0)]
        path: Target,
    },
    /// Lists a directory: one [`crate::record::Page`]; as a stream, a page for each item until the end.
    #[n(4)]
    List {
        /// Which directory.
        #[n(0)]
        path: Target,
        /// Goes on after this name.
        #[n(1)]
        after: Option<String>,
        /// Members a page, at most [`crate::limits::MAX_PAGE`]; that many when absent.
        #[n(2)]
        limit: Option<u32>,
    },
    /// Removes. Replies with null.
    #[n(5)]
    Rm {
        /// What.
        #[n(0)]
        path: Target,
        /// Whether a directory goes with all its members.
        #[n(1)]
        recursive: bool,
    },
    /// Moves; ids stay. Onto a directory: into it. Replies with null.
    #[n(6)]
    Mv {
        /// What.
        #[n(0)]
        from: Target,
        /// Where to.
        #[n(1)]
        to: String,
    },
    /// Copies; the copy has ids of its own and version 1. Onto a directory: into it. Replies with null.
    #[n(7)]
    Cp {
        /// What.
        #[n(0)]
        from: Target,
        /// Where to.
        #[n(1)]
        to: String,
        /// Whether a directory goes with all its members.
        #[n(2)]
        recursive: bool,
    },
    /// Runs a method on the node: [`crate::record::Called`]. On a directory, as a stream: one
    /// [`crate::record::MemberCalled`] for each member, each a transaction of its own.
    #[n(8)]
    Call {
        /// On what.
        #[n(0)]
        path: Target,
        /// Which method.
        #[n(1)]
        method: String,
        /// An encoded list of arguments.
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        args: Vec<u8>,
        /// Whether what the method logs comes back.
        #[n(3)]
        log: bool,
        /// On a directory: goes on after the member of this name.
        #[n(4)]
        after: Option<String>,
        /// How else it is called.
        #[n(5)]
        with: Option<Box<CallWith>>,
    },
    /// Sends a class version; the node compiles it and keeps it. Replies with [`crate::ClassVersion`].
    #[n(9)]
    PutClass {
        /// The class.
        #[n(0)]
        class: ClassSource,
    },
    /// Fetches the class of an object, a class version by its address, or the newest by its name: [`crate::record::ClassInfo`].
    #[n(10)]
    Class {
        /// An object of the class.
        #[n(0)]
        path: Option<Target>,
        /// Or the version's address.
        #[n(1)]
        hash: Option<ClassHash>,
        /// Or the registered name of one of the caller's own classes: its newest version.
        #[n(2)]
        name: Option<String>,
    },
    /// Lists an object's versions, newest first: a list of [`crate::record::VersionInfo`].
    #[n(11)]
    History {
        /// Which.
        #[n(0)]
        path: Target,
    },
    /// Tells what differs between two versions of an object: [`crate::version::Diff`].
    #[n(12)]
    Diff {
        /// Which object.
        #[n(0)]
        path: Target,
        /// The version to compare.
        #[n(1)]
        from: AsOf,
        /// The version to compare it with; the current one when absent.
        #[n(2)]
        to: Option<AsOf>,
    },
    /// Makes a new version of an object with the state and the class of an earlier one; its owner, group and permissions stay.
    /// Replies with [`crate::record::Stored`].
    #[n(13)]
    Restore {
        /// Which object.
        #[n(0)]
        path: Target,
        /// The version whose state it is to have again.
        #[n(1)]
        version: AsOf,
        /// The version that the object is at; `conflict` when it is at another. Not asked when absent.
        #[n(2)]
        base: Option<u64>,
    },
    /// Finds objects that the caller may read: one [`crate::query::Matches`]; as a stream, one for each page until the end.
    #[n(30)]
    Search {
        /// Which.
        #[n(0)]
        query: Query,
        /// Goes on after this cursor of the same query.
        #[n(1)]
        after: Option<String>,
    },
    /// Runs a search and tells how: [`crate::query::Plan`].
    #[n(31)]
    Explain {
        /// Which.
        #[n(0)]
        query: Query,
    },
    /// Makes an index, which is built in the background: [`crate::query::IndexInfo`]. One that is there already stays.
    #[n(32)]
    CreateIndex {
        /// One of the caller's own classes by its registered name, any class by its id or the address of a version, or `*` for all.
        #[n(0)]
        class: String,
        /// The field.
        #[n(1)]
        field: String,
        /// Whether no two objects may have the same value from now on: to make one is `not_unique`.
        #[n(2)]
        unique: bool,
    },
    /// Drops an index. Replies with whether there was one.
    #[n(33)]
    DropIndex {
        /// As with `create_index`.
        #[n(0)]
        class: String,
        /// The field.
        #[n(1)]
        field: String,
    },
    /// Lists all indexes: a list of [`crate::query::IndexInfo`].
    #[n(34)]
    Indexes {},
    /// Mixes two objects: a new class that inherits from both their classes, and a new object of it with the fields of both. Where both have a member of one
    /// name, that of the first counts. Replies with [`crate::record::Mixed`].
    #[n(40)]
    Mixin {
        /// Whose members count.
        #[n(0)]
        first: Target,
        /// The other.
        #[n(1)]
        second: Target,
        /// Where the new object is to be; directories are made on the way.
        #[n(2)]
        to: String,
        /// The name of the new class; that of the first and that of the second together when absent.
        #[n(3)]
        name: Option<String>,
    },
    /// Makes objects the children of another: references to them are added to a list in a field of it, which is made when it is not there.
    /// Replies with [`crate::record::Stored`], of the parent.
    #[n(41)]
    Add {
        /// Whose children they become; it may be a path into an object.
        #[n(0)]
        path: Target,
        /// The field path of the list, such as `farms`.
        #[n(1)]
        field: String,
        /// The children, [`crate::limits::MAX_CHILDREN`] at most. One that is in the list already is `already_exists`.
        #[n(2)]
        children: Vec<Child>,
    },
    /// Sets one place inside an object, which makes a version of that object. Replies with [`crate::record::Stored`].
    #[n(42)]
    Set {
        /// A path into an object: `/customers/c0#address.city`.
        #[n(0)]
        path: Target,
        /// An encoded [`crate::Value`]. In a field that is declared a float an integer becomes one.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        value: Vec<u8>,
        /// The version that the object is at; `conflict` when it is at another. Not asked when absent.
        #[n(2)]
        base: Option<u64>,
    },
    /// Runs a query object's own `query(fs)` with the caller's rights and keeps what it gives in the object's field `results`, besides when (`results_at`)
    /// and for whom (`results_by`). Objects that are stored are kept as references. Replies with [`crate::record::Called`].
    #[n(43)]
    Query {
        /// Which query object.
        #[n(0)]
        path: Target,
    },
    /// Makes an object one of another class version: [`crate::record::Called`], without a version when it is one already. On a directory, as a stream:
    /// one [`crate::record::MemberCalled`] for each member that is taken, each a transaction of its own.
    #[n(44)]
    Migrate {
        /// What.
        #[n(0)]
        path: Target,
        /// The class version that it is to have.
        #[n(1)]
        class: ClassHash,
        /// What gives the new fields, called with the old ones: the name of a method of the new class, or the source of a function. When absent the fields
        /// stay, and those that the new class adds have their defaults.
        #[n(2)]
        how: Option<String>,
        /// On a directory: the name of the class whose objects are taken; when absent those of other versions of the new class.
        #[n(3)]
        from: Option<String>,
        /// On a directory: goes on after the member of this name.
        #[n(4)]
        after: Option<String>,
    },
}

impl Op {
    /// The name shown to people.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Mkdir { .. } => "mkdir",
            Op::Store { .. } => "store",
            Op::Get { .. } => "get",
            Op::Stat { .. } => "stat",
            Op::List { .. } => "list",
            Op::Rm { .. } => "rm",
            Op::Mv { .. } => "mv",
            Op::Cp { .. } => "cp",
            Op::Call { .. } => "call",
            Op::PutClass { .. } => "put_class",
            Op::Class { .. } => "class",
            Op::History { .. } => "history",
            Op::Diff { .. } => "diff",
            Op::Restore { .. } => "restore",
            Op::Search { .. } => "search",
            Op::Explain { .. } => "explain",
            Op::CreateIndex { .. } => "create_index",
            Op::DropIndex { .. } => "drop_index",
            Op::Indexes {} => "indexes",
            Op::Mixin { .. } => "mixin",
            Op::Query { .. } => "query",
            Op::Migrate { .. } => "migrate",
            Op::Add { .. } => "add",
            Op::Set { .. } => "set",
        }
    }

    /// True when running it may change the store, so that its outcome must be kept.
    pub fn may_write(&self) -> bool {
        !matches!(
            self,
            Op::Get { .. }
                | Op::Stat { .. }
                | Op::List { .. }
                | Op::Class { .. }
                | Op::History { .. }
                | Op::Diff { .. }
                | Op::Search { .. }
                | Op::Explain { .. }
                | Op::Indexes {}
        )
    }
}

/// How a method is called, besides its arguments by place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CallWith {
    /// Arguments by name: an encoded map.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub kwargs: Option<Vec<u8>>,
    /// Milliseconds that the method may take, at most the node's own limit, [`crate::limits::CALL_DEADLINE_MS`].
    #[n(1)]
    pub deadline_ms: Option<u64>,
    /// On several objects: whether all calls are one transaction, so that when one fails none has happened. The first failure ends the stream.
    #[n(2)]
    pub atomic: Option<bool>,
    /// The objects on which it is called, by their paths, [`crate::limits::MAX_CALLED`] at most, in the place of the members of a directory; `path` does not
    /// count then. They are called in the order of their paths, each once, and each item's name is its path.
    #[n(3)]
    pub paths: Option<Vec<String>>,
}

/// A child that `add` adds: an object that is there, or a new one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Child {
    /// Where it is, or with `class` where it is to be; directories are made on the way, and it is `already_exists` when something is there.
    #[n(0)]
    pub path: String,
    /// The class version of a new object.
    #[n(1)]
    pub class: Option<ClassHash>,
    /// The fields of a new object: an encoded map.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub fields: Option<Vec<u8>>,
}

/// How a store meets what is at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum StoreMode {
    /// Makes the object, or makes a new version of the one that is there, with exactly these fields.
    #[n(0)]
    Put,
    /// Makes the object; `already_exists` when something is there.
    #[n(1)]
    Create,
    /// Sets and removes the given fields of the object that is there; `conflict` when its version is not `base`.
    #[n(2)]
    Patch,
    /// As `Patch`, whatever its version is.
    #[n(3)]
    Overwrite,
}

/// What an operation is about. On the wire a text (a path), 16 bytes (an id), or an integer: the sequence of an earlier
/// request of this session whose result it names. The last is a slot kept for pipelining; this version answers `unsupported`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A path.
    Path(String),
    /// An object's id.
    Id(crate::ObjectId),
    /// The result of the request with this sequence.
    ResultOf(u64),
}

impl From<&str> for Target {
    fn from(path: &str) -> Self {
        Target::Path(path.to_owned())
    }
}

impl From<&crate::Path> for Target {
    fn from(path: &crate::Path) -> Self {
        Target::Path(path.to_string())
    }
}

impl<C> Encode<C> for Target {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Target::Path(path) => e.str(path)?.ok(),
            Target::Id(id) => id.encode(e, c),
            Target::ResultOf(seq) => e.u64(*seq)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Target {
    fn decode(d: &mut minicbor::Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        use minicbor::data::Type;
        match d.datatype()? {
            Type::String => Ok(Target::Path(d.str()?.to_owned())),
            Type::Bytes => Ok(Target::Id(crate::ObjectId::decode(d, c)?)),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(Target::ResultOf(d.u64()?)),
            _ => Err(minicbor::decode::Error::message(
                "a target is a path, an id or the sequence of a request",
            )),
        }
    }
}
