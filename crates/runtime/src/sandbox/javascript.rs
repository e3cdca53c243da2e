//! The JavaScript guest: booting it, loading classes into it, calling methods in it.

use super::admission::{Admission, returned, with_log};
use super::budget::{Budget, Held, unmade};
use super::engine::{Running, Ticker};
use super::image::Image;
use super::imports::{self, Host};
use super::instance::{Instance, Output, Trapped};
use super::memory::Base;
use super::outcome::{Listing, Subject, join, split};
use super::pool::{Images, Instances, Loaded, Resident, key_of};
use super::{LOAD_DEADLINE, SandboxOptions, cache, guests, internal};
use crate::javascript::{Analysis, ClassText, deep, file_module, placed};
use crate::{Call, Fs, Returned};
use emerge_proto::class::{decode, encode};
use emerge_proto::record::ClassInfo;
use emerge_proto::{ClassSource, ClassVersion, Error, ErrorCode, MethodDecl, ObjectId, Result, limits};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Engine, InstancePre, Linker};

/// The prelude's functions (`guest/js/main.ts`), by their place in its array.
const NAMES: u32 = 0;
const LOAD: u32 = 1;
const CALL: u32 = 2;
const FILE: u32 = 3;
const PARSE: u32 = 4;

/// The name of the file system where methods run.
const FILE_SYSTEM: &str = "fs";

/// Lines that the prelude puts before a class's source.
const LINES_BEFORE_CLASS: usize = 1;

/// An object that a file wants stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileObject {
    /// Where.
    pub path: String,
    /// Its class and those that it inherits from, bases first.
    pub lineage: Vec<ClassSource>,
    /// Its state: an encoded map value.
    pub state: Vec<u8>,
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileObjects {
    /// The objects that it wants stored, in its order.
    pub objects: Vec<FileObject>,
    /// What it printed.
    pub log: String,
}

pub(super) struct JavaScript {
    pre: InstancePre<Host>,
    /// The state after boot: the prelude evaluated, no class loaded.
    base: Base,
    /// The names that are there for a class: those that the guest puts in its scope, and those of its global object.
    known: Arc<HashSet<String>>,
    ticker: Arc<Ticker>,
    budget: Arc<Budget>,
    admission: Admission,
    images: Images,
    instances: Instances<Instance>,
}

impl JavaScript {
    /// Finds, compiles and boots the guest; blocks.
    pub(super) fn open(
        options: &SandboxOptions,
        progress: &(dyn Fn(&str) + Sync),
        threads: &tokio::runtime::Handle,
        engine: &Engine,
        ticker: Arc<Ticker>,
        budget: Arc<Budget>,
    ) -> Result<Self> {
        let guest = guests::javascript(options.guests.as_deref())?;
        let module = cache::load(engine, "JavaScript", &guest.wasm, &options.cache, progress)?;
        let mut linker = Linker::new(engine);
        imports::define(&mut linker)?;
        let pre = linker
            .instantiate_pre(&module)
            .map_err(|error| internal("the guest does not fit this sandbox", &error))?;

        let running = ticker.run();
        let (done, booted) = std::sync::mpsc::channel();
        let (of_boot, of_budget, prelude) = (pre.clone(), Arc::clone(&budget), guest.prelude);
        threads.spawn(async move {
            let _ = done.send(boot(&of_boot, of_budget, &prelude).await);
        });
        let (base, parts) = booted.recv().map_err(|error| internal("the guest did not start", &error))??;
        drop(running);
        let known = parts.iter().flat_map(|part| part.split(u8::is_ascii_whitespace));
        let known = known.map(|name| String::from_utf8_lossy(name).into_owned()).chain(["arguments".into()]);
        Ok(Self {
            pre,
            base,
            known: Arc::new(known.collect()),
            ticker,
            budget,
            admission: Admission::new(options.calls, options.share),
            images: Images::new(options.images),
            instances: Instances::new(options.idle, options.memory / 4),
        })
    }

    /// Checks a class: its text first, and then by evaluating it.
    pub(super) async fn analyse(
        &self,
        class: ClassSource,
        bases: &[Vec<Arc<ClassVersion>>],
    ) -> Result<Vec<MethodDecl>> {
        self.analyse_with(class, bases, Arc::clone(&self.known)).await
    }

