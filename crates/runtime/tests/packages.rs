//! Packages of pure Python that the operator adds.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{NoFs, assert_value, call_of, map, python, result};
use emerge_proto::class::{Capture, Captured};
use emerge_proto::{ClassSource, ClassVersion, ErrorCode, ObjectId, Result, Value};
use emerge_runtime::{Runtime, Sandbox, SandboxOptions};
use std::path::Path;
use std::sync::Arc;

const SHAPES: &str = "from .lengths import twice\n\nCALLS = []\n\ndef area(side):\n    CALLS.append(side)\n    return twice(side) * side / 2, len(CALLS)\n\ndef fails():\n    raise ValueError('no such shape')\n";

fn sandbox() -> (tempfile::TempDir, Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("shapes/__init__.py", SHAPES),
        ("shapes/lengths.py", "def twice(n):\n    return 2 * n\n"),
        ("plain.py", "import shapes\nNAME = 'plain'\n"),
        // What the library has is the library's.
        ("json.py", "def dumps(value):\n    return 'stolen'\n"),
        ("broken.py", "def (:\n"),
    ] {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let mut options = SandboxOptions::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
    options.python_packages = Some(folder.path().to_owned());
    let sandbox = tokio::task::block_in_place(|| Sandbox::open(&options, &|_| {})).unwrap();
    tokio::task::block_in_place(|| sandbox.ready_python(&|_| {})).unwrap();
    (folder, sandbox)
}

fn using(module: &str, body: &str) -> ClassSource {
    let mut class =
        python("Thing", &format!("class Thing(emerge.Object):\n    def run(self):\n        {body}\n"), &[]);
    let capture = Capture { name: module.into(), what: Captured::Module(module.into()) };
    class.captures.get_or_insert_default().push(capture);
    class
}

async fn run(sandbox: &Sandbox, class: ClassSource) -> Result<Value> {
    let methods = sandbox.analyse(&class, &[]).await?;
    let version = ClassVersion {
        hash: class.hash(),
        class_id: ObjectId([7; 16]),
        version: 1,
        owner: "ada".into(),
        created: 0,
        source: class,
        methods,
    };
    let call = call_of(&[Arc::new(version)], "run", map(&[]), vec![]);
    sandbox.call(call, Arc::new(NoFs)).await.map(result)
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_import_them() {
    let (_folder, sandbox) = sandbox();
    // Twice: what a call left in a package's list is gone in the next.
    for _ in 0..2 {
        let area = run(&sandbox, using("shapes", "return list(shapes.area(3))")).await.unwrap();
        assert_value(&area, &Value::List(vec![Value::Float(9.0), Value::Int(1)]));
    }
    let plain =
        run(&sandbox, using("plain", "return plain.NAME + str(plain.shapes.twice(2))")).await.unwrap();
    assert_value(&plain, &Value::Text("plain4".into()));
    // While a method runs, and by the name of what lies in a package.
    let within = using(
        "plain",
        "import shapes.lengths as l; from importlib import import_module as m; return m('shapes.lengths') is l",
    );
    assert_value(&run(&sandbox, within).await.unwrap(), &Value::Bool(true));
    let json = run(&sandbox, using("json", "return json.dumps([1])")).await.unwrap();
    assert_value(&json, &Value::Text("[1]".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let (_folder, sandbox) = sandbox();
    let missing = run(&sandbox, using("circles", "return circles.x")).await.unwrap_err();
    assert_eq!((missing.code, missing.field.as_deref()), (ErrorCode::ClassInvalid, Some("circles")));
    assert!(missing.message.contains("--python-packages"), "{}", missing.message);
    let broken = run(&sandbox, using("broken", "return broken.x")).await.unwrap_err();
    assert_eq!(broken.code, ErrorCode::ClassInvalid);
    assert!(broken.message.contains("SyntaxError"), "{}", broken.message);
    let failed = run(&sandbox, using("shapes", "return shapes.fails()")).await.unwrap_err();
    assert_eq!(failed.code, ErrorCode::MethodFailed);
    let trace = failed.trace.unwrap();
    assert!(failed.message.contains("no such shape") && trace.contains("return shapes.fails()"), "{trace}");
}
