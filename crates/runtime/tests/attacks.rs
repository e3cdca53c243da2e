//! What a method cannot do: the suite that every language passes.

#![allow(clippy::unwrap_used, reason = "tests, which a macro makes of functions")]

mod common;

use common::*;
use emerge_proto::{ErrorCode, Language, Value};
use emerge_runtime::Runtime;
use std::sync::Arc;
use std::time::{Duration, Instant};

in_each_language!(
    loops_end_at_the_deadline_and_others_run_meanwhile,
    memory_is_bounded,
    deep_recursion_is_an_error_of_the_method,
    an_error_shows_the_users_own_line,
    what_has_no_mapping_names_its_field,
    a_result_over_the_limit_is_refused,
    the_machine_is_out_of_reach,
    nothing_of_a_call_is_there_in_the_next,
    what_changes_in_place_is_reset_as_well,
    users_do_not_meet,
    a_dropped_call_stops,
    a_bad_class_is_refused_when_it_is_stored,
);

async fn loops_end_at_the_deadline_and_others_run_meanwhile(of: Language) {
    let began = Instant::now();
    let attack = tokio::spawn(async move {
        let source = thing(of, "run() { for (;;); }", "def run(self):\n    while True: pass");
        let lineage = keep(source, &[]).await.unwrap();
        let mut call = call_of(&lineage, "run", map(&[]), vec![]);
        call.deadline = Duration::from_millis(1500);
        sandbox().call(call, Arc::new(NoFs)).await.unwrap_err()
    });
    let honest = run_thing(of, "run() { return 1; }", "def run(self): return 1", vec![]).await.unwrap();
    assert_value(&result(honest), &Value::Int(1));
    let error = attack.await.unwrap();
    assert_eq!(error.code, ErrorCode::DeadlineExceeded);
    assert_eq!((error.limit, error.path.as_deref()), (Some(1500), Some("/things/one")));
    assert!(began.elapsed() < Duration::from_secs(30));
}

async fn memory_is_bounded(of: Language) {
    for (javascript, in_python) in [
        (
            "run() { const all = []; for (;;) all.push([1, 2, 3, 4]); }",
            "def run(self):\n    all = []\n    while True: all.append([1, 2, 3, 4])",
        ),
        (
            "run() { const all = []; for (;;) all.push(new Uint8Array(1e6)); }",
            "def run(self):\n    all = []\n    while True: all.append(bytearray(10 ** 6))",
        ),
        (
            "run() { const all = []; for (;;) { try { all.push(new ArrayBuffer(1e7)); } catch {} } }",
            "def run(self):\n    all = []\n    while True:\n        try: all.append(bytes(10 ** 7))\n        except BaseException: pass",
        ),
    ] {
        let lineage = keep(thing(of, javascript, in_python), &[]).await.unwrap();
        let call = call_of(&lineage, "run", map(&[]), vec![]);
        let limit = call.memory as u64;
        let error = sandbox().call(call, Arc::new(NoFs)).await.unwrap_err();
        assert_eq!((error.code, error.limit), (ErrorCode::OutOfMemory, Some(limit)), "{}", error.message);
    }
    let after = run_thing(of, "run() { return 1; }", "def run(self): return 1", vec![]).await.unwrap();
    assert_value(&result(after), &Value::Int(1));
}

async fn deep_recursion_is_an_error_of_the_method(of: Language) {
    for (javascript, in_python) in [
        ("run() { return this.run(); }", "def run(self): return self.run()"),
        ("async run() { return await this.run(); }", "async def run(self): return await self.run()"),
        (
            "get x() { return this.x; } run() { return this.x; }",
            "def run(self): return self.x\n@property\ndef x(self): return self.x",
        ),
        ("run() { return JSON.parse('['.repeat(1e5)); }", "def run(self): return json.loads('[' * 100000)"),
        ("run() { return eval('['.repeat(1e5)); }", "def run(self): return eval('[' * 100000)"),
    ] {
        let error = run_thing(of, javascript, in_python, vec![]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::MethodFailed, "{in_python}: {}", error.message);
    }
    let after = run_thing(of, "run() { return 2; }", "def run(self): return 2", vec![]).await.unwrap();
    assert_value(&result(after), &Value::Int(2));
}

async fn an_error_shows_the_users_own_line(of: Language) {
    let lineage = keep(
        thing(
            of,
            "run() {\n    return this.inner(3);\n  }\n  inner(n) {\n    throw new RangeError(`not ${n}`);\n  }",
            "def run(self):\n    return self.inner(3)\n\ndef inner(self, n):\n    raise ValueError(f'not {n}')",
        ),
        &[],
    );
    let error = run(&lineage.await.unwrap(), "run", map(&[]), vec![]).await.unwrap_err();
    let (kind, within, first, second) = match of {
        Language::Python => ("ValueError", "Thing.inner", "return self.inner(3)", "raise ValueError"),
        _ => ("RangeError", "inner", "return this.inner(3);", "throw new RangeError"),
    };
    assert_eq!((error.code, error.message), (ErrorCode::MethodFailed, format!("{kind}: not 3")));
    assert_eq!(error.path.as_deref(), Some("/things/one"));
    let trace = error.trace.unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    assert_eq!(lines.len(), 4, "{trace}");
    assert!(lines[0].contains("Thing, line 3") && lines[1].trim() == first, "{trace}");
    assert!(
        lines[2].contains(&format!("Thing, line 6, in {within}")) && lines[3].contains(second),
        "{trace}"
    );
}

