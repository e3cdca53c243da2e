//! What a method can do: the suite that every runtime passes.

mod common;

use common::*;
use emerge_proto::{ErrorCode, FieldType, Value};
use emerge_runtime::Runtime;

const COUNTER: &str = r#"class Counter extends EmergeObject {
  static fields = { count: int(0), ratio: float(0) };

  /**
   * Adds to the count.
   * Gives the new one.
   */
  add(by = 1, ...more) {
    for (const n of [by, ...more]) this.count += n;
    return this.count;
  }
  async later(by) { await null; await Promise.resolve(); this.count += by; return [this.count]; }
  get double() { return this.count * 2; }
  static about() { return this.name; }
  look() { return { keys: Object.keys(this), path: this.meta.path, is: this instanceof Counter }; }
  same() { this.ratio = this.ratio; return null; }
  whole() { this.ratio = 3; }
}"#;

async fn counter() -> Vec<std::sync::Arc<emerge_proto::ClassVersion>> {
    let fields = [("count", FieldType::Int), ("ratio", FieldType::Float)];
    keep(class("Counter", COUNTER, &fields), &[]).await.expect("the class is a good one")
}

fn counted(count: i64) -> Value {
    map(&[("count", Value::Int(count)), ("ratio", Value::Float(1.0))])
}

#[tokio::test]
async fn a_method_reads_its_arguments_and_changes_the_state() {
    let lineage = counter().await;
    let returned = run(&lineage, "add", counted(5), vec![Value::Int(2), Value::Int(10)]).await.unwrap();
    assert_eq!(returned.state.as_deref(), Some(counted(17).encode().as_slice()));
    assert_value(&result(returned), &Value::Int(17));
    let returned = run(&lineage, "add", counted(5), vec![]).await.unwrap();
    assert_value(&result(returned), &Value::Int(6));
}

#[tokio::test]
async fn an_async_method_is_awaited() {
    let returned = run(&counter().await, "later", counted(1), vec![Value::Int(2)]).await.unwrap();
    assert_eq!(returned.state.as_deref(), Some(counted(3).encode().as_slice()));
    assert_value(&result(returned), &Value::List(vec![Value::Int(3)]));
}

#[tokio::test]
async fn what_did_not_change_gives_no_state() {
    let lineage = counter().await;
    for method in ["same", "double", "about"] {
        assert_eq!(run(&lineage, method, counted(4), vec![]).await.unwrap().state, None, "{method}");
    }
    assert_value(&result(run(&lineage, "double", counted(4), vec![]).await.unwrap()), &Value::Int(8));
    assert_value(
        &result(run(&lineage, "about", counted(4), vec![]).await.unwrap()),
        &Value::Text("Counter".into()),
    );
}

#[tokio::test]
async fn the_declared_type_decides_what_a_number_is() {
    let returned = run(&counter().await, "whole", counted(4), vec![]).await.unwrap();
    let expected = map(&[("count", Value::Int(4)), ("ratio", Value::Float(3.0))]);
    assert_eq!(returned.state.as_deref(), Some(expected.encode().as_slice()));
    assert_value(&Value::decode(&returned.result).unwrap(), &Value::Null);
}

#[tokio::test]
async fn what_javascript_cannot_hold_does_not_drift() {
    let body = "class Box extends EmergeObject { touch() { this.n = 1; } }";
    let lineage = keep(class("Box", body, &[]), &[]).await.unwrap();
    let nested = Value::List(vec![Value::Float(1.0), Value::DateTime(1_234_567)]);
    let before = map(&[("n", Value::Int(0)), ("kept", nested.clone())]);
    let returned = run(&lineage, "touch", before, vec![]).await.unwrap();
    let expected = map(&[("n", Value::Int(1)), ("kept", nested)]);
    assert_eq!(returned.state.as_deref(), Some(expected.encode().as_slice()));
}

#[tokio::test]
async fn every_value_comes_and_goes() {
    let values = vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(-7),
        Value::Int(i64::MAX),
        Value::Float(0.5),
        Value::Text("é𝄞".repeat(100)),
        Value::Bytes(vec![0, 255]),
        Value::List(vec![Value::Int(1)]),
        map(&[("b", Value::Int(1)), ("a", Value::Int(2))]),
        Value::Set(vec![Value::Int(1)]),
        Value::DateTime(1_700_000_000_123_000),
        Value::Date(19_000),
        Value::Uuid([9; 16]),
        Value::Duration(1_500_000),
        Value::Ref("/a/b".into()),
    ];
    let returned = run_body("run(...all) { return all; }", values.clone()).await.unwrap();
    assert_value(&result(returned), &Value::List(values));
}

#[tokio::test]
async fn an_object_knows_itself() {
    let lineage = counter().await;
    let fs = OneObject::new(&lineage, counted(1));
    let returned = sandbox().call(call_of(&lineage, "look", counted(1), vec![]), fs).await.unwrap();
    let expected = map(&[
        ("keys", Value::List(vec![Value::Text("count".into()), Value::Text("ratio".into())])),
        ("path", Value::Text("/things/one".into())),
        ("is", Value::Bool(true)),
    ]);
    assert_value(&result(returned), &expected);
}

