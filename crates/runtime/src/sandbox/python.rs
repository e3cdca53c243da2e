//! The Python guest: CPython as a component, compiled when it is first needed. Booting it, loading classes into it, calling methods in it.

use super::admission::{Admission, returned, with_log};
use super::budget::{Budget, Held, unmade};
use super::engine::Ticker;
use super::image::Image;
use super::imports::{self, Host};
use super::instance::{Output, Trapped};
use super::javascript::{FileObject, FileObjects, check_source, file_objects};
use super::memory::{Base, Making, Memory};
use super::outcome::{Subject, join, split};
use super::packages::{self, Module};
use super::pool::{Images, Instances, Loaded, Resident, key_of};
use super::wasi::{self, World};
use super::{LOAD_DEADLINE, SandboxOptions, cache, guests, internal};
use crate::{Call, Fs, Returned};
use emerge_proto::class::encode;
use emerge_proto::record::ClassInfo;
use emerge_proto::{
    ClassSource, ClassVersion, Error, ErrorCode, MethodDecl, ObjectId, ParamDecl, Result, limits,
};
use serde::Deserialize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use wasmtime::component::{InstancePre, Linker, TypedFunc};
use wasmtime::{Engine, ResourceLimiter, Store};

/// The guest's pieces of work (`guest-python/app/guest_work.py`).
const BOOT: u32 = 0;
const ANALYSE: u32 = 1;
const LOAD: u32 = 2;
const CALL: u32 = 3;
const FILE: u32 = 4;

/// How long a request waits for a guest that is being compiled, and a class for others that are being evaluated.
const READY_WAIT: Duration = Duration::from_secs(15);

type Run = TypedFunc<(u32, Vec<u8>, u64), (Vec<u8>,)>;

pub(super) struct Python {
    options: SandboxOptions,
    /// What the operator added.
    packages: Vec<Module>,
    engine: Engine,
    pre: OnceLock<Result<InstancePre<World>>>,
    /// The state after boot: no class loaded, nothing of anybody's has run.
    base: OnceCell<Base>,
    ticker: Arc<Ticker>,
    budget: Arc<Budget>,
    admission: Admission,
    /// Classes that are evaluated at once; more wait, so that the deadline of each measures it and not how many there are.
    evaluations: Semaphore,
    images: Images,
    instances: Instances<Instance>,
}

struct Instance {
    store: Store<World>,
    run: Run,
    memory: Memory,
}

impl Resident for Instance {
    fn memory(&mut self) -> (&mut Memory, &mut Held) {
        (&mut self.memory, &mut self.store.data_mut().host.held)
    }
}

impl Python {
    pub(super) fn new(
        options: &SandboxOptions,
        engine: Engine,
        ticker: Arc<Ticker>,
        budget: Arc<Budget>,
    ) -> Result<Self> {
        Ok(Self {
            options: options.clone(),
            packages: options.python_packages.as_deref().map_or_else(|| Ok(Vec::new()), packages::read)?,
            ticker,
            engine,
            pre: OnceLock::new(),
            base: OnceCell::new(),
            budget,
            admission: Admission::new(options.calls, options.share),
            evaluations: Semaphore::new((options.calls / 4).max(1)),
            images: Images::new(options.images),
            instances: Instances::new(options.idle, options.memory / 4),
        })
    }

