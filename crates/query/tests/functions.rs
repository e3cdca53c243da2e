//! Functions of both languages, what they say of an object here, and by which index their objects can be found.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use emerge_proto::value::order;
use emerge_proto::{Language, Value};
use emerge_query::{Answer, Lambda, Names};

fn object() -> Vec<u8> {
    let text = |text: &str| Value::Text(text.into());
    let fields = [
        ("x", Value::Int(3)),
        ("y", Value::Float(0.5)),
        ("name", text("red \u{1f40e}")),
        ("tags", Value::List(vec![text("a"), Value::Int(1), Value::Null])),
        ("none", Value::Null),
        ("map", Value::Map(vec![("a".into(), Value::Int(1))])),
        ("big", Value::integer("123456789012345678901234567890".parse().unwrap())),
    ];
    Value::Map(fields.map(|(name, value)| (name.to_owned(), value)).into()).encode()
}

fn names() -> Names {
    Names {
        params: vec![("max".into(), Value::Int(4))],
        values: vec![("limit".into(), Value::Int(2))],
        others: vec!["len".into()],
    }
}

fn javascript(source: &str) -> Lambda {
    Lambda::read(Language::JavaScript, source, &Names { others: vec![], ..names() })
}

fn python(source: &str) -> Lambda {
    Lambda::read(Language::Python, source, &Names { others: vec![], ..names() })
}

fn ask(lambda: &Lambda) -> Answer {
    lambda.ask(&object(), None).unwrap()
}

#[test]
fn what_is_the_same_is_answered() {
    for source in [
        "o => o.x === 3 && o.y < 1",
        "(o, p) => o.x < p.max && p.nothing === undefined",
        "function (o) { return o.name.length === 6; }",
        "o => { return o.tags.includes(1) && !o.tags.includes(\"1\"); }",
        "o => o.missing === undefined && o.none == null && o.missing?.more.and.more === undefined",
        "o => o.none < 1 && !(o.missing < 1) && o[\"x\"] >= 3",
        "o => o.tags.some((t) => t === \"a\") && o.tags.every(t => t !== 2)",
        "o => typeof o.big === \"bigint\" && o.big > 1e29 && o.big % 10n === 0n",
        "o => (o.missing ?? o.map.a) === 1 && \"x\" in o && !(\"z\" in o)",
        "o => o.x / 2 === 1.5 && -o.x === -3 && Math.abs(-o.x) === 3 && Math.floor(o.y) === 0",
    ] {
        assert_eq!(ask(&javascript(source)), Answer::Yes, "{source}");
    }
    for source in [
        "lambda o: o.x == 3.0 and 0 < o.y < 1",
        "lambda o, p: o.x < p.max == 4 and p[\"max\"] > limit",
        "def f(o):\n    \"\"\"A doc.\"\"\"\n    return len(o.name) == 5",
        "lambda o: 1 in o.tags and True in o.tags and \"b\" not in o.tags and None in o.tags",
        "lambda o: o.none is None and not hasattr(o, \"missing\") and getattr(o, \"missing\", 7) == 7",
        "lambda o: any(t == \"a\" for t in o.tags) and all(t != 2 for t in o.tags if t)",
        "lambda o: o.big > 10**1 or o.big // 7 * 7 + o.big % 7 == o.big",
        "lambda o: -7 // 2 == -4 and -7 % 3 == 2 and o.x / 2 == 1.5",
        "lambda o: o.name.startswith(\"red\") and o.map[\"a\"] == 1 and o.map.get(\"b\", 2) == 2",
        "lambda o: (o.x if o.y else o.missing) == 3 and o.x in (1, 3)",
    ] {
        let answer = ask(&python(source));
        let foreign = source.contains("**");
        assert_eq!(answer, if foreign { Answer::Sandbox } else { Answer::Yes }, "{source}");
    }
    assert_eq!(ask(&python("lambda o: o.missing < 3")), Answer::Missing("missing".into()));
}

#[test]
fn what_is_not_surely_the_same_is_left() {
    for source in [
        "o => o.name < 3",
        "o => o.name.toLowerCase() === \"red\"",
        "o => o.none.x",
        "o => o.toString",
        "o => outside < 3",
        "async o => true",
        "o => { let x = 1; return x; }",
        "({ x }) => x === 3",
        "o => o.x ** 2 === 9",
        "o => /r/.test(o.name)",
        "o => o.tags[0].a.b",
        "o => o.map.constructor === Object",
        "o => o =>",
        "not a function",
    ] {
        assert_eq!(ask(&javascript(source)), Answer::Sandbox, "{source}");
    }
    for source in [
        "lambda o: o.name < 3",
        "lambda o: o.x / 0",
        "lambda o: o.map[\"b\"]",
        "lambda o: o.__class__",
        "lambda o: o.x ** 2 == 9",
        "lambda o: f\"{o.x}\" == \"3\"",
        "lambda o: outside(o)",
        "lambda o, x=3: o.x == x",
        "lambda *o: True",
        "lambda o: o.x is 3",
        "lambda o: \"\\ud800\" in o.name",
        "lambda o: o.tags == [float(\"nan\")]",
        "def f(o):\n    x = 1\n    return x",
    ] {
        assert_eq!(ask(&python(source)), Answer::Sandbox, "{source}");
    }
    // A name from around hides Python's own.
    let hidden = Lambda::read(Language::Python, "lambda o: len(o.name) == 5", &names());
    assert_eq!(ask(&hidden), Answer::Sandbox);
    // What decides before is decided here.
    assert_eq!(ask(&javascript("o => o.x === 4 && outside(o)")), Answer::No);
    assert_eq!(ask(&python("lambda o: o.x == 3 or outside(o)")), Answer::Yes);
    // Texts that nest too deep for a stack that is not ours.
    for source in
        [format!("o => {}1{}", "(".repeat(3000), ")".repeat(3000)), format!("o => {}o.x", "!".repeat(3000))]
    {
        assert_eq!(ask(&javascript(&source)), Answer::Sandbox);
    }
    let deep = format!("lambda o: {}1{}", "(".repeat(3000), ")".repeat(3000));
    assert_eq!(ask(&python(&deep)), Answer::Sandbox);
    assert_eq!(ask(&python(&format!("lambda o: {} o.x", "not ".repeat(900)))), Answer::Sandbox);
}

