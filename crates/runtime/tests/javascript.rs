//! What only JavaScript does; what every language does is in `methods.rs` and `attacks.rs`.

mod common;

use common::*;
use emerge_proto::{ErrorCode, Value};
use emerge_runtime::Runtime;
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn code_of(body: &str) -> (ErrorCode, String, Option<String>) {
    match run_body(body, vec![]).await {
        Ok(returned) => panic!("{body} gave {:?}", result(returned)),
        Err(error) => (error.code, error.message, error.field.map(String::from)),
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn loops_end_at_the_deadline_and_others_run_meanwhile() {
    for body in [
        "run() { for (;;); }",
        "async run() { for (;;) await null; }",
        // The promises are let go, so that only the deadline can end it.
        "run() { const f = () => { Promise.resolve().then(f); }; f(); return new Promise(() => {}); }",
        "run() { return /^(a+)+$/.test('a'.repeat(40) + 'b'); }",
        "run() { const a = []; for (;;) { a.push(1); a.length = 0; } }",
        "run() { for (;;) { try { for (;;); } catch {} finally { continue; } } }",
    ] {
        let began = Instant::now();
        let attack = tokio::spawn(async move {
            let source = format!("class Thing extends EmergeObject {{ {body} }}");
            let lineage = keep(class("Thing", &source, &[]), &[]).await.unwrap();
            let mut call = call_of(&lineage, "run", map(&[]), vec![]);
            call.deadline = Duration::from_millis(1500);
            sandbox().call(call, Arc::new(NoFs)).await.unwrap_err()
        });
        let honest = run_body("run() { return 1; }", vec![]).await.unwrap();
        assert_value(&result(honest), &Value::Int(1));
        let error = attack.await.unwrap();
        assert_eq!(error.code, ErrorCode::DeadlineExceeded, "{body}");
        assert_eq!((error.limit, error.path.as_deref()), (Some(1500), Some("/things/one")));
        assert!(began.elapsed() < Duration::from_secs(30), "{body}");
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    for body in [
        "run() { const all = []; for (;;) all.push([1, 2, 3, 4]); }",
        "run() { let s = 'x'; for (;;) s += s + 'y'; }",
        "run() { const all = []; for (;;) all.push(new Uint8Array(1e6)); }",
        "run() { return new Array(1e9).fill(0).length; }",
        "run() { const all = []; for (;;) { try { all.push(new ArrayBuffer(1e7)); } catch {} } }",
    ] {
        let source = format!("class Thing extends EmergeObject {{ {body} }}");
        let lineage = keep(class("Thing", &source, &[]), &[]).await.unwrap();
        let call = call_of(&lineage, "run", map(&[]), vec![]);
        let error = sandbox().call(call, Arc::new(NoFs)).await.unwrap_err();
        let (code, message) = (error.code, error.message);
        // QuickJS itself refuses a text or an array past its own limits.
        let refused =
            code == ErrorCode::MethodFailed && (message.contains("too long") || message.contains("invalid"));
        assert!(code == ErrorCode::OutOfMemory || refused, "{body}: {code} {message}");
    }
}

#[tokio::test]
async fn deep_recursion_is_an_error_of_the_method() {
    for body in [
        "run() { return this.run(); }",
        "async run() { return await this.run(); }",
        "run() { const f = (n) => [n].map(f); return f(1); }",
        "run() { return JSON.parse('['.repeat(1e5)); }",
        "run() { return new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test(''); }",
        "run() { return eval('['.repeat(1e5)); }",
        "run() { let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x; }",
        "get x() { return this.x; } run() { return this.x; }",
        "run() { return 'a'.replace(/a/, () => this.run()); }",
    ] {
        let (code, message, _) = code_of(body).await;
        assert_eq!(code, ErrorCode::MethodFailed, "{body}: {message}");
    }
    assert_value(&result(run_body("run() { return 2; }", vec![]).await.unwrap()), &Value::Int(2));
}

#[tokio::test]
async fn anything_may_be_thrown() {
    for (body, expected) in [
        ("run() { throw 'text'; }", "threw: text"),
        ("run() { throw null; }", "threw: null"),
        ("run() { throw { a: 1n }; }", "threw: {\"a\":\"1n\"}"),
        ("run() { throw Symbol('s'); }", "threw: Symbol(s)"),
        (
            "run() { throw { get message() { throw 1; }, toJSON() { throw 2; } }; }",
            "threw: [a value that cannot be shown]",
        ),
        (
            "run() { throw new (class extends Error { get message() { for (;;) throw 1; } get name() { throw 2; } })(); }",
            "Error",
        ),
        (
            "run() { throw new Proxy({}, { get() { throw 1; }, ownKeys() { throw 2; } }); }",
            "threw: [a value that cannot be shown]",
        ),
        ("async run() { await null; throw new SyntaxError('late'); }", "SyntaxError: late"),
    ] {
        let (code, message, _) = code_of(body).await;
        assert_eq!((code, message.as_str()), (ErrorCode::MethodFailed, expected), "{body}");
    }
    let (code, message, _) = code_of("run() { return new Promise(() => {}); }").await;
    assert_eq!(code, ErrorCode::MethodFailed);
    assert!(message.contains("Thing.run") && message.contains("never settles"), "{message}");
}

#[tokio::test]
async fn what_has_no_mapping_names_its_field() {
    for (body, expected) in [
        ("run() { return { a: [1, { b() {} }] }; }", "a[1].b"),
        ("run() { const a = {}; a.a = { a }; return a; }", "a.a"),
        ("run() { this.f = () => 1; }", "f"),
        ("run() { return [Symbol('x')]; }", "[0]"),
        ("run() { return [new WeakMap()]; }", "[0]"),
    ] {
        let (code, message, field) = code_of(body).await;
        assert_eq!(code, ErrorCode::UnmappableValue, "{body}: {message}");
        assert!(field.as_deref().is_some_and(|field| field.ends_with(expected)), "{body}: {field:?}");
    }
}

/// Everything of the language that a method reaches, by itself and by what a syntax makes.
const LANGUAGE: &str = r#"run() {
    const found = new Set(Object.getOwnPropertyNames(globalThis).map((name) => globalThis[name]));
    const made = [function* () {}, async () => {}, async function* () {}, [].values(), new Map().keys(), new Set().keys(), ""[Symbol.iterator](),
      "".matchAll(/./g), [].values().map(String), (function* () {}).prototype, (async function* () {}).prototype, new Uint8Array(1), /a/, 1n, Symbol("x"), new Error("x")];
    for (const one of made) found.add(Object.getPrototypeOf(one));
    const soft = [];
    for (const at of found) {
      if (Object(at) !== at || at === globalThis || at === globalThis["emerge-client"]) continue;
      if (!Object.isFrozen(at)) soft.push(at.name ?? String(at));
      found.add(Object.getPrototypeOf(at));
      for (const { value, get, set } of Object.values(Object.getOwnPropertyDescriptors(at))) found.add(value).add(get).add(set);
    }
    for (const [name, { writable, configurable }] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
      if (writable || configurable) soft.push(`globalThis.${name}`);
    }
    return [found.size > 500, soft];
  }"#;

#[tokio::test]
async fn the_languages_own_objects_are_frozen() {
    let frozen = result(run_body(LANGUAGE, vec![]).await.unwrap());
    assert_value(&frozen, &Value::List(vec![Value::Bool(true), Value::List(vec![])]));
}

#[tokio::test]
async fn objects_have_members_of_their_own_in_the_place_of_frozen_ones() {
    let body = r#"run() {
        class Mine extends RangeError { constructor() { super("why"); this.name = "Mine"; this.message += "!"; } }
        const error = new Mine();
        const plain = {}; plain.toString = () => "plain"; plain.constructor = 3; plain.valueOf = () => 7;
        function old() {} old.prototype.toString = () => "old"; old.call = 5;
        const listed = Object.keys(plain);
        return [String(error), error instanceof RangeError, `${plain}`, +plain, listed, `${new old()}`, old.call, `${{}}`];
      }"#;
    let text = |text: &str| Value::Text(text.into());
    let expected = vec![
        text("Mine: why!"),
        Value::Bool(true),
        text("plain"),
        Value::Int(7),
        Value::List(vec![text("toString"), text("constructor"), text("valueOf")]),
        text("old"),
        Value::Int(5),
        text("[object Object]"),
    ];
    assert_value(&result(run_body(body, vec![]).await.unwrap()), &Value::List(expected));
}

#[tokio::test]
async fn nothing_of_a_call_is_there_in_the_next() {
    let body = r#"static seen = [];
      run() {
        const before = [globalThis.left, Object.prototype.left, Array.prototype.map.left, Thing.seen.length, this.constructor.extra, fs.left, console.left, EmergeObject.left, "x".left];
        globalThis.left = 1; Thing.seen.push(1); Thing.extra = 4; EmergeObject.left = 7;
        for (const at of [Object.prototype, Array.prototype.map, fs, console, String.prototype]) Reflect.set(at, "left", 2);
        Reflect.set(Promise.prototype, "then", null); Reflect.set(JSON, "parse", null);
        return before.map((one) => one ?? null);
      }"#;
    let clean = [vec![Value::Null; 3], vec![Value::Int(0)], vec![Value::Null; 5]].concat();
    for _ in 0..5 {
        let returned = run_body(body, vec![]).await.unwrap();
        assert_value(&result(returned), &Value::List(clean.clone()));
    }
}

#[test]
fn the_guest_imports_what_it_asks_for_and_a_log() {
    let folder = std::env::var_os("EMERGE_GUESTS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"),
        std::path::PathBuf::from,
    );
    let wasm = std::fs::read(folder.join("javascript.wasm")).expect("run `cargo xtask setup`");
    let module = wasmtime::Module::new(&wasmtime::Engine::default(), wasm).unwrap();
    let mut imports: Vec<(&str, &str)> =
        module.imports().map(|import| (import.module(), import.name())).collect();
    imports.sort_unstable();
    assert_eq!(imports, [("emerge", "ask"), ("emerge", "log")]);
}
