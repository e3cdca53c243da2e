//! Against Python's own pickler.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use emerge_pickle::{op_from_pickle, value_from_pickle, value_of_pickle, value_to_pickle};
use emerge_proto::{ErrorCode, Op, Value};
use std::io::Write;
use std::process::{Command, Stdio};

const SETUP: &str = r#"
import sys, types, pickle, datetime, decimal, uuid, array, collections
wire = types.ModuleType("emerge._wire")
class Ref:
    def __init__(self, path): self.path = path
    def __reduce__(self): return (wire.ref, (self.path,))
    def __eq__(self, other): return self.path == other.path
def ref(path): return Ref(path)
def uuid_(data): return uuid.UUID(bytes=data)
def array_(dtype, shape, data): return (dtype, shape, data)
def object_(hash, fields): return (hash, fields)
for name, function in (("ref", ref), ("uuid", uuid_), ("array", array_), ("object", object_)):
    function.__module__, function.__qualname__, function.__name__ = "emerge._wire", name, name
    setattr(wire, name, function)
sys.modules["emerge"] = types.ModuleType("emerge")
sys.modules["emerge._wire"] = wire
utc = datetime.timezone.utc
"#;

fn python(code: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .args(["-c", &format!("{SETUP}\n{code}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn pickled(expression: &str) -> Vec<u8> {
    python(&format!("sys.stdout.buffer.write(pickle.dumps({expression}, 5))"), b"")
}

/// What Python wrote comes back to Python as an equal value of the same type.
#[test]
fn values_go_round() {
    let table = r#"[
        None, True, False, 0, -1, 255, 256, 65536, 2**31, -2**31, 2**63, -2**63, 2**64, -10**40,
        0.0, -0.0, 1.0, 1e300, float("inf"), "", "text", "\U0001f600 é", "x" * 300, b"", b"\0\xff", b"b" * 300,
        [], [1, [2, [3]]], {}, {"b": 1, "a": {"c": [True]}}, set(), {1, 2}, {"a"},
        {(1, (2, "x"))}, {frozenset({(3,)})}, {frozenset()}, {()},
        datetime.datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=utc),
        datetime.datetime(1, 1, 1, tzinfo=utc), datetime.datetime(9999, 12, 31, 23, tzinfo=utc),
        datetime.date(2024, 2, 29), datetime.timedelta(days=-3, seconds=5, microseconds=7),
        uuid.UUID("12345678-1234-5678-1234-567812345678"), uuid.UUID(int=5),
        decimal.Decimal("-12.50"), decimal.Decimal("1E+7"), decimal.Decimal("0.000"), Ref("/a/b"),
    ]"#;
    let encoded = value_from_pickle(&pickled(table)).unwrap();
    let back = value_to_pickle(&encoded).unwrap();
    let check = format!(
        "table = {table}\nback = pickle.loads(sys.stdin.buffer.read())\nassert len(table) == len(back)\n\
         for a, b in zip(table, back): assert type(a) is type(b) and a == b and (type(a) is Ref or repr(a) == repr(b)), (a, b)\n\
         sys.stdout.buffer.write(b'same')"
    );
    assert_eq!(python(&check, &back), b"same");
}

#[test]
fn what_python_has_more_of_becomes_what_emerge_has() {
    let zone = "datetime.timezone(datetime.timedelta(hours=2))";
    let table = format!(
        "[(1, 2), bytearray(b'x'), frozenset((1,)), collections.OrderedDict(a=1), collections.defaultdict(list, a=[]), \
         datetime.datetime(1970, 1, 1, 2, tzinfo={zone}), float('nan')]"
    );
    let Value::List(values) = value_of_pickle(&pickled(&table)).unwrap() else { panic!() };
    assert_eq!(values[0], Value::List(vec![Value::Int(1), Value::Int(2)]));
    assert_eq!(values[1], Value::Bytes(b"x".to_vec()));
    assert_eq!(values[2], Value::Set(vec![Value::Int(1)]));
    assert_eq!(values[3], Value::Map(vec![("a".into(), Value::Int(1))]));
    assert_eq!(values[4], Value::Map(vec![("a".into(), Value::List(vec![]))]));
    assert_eq!(values[5], Value::DateTime(0));
    assert!(matches!(values[6], Value::Float(float) if float.is_nan()));
    let Value::Array(array) = value_of_pickle(&pickled("array.array('d', [1.0, 2.0])")).unwrap() else {
        panic!()
    };
    assert_eq!((array.shape, array.data.len()), (vec![2], 16));
}

/// One Python for all of them: the field path and the type are named.
#[test]
fn what_has_no_mapping_is_named() {
    let table = [
        ("{'farms': [{'size': 1j}]}", "farms[0].size", "complex"),
        ("{'f': print}", "f", "print"),
        ("{'k': {1: 2}}", "k", "int"),
        ("[datetime.datetime(2020, 1, 1)]", "[0]", "time zone"),
        ("{'t': datetime.time(1)}", "t", "datetime.time"),
        ("{'s': '\\ud800'}", "s", "surrogate"),
        ("{'d': decimal.Decimal('NaN')}", "d", "NaN"),
        ("{'c': types.SimpleNamespace(a=1)}", "c", "SimpleNamespace"),
        (
            "{'s': [{type('H', (), {'__reduce__': lambda self: (wire.object, (bytes(16), {}))})()}]}",
            "s[0][0]",
            "in a set",
        ),
        ("(lambda a: (a.append(a), {'loop': a})[1])([])", "loop[0]", "itself"),
    ];
    for (expression, field, named) in table {
        let error = value_from_pickle(&pickled(expression)).unwrap_err();
        assert_eq!(error.code, ErrorCode::UnmappableValue, "{expression}: {error}");
        assert_eq!(error.field.as_deref(), Some(field), "{error}");
        assert!(error.message.contains(named), "{error}");
    }
    let deep = "(lambda f: f(f, 80))(lambda f, n: [f(f, n - 1)] if n else 0)";
    assert_eq!(value_from_pickle(&pickled(deep)).unwrap_err().code, ErrorCode::TooDeep);
    let bomb = "(lambda f: f(f, 40))(lambda f, n: [f(f, n - 1)] * 10 if n else 0)";
    assert_eq!(value_from_pickle(&pickled(bomb)).unwrap_err().code, ErrorCode::TooLarge);
    // One integer of 4000 bytes, five thousand times: Python remembers none, but a pickle may (`MEMOIZE`, `BINGET`).
    let integer = [&b"\x80\x04](\x8b\xa0\x0f\0\0"[..], &[1; 4000], b"\x94"].concat();
    let times = |count| [&integer[..], &b"h\0".repeat(count), b"e."].concat();
    assert!(value_from_pickle(&times(4000)).is_ok());
    assert_eq!(value_from_pickle(&times(5000)).unwrap_err().code, ErrorCode::TooLarge);
}

#[test]
fn requests_are_read() {
    let op = op_from_pickle(&pickled("('store', '/a', b'h' * 16, {'x': 1.0}, 'patch', 3, ['y'])")).unwrap();
    let Op::Store { fields, base, removed, .. } = op else { panic!() };
    assert_eq!(Value::decode(&fields).unwrap(), Value::Map(vec![("x".into(), Value::Float(1.0))]));
    assert_eq!((base, removed), (Some(3), Some(vec!["y".to_owned()])));
    let class = "('put_class', ('Item', 'python', 'class Item: pass', [('Base', b'b' * 16)], \
        [('x', 'float', True, 0.0, None), ('y', 'any', False, None, 'doc')], None, \
        [('m', 'module', 'math'), ('f', 'member', 'math', 'floor'), ('k', 'value', {'a': 1}), ('C', 'class', b'c' * 16)]))";
    let Op::PutClass { class } = op_from_pickle(&pickled(class)).unwrap() else { panic!() };
    assert_eq!(class.captures.unwrap().len(), 4);
    assert_eq!((class.fields[0].default.is_some(), class.fields[1].default.is_some()), (true, false));
    let error = op_from_pickle(&pickled("('call', '/a', 'm', ([1j],), False)")).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("[0][0]"));
}
