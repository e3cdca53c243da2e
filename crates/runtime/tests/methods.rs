//! What a method can do: the suite that every language passes.

#![allow(clippy::unwrap_used, reason = "tests, which a macro makes of functions")]

mod common;

use common::*;
use emerge_proto::class::encode;
use emerge_proto::op::Target;
use emerge_proto::record::{Called, Page};
use emerge_proto::{ClassVersion, Error, ErrorCode, FieldType, Language, ObjectType, Op, Stat, Value};
use emerge_runtime::{BoxFuture, Fs, Runtime, Sandbox, SandboxOptions};
use std::sync::Arc;

in_each_language!(
    a_method_reads_its_arguments_and_changes_the_state,
    an_async_method_is_awaited,
    what_did_not_change_gives_no_state,
    static_methods_and_properties_are_called,
    the_declared_type_decides_what_a_number_is,
    every_value_comes_and_goes,
    an_object_knows_itself,
    methods_are_inherited,
    the_clock_and_randomness_are_the_calls,
    a_method_uses_the_file_system,
    a_call_on_a_directory_gives_a_result_for_each_member,
    an_embedded_object_passes_through,
    what_a_method_logs_comes_back_within_its_limit,
    what_a_method_logged_comes_back_with_its_failure,
    a_missing_method_is_named,
    nested_calls_do_not_wait_for_the_outer_ones,
);

const JAVASCRIPT: &str = r#"class Counter extends EmergeObject {
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

const PYTHON: &str = r#"@emerge.dataclass
class Counter(emerge.Object):
    count: int = 0
    ratio: float = 0.0

    def add(self, by=1, *more):
        """Adds to the count.

        Gives the new one.
        """
        self.count += by + sum(more)
        return self.count

    async def later(self, by):
        self.count += by
        return [self.count]

    @property
    def double(self):
        return self.count * 2

    @classmethod
    def about(cls):
        return cls.__name__

    def look(self):
        return {"keys": list(vars(self)), "path": self.meta.path, "is": isinstance(self, Counter)}

    def same(self):
        self.ratio = self.ratio

    def whole(self):
        self.ratio = 3
"#;

type Lineage = Vec<Arc<ClassVersion>>;

async fn counter(of: Language) -> Lineage {
    let source = match of {
        Language::Python => python(
            "Counter",
            PYTHON,
            &[("count", FieldType::Int, Value::Int(0)), ("ratio", FieldType::Float, Value::Float(0.0))],
        ),
        _ => class("Counter", JAVASCRIPT, &[("count", FieldType::Int), ("ratio", FieldType::Float)]),
    };
    keep(source, &[]).await.expect("the class is a good one")
}

fn counted(count: i64) -> Value {
    map(&[("count", Value::Int(count)), ("ratio", Value::Float(1.0))])
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

async fn a_method_reads_its_arguments_and_changes_the_state(of: Language) {
    let lineage = counter(of).await;
    let names: Vec<&str> = lineage[0].methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, ["add", "later", "double", "about", "look", "same", "whole"]);
    assert!(lineage[0].methods[0].doc.as_deref().is_some_and(|doc| doc.starts_with("Adds to the count.")));
    let returned = run(&lineage, "add", counted(5), vec![Value::Int(2), Value::Int(10)]).await.unwrap();
    assert_eq!(returned.state.as_deref(), Some(counted(17).encode().as_slice()));
    assert_value(&result(returned), &Value::Int(17));
    let returned = run(&lineage, "add", counted(5), vec![]).await.unwrap();
    assert_value(&result(returned), &Value::Int(6));
}

async fn an_async_method_is_awaited(of: Language) {
    let returned = run(&counter(of).await, "later", counted(1), vec![Value::Int(2)]).await.unwrap();
    assert_eq!(returned.state.as_deref(), Some(counted(3).encode().as_slice()));
    assert_value(&result(returned), &Value::List(vec![Value::Int(3)]));
}

async fn what_did_not_change_gives_no_state(of: Language) {
    let lineage = counter(of).await;
    for method in ["same", "double", "about"] {
        assert_eq!(run(&lineage, method, counted(4), vec![]).await.unwrap().state, None, "{method}");
    }
}

