//! What a class may be.

mod common;

use common::*;
use emerge_proto::class::BaseRef;
use emerge_proto::{ClassVersion, ErrorCode, FieldType, Value};
use emerge_runtime::Runtime;
use std::sync::Arc;

async fn refused(source: &str) -> (String, Option<String>) {
    let error = keep(class("Thing", source, &[]), &[]).await.expect_err(source);
    assert_eq!(error.code, ErrorCode::ClassInvalid, "{source}: {}", error.message);
    (error.message, error.field.map(String::from))
}

#[tokio::test]
async fn its_methods_are_found() {
    let source = r#"class Thing extends EmergeObject {
  static fields = { a: float(0) };
  /** How far. */
  async far(lat, { lon } = {}, scale = 1 + 2, ...rest) { return lat; }
  // not a doc
  get size() { return 1; }
  set size(value) {}
  static make() {}
  *[Symbol.iterator]() {}
  constructor(fields) { super(fields); }
}"#;
    let fields = [("a", FieldType::Float)];
    let methods = sandbox().analyse(&class("Thing", source, &fields), &[]).await.unwrap();
    let (why, field) = refused(source).await;
    assert!(why.contains("declares the field a, and the record") && field.as_deref() == Some("a"), "{why}");
    let names: Vec<&str> = methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, ["far", "size", "make"]);
    let far = &methods[0];
    assert_eq!(far.doc.as_deref(), Some("How far."));
    assert!(far.is_async && !far.is_static && !far.is_property);
    let params: Vec<(&str, Option<&str>)> =
        far.params.iter().map(|param| (param.name.as_str(), param.default.as_deref())).collect();
    assert_eq!(params, [("lat", None), ("{ lon }", Some("{}")), ("scale", Some("1 + 2")), ("...rest", None)]);
    assert!(methods[1].is_property && methods[1].doc.is_none());
    assert!(methods[2].is_static);
}

#[tokio::test]
async fn a_second_base_gives_what_the_first_lacks() {
    let top = "class Top extends EmergeObject { name() { return 'top'; } only() { return 'top'; } }";
    let top = keep(class("Top", top, &[]), &[]).await.unwrap();
    let one = "class One extends Top { one() { return 'one'; } both() { return 'one'; } static made() { return 'one'; } }";
    let one = keep(extending("One", one, &top), &top).await.unwrap();
    let two = "class Two extends Top {
  name() { return `${super.name()} two`; }
  both() { return 'two'; }
  get got() { return 'two'; }
  static made() { return 'two'; }
  static kind() { return this.name; }
  toString() { return 'two'; }
}";
    let two = keep(extending("Two", two, &top), &top).await.unwrap();
    let mut mixed = extending("Mixed", "class Mixed extends One {}", &one);
    mixed.bases.push(BaseRef { name: "Two".into(), hash: two[0].hash });
    let methods = sandbox().analyse(&mixed, &[one.clone(), two.clone()]).await.unwrap();
    let mixed = ClassVersion { hash: mixed.hash(), source: mixed, methods, ..ClassVersion::clone(&one[0]) };
    let lineage = vec![Arc::new(mixed), one[0].clone(), two[0].clone(), top[0].clone()];
    for (method, wanted) in [
        ("one", "one"),
        ("both", "one"),
        ("made", "one"),
        // What overrides a member of a class that both inherit from counts.
        ("name", "top two"),
        ("only", "top"),
        ("got", "two"),
        ("toString", "two"),
        ("kind", "Mixed"),
    ] {
        let returned = run(&lineage, method, Value::Map(Vec::new()), Vec::new()).await.unwrap();
        assert_eq!(Value::decode(&returned.result).unwrap(), Value::Text(wanted.into()), "{method}");
    }
}

#[tokio::test]
async fn a_free_name_is_named() {
    let (message, field) =
        refused("class Thing extends EmergeObject {\n  run() {\n    return RATE * 2;\n  }\n}").await;
    assert_eq!(field.as_deref(), Some("RATE"));
    assert!(message.contains("line 3, column 12") && message.contains("closure"), "{message}");
    for (source, name) in [
        ("class Thing extends EmergeObject { run() { return document.title; } }", "document"),
        ("class Thing extends EmergeObject { run(a = other) { return a; } }", "other"),
        ("class Thing extends EmergeObject { static limit = MAX; }", "MAX"),
        ("class Thing extends EmergeObject { static { helper(); } }", "helper"),
        ("class Thing extends EmergeObject { run() { setTimeout(() => 1); } }", "setTimeout"),
        ("class Thing extends EmergeObject { async run() { return import('fs'); } }", "import"),
    ] {
        assert_eq!(refused(source).await.1.as_deref(), Some(name), "{source}");
    }
}

