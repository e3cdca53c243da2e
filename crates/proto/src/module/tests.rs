#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use super::*;
use crate::value::Value;
use crate::{ErrorCode, FieldType, limits};
use proptest::prelude::*;

/// A module of custom sections alone.
fn module(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (name, content) in sections {
        let mut size = name.len() + 1 + content.len();
        module.push(0);
        while size > 0x7f {
            module.push(0x80 | (size & 0x7f) as u8);
            size >>= 7;
        }
        module.push(size as u8);
        module.push(name.len() as u8);
        module.extend_from_slice(name.as_bytes());
        module.extend_from_slice(content);
    }
    module
}

fn cbor(json: &str) -> Vec<u8> {
    Value::from_json(&serde_json::from_str(json).unwrap()).unwrap().encode()
}

fn describe(json: &str) -> Result<Description> {
    Description::of(&module(&[(SECTION, &cbor(json))]))
}

const COUNTER: &str = r#"{"interface": 1, "name": "Counter", "doc": "Counts.",
  "fields": [{"name": "count", "type": "int", "default": 0, "doc": "So many."}, {"name": "any"}],
  "methods": [
    {"name": "add", "doc": "Adds.", "returns": "int", "params": [{"name": "by", "type": "int", "default": 1}, {"name": "...more"}]},
    {"name": "set", "params": [{"name": "to"}, {"name": "note", "default": null}]},
    {"name": "double", "property": true}, {"name": "about", "static": true}]}"#;

#[test]
fn a_module_says_what_class_it_is() {
    let module = module(&[("name", b"x"), (SECTION, &cbor(COUNTER)), ("producers", &[0; 300])]);
    let description = Description::of(&module).unwrap();
    let signatures: Vec<String> = description.methods.iter().map(|method| method.decl.signature()).collect();
    assert_eq!(signatures, ["add(by: int = 1, ...more) -> int", "set(to, note = null)", "double", "about()"]);
    assert!(description.method("about").unwrap().decl.is_static);
    let class = description.class(module);
    assert_eq!((class.name.as_str(), class.doc.as_deref()), ("Counter", Some("Counts.")));
    assert_eq!(class.fields[0].kind, FieldType::Int);
    assert_eq!(class.fields[0].default, Some(Value::Int(0).encode()));
    assert_eq!((class.fields[1].kind, class.fields[1].default.as_ref()), (FieldType::Any, None));
    class.check().unwrap();
    for spoilt in [
        ClassSource { name: "Other".into(), ..class.clone() },
        ClassSource { source: "x".into(), ..class.clone() },
        ClassSource { fields: vec![], ..class.clone() },
        ClassSource { module: None, ..class.clone() },
        ClassSource { language: Language::JavaScript, ..class.clone() },
    ] {
        assert_eq!(spoilt.check().unwrap_err().code, ErrorCode::ClassInvalid, "{}", spoilt.name);
    }
}

