//! What a class made by `#[emerge::class]` can do (`crates/class/examples/counter.rs`): the suite of `methods.rs`, as far as it is not about a language.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_proto::module::Description;
use emerge_proto::value::{Array, DType};
use emerge_proto::{ClassHash, ClassVersion, ErrorCode, FieldType, Op, Result, Value};
use emerge_runtime::{Runtime, Sandbox, SandboxOptions};
use std::sync::Arc;

type Lineage = Vec<Arc<ClassVersion>>;

async fn counter() -> Lineage {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/classes/counter.wasm");
    let module = std::fs::read(file).expect("cargo xtask build classes makes target/classes/counter.wasm");
    keep(Description::of(&module).unwrap().class(module), &[]).await.expect("the class is a good one")
}

fn counted(count: i64) -> Value {
    map(&[("count", Value::Int(count)), ("ratio", Value::Float(1.0)), ("kept", Value::Null)])
}

async fn asked(method: &str, args: Vec<Value>) -> Result<Value> {
    run(&counter().await, method, counted(4), args).await.map(result)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_fields_methods_and_docs_are_those_of_the_code() {
    let class = &counter().await[0];
    assert_eq!((class.source.name.as_str(), class.source.doc.as_deref()), ("Counter", Some("Counts.")));
    let fields: Vec<_> = class.source.fields.iter().map(|field| (field.name.as_str(), field.kind)).collect();
    assert_eq!(fields, [("count", FieldType::Int), ("ratio", FieldType::Float), ("kept", FieldType::Any)]);
    let defaults: Vec<_> = class
        .source
        .fields
        .iter()
        .map(|field| Value::decode(field.default.as_deref().unwrap()).unwrap())
        .collect();
    assert_eq!(defaults, [Value::Int(0), Value::Float(0.0), Value::Null]);
    assert_eq!(class.source.fields[0].doc.as_deref(), Some("So many."));
    let add = &class.methods[0];
    assert_eq!(add.signature(), "add(by: int = 1, ...more: list) -> int");
    assert_eq!(add.doc.as_deref(), Some("Adds to the count.\n\nGives the new one."));
    assert!(class.methods[1].is_property && class.methods[2].is_static);
    assert_eq!(class.methods[2].signature(), "about() -> text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_reads_its_arguments_and_changes_the_state() {
    let lineage = counter().await;
    let returned = run(&lineage, "add", counted(5), vec![Value::Int(2), Value::Int(10)]).await.unwrap();
    assert_eq!(returned.state.as_deref(), Some(counted(17).encode().as_slice()));
    assert_value(&result(returned), &Value::Int(17));
    let mut named = call_of(&lineage, "add", counted(5), vec![]);
    named.kwargs = Some(map(&[("by", Value::Int(7))]).encode());
    assert_value(&result(sandbox().call(named, Arc::new(NoFs)).await.unwrap()), &Value::Int(12));
    for method in ["same", "double", "about"] {
        assert_eq!(run(&lineage, method, counted(4), vec![]).await.unwrap().state, None, "{method}");
    }
    // A field that it does not know stays, and one that is not there has its default.
    let odd = map(&[("other", Value::Bool(true))]);
    let returned = run(&lineage, "add", odd, vec![]).await.unwrap();
    let wanted = [
        ("other", Value::Bool(true)),
        ("count", Value::Int(1)),
        ("ratio", Value::Float(0.0)),
        ("kept", Value::Null),
    ];
    assert_eq!(returned.state, Some(map(&wanted).encode()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_static_methods_and_the_object_itself() {
    assert_value(&asked("double", vec![]).await.unwrap(), &Value::Int(8));
    assert_value(&asked("about", vec![]).await.unwrap(), &Value::Text("Counter".into()));
    assert_value(&asked("look", vec![]).await.unwrap(), &Value::Text("/things/one".into()));
    let by = map(&[("a", Value::List(vec![Value::Int(1), Value::Float(0.5)])), ("b", Value::List(vec![]))]);
    assert_value(
        &asked("totals", vec![by]).await.unwrap(),
        &map(&[("a", Value::Float(1.5)), ("b", Value::Float(-0.0))]),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_comes_and_goes() {
    let lineage = counter().await;
    for value in [
        Value::Null,
        Value::Int(i64::MIN),
        Value::integer("-123456789012345678901234567890".parse().unwrap()),
        Value::Float(-0.0),
        Value::Text("é\u{1f600}\0".into()),
        Value::Bytes(vec![0, 255]),
        Value::List(vec![Value::Map(vec![("a".into(), Value::Set(vec![Value::Int(1)]))])]),
        Value::DateTime(-1),
        Value::Date(20_000),
        Value::Uuid([7; 16]),
        Value::Decimal { exponent: -2, mantissa: 5.into() },
        Value::Duration(1_500_000),
        Value::Array(Array { dtype: DType::ALL[0], shape: vec![0], data: vec![] }),
        Value::Ref("/a/b".into()),
        Value::Object { class: ClassHash([9; 16]), fields: vec![("x".into(), Value::Int(1))] },
        Value::Table { columns: vec!["a".into()], rows: vec![vec![Value::Int(1)]] },
    ] {
        let returned = run(&lineage, "echo", counted(1), vec![value.clone()]).await.unwrap();
        let wanted = map(&[("count", Value::Int(1)), ("ratio", Value::Float(1.0)), ("kept", value.clone())]);
        assert_eq!(returned.state, (value != Value::Null).then(|| wanted.encode()));
        assert_value(&result(returned), &value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_and_randomness_are_the_calls() {
    let Value::List(first) = asked("chance", vec![]).await.unwrap() else { panic!("a list") };
    assert_eq!(first[0], Value::Int(1_700_000_000_123_456));
    assert_ne!(first[1], first[2]);
    assert_eq!(asked("chance", vec![]).await.unwrap(), Value::List(first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_uses_the_file_system() {
    let lineage = counter().await;
    let fs = OneObject::new(&lineage, counted(10));
    let returned = sandbox().call(call_of(&lineage, "others", map(&[]), vec![]), fs.clone()).await.unwrap();
    assert_value(&result(returned), &Value::List(vec![Value::Int(10), Value::Int(15)]));
    assert_eq!(fs.asked.lock().unwrap().iter().map(Op::name).collect::<Vec<_>>(), ["get", "call"]);
    let error = asked("others", vec![]).await.unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::NotFound, Some("/none")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_said() {
    for (method, args, code, words) in [
        (
            "panics",
            vec![Value::Int(2)],
            ErrorCode::MethodFailed,
            "index out of bounds: the len is 2 but the index is 2",
        ),
        ("panics", vec![Value::Int(-1)], ErrorCode::BadArgument, "at: the integer does not fit u32"),
        (
            "panics",
            vec![Value::Text("1".into())],
            ErrorCode::BadArgument,
            "at: an integer is needed, not text",
        ),
        ("panics", vec![], ErrorCode::BadArgument, "it is called as panics(at: int) -> int"),
        ("fails", vec![], ErrorCode::MethodFailed, "no"),
        ("subtract", vec![], ErrorCode::MethodNotFound, "subtract"),
        ("hog", vec![], ErrorCode::OutOfMemory, "used more than 67108864 bytes"),
        ("deep", vec![Value::Int(0)], ErrorCode::MethodFailed, "Counter.deep"),
    ] {
        let error = asked(method, args).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(words), "{error}");
        let log =
            (["panics", "fails"].contains(&method) && code == ErrorCode::MethodFailed).then_some("before\n");
        assert_eq!(error.log.as_deref(), log);
    }
    let mut forever = call_of(&counter().await, "forever", counted(1), vec![]);
    forever.deadline = std::time::Duration::from_millis(50);
    let error = sandbox().call(forever, Arc::new(NoFs)).await.unwrap_err();
    assert_eq!((error.code, error.log.as_deref()), (ErrorCode::DeadlineExceeded, Some("before\n")));
    let wrong = map(&[("count", Value::Text("x".into()))]);
    let error = run(&counter().await, "add", wrong, vec![]).await.unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("count")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_method_logs_comes_back_within_its_limit() {
    let lineage = counter().await;
    let returned = run(&lineage, "chatter", counted(1), vec![]).await.unwrap();
    assert_eq!(returned.log, format!("{}\n", "0123456789".repeat(10)));
    let log = run(&lineage, "chatter", counted(1), vec![Value::Int(10_000)]).await.unwrap().log;
    assert!(
        log.len() < 70_000 && log.ends_with("(the log ends here: its limit is 65536 bytes)\n"),
        "{}",
        log.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_calls_do_not_wait_for_the_outer_ones() {
    let lineage = counter().await;
    let mut options = SandboxOptions::new(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
    (options.calls, options.threads, options.idle) = (1, 1, 1);
    let small = Arc::new(tokio::task::block_in_place(|| Sandbox::open(&options, &|_| {})).unwrap());
    let calls = (0..4).map(|_| {
        let fs = Arc::new(Nesting(small.clone(), lineage.clone()));
        small.call(call_of(&lineage, "down", map(&[]), vec![Value::Int(6)]), fs)
    });
    for returned in futures_util::future::join_all(calls).await {
        assert_value(&result(returned.unwrap()), &Value::Int(6));
    }
}
