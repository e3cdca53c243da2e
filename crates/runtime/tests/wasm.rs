//! What is the module's own about classes in wasm; what all languages have in common is in `methods.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_proto::class::{decode, encode};
use emerge_proto::module::Description;
use emerge_proto::op::Target;
use emerge_proto::{ClassSource, ClassVersion, Error, ErrorCode, Op, Result, Stat, Value, limits};
use emerge_runtime::{Returned, Runtime};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DESCRIPTION: &str = r#"{"interface": 1, "name": "Thing", "doc": "A thing.", "fields": [{"name": "count", "type": "int", "default": 0}],
  "methods": [{"name": "run", "doc": "Runs.", "returns": "any", "params": [{"name": "by", "default": 1}]}]}"#;

const IMPORTS: &str = r#"(import "emerge" "request" (func $request (param i32 i32) (result i64)))
  (import "emerge" "log" (func $log (param i32 i32)))
  (import "emerge" "fail" (func $fail (param i32 i32)))"#;

const EXPORTS: &str = r#"(memory (export "memory") 2)
  (global $next (mut i32) (i32.const 4096))
  (func $alloc (export "emerge_alloc") (param $length i32) (result i32)
    global.get $next
    (global.set $next (i32.add (global.get $next) (local.get $length))))"#;

fn section(json: &str) -> String {
    let bytes = Value::from_json(&serde_json::from_str(json).unwrap()).unwrap().encode();
    let mut text = String::new();
    bytes.iter().for_each(|byte| write!(text, "\\{byte:02x}").unwrap());
    format!("(@custom \"emerge.class\" \"{text}\")")
}

/// A module whose method runs these instructions, with the request at `$at`, and gives what they leave.
fn module(body: &str) -> Vec<u8> {
    let call =
        format!("(func (export \"emerge_call\") (param $at i32) (param $length i32) (result i64) {body})");
    assemble(&format!("{IMPORTS} {EXPORTS} {call} {}", section(DESCRIPTION)))
}

fn assemble(members: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {members})")).unwrap()
}

fn source(module: Vec<u8>) -> ClassSource {
    Description::of(&module).unwrap().class(module)
}

async fn stored(module: Vec<u8>) -> Vec<Arc<ClassVersion>> {
    keep(source(module), &[]).await.unwrap()
}

async fn call(body: &str) -> Result<Returned> {
    run(&stored(module(body)).await, "run", map(&[("count", Value::Int(3))]), vec![Value::Int(2)]).await
}

/// Gives the reply that lies at 16.
fn reply(bytes: &str, length: usize) -> String {
    let packed = 16u64 << 32 | length as u64;
    format!("(i64.const {packed})) (data (i32.const 16) \"{bytes}\"")
}