async fn what_has_no_mapping_names_its_field(of: Language) {
    for (javascript, in_python, expected) in [
        (
            "run() { return { a: [1, { b() {} }] }; }",
            "def run(self): return {'a': [1, {'b': print}]}",
            "a[1].b",
        ),
        (
            "run() { const a = {}; a.a = { a }; return a; }",
            "def run(self):\n    a = {}\n    a['a'] = {'a': a}\n    return a",
            "a.a",
        ),
        ("run() { this.f = () => 1; }", "def run(self): self.f = lambda: 1", "f"),
        ("run() { return [Symbol('x')]; }", "def run(self): return [object()]", "[0]"),
    ] {
        let error = run_thing(of, javascript, in_python, vec![]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::UnmappableValue, "{in_python}: {}", error.message);
        assert!(
            error.field.as_deref().is_some_and(|field| field.ends_with(expected)),
            "{in_python}: {:?}",
            error.field
        );
    }
}

async fn a_result_over_the_limit_is_refused(of: Language) {
    let limit = emerge_proto::limits::MAX_STATE;
    let big = Value::Int(limit as i64 + 1);
    for (javascript, in_python) in [
        ("run(n) { return new Uint8Array(n); }", "def run(self, n): return bytes(n)"),
        ("run(n) { this.all = new Uint8Array(n); }", "def run(self, n): self.all = bytes(n)"),
    ] {
        let lineage = keep(thing(of, javascript, in_python), &[]).await.unwrap();
        let mut call = call_of(&lineage, "run", map(&[]), vec![big.clone()]);
        call.memory = emerge_proto::limits::CALL_MEMORY;
        let error = sandbox().call(call, Arc::new(NoFs)).await.unwrap_err();
        assert_eq!((error.code, error.limit), (ErrorCode::TooLarge, Some(limit as u64)), "{}", error.message);
    }
}

async fn the_machine_is_out_of_reach(of: Language) {
    if of == Language::JavaScript {
        let names = "require process Deno Bun fetch WebSocket XMLHttpRequest setTimeout navigator WebAssembly importScripts std os";
        for name in names.split(' ') {
            let body = format!("run() {{ return typeof globalThis.{name}; }}");
            assert_value(&result(run_body(&body, vec![]).await.unwrap()), &Value::Text("undefined".into()));
        }
        let error = run_body("async run() { return await import('fs'); }", vec![]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ClassInvalid);
        return;
    }
    for body in [
        "open('/etc/passwd')",
        "os.listdir('/')",
        "os.remove('/etc/passwd')",
        "os.system('id')",
        "socket.socket()",
        "socket.create_connection(('127.0.0.1', 80))",
        "subprocess.run(['id'])",
        "pathlib.Path('/etc/passwd').read_text()",
        "__import__('_io').FileIO('/etc/passwd')",
        "__import__('posix').open('/etc/passwd', 0)",
    ] {
        let error =
            run_thing(of, "", &format!("def run(self): return {body}"), vec![]).await.expect_err(body);
        assert_eq!(error.code, ErrorCode::MethodFailed, "{body}: {error:?}");
        let missing = body.starts_with("os.system") && error.message.starts_with("AttributeError");
        assert!(error.message.starts_with("OSError") || missing, "{body}: {error:?}");
    }
}

async fn nothing_of_a_call_is_there_in_the_next(of: Language) {
    let javascript = r#"static seen = [];
      run() {
        const before = [globalThis.left, Object.prototype.left, Array.prototype.map.left, this.constructor.extra, fs.left, console.left, EmergeObject.left, "x".left];
        globalThis.left = 1; Thing.extra = 4; EmergeObject.left = 7;
        for (const at of [Object.prototype, Array.prototype.map, fs, console, String.prototype]) Reflect.set(at, "left", 2);
        Reflect.set(Promise.prototype, "then", null); Reflect.set(JSON, "parse", null);
        return before.map((one) => one ?? null);
      }"#;
    let in_python = r#"
def run(self):
    places = [builtins, sys, json, emerge, emerge.errors, Thing, emerge.Object, sys.modules["__main__"]]
    before = [getattr(place, "left", None) for place in places]
    for place in places:
        place.left = 1
    globals()["Other"] = 2
    json.loads = emerge.EmergeError = builtins.abs = None
    sys.modules["left"] = sys
    sys.path.append("left")
    sys.setrecursionlimit(100)
    sys.stdout = None
    gc.disable()
    return before"#;
    let lineage = keep(thing(of, javascript, in_python), &[]).await.unwrap();
    for _ in 0..4 {
        let returned = run(&lineage, "run", map(&[]), vec![]).await.unwrap();
        assert_value(&result(returned), &Value::List(vec![Value::Null; 8]));
    }
}

