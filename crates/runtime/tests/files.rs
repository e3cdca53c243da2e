//! Files that name objects to store.

mod common;

use common::*;
use emerge_proto::{ErrorCode, Result, Value};
use emerge_runtime::{FileObject, FileObjects};
use std::time::Duration;

async fn run(name: &str, source: &str) -> Result<FileObjects> {
    sandbox().run_file(name, source, 1_700_000_000_000_000, 1, Duration::from_secs(5)).await
}

async fn objects(source: &str) -> Result<Vec<FileObject>> {
    run("stock.js", source).await.map(|ran| ran.objects)
}

const CLASSES: &str = r#"import { EmergeObject, float, int, text } from "emerge-client";
class Item extends EmergeObject {
  static fields = { price: float(0), name: text("?") };
  total() { return this.price; }
}
class Crate extends Item {
  static fields = { count: int(1) };
  total() { return super.total() * this.count; }
}
"#;

#[tokio::test]
async fn objects_come_with_their_classes() {
    for (ending, exported) in [
        ("const objects = { '/a': new Item({ price: 3 }), '/b': new Crate({ count: 4 }) };", false),
        (
            "export const objects = new Map([['/a', new Item({ price: 3 })], ['/b', new Crate({ count: 4 })]]);",
            true,
        ),
        (
            "const all = { '/a': new Item({ price: 3 }), '/b': await new Crate({ count: 4 }) }; export { all as objects };",
            true,
        ),
    ] {
        let objects = objects(&format!("{CLASSES}{ending}")).await.unwrap();
        assert_eq!(
            objects.iter().map(|object| object.path.as_str()).collect::<Vec<_>>(),
            ["/a", "/b"],
            "{exported}"
        );
        let names =
            |at: usize| objects[at].lineage.iter().map(|class| class.name.as_str()).collect::<Vec<_>>();
        assert_eq!((names(0), names(1)), (vec!["Item"], vec!["Item", "Crate"]));
        assert_eq!(
            objects[1].lineage[1].bases[0].hash,
            objects[1].lineage[0].hash(),
            "both sides hash alike"
        );
        let expected = map(&[("price", Value::Float(3.0)), ("name", Value::Text("?".into()))]);
        assert_eq!(objects[0].state, expected.encode());

        // What the file gave is what a node takes.
        let base = keep(objects[1].lineage[0].clone(), &[]).await.unwrap();
        let lineage = keep(objects[1].lineage[1].clone(), &base).await.unwrap();
        let mut call = call_of(&lineage, "total", Value::Null, vec![]);
        call.state = map(&[("price", Value::Float(2.0)), ("count", Value::Int(4))]).encode();
        let returned =
            emerge_runtime::Runtime::call(sandbox(), call, std::sync::Arc::new(NoFs)).await.unwrap();
        assert_value(&result(returned), &Value::Int(8));
    }
}

#[tokio::test]
async fn what_a_file_prints_comes_along() {
    let ran = run("a.mjs", "console.log('one'); console.log('two'); const objects = {};").await.unwrap();
    assert_eq!((ran.log.as_str(), ran.objects.len()), ("one\ntwo\n", 0));
    let error = run("a.py", "print('one')\nraise ValueError('no')\n").await.unwrap_err();
    assert_eq!((error.code, error.log.as_deref()), (ErrorCode::MethodFailed, Some("one\n")));
}

#[tokio::test]
async fn a_python_file_is_not_the_main_program() {
    let source = "print(__name__ == '__main__')\nif __name__ == '__main__':\n    raise SystemExit('ran')\nobjects = {}\n";
    assert_eq!(run("a.py", source).await.unwrap().log, "False\n");
}

#[tokio::test]
async fn a_file_of_another_language_is_refused() {
    for name in ["a.txt", "a", "py", "a.ts", ".js"] {
        let error = run(name, "const objects = {};").await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some(name)), "{error}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    for (source, code, field) in [
        ("const things = {};", ErrorCode::BadArgument, Some("objects")),
        ("const objects = 3;", ErrorCode::BadArgument, Some("objects")),
        ("const objects = { '/a': 3 };", ErrorCode::BadArgument, Some("objects[\"/a\"]")),
        ("import fs from 'node:fs'; const objects = {};", ErrorCode::ClassInvalid, Some("node:fs")),
        ("const objects = {", ErrorCode::MethodFailed, None),
        ("throw new TypeError('no');\nconst objects = {};", ErrorCode::MethodFailed, None),
        ("for (;;); const objects = {};", ErrorCode::DeadlineExceeded, None),
        ("await new Promise(() => {}); const objects = {};", ErrorCode::MethodFailed, None),
        (
            "import { connect } from 'emerge-client'; connect(); const objects = {};",
            ErrorCode::Unsupported,
            None,
        ),
    ] {
        let error = objects(source).await.expect_err(source);
        assert_eq!((error.code, error.field.as_deref()), (code, field), "{source}: {}", error.message);
    }
    let error = objects("const objects = {};\nconst x = null;\nx.y;").await.unwrap_err();
    assert!(
        error.trace.is_some_and(|trace| trace.contains("stock.js, line 3") && trace.contains("x.y")),
        "{}",
        error.message
    );
}
