//! Methods on the node, without the network: a class in WebAssembly against the same in JavaScript, Python against the machine's own, and what new users cost.

use crate::Measured;
use crate::report::{Answer, median};
use crate::setting::text;
use emerge_proto::class::{Capture, Captured};
use emerge_proto::module::Description;
use emerge_proto::{ClassSource, ClassVersion, FieldDecl, FieldType, Language, ObjectId, Op, Result, Value};
use emerge_runtime::{BoxFuture, Call, Fs, Returned, Runtime, Sandbox};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Calls of one run.
const CALLS: u32 = 2_000;
/// Built by `cargo xtask build classes`.
const MODULE: &str = "target/classes/counter.wasm";
/// As `crates/class/examples/counter.rs` has it.
const JAVASCRIPT: &str = "class Counter extends EmergeObject {
  static fields = { count: int(0), ratio: float(0), kept: any(null) };
  add(by = 1, ...more) { this.count += more.reduce((sum, each) => sum + each, by); return this.count; }
}";

/// The same in Python, and a function that calls itself.
const PYTHON: &str = concat!(
    "class Counter(emerge.Object):\n    count: int = 0\n    ratio: float = 0.0\n    kept: object = None\n\n",
    "    def add(self, by=1, *more):\n        self.count += by + sum(more)\n        return self.count\n\n",
    "    def fib(self, n):\n        def fib(n):\n            return n if n < 2 else fib(n - 1) + fib(n - 2)\n\n        return fib(n)\n",
);
/// How often `fib(24)` is computed in one run.
const FIBONACCIS: u32 = 20;
/// New users of one run.
const NEW_USERS: usize = 20;
/// Calls in turn of one run, of one side.
const IN_TURN: usize = 640;

/// A method that asks for nothing.
struct Nothing;

impl Fs for Nothing {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        unreachable!("{} is not asked for", op.name())
    }
}

