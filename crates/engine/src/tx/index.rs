//! Indexes in a transaction: making and dropping them, and keeping their entries.

use super::Tx;
use crate::access;
use crate::backend::{Backend, Key};
use crate::engine::Side;
use crate::index::{self as indexes, EVERY_CLASS, Index, IndexRecord, Indexes, Maker};
use crate::keys;
use crate::object::{ClassHead, Object, Record, read};
use bytes::Bytes;
use emerge_proto::query::IndexInfo;
use emerge_proto::scope::Verb;
use emerge_proto::value::order::{self, Kind};
use emerge_proto::value::raw;
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, Result, Value, limits};
use std::sync::Arc;

impl<B: Backend> Tx<B> {
    /// Makes an index by a class, which is one of the caller's own by its name, any by its id, or all (`*`), and a field. It is there at once, and ready
    /// when [`crate::Engine::build_indexes`] has gone over the objects. One that is there already is shared with those who made it. A unique one binds
    /// the objects that the caller owns; an administrator's binds all.
    ///
    /// # Errors
    /// `class_not_found`; `permission_denied` when the caller is not one of the class's owners; `already_exists` when the caller made it otherwise;
    /// `limit_exceeded`.
    pub async fn create_index(&mut self, class: &str, field: &str, unique: bool) -> Result<IndexInfo> {
        if field.is_empty() || field.len() > limits::MAX_SEGMENT {
            let why = format!("the name of an indexed field has 1 to {} bytes", limits::MAX_SEGMENT);
            return Err(Error::new(ErrorCode::BadArgument, why)
                .field("field")
                .limit(limits::MAX_SEGMENT as u64));
        }
        self.check_index_scope()?;
        let (class_id, name, owned) = self.indexed_class(class).await?;
        if !owned {
            return Err(self.may_not_index(&name));
        }
        let key = keys::index(class_id, field);
        let maker = Maker { user: self.maker(), unique, duplicates: 0, first_duplicates: None };
        if let Some(record) = self.read(&key).await? {
            let mut known: IndexRecord = read(&record.bytes()?, "an index")?;
            let mut makers = known.all_makers();
            match makers.iter().find(|other| other.user == maker.user) {
                Some(own) if own.unique == unique => {}
                Some(own) => {
                    let what = if own.unique { "" } else { "not " };
                    let why = format!("there is an index of {name} by {field}, which is {what}unique");
                    return Err(Error::new(ErrorCode::AlreadyExists, why).field(field));
                }
                None => {
                    makers.push(maker);
                    if unique {
                        // The building goes over the objects again to count duplicates; all entries stay, so that it binds at once.
                        known.build_again();
                        makers.iter_mut().for_each(Maker::count_again);
                    }
                    known.set_makers(makers);
                    self.put(key, Some(encoded(&known)));
                }
            }
            return Ok(known.info(class_id, field, self.maker().as_deref()));
        }
        if self.indexes()?.len() >= limits::MAX_INDEXES {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("a store has at most {} indexes", limits::MAX_INDEXES),
            )
            .limit(limits::MAX_INDEXES as u64));
        }
        let record = IndexRecord {
            id: self.new_id(),
            class: name,
            unique,
            ready: false,
            cursor: None,
            looked_at: 0,
            duplicates: 0,
            makers: Some(vec![maker]),
        };
        self.put(key, Some(encoded(&record)));
        Ok(record.info(class_id, field, self.maker().as_deref()))
    }

    /// Drops an index, as far as the caller made it: it goes with the last user who made it, and by an administrator at once. Then its entries are deleted
    /// later. Gives whether there was one.
    ///
    /// # Errors
    /// As [`Tx::create_index`]; `permission_denied` when others made it, and the caller did not.
    pub async fn drop_index(&mut self, class: &str, field: &str) -> Result<bool> {
        self.check_index_scope()?;
        let (class_id, name, owned) = self.indexed_class(class).await?;
        let key = keys::index(class_id, field);
        let record = match self.read(&key).await? {
            None if !owned => return Err(self.may_not_index(&name)),
            None => return Ok(false),
            Some(record) => record,
        };
        let mut known: IndexRecord = read(&record.bytes()?, "an index")?;
        let user = self.maker();
        if user.is_some()
            && let Some(makers) = &known.makers
        {
            let left: Vec<Maker> = makers.iter().filter(|maker| maker.user != user).cloned().collect();
            let made = left.len() < makers.len();
            if !made && !owned {
                return Err(self.may_not_index(&name));
            }
            // What the node or an administrator made to make searches faster is the owners' to drop; what binds, and what other users made, is not.
            if left.iter().any(|maker| maker.unique || maker.user.is_some()) {
                if !made {
                    let why = format!(
                        "the index of {name} by {field} is dropped by who made it, or an administrator"
                    );
                    return Err(Error::new(ErrorCode::PermissionDenied, why).field(field));
                }
                known.set_makers(left);
                self.put(key, Some(encoded(&known)));
                return Ok(true);
            }
        } else if !owned {
            return Err(self.may_not_index(&name));
        }
        self.put(key, None);
        self.put(keys::dropped_index(known.id), Some(Record::Bytes(Bytes::new())));
        Ok(true)
    }

    /// The caller as one who makes indexes: none for an administrator, who makes them for all.
    fn maker(&self) -> Option<String> {
        (!self.principal.admin).then(|| self.principal.user.clone())
    }

    /// An index is of objects wherever they are, so that no less than everything must be the token's to write. It decides about what its class's owners
    /// store later, so that none is made within another's code.
    fn check_index_scope(&self) -> Result<()> {
        if self.principal.is_narrowed() {
            let why = format!(
                "indexes are made and dropped by user {:?} alone, and by no code that others answer for",
                self.principal.user
            );
            return Err(Error::new(ErrorCode::PermissionDenied, why));
        }
        match &self.principal.scope {
            Some(scope) if !scope.allows_below(Verb::Write, "/") => {
                Err(access::out_of_scope(&self.principal, Verb::Write, "/**"))
            }
            _ => Ok(()),
        }
    }

    fn may_not_index(&self, class: &str) -> Error {
        let (user, what) = (&self.principal.user, if class == "*" { "all classes" } else { class });
        let why = format!("user {user:?} may not index {what}: its owners and an administrator may");
        Error::new(ErrorCode::PermissionDenied, why)
    }

    /// All indexes, as they are when this transaction has committed.
    ///
    /// # Errors
    /// `storage_failed`.
    fn indexes(&self) -> Result<Indexes> {
        let own = indexes::changed(&self.indexes, self.writes.range(keys::all(keys::INDEX_DEF)))?;
        Ok(own.unwrap_or_else(|| self.indexes.clone()))
    }

    /// The indexes of the caller's own classes, and those that the caller made, with how far their building has come, this transaction's own included; an administrator's are all.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn index_infos(&mut self) -> Result<Vec<IndexInfo>> {
        let mut infos = Vec::new();
        if !self.principal.is_granted(Verb::Read) || self.principal.is_narrowed() {
            return Ok(infos);
        }
        for (key, record) in self.scan(keys::all(keys::INDEX_DEF), usize::MAX).await? {
            let (class_id, field) =
                keys::index_parts(&key).ok_or_else(|| crate::object::damaged("an index"))?;
            let mut known: IndexRecord = read(&record.bytes()?, "an index")?;
            let user = self.maker();
            let made = known.makers.iter().flatten().any(|maker| maker.user == user);
            // What others index, and how much of it there is, is theirs.
            if made || self.principal.admin || self.has_class(class_id, &known.class).await? {
                self.recount(&known.index(class_id, field), &mut known).await?;
                infos.push(known.info(class_id, field, user.as_deref()));
            }
        }
        infos.sort_by(|one, other| (&one.class, &one.field).cmp(&(&other.class, &other.field)));
        Ok(infos)
    }

    /// Whether a class of a name is one of the caller's own, or, for an administrator, anybody's.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn knows_class(&mut self, name: &str) -> Result<bool> {
        let user = self.principal.sees_classes_of().map(str::to_owned);
        if let Some(user) = user
            && self.class_head(&user, name).await?.is_some()
        {
            return Ok(true);
        }
        if !self.principal.admin {
            return Ok(false);
        }
        let heads = self.scan_unnoted(keys::all(keys::CLASS_HEAD), limits::MAX_COPY).await?;
        Ok(heads.len() == limits::MAX_COPY
            || heads.iter().any(|(key, _)| keys::class_name(key) == Some(name)))
    }

    /// Whether a class is one of the caller's own.
    async fn has_class(&mut self, class_id: ObjectId, name: &str) -> Result<bool> {
        let user = self.principal.user.clone();
        Ok(self.class_head(&user, name).await?.is_some_and(|head| head.class_id == class_id))
    }

    /// The id of a class, its name, and whether the caller may index it.
    async fn indexed_class(&mut self, class: &str) -> Result<(ObjectId, String, bool)> {
        let (user, admin) = (self.principal.user.clone(), self.principal.admin);
        if class == "*" {
            return Ok((EVERY_CLASS, "*".into(), admin));
        }
        if let Some(id) = ObjectId::parse(class) {
            // The address of a version, or the id of a class.
            let version = match self.class(ClassHash(id.0)).await {
                Ok(lineage) => lineage.first().cloned(),
                Err(error) if error.code == ErrorCode::ClassNotFound => None,
                Err(error) => return Err(error),
            };
            if let Some(version) = version {
                let name = version.source.name.clone();
                let owned = admin
                    || self.owns_version(&version, &user).await?
                    || self.has_class(version.class_id, &name).await?;
                return Ok((version.class_id, name, owned));
            }
            let mut found = None;
            for (_, record) in self.scan(keys::all(keys::CLASS_HEAD), limits::MAX_COPY).await? {
                let head: ClassHead = read(&record.bytes()?, "a class")?;
                if head.class_id != id {
                    continue;
                }
                let lineage = self.class(head.hash).await?;
                let Some(newest) = lineage.first() else { continue };
                let owned = admin || self.owns_version(newest, &user).await?;
                let name = newest.source.name.clone();
                found = Some((id, name, owned));
                if owned {
                    break;
                }
            }
            let why = || Error::new(ErrorCode::ClassNotFound, format!("there is no class {class}"));
            return found.ok_or_else(|| why().field("class"));
        }
        let info = self.class_by_name(class).await?;
        let newest = info.lineage.first().ok_or_else(|| crate::object::damaged("a class"))?;
        Ok((newest.class_id, newest.source.name.clone(), true))
    }

    /// Adds to what is written the entries that follow from it, and sees that what must be unique is.
    pub(super) async fn index_writes(&mut self) -> Result<()> {
        let indexes = self.indexes.clone();
        let written: Vec<(Key, Option<Record>)> = self
            .writes
            .range(keys::all(keys::OBJECT))
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect();
        let mut entries: Vec<(Key, Option<Record>)> = Vec::new();
        let mut unique = Vec::new();
        for (key, new) in written {
            let Some(id) = keys::id_of(&key) else { continue };
            let old = match self.reads.get(&key) {
                Some((_, record)) => record.clone(),
                // Whoever changes what is there has read it.
                None if new.is_some() => None,
                None => {
                    let looked = self.engine.look(&key).await?;
                    self.note(looked)
                }
            };
            let old = old.map(Record::object).transpose()?;
            let new = new.map(Record::object).transpose()?;
            let owner = |object: Option<&Arc<Object>>| object.map(|object| object.owner.clone());
            let same_owner = owner(old.as_ref()) == owner(new.as_ref());
            if let (Some(old), Some(new)) = (&old, &new)
                && same_owner
                && old.class == new.class
                && old.state == new.state
                && old.blobs == new.blobs
                && !self.forgets_moved()
            {
                continue;
            }
            #[cfg(feature = "mutations")]
            let new = new.filter(|new| {
                let moved =
                    old.as_ref().is_some_and(|old| (old.parent, &old.name) != (new.parent, &new.name));
                !(moved && self.engine.shared.options.mutations.stale_index)
            });
            for index in indexes.iter() {
                let before = self.entry_of(index, id, old.as_deref()).await?;
                let after = self.entry_of(index, id, new.as_deref()).await?;
                if let (Some(after), Some(new)) = (&after, &new) {
                    let changed = before.as_ref() != Some(after);
                    for whose in &index.unique {
                        // What binds all is met by values alone; what binds a user's objects by one's coming to the user too.
                        let met = match whose {
                            None => changed,
                            Some(user) => *new.owner == **user && (changed || !same_owner),
                        };
                        if met {
                            unique.push((index.clone(), id, after.clone(), whose.clone()));
                        }
                    }
                }
                if before == after {
                    continue;
                }
                if let Some(before) = before {
                    entries.push((before.into(), None));
                }
                if let Some(after) = after {
                    entries.push((after.into(), Some(Record::Bytes(Bytes::new()))));
                }
            }
        }
        // Deletions first: what one object leaves another may take.
        entries.sort_by_key(|(_, record)| record.is_some());
        self.writes.extend(entries);
        for (index, id, entry, whose) in unique {
            self.check_unique(&index, id, &entry, whose.as_deref()).await?;
        }
        Ok(())
    }

    #[cfg(feature = "mutations")]
    fn forgets_moved(&self) -> bool {
        self.engine.shared.options.mutations.stale_index
    }

    #[cfg(not(feature = "mutations"))]
    #[allow(clippy::unused_self, reason = "only mutations look at it")]
    fn forgets_moved(&self) -> bool {
        false
    }

    /// The key of an object's entry; none when the index is not of its class.
    pub(crate) async fn entry_of(
        &mut self,
        index: &Index,
        id: ObjectId,
        object: Option<&Object>,
    ) -> Result<Option<Vec<u8>>> {
        let Some(object) = object else { return Ok(None) };
        let Some(class) = object.class else { return Ok(None) };
        if index.class_id != EVERY_CLASS
            && !self.class(class).await?.iter().any(|class| class.class_id == index.class_id)
        {
            return Ok(None);
        }
        let value = self.value_in(object, &index.field).await?;
        Ok(Some(keys::index_entry(index.id, &order::entry(value.as_ref()), Some(id))))
    }

    pub(super) async fn value_in(&mut self, object: &Object, field: &str) -> Result<Option<Value>> {
        for (at, entry) in raw::entries(&object.state)?.enumerate() {
            let (name, value) = entry?;
            if name != field {
                continue;
            }
            if object.blobs.iter().any(|blob| blob.field as usize == at) {
                let whole = self.state_of(object).await?;
                return raw::get(&whole, field)?.map(Value::decode).transpose();
            }
            return Value::decode(value).map(Some);
        }
        Ok(None)
    }

    /// Adds the next objects to an index that is being built.
    pub(crate) async fn build_index(&mut self, index: &Index, budget: usize) -> Result<()> {
        let key = keys::index(index.class_id, &index.field);
        let Some(record) = self.read(&key).await? else { return Ok(()) };
        let mut known: IndexRecord = read(&record.bytes()?, "an index")?;
        if known.id != index.id || known.ready {
            return Ok(());
        }
        let scanned =
            self.engine.scan(&keys::objects(known.cursor), budget, Side::Start, &self.writes).await?;
        self.depends_on = self.depends_on.max(scanned.number);
        let seen = scanned.records.len();
        let mut makers = known.all_makers();
        for (key, record) in scanned.records {
            let Some(id) = keys::id_of(&key) else { continue };
            // Noted one by one, and not as a range: what others add meanwhile has its entry by their own commit.
            self.reads.entry(key).or_insert((scanned.at, Some(record.clone())));
            let object = record.object()?;
            if let Some(entry) = self.entry_of(index, id, Some(&object)).await? {
                if makers.iter().any(|maker| maker.unique) && self.is_linked(id).await? {
                    for maker in makers.iter_mut().filter(|maker| maker.unique) {
                        let owner = maker.user.clone();
                        let bound = owner.as_deref().is_none_or(|owner| *object.owner == *owner);
                        // Those that have a value first keep it: the others are counted, also where the building goes over entries that are there.
                        if bound && self.same(index, id, &entry, owner.as_deref(), true).await?.is_some() {
                            maker.count(id);
                        }
                    }
                }
                self.put(entry, Some(Record::Bytes(Bytes::new())));
            }
            known.cursor = Some(id);
        }
        match &mut known.makers {
            Some(all) => *all = makers,
            None => known.duplicates = makers.first().map_or(0, |maker| maker.duplicates),
        }
        known.looked_at += seen as u64;
        if seen < budget {
            known.ready = true;
            known.cursor = None;
        }
        self.put(key, Some(encoded(&known)));
        Ok(())
    }

    /// Deletes entries of indexes that were dropped.
    pub(crate) async fn collect_indexes(&mut self, budget: usize) -> Result<(usize, usize)> {
        let (mut seen, mut deleted) = (0, 0);
        for (key, _) in self.scan_unnoted(keys::all(keys::DROPPED_INDEX), budget).await? {
            let Some(id) = keys::id_of(&key) else { continue };
            let entries = self.scan_unnoted(keys::prefix(&keys::index_entry(id, &[], None)), budget).await?;
            let all = entries.len() < budget;
            seen += 1 + entries.len();
            for (entry, _) in entries {
                self.put_raw(entry, None);
                deleted += 1;
            }
            if all {
                self.put_raw(key, None);
            }
            if seen >= budget {
                break;
            }
        }
        Ok((seen, deleted))
    }

    /// An index that is ready and has every object that a search of some class looks at, by its field's value, except those that this transaction has written.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn index_for(
        &mut self,
        class: Option<&str>,
        class_id: Option<ObjectId>,
        field: &str,
        noted: bool,
    ) -> Result<Option<Arc<Index>>> {
        let usable: Vec<Arc<Index>> =
            self.indexes.iter().filter(|index| index.ready && index.field == field).cloned().collect();
        if usable.is_empty() {
            return Ok(None);
        }
        let mut wanted = None;
        if let Some(id) = class_id {
            wanted = match self.class(ClassHash(id.0)).await {
                Ok(lineage) => lineage.first().map(|class| class.class_id),
                Err(error) if error.code == ErrorCode::ClassNotFound => Some(id),
                Err(error) => return Err(error),
            };
        } else if let Some(name) = class
            && usable.iter().any(|index| index.class == name)
        {
            wanted = self.only_class(name, noted).await?;
        }
        let of_class = usable.iter().find(|index| Some(index.class_id) == wanted);
        Ok(of_class.or_else(|| usable.iter().find(|index| index.class_id == EVERY_CLASS)).cloned())
    }

    /// Whether an index is in the order of its values: it keeps decimals apart from the other numbers.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn is_in_order(&mut self, index: &Index, noted: bool) -> Result<bool> {
        let decimals = [Kind::Decimal as u8];
        Ok(self.peek_range(indexes::span(index.id, &decimals, &decimals), 1, noted).await?.is_empty())
    }

    /// The ids of the objects in parts of an index, and of those that this transaction has written; none when they are more than `most`, or when the index has
    /// gone since the transaction began.
    pub(super) async fn in_index(
        &mut self,
        index: &Index,
        spans: &[(Vec<u8>, Vec<u8>)],
        most: usize,
        noted: bool,
    ) -> Result<Option<Vec<ObjectId>>> {
        let mut ids = Vec::new();
        for (from, to) in spans {
            let entries =
                self.peek_range(indexes::span(index.id, from, to), most + 1 - ids.len(), noted).await?;
            ids.extend(entries.iter().filter_map(|(key, _)| keys::last_id(key)));
            if ids.len() > most {
                return Ok(None);
            }
        }
        if !self.has_index(index, noted).await? {
            return Ok(None);
        }
        ids.extend(self.without_entries());
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    /// Whether an index still is what it was when the transaction began: entries of one that was dropped are no longer kept. Noted, this makes the drop of it
    /// a conflict.
    pub(super) async fn has_index(&mut self, index: &Index, noted: bool) -> Result<bool> {
        let Some(record) = self.peek(&keys::index(index.class_id, &index.field), noted).await? else {
            return Ok(false);
        };
        let known: IndexRecord = read(&record.bytes()?, "an index")?;
        Ok(known.id == index.id && known.ready)
    }

    /// The objects that were written here: they have their entries when it is committed.
    pub(super) fn without_entries(&self) -> impl Iterator<Item = ObjectId> {
        self.writes.range(keys::all(keys::OBJECT)).filter_map(|(key, _)| keys::id_of(key))
    }

    /// The id of the one class of a registered name, whoever's it is; none when there are several, or none.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn class_named(&mut self, name: &str) -> Result<Option<ObjectId>> {
        self.only_class(name, false).await
    }

    /// The id of the one class of a name; none when there are several, or none.
    pub(crate) async fn only_class(&mut self, name: &str, noted: bool) -> Result<Option<ObjectId>> {
        let mut found = None;
        let heads = self.peek_range(keys::all(keys::CLASS_HEAD), limits::MAX_COPY, noted).await?;
        if heads.len() == limits::MAX_COPY {
            return Ok(None);
        }
        for (key, record) in heads {
            if keys::class_name(&key) != Some(name) {
                continue;
            }
            let head: ClassHead = read(&record.bytes()?, "a class")?;
            if found.is_some_and(|found| found != head.class_id) {
                return Ok(None);
            }
            found = Some(head.class_id);
        }
        Ok(found)
    }
}

fn encoded(record: &IndexRecord) -> Record {
    Record::Bytes(emerge_proto::class::encode(record).into())
}