async fn static_methods_and_properties_are_called(of: Language) {
    let lineage = counter(of).await;
    assert_value(&result(run(&lineage, "double", counted(4), vec![]).await.unwrap()), &Value::Int(8));
    assert_value(&result(run(&lineage, "about", counted(4), vec![]).await.unwrap()), &text("Counter"));
}

async fn the_declared_type_decides_what_a_number_is(of: Language) {
    let returned = run(&counter(of).await, "whole", counted(4), vec![]).await.unwrap();
    let expected = map(&[("count", Value::Int(4)), ("ratio", Value::Float(3.0))]);
    assert_eq!(returned.state.as_deref(), Some(expected.encode().as_slice()));
    assert_value(&Value::decode(&returned.result).unwrap(), &Value::Null);
}

async fn every_value_comes_and_goes(of: Language) {
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
    let returned = run_thing(
        of,
        "run(...all) { return all; }",
        "def run(self, *all):\n    return list(all)",
        values.clone(),
    );
    assert_value(&result(returned.await.unwrap()), &Value::List(values));
}

async fn an_object_knows_itself(of: Language) {
    let lineage = counter(of).await;
    let fs = OneObject::new(&lineage, counted(1));
    let returned = sandbox().call(call_of(&lineage, "look", counted(1), vec![]), fs).await.unwrap();
    let expected = map(&[
        ("keys", Value::List(vec![text("count"), text("ratio")])),
        ("path", text("/things/one")),
        ("is", Value::Bool(true)),
    ]);
    assert_value(&result(returned), &expected);
}

async fn methods_are_inherited(of: Language) {
    let base = counter(of).await;
    let source = match of {
        Language::Python => {
            "class Doubler(Counter):\n    def add(self, n):\n        return super().add(2 * n)\n"
        }
        _ => "class Doubler extends Counter { add(n) { return super.add(2 * n); } }",
    };
    let lineage = keep(extending("Doubler", source, &base), &base).await.unwrap();
    let returned = run(&lineage, "add", counted(1), vec![Value::Int(3)]).await.unwrap();
    assert_value(&result(returned), &Value::Int(7));
    let returned = run(&lineage, "double", counted(4), vec![]).await.unwrap();
    assert_value(&result(returned), &Value::Int(8));
    let returned = run(&lineage, "whole", counted(4), vec![]).await.unwrap();
    let expected = map(&[("count", Value::Int(4)), ("ratio", Value::Float(3.0))]);
    let expected = Some(expected.encode());
    assert_eq!(returned.state, expected, "inherited declared types count");
}

async fn the_clock_and_randomness_are_the_calls(of: Language) {
    let javascript = "run() { return [new Date(), Math.random(), Math.random()]; }";
    let in_python = "def run(self):
    return [datetime.datetime.now(datetime.timezone.utc).replace(microsecond=123000), random.random(), random.random(),
            os.urandom(8), uuid.uuid4(), secrets.token_hex(4)]";
    let first = result(run_thing(of, javascript, in_python, vec![]).await.unwrap());
    assert_value(&result(run_thing(of, javascript, in_python, vec![]).await.unwrap()), &first);
    let lineage = keep(thing(of, javascript, in_python), &[]).await.unwrap();
    let mut call = call_of(&lineage, "run", map(&[]), vec![]);
    (call.seed, call.user) = (43, "eve".into());
    let other = result(sandbox().call(call, Arc::new(NoFs)).await.unwrap());
    let (Value::List(first), Value::List(other)) = (first, other) else { panic!("lists") };
    assert_value(&first[0], &Value::DateTime(1_700_000_000_123_000));
    assert_value(&other[0], &first[0]);
    assert_ne!(first[1].encode(), first[2].encode());
    for (first, other) in first.iter().zip(&other).skip(1) {
        assert_ne!(first.encode(), other.encode(), "another seed");
    }
}

async fn a_method_uses_the_file_system(of: Language) {
    let lineage = counter(of).await;
    let javascript = r#"async run() {
        const other = await fs.get("/things/one");
        const called = await fs.call("/things/one", "add", 5);
        const proxied = await fs.proxy("/things/one").add(6);
        return [other.count, called, proxied];
      }
      async miss() {
        try { await fs.get("/none"); } catch (error) { return [error.code, error.path, error.name, error instanceof NotFoundError]; }
      }
      async let() { await fs.get("/none"); }"#;
    let in_python = r#"
