//! Indexes: by a class, those that inherit from it included, and a field.
//!
//! Invariant: of every object of the class an index that is ready has exactly one entry, under the key of the field's value ([`emerge_proto::value::order::entry`]).
//! Entries change in the commit that changes the object. An index that is being built has some of them, and each commit keeps those as it keeps the others.
//!
//! Which indexes there are is in memory, in one immutable set. A transaction takes the set as it begins (one that is held open, as it ends), and cannot commit
//! under another one: no object is ever written by someone who does not know of an index.

use crate::backend::{Backend, Key};
use crate::engine::Engine;
use crate::keys;
use crate::object::{Record, read};
use bytes::Bytes;
use emerge_proto::query::IndexInfo;
use emerge_proto::{ObjectId, Result};
use minicbor::{Decode, Encode};
use std::sync::Arc;

/// Stands for all classes.
pub(crate) const EVERY_CLASS: ObjectId = ObjectId([0; 16]);

/// All indexes of a store.
pub(crate) type Indexes = Arc<[Arc<Index>]>;

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its identity.
    pub id: ObjectId,
    /// The id of the class; nil for all classes.
    pub class_id: ObjectId,
    /// The class's name when the index was made; `*` for all classes.
    pub class: String,
    /// The field.
    pub field: String,
    /// Within which objects no two may have the same value: those that a user owns, each, or all for none.
    pub unique: Vec<Option<String>>,
    /// Whether all objects are in it.
    pub ready: bool,
}

/// What is kept of an index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct IndexRecord {
    #[n(0)]
    pub(crate) id: ObjectId,
    #[n(1)]
    pub(crate) class: String,
    /// Whether it is unique for one of its makers.
    #[n(2)]
    pub(crate) unique: bool,
    #[n(3)]
    pub(crate) ready: bool,
    /// While it is being built: objects up to this id are in it.
    #[n(4)]
    pub(crate) cursor: Option<ObjectId>,
    /// Objects, those of other classes included, that the building has looked at.
    #[n(5)]
    pub(crate) looked_at: u64,
    /// Of one without makers: objects that had the value of another when it was built.
    #[n(6)]
    pub(crate) duplicates: u64,
    /// Who made it; absent in stores of before, where it was everyone's.
    #[n(7)]
    pub(crate) makers: Option<Vec<Maker>>,
}

/// Who made an index, and what it is to them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Maker {
    /// The user; none for an administrator.
    #[n(0)]
    pub(crate) user: Option<String>,
    /// Whether no two objects that the user owns may have the same value; of an administrator, no two at all.
    #[n(1)]
    pub(crate) unique: bool,
    /// Objects bound by it that have the value of another one, as the building found them.
    #[n(2)]
    pub(crate) duplicates: u64,
    /// The first of them, [`MOST_DUPLICATES`] at most. Which of these still have another's value is looked up.
    #[n(3)]
    pub(crate) first_duplicates: Option<Vec<ObjectId>>,
}

/// Duplicates of which it is known which they are.
const MOST_DUPLICATES: usize = 1000;

impl Maker {
    /// Counts an object that has the value of another.
    pub(crate) fn count(&mut self, id: ObjectId) {
        self.duplicates += 1;
        let first = self.first_duplicates.get_or_insert_default();
        if first.len() < MOST_DUPLICATES {
            first.push(id);
        }
    }

    /// Begins to count anew.
    pub(crate) fn count_again(&mut self) {
        (self.duplicates, self.first_duplicates) = (0, None);
    }
}

impl IndexRecord {
    /// Those who made it. One that everyone had is as an administrator's.
    pub(crate) fn all_makers(&self) -> Vec<Maker> {
        let everyone =
            || Maker { user: None, unique: self.unique, duplicates: self.duplicates, first_duplicates: None };
        self.makers.clone().unwrap_or_else(|| vec![everyone()])
    }

    pub(crate) fn set_makers(&mut self, makers: Vec<Maker>) {
        self.unique = makers.iter().any(|maker| maker.unique);
        self.duplicates = 0;
        self.makers = Some(makers);
    }

    pub(crate) fn index(&self, class_id: ObjectId, field: &str) -> Index {
        let unique = self.all_makers().into_iter().filter(|maker| maker.unique);
        Index {
            id: self.id,
            class_id,
            class: self.class.clone(),
            field: field.to_owned(),
            unique: unique.map(|maker| maker.user).collect(),
            ready: self.ready,
        }
    }

    /// For those who ask: a user, to whom it is unique when it binds what the user owns, or (none) an administrator. What it is to other users is theirs.
    pub(crate) fn info(&self, class_id: ObjectId, field: &str, user: Option<&str>) -> IndexInfo {
        let binds = |maker: &Maker| {
            maker.unique && (user.is_none() || maker.user.is_none() || maker.user.as_deref() == user)
        };
        let binding: Vec<Maker> = self.all_makers().into_iter().filter(binds).collect();
        let duplicates = binding.iter().find(|maker| maker.user.as_deref() == user).or(binding.first());
        IndexInfo {
            class: self.class.clone(),
            class_id,
            field: field.to_owned(),
            unique: !binding.is_empty(),
            ready: self.ready,
            looked_at: (!self.ready).then_some(self.looked_at),
            duplicates: duplicates.map(|maker| maker.duplicates).filter(|duplicates| *duplicates > 0),
        }
    }

    /// Puts it back to its building, whose entries so far stay.
    pub(crate) fn build_again(&mut self) {
        (self.ready, self.cursor, self.looked_at, self.duplicates) = (false, None, 0, 0);
        self.makers.iter_mut().flatten().for_each(Maker::count_again);
    }

    /// The key and the record of an index.
    pub(crate) fn read(key: &[u8], bytes: &Bytes) -> Result<Arc<Index>> {
        let record: Self = read(bytes, "an index")?;
        let (class_id, field) = keys::index_parts(key).ok_or_else(|| crate::object::damaged("an index"))?;
        Ok(Arc::new(record.index(class_id, field)))
    }
}

impl<B: Backend> Engine<B> {
    /// All indexes, as the backend has them.
    pub(crate) async fn read_indexes(backend: &B) -> Result<Indexes> {
        let records = backend.scan(keys::all(keys::INDEX_DEF), usize::MAX).await?;
        let indexes = records.iter().map(|(key, bytes)| IndexRecord::read(key, bytes));
        Ok(indexes.collect::<Result<Vec<_>>>()?.into())
    }

    /// All indexes.
    pub fn indexes(&self) -> Vec<Arc<Index>> {
        self.state().indexes.to_vec()
    }
}

/// All indexes after some of their records have changed; none when nothing has.
pub(crate) fn changed<'a>(
    indexes: &Indexes,
    records: impl Iterator<Item = (&'a Key, &'a Option<Record>)>,
) -> Result<Option<Indexes>> {
    let mut all: Option<Vec<Arc<Index>>> = None;
    for (key, record) in records {
        let (class_id, field) = keys::index_parts(key).ok_or_else(|| crate::object::damaged("an index"))?;
        let all = all.get_or_insert_with(|| indexes.to_vec());
        all.retain(|index| index.class_id != class_id || index.field != field);
        if let Some(record) = record {
            all.push(IndexRecord::read(key, &record.clone().bytes()?)?);
        }
    }
    Ok(all.map(Indexes::from))
}

/// The keys between two keys of values, both inclusive, in an index.
pub(crate) fn span(index: ObjectId, from: &[u8], to: &[u8]) -> std::ops::Range<Key> {
    keys::prefix(&keys::index_entry(index, from, None)).start
        ..keys::prefix(&keys::index_entry(index, to, None)).end
}
