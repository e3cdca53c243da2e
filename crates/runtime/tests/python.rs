//! Methods of Python classes, in the Python guest.

mod common;

use common::*;
use emerge_proto::class::{Capture, Captured};
use emerge_proto::{ClassSource, ClassVersion, ErrorCode, FieldType, Language, Value};
use emerge_runtime::Runtime;
use std::sync::Arc;

/// A class in Python that uses `emerge`, and what else is named.
fn python(name: &str, source: &str, fields: &[(&str, FieldType)], modules: &[&str]) -> ClassSource {
    let capture =
        |module: &&str| Capture { name: (*module).into(), what: Captured::Module((*module).into()) };
    ClassSource {
        language: Language::Python,
        captures: Some(["emerge"].iter().chain(modules).map(capture).collect()),
        ..class(name, source, fields)
    }
}

const COUNTER: &str = "@emerge.dataclass
class Counter(emerge.Object):
    count: int = 0
    ratio: float = 0.0

    def add(self, by=1, *more):
        \"\"\"Adds to the count.\"\"\"
        self.count += by + sum(more)
        return self.count

    async def later(self, by):
        self.count += by
        return [self.count]

    @property
    def double(self):
        return self.count * 2

    def say(self, text):
        print(text)

    def fail(self):
        raise ValueError('no')
";

async fn counter() -> Vec<Arc<ClassVersion>> {
    let fields = [("count", FieldType::Int), ("ratio", FieldType::Float)];
    keep(python("Counter", COUNTER, &fields, &[]), &[]).await.expect("the class is a good one")
}

fn counted(count: i64) -> Value {
    map(&[("count", Value::Int(count)), ("ratio", Value::Float(1.0))])
}

#[tokio::test]
async fn methods_read_arguments_and_change_the_state() {
    let lineage = counter().await;
    let names: Vec<&str> = lineage[0].methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, ["add", "later", "double", "say", "fail"]);
    let returned = run(&lineage, "add", counted(5), vec![Value::Int(2), Value::Int(10)]).await.unwrap();
    assert_eq!(returned.state.as_deref(), Some(counted(17).encode().as_slice()));
    assert_value(&result(returned), &Value::Int(17));
    let returned = run(&lineage, "later", counted(1), vec![Value::Int(2)]).await.unwrap();
    assert_value(&result(returned), &Value::List(vec![Value::Int(3)]));
    let returned = run(&lineage, "double", counted(4), vec![]).await.unwrap();
    assert_eq!(returned.state, None);
    assert_value(&result(returned), &Value::Int(8));
    let returned = run(&lineage, "say", counted(4), vec![Value::Text("hello".into())]).await.unwrap();
    assert_eq!(returned.log, "hello\n");
    let error = run(&lineage, "fail", counted(4), vec![]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::MethodFailed);
    assert_eq!(error.message, "ValueError: no");
    assert_eq!(
        error.trace.as_deref(),
        Some("  Counter, line 23, in Counter.fail\n    raise ValueError('no')\n")
    );
}

/// A class whose method is the body, and what that gives.
async fn body(text: &str, modules: &[&str]) -> emerge_proto::Result<emerge_runtime::Returned> {
    let source = format!("class Thing(emerge.Object):\n    def run(self):\n        {text}\n");
    let lineage = keep(python("Thing", &source, &[], modules), &[]).await?;
    let mut call = call_of(&lineage, "run", map(&[]), vec![]);
    call.deadline = std::time::Duration::from_secs(5);
    call.memory = 128 * 1024 * 1024;
    sandbox().call(call, Arc::new(NoFs)).await
}

#[tokio::test]
async fn the_machine_is_out_of_reach() {
    for (text, modules) in [
        ("open('/etc/passwd')", &[][..]),
        ("os.listdir('/')", &["os"]),
        ("os.remove('/etc/passwd')", &["os"]),
        ("socket.socket()", &["socket"]),
        ("subprocess.run(['id'])", &["subprocess"]),
        ("pathlib.Path('/etc/passwd').read_text()", &["pathlib"]),
    ] {
        let error = body(text, modules).await.expect_err(text);
        assert_eq!(error.code, ErrorCode::MethodFailed, "{text}: {error:?}");
        assert!(error.message.starts_with("OSError"), "{text}: {error:?}");
    }
}

#[tokio::test]
async fn work_without_end_is_stopped() {
    for (text, code) in [
        ("return self.run()", ErrorCode::MethodFailed),
        ("while True: pass", ErrorCode::DeadlineExceeded),
        ("return 10 ** 10 ** 10", ErrorCode::DeadlineExceeded),
        ("return [0] * 10 ** 9", ErrorCode::OutOfMemory),
    ] {
        let error = body(text, &[]).await.expect_err(text);
        let memory = error.code == ErrorCode::OutOfMemory || error.message.starts_with("MemoryError");
        assert!(error.code == code || memory, "{text}: {error:?}");
    }
    let error = body("return self.run()", &[]).await.unwrap_err();
    assert!(error.message.starts_with("RecursionError"), "{error:?}");
}

#[tokio::test]
async fn clock_and_randomness_are_the_calls() {
    let moment = "return datetime.datetime.now(datetime.timezone.utc)";
    assert_value(
        &result(body(moment, &["datetime"]).await.unwrap()),
        &Value::DateTime(1_700_000_000_123_456),
    );
    for (text, modules) in [
        ("return random.random()", &["random"][..]),
        ("return os.urandom(8)", &["os"]),
        ("return uuid.uuid4()", &["uuid"]),
        ("return secrets.token_hex(4)", &["secrets"]),
    ] {
        let first = result(body(text, modules).await.unwrap_or_else(|error| panic!("{text}: {error:?}")));
        assert_value(&result(body(text, modules).await.unwrap()), &first);
    }
}

#[tokio::test]
async fn a_bad_class_is_refused_when_it_is_stored() {
    let refused = async |source: &str, modules: &[&str]| {
        let error = keep(python("Bad", source, &[], modules), &[]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ClassInvalid, "{error:?}");
        error
    };
    let error = refused("class Bad(emerge.Object):\n    def run(self): return 1 +\n", &[]).await;
    assert!(error.message.contains("line 2"), "{error:?}");
    let error = refused("class Bad(emerge.Object):\n    def run(self): return nowhere\n", &[]).await;
    assert_eq!(error.field.as_deref(), Some("nowhere"));
    let error = refused("class Bad(emerge.Object):\n    def run(self): return numpy.pi\n", &["numpy"]).await;
    assert!(error.message.contains("the module numpy"), "{error:?}");
}