def run(self):
    other = emerge.fs.get("/things/one")
    return [other.count, self.fs.call("/things/one", "add", 5), emerge.fs.proxy("/things/one").add(6)]

async def miss(self):
    try:
        await emerge.fs.aio.get("/none")
    except emerge.errors.NotFoundError as error:
        return [error.code, error.path, type(error).__name__, isinstance(error, emerge.EmergeError)]

def let(self):
    emerge.fs.get("/none")"#;
    let user = keep(thing(of, javascript, in_python), &[]).await.unwrap();
    let fs = OneObject::new(&lineage, counted(10));
    let returned = sandbox().call(call_of(&user, "run", map(&[]), vec![]), fs.clone()).await.unwrap();
    assert_value(&result(returned), &Value::List(vec![Value::Int(10), Value::Int(15), Value::Int(16)]));
    let asked: Vec<&str> = fs.asked.lock().unwrap().iter().map(Op::name).collect();
    assert_eq!(asked.iter().filter(|name| **name == "call").count(), 2, "{asked:?}");

    let returned = run(&user, "miss", map(&[]), vec![]).await.unwrap();
    let expected = ["not_found", "/none", "NotFoundError"].map(text);
    assert_value(&result(returned), &Value::List([expected.to_vec(), vec![Value::Bool(true)]].concat()));

    let error = run(&user, "let", map(&[]), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::NotFound, Some("/none")));
}

/// A directory with two objects, of which one has no such method, and a directory in it.
struct Directory;

impl Directory {
    fn page(&self, after: Option<&str>) -> Page {
        let member = |name: &str, kind| Stat { name: name.into(), kind, ..OneObject::stat_of(None) };
        match after {
            None => Page::by_name(vec![member("a", ObjectType::Object)], Some("a".into())),
            Some(_) => {
                Page::by_name(vec![member("b", ObjectType::Directory), member("c", ObjectType::Object)], None)
            }
        }
    }
}

impl Fs for Directory {
    fn request(&self, op: Op) -> BoxFuture<'_, emerge_proto::Result<Vec<u8>>> {
        Box::pin(async move {
            match op {
                Op::List { after, .. } => Ok(encode(&self.page(after.as_deref()))),
                Op::Call { path: Target::Path(path), method, args, .. } => {
                    match (path.as_str(), method.as_str()) {
                        ("/dir", _) => Err(Error::new(ErrorCode::IsADirectory, "a directory").at(path)),
                        ("/dir/c", "most") => {
                            Err(Error::new(ErrorCode::MethodNotFound, "no").at(path).field("most"))
                        }
                        ("/dir/a" | "/dir/c", _) => {
                            Ok(encode(&Called { result: args, version: None, log: None }))
                        }
                        _ => panic!("{path} is no object"),
                    }
                }
                other => panic!("{other:?} is not asked for"),
            }
        })
    }
}

async fn a_call_on_a_directory_gives_a_result_for_each_member(of: Language) {
    let javascript = r#"async run(method) { return Object.fromEntries(await fs.call("/dir", method, 1, "x")); }
      async each(method) {
        const all = [];
        for await (const one of fs.callEach("/dir", method, [2])) all.push([one.path, one.error ? one.error.code : one.result]);
        return all;
      }"#;
    let in_python = r#"
def run(self, method):
    return emerge.fs.call("/dir", method, 1, "x")

async def each(self, method):
    return [[one.path, one.error.code if one.error else one.result] async for one in emerge.fs.aio.call_each("/dir", method, 2)]"#;
    let lineage = keep(thing(of, javascript, in_python), &[]).await.unwrap();
    let call = |name: &str, method: &str| {
        sandbox().call(call_of(&lineage, name, map(&[]), vec![text(method)]), Arc::new(Directory))
    };
    let args = Value::List(vec![Value::Int(1), text("x")]);
    let all = result(call("run", "all").await.unwrap());
    assert_value(&all, &map(&[("a", args.clone()), ("c", args)]));
    let error = call("run", "most").await.unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::MethodNotFound, Some("/dir/c")));
    let pair = |path: &str, value: Value| Value::List(vec![text(path), value]);
    let each = result(call("each", "most").await.unwrap());
    let two = Value::List(vec![Value::Int(2)]);
    assert_value(&each, &Value::List(vec![pair("/dir/a", two), pair("/dir/c", text("method_not_found"))]));
}

