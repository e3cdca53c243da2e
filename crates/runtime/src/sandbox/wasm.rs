//! Classes in WebAssembly: compiled once, and a new instance for each call.
//!
//! An instance lives in a slot of a pool that wasmtime keeps: its memory is the module's own, copied on the first write, and what was written is put back
//! when the call is over. So nothing of one call is there in the next, whoever makes it.

use super::admission::{Admission, returned, with_log};
use super::budget::{Budget, Held};
use super::engine::Ticker;
use super::imports::{self, Host};
use super::instance::Trapped;
use super::modules::{Compiled, Modules};
use super::outcome::{Subject, cut};
use super::{LOAD_DEADLINE, SandboxOptions, engine, internal};
use crate::{Call, Fs, Returned};
use emerge_proto::class::{decode, encode};
use emerge_proto::guard::Guard;
use emerge_proto::module::{self, ALLOC, CALL, Description, IMPORTS, MEMORY, Reply, Request};
use emerge_proto::{ClassSource, ClassVersion, Error, ErrorCode, MethodDecl, Op, Result, limits};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::{
    Caller, Engine, ExternType, FuncType, Linker, Module, PoolConcurrencyLimitError, Store, ValType,
};

/// Bytes of a reply: a result and a state, and what is around them.
const MAX_REPLY: usize = 2 * limits::MAX_STATE + limits::MAX_FRAME_DEPTH;
/// Names of the imports that a module may have, all of [`IMPORTS`].
const NAMES: [&str; 3] = ["request", "log", "fail"];

pub(super) struct Wasm {
    engine: Engine,
    linker: Linker<Host>,
    ticker: Ticker,
    budget: Arc<Budget>,
    admission: Admission,
    modules: Arc<Modules>,
    /// To compile takes a thread for as long as the module is large: of those that anybody sends one at a time does.
    compiling: Arc<Semaphore>,
}

impl Wasm {
    pub(super) fn new(options: &SandboxOptions, budget: Arc<Budget>) -> Result<Self> {
        let engine = engine::pooled(options.calls)?;
        let mut linker = Linker::new(&engine);
        define(&mut linker)
            .map_err(|error| internal("the imports of classes could not be defined", &error))?;
        Ok(Self {
            ticker: Ticker::start(&engine)?,
            linker,
            engine,
            budget,
            admission: Admission::new(options.calls, options.share),
            modules: Arc::new(Modules::new(options.images)),
            compiling: Arc::new(Semaphore::new(1)),
        })
    }

    /// Checks a class: what its module says, imports and exports, and that an instance of it can be made.
    pub(super) async fn analyse(&self, class: ClassSource) -> Result<Vec<MethodDecl>> {
        class.check()?;
        let compiled = self.compile(&class, ErrorCode::ClassInvalid).await?;
        let subject = Subject {
            what: &format!("class {:?}", class.name),
            failure: ErrorCode::ClassInvalid,
            listings: &[],
            met: &[],
            deadline_ms: limits::CALL_DEADLINE_MS,
            memory: limits::CALL_MEMORY,
        };
        let mut store = self.store(self.budget.of_nobody(), None, false, LOAD_DEADLINE, limits::CALL_MEMORY);
        let _running = self.ticker.run();
        let made = tokio::time::timeout(LOAD_DEADLINE, compiled.pre.instantiate_async(&mut store)).await;
        match made {
            Err(_) => return Err(subject.late()),
            Ok(Err(error)) => return Err(failure(&subject, &error, store.data_mut())),
            Ok(Ok(_)) => {}
        }
        let methods = compiled.description.methods.iter().map(|method| method.decl.clone()).collect();
        Ok(methods)
    }

    /// Runs a method.
    pub(super) async fn call(&self, call: Call, fs: Arc<dyn Fs>, nested: bool) -> Result<Returned> {
        let Some(class) = call.lineage.first() else {
            return Err(Error::new(ErrorCode::ClassNotFound, "the object has no class"));
        };
        // Nobody who runs waits for one who compiles.
        let compiled = tokio::time::timeout(call.deadline, self.compiled(class)).await.map_err(|_| {
            let (name, limit) = (&class.source.name, call.deadline.as_millis());
            let why = format!("the module of class {name:?} was not compiled within {limit} ms; it will be");
            Error::new(ErrorCode::DeadlineExceeded, why).limit(u64::try_from(limit).unwrap_or(u64::MAX))
        })??;
        let admitted = self.admission.admit(&call, nested).await?;
        let defect = || Error::new(ErrorCode::Internal, "the class's methods are not those of its module");
        let method = compiled.description.method(&call.method).ok_or_else(defect)?;
        let args = method.arguments(&call.args, call.kwargs.as_deref())?;
        let request = Request {
            method: &call.method,
            path: &call.path,
            state: &call.state,
            args: &args,
            now_micros: call.now_micros,
            seed: call.seed,
            class: class.hash,
        };
        let subject = Subject {
            what: &admitted.what,
            failure: ErrorCode::MethodFailed,
            listings: &[],
            met: &[],
            deadline_ms: admitted.deadline_ms,
            memory: call.memory,
        };
        let mut store =
            self.store(self.budget.of(&call.user), Some(fs), call.log, call.deadline, call.memory);
        let _running = self.ticker.run();
        let ran = tokio::time::timeout(
            imports::patience(call.deadline),
            run(&mut store, &compiled, &request.encode()),
        )
        .await;
        let done = match ran {
            Err(_) => Err(subject.late()),
            Ok(Err(error)) => Err(failure(&subject, &error, store.data_mut())),
            Ok(Ok(reply)) => read(&subject, &call.state, &reply),
        };
        with_log(done, store.data_mut().end())
    }