    /// Finds and compiles the guest, once; blocks for seconds when it was never compiled before.
    pub(super) fn ready(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<&InstancePre<World>> {
        self.pre.get_or_init(|| self.compile(progress)).as_ref().map_err(Clone::clone)
    }

    /// Waits for the guest, for a while: compiling it takes longer than a caller should hear nothing.
    ///
    /// # Errors
    /// `unavailable` when it is still being compiled then; as [`Python::ready`].
    pub(super) async fn awaited(self: &Arc<Self>) -> Result<()> {
        if let Some(ready) = self.pre.get() {
            return ready.as_ref().map(|_| ()).map_err(Clone::clone);
        }
        let python = Arc::clone(self);
        let ready = tokio::task::spawn_blocking(move || python.ready(&|_| {}).map(|_| ()));
        match tokio::time::timeout(READY_WAIT, ready).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) => Err(internal("the Python guest could not be compiled", &error)),
            Err(_) => Err(Error::new(
                ErrorCode::Unavailable,
                "the Python sandbox is still being compiled, once for each version; try again in some seconds",
            )),
        }
    }

    fn compile(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<InstancePre<World>> {
        let wasm = guests::python(self.options.guests.as_deref())?;
        let component = cache::load_component(&self.engine, "Python", &wasm, &self.options.cache, progress)?;
        let mut linker = Linker::new(&self.engine);
        imports::define_python(&mut linker)?;
        wasi::define(&mut linker, &component)?;
        linker
            .instantiate_pre(&component)
            .map_err(|error| internal("the Python guest does not fit this sandbox", &error))
    }

    /// Checks a class: its text, the names that it uses, and by evaluating it with all that it needs.
    pub(super) async fn analyse(
        &self,
        class: ClassSource,
        needed: &[Arc<ClassVersion>],
    ) -> Result<Vec<MethodDecl>> {
        check_source(&class.name, &class.source)?;
        let what = format!("class {:?}", class.name);
        let subject = subject(&what, ErrorCode::ClassInvalid, LOAD_DEADLINE, limits::CALL_MEMORY);
        let own = ClassVersion {
            hash: class.hash(),
            class_id: ObjectId([0; 16]),
            version: 1,
            owner: String::new(),
            created: 0,
            source: class,
            methods: Vec::new(),
        };
        let classes = classes(std::iter::once(&own).chain(needed.iter().map(|class| &**class)))?;
        let _turn = self.turn(&what).await?;
        let mut instance = self.booted().await?;
        let parts = self.work(&mut instance, &subject, ANALYSE, &[&classes], 0).await??;
        let members: Vec<Member> = parts
            .first()
            .and_then(|text| serde_json::from_slice(text).ok())
            .ok_or_else(|| Error::new(ErrorCode::Internal, "the guest's analysis could not be read"))?;
        if members.len() > limits::MAX_MEMBERS {
            return Err(Error::new(
                ErrorCode::ClassInvalid,
                format!("the class has {} methods; the limit is {}", members.len(), limits::MAX_MEMBERS),
            )
            .limit(limits::MAX_MEMBERS as u64));
        }
        Ok(members.into_iter().map(Member::declared).collect())
    }

    /// Runs a method. The memory that it ran in is put back by [`Python::tidy`], for which no caller need wait.
    pub(super) async fn call(&self, call: Call, fs: Arc<dyn Fs>, nested: bool) -> Result<Returned> {
        let admitted = self.admission.admit(&call, nested).await?;
        let subject = subject(&admitted.what, ErrorCode::MethodFailed, call.deadline, call.memory);
        let (_, input) = pickled(&call)?;
        let loaded = self.loaded(&call).await?;
        let mut instance = self.instance(&call.user, &loaded).await?;
        let world = instance.store.data_mut();
        world.begin(call.now_micros, call.seed);
        world.host.begin(Some(fs), call.log, call.deadline, call.memory);
        let ran = self.run(&mut instance, &subject, CALL, input, call.seed).await;
        let log = instance.store.data_mut().host.end();
        let done = match ran {
            Ok(done) => done,
            Err(error) => return with_log(Err(error), log),
        };
        self.instances.put(instance, call.user, loaded);
        let returned = done.and_then(|done| {
            let [pair] = done.as_slice() else {
                return Err(Error::new(ErrorCode::Internal, "the guest's output could not be read"));
            };
            let (result, state) = emerge_pickle::returned_from_pickle(pair)?;
            returned(&call.state, result, state)
        });
        with_log(returned, log)
    }

    /// Runs a file and takes its `objects`.
    pub(super) async fn run_file(
        &self,
        name: &str,
        source: &str,
        now_micros: i64,
        seed: u64,
        deadline: Duration,
    ) -> Result<FileObjects> {
        check_source(name, source)?;
        let subject = subject(name, ErrorCode::MethodFailed, deadline, limits::CALL_MEMORY);
        let mut instance = self.booted().await?;
        let world = instance.store.data_mut();
        world.begin(now_micros, seed);
        world.host.begin(None, true, deadline, limits::CALL_MEMORY);
        let input = [name.as_bytes(), source.as_bytes()];
        let parts = self.work(&mut instance, &subject, FILE, &input, seed).await;
        let log = instance.store.data_mut().host.end();
        let objects = parts.flatten().and_then(|parts| parts.chunks(3).map(file_object).collect());
        file_objects(objects, log)
    }

    /// The image of a call's classes, made now if need be. While they are evaluated there is no file system, the clock stands at 1970 and randomness is
    /// the same for everybody, so that the image can serve every user.
    async fn loaded(&self, call: &Call) -> Result<Arc<Loaded>> {
        let Some(class) = call.lineage.first() else {
            return Err(Error::new(ErrorCode::ClassNotFound, "the object has no class"));
        };
        let key = key_of(class);
        if let Some(loaded) = self.images.get(&key) {
            return Ok(loaded);
        }
        let what = format!("class {:?}", class.source.name);
        let subject = subject(&what, ErrorCode::MethodFailed, LOAD_DEADLINE, limits::CALL_MEMORY);
        let classes = classes(call.lineage.iter().chain(&call.captured).map(|class| &**class))?;
        let _turn = self.turn(&what).await?;
        // Another call of the class may have had its turn before.
        if let Some(loaded) = self.images.get(&key) {
            return Ok(loaded);
        }
        let mut instance = self.booted().await?;
        self.work(&mut instance, &subject, LOAD, &[&classes], 0).await??;
        let image = instance.memory.image(Some(&self.base().await?.image));
        let loaded = Arc::new(Loaded { image, listings: Vec::new() });
        self.images.put(key, Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Waits until a class may be evaluated.
    ///
    /// # Errors
    /// `unavailable` after a while.
    async fn turn(&self, what: &str) -> Result<SemaphorePermit<'_>> {
        match tokio::time::timeout(READY_WAIT, self.evaluations.acquire()).await {
            Ok(turn) => turn.map_err(|error| internal("the sandbox is stopping", &error)),
            Err(_) => {
                let why =
                    format!("{what} waited {} s for other classes to be evaluated", READY_WAIT.as_secs());
                Err(Error::new(ErrorCode::Unavailable, why))
            }
        }
    }

    /// An instance in the state of a class's image, that has served nobody but `user` and nothing but that class.
    async fn instance(&self, user: &str, loaded: &Arc<Loaded>) -> Result<Instance> {
        let make = || self.fresh(self.budget.of(user), &loaded.image);
        self.instances.take_or_make(user, loaded, make).await
    }

    /// Puts the memory of an instance back that waits for its next call.
    pub(super) fn tidy(&self) {
        self.instances.tidy();
    }

    /// A new instance in which nothing of anybody's has run.
    async fn booted(&self) -> Result<Instance> {
        self.fresh(self.budget.of_nobody(), &self.base().await?.image).await
    }

    async fn fresh(&self, held: Held, image: &Image) -> Result<Instance> {
        let base = self.base().await?;
        let mut instance = self.unbooted(held, image.len(), Some(base)).await?;
        if !instance.memory.begin(image, base) {
            return Err(Error::new(
                ErrorCode::Internal,
                "a new instance of the Python guest has another size",
            ));
        }
        Ok(instance)
    }

    async fn base(&self) -> Result<&Base> {
        self.base
            .get_or_try_init(|| async {
                let mut instance = self.unbooted(self.budget.of_nobody(), 0, None).await?;
                let subject =
                    subject("the Python guest", ErrorCode::Internal, LOAD_DEADLINE, limits::CALL_MEMORY);
                let parts: Vec<&[u8]> = self.packages.iter().flat_map(Module::parts).collect();
                self.work(&mut instance, &subject, BOOT, &parts, 0).await??;
                instance.memory.check()?;
                Ok(Base::new(instance.memory.image(None)))
            })
            .await
    }

    /// An instance as the component begins, with `size` bytes of memory at least; what `base` has is in them already.
    async fn unbooted(&self, held: Held, size: usize, base: Option<&Base>) -> Result<Instance> {
        let pre = self.ready(&|_| {})?;
        let failed = |error: Trapped| unmade("an instance of the Python guest could not be made", &error);
        let mut store = Store::new(&self.engine, World::new(Host::new(held)));
        store.limiter(|world| &mut world.host);
        store.epoch_deadline_callback(|mut context| context.data_mut().host.tick());
        store.set_epoch_deadline(1);
        let host = &mut store.data_mut().host;
        host.begin(None, false, LOAD_DEADLINE, limits::CALL_MEMORY);
        host.memory_growing(0, size, None).map_err(failed)?;
        let (instance, memory) = Making::new(pre.instantiate_async(&mut store), size, base).await;
        let (instance, memory) = instance
            .and_then(|instance| {
                Ok((instance, memory.ok_or_else(|| Trapped::msg("it has no memory of its own"))?))
            })
            .map_err(failed)?;
        let run = instance.get_typed_func(&mut store, "run").map_err(failed)?;
        Ok(Instance { store, run, memory })
    }

    /// Does a piece of work in an instance. Gives its parts or failure; an error outside is of an instance that was stopped.
    async fn work(
        &self,
        instance: &mut Instance,
        subject: &Subject<'_>,
        what: u32,
        parts: &[&[u8]],
        seed: u64,
    ) -> Result<Result<Vec<Vec<u8>>>> {
        self.run(instance, subject, what, join(parts), seed).await
    }

    /// As [`Python::work`], for what takes no parts.
    async fn run(
        &self,
        instance: &mut Instance,
        subject: &Subject<'_>,
        what: u32,
        input: Vec<u8>,
        seed: u64,
    ) -> Result<Result<Vec<Vec<u8>>>> {
        instance.store.set_epoch_deadline(1);
        let running = self.ticker.run();
        let called = instance.run.call_async(&mut instance.store, (what, input, seed));
        let ran =
            tokio::time::timeout(imports::patience(Duration::from_millis(subject.deadline_ms)), called).await;
        drop(running);
        match ran {
            Err(_) => Err(subject.late()),
            Ok(Err(trapped)) => Err(subject.trapped(&trapped, instance.store.data().host.stopped)),
            Ok(Ok((bytes,))) => Ok(subject.parts(Output::Bytes(bytes))),
        }
    }
}

/// The class of a call's object, and the call as Python reads it.
pub(crate) fn pickled(call: &Call) -> Result<(&Arc<ClassVersion>, Vec<u8>)> {
    let Some(class) = call.lineage.first() else {
        return Err(Error::new(ErrorCode::ClassNotFound, "the object has no class"));
    };
    let input = emerge_pickle::call_to_pickle(
        &class.hash.0,
        &call.method,
        &call.path,
        &call.state,
        &call.args,
        call.kwargs.as_deref(),
        call.is_query,
    )?;
    Ok((class, input))
}

/// Path, classes and state of an object as the guest tells them.
fn file_object(parts: &[Vec<u8>]) -> Result<FileObject> {
    let defect = || Error::new(ErrorCode::Internal, "the guest's objects could not be read");
    let [path, classes, state] = parts else { return Err(defect()) };
    let classes = split(classes).ok_or_else(defect)?;
    let lineage = classes.iter().map(|class| emerge_pickle::class_from_pickle(class));
    let path = String::from_utf8(path.clone()).map_err(|_| defect())?;
    let named = |mut error: Error| {
        error.message = format!("objects[{path:?}]: {}", error.message);
        error.at(&path)
    };
    let lineage = lineage.collect::<Result<_>>().map_err(named)?;
    let state = emerge_pickle::value_from_pickle(state).map_err(named)?;
    Ok(FileObject { path, lineage, state })
}

/// A method as the guest tells it.
#[derive(Deserialize)]
struct Member {
    name: String,
    params: Vec<(String, Option<String>, Option<String>)>,
    returns: Option<String>,
    doc: Option<String>,
    is_async: bool,
    is_static: bool,
    is_property: bool,
}

impl Member {
    fn declared(self) -> MethodDecl {
        MethodDecl {
            name: self.name,
            params: self
                .params
                .into_iter()
                .map(|(name, default, kind)| ParamDecl { name, default, kind })
                .collect(),
            returns: self.returns,
            doc: self.doc,
            is_async: self.is_async,
            is_static: self.is_static,
            is_property: self.is_property,
        }
    }
}

pub(crate) fn subject(what: &str, failure: ErrorCode, deadline: Duration, memory: usize) -> Subject<'_> {
    let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    Subject { what, failure, listings: &[], met: &[], deadline_ms, memory }
}

/// Class versions as the guest reads them, the wanted one first.
pub(crate) fn classes<'a>(versions: impl Iterator<Item = &'a ClassVersion>) -> Result<Vec<u8>> {
    let info = ClassInfo { lineage: versions.cloned().collect() };
    emerge_pickle::reply_to_pickle("class", &encode(&info))
}

#[cfg(test)]
mod tests;
