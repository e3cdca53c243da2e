//! What only Python does; what every language does is in `methods.rs` and `attacks.rs`.

mod common;

use common::*;
use emerge_proto::class::{BaseRef, Capture, Captured};
use emerge_proto::{ClassSource, ErrorCode, FieldDecl, FieldType, Language, Result, Value};
use emerge_runtime::{Returned, Runtime};
use std::sync::Arc;
use std::time::Duration;

/// What the body of a method gives, in a call with little time.
async fn body(text: &str) -> Result<Returned> {
    let source = thing(Language::Python, "", &format!("def run(self):\n    {text}"));
    let lineage = keep(source, &[]).await?;
    let mut call = call_of(&lineage, "run", map(&[]), vec![]);
    call.deadline = Duration::from_secs(2);
    sandbox().call(call, Arc::new(NoFs)).await
}

#[tokio::test]
async fn work_without_end_is_stopped() {
    for (text, code) in [
        ("return 10 ** 10 ** 10", ErrorCode::DeadlineExceeded),
        ("return int('9' * 4000) ** 1000000", ErrorCode::DeadlineExceeded),
        ("return [0] * 10 ** 9", ErrorCode::OutOfMemory),
        ("return sum(iter(int, 1))", ErrorCode::DeadlineExceeded),
        ("import re; return re.match('(a+)+$', 'a' * 40 + 'b')", ErrorCode::DeadlineExceeded),
    ] {
        let error = body(text).await.expect_err(text);
        let memory = error.code == ErrorCode::OutOfMemory || error.message.starts_with("MemoryError");
        assert!(error.code == code || memory, "{text}: {error:?}");
    }
    let error = body("return self.run()").await.unwrap_err();
    assert!(error.message.starts_with("RecursionError"), "{error:?}");
}

#[tokio::test]
async fn anything_may_be_raised() {
    for (text, expected) in [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()", "Odd"),
        ("builtins.len = None", "RuntimeError: the method broke the Python that runs it"),
        (
            "builtins.BaseException = builtins.len = builtins.getattr = None",
            "RuntimeError: the method broke the Python that runs it",
        ),
        ("vars(builtins).clear()", "RuntimeError: the method broke the Python that runs it"),
        ("raise ExceptionGroup('all', [ValueError('a')])", "ExceptionGroup: all (1 sub-exception)"),
        ("raise StopIteration", "StopIteration"),
        ("return 1 .__class__.__mro__[9]", "IndexError: tuple index out of range"),
    ] {
        let error = body(text).await.expect_err(text);
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::MethodFailed, expected), "{text}");
    }
}

#[tokio::test]
async fn the_clock_has_microseconds() {
    let returned = body("return datetime.datetime.now(datetime.timezone.utc)").await.unwrap();
    assert_value(&result(returned), &Value::DateTime(1_700_000_000_123_456));
}

#[tokio::test]
async fn a_module_that_is_not_there_is_named() {
    let mut source = thing(Language::Python, "", "def run(self): return numpy.pi");
    let numpy = emerge_proto::class::Captured::Module("numpy".into());
    source.captures = Some(vec![
        emerge_proto::class::Capture {
            name: "emerge".into(),
            what: emerge_proto::class::Captured::Module("emerge".into()),
        },
        emerge_proto::class::Capture { name: "numpy".into(), what: numpy },
    ]);
    let error = keep(source, &[]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ClassInvalid);
    assert!(error.message.contains("the module numpy"), "{error:?}");
}

const ITEM: &str = "@emerge.dataclass
class Item(emerge.Object):
    sizes: typing.ClassVar[list] = []
    price: float = 0.0
    name: str = ''
    tags: list = emerge.field(default_factory=list)

    def total(self): return self.price
";

#[tokio::test]
async fn a_record_that_disagrees_with_its_source_is_refused() {
    let item = || {
        let mut item = python(
            "Item",
            ITEM,
            &[
                ("price", FieldType::Float, Value::Float(0.0)),
                ("name", FieldType::Text, Value::Text(String::new())),
                ("tags", FieldType::List, Value::List(vec![])),
            ],
        );
        let typing = Capture { name: "typing".into(), what: Captured::Module("typing".into()) };
        item.captures.as_mut().unwrap().push(typing);
        item
    };
    keep(item(), &[]).await.unwrap();
    type Change = fn(&mut ClassSource);
    let changes: [(&str, &str, Change); 6] = [
        ("name", "record does not", |class| drop(class.fields.remove(1))),
        ("more", "source does not declare", |class| {
            class.fields.push(FieldDecl { name: "more".into(), ..class.fields[0].clone() });
        }),
        ("price", "float in its source and int in its record", |class| class.fields[0].kind = FieldType::Int),
        ("tags", "default", |class| class.fields[2].default = None),
        ("sizes", "source does not declare", |class| {
            class.fields.push(FieldDecl { name: "sizes".into(), ..class.fields[2].clone() });
        }),
        ("bases", "other bases", |class| {
            class.bases.push(BaseRef { name: "Thing".into(), hash: class.hash() });
        }),
    ];
    for (field, says, change) in changes {
        let mut class = item();
        change(&mut class);
        let other = keep(thing(Language::Python, "", "pass"), &[]).await.unwrap();
        class.bases.iter_mut().for_each(|base| base.hash = other[0].hash);
        let error = keep(class, &other).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::ClassInvalid, Some(field)), "{error:?}");
        assert!(error.message.contains(says), "{error:?}");
    }
}