#[tokio::test]
async fn what_is_there_is_not_free() {
    let source = r#"class Thing extends EmergeObject {
  static fields = { a: float(START) };
  static limit = Math.PI;
  run() {
    if (typeof window !== "undefined") return window.x;
    const { a, ...b } = { a: 1 };
    label: for (const x of [1]) { continue label; }
    return [Thing.limit, new Map(), arguments.length, fs, console, float, Ref, a, b, globalThis, BigInt(1), undefined];
  }
}"#;
    keep(class("Thing", source, &[("a", FieldType::Float)]), &[]).await.unwrap();
}

#[tokio::test]
async fn syntax_errors_have_a_line() {
    let (message, _) =
        refused("class Thing extends EmergeObject {\n  run() {\n    return 1 +;\n  }\n}").await;
    let error = keep(
        class("Thing", "class Thing extends EmergeObject {\n  run() {\n    return 1 +;\n  }\n}", &[]),
        &[],
    )
    .await
    .unwrap_err();
    assert!(error.trace.as_deref().unwrap_or(&message).contains("line 3"), "{error:?}");
    for source in [
        "",
        "1",
        "class Thing extends EmergeObject {",
        "function f() {}",
        "class A {} class B {}",
        "class A extends EmergeObject {}); (1",
    ] {
        refused(source).await;
    }
}

#[tokio::test]
async fn members_that_cannot_travel_are_refused() {
    for (source, says) in [
        ("class Thing extends EmergeObject { count = 1; }", "static fields"),
        ("class Thing extends EmergeObject { #count = 1; }", "private field"),
        ("class Thing extends EmergeObject { #run() {} }", "private method"),
        ("class Thing extends EmergeObject { ['a' + 1]() {} }", "plain name"),
        ("class Thing extends EmergeObject { then() {} }", "not a name"),
        ("class Thing extends EmergeObject { get meta() {} }", "not a name"),
        ("class Thing { run() {} }", "extend"),
        ("class Thing extends (() => EmergeObject)() { run() {} }", "extend"),
        ("class Thing extends EmergeObject { static x = (() => { throw new Error('boom'); })(); }", "boom"),
    ] {
        let (message, _) = refused(source).await;
        assert!(message.contains(says), "{source}: {message}");
    }
}

#[tokio::test]
async fn a_minified_class_keeps_its_registered_name() {
    let source = "class a extends e.EmergeObject{static fields={x:n(0)};run(){return[this.x,this.constructor.name,a.fields.x.kind]}}";
    let lineage = keep(class("Point", source, &[("x", FieldType::Float)]), &[]).await.unwrap();
    let returned = run(&lineage, "run", map(&[("x", Value::Float(1.5))]), vec![]).await.unwrap();
    let expected = [Value::Float(1.5), Value::Text("Point".into()), Value::Text("float".into())];
    assert_value(&result(returned), &Value::List(expected.to_vec()));
}

#[tokio::test]
async fn text_that_nests_deep_ends_no_node() {
    let deep = |open: &str, middle: &str, close: &str, count: usize| {
        let body = format!("{}{middle}{}", open.repeat(count), close.repeat(count));
        class("Thing", &format!("class Thing extends EmergeObject {{ run() {{ return {body}; }} }}"), &[])
    };
    for source in [
        deep("(", "1", ")", 200_000),
        deep("[", "", "]", 200_000),
        deep("!", "1", "", 900_000),
        deep("() => ", "1", "", 100_000),
        deep("{a:", "1", "}", 100_000),
        deep("1 ? 1 : ", "1", "", 100_000),
        deep("`${", "1", "}`", 100_000),
    ] {
        let error = sandbox().analyse(&source, &[]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ClassInvalid, "{}", error.message);
    }
    // What nests without a bracket is taken or refused, and survived.
    for source in
        [deep("1+", "1", "", 500_000), deep("this.", "x", "", 200_000), deep("", "Math", ".x", 500_000)]
    {
        if let Err(error) = sandbox().analyse(&source, &[]).await {
            assert_eq!(error.code, ErrorCode::ClassInvalid, "{}", error.message);
        }
    }
}