/// Whether the first way to a function's objects leads to those with a value.
fn leads(lambda: &Lambda, value: Option<Value>) -> bool {
    let key = order::entry(value.as_ref());
    let access = &lambda.accesses()[0];
    access.spans.iter().any(|span| key >= span.from && (key <= span.to || key.starts_with(&span.to)))
}

#[test]
fn an_index_leads_to_all_that_may_be_wanted() {
    let text = |text: &str| Some(Value::Text(text.into()));
    let (int, float) = (|int| Some(Value::Int(int)), |float| Some(Value::Float(float)));

    let range = javascript("o => o.x > 1 && o.x <= 3.5 && outside(o)");
    assert_eq!(range.accesses()[0].field, "x");
    for (value, wanted) in [
        (int(1), true),
        (int(2), true),
        (float(3.5), true),
        (float(3.6), false),
        (int(0), false),
        (float(f64::NAN), false),
        (None, false),
        (Some(Value::Null), false),
        (Some(Value::Bool(true)), false),
        // "2" > 1, and an object may be anything.
        (text("2"), true),
        (Some(Value::List(vec![])), true),
    ] {
        assert_eq!(leads(&range, value.clone()), wanted, "{value:?}");
    }

    let same = python("lambda o: o.x == \"red\" and o.y < 3");
    assert_eq!(same.accesses().len(), 1, "an error of the second must not come before the first is asked");
    for (value, wanted) in [
        (text("red"), true),
        (text("re"), false),
        (text("redd"), false),
        (int(3), false),
        (Some(Value::Null), false),
        // It is an error, which must be told.
        (None, true),
    ] {
        assert_eq!(leads(&same, value.clone()), wanted, "{value:?}");
    }

    let chain = python("lambda o: 1 < o.x < 3");
    assert!(
        leads(&chain, int(2))
            && !leads(&chain, int(4))
            && leads(&chain, text("2"))
            && leads(&chain, Some(Value::Null))
    );
    // Before the last is asked, the second raises.
    let raises = python("lambda o: \"m\" <= o.x < 4 and o.x < \"\"");
    assert!(leads(&raises, text("n")) && !leads(&raises, text("a")));
    let begins = javascript("o => o.name.startsWith(\"re\")");
    assert!(leads(&begins, text("red")) && !leads(&begins, text("rad")) && leads(&begins, int(3)));
    // UTF-16 orders these two the other way round.
    let order = javascript("o => o.name < \"\\uffff\"");
    assert!(order.accesses().is_empty() || leads(&order, text("\u{1f40e}")));
    let best = javascript("o => o.x > 1 && o.y === 2");
    assert_eq!(best.accesses().iter().map(|access| &*access.field).collect::<Vec<_>>(), ["y", "x"]);

    for (source, within, without) in [
        ("o => o.x < -50", int(-51), int(-49)),
        ("o => o.x === -77", int(-77), int(77)),
        ("o => -1.5 > o.x", float(-2.0), int(0)),
        ("o => o.x < +3", int(2), int(4)),
        ("(o, p) => o.x < -p.max", int(-5), int(-3)),
        ("o => o.x < 10n", float(9.5), float(10.5)),
        ("o => o.x == -10n", int(-10), int(10)),
        ("o => o.x === 9007199254740993n", int(9007199254740993), int(9007199254740992)),
    ] {
        let lambda = javascript(source);
        assert!(leads(&lambda, within) && !leads(&lambda, without), "{source}");
        assert!(lambda.raises_never() || lambda.sandbox().is_none(), "{source}");
    }
    for (source, within, without) in [
        ("lambda o: o.x < -50", int(-51), int(-49)),
        ("lambda o: -77 == o.x", int(-77), int(77)),
        ("lambda o: -3.5 < o.x < +3", int(2), int(4)),
        ("lambda o: o.x <= -limit", int(-2), int(-1)),
    ] {
        let lambda = python(source);
        assert!(leads(&lambda, within) && !leads(&lambda, without), "{source}");
    }
    assert_eq!(python("lambda o: o.x in (-77, +3)").sandbox(), None);
    // No number is the same as a bigint, and to ask for one by a sign raises.
    assert!(javascript("o => o.x === 10n").accesses().is_empty());
    assert_eq!(ask(&javascript("o => o.x === 3n")), Answer::No);
    assert_eq!(ask(&javascript("o => o.x === +3n")), Answer::Sandbox);

    for none in [
        "o => o.x !== 3",
        "o => o.x === o.y",
        "o => o.x || o.x === 3",
        "o => outside(o) && o.x === 3",
        "o => true",
    ] {
        assert!(javascript(none).accesses().is_empty(), "{none}");
    }
}