#[tokio::test]
async fn methods_are_inherited() {
    let base = counter().await;
    let source = "class Doubler extends Counter { add(n) { return super.add(2 * n); } }";
    let lineage = keep(extending("Doubler", source, &base), &base).await.unwrap();
    let returned = run(&lineage, "add", counted(1), vec![Value::Int(3)]).await.unwrap();
    assert_value(&result(returned), &Value::Int(7));
    let returned = run(&lineage, "double", counted(4), vec![]).await.unwrap();
    assert_value(&result(returned), &Value::Int(8));
    let returned = run(&lineage, "whole", counted(4), vec![]).await.unwrap();
    let expected = map(&[("count", Value::Int(4)), ("ratio", Value::Float(3.0))]);
    assert_eq!(
        returned.state.as_deref(),
        Some(expected.encode().as_slice()),
        "inherited declared types count"
    );
}

#[tokio::test]
async fn the_clock_and_randomness_are_the_calls() {
    let body = "run() { return [Date.now(), new Date().toISOString(), Math.random(), Math.random()]; }";
    let first = result(run_body(body, vec![]).await.unwrap());
    let second = result(run_body(body, vec![]).await.unwrap());
    assert_value(&first, &second);
    let Value::List(values) = first else { panic!("a list") };
    assert_value(&values[0], &Value::Int(1_700_000_000_123));
    assert_value(&values[1], &Value::Text("2023-11-14T22:13:20.123Z".into()));
    assert_ne!(values[2].encode(), values[3].encode());
}

#[tokio::test]
async fn a_method_uses_the_file_system() {
    let lineage = counter().await;
    let source = r#"class User extends EmergeObject {
      async run() {
        const other = await fs.get("/things/one");
        const called = await fs.call("/things/one", "add", 5);
        const proxied = await fs.proxy("/things/one").add(6);
        return [other.count, called, proxied];
      }
      async miss() {
        try { await fs.get("/none"); } catch (error) { return [error.code, error.path, error.name, error instanceof NotFoundError]; }
      }
      async let() { await fs.get("/none"); }
    }"#;
    let user = keep(class("User", source, &[]), &[]).await.unwrap();
    let fs = OneObject::new(&lineage, counted(10));
    let returned = sandbox().call(call_of(&user, "run", map(&[]), vec![]), fs).await.unwrap();
    assert_value(&result(returned), &Value::List(vec![Value::Int(10), Value::Int(15), Value::Int(16)]));

    let returned = run(&user, "miss", map(&[]), vec![]).await.unwrap();
    let expected = ["not_found", "/none", "NotFoundError"].map(|text| Value::Text(text.into()));
    assert_value(&result(returned), &Value::List([expected.to_vec(), vec![Value::Bool(true)]].concat()));

    let error = run(&user, "let", map(&[]), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::NotFound, Some("/none")));
}

#[tokio::test]
async fn what_a_method_logs_comes_back_within_its_limit() {
    let body = r#"run() { console.log("a", 1, { b: [2n] }); console.error(new TypeError("x")); }"#;
    assert_eq!(run_body(body, vec![]).await.unwrap().log, "a 1 {\"b\":[\"2n\"]}\nTypeError: x\n");
    let body = r#"run() { for (let i = 0; i < 100000; i++) console.log("0123456789".repeat(10)); }"#;
    let log = run_body(body, vec![]).await.unwrap().log;
    assert!(
        log.len() < 70_000 && log.ends_with("(the log ends here: its limit is 65536 bytes)\n"),
        "{}",
        log.len()
    );
}

#[tokio::test]
async fn a_missing_method_is_named() {
    let error = run(&counter().await, "subtract", counted(0), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::MethodNotFound, Some("subtract")));
    let error = run(&counter().await, "constructor", counted(0), vec![]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::MethodNotFound);
}

/// A file system whose calls go to a sandbox of their own.
struct Nesting(std::sync::Arc<emerge_runtime::Sandbox>, Vec<std::sync::Arc<emerge_proto::ClassVersion>>);

impl emerge_runtime::Fs for Nesting {
    fn request(&self, op: emerge_proto::Op) -> emerge_runtime::BoxFuture<'_, emerge_proto::Result<Vec<u8>>> {
        Box::pin(async move {
            let emerge_proto::Op::Call { method, args, .. } = op else { panic!("{op:?} is not asked for") };
            tokio::task::yield_now().await;
            let mut call = call_of(&self.1, &method, map(&[]), vec![]);
            call.args = args;
            let fs = std::sync::Arc::new(Nesting(self.0.clone(), self.1.clone()));
            let returned = self.0.call(call, fs).await?;
            Ok(emerge_proto::class::encode(&emerge_proto::record::Called {
                result: returned.result,
                version: None,
                log: None,
            }))
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_calls_do_not_wait_for_the_outer_ones() {
    sandbox();
    let mut options = emerge_runtime::SandboxOptions::new(
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"),
    );
    (options.calls, options.threads, options.idle) = (1, 1, 1);
    let small = tokio::task::block_in_place(|| emerge_runtime::Sandbox::open(&options, &|_| {})).unwrap();
    let small = std::sync::Arc::new(small);
    let source = "class Nest extends EmergeObject { async down(n) { return n ? 1 + await fs.call('/x', 'down', n - 1) : 0; } }";
    let lineage = keep(class("Nest", source, &[]), &[]).await.unwrap();
    let calls = (0..4).map(|_| {
        let fs = std::sync::Arc::new(Nesting(small.clone(), lineage.clone()));
        let call = call_of(&lineage, "down", map(&[]), vec![Value::Int(6)]);
        small.call(call, fs)
    });
    for returned in futures_util::future::join_all(calls).await {
        assert_value(&result(returned.unwrap()), &Value::Int(6));
    }
}
