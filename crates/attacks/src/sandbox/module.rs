//! Classes in WebAssembly that are made by hand.

use super::{DEADLINE_MS, PATIENCE};
use crate::attack::{Attack, Got, brief};
use crate::field::{Field, path};
use emerge_proto::guard::Guard;
use emerge_proto::module::Description;
use emerge_proto::op::CallWith;
use emerge_proto::{ClassSource, Language, Value};
use std::fmt::Write;

const DESCRIPTION: &str =
    r#"{"interface": 1, "name": "Attack", "fields": [], "methods": [{"name": "run", "params": []}]}"#;
const IMPORTS: &str = r#"(import "emerge" "request" (func $request (param i32 i32) (result i64)))
  (import "emerge" "log" (func $log (param i32 i32)))
  (import "emerge" "fail" (func $fail (param i32 i32)))"#;
const EXPORTS: &str = r#"(memory (export "memory") 2)
  (func $alloc (export "emerge_alloc") (param $length i32) (result i32) (i32.const 4096))"#;

pub(super) fn attacks() -> Vec<Attack> {
    // What a method does, with a memory of its own.
    let bodies: [(&str, &str, &[Guard], &str); 12] = [
        ("wasm-trap", "trap", &[], "unreachable"),
        ("wasm-loop", "never end", &[Guard::Deadline], "(loop $on (br $on)) (i64.const 0)"),
        ("wasm-recursion", "call itself without end", &[], "(call $call (local.get 0) (local.get 1))"),
        (
            "wasm-memory",
            "take all memory",
            &[],
            "(drop (memory.grow (i32.const 65000))) (i32.store (i32.const 268435452) (i32.const 1)) (i64.const 0)",
        ),
        ("wasm-out-of-bounds", "read past the memory", &[], "(i64.load (i32.const -8))"),
        ("wasm-reply-outside", "give a reply that is not in memory", &[], "(i64.const 0x7fffffff00000fff)"),
        ("wasm-reply-huge", "give a reply of four gigabytes", &[], "(i64.const 0x00000000ffffffff)"),
        (
            "wasm-reply-garbage",
            "give a reply that is no value",
            &[],
            "(i32.store8 (i32.const 0) (i32.const 255)) (i64.const 1)",
        ),
        (
            "wasm-ask-outside",
            "ask for something that is not in memory",
            &[],
            "(call $request (i32.const -16) (i32.const 4096))",
        ),
        (
            "wasm-ask-garbage",
            "ask for what is no operation",
            &[],
            "(call $request (i32.const 0) (i32.const 4000))",
        ),
        (
            "wasm-log-outside",
            "log what is not in memory",
            &[],
            "(call $log (i32.const -1) (i32.const -1)) (i64.const 0)",
        ),
        (
            "wasm-ask-flood",
            "ask without end",
            &[Guard::Deadline],
            "(loop $on (drop (call $request (i32.const 0) (i32.const 1))) (br $on)) (i64.const 0)",
        ),
    ];
    let mut all: Vec<Attack> = bodies
        .into_iter()
        .map(|(name, tries, guards, body)| {
            let call =
                format!("(func $call (export \"emerge_call\") (param i32) (param i32) (result i64) {body})");
            attack(name, tries, guards, format!("{IMPORTS} {EXPORTS} {call}"), false)
        })
        .collect();
    let call = "(func (export \"emerge_call\") (param i32) (param i32) (result i64) (i64.const 0))";
    let alloc = "(func (export \"emerge_alloc\") (param i32) (result i32) (i32.const 4096))";
    let locals = "(local i64)".repeat(60_000);
    // Whole modules, of which that they are stored tells.
    let modules: [(&str, &str, &[Guard], String); 10] = [
        (
            "wasm-wasi",
            "import WASI",
            &[Guard::Imports],
            format!(
                "(import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32))) {EXPORTS} {call}"
            ),
        ),
        (
            "wasm-env",
            "import a function of the host's by another name",
            &[Guard::Imports],
            format!("(import \"env\" \"system\" (func (param i32) (result i32))) {EXPORTS} {call}"),
        ),
        (
            "wasm-imported-memory",
            "share a memory with the host",
            &[],
            format!(
                "(import \"emerge\" \"memory\" (memory 1)) (export \"memory\" (memory 0)) {alloc} {call}"
            ),
        ),
        (
            "wasm-threads",
            "share a memory between threads",
            &[],
            format!("(memory (export \"memory\") 1 2 shared) {alloc} {call}"),
        ),
        (
            "wasm-two-memories",
            "have two memories",
            &[],
            format!("(memory (export \"memory\") 1) (memory 1) {alloc} {call}"),
        ),
        (
            "wasm-memory64",
            "have a memory of 64 bits",
            &[],
            format!("(memory (export \"memory\") i64 1) {alloc} {call}"),
        ),
        (
            "wasm-huge-memory",
            "begin with four gigabytes",
            &[],
            format!("(memory (export \"memory\") 65536) {alloc} {call}"),
        ),
        (
            "wasm-start",
            "never end while it starts",
            &[],
            format!("{EXPORTS} (func $s (loop $on (br $on))) (start $s) {call}"),
        ),
        (
            "wasm-data-outside",
            "write past the memory while it starts",
            &[],
            format!("{EXPORTS} (data (i32.const 131070) \"xxxx\") {call}"),
        ),
        (
            "wasm-huge-table",
            "a table of a thousand million",
            &[],
            format!("{EXPORTS} (table 1000000000 funcref) (func {locals}) {call}"),
        ),
    ];
    all.extend(
        modules.into_iter().map(|(name, tries, guards, text)| attack(name, tries, guards, text, true)),
    );
    all.push(Attack::new("wasm-garbage", "store what is no module", &[], |field| {
        Box::pin(async move {
            let class = ClassSource {
                module: Some(vec![0, 97, 115, 109, 1, 0, 0, 0, 255, 255]),
                ..ClassSource::new("Attack", Language::Wasm, "")
            };
            Got::of(field.plant(&field.fresh(), &class).await)
        })
    }));
    all
}

