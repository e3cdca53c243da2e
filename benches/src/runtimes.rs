//! Methods on the node, without the network: one of a class in WebAssembly against the same in JavaScript.

use crate::Measured;
use crate::report::Answer;
use crate::setting::text;
use emerge_proto::module::Description;
use emerge_proto::{ClassSource, ClassVersion, FieldDecl, FieldType, Language, ObjectId, Op, Result, Value};
use emerge_runtime::{BoxFuture, Call, Fs, Returned, Runtime};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls of one run.
const CALLS: u32 = 2_000;
/// Built by `cargo xtask build classes`.
const MODULE: &str = "target/classes/counter.wasm";
/// As `crates/class/examples/counter.rs` has it.
const JAVASCRIPT: &str = "class Counter extends EmergeObject {
  static fields = { count: int(0), ratio: float(0), kept: any(null) };
  add(by = 1, ...more) { this.count += more.reduce((sum, each) => sum + each, by); return this.count; }
}";

/// A method that asks for nothing.
struct Nothing;

impl Fs for Nothing {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        unreachable!("{} is not asked for", op.name())
    }
}

/// How many times as many calls of a method as in JavaScript: it reads its object's three fields, adds to one, and gives it.
pub(crate) async fn wasm_method(runs: usize) -> Measured {
    let runtime = emerge_server::whole_sandbox(&|step| eprintln!("  {step}")).await.map_err(text)?;
    let module = std::fs::read(MODULE)
        .map_err(|error| format!("{MODULE}: {error}; cargo xtask build classes makes it"))?;
    let wasm = kept(&*runtime, Description::of(&module).map_err(text)?.class(module)).await?;
    let field = |name: &str, kind, default: Value| FieldDecl {
        name: name.into(),
        kind,
        default: Some(default.encode()),
        doc: None,
    };
    let source = ClassSource {
        name: "Counter".into(),
        language: Language::JavaScript,
        source: JAVASCRIPT.into(),
        bases: Vec::new(),
        fields: vec![
            field("count", FieldType::Int, Value::Int(0)),
            field("ratio", FieldType::Float, Value::Float(0.0)),
            field("kept", FieldType::Any, Value::Null),
        ],
        doc: None,
        captures: None,
        module: None,
        requires: None,
    };
    let javascript = kept(&*runtime, source).await?;
    let (mut figures, mut ours, mut theirs) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for run in 0..=runs {
        let one = times(&*runtime, &wasm).await?;
        let other = times(&*runtime, &javascript).await?;
        // The first is to warm up.
        if run > 0 {
            figures.push(other.as_secs_f64() / one.as_secs_f64());
            ours += one;
            theirs += other;
        }
    }
    let each = |all: Duration| all.as_secs_f64() * 1e6 / (runs as f64 * f64::from(CALLS));
    let note =
        format!("{:.1} µs against {:.1}: a warm method, without the network", each(ours), each(theirs));
    Ok(Answer { runs: figures, note })
}

/// The version that a node would keep of a class.
async fn kept(runtime: &dyn Runtime, source: ClassSource) -> Result<Arc<ClassVersion>, String> {
    let methods = runtime.analyse(&source, &[]).await.map_err(text)?;
    let (hash, class_id) = (source.hash(), ObjectId([1; 16]));
    Ok(Arc::new(ClassVersion {
        hash,
        class_id,
        version: 1,
        owner: "ada".into(),
        created: 0,
        source,
        methods,
    }))
}

async fn times(runtime: &dyn Runtime, class: &Arc<ClassVersion>) -> Result<Duration, String> {
    let state = |count: i64| {
        let fields = [("count", Value::Int(count)), ("ratio", Value::Float(0.5)), ("kept", Value::Null)];
        Value::Map(fields.map(|(name, value)| (name.to_owned(), value)).into()).encode()
    };
    let began = Instant::now();
    for count in 0..i64::from(CALLS) {
        let call = Call {
            lineage: vec![Arc::clone(class)],
            captured: Vec::new(),
            path: "/counters/one".into(),
            state: state(count),
            method: "add".into(),
            args: Value::List(vec![Value::Int(2)]).encode(),
            kwargs: None,
            is_query: false,
            user: "ada".into(),
            now_micros: 0,
            seed: 1,
            deadline: Duration::from_secs(5),
            memory: emerge_proto::limits::CALL_MEMORY,
            log: false,
        };
        let Returned { result, state: left, .. } =
            runtime.call(call, Arc::new(Nothing)).await.map_err(text)?;
        if result != Value::Int(count + 2).encode() || left != Some(state(count + 2)) {
            return Err("the method gave something else".into());
        }
    }
    Ok(began.elapsed())
}
