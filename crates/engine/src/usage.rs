//! What each user stores, and may store at most.
//!
//! Counted are records: an object or a directory is one object and the bytes of its state, for its owner; an earlier version its bytes, for who owned the object
//! then; a class version its bytes, for who stored it first. So a value that several versions share counts in each of them, and what is unlinked counts until it
//! is collected.
//!
//! Invariant: what is said of a user is the sum over the records of the same store, for it is written in the commit that changes them. Any two commits may change
//! what is said of one user; so it is added up in memory, where commits get their numbers, and no two conflict over it.

use crate::backend::{Backend, CommitRecord, Key, Write};
use crate::keys;
use crate::object::{Record, damaged, read};
use bytes::Bytes;
use compact_str::CompactString;
use emerge_proto::account::Quota;
use emerge_proto::guard::Guard;
use emerge_proto::{ClassVersion, Error, ErrorCode, Result};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, HashMap};

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Used {
    #[n(0)]
    pub(crate) objects: u64,
    #[n(1)]
    pub(crate) bytes: u64,
}

/// How much more is stored, or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    objects: i64,
    bytes: i64,
}

/// What changes for each user.
#[derive(Debug, Default)]
pub(crate) struct Changes(BTreeMap<CompactString, Change>);

impl Changes {
    /// Counts a record that is written or, with `gone`, that is there no more.
    pub(crate) fn count(&mut self, key: &[u8], record: &Record, gone: bool) -> Result<()> {
        let (owner, objects, bytes) = match (key.first(), record) {
            (Some(&keys::OBJECT), Record::Object(object)) => (object.owner.clone(), 1, object.size()),
            (Some(&keys::VERSION), Record::Object(object)) => (object.owner.clone(), 0, object.size()),
            (Some(&keys::CLASS), Record::Bytes(bytes)) => {
                let class: ClassVersion = read(bytes, "a class")?;
                (class.owner.into(), 0, bytes.len() as u64)
            }
            _ => return Ok(()),
        };
        let sign = if gone { -1 } else { 1 };
        let change = self.0.entry(owner).or_default();
        change.objects += sign * objects;
        change.bytes += sign * i64::try_from(bytes).unwrap_or(i64::MAX);
        Ok(())
    }

    /// Bytes that are written of it, at most.
    pub(crate) fn size(&self) -> usize {
        self.0.keys().map(|user| user.len() + 32).sum()
    }
}

/// What is known of a user.
#[derive(Clone, Copy, Debug, Default)]
struct User {
    used: Used,
    quota: Quota,
}

/// What all users store and may store.
#[derive(Debug, Default)]
pub(crate) struct Usage(HashMap<CompactString, User>);

impl Usage {
    pub(crate) async fn read<B: Backend>(backend: &B) -> Result<Self> {
        let mut usage = Self::default();
        for (key, bytes) in backend.scan(keys::all(keys::USED), usize::MAX).await? {
            usage.user(&key)?.used = read(&bytes, "what a user stores")?;
        }
        for (key, bytes) in backend.scan(keys::all(keys::QUOTA), usize::MAX).await? {
            usage.user(&key)?.quota = read(&bytes, "a quota")?;
        }
        Ok(usage)
    }

    fn user(&mut self, key: &[u8]) -> Result<&mut User> {
        let name = keys::name_of(key).ok_or_else(|| damaged("what a user stores"))?;
        Ok(self.0.entry(name.into()).or_default())
    }

    pub(crate) fn used(&self, user: &str) -> Used {
        self.0.get(user).map(|user| user.used).unwrap_or_default()
    }

    /// Those who store something.
    pub(crate) fn users(&self) -> impl Iterator<Item = &str> {
        let some = |(_, user): &(&CompactString, &User)| user.used != Used::default();
        self.0.iter().filter(some).map(|(name, _)| name.as_str())
    }

    /// Refuses what would take a user past the quota. Who is past it may still store less.
    pub(crate) fn check(&self, changes: &Changes) -> Result<()> {
        for (name, change) in &changes.0 {
            let Some(user) = self.0.get(name) else { continue };
            let counts = [
                ("objects", user.quota.objects, user.used.objects, change.objects),
                ("bytes", user.quota.bytes, user.used.bytes, change.bytes),
            ];
            for (what, quota, used, change) in counts {
                if let Some(quota) = quota
                    && change > 0
                    && Guard::Quota.holds()
                    && used.saturating_add_signed(change) > quota
                {
                    let why = format!(
                        "user {name:?} may store {quota} {what}, and would store {}; nothing was changed",
                        used.saturating_add_signed(change)
                    );
                    return Err(Error::new(ErrorCode::QuotaExceeded, why).field(what).limit(quota));
                }
            }
        }
        Ok(())
    }

    /// Takes over what a commit changes; gives what is to be written with it.
    pub(crate) fn apply(&mut self, changes: Changes) -> Vec<Write> {
        let mut writes = Vec::with_capacity(changes.0.len());
        for (name, change) in changes.0.into_iter().filter(|(_, change)| *change != Change::default()) {
            let key = keys::used(&name);
            let used = &mut self.0.entry(name).or_default().used;
            used.objects = used.objects.saturating_add_signed(change.objects);
            used.bytes = used.bytes.saturating_add_signed(change.bytes);
            writes.push(Write { key, value: Some(emerge_proto::class::encode(used).into()) });
        }
        writes
    }

