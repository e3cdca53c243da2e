//! The conformance cases, read by the native client.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_proto::class::{Capture, Captured, decode};
use emerge_proto::module::Description;
use emerge_proto::op::{CallWith, StoreMode, Target};
use emerge_proto::record::Called;
use emerge_proto::{ClassSource, FieldDecl, FieldType, Language, Op, Result, Value};
use emerge_server::Config;
use serde_json::Value as Json;

const CASES: &str = include_str!("../../conformance/cases.json");
const JAVASCRIPT: &str = include_str!("../../conformance/Sample.mjs");
const PYTHON: &str = include_str!("../../conformance/Sample.py");

fn value(json: &Json) -> Value {
    Value::from_json(json).unwrap()
}

/// NaN is equal to itself here, as it is in its encoding.
fn same(a: &Value, b: &Value) -> bool {
    in_order(a).encode() == in_order(b).encode()
}

/// The value with the members of its sets in one order: that in which they come says nothing.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Set(items) => {
            let mut items: Vec<Value> = items.iter().map(in_order).collect();
            items.sort_by_key(Value::encode);
            Value::Set(items)
        }
        Value::List(items) => Value::List(items.iter().map(in_order).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(name, value)| (name.clone(), in_order(value))).collect())
        }
        other => other.clone(),
    }
}

async fn store(client: &Client, cases: &Json, language: Language) {
    let field = |name: &str, kind, default: Value| FieldDecl {
        name: name.into(),
        kind,
        default: Some(default.encode()),
        doc: None,
    };
    let (source, captures) = match language {
        Language::JavaScript => (JAVASCRIPT, None),
        Language::Python => {
            let emerge = Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) };
            (PYTHON.trim_start_matches("import emerge\n"), Some(vec![emerge]))
        }
        Language::Wasm => {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/classes/sample.wasm");
            let module =
                std::fs::read(file).expect("cargo xtask build classes makes target/classes/sample.wasm");
            let hash = client.put_class(&Description::of(&module).unwrap().class(module)).await.unwrap().hash;
            let path = Target::Path("/conformance/wasm".into());
            client.store(path, hash, value(&cases["state"]).encode(), StoreMode::Create).await.unwrap();
            return;
        }
    };
    let class = ClassSource {
        name: "Sample".into(),
        language,
        source: source.trim().into(),
        bases: Vec::new(),
        fields: vec![
            field("count", FieldType::Int, Value::Int(0)),
            field("price", FieldType::Float, Value::Float(0.0)),
            field("name", FieldType::Text, Value::Text(String::new())),
        ],
        doc: None,
        captures,
        module: None,
        requires: None,
    };
    let hash = client.put_class(&class).await.unwrap().hash;
    let path = Target::Path(format!("/conformance/{}", language.as_str()));
    client.store(path, hash, value(&cases["state"]).encode(), StoreMode::Create).await.unwrap();
}

/// The file says `its own` for the class of an embedded object, which is the class of the object that was called.
fn with_class(json: &Json, class: &str) -> Json {
    match json {
        Json::String(text) if text == "its own" => class.into(),
        Json::Array(items) => items.iter().map(|item| with_class(item, class)).collect(),
        Json::Object(map) => {
            Json::Object(map.iter().map(|(key, inner)| (key.clone(), with_class(inner, class))).collect())
        }
        plain => plain.clone(),
    }
}

async fn outcome(client: &Client, path: &str, case: &Json) -> Result<Value> {
    if let Some(place) = case["place"].as_str() {
        let fetched = client.get(Target::Path(format!("{path}#{place}")), None).await?;
        return Value::decode(&fetched.state);
    }
    let path = Target::Path(path.to_owned());
    if let Some(name) = case["get"].as_str() {
        let Value::Map(fields) = Value::decode(&client.get(path, None).await?.state)? else {
            panic!("a state is a map")
        };
        return Ok(fields
            .into_iter()
            .find(|(field, _)| *field == *name)
            .map_or(Value::Null, |(_, value)| value));
    }
    let args = match case["from"].as_str() {
        Some(method) => Value::List(vec![call(client, &path, method, &Value::List(Vec::new()), None).await?]),
        None => value(&case["args"]),
    };
    let kwargs = (!case["kwargs"].is_null()).then(|| value(&case["kwargs"]).encode());
    let with = kwargs.map(|kwargs| Box::new(CallWith { kwargs: Some(kwargs), ..CallWith::default() }));
    call(client, &path, case["method"].as_str().unwrap(), &args, with).await
}

async fn call(
    client: &Client,
    path: &Target,
    method: &str,
    args: &Value,
    with: Option<Box<CallWith>>,
) -> Result<Value> {
    let op = Op::Call {
        path: path.clone(),
        method: method.to_owned(),
        args: args.encode(),
        log: false,
        after: None,
        with,
    };
    let called: Called = decode(&client.request(&op)?.await?)?;
    Value::decode(&called.result)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_gives_what_the_file_says() {
    let file: Json = serde_json::from_str(CASES).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runtime = emerge_server::whole_sandbox(&|_| {}).await.unwrap();
    let node = emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await.unwrap();
    let client = Client::connect(&node.url(), &node.token).await.unwrap();
    store(&client, &file, Language::JavaScript).await;
    store(&client, &file, Language::Python).await;
    store(&client, &file, Language::Wasm).await;
    let (mut passed, mut failed) = (0, Vec::new());
    for language in file["languages"].as_array().unwrap() {
        let language = language.as_str().unwrap();
        let path = Target::Path(format!("/conformance/{language}"));
        let class = client.stat(path).await.unwrap().class_hash.unwrap().to_string();
        for case in file["cases"].as_array().unwrap() {
            let own = format!("/conformance/{language}");
            let got = outcome(&client, case["path"].as_str().unwrap_or(&own), case).await;
            let good = match (&got, case["error"].as_str()) {
                (Err(error), Some(code)) => error.code.as_str() == code,
                (Ok(got), None) => {
                    let special = &case["results"][language];
                    let wanted = if special.is_null() { &case["result"] } else { special };
                    same(got, &value(&with_class(wanted, &class)))
                }
                _ => false,
            };
            if good {
                passed += 1;
            } else {
                failed.push(format!("{language}: {}: {got:?}", case["name"]));
            }
        }
    }
    println!("conformance: {passed} passed");
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(file["passed"], passed);
    node.stop().await.unwrap();
}
