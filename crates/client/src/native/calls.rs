//! One method for each operation.

use super::{Client, Items};
use crate::session::EncodedOp;
use emerge_proto::class::decode;
use emerge_proto::op::{CallWith, Child, SortBy, StoreMode, Target};
use emerge_proto::query::{IndexInfo, Matches, Plan};
use emerge_proto::record::{
    Called, Children, ClassInfo, Copied, FetchedChild, Listing, MemberCalled, Mixed, Page, Stored,
    VersionInfo,
};
use emerge_proto::version::Diff;
use emerge_proto::watch::Change;
use emerge_proto::{
    AsOf, ClassHash, ClassSource, ClassVersion, Fetched, Op, Path, Query, Result, Stat, Value,
};
use minicbor::Decode;

/// Pages that may be on the way.
const PAGES: u32 = 4;
/// Changes that may be on the way.
const CHANGES: u32 = 256;
/// Members' results that may be on the way.
const MEMBERS: u32 = 256;

impl Client {
    pub(super) async fn ask<T: for<'b> Decode<'b, ()>>(&self, op: Op) -> Result<T> {
        decode(&self.request(&op)?.await?)
    }

    async fn ask_nothing(&self, op: Op) -> Result<()> {
        self.request(&op)?.await.map(|_| ())
    }

    /// Asks for an operation whose reply is a stream, of which `credit` items may be on the way.
    pub fn stream<T>(&self, op: &Op, credit: u32) -> Items<T> {
        let op = match &self.tx {
            Some(tx) => EncodedOp::within(tx, &EncodedOp::from(op)),
            None => EncodedOp::from(op),
        };
        Items::new(self.handle.shared.clone(), op, self.timeout, credit)
    }

    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// `already_exists` unless `exist_ok`, `not_a_directory`, `permission_denied`.
    pub async fn mkdir(&self, path: impl Into<Target>, exist_ok: bool) -> Result<Stored> {
        self.ask(Op::Mkdir { path: path.into(), exist_ok }).await
    }

    /// Stores an object; `fields` is an encoded map.
    ///
    /// # Errors
    /// `class_not_found`, `already_exists`, `is_a_directory`, `permission_denied`, `too_large`.
    pub async fn store(
        &self,
        path: impl Into<Target>,
        class: ClassHash,
        fields: Vec<u8>,
        mode: StoreMode,
    ) -> Result<Stored> {
        self.ask(Op::Store { path: path.into(), class, fields, mode, base: None, removed: None, id: None })
            .await
    }

    /// Sets some fields of an object and removes others, when its version still is `base`.
    ///
    /// # Errors
    /// `conflict` when it is not; else as [`Client::store`].
    pub async fn patch(
        &self,
        path: impl Into<Target>,
        class: ClassHash,
        base: u64,
        fields: Vec<u8>,
        removed: Vec<String>,
    ) -> Result<Stored> {
        let (base, removed) = (Some(base), Some(removed));
        let mode = StoreMode::Patch;
        self.ask(Op::Store { path: path.into(), class, fields, mode, base, removed, id: None }).await
    }

    /// Fetches an object; the current version, unless an earlier one is named.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`.
    pub async fn get(&self, path: impl Into<Target>, version: Option<AsOf>) -> Result<Fetched> {
        self.ask(Op::Get { path: path.into(), version, children: None }).await
    }

    /// Fetches the objects that a list of references leads to: `path` is a path into an object, `/customers/c0#farms`. All of them, in as many requests as that
    /// takes; one that is gone, or that the caller may not read, has its error instead.
    ///
    /// # Errors
    /// As [`Client::get`]; `bad_argument` when the place is no list of references.
    pub async fn children(&self, path: impl Into<Target>) -> Result<Vec<FetchedChild>> {
        let path = path.into();
        let mut found = Vec::new();
        loop {
            let op = Op::Get { path: path.clone(), version: None, children: Some(found.len() as u64) };
            let Fetched { children, .. } = self.ask(op).await?;
            let Some(Children { total, items }) = children.filter(|children| !children.items.is_empty())
            else {
                return Ok(found);
            };
            found.extend(items);
            if found.len() as u64 >= total {
                return Ok(found);
            }
        }
    }

    /// Makes objects the children of another, in a list under a field of it.
    ///
    /// # Errors
    /// `not_found`, `already_exists`, `bad_argument` when the field is no list, `permission_denied`.
    pub async fn add(&self, path: impl Into<Target>, field: &str, children: Vec<Child>) -> Result<Stored> {
        self.ask(Op::Add { path: path.into(), field: field.to_owned(), children }).await
    }

