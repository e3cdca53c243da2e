//! Operations: what a request asks for. On the wire `[number, [argument, …]]`; trailing absent arguments may be left out.

use crate::account::{GroupAction, NewToken, Quota, TokenAction, UserAction};
use crate::class::{ClassHash, ClassSource};
use crate::id::ObjectId;
use crate::query::Query;
pub use crate::sort::SortBy;
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
        /// With [`StoreMode::Patch`] and [`StoreMode::Overwrite`], the object that was fetched: another one that lies there by now is left alone.
        #[n(6)]
        id: Option<ObjectId>,
    },
    /// Fetches an object's properties and state, or with a path into an object what is at that place: [`crate::record::Fetched`]. Of a directory its
    /// properties and the first page of its members.
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
        /// Goes on after this cursor.
        #[n(1)]
        after: Option<String>,
        /// Members a page, at most [`crate::limits::MAX_PAGE`]; that many when absent.
        #[n(2)]
        limit: Option<u32>,
        /// Only members whose names match: `*.txt`, `?`, `[a-z]`, `{a,b}`; all when absent.
        #[n(3)]
        glob: Option<String>,
        /// What they are sorted by, the name when absent. By anything but the name upwards, a directory has at most
        /// [`crate::limits::MAX_SORTED`] members.
        #[n(4)]
        sort: Option<SortBy>,
        /// Whether the last comes first.
        #[n(5)]
        descending: Option<bool>,
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
    /// Copies; the copy has ids of its own and version 1. Onto a directory: into it. Replies with null. With `recursive`, as a stream, a
    /// tree of any size: one [`crate::record::Copied`] for each part, each part a transaction of its own; a tree of at most
    /// [`crate::limits::MAX_COPY`] is one part.
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
        /// As a stream: goes on after this part.
        #[n(3)]
        after: Option<String>,
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
    /// Lists the versions of an object or a directory, newest first: a list of [`crate::record::VersionInfo`].
    #[n(11)]
    History {
        /// Which.
        #[n(0)]
        path: Target,
        /// Goes on with the versions below this number.
        #[n(1)]
        before: Option<u64>,
        /// Versions in the list, at most [`crate::limits::MAX_PAGE`]; that many when absent.
        #[n(2)]
        limit: Option<u32>,
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
    /// Changes permissions, which makes a version of each object whose permissions change. Only the owner and the
    /// administrator may. Replies with [`crate::record::Stored`].
    #[n(14)]
    Chmod {
        /// What.
        #[n(0)]
        path: Target,
        /// The change, as [`crate::PermsChange::parse`] reads it: `rwxr-x---`, `750`, `u+x,g-w`.
        #[n(1)]
        perms: String,
        /// Whether a directory's members change too, all of them in one commit; at most [`crate::limits::MAX_TREE`].
        #[n(2)]
        recursive: bool,
    },
    /// Gives to another owner (only the administrator may) or to another group (the owner too, to a group of their own). Makes
    /// versions and replies as `chmod` does.
    #[n(15)]
    Chown {
        /// What.
        #[n(0)]
        path: Target,
        /// The user who is to own it; the owner stays when absent.
        #[n(1)]
        owner: Option<String>,
        /// The group; it stays when absent.
        #[n(2)]
        group: Option<String>,
        /// As for `chmod`.
        #[n(3)]
        recursive: bool,
    },
    /// Removes as `rm` does, and forgets all versions, and the large values that nothing else holds, in the same commit. At most
    /// [`crate::limits::MAX_TREE`] members and versions. Replies with null.
    #[n(16)]
    Purge {
        /// What.
        #[n(0)]
        path: Target,
        /// Whether a directory goes with all its members.
        #[n(1)]
        recursive: bool,
    },
    /// Sets rules of a directory for all that lies below it, up to a directory with rules of its own, which makes a version of the
    /// directory. Only the owner and the administrator may. Replies with [`crate::record::Stored`].
    #[n(17)]
    SetRules {
        /// The directory.
        #[n(0)]
        path: Target,
        /// Which versions are kept, as [`crate::rules::Keep::parse`] reads it (`all`, `10 versions`, `30 days`, `default`), or
        /// `inherit` for what holds above. It stays when absent.
        #[n(1)]
        keep: Option<String>,
        /// The permissions that new members do not get, in octal (`027`), or `inherit`. It stays when absent.
        #[n(2)]
        mask: Option<String>,
    },
    /// Lists, makes, changes or forgets users, which only the administrator may. Replies with a list of
    /// [`crate::account::UserInfo`]: those that it is about, none for `remove`.
    #[n(18)]
    Users {
        /// What to do.
        #[n(0)]
        action: UserAction,
        /// The user; all of them when absent, for `list`.
        #[n(1)]
        name: Option<String>,
        /// With `add` and `token`: the SHA-256 of the token, which the client makes and nobody keeps.
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        token_hash: Option<Vec<u8>>,
        /// With `add`: the groups.
        #[n(3)]
        groups: Option<Vec<String>>,
    },
    /// Lists, makes, changes or forgets groups, which only the administrator may. Replies with a list of
    /// [`crate::account::GroupInfo`]: those that it is about, none for `remove`.
    #[n(19)]
    Groups {
        /// What to do.
        #[n(0)]
        action: GroupAction,
        /// The group; all of them when absent, for `list`.
        #[n(1)]
        name: Option<String>,
        /// With `join` and `leave`: the user.
        #[n(2)]
        user: Option<String>,
    },
    /// Opens a transaction, which the node holds until it ends or expires. Replies with [`crate::transaction::Transaction`].
    #[n(20)]
    Begin {
        /// A name by which the user's other clients find it, of the form of a segment of a path.
        #[n(0)]
        name: Option<String>,
        /// Milliseconds after which it expires, at most [`crate::limits::MAX_TRANSACTION_MS`];
        /// [`crate::limits::TRANSACTION_MS`] when absent.
        #[n(1)]
        lifetime_ms: Option<u64>,
    },
    /// Runs an operation in an open transaction, one after the other in the order in which they come. Replies as that operation does, also
    /// as a stream.
    #[n(21)]
    In {
        /// The transaction's name or id.
        #[n(0)]
        tx: String,
        /// The operation: none of those about transactions, no `watch`.
        #[n(1)]
        op: Box<Op>,
        /// In a stream: goes on after the item with this cursor.
        #[n(2)]
        after: Option<String>,
    },
    /// Ends an open transaction: commits all that was done in it, or takes it back. Replies with [`crate::transaction::Ended`].
    #[n(22)]
    End {
        /// The transaction's name or id.
        #[n(0)]
        tx: String,
        /// Whether what was done is to be.
        #[n(1)]
        commit: bool,
    },
    /// Lists the user's open transactions, oldest first: a list of [`crate::transaction::Transaction`].
    #[n(23)]
    Transactions {
        /// The one of this name or id alone.
        #[n(0)]
        tx: Option<String>,
    },
    /// Tells of changes, in the order of their commits, as a stream without end: a [`crate::watch::Change`] for each item.
    #[n(24)]
    Watch {
        /// Which paths: `*` and `?` stand for characters within a segment, `**` for any number of segments.
        #[n(0)]
        pattern: String,
        /// Goes on after the change with this token; from now on when absent.
        #[n(1)]
        from: Option<String>,
    },
    /// Lists, makes or takes back tokens: a user's own, or for the administrator those of all. Replies with a list of
    /// [`crate::account::TokenInfo`]: those that it is about. Not within a method or a transaction.
    #[n(25)]
    Tokens {
        /// What to do.
        #[n(0)]
        action: TokenAction,
        /// Whose; with `create` the caller's own when absent, otherwise those of everybody whose tokens the caller may see.
        #[n(1)]
        user: Option<String>,
        /// With `revoke`, and with `list` for one alone: the token's id.
        #[n(2)]
        id: Option<String>,
        /// With `create`: what is to be made.
        #[n(3)]
        token: Option<NewToken>,
    },
    /// Tells what users store and may store: of the caller, or for the administrator of a user or of all. Replies with a list of
    /// [`crate::account::QuotaInfo`]. Not within a method or a transaction.
    #[n(27)]
    Quotas {
        /// Whose; when absent the caller's own, for the administrator those of all.
        #[n(0)]
        user: Option<String>,
        /// What the user may store from now on, which only the administrator may say.
        #[n(1)]
        set: Option<Quota>,
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
    /// Makes an index, which is built in the background: [`crate::query::IndexInfo`]. One that is there already is shared with the class's owners who made it.
    #[n(32)]
    CreateIndex {
        /// One of the caller's own classes by its registered name, any class by its id or the address of a version, or `*` for all.
        #[n(0)]
        class: String,
        /// The field.
        #[n(1)]
        field: String,
        /// Whether no two objects that the caller owns, or for an administrator no two at all, may have the same value from now on: to make one is `not_unique`.
        #[n(2)]
        unique: bool,
    },
    /// Drops an index; one that other owners of the class made too stays for them. Replies with whether there was one.
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
    /// Runs a query object's own `query(fs)`, as any method, and keeps what it gives in the object's field `results`, besides when (`results_at`)
    /// and for whom (`results_by`). Objects that are stored are kept as references. Replies with [`crate::record::Called`].
    #[n(43)]
    Query {
        /// Which query object.
        #[n(0)]
        path: Target,
        /// As of [`CallWith`].
        #[n(1)]
        trusted: Option<Vec<ClassHash>>,
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
            Op::Chmod { .. } => "chmod",
            Op::Chown { .. } => "chown",
            Op::Purge { .. } => "purge",
            Op::SetRules { .. } => "set_rules",
            Op::Users { .. } => "users",
            Op::Groups { .. } => "groups",
            Op::Tokens { .. } => "tokens",
            Op::Quotas { .. } => "quotas",
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
            Op::Begin { .. } => "begin",
            Op::In { .. } => "in",
            Op::End { .. } => "end",
            Op::Transactions { .. } => "transactions",
            Op::Watch { .. } => "watch",
        }
    }

    /// The name of the operation whose record the reply is: of one in a transaction, its own.
    pub fn replies_as(&self) -> &'static str {
        match self {
            Op::In { op, .. } => op.name(),
            op => op.name(),
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
                | Op::Transactions { .. }
                | Op::Watch { .. }
                | Op::Search { .. }
                | Op::Explain { .. }
                | Op::Indexes {}
                | Op::Quotas { set: None, .. }
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
    /// Class versions that the caller trusts, [`crate::limits::MAX_TRUSTED`] at most: code of theirs has all of the caller's rights, whoever answers for it. Not
    /// within a method.
    #[n(4)]
    pub trusted: Option<Vec<ClassHash>>,
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