#[test]
fn a_description_may_lie_in_parts() {
    let fields = cbor(r#"{"interface": 1, "name": "Point", "fields": [{"name": "x"}], "methods": []}"#);
    let methods = cbor(r#"{"interface": 1, "methods": [{"name": "norm"}]}"#);
    let together = Description::of(&module(&[(SECTION, &[&methods[..], &fields].concat())])).unwrap();
    assert_eq!(together, Description::of(&module(&[(SECTION, &fields), (SECTION, &methods)])).unwrap());
    assert_eq!((together.fields.len(), together.methods.len()), (1, 1));
    let error = Description::of(&module(&[(SECTION, &fields), (SECTION, &cbor(r#"{"name": "Other"}"#))]))
        .unwrap_err();
    assert_eq!(error.field.as_deref(), Some("name"));
}

#[test]
fn what_describes_no_class_is_refused_with_its_place() {
    for (spoilt, field) in [
        (r#"{"name": "A"}"#, "interface"),
        (r#"{"interface": 2, "name": "A"}"#, "interface"),
        (r#"{"interface": 1}"#, "name"),
        (r#"{"interface": 1, "name": "A", "colour": 1}"#, "colour"),
        (r#"{"interface": 1, "name": "A", "fields": {}}"#, "fields"),
        (r#"{"interface": 1, "name": "A", "fields": [1]}"#, "fields[0]"),
        (r#"{"interface": 1, "name": "A", "fields": [{"name": "x", "type": "i32"}]}"#, "fields[0].type"),
        (r#"{"interface": 1, "name": "A", "methods": [{"name": "a b"}]}"#, "methods[0].name"),
        (r#"{"interface": 1, "name": "A", "methods": [{"name": "then"}]}"#, "methods[0].name"),
        (r#"{"interface": 1, "name": "A", "methods": [{"name": "f"}, {"name": "f"}]}"#, "methods[1].name"),
        (r#"{"interface": 1, "name": "A", "methods": [{"name": "prototype"}]}"#, "methods[0].name"),
        (r#"{"interface": 1, "name": "A", "methods": [{"name": "__init__"}]}"#, "methods[0].name"),
        (
            r#"{"interface": 1, "name": "A", "fields": [{"name": "x"}], "methods": [{"name": "x"}]}"#,
            "methods[0].name",
        ),
        (r#"{"interface": 1, "name": "A", "methods": [{"name": "f", "static": 1}]}"#, "methods[0].static"),
        (
            r#"{"interface": 1, "name": "A", "methods": [{"name": "f", "params": [{"name": "a", "default": 1}, {"name": "b"}]}]}"#,
            "methods[0].params[1].default",
        ),
        (
            r#"{"interface": 1, "name": "A", "methods": [{"name": "f", "params": [{"name": "...a"}, {"name": "b"}]}]}"#,
            "methods[0].params[0].name",
        ),
        (
            r#"{"interface": 1, "name": "A", "methods": [{"name": "f", "params": [{"name": "a"}, {"name": "a"}]}]}"#,
            "methods[0].params[1].name",
        ),
        (
            r#"{"interface": 1, "name": "A", "methods": [{"name": "f", "property": true, "params": [{"name": "a"}]}]}"#,
            "methods[0].params",
        ),
    ] {
        let error = describe(spoilt).unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (ErrorCode::ClassInvalid, Some(field)),
            "{spoilt}: {error}"
        );
    }
    for (bytes, words) in [
        (&b"hello"[..], "does not begin"),
        (b"\0asm\x0d\0\x01\0", "no component"),
        (b"\0asm\x01\0\0\0", "no section"),
        (b"\0asm\x01\0\0\0\0\x05\x01", "cut short"),
        (b"\0asm\x01\0\0\0\0\xff\xff\xff\xff\xff", "cut short"),
        (&module(&[(SECTION, &[0x61])]), "no value"),
        (&module(&[(SECTION, &[1])]), "no map"),
        (&module(&[(SECTION, &[0x18, 1])]), "shortest form"),
    ] {
        let error = Description::of(bytes).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::ClassInvalid, Some("module")));
        assert!(error.message.contains(words), "{error}");
    }
    let error = Description::of(&vec![0; limits::MAX_MODULE + 1]).unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::TooLarge, Some(limits::MAX_MODULE as u64)));
}

#[test]
fn a_description_is_bounded_before_it_is_looked_through() {
    let many = |name: &str, members: &str| format!(r#""{name}": [{members}]"#);
    let members =
        (0..=limits::MAX_MEMBERS).map(|n| format!(r#"{{"name": "m{n}"}}"#)).collect::<Vec<_>>().join(",");
    let params = format!(r#""methods": [{{"name": "f", {}}}]"#, many("params", &members));
    for (list, field) in [
        (many("fields", &members), "fields"),
        (many("methods", &members), "methods"),
        (params, "methods[0].params"),
    ] {
        let error = describe(&format!(r#"{{"interface": 1, "name": "A", {list}}}"#)).unwrap_err();
        let told = (error.code, error.field.as_deref(), error.limit);
        assert_eq!(told, (ErrorCode::ClassInvalid, Some(field), Some(limits::MAX_MEMBERS as u64)));
    }
    let error = Description::of(&module(&[(SECTION, &vec![0; limits::MAX_SOURCE + 1])])).unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::TooLarge, Some(limits::MAX_SOURCE as u64)));
}

#[test]
fn each_parameter_has_an_argument() {
    let description = describe(COUNTER).unwrap();
    let arguments = |method: &str, args: &str, kwargs: Option<&str>| {
        let given = description.method(method).unwrap().arguments(&cbor(args), kwargs.map(cbor).as_deref());
        given.map(|args| Value::decode(&args).unwrap().to_json().to_string())
    };
    assert_eq!(arguments("add", "[]", None).unwrap(), "[1,[]]");
    assert_eq!(arguments("add", "[2, 3, 4]", None).unwrap(), "[2,[3,4]]");
    assert_eq!(arguments("add", "[]", Some(r#"{"by": 7}"#)).unwrap(), "[7,[]]");
    assert_eq!(arguments("set", "[5]", None).unwrap(), "[5,null]");
    assert_eq!(arguments("set", "[5, 6]", None).unwrap(), "[5,6]");
    assert_eq!(arguments("set", "[]", Some(r#"{"note": 2, "to": 1}"#)).unwrap(), "[1,2]");
    for (args, kwargs, field, words) in [
        ("[1, 2, 3]", None, "args", "takes 2 arguments, and 3 were given"),
        ("[]", None, "to", "was not given the argument \"to\""),
        ("[1]", Some(r#"{"to": 2}"#), "to", "given twice the argument"),
        ("[1]", Some(r#"{"x": 2}"#), "x", "no parameter of the name"),
    ] {
        let error = arguments("set", args, kwargs).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some(field)));
        assert!(error.message.contains(words) && error.message.ends_with("set(to, note = null)"), "{error}");
    }
}

#[test]
fn a_reply_is_a_result_or_an_error() {
    let state = cbor(r#"{"a": 1}"#);
    let bytes = [&[0x83, 0, 5][..], &state].concat();
    assert_eq!(reply(&bytes).unwrap(), Reply::Returned { result: &[5], state: Some(&state) });
    assert_eq!(reply(&[0x83, 0, 5, 0xf6]).unwrap(), Reply::Returned { result: &[5], state: None });
    let error = Error::new(ErrorCode::NotFound, "no").field("x");
    let bytes = [&[0x82, 1][..], &crate::class::encode(&error)].concat();
    assert_eq!(reply(&bytes).unwrap(), Reply::Failed(Box::new(error)));
    for spoilt in [
        &[][..],
        &[5],
        &[0x82, 0, 5],
        &[0x83, 0, 5, 5],
        &[0x83, 0, 0x61, 0xf6],
        &[0x83, 0, 5, 0xf6, 0],
        &[0x82, 1, 5],
    ] {
        reply(spoilt).unwrap_err();
    }
}

#[test]
fn a_request_is_its_members_in_their_order() {
    let request = Request {
        method: "f",
        path: "/a",
        state: &[0xa0],
        args: &[0x80],
        now_micros: -1,
        class: crate::ClassHash([7; 16]),
        seed: u64::MAX,
    };
    let mut wanted = vec![0x87, 0x61, b'f', 0x62, b'/', b'a', 0xa0, 0x80, 0x20, 0x1b];
    wanted.extend([0xff; 8]);
    wanted.push(0x50);
    wanted.extend([7; 16]);
    assert_eq!(request.encode(), wanted);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Description::of(&[b"\0asm\x01\0\0\0", &bytes[..]].concat());
        let _ = Description::of(&module(&[(SECTION, &bytes)]));
        let _ = reply(&bytes);
    }

    #[test]
    fn a_spoilt_description_is_read_or_refused(at in 0usize..600, byte in any::<u8>()) {
        let mut spoilt = module(&[(SECTION, &cbor(COUNTER))]);
        let at = at % spoilt.len();
        spoilt[at] = byte;
        if let Ok(description) = Description::of(&spoilt) {
            let _ = description.class(spoilt).check();
        }
    }
}