async fn an_embedded_object_passes_through(of: Language) {
    let inner = counter(of).await;
    let fs = OneObject::new(&inner, counted(1));
    let source = thing(
        of,
        "run(one) { this.kept = one; return [one.constructor.name, one.count, one]; }",
        "def run(self, one):\n    self.kept = one\n    return [type(one).__name__, one.count, one]",
    );
    let lineage = keep(source, &[]).await.unwrap();
    let fields = vec![("count".into(), Value::Int(3)), ("ratio".into(), Value::Float(2.0))];
    let one = Value::Object { class: inner[0].hash, fields };
    let call = call_of(&lineage, "run", map(&[]), vec![one.clone()]);
    let returned = sandbox().call(call, fs).await.unwrap();
    assert_eq!(returned.state, Some(map(&[("kept", one.clone())]).encode()));
    assert_value(&result(returned), &Value::List(vec![text("Counter"), Value::Int(3), one]));
}

async fn what_a_method_logs_comes_back_within_its_limit(of: Language) {
    let returned = run_thing(
        of,
        r#"run() { console.log("a", 1); console.error(new TypeError("x")); }"#,
        "def run(self):\n    print('a', 1)\n    print(repr(TypeError('x')), file=sys.stderr, end='')",
        vec![],
    );
    let second = if of == Language::Python { "TypeError('x')" } else { "TypeError: x" };
    assert_eq!(returned.await.unwrap().log, format!("a 1\n{second}\n"));
    let returned = run_thing(
        of,
        r#"run() { for (let i = 0; i < 100000; i++) console.log("0123456789".repeat(10)); }"#,
        "def run(self):\n    for i in range(100000): print('0123456789' * 10)",
        vec![],
    );
    let log = returned.await.unwrap().log;
    assert!(
        log.len() < 70_000 && log.ends_with("(the log ends here: its limit is 65536 bytes)\n"),
        "{}",
        log.len()
    );
}

async fn what_a_method_logged_comes_back_with_its_failure(of: Language) {
    for (javascript, python, code) in [
        (
            "run() { console.log('a'); throw new Error('no'); }",
            "def run(self):\n    print('a')\n    raise ValueError('no')",
            ErrorCode::MethodFailed,
        ),
        (
            "run() { console.log('a'); for (;;); }",
            "def run(self):\n    print('a')\n    while True: pass",
            ErrorCode::DeadlineExceeded,
        ),
    ] {
        let error = run_thing(of, javascript, python, vec![]).await.unwrap_err();
        assert_eq!((error.code, error.log.as_deref()), (code, Some("a\n")), "{error:?}");
    }
    let silent = run_thing(of, "run() { throw 1; }", "def run(self):\n    1 / 0", vec![]).await.unwrap_err();
    assert_eq!(silent.log, None);
}

async fn a_missing_method_is_named(of: Language) {
    let lineage = counter(of).await;
    for name in ["subtract", "constructor", "__init__", "count"] {
        let error = run(&lineage, name, counted(0), vec![]).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::MethodNotFound, Some(name)));
    }
}

async fn nested_calls_do_not_wait_for_the_outer_ones(of: Language) {
    sandbox();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let mut options = SandboxOptions::new(folder);
    (options.calls, options.threads, options.idle) = (1, 1, 1);
    let small = tokio::task::block_in_place(|| Sandbox::open(&options, &|_| {})).unwrap();
    let small = Arc::new(small);
    let source = thing(
        of,
        "async down(n) { return n ? 1 + await fs.call('/x', 'down', n - 1) : 0; }",
        "def down(self, n):\n    return 1 + emerge.fs.call('/x', 'down', n - 1) if n else 0",
    );
    let lineage = keep(source, &[]).await.unwrap();
    let calls = (0..4).map(|_| {
        let fs = Arc::new(Nesting(small.clone(), lineage.clone()));
        small.call(call_of(&lineage, "down", map(&[]), vec![Value::Int(6)]), fs)
    });
    for returned in futures_util::future::join_all(calls).await {
        assert_value(&result(returned.unwrap()), &Value::Int(6));
    }
}