/// How many times as many calls of a method as in JavaScript: it reads its object's three fields, adds to one, and gives it.
pub(crate) async fn wasm_method(runs: usize) -> Measured {
    let runtime = runtime().await?;
    let wasm = kept(&*runtime, module()?).await?;
    let javascript = kept(&*runtime, counter(Language::JavaScript, JAVASCRIPT)).await?;
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

/// How many times as fast a recursive function in a Python method as in the machine's own Python.
pub(crate) async fn fibonacci(runs: usize) -> Measured {
    let runtime = runtime().await?;
    let class = kept(&*runtime, counter(Language::Python, PYTHON)).await?;
    let mut figures = Vec::new();
    let (mut ours, mut theirs) = (0.0, 0.0);
    for run in 0..=runs {
        let began = Instant::now();
        for _ in 0..FIBONACCIS {
            let returned = call(&*runtime, &class, "ada", state(0), "fib", vec![Value::Int(24)]).await?;
            if returned.result != Value::Int(46368).encode() {
                return Err("fib(24) is something else".into());
            }
        }
        let one = began.elapsed().as_secs_f64() / f64::from(FIBONACCIS);
        let other = native_fibonacci().await?;
        // The first is to warm up.
        if run > 0 {
            figures.push(other / one);
            (ours, theirs) = (one, other);
        }
    }
    let note = format!(
        "{:.1} ms against {:.1}: fib(24) in a Python method, in the machine's Python",
        ours * 1e3,
        theirs * 1e3
    );
    Ok(Answer { runs: figures, note })
}

/// Seconds of the same in `python3`, its start not counted.
async fn native_fibonacci() -> Result<f64, String> {
    let script = format!(
        "import time\nclass emerge:\n    Object = object\n{PYTHON}\ncounter = Counter()\ncounter.fib(24)\nbegan = time.perf_counter()\n\
         for _ in range({FIBONACCIS}):\n    counter.fib(24)\nprint((time.perf_counter() - began) / {FIBONACCIS})"
    );
    let output = Command::new("python3").args(["-c", &script]).output().await.map_err(text)?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(text)
}

/// Milliseconds that the first call of each new user takes more than one in an instance that is there: what it takes to have a fresh, ready one.
pub(crate) async fn fresh(language: Language, runs: usize) -> Measured {
    let runtime = runtime().await?;
    let class = kept(&*runtime, of(language)?).await?;
    for count in 0..100 {
        add(&*runtime, &class, "ada", count).await?;
    }
    let mut figures = Vec::new();
    let (mut firsts, mut warms) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let (mut first, mut warm) = (Vec::new(), Vec::new());
        for number in 0..NEW_USERS {
            let user = format!("user-{run}-{number}");
            for times in [&mut first, &mut warm] {
                let began = Instant::now();
                add(&*runtime, &class, &user, 1).await?;
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
        let (first, warm) = (median(&first), median(&warm));
        figures.push(first - warm);
        firsts.push(first);
        warms.push(warm);
    }
    let began = Instant::now();
    for _ in 0..10 {
        Command::new("python3").args(["-S", "-c", "pass"]).output().await.map_err(text)?;
    }
    let python = began.elapsed().as_secs_f64() * 100.0;
    let note = format!(
        "the first call of a new user takes {:.2} ms, the second {:.3}; python3 -S -c pass takes {python:.1} ms, \
         {:.0} times as long as the difference",
        median(&firsts),
        median(&warms),
        python / median(&figures)
    );
    Ok(Answer { runs: figures, note })
}

/// How many times as many calls a second when 64 users call in turn as when one does; of the language that is slowest at it. As a node does, a task
/// calls: what is left to do after a call is done on its thread.
pub(crate) async fn principals(runs: usize) -> Measured {
    tokio::spawn(in_turn(runs)).await.map_err(text)?
}

async fn in_turn(runs: usize) -> Measured {
    let runtime = runtime().await?;
    let users: Vec<String> = (0..64).map(|number| format!("user-{number}")).collect();
    let mut worst: Option<(f64, Answer)> = None;
    for language in [Language::Python, Language::JavaScript, Language::Wasm] {
        let class = kept(&*runtime, of(language)?).await?;
        let mut figures = Vec::new();
        let mut times = (Duration::ZERO, Duration::ZERO);
        for run in 0..=runs {
            let mut sides = [Duration::ZERO; 2];
            for (side, users) in [&users[..1], &users[..]].into_iter().enumerate() {
                let began = Instant::now();
                for (count, user) in users.iter().cycle().take(IN_TURN).enumerate() {
                    add(&*runtime, &class, user, count as i64).await?;
                }
                sides[side] = began.elapsed();
            }
            // The first is to warm up.
            if run > 0 {
                figures.push(sides[0].as_secs_f64() / sides[1].as_secs_f64());
                times = (sides[1], sides[0]);
            }
        }
        let each = |all: Duration| all.as_secs_f64() * 1e6 / IN_TURN as f64;
        let note = format!(
            "{:.0} µs a call of 64 users in turn, {:.0} of one: {language:?}, the slowest at it",
            each(times.0),
            each(times.1)
        );
        let ratio = median(&figures);
        if worst.as_ref().is_none_or(|(least, _)| ratio < *least) {
            worst = Some((ratio, Answer { runs: figures, note }));
        }
    }
    worst.map(|(_, answer)| answer).ok_or_else(|| "no language was asked".into())
}

async fn runtime() -> Result<Arc<Sandbox>, String> {
    emerge_server::whole_sandbox(&|step| eprintln!("  {step}")).await.map_err(text)
}

fn module() -> Result<ClassSource, String> {
    let module = std::fs::read(MODULE)
        .map_err(|error| format!("{MODULE}: {error}; cargo xtask build classes makes it"))?;
    Ok(Description::of(&module).map_err(text)?.class(module))
}

/// The class of the same fields and methods in a language.
fn of(language: Language) -> Result<ClassSource, String> {
    Ok(match language {
        Language::JavaScript => counter(language, JAVASCRIPT),
        Language::Python => counter(language, PYTHON),
        Language::Wasm => module()?,
    })
}

fn counter(language: Language, source: &str) -> ClassSource {
    let field = |name: &str, kind, default: Value| FieldDecl {
        name: name.into(),
        kind,
        default: Some(default.encode()),
        doc: None,
    };
    ClassSource {
        fields: vec![
            field("count", FieldType::Int, Value::Int(0)),
            field("ratio", FieldType::Float, Value::Float(0.0)),
            field("kept", FieldType::Any, Value::Null),
        ],
        captures: (language == Language::Python)
            .then(|| vec![Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) }]),
        ..ClassSource::new("Counter", language, source)
    }
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

/// What one call takes of a class, by a user, that adds 2 to what is counted.
async fn add(runtime: &dyn Runtime, class: &Arc<ClassVersion>, user: &str, count: i64) -> Result<(), String> {
    let returned = call(runtime, class, user, state(count), "add", vec![Value::Int(2)]).await?;
    if returned.result != Value::Int(count + 2).encode() || returned.state != Some(state(count + 2)) {
        return Err("the method gave something else".into());
    }
    Ok(())
}

fn state(count: i64) -> Vec<u8> {
    let fields = [("count", Value::Int(count)), ("ratio", Value::Float(0.5)), ("kept", Value::Null)];
    Value::Map(fields.map(|(name, value)| (name.to_owned(), value)).into()).encode()
}

async fn call(
    runtime: &dyn Runtime,
    class: &Arc<ClassVersion>,
    user: &str,
    state: Vec<u8>,
    method: &str,
    args: Vec<Value>,
) -> Result<Returned, String> {
    let call = Call {
        lineage: vec![Arc::clone(class)],
        captured: Vec::new(),
        path: "/counters/one".into(),
        state,
        method: method.into(),
        args: Value::List(args).encode(),
        kwargs: None,
        is_query: false,
        user: user.into(),
        now_micros: 0,
        seed: 1,
        deadline: Duration::from_secs(5),
        memory: emerge_proto::limits::CALL_MEMORY,
        log: false,
    };
    runtime.call(call, Arc::new(Nothing)).await.map_err(text)
}

async fn times(runtime: &dyn Runtime, class: &Arc<ClassVersion>) -> Result<Duration, String> {
    let began = Instant::now();
    for count in 0..i64::from(CALLS) {
        add(runtime, class, "ada", count).await?;
    }
    Ok(began.elapsed())
}
