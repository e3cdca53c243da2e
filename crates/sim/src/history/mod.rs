//! Concurrent histories of one engine. The whole store is one object, and each history must be linearizable (Herlihy and Wing 1990): there must be an
//! order of its operations, each between its beginning and its end, in which a store that does one thing at a time gives the same answers.

mod spec;

use crate::backend::SimBackend;
use crate::faults::Defects;
use bytes::Bytes;
use emerge_engine::backend::{Backend, BackendError, CommitRecord, Key, Limits};
use emerge_engine::{CommitError, Engine, EngineOptions, Principal, Scope, Tx};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::value::order;
use emerge_proto::{ClassHash, ClassSource, Error, ErrorCode, Language, Result, Value};
use fastrand::Rng;
use spec::{Came, Doing, Files, Place};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};
use std::future::poll_fn;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

const CLIENTS: usize = 3;
/// Operations of each client: more make the search for an order too long.
const OPERATIONS: usize = 5;
/// Attempts after which an operation counts as stuck.
const ATTEMPTS: usize = 1000;
/// Steps after which a run counts as stuck.
const STEPS: usize = 1_000_000;
const NOW: i64 = 1_800_000_000_000_000;

type History = Mutex<LinearizabilityTester<usize, Files>>;

/// Runs one history.
///
/// # Errors
/// What the history was, when no order explains it.
pub(crate) fn run(
    seed: u64,
    #[cfg_attr(not(feature = "mutations"), allow(unused_variables, reason = "only mutations have defects"))]
    defects: Defects,
) -> std::result::Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let disk = SimBackend::new();
    // Nothing stays in memory, so that a transaction may be interrupted at each of its reads.
    #[cfg_attr(not(feature = "mutations"), allow(unused_mut, reason = "only mutations change it"))]
    let mut options = EngineOptions { cache_bytes: 0, seed, ..EngineOptions::new("history") };
    #[cfg(feature = "mutations")]
    {
        options.mutations.forget_listed_ranges = defects.forget_listed_ranges;
        options.mutations.stale_index = defects.stale_index;
    }
    let mut opening = pin!(Engine::open(Slow(disk.clone()), options, NOW));
    let engine = finish(&disk, opening.as_mut())?.map_err(|error| error.to_string())?;
    let world = World {
        engine,
        history: Mutex::new(LinearizabilityTester::new(Files::default())),
        drawn: AtomicU64::new(seed << 20),
    };
    let mut committer = pin!(world.engine.run());
    let class = {
        let mut putting = pin!(world.put_class());
        let mut both = pin!(poll_fn(|cx| {
            let _ = committer.as_mut().poll(cx);
            putting.as_mut().poll(cx)
        }));
        finish(&disk, both.as_mut())?.map_err(|error| error.to_string())?
    };
    let mut clients: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
    for client in 0..CLIENTS {
        let plan: Vec<Doing> = (0..OPERATIONS).map(|_| Doing::draw(&mut rng)).collect();
        let world = &world;
        clients.push(Box::pin(async move {
            for doing in plan {
                world.invoked(client, &doing);
                let came = world.perform(class, &doing).await;
                world.returned(client, came);
                step().await;
            }
        }));
    }
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..STEPS {
        if clients.is_empty() {
            let history = world.lock();
            return match history.serialized_history() {
                Some(_) => Ok(()),
                None => Err(format!("no order of its operations explains the history {history:?}")),
            };
        }
        match rng.usize(..clients.len() + 2) {
            0 => {
                if committer.as_mut().poll(&mut context).is_ready() {
                    return Err("the committer ended".into());
                }
            }
            1 => disk.finish_commit(),
            client => {
                let client = client - 2;
                if clients[client].as_mut().poll(&mut context).is_ready() {
                    drop(clients.swap_remove(client));
                }
            }
        }
    }
    Err(format!("{} clients did not end", clients.len()))
}

/// Polls a future to its end, while the disk does what it is asked.
fn finish<T>(
    disk: &SimBackend,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> std::result::Result<T, String> {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..STEPS {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Ok(done);
        }
        disk.finish_commit();
    }
    Err("the store did not open".into())
}

