//! What the tests of the sandbox share.

#![allow(dead_code, reason = "each test program uses a part of it")]

use emerge_proto::class::{BaseRef, encode};
use emerge_proto::record::{Called, Fetched, Stored};
use emerge_proto::{
    ClassSource, ClassVersion, Error, ErrorCode, FieldDecl, FieldType, Language, ObjectId, ObjectType, Op,
    Perms, Result, Stat, Value,
};
use emerge_runtime::{BoxFuture, Call, Fs, Returned, Runtime, Sandbox, SandboxOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The sandbox that all tests of a program share.
pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let options = SandboxOptions::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let sandbox = Sandbox::open(&options, &|text| eprintln!("{text}")).expect("the sandbox opens");
        sandbox.ready_python(&|text| eprintln!("{text}")).expect("the Python guest is compiled");
        sandbox
    })
}

/// A class in JavaScript.
pub fn class(name: &str, source: &str, fields: &[(&str, FieldType)]) -> ClassSource {
    ClassSource {
        name: name.into(),
        language: Language::JavaScript,
        source: source.into(),
        bases: Vec::new(),
        fields: fields
            .iter()
            .map(|(name, kind)| FieldDecl { name: (*name).into(), kind: *kind, default: None, doc: None })
            .collect(),
        doc: None,
        captures: None,
    }
}

/// Analyses a class and gives the version that a node would keep, with those of its base.
pub async fn keep(source: ClassSource, base: &[Arc<ClassVersion>]) -> Result<Vec<Arc<ClassVersion>>> {
    let bases: Vec<Vec<Arc<ClassVersion>>> = if base.is_empty() { Vec::new() } else { vec![base.to_vec()] };
    let methods = sandbox().analyse(&source, &bases).await?;
    let version = ClassVersion {
        hash: source.hash(),
        class_id: ObjectId([7; 16]),
        version: 1,
        owner: "ada".into(),
        created: 1_700_000_000_000_000,
        source,
        methods,
    };
    let mut lineage = vec![Arc::new(version)];
    lineage.extend(base.iter().cloned());
    Ok(lineage)
}

/// A class that extends the first of a lineage.
pub fn extending(name: &str, source: &str, base: &[Arc<ClassVersion>]) -> ClassSource {
    let mut class = class(name, source, &[]);
    class.bases = vec![BaseRef { name: base[0].source.name.clone(), hash: base[0].hash }];
    class
}

/// A call with little memory, and time enough also on a busy machine.
pub fn call_of(lineage: &[Arc<ClassVersion>], method: &str, state: Value, args: Vec<Value>) -> Call {
    Call {
        lineage: lineage.to_vec(),
        captured: Vec::new(),
        path: "/things/one".into(),
        state: state.encode(),
        method: method.into(),
        args: Value::List(args).encode(),
        user: "ada".into(),
        now_micros: 1_700_000_000_123_456,
        seed: 42,
        deadline: Duration::from_secs(60),
        memory: 64 * 1024 * 1024,
        log: true,
    }
}

/// Runs a method of an object with a state.
pub async fn run(
    lineage: &[Arc<ClassVersion>],
    method: &str,
    state: Value,
    args: Vec<Value>,
) -> Result<Returned> {
    sandbox().call(call_of(lineage, method, state, args), Arc::new(NoFs)).await
}

/// A class of one method, and what that gives.
pub async fn run_body(body: &str, args: Vec<Value>) -> Result<Returned> {
    let source = format!("class Thing extends EmergeObject {{\n  {body}\n}}");
    let lineage = keep(class("Thing", &source, &[]), &[]).await?;
    run(&lineage, "run", map(&[]), args).await
}

/// The value that a method gave.
pub fn result(returned: Returned) -> Value {
    Value::decode(&returned.result).expect("a value")
}

/// A map value.
pub fn map(fields: &[(&str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
}

/// Equality by the encoding.
#[track_caller]
pub fn assert_value(actual: &Value, expected: &Value) {
    assert_eq!(actual.encode(), expected.encode(), "{actual:?} is not {expected:?}");
}

/// A file system that holds nothing.
pub struct NoFs;

impl Fs for NoFs {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            Err(Error::new(ErrorCode::NotFound, format!("{} finds nothing", op.name())).at("/none"))
        })
    }
}

/// A file system that remembers what it is asked, has one object under every path, and calls methods of it.
pub struct OneObject {
    pub lineage: Vec<Arc<ClassVersion>>,
    pub state: Value,
    pub asked: Mutex<Vec<Op>>,
}

impl OneObject {
    pub fn new(lineage: &[Arc<ClassVersion>], state: Value) -> Arc<Self> {
        Arc::new(Self { lineage: lineage.to_vec(), state, asked: Mutex::default() })
    }

    fn stat(&self) -> Stat {
        Stat {
            name: "one".into(),
            id: ObjectId([1; 16]),
            kind: ObjectType::Object,
            class: Some(self.lineage[0].source.name.clone()),
            class_hash: Some(self.lineage[0].hash),
            class_version: Some(1),
            owner: "ada".into(),
            group: "ada".into(),
            perms: Perms::DEFAULT,
            version: 3,
            created: 1,
            modified: 2,
            size: 10,
            node: "here".into(),
        }
    }
}

impl Fs for OneObject {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        self.asked.lock().expect("no panic").push(op.clone());
        Box::pin(async move {
            // As a real one, it does not answer at once.
            tokio::task::yield_now().await;
            match op {
                Op::Stat { .. } => Ok(encode(&self.stat())),
                Op::Get { .. } => Ok(encode(&Fetched { stat: self.stat(), state: self.state.encode() })),
                Op::Store { .. } => Ok(encode(&Stored { id: ObjectId([1; 16]), version: 4, modified: 5 })),
                Op::Class { .. } => Ok(encode(&emerge_proto::record::ClassInfo {
                    lineage: self.lineage.iter().map(|class| ClassVersion::clone(class)).collect(),
                })),
                Op::Call { method, args, .. } => {
                    let mut call = call_of(&self.lineage, &method, self.state.clone(), Vec::new());
                    call.args = args;
                    let returned = sandbox().call(call, Arc::new(NoFs)).await?;
                    Ok(encode(&Called { result: returned.result, version: None, log: None }))
                }
                other => Err(Error::new(ErrorCode::Unsupported, other.name())),
            }
        })
    }
}