    /// Checks a class that has no file system.
    pub(super) async fn analyse_search(&self, class: ClassSource) -> Result<Vec<MethodDecl>> {
        let known = self.known.iter().filter(|name| *name != FILE_SYSTEM).cloned().collect();
        self.analyse_with(class, &[], Arc::new(known)).await
    }

    async fn analyse_with(
        &self,
        class: ClassSource,
        bases: &[Vec<Arc<ClassVersion>>],
        known: Arc<HashSet<String>>,
    ) -> Result<Vec<MethodDecl>> {
        check_source(&class.name, &class.source)?;
        let file = format!("{}@0", class.name);
        let listing = Listing {
            file: file.clone(),
            shown: class.name.clone(),
            source: class.source.clone(),
            offset: LINES_BEFORE_CLASS,
        };
        let subject = Subject {
            what: &format!("class {:?}", class.name),
            failure: ErrorCode::ClassInvalid,
            listings: &[listing],
            met: &[],
            deadline_ms: limits::CALL_DEADLINE_MS,
            memory: limits::CALL_MEMORY,
        };
        self.parse(&subject, &file, &format!("(\n{}\n)", class.source)).await?;
        let of_class = class.clone();
        let methods = deep(move || Analysis::of(&of_class, &known)).await?.methods;
        let mut lineage = vec![Arc::new(ClassVersion {
            hash: class.hash(),
            class_id: ObjectId([0; 16]),
            version: 1,
            owner: String::new(),
            created: 0,
            source: class,
            methods: methods.clone(),
        })];
        // A class that is reached twice stands at its last place, as in every lineage.
        for class in bases.iter().flatten() {
            lineage.retain(|known| known.hash != class.hash);
            lineage.push(Arc::clone(class));
        }
        self.load(&lineage, ErrorCode::ClassInvalid).await?;
        Ok(methods)
    }

    /// Runs a method.
    pub(super) async fn call(&self, call: Call, fs: Arc<dyn Fs>, nested: bool) -> Result<Returned> {
        let admitted = self.admission.admit(&call, nested).await?;
        let loaded = self.loaded(&call.lineage).await?;
        let placed = match &call.kwargs {
            Some(kwargs) => Some(placed(&call.lineage, &call.method, &call.args, kwargs)?),
            None => None,
        };
        let input = match (&placed, call.is_query) {
            (None, false) => join(&[call.method.as_bytes(), call.path.as_bytes(), &call.state, &call.args]),
            (placed, is_query) => {
                let none: &[u8] = &[];
                let (args, holes) = match placed {
                    Some(placed) => (&placed.args[..], &placed.holes[..]),
                    None => (&call.args[..], none),
                };
                let parts: [&[u8]; 6] = [
                    call.method.as_bytes(),
                    call.path.as_bytes(),
                    &call.state,
                    args,
                    holes,
                    &[u8::from(is_query)],
                ];
                join(&parts)
            }
        };
        let mut instance = self.instance(&call.user, &loaded).await?;
        instance.store.data_mut().begin(Some(fs), call.log, call.deadline, call.memory);
        let running = instance.run(CALL, &input, call.now_micros, call.seed);
        let ran = self.run(running, call.deadline).await;
        let met = std::mem::take(&mut instance.store.data_mut().met);
        let subject = Subject {
            what: &admitted.what,
            failure: ErrorCode::MethodFailed,
            listings: &loaded.listings,
            met: &met,
            deadline_ms: admitted.deadline_ms,
            memory: call.memory,
        };
        let output = self.finish(&subject, &mut instance, ran);
        let log = instance.store.data_mut().end();
        let output = match output {
            Ok(output) => output,
            Err(error) => return with_log(Err(error), log),
        };
        let done = subject.parts(output).and_then(|mut parts| match (parts.pop(), parts.pop()) {
            (Some(state), Some(result)) => Ok((result, state)),
            _ => Err(Error::new(ErrorCode::Internal, "the guest's output could not be read")),
        });
        self.instances.put(instance, call.user, loaded);
        with_log(done.and_then(|(result, state)| returned(&call.state, result, state)), log)
    }

