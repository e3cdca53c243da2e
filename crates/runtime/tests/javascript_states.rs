//! The state that a JavaScript method leaves. Plain values are read and written by the guest's Rust side, all others by the model library: where both can,
//! they do the same.

#![allow(clippy::unwrap_used, reason = "a test, its helpers too")]

mod common;

use common::*;
use emerge_proto::{Error, ErrorCode, FieldType, Value};

const FIELDS: [(&str, FieldType); 6] = [
    ("whole", FieldType::Int),
    ("ratio", FieldType::Float),
    ("words", FieldType::Text),
    ("sure", FieldType::Bool),
    ("items", FieldType::List),
    ("parts", FieldType::Map),
];

fn before() -> Vec<(&'static str, Value)> {
    vec![
        ("whole", Value::Int(1)),
        ("ratio", Value::Float(2.0)),
        ("words", Value::Text("é\u{1f600}".into())),
        ("sure", Value::Bool(false)),
        ("items", Value::List(vec![Value::Int(1), Value::Null])),
        ("parts", map(&[("b", Value::Int(1)), ("a", Value::Text("x".into()))])),
        ("free", Value::Float(0.5)),
        ("even", Value::Float(2.0)),
        ("minus", Value::Float(-0.0)),
        ("kept", Value::List(vec![Value::Float(-0.0), Value::Float(2.0)])),
        // Comes before the others among an object's own names.
        ("7", Value::Int(7)),
    ]
}

/// What a method gives for some arguments when all is plain, and when a Date stands beside each.
async fn both_results(body: &str, args: &[Value]) -> [Result<Value, Error>; 2] {
    let source = format!(
        "class Thing extends EmergeObject {{
            run(...args) {{ {body} }}
            beside(_, ...args) {{ return [this.run(...args), new Date(0)]; }}
        }}"
    );
    let lineage = keep(class("Thing", &source, &[]), &[]).await.unwrap();
    let plain = run(&lineage, "run", map(&[]), args.to_vec()).await.map(result);
    let beside = [&[Value::DateTime(0)], args].concat();
    let other = run(&lineage, "beside", map(&[]), beside).await.map(|returned| match result(returned) {
        Value::List(mut both) => both.remove(0),
        other => panic!("{other:?}"),
    });
    [plain, other]
}

/// What a method gives and leaves, when all of its object is plain, and when a field is not.
async fn both(body: &str) -> [Result<(Value, Option<Value>), Error>; 2] {
    let source = format!("class Thing extends EmergeObject {{ run() {{ {body} }} }}");
    let lineage = keep(class("Thing", &source, &FIELDS), &[]).await.unwrap();
    let moment = ("late", Value::DateTime(1_234_567));
    let mut done = Vec::new();
    for more in [None, Some(moment)] {
        let state: Vec<_> = before().into_iter().chain(more.clone()).collect();
        let returned = run(&lineage, "run", map(&state), vec![]).await;
        done.push(returned.map(|returned| {
            let left = returned.state.as_ref().map(|state| Value::decode(state).unwrap());
            let left = left.map(|left| match left {
                Value::Map(mut fields) => {
                    if let Some((name, moment)) = &more {
                        let at = fields.iter().position(|(field, _)| field == name).unwrap();
                        assert_eq!(fields.remove(at).1, *moment, "{body}");
                    }
                    Value::Map(fields)
                }
                other => panic!("{other:?}"),
            });
            (result(returned), left)
        }));
    }
    done.try_into().unwrap()
}