    /// Sets one place inside an object: `path` is a path into an object, `/customers/c0#address.city`. With `base` it is a `conflict` when the object is at
    /// another version.
    ///
    /// # Errors
    /// `not_found` of what leads to the place, `bad_path`, `bad_argument`, `conflict`, `permission_denied`.
    pub async fn set(&self, path: impl Into<Target>, value: &Value, base: Option<u64>) -> Result<Stored> {
        self.ask(Op::Set { path: path.into(), value: value.encode(), base }).await
    }

    /// Fetches the properties of what is at the path.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`.
    pub async fn stat(&self, path: impl Into<Target>) -> Result<Stat> {
        self.ask(Op::Stat { path: path.into() }).await
    }

    /// Lists a directory, page by page.
    pub fn list(&self, path: impl Into<Target>) -> Items<Page> {
        self.list_by(path, None, None, false)
    }

    /// Lists a directory, page by page: the members whose names match the pattern (`*.txt`, `{a,b}`), sorted.
    pub fn list_by(
        &self,
        path: impl Into<Target>,
        glob: Option<&str>,
        sort: Option<SortBy>,
        descending: bool,
    ) -> Items<Page> {
        let (path, glob, descending) = (path.into(), glob.map(str::to_owned), descending.then_some(true));
        self.stream(&Op::List { path, after: None, limit: None, glob, sort, descending }, PAGES)
    }

    /// One page of a listing, and the cursor to go on after.
    ///
    /// # Errors
    /// `not_found`, `not_a_directory`, `permission_denied`, `bad_argument` (the pattern, a cursor of another order), `limit_exceeded`.
    pub async fn list_page(&self, path: impl Into<Target>, page: Listing<'_>) -> Result<Page> {
        let Listing { after, limit, glob, sort, descending } = page;
        let (after, glob, descending) =
            (after.map(str::to_owned), glob.map(str::to_owned), descending.then_some(true));
        self.ask(Op::List { path: path.into(), after, limit, glob, sort, descending }).await
    }

    /// Removes what is at the path.
    ///
    /// # Errors
    /// `not_found`, `directory_not_empty` unless `recursive`, `permission_denied`.
    pub async fn rm(&self, path: impl Into<Target>, recursive: bool) -> Result<()> {
        self.ask_nothing(Op::Rm { path: path.into(), recursive }).await
    }

    /// Moves; onto a directory: into it.
    ///
    /// # Errors
    /// `not_found`, `already_exists`, `permission_denied`.
    pub async fn mv(&self, from: impl Into<Target>, to: &Path) -> Result<()> {
        self.ask_nothing(Op::Mv { from: from.into(), to: to.to_string() }).await
    }

    /// Copies; onto a directory: into it.
    ///
    /// # Errors
    /// `not_found`, `already_exists`, `is_a_directory` unless `recursive`, `permission_denied`.
    pub async fn cp(&self, from: impl Into<Target>, to: &Path, recursive: bool) -> Result<()> {
        self.ask_nothing(Op::Cp { from: from.into(), to: to.to_string(), recursive, after: None }).await
    }

    /// Copies a tree of any size, and says part by part how far it is; a tree of at most [`emerge_proto::limits::MAX_COPY`] objects and
    /// directories is one part and one commit. An error says what was copied before it.
    pub fn copy_tree(&self, from: impl Into<Target>, to: &Path) -> Items<Copied> {
        let op = Op::Cp { from: from.into(), to: to.to_string(), recursive: true, after: None };
        self.stream(&op, PAGES)
    }

    /// With what this client trusts, unless the call says it.
    fn with_trust(&self, with: CallWith) -> CallWith {
        let trusted = with.trusted.or_else(|| self.trusted.as_deref().map(<[ClassHash]>::to_vec));
        CallWith { trusted, ..with }
    }

    /// Runs a method of an object on the node.
    ///
    /// # Errors
    /// `method_not_found`, `method_failed` with the traceback, `deadline_exceeded`, `out_of_memory`, `permission_denied`.
    pub async fn call(
        &self,
        path: impl Into<Target>,
        method: &str,
        args: &[Value],
        log: bool,
    ) -> Result<Called> {
        self.call_with(path, method, args, log, CallWith::default()).await
    }

    /// Runs a method of an object on the node, with arguments by name, a deadline of its own and the like.
    ///
    /// # Errors
    /// As [`Client::call`]; `bad_argument` with the method's signature.
    pub async fn call_with(
        &self,
        path: impl Into<Target>,
        method: &str,
        args: &[Value],
        log: bool,
        with: CallWith,
    ) -> Result<Called> {
        self.ask(called_with(call(path.into(), method, args, log), self.with_trust(with))).await
    }

    /// Runs a method of each member of a directory, or of each object that `with` names, each in a transaction of its own, or with `atomic` all in one.
    pub fn call_members_with(
        &self,
        path: impl Into<Target>,
        method: &str,
        args: &[Value],
        with: CallWith,
    ) -> Items<MemberCalled> {
        self.stream(&called_with(call(path.into(), method, args, false), self.with_trust(with)), MEMBERS)
    }