    fn store(
        &self,
        held: Held,
        fs: Option<Arc<dyn Fs>>,
        log: bool,
        deadline: Duration,
        memory: usize,
    ) -> Store<Host> {
        let mut host = Host::new(held);
        host.begin(fs, log, deadline, memory);
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| host);
        store.epoch_deadline_callback(|mut context| context.data_mut().tick());
        store.set_epoch_deadline(1);
        store
    }

    /// The compiled module of a class that the node keeps.
    async fn compiled(&self, class: &ClassVersion) -> Result<Arc<Compiled>> {
        if let Some(compiled) = self.modules.get(&class.hash) {
            return Ok(compiled);
        }
        self.compile(&class.source, ErrorCode::MethodFailed).await
    }

    /// Compiles a module and keeps it, one at a time. Once it has begun it comes to its end, and takes its turn, though nobody waits for it any more.
    async fn compile(&self, class: &ClassSource, failure: ErrorCode) -> Result<Arc<Compiled>> {
        let Some(bytes) = class.module.clone() else {
            let why = format!("class {:?} is in wasm and has no module", class.name);
            return Err(Error::new(failure, why).field("module"));
        };
        let stopping = |error: &dyn std::fmt::Display| internal("the sandbox is stopping", error);
        let turn = Arc::clone(&self.compiling).acquire_owned().await.map_err(|error| stopping(&error))?;
        let hash = class.hash();
        if let Some(compiled) = self.modules.get(&hash) {
            return Ok(compiled);
        }
        let (engine, linker, name) = (self.engine.clone(), self.linker.clone(), class.name.clone());
        let modules = Arc::clone(&self.modules);
        let work = move || {
            let _turn = turn;
            let compiled = Arc::new(compile(&engine, &linker, &name, &bytes, failure)?);
            modules.put(hash, Arc::clone(&compiled));
            Ok(compiled)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| stopping(&error))?
    }
}

fn compile(
    engine: &Engine,
    linker: &Linker<Host>,
    name: &str,
    bytes: &[u8],
    failure: ErrorCode,
) -> Result<Compiled> {
    let invalid = |why: String| Error::new(failure, cut(format!("class {name:?}: {why}"))).field("module");
    let description = Description::of(bytes)?;
    let module = Module::new(engine, bytes)
        .map_err(|error| invalid(format!("its module is not valid here: {}", error.root_cause())))?;
    for import in module.imports() {
        let (from, what) = (import.module(), import.name());
        if (from != IMPORTS || !NAMES.contains(&what)) && Guard::Imports.holds() {
            let why = format!(
                "its module imports {from}.{what}, and may import {IMPORTS}.{} only; it has no WASI",
                NAMES.join(&format!(", {IMPORTS}."))
            );
            return Err(invalid(why).field(cut(format!("{from}.{what}"))));
        }
    }
    let function =
        |params: usize, result: ValType| FuncType::new(engine, vec![ValType::I32; params], [result]);
    for (export, wanted) in [(ALLOC, function(1, ValType::I32)), (CALL, function(2, ValType::I64))] {
        let is_there = matches!(module.get_export(export), Some(ExternType::Func(found)) if FuncType::eq(&found, &wanted));
        if !is_there {
            let why = format!("its module exports no function {export} of the type {wanted}");
            return Err(invalid(why).field(export));
        }
    }
    if !matches!(module.get_export(MEMORY), Some(ExternType::Memory(_))) {
        return Err(invalid(format!("its module exports no memory of the name {MEMORY:?}")).field(MEMORY));
    }
    let mut linker = Cow::Borrowed(linker);
    if !Guard::Imports.holds() {
        let traps = linker.to_mut().define_unknown_imports_as_traps(&module);
        traps.map_err(|error| invalid(error.to_string()))?;
    }
    let pre = linker
        .instantiate_pre(&module)
        .map_err(|error| invalid(format!("its module's imports do not fit: {}", error.root_cause())))?;
    Ok(Compiled { pre, description, size: code_size(&module) + bytes.len() })
}