fn attack(
    name: &'static str,
    tries: &'static str,
    guards: &'static [Guard],
    members: String,
    stored_is_through: bool,
) -> Attack {
    Attack::new(name, tries, guards, move |field| {
        let members = members.clone();
        Box::pin(async move { run(field, &members, stored_is_through).await })
    })
}

async fn run(field: &Field, members: &str, stored_is_through: bool) -> Got {
    let bytes = match wat::parse_str(format!("(module {members} {})", section())) {
        Ok(bytes) => bytes,
        Err(error) => return Got::wrong(error),
    };
    let class = match Description::of(&bytes) {
        Ok(description) => description.class(bytes),
        Err(error) => return Got::Contained(brief(&error.to_string())),
    };
    let at = field.fresh();
    match tokio::time::timeout(PATIENCE * 2, field.plant(&at, &class)).await {
        Err(_) => return Got::Through("it is still stored".into()),
        Ok(Err(error)) => return Got::Contained(brief(&format!("not stored: {error}"))),
        Ok(Ok(())) if stored_is_through => return Got::Through("it was stored".into()),
        Ok(Ok(())) => {}
    }
    let with = CallWith { deadline_ms: Some(DEADLINE_MS), ..CallWith::default() };
    match tokio::time::timeout(PATIENCE, field.eve.call_with(&path(&at), "run", &[], true, with)).await {
        Err(_) => Got::Through(format!("it still ran after {PATIENCE:?}")),
        Ok(Ok(called)) => Got::Through(format!("it gave {:?}", Value::decode(&called.result))),
        Ok(Err(error)) => Got::Contained(brief(&error.to_string())),
    }
}

/// What a module says of itself.
fn section() -> String {
    let value = serde_json::from_str(DESCRIPTION).ok().and_then(|json| Value::from_json(&json).ok());
    let mut text = String::new();
    for byte in value.unwrap_or(Value::Null).encode() {
        let _ = write!(text, "\\{byte:02x}");
    }
    format!("(@custom \"emerge.class\" \"{text}\")")
}