/// The state from before with other values in some fields, in its order.
fn with(changed: &[(&'static str, Value)]) -> Value {
    let mut fields = before();
    // An object's own names begin with those that are numbers.
    let number = fields.pop().unwrap();
    fields.insert(0, number);
    for (name, value) in changed {
        match fields.iter_mut().find(|(field, _)| field == name) {
            Some(field) => field.1 = value.clone(),
            None => fields.push((name, value.clone())),
        }
    }
    map(&fields)
}

#[tokio::test]
async fn what_changes_is_there_and_the_rest_keeps_its_bytes() {
    let text = |text: &str| Value::Text(text.into());
    for (body, changed) in [
        ("this.whole += 1", vec![("whole", Value::Int(2))]),
        ("this.whole = -3e15", vec![("whole", Value::Int(-3_000_000_000_000_000))]),
        ("this.ratio = 3", vec![("ratio", Value::Float(3.0))]),
        ("this.ratio = -0", vec![("ratio", Value::Float(-0.0))]),
        ("this.free = -0", vec![("free", Value::Float(-0.0))]),
        ("this.free = 3", vec![("free", Value::Int(3))]),
        ("this.free = 2 ** 60", vec![("free", Value::Float(2f64.powi(60)))]),
        ("this.free = NaN", vec![("free", Value::Float(f64::NAN))]),
        ("this.free = null", vec![("free", Value::Null)]),
        ("this.words = this.words + '!'", vec![("words", text("é\u{1f600}!"))]),
        ("this.sure = true; this.words = ''", vec![("sure", Value::Bool(true)), ("words", text(""))]),
        ("this.items.push('x')", vec![("items", Value::List(vec![Value::Int(1), Value::Null, text("x")]))]),
        (
            "this.items = [, undefined]; this.items = [[{ a: [] }], undefined]",
            vec![("items", Value::List(vec![Value::List(vec![map(&[("a", Value::List(vec![]))])])]))],
        ),
        (
            "this.parts.c = {}",
            vec![("parts", map(&[("b", Value::Int(1)), ("a", text("x")), ("c", map(&[]))]))],
        ),
        (
            "this.more = { toString: 1, constructor: 2 }",
            vec![("more", map(&[("toString", Value::Int(1)), ("constructor", Value::Int(2))]))],
        ),
        (
            "Object.defineProperty(this, '__proto__', { value: 1, enumerable: true })",
            vec![("__proto__", Value::Int(1))],
        ),
        ("this.when = new CalendarDate('2024-02-29')", vec![("when", Value::Date(19782))]),
        ("this.set = new Set([1])", vec![("set", Value::Set(vec![Value::Int(1)]))]),
    ] {
        let [plain, other] = both(body).await;
        let (given, left) = plain.unwrap_or_else(|error| panic!("{body}: {error:?}"));
        assert_eq!(given, Value::Null, "{body}");
        assert_value(&left.clone().unwrap_or(Value::Null), &with(&changed));
        let (_, slow) = other.unwrap_or_else(|error| panic!("{body}: {error:?}"));
        assert_value(&slow.unwrap_or(Value::Null), &with(&changed));
    }
}

#[tokio::test]
async fn what_is_as_before_is_no_change() {
    for body in [
        "",
        "this.whole = 1; this.ratio = 2; this.words = ['é', '\\u{1f600}'].join('')",
        "this.items = [1, null]; this.parts = { b: 1, a: 'x' }",
        "delete this.whole; this.whole = 1",
        "this.even = 0.5 * 4; this.whole = 0.5 * 2",
        "this.minus = [-0][0]; this.kept = [-0, 2]",
        "Object.defineProperty(this, 'hidden', { value: 1 }); this[Symbol('s')] = 1",
    ] {
        for done in both(body).await {
            assert_eq!(done.unwrap(), (Value::Null, None), "{body}");
        }
    }
    for done in both("delete this.whole").await {
        let Some(Value::Map(left)) = done.unwrap().1 else { panic!("nothing is left") };
        assert_eq!(left.len(), before().len() - 1);
        assert!(left.iter().all(|(name, _)| name != "whole"));
    }
}

#[tokio::test]
async fn results_are_what_the_model_library_makes_of_them() {
    let text = |text: &str| Value::Text(text.into());
    for (body, expected) in [
        ("return undefined", Value::Null),
        (
            "return [1.5, -0, 2 ** 53, '\\u0000', [], {}]",
            Value::List(vec![
                Value::Float(1.5),
                Value::Float(-0.0),
                Value::Float(2f64.powi(53)),
                text("\0"),
                Value::List(vec![]),
                map(&[]),
            ]),
        ),
        ("return -(2 ** 63)", Value::Float(-(2f64.powi(63)))),
        (
            "return { 'a\\0x': 1, 'a\\0y': 2, '\\0': 3 }",
            map(&[("a\0x", Value::Int(1)), ("a\0y", Value::Int(2)), ("\0", Value::Int(3))]),
        ),
        ("return Object.assign(Object.create(null), { a: 1 })", map(&[("a", Value::Int(1))])),
        ("return new Proxy([1, 2], {})", Value::List(vec![Value::Int(1), Value::Int(2)])),
        ("return new Proxy({ a: 1 }, {})", map(&[("a", Value::Int(1))])),
        ("return { get a() { return [true]; } }", map(&[("a", Value::List(vec![Value::Bool(true)]))])),
        ("return new Float64(3)", Value::Float(3.0)),
        ("return new Map([['a', 1]])", map(&[("a", Value::Int(1))])),
    ] {
        let [plain, other] = both_results(body, &[]).await;
        assert_value(&plain.unwrap_or_else(|error| panic!("{body}: {error:?}")), &expected);
        // At the top `undefined` is null, and inside it is an error.
        if body != "return undefined" {
            assert_value(&other.unwrap_or_else(|error| panic!("{body}: {error:?}")), &expected);
        }
    }
}

#[tokio::test]
async fn arguments_come_as_they_are() {
    let long: Vec<(String, Value)> =
        (0..2000).map(|number| (format!("key {}", number * 7 % 2000), Value::Int(number))).collect();
    for value in [
        Value::Float(-0.0),
        Value::List(vec![Value::Float(-0.0), map(&[("x", Value::Float(-0.0))])]),
        Value::Float(-(2f64.powi(63))),
        Value::Int((1 << 53) - 1),
        Value::Int(-(1 << 53) + 1),
        Value::Int(i64::MIN),
        map(&[("a\0b", Value::Int(1)), ("a\0c", Value::Int(2)), ("\0", Value::Null)]),
        // The UTF-8 of the second are the characters of the first.
        Value::List(vec![map(&[("Ã©", Value::Int(1))]), map(&[("é", Value::Int(2))])]),
        map(&[("", Value::Int(1)), ("__proto__", map(&[("toString", Value::Null)]))]),
        Value::Map(long),
    ] {
        for given in both_results("return args[0]", std::slice::from_ref(&value)).await {
            assert_value(&given.unwrap(), &value);
        }
    }
    for given in both_results(
        "return [Object.is(args[0], -0), 1 / args[1][0]]",
        &[Value::Float(-0.0), Value::List(vec![Value::Float(-0.0)])],
    )
    .await
    {
        assert_value(&given.unwrap(), &Value::List(vec![Value::Bool(true), Value::Float(f64::NEG_INFINITY)]));
    }
}

#[tokio::test]
async fn a_getter_runs_once() {
    for value in ["1", "new Date(0)"] {
        let body = format!(
            "let n = 0; const all = {{ get a() {{ n += 1; return n; }}, when: {value} }}; return [all, all];"
        );
        let [plain, _] = both_results(&body, &[]).await;
        let Value::List(both) = plain.unwrap() else { panic!("{body}") };
        for (at, one) in both.iter().enumerate() {
            let Value::Map(fields) = one else { panic!("{body}") };
            assert_value(&fields[0].1, &Value::Int(at as i64 + 1));
        }
    }
    let body = "const list = [1, 2]; let n = 0; Object.defineProperty(list, 0, { get() { n += 1; return n; }, enumerable: true });
        return list";
    for given in both_results(body, &[]).await {
        assert_value(&given.unwrap(), &Value::List(vec![Value::Int(1), Value::Int(2)]));
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_alike() {
    for (body, code, field) in [
        ("this.whole = 1.5", ErrorCode::BadArgument, "whole"),
        ("this.whole = 'x'", ErrorCode::BadArgument, "whole"),
        ("this.ratio = true", ErrorCode::BadArgument, "ratio"),
        ("this.items = {}", ErrorCode::BadArgument, "items"),
        ("this.words = '\\ud800'", ErrorCode::UnmappableValue, "words"),
        ("this.free = () => 1", ErrorCode::UnmappableValue, "free"),
        ("this.free = undefined", ErrorCode::UnmappableValue, "free"),
        ("this.items = [1, undefined, 2]", ErrorCode::UnmappableValue, "items[1]"),
        ("this.items.push(this.items)", ErrorCode::UnmappableValue, "items[2]"),
        ("return [{ a: Symbol('x') }]", ErrorCode::UnmappableValue, "[0].a"),
        (
            "let deep = 1; for (let i = 0; i < 1000; i += 1) deep = [deep]; return deep",
            ErrorCode::TooDeep,
            "",
        ),
        (
            "Object.defineProperty(this, 'free', { get() { throw new TypeError('no'); } })",
            ErrorCode::MethodFailed,
            "",
        ),
    ] {
        let [plain, other] = both(body).await.map(|done| done.expect_err(body));
        assert_eq!((plain.code, &plain.message), (other.code, &other.message), "{body}");
        assert_eq!(plain.code, code, "{body}: {plain:?}");
        if !field.is_empty() {
            assert_eq!(plain.field.as_deref(), Some(field), "{body}");
        }
    }
}

#[tokio::test]
async fn a_result_that_is_wrong_is_said_alike() {
    for (body, code, field) in [
        ("return [{ a: Symbol('x') }]", ErrorCode::UnmappableValue, "[0].a"),
        ("return [{ '\\ud800': 1 }]", ErrorCode::UnmappableValue, "[0]"),
        ("const a = []; a[2 ** 31] = 1; return a", ErrorCode::UnmappableValue, "[0]"),
        (
            "let deep = 1; for (let i = 0; i < 1000; i += 1) deep = [deep]; return deep",
            ErrorCode::TooDeep,
            "",
        ),
    ] {
        let [plain, other] = both_results(body, &[]).await.map(|done| done.expect_err(body));
        assert_eq!((plain.code, other.code), (code, code), "{body}: {plain:?}");
        if !field.is_empty() {
            assert_eq!(plain.field.as_deref(), Some(field), "{body}");
            assert_eq!(other.field.as_deref(), Some(&*format!("[0]{field}")), "{body}");
        }
    }
}
