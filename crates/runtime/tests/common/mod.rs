//! What the tests of the sandbox share.

#![allow(dead_code, reason = "each test program uses a part of it")]

use emerge_proto::class::{BaseRef, Capture, Captured, encode};
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
        module: None,
        requires: None,
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
    let mut class = match base[0].source.language {
        Language::Python => python(name, source, &[]),
        _ => class(name, source, &[]),
    };
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
        kwargs: None,
        is_query: false,
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

/// Modules that classes in Python use here.
const MODULES: [&str; 17] = [
    "builtins",
    "collections",
    "datetime",
    "decimal",
    "emerge",
    "functools",
    "gc",
    "json",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "sys",
    "uuid",
    "warnings",
];

/// A class in Python, which uses modules; each of its fields has a default.
pub fn python(name: &str, source: &str, fields: &[(&str, FieldType, Value)]) -> ClassSource {
    let capture = |module: &str| Capture { name: module.into(), what: Captured::Module(module.into()) };
    ClassSource {
        language: Language::Python,
        captures: Some(MODULES.map(capture).to_vec()),
        fields: fields
            .iter()
            .map(|(name, kind, default)| FieldDecl {
                name: (*name).into(),
                kind: *kind,
                default: Some(default.encode()),
                doc: None,
            })
            .collect(),
        ..class(name, source, &[])
    }
}

/// A class named `Thing` without fields, by its members in each language.
pub fn thing(of: Language, javascript: &str, in_python: &str) -> ClassSource {
    match of {
        Language::Python => {
            let members: Vec<String> =
                in_python.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
            python("Thing", &format!("class Thing(emerge.Object):\n{}", members.concat()), &[])
        }
        _ => class("Thing", &format!("class Thing extends EmergeObject {{\n  {javascript}\n}}"), &[]),
    }
}

/// What the method `run` of a class of such members gives.
pub async fn run_thing(
    of: Language,
    javascript: &str,
    in_python: &str,
    args: Vec<Value>,
) -> Result<Returned> {
    let lineage = keep(thing(of, javascript, in_python), &[]).await?;
    run(&lineage, "run", map(&[]), args).await
}

/// As [`run_thing`], in JavaScript.
pub async fn run_body(body: &str, args: Vec<Value>) -> Result<Returned> {
    run_thing(Language::JavaScript, body, "", args).await
}

/// Makes tests for each language of functions that take it.
#[macro_export]
macro_rules! in_each_language {
    ($($name:ident),* $(,)?) => {
        mod javascript {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(emerge_proto::Language::JavaScript).await })*
        }
        mod python {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(emerge_proto::Language::Python).await })*
        }
    };
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
        Self::stat_of(Some(&self.lineage[0]))
    }

    /// The properties of an object of a class.
    pub fn stat_of(class: Option<&ClassVersion>) -> Stat {
        Stat {
            name: "one".into(),
            id: ObjectId([1; 16]),
            kind: ObjectType::Object,
            class: class.map(|class| class.source.name.clone()),
            class_hash: class.map(|class| class.hash),
            class_version: class.map(|_| 1),
            owner: "ada".into(),
            group: "ada".into(),
            perms: Perms::DEFAULT,
            version: 3,
            created: 1,
            modified: 2,
            size: 10,
            node: "here".into(),
            rules: None,
            path: None,
            requires: None,
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
                Op::Get { .. } => Ok(encode(&Fetched::whole(self.stat(), self.state.encode()))),
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

/// A file system whose calls go to a sandbox of their own.
pub struct Nesting(pub Arc<Sandbox>, pub Vec<Arc<ClassVersion>>);

impl Fs for Nesting {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            let Op::Call { method, args, .. } = op else { panic!("{op:?} is not asked for") };
            tokio::task::yield_now().await;
            let mut call = call_of(&self.1, &method, map(&[]), vec![]);
            call.args = args;
            let returned = self.0.call(call, Arc::new(Nesting(self.0.clone(), self.1.clone()))).await?;
            Ok(encode(&Called { result: returned.result, version: None, log: None }))
        })
    }
}