/// Lets others run.
async fn step() {
    let mut stepped = false;
    poll_fn(|_| if std::mem::replace(&mut stepped, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

struct World {
    engine: Engine<Slow>,
    history: History,
    drawn: AtomicU64,
}

impl World {
    fn lock(&self) -> std::sync::MutexGuard<'_, LinearizabilityTester<usize, Files>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The tester refuses only a client that does two things at once.
    fn invoked(&self, client: usize, doing: &Doing) {
        let _ = self.lock().on_invoke(client, doing.clone());
    }

    fn returned(&self, client: usize, came: Came) {
        let _ = self.lock().on_return(client, came);
    }

    fn begin(&self) -> Tx<Slow> {
        self.engine.begin(Principal::admin(), NOW, self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    async fn put_class(&self) -> Result<ClassHash> {
        let source = ClassSource::new("Number", Language::JavaScript, "class Number {}");
        let mut tx = self.begin();
        let class = tx.put_class(source, Vec::new()).await?;
        tx.create_index("*", "n", false).await?;
        let commit = tx.commit(None).await?;
        self.engine.durable(commit.number).await?;
        while self.engine.build_indexes(NOW, 10).await? {}
        Ok(class.hash)
    }

    /// Does it in a transaction, again after each conflict, and gives what it came to once that is durable.
    async fn perform(&self, class: ClassHash, doing: &Doing) -> Came {
        for _ in 0..ATTEMPTS {
            let mut tx = self.begin();
            let came = match attempt(&mut tx, class, doing).await {
                Ok(came) => came,
                Err(_) if !tx.is_current() => continue,
                Err(error) => return Came::Failed(error.to_string()),
            };
            step().await;
            match tx.commit(None).await {
                Ok(commit) => match self.engine.durable(commit.number).await {
                    Ok(()) => return came,
                    Err(error) => return Came::Failed(error.to_string()),
                },
                Err(CommitError::Conflict) => {}
                Err(CommitError::Error(error)) => return Came::Failed(error.to_string()),
            }
        }
        Came::Failed(format!("{ATTEMPTS} conflicts"))
    }
}

fn target((directory, name): Place) -> Target {
    Target::Path(format!("/{directory}/{name}"))
}

fn top(directory: &str) -> Target {
    Target::Path(format!("/{directory}"))
}

fn encoded(number: u64) -> Vec<u8> {
    Value::Map(vec![("n".into(), Value::Int(number as i64))]).encode()
}

/// Nothing, where nothing is stored.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn number(tx: &mut Tx<Slow>, at: &Target) -> Result<Option<u64>> {
    let Some(fetched) = found(tx.get(at, None).await)? else { return Ok(None) };
    match Value::decode(&fetched.state)? {
        Value::Map(fields) => match fields.as_slice() {
            [(_, Value::Int(number))] => Ok(Some(*number as u64)),
            _ => Err(Error::new(ErrorCode::Internal, "the state has other fields")),
        },
        _ => Err(Error::new(ErrorCode::Internal, "the state is no map")),
    }
}

async fn names(tx: &mut Tx<Slow>, directory: &Target) -> Result<Vec<String>> {
    let page = found(tx.list(directory, None, None).await)?;
    Ok(page.into_iter().flat_map(|page| page.members).map(|member| member.name).collect())
}

/// The paths of the objects that have a number, by the index.
async fn numbered(tx: &mut Tx<Slow>, number: u64) -> Result<Vec<String>> {
    let index = tx.index_for(None, None, "n", true).await?;
    let index = index.ok_or_else(|| Error::new(ErrorCode::Internal, "the index is not ready"))?;
    let key = order::key(Some(&Value::Int(number as i64)));
    let scope = Scope { index: Some((index, vec![(key.clone(), key)])), noted: true, ..Scope::default() };
    let mut walk = tx.walk_objects(&Target::Path("/".into()), scope).await?;
    let mut paths = Vec::new();
    while let Some(candidates) = tx.next_objects(&mut walk, 2).await? {
        for candidate in candidates {
            if tx.candidate_state(&candidate).await? == encoded(number) {
                paths.push(candidate.path());
            }
        }
    }
    paths.sort();
    Ok(paths)
}

async fn put(tx: &mut Tx<Slow>, class: ClassHash, place: Place, number: u64) -> Result<()> {
    tx.store(&target(place), class, &encoded(number), StoreMode::Put, None, &[]).await.map(drop)
}

/// Whether it was moved: there must be something to move, and a free place for it.
fn moved(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::AlreadyExists) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn attempt(tx: &mut Tx<Slow>, class: ClassHash, doing: &Doing) -> Result<Came> {
    Ok(Came::Done(match *doing {
        Doing::Put(place, number) => {
            put(tx, class, place, number).await?;
            true
        }
        Doing::Get(place) => return number(tx, &target(place)).await.map(Came::Number),
        Doing::List(directory) => return names(tx, &top(directory)).await.map(Came::Names),
        Doing::Find(number) => return numbered(tx, number).await.map(Came::Names),
        Doing::All => {
            let mut objects = Vec::new();
            for directory in names(tx, &Target::Path("/".into())).await? {
                step().await;
                for name in names(tx, &top(&directory)).await? {
                    let at = Target::Path(format!("/{directory}/{name}"));
                    if let Some(number) = number(tx, &at).await? {
                        objects.push((directory.clone(), name, number));
                    }
                }
            }
            return Ok(Came::Objects(objects));
        }
        Doing::PutIfFewer(place, number, most) => {
            let has_room = names(tx, &top(place.0)).await?.len() < most;
            step().await;
            if has_room {
                put(tx, class, place, number).await?;
            }
            has_room
        }
        Doing::Swap(one, other) => {
            let first = number(tx, &target(one)).await?;
            step().await;
            match (first, number(tx, &target(other)).await?) {
                (Some(first), Some(second)) => {
                    put(tx, class, one, second).await?;
                    put(tx, class, other, first).await?;
                    true
                }
                _ => false,
            }
        }
        Doing::Move(from, to) => {
            let Target::Path(to) = target(to) else { return Ok(Came::Done(false)) };
            moved(tx.mv(&target(from), &to).await)?
        }
        Doing::MoveDirectory(from, to) => {
            // Onto a directory means into it, which is not meant here.
            if found(tx.stat(&top(to)).await)?.is_some() {
                return Ok(Came::Done(false));
            }
            step().await;
            moved(tx.mv(&top(from), &format!("/{to}")).await)?
        }
        Doing::Remove(place) => found(tx.rm(&target(place), false).await)?.is_some(),
    }))
}

/// A disk whose every read lets others run first.
#[derive(Clone)]
struct Slow(SimBackend);

impl Backend for Slow {
    async fn get_many(&self, keys: &[Key]) -> std::result::Result<Vec<Option<Bytes>>, BackendError> {
        step().await;
        self.0.get_many(keys).await
    }

    async fn scan(
        &self,
        range: Range<Key>,
        limit: usize,
    ) -> std::result::Result<Vec<(Key, Bytes)>, BackendError> {
        step().await;
        self.0.scan(range, limit).await
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> std::result::Result<(), BackendError> {
        self.0.commit(record, fence).await
    }

    async fn claim(&self) -> std::result::Result<u64, BackendError> {
        self.0.claim().await
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }
}
