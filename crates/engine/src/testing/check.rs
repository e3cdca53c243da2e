//! All that must hold of a store, checked over its bytes.

use crate::accounts::{Account, NamedToken, is_builtin, token_parts};
use crate::backend::{Backend, Key};
use crate::change::{Change, LogRecord};
use crate::index::{EVERY_CLASS, Index, IndexRecord};
use crate::keys;
use crate::object::{ClassHead, Entry, Object, Record, read};
use crate::session::{Indexed, SessionRecord, checkpoint_key, replay};
use crate::usage::Used;
use bytes::Bytes;
use emerge_proto::account::Quota;
use emerge_proto::value::{order, raw};
use emerge_proto::{ClassHash, ClassVersion, ObjectId, SessionId, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Every path that can be reached, and the version of what is there; directories too.
    pub paths: BTreeMap<String, u64>,
    /// Every outcome that is not acknowledged: its session, sequence and part.
    pub outcomes: BTreeSet<(SessionId, u64, String)>,
    /// Records that wait for collection.
    pub trash: usize,
    /// Earlier versions that are kept.
    pub versions: usize,
    /// Large values that are kept.
    pub blobs: usize,
}

/// Checks a store that no engine has open: every entry has its object and every object its entry, parents are right,
/// every blob is held and every held blob is there, classes have their bases, the log tells of every object.
///
/// # Errors
/// What does not hold, in words.
pub async fn check_store<B: Backend>(backend: &B) -> Result<Checked, String> {
    let mut store = Store::default();
    for kind in 0..=254u8 {
        let records = backend.scan(keys::all(kind), usize::MAX).await.map_err(|error| error.to_string())?;
        for (key, bytes) in records {
            store.add(&key, bytes).map_err(|error| format!("{key:02x?}: {error}"))?;
        }
    }
    store.check()
}

#[derive(Default)]
struct Store {
    number: u64,
    entries: BTreeMap<ObjectId, BTreeMap<String, Entry>>,
    objects: HashMap<ObjectId, Object>,
    versions: BTreeMap<(ObjectId, u64), Object>,
    classes: HashMap<ClassHash, ClassVersion>,
    heads: Vec<ClassHead>,
    class_owners: Vec<ClassHash>,
    class_newest: HashMap<ObjectId, u64>,
    chunks: BTreeMap<[u8; 32], Vec<Bytes>>,
    uses: BTreeSet<([u8; 32], ObjectId, u64)>,
    trash: HashSet<ObjectId>,
    users: BTreeMap<String, Account>,
    used: BTreeMap<String, Used>,
    quotas: BTreeSet<String>,
    tokens: BTreeMap<[u8; 32], String>,
    named_tokens: BTreeMap<String, NamedToken>,
    groups: BTreeSet<String>,
    sessions: HashMap<SessionId, Indexed>,
    checkpoint: u64,
    log: Vec<(u64, LogRecord)>,
    logged: HashMap<ObjectId, u64>,
    indexes: Vec<(Index, Option<ObjectId>)>,
    dropped: HashSet<ObjectId>,
    index_entries: BTreeSet<Key>,
    last_log: u64,
    oldest_log: Option<i64>,
}