    /// Evaluates a module and takes its `objects`.
    pub(super) async fn run_file(
        &self,
        name: &str,
        source: &str,
        now_micros: i64,
        seed: u64,
        deadline: Duration,
    ) -> Result<FileObjects> {
        check_source(name, source)?;
        let listings = [Listing { file: name.into(), shown: name.into(), source: source.into(), offset: 0 }];
        let subject = Subject {
            what: name,
            failure: ErrorCode::MethodFailed,
            listings: &listings,
            met: &[],
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            memory: limits::CALL_MEMORY,
        };
        self.parse(&subject, name, source).await?;
        let (of_name, of_source) = (name.to_owned(), source.to_owned());
        let text = deep(move || file_module(&of_name, &of_source)).await?;
        let mut instance = self.fresh(self.budget.of_nobody(), &self.base.image).await?;
        instance.store.data_mut().begin(None, true, deadline, limits::CALL_MEMORY);
        let input = join(&[name.as_bytes(), text.as_bytes()]);
        let ran = self.run(instance.run(FILE, &input, now_micros, seed), deadline).await;
        let output = self.finish(&subject, &mut instance, ran);
        let log = instance.store.data_mut().end();
        let objects = output.and_then(|output| read_objects(&subject.parts(output)?));
        file_objects(objects, log)
    }

