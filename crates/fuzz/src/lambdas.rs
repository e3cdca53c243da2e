//! Functions of searches, read and asked.

use emerge_proto::value::order;
use emerge_proto::{Language, Value};
use emerge_query::{Answer, Lambda, Names};
use num_bigint::BigInt;
use std::sync::LazyLock;

/// A function in Python (the text begins with `p`) or JavaScript (with `j`): whatever it is, it is read, each object is answered, and an index leaves none
/// out of which the function does not surely say no.
pub fn lambdas(bytes: &[u8]) {
    let Some((language, source)) = bytes.split_first() else { return };
    let language = match language {
        b'p' => Language::Python,
        b'j' => Language::JavaScript,
        _ => return,
    };
    let Ok(source) = std::str::from_utf8(source) else { return };
    let lambda = Lambda::read(language, source, &NAMES);
    let accesses = lambda.accesses();
    for (x, state) in OBJECTS.iter() {
        let answer = lambda.ask(state, None).unwrap();
        assert_eq!(lambda.ask(state, None).unwrap(), answer, "{source}");
        if answer == Answer::No {
            continue;
        }
        for access in accesses.iter().filter(|access| access.field == "x") {
            let key = order::entry(x.as_ref());
            let led = access
                .spans
                .iter()
                .any(|span| key >= span.from && (key <= span.to || key.starts_with(&span.to)));
            assert!(led, "{source}: {answer:?} of {x:?}, which its index leaves out");
        }
    }
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    params: vec![("max".into(), Value::Int(4)), ("name".into(), Value::Text("red".into()))],
    values: vec![("limit".into(), Value::Int(2)), ("ratio".into(), Value::Float(0.5))],
    others: vec!["helper".into()],
});

/// Objects that differ in `x`, which one of them lacks.
static OBJECTS: LazyLock<Vec<(Option<Value>, Vec<u8>)>> = LazyLock::new(|| {
    let text = |text: &str| Value::Text(text.into());
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Int(0),
        Value::Int(-3),
        Value::Int(i64::MAX),
        Value::integer(BigInt::from(10).pow(30)),
        Value::Float(0.5),
        Value::Float(-0.0),
        Value::Float(f64::NAN),
        Value::Float(f64::INFINITY),
        text(""),
        text("red"),
        text("red \u{1f40e}"),
        text("\u{ffff}"),
        Value::Bytes(vec![0, 255]),
        Value::List(vec![text("a"), Value::Int(1), Value::Null]),
        Value::Map(vec![("a".into(), Value::Int(1))]),
        Value::Date(20_000),
        Value::DateTime(1_700_000_000_000_000),
        Value::Duration(-1),
        Value::Decimal { exponent: (-2).into(), mantissa: 50.into() },
        Value::Ref("/a".into()),
    ];
    let object = |x: Option<Value>| {
        let mut fields = vec![
            ("y".to_owned(), Value::Float(0.5)),
            ("name".to_owned(), text("red \u{1f40e}")),
            ("tags".to_owned(), Value::List(vec![text("a"), Value::Int(1), Value::Null])),
            ("none".to_owned(), Value::Null),
            ("map".to_owned(), Value::Map(vec![("a".to_owned(), Value::Int(1))])),
        ];
        fields.extend(x.clone().map(|x| ("x".to_owned(), x)));
        (x, Value::Map(fields).encode())
    };
    values.into_iter().map(Some).chain([None]).map(object).collect()
});