impl Store {
    fn add(&mut self, key: &Key, bytes: Bytes) -> Result<(), String> {
        let text = |error: emerge_proto::Error| error.to_string();
        let short = "the key is too short";
        let hash = |key: &[u8]| -> Option<[u8; 32]> { key.get(1..33)?.try_into().ok() };
        match key.first().copied() {
            Some(keys::ENTRY) => {
                let name = std::str::from_utf8(&key[17..]).map_err(|error| error.to_string())?;
                let entry = Record::decode(key, bytes).and_then(Record::entry).map_err(text)?;
                let directory = keys::id_of(key).ok_or(short)?;
                self.entries.entry(directory).or_default().insert(name.to_owned(), entry);
            }
            Some(keys::OBJECT) => {
                self.objects.insert(keys::id_of(key).ok_or(short)?, Object::decode(&bytes).map_err(text)?);
            }
            Some(keys::VERSION) => {
                let at = keys::version_parts(key).ok_or(short)?;
                self.versions.insert(at, Object::decode(&bytes).map_err(text)?);
            }
            Some(keys::CLASS) => {
                let class: ClassVersion = read(&bytes, "a class").map_err(text)?;
                self.classes.insert(class.hash, class);
            }
            Some(keys::CLASS_HEAD) => self.heads.push(read(&bytes, "a class").map_err(text)?),
            Some(keys::CLASS_OWNER) => self.class_owners.push(ClassHash(keys::id_of(key).ok_or(short)?.0)),
            Some(keys::CLASS_NEWEST) => {
                let newest = read(&bytes, "the newest version of a class").map_err(text)?;
                self.class_newest.insert(keys::id_of(key).ok_or(short)?, newest);
            }
            Some(keys::BLOB) => self.chunks.entry(hash(key).ok_or(short)?).or_default().push(bytes),
            Some(keys::BLOB_USE) => {
                let (id, version) = keys::version_parts(&key[32..]).ok_or(short)?;
                self.uses.insert((hash(key).ok_or(short)?, id, version));
            }
            Some(keys::SESSION) => {
                let session = keys::session_of(key).ok_or(short)?;
                let record = SessionRecord::read(&bytes).map_err(text)?;
                self.sessions.insert(session, Indexed::from_record(record));
            }
            Some(keys::LOG) => {
                self.last_log = keys::log_number(key).ok_or(short)?;
                let log: LogRecord = read(&bytes, "a change").map_err(text)?;
                self.oldest_log.get_or_insert(log.time);
                for change in &log.changes {
                    match change {
                        Change::Created(id) => self.logged.insert(*id, 1),
                        Change::Updated(id, version) => self.logged.insert(*id, *version),
                        Change::Removed(..) | Change::Moved(..) => None,
                    };
                }
                self.log.push((self.last_log, log));
            }
            Some(keys::USER) => {
                let account = Account::read(Record::Bytes(bytes)).map_err(text)?;
                self.users.insert(keys::name_of(key).ok_or("a bad name")?.to_owned(), account);
            }
            Some(keys::USED) => {
                let used = read(&bytes, "what a user stores").map_err(text)?;
                self.used.insert(keys::name_of(key).ok_or("a bad name")?.to_owned(), used);
            }
            Some(keys::QUOTA) => {
                let _: Quota = read(&bytes, "a quota").map_err(text)?;
                self.quotas.insert(keys::name_of(key).ok_or("a bad name")?.to_owned());
            }
            Some(keys::TOKEN) => {
                let name = String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())?;
                self.tokens.insert(hash(key).ok_or(short)?, name);
            }
            Some(keys::NAMED_TOKEN) => {
                let (user, id) = keys::named_token_parts(key).ok_or(short)?;
                let token = NamedToken::read(Record::Bytes(bytes)).map_err(text)?;
                self.named_tokens.insert(format!("{user}/{id}"), token);
            }
            Some(keys::GROUP) => {
                self.groups.insert(keys::name_of(key).ok_or("a bad name")?.to_owned());
            }
            Some(keys::INDEX_DEF) => {
                let (class_id, field) = keys::index_parts(key).ok_or(short)?;
                let record: IndexRecord = read(&bytes, "an index").map_err(text)?;
                self.indexes.push((record.index(class_id, field), record.cursor));
            }
            Some(keys::DROPPED_INDEX) => {
                self.dropped.insert(keys::id_of(key).ok_or(short)?);
            }
            Some(keys::INDEX) => {
                self.index_entries.insert(key.clone());
            }
            Some(keys::TRASH) => {
                self.trash.insert(keys::id_of(key).ok_or(short)?);
            }
            Some(keys::META) => {
                let number = || bytes[..].try_into().map(u64::from_be_bytes).map_err(|_| "a bad number");
                if **key == *keys::meta("number") {
                    self.number = number()?;
                } else if *key == checkpoint_key() {
                    self.checkpoint = number()?;
                }
            }
            other => return Err(format!("an unknown kind of record: {other:?}")),
        }
        Ok(())
    }

    fn check(&self) -> Result<Checked, String> {
        let mut paths = BTreeMap::new();
        let mut reached = HashSet::new();
        self.walk(ObjectId::ROOT, String::new(), &mut paths, &mut reached)?;
        for id in &self.trash {
            if reached.contains(id) {
                return Err(format!("{id} is reachable and in the trash"));
            }
            if self.objects.contains_key(id) {
                self.walk(*id, format!("trash:{id}"), &mut BTreeMap::new(), &mut reached)?;
            }
        }
        for (id, object) in &self.objects {
            if !reached.contains(id) {
                return Err(format!("{id} ({:?}) has no entry", object.name));
            }
            let logged = self.logged.get(id).copied();
            // The old end of the log may have been collected.
            let forgotten = logged.is_none() && self.oldest_log.is_none_or(|time| object.modified <= time);
            if *id != ObjectId::ROOT && logged != Some(object.version) && !forgotten {
                return Err(format!("{id} is at version {}, the log says {logged:?}", object.version));
            }
        }
        for directory in self.entries.keys() {
            if !reached.contains(directory) {
                return Err(format!("there are entries of {directory}, which is no directory"));
            }
        }
        for (id, version) in self.versions.keys() {
            let current = self.objects.get(id).map(|object| object.version);
            if !self.trash.contains(id) && current.is_none_or(|current| *version >= current) {
                return Err(format!("version {version} of {id} is kept, which is at {current:?}"));
            }
        }
        self.check_blobs()?;
        self.check_indexes()?;
        self.check_classes()?;
        self.check_accounts()?;
        self.check_used()?;
        if self.last_log > self.number {
            return Err(format!("the log goes to {}, the last commit is {}", self.last_log, self.number));
        }
        Ok(Checked {
            paths,
            outcomes: self.kept_outcomes()?,
            trash: self.trash.len(),
            versions: self.versions.len(),
            blobs: self.chunks.len(),
        })
    }

    /// What the sessions' records and the log after the last checkpoint say together.
    fn kept_outcomes(&self) -> Result<BTreeSet<(SessionId, u64, String)>, String> {
        let mut sessions = self.sessions.clone();
        for (number, log) in self.log.iter().filter(|(number, _)| *number > self.checkpoint) {
            replay(&mut sessions, *number, log);
        }
        let mut kept = BTreeSet::new();
        for (session, indexed) in sessions {
            for ((seq, part), number) in indexed.outcomes {
                let is_there = |(at, log): &(u64, LogRecord)| {
                    *at == number
                        && log
                            .outcome
                            .as_ref()
                            .is_some_and(|outcome| (outcome.session, outcome.seq) == (session, seq))
                };
                if !self.log.iter().any(is_there) {
                    return Err(format!(
                        "the outcome of request {seq} of session {session} is not in commit {number}"
                    ));
                }
                kept.insert((session, seq, part));
            }
        }
        let mut committed = HashSet::new();
        for (_, log) in &self.log {
            if let Some(outcome) = &log.outcome
                && !committed.insert((outcome.session, outcome.seq, &outcome.part))
            {
                return Err(format!(
                    "request {} of session {} has two outcomes",
                    outcome.seq, outcome.session
                ));
            }
        }
        Ok(kept)
    }

    fn walk(
        &self,
        id: ObjectId,
        path: String,
        paths: &mut BTreeMap<String, u64>,
        reached: &mut HashSet<ObjectId>,
    ) -> Result<(), String> {
        let object = self.objects.get(&id).ok_or_else(|| format!("{path}: no object {id}"))?;
        if !reached.insert(id) {
            return Err(format!("{path}: {id} has two entries"));
        }
        if object.class.is_some_and(|class| !self.classes.contains_key(&class)) {
            return Err(format!("{path}: its class is not there"));
        }
        for (name, entry) in self.entries.get(&id).into_iter().flatten() {
            let path = format!("{path}/{name}");
            let member =
                self.objects.get(&entry.id).ok_or_else(|| format!("{path}: no object {}", entry.id))?;
            if !object.is_directory() {
                return Err(format!("{path}: lies in what is no directory"));
            }
            if (member.parent, member.name.as_str(), member.kind) != (id, name, entry.kind) {
                return Err(format!("{path}: its object says {} {:?}", member.parent, member.name));
            }
            self.walk(entry.id, path, paths, reached)?;
        }
        paths.insert(if path.is_empty() { "/".into() } else { path }, object.version);
        Ok(())
    }

    /// An index that is ready has an entry for each object of its class, and no other; one that is being built has those up to its cursor.
    fn check_indexes(&self) -> Result<(), String> {
        let mut wanted = BTreeSet::new();
        for (index, cursor) in &self.indexes {
            for (id, object) in &self.objects {
                let Some(class) = object.class else { continue };
                if index.class_id != EVERY_CLASS && !self.inherits(class, index.class_id) {
                    continue;
                }
                let value = self.value_in(object, &index.field)?;
                let entry = Key::from(keys::index_entry(index.id, &order::entry(value.as_ref()), Some(*id)));
                let is_there = self.index_entries.contains(&entry);
                if !is_there && (index.ready || cursor.is_some_and(|cursor| *id <= cursor)) {
                    return Err(format!(
                        "the index of {} by {} lacks {id} {value:?}",
                        index.class, index.field
                    ));
                }
                wanted.insert(entry);
            }
        }
        for entry in &self.index_entries {
            let index = keys::id_of(entry).ok_or("an index entry is too short")?;
            if !wanted.contains(entry) && !self.dropped.contains(&index) {
                return Err(format!("the index {index} has an entry that no object has: {entry:02x?}"));
            }
        }
        Ok(())
    }

    fn inherits(&self, class: ClassHash, from: ObjectId) -> bool {
        self.classes.get(&class).is_some_and(|class| {
            class.class_id == from || class.source.bases.iter().any(|base| self.inherits(base.hash, from))
        })
    }

    fn value_in(&self, object: &Object, field: &str) -> Result<Option<Value>, String> {
        let text = |error: emerge_proto::Error| error.to_string();
        for (at, entry) in raw::entries(&object.state).map_err(text)?.enumerate() {
            let (name, value) = entry.map_err(text)?;
            if name == field {
                let blob = object.blobs.iter().find(|blob| blob.field as usize == at);
                let whole = blob.and_then(|blob| self.chunks.get(&blob.hash)).map(|chunks| chunks.concat());
                return Value::decode(whole.as_deref().unwrap_or(value)).map(Some).map_err(text);
            }
        }
        Ok(None)
    }

    fn check_blobs(&self) -> Result<(), String> {
        let current = self.objects.iter().map(|(id, object)| ((*id, object.version), object));
        let earlier = self.versions.iter().map(|(at, object)| (*at, object));
        let mut held = BTreeSet::new();
        for ((id, version), object) in current.chain(earlier) {
            for blob in &object.blobs {
                held.insert((blob.hash, id, version));
                let value = self.chunks.get(&blob.hash).map(|chunks| chunks.concat());
                if value.is_none_or(|value| <[u8; 32]>::from(Sha256::digest(&value)) != blob.hash) {
                    return Err(format!("version {version} of {id}: a blob is not there or not whole"));
                }
            }
        }
        if held != self.uses {
            return Err("the uses of blobs are not those that objects have".into());
        }
        match self.chunks.keys().find(|hash| !held.iter().any(|(held, _, _)| held == *hash)) {
            Some(hash) => Err(format!("nothing holds the blob {hash:02x?}")),
            None => Ok(()),
        }
    }

    fn check_accounts(&self) -> Result<(), String> {
        let first = self.users.iter().map(|(name, account)| (account.token, name.clone()));
        let named = self.named_tokens.iter().map(|(bearer, token)| (token.hash, bearer.clone()));
        let held: BTreeMap<[u8; 32], String> = first.chain(named).collect();
        if held != self.tokens || held.len() != self.users.len() + self.named_tokens.len() {
            return Err("the tokens are not those that users have".into());
        }
        for bearer in self.named_tokens.keys() {
            let (user, _) = token_parts(bearer);
            if !is_builtin(user) && !self.users.contains_key(user) {
                return Err(format!("the token {bearer} is of nobody"));
            }
        }
        for (name, account) in &self.users {
            let known = |group: &String| is_builtin(group) || self.groups.contains(group);
            if let Some(group) = account.groups.iter().find(|group| !known(group)) {
                return Err(format!("the user {name} is in the group {group}, which is not there"));
            }
        }
        Ok(())
    }

    fn check_used(&self) -> Result<(), String> {
        let mut used: BTreeMap<String, Used> = BTreeMap::new();
        for object in self.objects.values() {
            let used = used.entry(object.owner.to_string()).or_default();
            (used.objects, used.bytes) = (used.objects + 1, used.bytes + object.size());
        }
        for version in self.versions.values() {
            used.entry(version.owner.to_string()).or_default().bytes += version.size();
        }
        for class in self.classes.values() {
            let bytes = emerge_proto::class::encode(class).len() as u64;
            used.entry(class.owner.clone()).or_default().bytes += bytes;
        }
        // Of a directory there may be an earlier version alone, which has no bytes.
        used.retain(|_, used| *used != Used::default());
        let told = || self.used.iter().filter(|(_, used)| **used != Used::default());
        if !used.iter().eq(told()) {
            let told: BTreeMap<_, _> = told().collect();
            return Err(format!("users store {used:?}, and what is counted is {told:?}"));
        }
        match self.quotas.iter().find(|name| !is_builtin(name) && !self.users.contains_key(*name)) {
            Some(name) => Err(format!("there is a quota of {name}, who is no user")),
            None => Ok(()),
        }
    }

    fn check_classes(&self) -> Result<(), String> {
        for class in self.classes.values() {
            if class.source.hash() != class.hash {
                return Err(format!("the class {} is not what its hash says", class.hash));
            }
            if let Some(base) = class.source.bases.iter().find(|base| !self.classes.contains_key(&base.hash))
            {
                return Err(format!("the base {} of the class {} is not there", base.hash, class.hash));
            }
        }
        let mut versions: BTreeMap<ObjectId, Vec<u64>> = BTreeMap::new();
        for class in self.classes.values() {
            versions.entry(class.class_id).or_default().push(class.version);
        }
        for (id, versions) in &mut versions {
            versions.sort_unstable();
            let newest = self.class_newest.get(id).copied().unwrap_or(versions.len() as u64);
            if !versions.iter().copied().eq(1..=newest) {
                return Err(format!("the class {id} has the versions {versions:?} up to {newest}"));
            }
        }
        for head in &self.heads {
            let class = self.classes.get(&head.hash).map(|class| (class.class_id, class.version));
            if class != Some((head.class_id, head.version)) {
                return Err(format!("version {} of the class {} is {class:?}", head.version, head.class_id));
            }
        }
        match self.class_owners.iter().find(|hash| !self.classes.contains_key(hash)) {
            Some(hash) => Err(format!("the class {hash} has an owner and is not there")),
            None => Ok(()),
        }
    }
}