    /// Runs a query object's query and keeps what it gives in the object.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn query(&self, path: impl Into<Target>) -> Result<Called> {
        let trusted = self.with_trust(CallWith::default()).trusted;
        self.ask(Op::Query { path: path.into(), trusted }).await
    }

    /// Mixes two objects into a new one, of a class that inherits from both theirs.
    ///
    /// # Errors
    /// `class_invalid` when there can be no such class; `not_found`, `already_exists`, `permission_denied`.
    pub async fn mixin(
        &self,
        first: impl Into<Target>,
        second: impl Into<Target>,
        to: &Path,
        name: Option<&str>,
    ) -> Result<Mixed> {
        let (first, second) = (first.into(), second.into());
        self.ask(Op::Mixin { first, second, to: to.to_string(), name: name.map(str::to_owned) }).await
    }

    /// Gives an object another class version. `how` is the name of a method of that class, or the source of a function, which gives the new fields for the old.
    ///
    /// # Errors
    /// `class_not_found`, `bad_argument` (a new field without a default), `permission_denied`; as [`Client::call`].
    pub async fn migrate(
        &self,
        path: impl Into<Target>,
        class: ClassHash,
        how: Option<&str>,
    ) -> Result<Called> {
        self.ask(migrate(path.into(), class, how, None)).await
    }

    /// Gives each member of a directory another class version that has an earlier one, or with `from` each that has the class of that name.
    pub fn migrate_members(
        &self,
        path: impl Into<Target>,
        class: ClassHash,
        how: Option<&str>,
        from: Option<&str>,
    ) -> Items<MemberCalled> {
        self.stream(&migrate(path.into(), class, how, from), MEMBERS)
    }

    /// Runs a method of each member of a directory on the node, each in a transaction of its own.
    pub fn call_members(&self, path: impl Into<Target>, method: &str, args: &[Value]) -> Items<MemberCalled> {
        self.stream(&call(path.into(), method, args, false), MEMBERS)
    }

    /// Sends a class version.
    ///
    /// # Errors
    /// `class_invalid`, `class_not_found` (a base), `too_large`.
    pub async fn put_class(&self, class: &ClassSource) -> Result<ClassVersion> {
        self.ask(Op::PutClass { class: class.clone() }).await
    }

    /// Fetches the class of an object.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`.
    pub async fn class(&self, path: impl Into<Target>) -> Result<ClassInfo> {
        self.ask(Op::Class { path: Some(path.into()), hash: None, name: None }).await
    }

    /// Fetches a class version.
    ///
    /// # Errors
    /// `class_not_found`.
    pub async fn class_by_hash(&self, hash: ClassHash) -> Result<ClassInfo> {
        self.ask(Op::Class { path: None, hash: Some(hash), name: None }).await
    }

    /// Fetches the newest version of one of the caller's own classes.
    ///
    /// # Errors
    /// `class_not_found`.
    pub async fn class_by_name(&self, name: &str) -> Result<ClassInfo> {
        self.ask(Op::Class { path: None, hash: None, name: Some(name.to_owned()) }).await
    }

    /// Lists the newest versions of an object or a directory, newest first: those below `before` if given, at most `limit` or
    /// [`emerge_proto::limits::MAX_PAGE`].
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_argument`.
    pub async fn history(
        &self,
        path: impl Into<Target>,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Vec<VersionInfo>> {
        self.ask(Op::History { path: path.into(), before, limit }).await
    }

    /// Removes what is at the path, and forgets all its versions at once.
    ///
    /// # Errors
    /// `not_found`, `directory_not_empty` unless `recursive`, `permission_denied`, `limit_exceeded`.
    pub async fn purge(&self, path: impl Into<Target>, recursive: bool) -> Result<()> {
        self.ask_nothing(Op::Purge { path: path.into(), recursive }).await
    }

    /// Sets rules of a directory: which versions are kept below it (`all`, `10 versions`, `30 days`, `default`, `inherit`), and the
    /// permissions that new members do not get (`027`, `inherit`). What is none stays.
    ///
    /// # Errors
    /// `not_found`, `not_a_directory`, `permission_denied`, `bad_argument`.
    pub async fn set_rules(
        &self,
        path: impl Into<Target>,
        keep: Option<&str>,
        mask: Option<&str>,
    ) -> Result<Stored> {
        let (keep, mask) = (keep.map(str::to_owned), mask.map(str::to_owned));
        self.ask(Op::SetRules { path: path.into(), keep, mask }).await
    }

    /// Tells of changes of what matches a pattern, in the order of their commits, without end: from now on, which the first item says, or after the
    /// change with a token. It goes on by itself after a cut.
    pub fn watch(&self, pattern: &str, from: Option<&str>) -> Items<Change> {
        self.stream(&Op::Watch { pattern: pattern.to_owned(), from: from.map(str::to_owned) }, CHANGES)
    }

    /// What differs between two versions of an object; the second is the current one when none is named.
    ///
    /// # Errors
    /// `not_found` (also of a version that is not kept), `is_a_directory`, `permission_denied`, `too_large`.
    pub async fn diff(
        &self,
        path: impl Into<Target>,
        from: impl Into<AsOf>,
        to: Option<AsOf>,
    ) -> Result<Diff> {
        self.ask(Op::Diff { path: path.into(), from: from.into(), to }).await
    }

    /// Makes a version of an object with the state and the class of an earlier one. With `base` it is a `conflict` when the object is at another version.
    ///
    /// # Errors
    /// `not_found` (also of a version that is not kept), `is_a_directory`, `permission_denied`, `conflict`.
    pub async fn restore(
        &self,
        path: impl Into<Target>,
        version: impl Into<AsOf>,
        base: Option<u64>,
    ) -> Result<Stored> {
        self.ask(Op::Restore { path: path.into(), version: version.into(), base }).await
    }

    /// Changes permissions, as [`emerge_proto::PermsChange`] reads them (`750`, `u+x,g-w`); with `recursive` of all below a
    /// directory too.
    ///
    /// # Errors
    /// `not_found`, `permission_denied` (only the owner and the administrator may), `bad_argument`, `limit_exceeded`.
    pub async fn chmod(&self, path: impl Into<Target>, perms: &str, recursive: bool) -> Result<Stored> {
        self.ask(Op::Chmod { path: path.into(), perms: perms.to_owned(), recursive }).await
    }

    /// Gives to another owner, to another group or to both; with `recursive` all below a directory too.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_argument`, `limit_exceeded`.
    pub async fn chown(
        &self,
        path: impl Into<Target>,
        owner: Option<&str>,
        group: Option<&str>,
        recursive: bool,
    ) -> Result<Stored> {
        let (owner, group) = (owner.map(str::to_owned), group.map(str::to_owned));
        self.ask(Op::Chown { path: path.into(), owner, group, recursive }).await
    }

    /// Finds objects, page by page. Each page also tells on which objects the function failed.
    pub fn search(&self, query: Query) -> Items<Matches> {
        self.stream(&Op::Search { query, after: None }, PAGES)
    }

    /// One page of what a search finds, after a cursor of the same query.
    ///
    /// # Errors
    /// `not_found`, `permission_denied` (the directory), `bad_argument` (the function, a cursor of another query), `deadline_exceeded`, `out_of_memory`.
    pub async fn search_page(&self, query: Query, after: Option<&str>) -> Result<Matches> {
        self.ask(Op::Search { query, after: after.map(str::to_owned) }).await
    }

    /// Runs a search and tells how.
    ///
    /// # Errors
    /// As [`Client::search_page`].
    pub async fn explain(&self, query: Query) -> Result<Plan> {
        self.ask(Op::Explain { query }).await
    }

    /// Makes an index by a class (one of the caller's own by its name, any by its id, or `*`) and a field; it is built in the background. With `unique` no
    /// two objects may have the same value from then on.
    ///
    /// # Errors
    /// `class_not_found`, `permission_denied`, `already_exists` (one that differs in `unique`), `limit_exceeded`.
    pub async fn create_index(&self, class: &str, field: &str, unique: bool) -> Result<IndexInfo> {
        self.ask(Op::CreateIndex { class: class.to_owned(), field: field.to_owned(), unique }).await
    }

    /// Drops an index; gives whether there was one.
    ///
    /// # Errors
    /// As [`Client::create_index`].
    pub async fn drop_index(&self, class: &str, field: &str) -> Result<bool> {
        self.ask(Op::DropIndex { class: class.to_owned(), field: field.to_owned() }).await
    }

    /// All indexes.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn indexes(&self) -> Result<Vec<IndexInfo>> {
        self.ask(Op::Indexes {}).await
    }
}

fn call(path: Target, method: &str, args: &[Value], log: bool) -> Op {
    let args = Value::List(args.to_vec()).encode();
    Op::Call { path, method: method.to_owned(), args, log, after: None, with: None }
}

fn called_with(mut call: Op, given: CallWith) -> Op {
    if let Op::Call { with, .. } = &mut call {
        *with = (given != CallWith::default()).then(|| Box::new(given));
    }
    call
}

fn migrate(path: Target, class: ClassHash, how: Option<&str>, from: Option<&str>) -> Op {
    Op::Migrate { path, class, how: how.map(str::to_owned), from: from.map(str::to_owned), after: None }
}
