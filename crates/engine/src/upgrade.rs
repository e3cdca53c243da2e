//! Stores that an earlier program wrote.
//!
//! A store carries the number of its format. Each step leads from one format to the next; a store goes through all steps from its own to this program's.
//! A step walks over one kind of records and replaces each by itself, so that any number of them can be done at a time.
//!
//! Invariant: a store that is half way says the new format and how far the walk has come, in the same commit as the records of the walk. So a walk that
//! was cut goes on where it was, no record goes through a step twice, and a program of the old format refuses the store from the first change on.

use crate::backend::{Backend, BackendError, CommitRecord, Key, Write};
use crate::index::IndexRecord;
use crate::keys;
use crate::object::read;
use bytes::Bytes;
use emerge_proto::Result;
use emerge_proto::value::order;
use minicbor::{Decode, Encode};

/// From one format to the next.
pub(crate) struct Step {
    /// The format that it begins with.
    pub(crate) from: u64,
    /// The kinds of records that it changes, by the first byte of their keys.
    pub(crate) kinds: &'static [u8],
    /// What becomes of a record: its writes (none leaves it as it is). They must not be of a key that comes later in the walk.
    pub(crate) change: fn(&Key, &Bytes) -> Result<Vec<Write>>,
}

/// All steps, in order; the last leads to [`keys::FORMAT`].
pub(crate) const STEPS: &[Step] = &[
    Step { from: 3, kinds: b"di", change: own_entries },
    // A program of format 4 does not count what users store, and must not write where it is counted.
    Step { from: 4, kinds: b"", change: |_, _| Ok(Vec::new()) },
];

/// In format 3 all values without an order, decimals too, had one key in an index. These entries go, and each index is built again, while those that it has hold.
fn own_entries(key: &Key, value: &Bytes) -> Result<Vec<Write>> {
    if let Some((entry, _)) = keys::index_entry_parts(key).filter(|_| key.first() == Some(&keys::INDEX)) {
        let is_other = entry == [order::Kind::Other as u8];
        return Ok(if is_other { vec![Write { key: key.clone(), value: None }] } else { Vec::new() });
    }
    let mut index: IndexRecord = read(value, "an index")?;
    index.build_again();
    Ok(vec![Write { key: key.clone(), value: Some(emerge_proto::class::encode(&index).into()) }])
}

/// Records of one commit of a walk.
const BATCH: usize = 1000;

/// How far an upgrade has come.
#[derive(Encode, Decode)]
struct Progress {
    /// The format whose step is being done.
    #[n(0)]
    from: u64,
    /// Which of its kinds.
    #[n(1)]
    kind: u64,
    /// Goes on from this key; at the beginning of the kind when absent.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    next: Option<Vec<u8>>,
}

fn progress_key() -> Key {
    keys::meta("upgrade")
}

/// Whether this program can use a store of a format.
///
/// # Errors
/// `storage_failed` says which of the two is too old.
pub(crate) fn check(format: u64) -> Result<(), BackendError> {
    check_with(format, keys::FORMAT, STEPS)
}

fn check_with(format: u64, target: u64, steps: &[Step]) -> Result<(), BackendError> {
    if format > target {
        return Err(BackendError::Incompatible(format!(
            "its format is {format}, which a newer program has written; this program reads up to format {target}. Use the newer program"
        )));
    }
    let oldest = steps.first().map_or(target, |step| step.from);
    if format < oldest {
        return Err(BackendError::Incompatible(format!(
            "its format is {format}, which a program before 0.1.0 has written; this program reads format {oldest} and later"
        )));
    }
    Ok(())
}

/// Brings a store to this program's format.
///
/// # Errors
/// `storage_failed` when it cannot be; then the store is as it was, or goes on with the upgrade the next time.
pub(crate) async fn run<B: Backend>(backend: &B, fence: u64, format: u64) -> Result<()> {
    run_with(backend, fence, format, keys::FORMAT, STEPS).await
}

async fn run_with<B: Backend>(
    backend: &B,
    fence: u64,
    format: u64,
    target: u64,
    steps: &[Step],
) -> Result<()> {
    check_with(format, target, steps)?;
    let unfinished = backend.get_many(&[progress_key()]).await?.into_iter().next().flatten();
    let mut progress = match unfinished {
        Some(bytes) => read::<Progress>(&bytes, "the upgrade")?,
        None if format == target => return Ok(()),
        None => Progress { from: format, kind: 0, next: None },
    };
    let first = progress.from;
    for step in steps.iter().filter(|step| step.from >= first) {
        if step.from > progress.from {
            progress = Progress { from: step.from, kind: 0, next: None };
        }
        walk(backend, fence, step, &mut progress).await?;
    }
    Ok(())
}