/// Makes an instance, runs the request in it, and gives the reply.
async fn run(store: &mut Store<Host>, compiled: &Compiled, request: &[u8]) -> Result<Vec<u8>, Trapped> {
    let missing = || wasmtime::Error::msg("the module has no memory");
    let instance = compiled.pre.instantiate_async(&mut *store).await?;
    let memory = instance.get_memory(&mut *store, MEMORY).ok_or_else(missing)?;
    let alloc = instance.get_typed_func::<u32, u32>(&mut *store, ALLOC)?;
    let call = instance.get_typed_func::<(u32, u32), u64>(&mut *store, CALL)?;
    store.data_mut().memory = Some(memory);
    store.data_mut().alloc = Some(alloc.clone());
    let length = u32::try_from(request.len())?;
    let at = alloc.call_async(&mut *store, length).await?;
    memory.write(&mut *store, at as usize, request)?;
    let packed = call.call_async(&mut *store, (at, length)).await?;
    let (at, length) = ((packed >> 32) as usize, (packed & u64::from(u32::MAX)) as usize);
    if length > MAX_REPLY {
        store.data_mut().failed = Some(format!("its reply is {length} bytes; the limit is {MAX_REPLY}"));
        return Err(wasmtime::Error::msg("the reply is too large"));
    }
    let reply = memory.data(&*store).get(at..at + length);
    Ok(reply.ok_or_else(|| wasmtime::Error::msg("the reply is not in the module's memory"))?.to_vec())
}

/// What a reply means.
fn read(subject: &Subject<'_>, before: &[u8], reply: &[u8]) -> Result<Returned> {
    match module::reply(reply) {
        Ok(Reply::Returned { result, state }) => {
            returned(before, result.to_vec(), state.map_or_else(Vec::new, <[u8]>::to_vec))
        }
        Ok(Reply::Failed(error)) => {
            let trace = error.trace.map(|trace| cut(trace.into()).into());
            let field = error.field.map(|field| cut(field.into()).into());
            Err(Error { message: cut(error.message), path: error.path.map(cut), field, trace, ..*error })
        }
        Err(error) => {
            let why = format!("{} gave no reply that can be read: {}", subject.what, error.message);
            Err(Error { code: subject.failure, message: cut(why), ..error })
        }
    }
}

/// Why there is no reply.
fn failure(subject: &Subject<'_>, error: &Trapped, host: &mut Host) -> Error {
    if let Some(text) = host.failed.take() {
        return Error::new(subject.failure, cut(format!("{} failed: {text}", subject.what)));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let why = format!("{} cannot begin: too many methods of classes in wasm run at once", subject.what);
        return Error::new(ErrorCode::Unavailable, why);
    }
    if host.stopped.is_none() && !error.is::<wasmtime::Trap>() {
        return Error::new(subject.failure, cut(format!("{} failed: {}", subject.what, error.root_cause())));
    }
    subject.trapped(error, host.stopped)
}

/// Defines what a module may import.
fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap_async(IMPORTS, NAMES[0], |caller: Caller<'_, Host>, (request, length)| {
        Box::new(ask(caller, request, length))
    })?;
    linker.func_wrap(IMPORTS, NAMES[1], imports::log)?;
    linker.func_wrap(IMPORTS, NAMES[2], fail)?;
    Ok(())
}

/// `request(address, length) -> address << 32 | length`: an operation of the call's file system, and room that the module gave with the reply in it: a 0
/// and the operation's own record, or a 1 and an error's.
async fn ask(mut caller: Caller<'_, Host>, request: u32, length: u32) -> wasmtime::Result<u64> {
    let op = decode::<Op>(&bytes(&caller, request, length)?);
    let fs = caller.data().fs.clone();
    let answer = match op {
        Ok(op) => imports::request(fs, op).await,
        Err(error) => Err(error),
    };
    let reply = match answer {
        Ok(record) => [&[0], &record[..]].concat(),
        Err(error) => [&[1], &encode(&error)[..]].concat(),
    };
    let (Some(memory), Some(alloc)) = (caller.data().memory, caller.data().alloc.clone()) else {
        return Err(early());
    };
    let length = u32::try_from(reply.len())?;
    let at = alloc.call_async(&mut caller, length).await?;
    memory.write(&mut caller, at as usize, &reply)?;
    Ok(u64::from(at) << 32 | u64::from(length))
}

/// `fail(text, length)`: ends the call, with a text for people: what a panic says.
fn fail(mut caller: Caller<'_, Host>, text: u32, length: u32) -> wasmtime::Result<()> {
    let text = bytes(&caller, text, length.min(limits::CALL_ERROR as u32))?;
    caller.data_mut().failed = Some(String::from_utf8_lossy(&text).into_owned());
    Err(wasmtime::Error::msg("the module gave up"))
}

fn bytes(caller: &Caller<'_, Host>, at: u32, length: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = caller.data().memory.ok_or_else(early)?;
    let bytes = memory.data(caller).get(at as usize..at as usize + length as usize);
    Ok(bytes.ok_or_else(|| wasmtime::Error::msg("what the module gives is not in its memory"))?.to_vec())
}

fn early() -> wasmtime::Error {
    wasmtime::Error::msg("nothing can be asked before the module has been started")
}

/// Bytes of a module's machine code.
fn code_size(module: &Module) -> usize {
    let code = module.image_range();
    code.end.addr() - code.start.addr()
}