async fn what_changes_in_place_is_reset_as_well(of: Language) {
    let javascript = r#"static seen = [];
      static by = new Map();
      static { this.inner = { list: [] }; let n = 0; this.count = () => ++n; }
      static pattern = /a/g;
      run() {
        const before = [Thing.seen.length, Thing.by.size, Thing.inner.list.length, Thing.count() - 1, Thing.pattern.lastIndex];
        Thing.seen.push(1); Thing.by.set(1, 1); Thing.inner.list.push(1); Thing.pattern.test("a");
        return before;
      }"#;
    let in_python = r#"
seen = []
by = collections.defaultdict(list)
inner = {"list": []}
cache = functools.cache(lambda n: [])
pattern = iter([0, 1, 2, 3, 4])

def run(self, at=[]):
    before = [len(Thing.seen), len(Thing.by), len(Thing.inner["list"]), len(Thing.cache(1)), next(Thing.pattern)]
    others = [len(at), decimal.getcontext().prec, len(warnings.filters), len(json.__path__), len(emerge.__path__)]
    Thing.seen.append(1); Thing.by[1]; Thing.inner["list"].append(1); Thing.cache(1).append(1); at.append(1)
    decimal.getcontext().prec += 1; warnings.simplefilter("error"); json.__path__.append(""); emerge.__path__.append("")
    return before + others"#;
    let lineage = keep(thing(of, javascript, in_python), &[]).await.unwrap();
    let first = result(run(&lineage, "run", map(&[]), vec![]).await.unwrap());
    let Value::List(items) = &first else { panic!("{first:?} is no list") };
    assert_value(&Value::List(items[..5].to_vec()), &Value::List(vec![Value::Int(0); 5]));
    for user in ["ada", "ada", "bob", "ada", "bob"] {
        let mut call = call_of(&lineage, "run", map(&[]), vec![]);
        call.user = user.into();
        assert_value(&result(sandbox().call(call, Arc::new(NoFs)).await.unwrap()), &first);
    }
    // A failed call leaves no more than one that went well.
    let source = thing(
        of,
        "static seen = []; run() { Thing.seen.push(1); throw new Error(`${Thing.seen.length}`); }",
        "seen = []\ndef run(self):\n    self.seen.append(1)\n    raise ValueError(f'{len(self.seen)}')",
    );
    let lineage = keep(source, &[]).await.unwrap();
    for _ in 0..3 {
        let error = run(&lineage, "run", map(&[]), vec![]).await.unwrap_err();
        assert!(error.message.ends_with("Error: 1"), "{}", error.message);
    }
}

async fn users_do_not_meet(of: Language) {
    let source = thing(
        of,
        "run(n) { const was = globalThis.was ?? null; globalThis.was = n; return was; }",
        "def run(self, n):\n    was = getattr(builtins, 'was', None)\n    builtins.was = n\n    return was",
    );
    let lineage = keep(source, &[]).await.unwrap();
    let calls = (0..40).map(|n| {
        let mut call = call_of(&lineage, "run", map(&[]), vec![Value::Int(n)]);
        call.user = format!("user{}", n % 3);
        sandbox().call(call, Arc::new(NoFs))
    });
    for returned in futures_util::future::join_all(calls).await {
        assert_value(&result(returned.unwrap()), &Value::Null);
    }
}

async fn a_dropped_call_stops(of: Language) {
    let source = thing(of, "run() { for (;;); }", "def run(self):\n    while True: pass");
    let lineage = keep(source, &[]).await.unwrap();
    for _ in 0..8 {
        let mut call = call_of(&lineage, "run", map(&[]), vec![]);
        call.deadline = Duration::from_secs(600);
        let running = sandbox().call(call, Arc::new(NoFs));
        assert!(tokio::time::timeout(Duration::from_millis(50), running).await.is_err());
    }
    // Had they gone on, this would find no free thread before its deadline.
    let after = run_thing(of, "run() { return 3; }", "def run(self): return 3", vec![]).await.unwrap();
    assert_value(&result(after), &Value::Int(3));
}

async fn a_bad_class_is_refused_when_it_is_stored(of: Language) {
    let refused = async |javascript: &str, in_python: &str| {
        let error = keep(thing(of, javascript, in_python), &[]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ClassInvalid, "{error:?}");
        error
    };
    let error = refused("run() { return 1 +; }", "def run(self): return 1 +").await;
    let told = format!("{}{}", error.trace.as_deref().unwrap_or_default(), error.message);
    assert!(told.contains("line 2"), "{error:?}");
    let error = refused("run() { return nowhere; }", "def run(self): return nowhere").await;
    assert_eq!(error.field.as_deref(), Some("nowhere"));
    refused("static x = (() => { throw new Error('boom'); })();", "x = 1 / 0").await;
}