    /// The image of a class and its bases, made now if need be.
    async fn loaded(&self, lineage: &[Arc<ClassVersion>]) -> Result<Arc<Loaded>> {
        let Some(class) = lineage.first() else {
            return Err(Error::new(ErrorCode::ClassNotFound, "the object has no class"));
        };
        let key = key_of(class);
        if let Some(loaded) = self.images.get(&key) {
            return Ok(loaded);
        }
        let loaded = Arc::new(self.load(lineage, ErrorCode::MethodFailed).await?);
        self.images.put(key, Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Evaluates a class and its bases in a new instance. While it does there is no file system, the clock stands at 1970 and randomness is
    /// the same for everybody, so that the image can serve every user.
    async fn load(&self, lineage: &[Arc<ClassVersion>], failure: ErrorCode) -> Result<Loaded> {
        let (parts, listings) = class_parts(lineage, "").await?;
        let what = match lineage.first() {
            Some(class) => format!("class {:?}", class.source.name),
            None => "no class".to_owned(),
        };
        let subject = Subject {
            what: &what,
            failure,
            listings: &listings,
            met: &[],
            deadline_ms: limits::CALL_DEADLINE_MS,
            memory: limits::CALL_MEMORY,
        };
        let mut instance = self.fresh(self.budget.of_nobody(), &self.base.image).await?;
        instance.store.data_mut().begin(None, false, LOAD_DEADLINE, limits::CALL_MEMORY);
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let ran = self.run(instance.run(LOAD, &join(&parts), 0, 0), LOAD_DEADLINE).await;
        let output = self.finish(&subject, &mut instance, ran)?;
        subject.parts(output)?;
        Ok(Loaded { image: instance.image(Some(&self.base.image)), listings })
    }

    /// Lets QuickJS parse a module, and no more. It has little stack, so that what it takes does not nest too deep for [`deep`].
    async fn parse(&self, subject: &Subject<'_>, file: &str, text: &str) -> Result<()> {
        let mut instance = self.fresh(self.budget.of_nobody(), &self.base.image).await?;
        instance.store.data_mut().begin(None, false, LOAD_DEADLINE, limits::CALL_MEMORY);
        let input = join(&[text.as_bytes(), file.as_bytes()]);
        let ran = self.run(instance.run(PARSE, &input, 0, 0), LOAD_DEADLINE).await;
        let output = self.finish(subject, &mut instance, ran)?;
        subject.parts(output).map(|_| ())
    }

    /// Runs a guest until it is done or its time is up.
    async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, Trapped>>,
        deadline: Duration,
    ) -> Option<Result<T, Trapped>> {
        let _running: Running = self.ticker.run();
        tokio::time::timeout(imports::patience(deadline), work).await.ok()
    }

    /// The output of a run, or why there is none.
    fn finish(
        &self,
        subject: &Subject<'_>,
        instance: &mut Instance,
        ran: Option<Result<Output, Trapped>>,
    ) -> Result<Output> {
        match ran {
            None => Err(subject.late()),
            Some(Err(trapped)) => Err(subject.trapped(&trapped, instance.store.data().stopped)),
            Some(Ok(output)) => Ok(output),
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

    async fn fresh(&self, held: Held, image: &Image) -> Result<Instance> {
        let mut instance = Instance::new(&self.pre, Host::new(held), image.len(), Some(&self.base))
            .await
            .map_err(|error| unmade("an instance of the guest could not be made", &error))?;
        if !instance.begin(image, &self.base) {
            return Err(Error::new(ErrorCode::Internal, "a new instance of the guest has another size"));
        }
        Ok(instance)
    }
}

/// The parts of which the guest makes a class and its bases: their record, and of each, nearest first, a file name, its name for its base, and its
/// text. And the listings of these files, whose names end in `mark`.
pub(super) async fn class_parts(
    lineage: &[Arc<ClassVersion>],
    mark: &str,
) -> Result<(Vec<Vec<u8>>, Vec<Listing>)> {
    let mut listings = Vec::with_capacity(lineage.len());
    let mut parts = vec![encode(&ClassInfo {
        lineage: lineage.iter().map(|class| ClassVersion::clone(class)).collect(),
    })];
    for (at, class) in lineage.iter().enumerate() {
        let of_class = Arc::clone(class);
        let text = deep(move || ClassText::of(&of_class.source)).await?;
        let file = format!("{}@{at}{mark}", class.source.name);
        parts.extend([file.clone().into_bytes(), text.heritage.into_bytes(), text.evaluated.into_bytes()]);
        listings.push(Listing {
            file,
            shown: class.source.name.clone(),
            source: class.source.source.clone(),
            offset: LINES_BEFORE_CLASS,
        });
    }
    Ok((parts, listings))
}

/// Refuses a text that is larger than any source may be, or that C would read as a shorter one.
pub(super) fn check_source(name: &str, source: &str) -> Result<()> {
    if source.len() > limits::MAX_SOURCE {
        return Err(Error::new(
            ErrorCode::TooLarge,
            format!("the source of {name} is {} bytes; the limit is {}", source.len(), limits::MAX_SOURCE),
        )
        .limit(limits::MAX_SOURCE as u64));
    }
    if source.contains('\0') {
        return Err(Error::new(ErrorCode::ClassInvalid, format!("the source of {name} has a NUL character")));
    }
    Ok(())
}

/// Evaluates the prelude, and gives the state that it leaves and the names that it knows.
async fn boot(pre: &InstancePre<Host>, budget: Arc<Budget>, prelude: &[u8]) -> Result<(Base, Vec<Vec<u8>>)> {
    let failed = |error: Trapped| internal("the guest did not start", &error);
    let mut instance = Instance::new(pre, Host::new(budget.of_nobody()), 0, None).await.map_err(failed)?;
    instance.store.data_mut().begin(None, false, LOAD_DEADLINE, limits::CALL_MEMORY);
    if let Output::Broken(text) = instance.start(prelude).await.map_err(failed)? {
        return Err(internal("the guest's prelude failed", &text));
    }
    instance.memory().0.check()?;
    let base = Base::new(instance.image(None));
    let subject = Subject {
        what: "the guest",
        failure: ErrorCode::Internal,
        listings: &[],
        met: &[],
        deadline_ms: limits::CALL_DEADLINE_MS,
        memory: limits::CALL_MEMORY,
    };
    let names = subject.parts(instance.run(NAMES, &[], 0, 0).await.map_err(failed)?)?;
    Ok((base, names))
}

/// Reads the objects of a file: for each its path, the records of its class and that class's bases (bases first), and its state.
/// What came of a file, or its error, with what it had printed.
pub(super) fn file_objects(objects: Result<Vec<FileObject>>, log: String) -> Result<FileObjects> {
    match objects {
        Ok(objects) => Ok(FileObjects { objects, log }),
        Err(error) if log.is_empty() => Err(error),
        Err(error) => Err(error.log(log)),
    }
}

fn read_objects(parts: &[Vec<u8>]) -> Result<Vec<FileObject>> {
    let defect = || Error::new(ErrorCode::Internal, "the guest's objects could not be read");
    parts
        .chunks(3)
        .map(|object| {
            let [path, lineage, state] = object else { return Err(defect()) };
            let classes = split(lineage).ok_or_else(defect)?;
            let lineage = classes.iter().map(|class| decode(class)).collect::<Result<_>>()?;
            let path = String::from_utf8(path.clone()).map_err(|_| defect())?;
            Ok(FileObject { path, lineage, state: state.clone() })
        })
        .collect()
}

#[cfg(test)]
mod tests;