    /// Takes over quotas that a commit sets.
    pub(crate) fn set(&mut self, quotas: Vec<(CompactString, Quota)>) {
        for (name, quota) in quotas {
            self.0.entry(name).or_default().quota = quota;
        }
    }
}

/// The quotas among what a commit writes.
pub(crate) fn quotas<'a>(
    writes: impl Iterator<Item = (&'a Key, &'a Option<Record>)>,
) -> Result<Vec<(CompactString, Quota)>> {
    let quota = |(key, record): (&Key, &Option<Record>)| {
        let name = keys::name_of(key).ok_or_else(|| damaged("a quota"))?;
        let quota = match record {
            Some(record) => read(&record.clone().bytes()?, "a quota")?,
            None => Quota::default(),
        };
        Ok((name.into(), quota))
    };
    writes.map(quota).collect()
}

fn counted() -> Key {
    keys::meta("counted")
}

/// That nothing more is to be counted.
pub(crate) fn counted_record() -> Write {
    Write { key: counted(), value: Some(Bytes::new()) }
}

/// Records that are read at a time.
const BATCH: usize = 1000;

/// Counts what a store holds that a program wrote which did not count. What was cut begins anew.
pub(crate) async fn count_once<B: Backend>(backend: &B, fence: u64) -> Result<()> {
    if backend.get_many(&[counted()]).await?.iter().any(Option::is_some) {
        return Ok(());
    }
    let mut changes = Changes::default();
    for kind in [keys::OBJECT, keys::VERSION, keys::CLASS] {
        let mut range = keys::all(kind);
        loop {
            let found = backend.scan(range.clone(), BATCH).await?;
            let last = found.last().filter(|_| found.len() == BATCH).map(|(last, _)| keys::after(last));
            for (key, bytes) in found {
                let record = Record::decode(&key, bytes)?;
                changes.count(&key, &record, false)?;
            }
            match last {
                Some(next) => range.start = next,
                None => break,
            }
        }
    }
    let mut writes: Vec<Write> = Usage::default().apply(changes);
    writes.push(counted_record());
    writes.sort_by(|a, b| a.key.cmp(&b.key));
    backend.commit(CommitRecord { writes }, fence).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, EngineOptions};
    use crate::memory::MemoryBackend;
    use futures_executor::block_on;

    fn changes(of: &[(&str, i64, i64)]) -> Changes {
        Changes(
            of.iter()
                .map(|(user, objects, bytes)| ((*user).into(), Change { objects: *objects, bytes: *bytes }))
                .collect(),
        )
    }

    #[test]
    fn a_quota_stops_what_grows_past_it_and_nothing_else() {
        let mut usage = Usage::default();
        assert_eq!(usage.apply(changes(&[("ada", 2, 100), ("bob", 1, 10)])).len(), 2);
        usage.set(vec![("ada".into(), Quota { objects: Some(3), bytes: Some(90) })]);
        for (objects, bytes, wanted) in [
            (0, 0, None),
            (1, 0, None),
            (1, -5, None),
            (2, -50, Some(("objects", 3))),
            (0, 1, Some(("bytes", 90))),
            (-2, 1, Some(("bytes", 90))),
            (0, -1, None),
        ] {
            let refused = usage.check(&changes(&[("ada", objects, bytes), ("bob", 9, 999)])).err();
            let refused = refused.map(|error| {
                assert_eq!(error.code, ErrorCode::QuotaExceeded);
                (error.field.unwrap().to_string(), error.limit.unwrap())
            });
            let wanted = wanted.map(|(field, limit)| (String::from(field), limit));
            assert_eq!(refused, wanted, "{objects} {bytes}");
        }
        // What nothing changes of is not written.
        assert_eq!(usage.apply(changes(&[("ada", 0, 0)])).len(), 0);
        usage.set(vec![("ada".into(), Quota::default())]);
        assert!(usage.check(&changes(&[("ada", 1000, 1000)])).is_ok());
    }

    #[test]
    fn a_store_of_a_program_that_did_not_count_is_counted() {
        block_on(async {
            let backend = MemoryBackend::new();
            let open = || Engine::open(backend.clone(), EngineOptions::new("test"), 0);
            drop(open().await.unwrap());
            let fence = backend.claim().await.unwrap();
            let new = backend.contents();
            let gone = |key: &Key| Write { key: key.clone(), value: None };
            let used = keys::used(crate::access::ROOT_OWNER);
            let writes = vec![gone(&counted()), gone(&used)];
            backend.commit(CommitRecord { writes }, fence).await.unwrap();
            assert_ne!(backend.contents(), new);
            drop(open().await.unwrap());
            let again = backend.contents();
            assert!(again == new && again.iter().any(|(key, _)| *key == used));
        });
    }
}