async fn refused(module: Vec<u8>) -> Error {
    let class = match Description::of(&module) {
        Ok(description) => description.class(module),
        Err(error) => return error,
    };
    sandbox().analyse(&class, &[]).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_gets_its_request_and_gives_its_reply() {
    let returned = call(&reply("\\83\\00\\05\\a1\\65count\\09", 11)).await.unwrap();
    assert_eq!(returned.result, [5]);
    assert_eq!(returned.state, Some(map(&[("count", Value::Int(9))]).encode()));
    // The request, as bytes: [0, h'…', null].
    let echo = r#"(memory.copy (i32.const 20) (local.get $at) (local.get $length))
      (i32.store (i32.const 16) (i32.or (i32.const 0x00580083) (i32.shl (local.get $length) (i32.const 24))))
      (i32.store8 (i32.add (i32.const 20) (local.get $length)) (i32.const 0xf6))
      (i64.or (i64.const 0x1000000000) (i64.extend_i32_u (i32.add (local.get $length) (i32.const 5))))"#;
    let lineage = stored(module(echo)).await;
    let wanted = |by: i64| {
        let mut wanted = b"\x87\x63run\x6b/things/one".to_vec();
        wanted.extend(map(&[("count", Value::Int(3))]).encode());
        wanted.extend(Value::List(vec![Value::Int(by)]).encode());
        wanted.extend(Value::Int(1_700_000_000_123_456).encode());
        wanted.extend([0x18, 42, 0x50]);
        wanted.extend(lineage[0].hash.0);
        Value::Bytes(wanted)
    };
    let state = || map(&[("count", Value::Int(3))]);
    let returned = run(&lineage, "run", state(), vec![Value::Int(2)]).await.unwrap();
    assert_eq!(returned.state, None);
    assert_value(&result(returned), &wanted(2));
    // Its default where nothing was given; and by name.
    let returned = run(&lineage, "run", state(), vec![]).await.unwrap();
    assert_value(&result(returned), &wanted(1));
    let mut call = call_of(&lineage, "run", state(), vec![]);
    call.kwargs = Some(map(&[("by", Value::Int(1))]).encode());
    assert_value(&result(sandbox().call(call, Arc::new(NoFs)).await.unwrap()), &wanted(1));
    let error = run(&lineage, "run", state(), vec![Value::Int(1), Value::Int(2)]).await.unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::BadArgument, Some("/things/one")));
    assert!(error.message.contains("run(by = 1)"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_description_is_what_people_see() {
    let lineage = stored(module(&reply("\\83\\00\\05\\f6", 4))).await;
    let method = &lineage[0].methods[0];
    assert_eq!((method.signature().as_str(), method.doc.as_deref()), ("run(by = 1) -> any", Some("Runs.")));
    assert_eq!(lineage[0].source.doc.as_deref(), Some("A thing."));
    let error = run(&lineage, "walk", map(&[]), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::MethodNotFound, Some("walk")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_is_none_is_refused() {
    let good = module("i64.const 0");
    let text = |members: &str| assemble(&format!("{members} {}", section(DESCRIPTION)));
    let run = "(func (export \"emerge_call\") (param i32 i32) (result i64) i64.const 0)";
    let wasi = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
    // Cut within the code, which comes before the section.
    let code = good.windows(12).position(|window| window == b"emerge.class").unwrap() - 5;
    let mut broken = good.clone();
    broken[code] ^= 0xff;
    for (module, field, words) in [
        (b"hello".to_vec(), "module", "does not begin as WebAssembly"),
        (broken, "module", "not valid here"),
        (
            text(&format!("{wasi} {EXPORTS} {run}")),
            "wasi_snapshot_preview1.fd_write",
            "emerge.request, emerge.log, emerge.fail only",
        ),
        (text(&format!(r#"(import "emerge" "clock" (func)) {EXPORTS} {run}"#)), "emerge.clock", "may import"),
        (text(&format!(r#"(import "emerge" "log" (func)) {EXPORTS} {run}"#)), "module", "do not fit"),
        (text(&format!(r#"(import "emerge" "log" (global i32)) {EXPORTS} {run}"#)), "module", "do not fit"),
        (text(EXPORTS), "emerge_call", "exports no function emerge_call"),
        (
            text(&format!("(memory (export \"memory\") 1) {run}")),
            "emerge_alloc",
            "exports no function emerge_alloc",
        ),
        (
            text(&format!("{EXPORTS} (func (export \"emerge_call\") (param i32) (result i64) i64.const 0)")),
            "emerge_call",
            "of the type",
        ),
        (
            text(&format!("{} {run}", EXPORTS.replace("(export \"memory\")", ""))),
            "memory",
            "no memory of the name",
        ),
        (
            text(&format!("{} {run}", EXPORTS.replace("(export \"memory\") 2", "(export \"memory\") i64 2"))),
            "module",
            "not valid here",
        ),
        (text(&format!("{EXPORTS} {run} (memory 1)")), "module", "not valid here"),
        (text(&format!("{} {run}", EXPORTS.replace("\"memory\") 2", "\"memory\") 65000"))), "module", ""),
        (text(&format!("{EXPORTS} {run} (table 1000000 funcref)")), "module", ""),
        (
            assemble(&format!("{EXPORTS} {run} {}", section(&DESCRIPTION.replace("\"int\"", "\"i32\"")))),
            "fields[0].type",
            "not a type of fields",
        ),
        (assemble(&format!("{EXPORTS} {run}")), "module", "no section"),
    ] {
        let error = refused(module).await;
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::ClassInvalid, Some(field)), "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    for (start, words) in [
        ("unreachable", "unreachable"),
        ("(drop (call $request (i32.const 0) (i32.const 0)))", "before the module has been started"),
    ] {
        let members = format!("{IMPORTS} {EXPORTS} {run} (func $start {start}) (start $start)");
        let error = refused(text(&members)).await;
        assert_eq!(error.code, ErrorCode::ClassInvalid);
        assert!(error.message.contains(words), "{error}");
    }
    let mut other = source(good);
    other.fields.clear();
    let error = sandbox().analyse(&other, &[]).await.unwrap_err();
    assert!(error.message.contains("than its module says of itself"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_inside_is_the_methods_failure() {
    for (body, words) in [
        ("unreachable", "unreachable"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0))) i64.const 0", "divide by zero"),
        ("(drop (i32.load (i32.const -4))) i64.const 0", "out of bounds"),
        ("(i64.const 0x7fffffff00000010)", "not in the module's memory"),
        ("(i64.const 0x10ffffffff)", "its reply is 4294967295 bytes"),
        ("(i64.const 0)", "gave no reply that can be read"),
        (
            "(call $fail (i32.const 300) (i32.const 4)) (i64.const 0)) (data (i32.const 300) \"oops\"",
            "Thing.run failed: oops",
        ),
        ("(call $fail (i32.const -9) (i32.const 40)) (i64.const 0)", "not in its memory"),
        ("(call $log (i32.const -9) (i32.const 40)) (i64.const 0)", "not in memory"),
        ("(call $request (i32.const -9) (i32.const 40))", "not in its memory"),
        (&reply("\\83\\00\\05\\05", 4), "gave no reply that can be read: a map is needed"),
        (&reply("\\83\\00\\fc\\05\\f6", 5), "gave no reply that can be read"),
        (&reply("\\82\\00\\05", 3), "a reply is [0, result, state] or [1, error]"),
        ("(local.get $at) (local.get $length) (call 4)", "too deep for the stack"),
    ] {
        let error = call(body).await.unwrap_err();
        assert_eq!(
            (error.code, error.path.as_deref()),
            (ErrorCode::MethodFailed, Some("/things/one")),
            "{body}: {error}"
        );
        assert!(error.message.contains(words), "{error}");
    }
    // Its own error, as it gives it; what has happened is not for it to say.
    let error = Error::new(ErrorCode::NotFound, "none")
        .field("x")
        .at("/y")
        .effect(emerge_proto::error::Effect::Unknown)
        .log("l");
    let mut bytes = String::from("\\82\\01");
    encode(&error).iter().for_each(|byte| write!(bytes, "\\{byte:02x}").unwrap());
    let given = call(&reply(&bytes, bytes.len() / 3)).await.unwrap_err();
    assert_eq!(given, Error { effect: None, log: None, ..error });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_and_memory_are_limited() {
    let lineage = stored(module("(loop br 0) i64.const 0")).await;
    let mut endless = call_of(&lineage, "run", map(&[]), vec![]);
    endless.deadline = Duration::from_millis(100);
    let begun = Instant::now();
    let error = sandbox().call(endless, Arc::new(NoFs)).await.unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::DeadlineExceeded, Some(100)));
    assert!(begun.elapsed() < Duration::from_secs(3));
    let grow = "(drop (memory.grow (i32.const 1100))) i64.const 0";
    let error = call(grow).await.unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::OutOfMemory, Some(64 << 20)), "{error}");
    let table = format!(
        "(drop (table.grow (ref.null func) (i32.const 30000))) {}) (table 1 funcref",
        reply("\\83\\00\\05\\f6", 4)
    );
    assert_value(&result(call(&table).await.unwrap()), &Value::Int(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_has_a_new_instance() {
    // Counts in memory, in a global and by the size of the memory.
    let body = r#"(i32.store8 (i32.const 80) (i32.add (i32.load8_u (i32.const 80)) (i32.const 1)))
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (drop (memory.grow (i32.const 1)))
      (i32.store (i32.const 16) (i32.const 0x83008300))
      (i32.store8 (i32.const 16) (i32.const 0x83)) (i32.store8 (i32.const 17) (i32.const 0))
      (i32.store8 (i32.const 18) (i32.const 0x83)) (i32.store8 (i32.const 19) (i32.load8_u (i32.const 80)))
      (i32.store8 (i32.const 20) (global.get $calls)) (i32.store8 (i32.const 21) (memory.size))
      (i32.store8 (i32.const 22) (i32.const 0xf6)) (i64.const 0x1000000007)"#;
    let lineage = stored(module(&format!("{body}) (global $calls (mut i32) (i32.const 0)"))).await;
    let wanted = Value::List(vec![Value::Int(1), Value::Int(1), Value::Int(3)]);
    for _ in 0..3 {
        assert_value(&result(run(&lineage, "run", map(&[]), vec![]).await.unwrap()), &wanted);
    }
    let calls = (0..200).map(|_| run(&lineage, "run", map(&[]), vec![]));
    for returned in futures_util::future::join_all(calls).await {
        assert_value(&result(returned.unwrap()), &wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_asks_for_operations_and_logs() {
    let stat = encode(&Op::Stat { path: Target::Path("/things/two".into()) });
    let mut data = String::new();
    stat.iter().for_each(|byte| write!(data, "\\{byte:02x}").unwrap());
    // The reply of the operation, as bytes.
    let body = format!(
        r#"(local $reply i64) (local $from i32) (local $size i32)
      (call $log (i32.const 300) (i32.const 5))
      (local.set $reply (call $request (i32.const 400) (i32.const {})))
      (local.set $from (i32.wrap_i64 (i64.shr_u (local.get $reply) (i64.const 32))))
      (local.set $size (i32.wrap_i64 (local.get $reply)))
      (i32.store (i32.const 16) (i32.const 0x00590083))
      (i32.store8 (i32.const 19) (i32.shr_u (local.get $size) (i32.const 8))) (i32.store8 (i32.const 20) (local.get $size))
      (memory.copy (i32.const 21) (local.get $from) (local.get $size))
      (i32.store8 (i32.add (i32.const 21) (local.get $size)) (i32.const 0xf6))
      (i64.or (i64.const 0x1000000000) (i64.extend_i32_u (i32.add (local.get $size) (i32.const 6)))))
      (data (i32.const 300) "hello") (data (i32.const 400) "{data}""#,
        stat.len()
    );
    let lineage = stored(module(&body)).await;
    let fs = OneObject::new(&lineage, map(&[]));
    let returned = sandbox().call(call_of(&lineage, "run", map(&[]), vec![]), fs.clone()).await.unwrap();
    assert_eq!(returned.log, "hello\n");
    let Value::Bytes(reply) = result(returned) else { panic!("bytes") };
    assert_eq!(reply[0], 0);
    assert_eq!(decode::<Stat>(&reply[1..]).unwrap().version, 3);
    assert_eq!(fs.asked.lock().unwrap().len(), 1);
    let Value::Bytes(reply) = result(run(&lineage, "run", map(&[]), vec![]).await.unwrap()) else {
        panic!("bytes")
    };
    assert_eq!(reply[0], 1);
    assert_eq!(decode::<Error>(&reply[1..]).unwrap().code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_module_is_refused_by_its_size() {
    let mut class = source(module("i64.const 0"));
    class.module = Some(vec![0; limits::MAX_MODULE + 1]);
    let error = sandbox().analyse(&class, &[]).await.unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::TooLarge, Some(limits::MAX_MODULE as u64)));
}