async fn walk<B: Backend>(backend: &B, fence: u64, step: &Step, progress: &mut Progress) -> Result<()> {
    let put = |key: Key, value: Vec<u8>| Write { key, value: Some(value.into()) };
    loop {
        let mut writes = Vec::new();
        if let Some(kind) = usize::try_from(progress.kind).ok().and_then(|kind| step.kinds.get(kind)) {
            let all = keys::all(*kind);
            let start = progress.next.take().map_or(all.start, Key::from);
            let found = backend.scan(start..all.end, BATCH).await?;
            for (key, value) in &found {
                writes.extend((step.change)(key, value)?);
            }
            match found.last().filter(|_| found.len() == BATCH) {
                // A zero byte makes the key the next possible one.
                Some((last, _)) => progress.next = Some([&**last, &[0]].concat()),
                None => progress.kind += 1,
            }
        }
        let done = progress.kind >= step.kinds.len() as u64;
        writes.push(put(keys::meta("format"), (step.from + 1).to_be_bytes().to_vec()));
        writes.push(match done {
            true => Write { key: progress_key(), value: None },
            false => put(progress_key(), emerge_proto::class::encode(progress)),
        });
        writes.sort_by(|a, b| a.key.cmp(&b.key));
        backend.commit(CommitRecord { writes }, fence).await?;
        if done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, EngineOptions};
    use crate::memory::MemoryBackend;
    use emerge_proto::ErrorCode;
    use futures_executor::block_on;

    /// Puts a letter before each value of two kinds.
    fn marked(letter: u8, key: &Key, value: &Bytes) -> Vec<Write> {
        vec![Write { key: key.clone(), value: Some([&[letter], &**value].concat().into()) }]
    }

    const TWO: &[Step] = &[
        Step { from: 7, kinds: b"bx", change: |key, value| Ok(marked(b'1', key, value)) },
        Step { from: 8, kinds: b"b", change: |key, value| Ok(marked(b'2', key, value)) },
    ];

    async fn store(format: u64, records: usize) -> (MemoryBackend, u64) {
        let backend = MemoryBackend::new();
        let fence = backend.claim().await.unwrap();
        let mut writes =
            vec![Write { key: keys::meta("format"), value: Some(format.to_be_bytes().to_vec().into()) }];
        for kind in [b'b', b'k', b'x'] {
            for at in 0..records as u64 {
                let key = Key::from([&[kind][..], &at.to_be_bytes()].concat());
                writes.push(Write { key, value: Some(Bytes::from_static(b".")) });
            }
        }
        writes.sort_by(|a, b| a.key.cmp(&b.key));
        backend.commit(CommitRecord { writes }, fence).await.unwrap();
        (backend, fence)
    }

    fn values(backend: &MemoryBackend, kind: u8) -> Vec<Bytes> {
        let of_kind = backend.contents().into_iter().filter(|(key, _)| key[0] == kind);
        let mut values: Vec<Bytes> = of_kind.map(|(_, value)| value).collect();
        values.dedup();
        values
    }

    fn assert_upgraded(backend: &MemoryBackend) {
        for (kind, wanted) in [(b'b', &b"21."[..]), (b'k', b"."), (b'x', b"1.")] {
            assert_eq!(values(backend, kind), [wanted], "{}", char::from(kind));
        }
        let facts: Vec<(Key, Bytes)> =
            backend.contents().into_iter().filter(|(key, _)| key[0] == b'm').collect();
        assert_eq!(facts, [(keys::meta("format"), Bytes::copy_from_slice(&9u64.to_be_bytes()))]);
    }

    #[test]
    fn each_record_goes_through_each_step_once() {
        block_on(async {
            // Less than a batch, a whole one, and more.
            for records in [1, BATCH, 2 * BATCH + 1] {
                let (backend, fence) = store(7, records).await;
                run_with(&backend, fence, 7, 9, TWO).await.unwrap();
                assert_upgraded(&backend);
                run_with(&backend, fence, 9, 9, TWO).await.unwrap();
                assert_upgraded(&backend);
            }
        });
    }

    #[test]
    fn an_upgrade_that_was_cut_goes_on_and_an_older_program_refuses_it_meanwhile() {
        block_on(async {
            let commits = 9;
            for cut in 1..commits {
                let (backend, fence) = store(7, 2 * BATCH + 1).await;
                let cutting = Cut { inner: backend.clone(), left: std::sync::Mutex::new(cut) };
                let stopped = run_with(&cutting, fence, 7, 9, TWO).await;
                let format = backend.get_many(&[keys::meta("format")]).await.unwrap().remove(0).unwrap();
                let format = crate::engine::number_of(&format).unwrap();
                assert_eq!(stopped.unwrap_err().code, ErrorCode::StorageFailed, "{cut} commits of {commits}");
                assert!(check_with(format, 7, &[]).is_err(), "format {format}");
                run_with(&backend, fence, format, 9, TWO).await.unwrap();
                assert_upgraded(&backend);
            }
        });
    }

    #[test]
    fn newer_and_all_too_old_stores_are_refused_clearly_and_left_as_they_are() {
        block_on(async {
            for (format, word) in [(keys::FORMAT + 1, "newer program"), (0, "before 0.1.0")] {
                let (backend, _) = store(format, 1).await;
                let before = backend.contents();
                let refused = Engine::open(backend.clone(), EngineOptions::new("test"), 0).await;
                let error = refused.map(|_| ()).unwrap_err();
                assert!(error.code == ErrorCode::StorageFailed && error.message.contains(word), "{error}");
                assert_eq!(backend.contents(), before);
            }
        });
    }

    #[test]
    fn the_steps_lead_to_this_format() {
        let mut at = STEPS.first().map_or(keys::FORMAT, |step| step.from);
        for step in STEPS {
            assert_eq!(step.from, at);
            at += 1;
        }
        assert_eq!(at, keys::FORMAT);
    }

    /// Takes so many commits and no more.
    struct Cut {
        inner: MemoryBackend,
        left: std::sync::Mutex<usize>,
    }

    impl Backend for Cut {
        async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
            self.inner.get_many(keys).await
        }

        async fn scan(
            &self,
            range: std::ops::Range<Key>,
            limit: usize,
        ) -> Result<Vec<(Key, Bytes)>, BackendError> {
            self.inner.scan(range, limit).await
        }

        async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
            let taken = {
                let mut left = self.left.lock().unwrap();
                let taken = *left > 0;
                *left = left.saturating_sub(1);
                taken
            };
            match taken {
                true => self.inner.commit(record, fence).await,
                false => Err(BackendError::Failed("cut".into())),
            }
        }

        async fn claim(&self) -> Result<u64, BackendError> {
            self.inner.claim().await
        }

        fn limits(&self) -> crate::backend::Limits {
            self.inner.limits()
        }
    }
}
