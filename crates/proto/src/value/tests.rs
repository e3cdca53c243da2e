use super::*;
use crate::{ErrorCode, limits};

fn round(value: Value) {
    let bytes = value.encode();
    assert_eq!(Value::decode(&bytes).unwrap(), value);
    check(&bytes).unwrap();
    assert_eq!(Value::from_json(&value.to_json()).unwrap(), value);
}

fn fails(bytes: &[u8]) -> Error {
    let error = Value::decode(bytes).unwrap_err();
    assert_eq!(check(bytes).unwrap_err(), error, "checking and building must agree");
    error
}

#[test]
fn floats_and_integers_stay_apart() {
    round(Value::List(vec![Value::Float(1.0), Value::Int(1), Value::Float(-0.0), Value::Float(f64::NAN)]));
    assert_ne!(Value::Float(0.0), Value::Float(-0.0));
    assert_eq!(Value::Float(f64::NAN), Value::Float(f64::NAN));
    assert_eq!(Value::Int(5), Value::BigInt(5.into()));
    assert_eq!(Value::decode(&Value::BigInt(5.into()).encode()).unwrap(), Value::Int(5));
}

#[test]
fn nothing_is_reserved_for_what_is_not_there() {
    // Each claims 2^32 - 1 elements or bytes, or nests such claims.
    for head in [0x9a, 0xba, 0x5a, 0x7a] {
        let error = fails(&[head, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0]);
        assert_eq!(error.code, ErrorCode::BadFrame);
        assert!(error.message.contains("cut short"), "{error}");
    }
    assert!(fails(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).message.contains("cut short"));
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize| {
        let mut bytes = vec![0x81; levels - 1];
        bytes.push(0x80);
        bytes
    };
    assert!(Value::decode(&nested(limits::MAX_DEPTH)).is_ok());
    let error = fails(&nested(limits::MAX_DEPTH + 1));
    assert_eq!((error.code, error.limit), (ErrorCode::TooDeep, Some(64)));
    fails(&vec![0x81; 1_000_000]);
    fails(&vec![0xc2; 1_000_000]);
    assert!(
        raw::entries(&[&[0xa1, 0x61, b'a'][..], &vec![0x9f; 1_000_000]].concat())
            .unwrap()
            .next()
            .unwrap()
            .is_err()
    );
}

#[test]
fn errors_name_the_field() {
    let bytes = raw::build(&[("farms", [0x82, 0xf6, 0xa1, 0x61, b'a', 0xd8, 99, 0x00])]);
    let error = fails(&bytes);
    assert_eq!(error.field.as_deref(), Some("farms[1].a"));
    assert!(error.message.contains("tag 99"), "{error}");
    let error = fails(&[0xa2, 0x61, b'a', 0x00, 0x61, b'a', 0x00]);
    assert_eq!(error.field.as_deref(), Some("a"));
    let error = Value::from_json(&serde_json::json!({"a": [1, {"$uuid": "x"}]})).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("a[1]")));
}

#[test]
fn many_keys_are_still_checked() {
    let entries: Vec<_> = (0..100).map(|at| (format!("k{at}"), [0x00])).collect();
    check_map(&raw::build(&entries)).unwrap();
    for twice in [0, 15, 16, 99] {
        let mut entries = entries.clone();
        entries.push((format!("k{twice}"), [0x00]));
        assert!(check_map(&raw::build(&entries)).unwrap_err().message.contains("twice"));
    }
    // A key in chunks is the same key.
    fails(&[0xa2, 0x61, b'a', 0x00, 0x7f, 0x61, b'a', 0xff, 0x00]);
    fails(&[0xa2, 0x7f, 0x61, b'a', 0xff, 0x00, 0x61, b'a', 0x00]);
}

#[test]
fn moments_and_days() {
    let text = |micros| Value::DateTime(micros).to_json()["$datetime"].as_str().unwrap().to_owned();
    assert_eq!(text(0), "1970-01-01T00:00:00Z");
    assert_eq!(text(-1), "1969-12-31T23:59:59.999999Z");
    assert_eq!(text(1_709_209_845_120_000), "2024-02-29T12:30:45.120Z");
    assert_eq!(text(i64::MAX), "9999-12-31T23:59:59.999999Z");
    assert_eq!(text(i64::MIN), "0000-01-01T00:00:00Z");
    let parse = |text: &str| Value::from_json(&serde_json::json!({ "$datetime": text }));
    assert_eq!(parse("2024-02-29t12:30:45.1200001+05:30").unwrap(), Value::DateTime(1_709_190_045_120_000));
    for wrong in [
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "0000-01-01T00:00:00+01:00",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    for days in [0, -1, 19_782, -719_528, 2_932_896] {
        round(Value::Date(days));
    }
    assert_eq!(Value::Date(i32::MAX).to_json()["$date"], "9999-12-31");
}

#[test]
fn durations() {
    for micros in [0, 1, -1, 1_500_000, -1_500_000, i64::MAX, i64::MIN, 90_000_000] {
        round(Value::Duration(micros));
    }
    let parse = |text: &str| Value::from_json(&serde_json::json!({ "$duration": text }));
    assert_eq!(parse("P1DT2H3M4.5S").unwrap(), Value::Duration(93_784_500_000));
    assert_eq!(parse("-P1W").unwrap(), Value::Duration(-604_800_000_000));
    for wrong in ["", "P", "PT", "P1Y", "PT1", "PT1S1S", "PT1M1H", "1S", "P1.5D", "PT9999999999999999S"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn decimals_keep_both_numbers() {
    for (exponent, mantissa, text) in [
        (-2, -150, "-1.50"),
        (0, 7, "7"),
        (3, 15, "15E3"),
        (-3, 5, "0.005"),
        (-40, 5, "5E-40"),
        (i64::MAX, 1, "1E9223372036854775807"),
    ] {
        let value = Value::Decimal { exponent, mantissa: mantissa.into() };
        assert_eq!(value.to_json()["$decimal"], text);
        round(value);
    }
    for wrong in ["", "-", ".", "1.", ".5", "1E", "--1", "1e99999999999999999999", "0x1"] {
        assert!(Value::from_json(&serde_json::json!({ "$decimal": wrong })).is_err(), "{wrong}");
    }
}

#[test]
fn keys_that_look_like_tags_are_escaped() {
    round(Value::Map(vec![("$int".into(), Value::Text("5".into()))]));
    round(Value::Map(vec![
        ("$a".into(), Value::Null),
        ("b".into(), Value::Map(vec![("$map".into(), Value::Null)])),
    ]));
    assert!(Value::from_json(&serde_json::json!({"$what": 1})).is_err());
    assert!(Value::from_json(&serde_json::json!({"$int": "1", "b": 2})).is_err());
}

#[test]
fn huge_integers_are_limited() {
    let largest = Value::BigInt((num_bigint::BigInt::from(1) << (limits::MAX_INTEGER * 8)) - 1);
    round(largest.clone());
    let Value::BigInt(int) = largest else { unreachable!() };
    let larger = Value::BigInt(int + 1);
    let error = fails(&larger.encode());
    assert_eq!((error.code, error.limit), (ErrorCode::TooLarge, Some(limits::MAX_INTEGER as u64)));
    let error = Value::from_json(&larger.to_json()).unwrap_err();
    assert_eq!(error.code, ErrorCode::TooLarge);
}

#[test]
fn sets_keep_equal_members_once() {
    let set = Value::Set(vec![Value::Int(1), Value::Int(1), Value::Float(1.0)]);
    let once = Value::Set(vec![Value::Int(1), Value::Float(1.0)]);
    assert_eq!(Value::decode(&set.encode()).unwrap(), once);
    assert_eq!(Value::from_json(&set.to_json()).unwrap(), once);
}

#[test]
fn raw_maps() {
    let base =
        Value::from_json(&serde_json::json!({"a": 1, "b": [1, {"x": null}], "c": "t"})).unwrap().encode();
    let keys: Vec<_> = raw::entries(&base).unwrap().map(|entry| entry.unwrap().0.into_owned()).collect();
    assert_eq!(keys, ["a", "b", "c"]);
    assert_eq!(raw::get(&base, "c").unwrap(), Some(&b"\x61t"[..]));
    assert_eq!(raw::get(&base, "d").unwrap(), None);
    let set = Value::from_json(&serde_json::json!({"d": 4, "b": 2})).unwrap().encode();
    let patched = raw::patch(&base, &set, &["a".into(), "zz".into()]).unwrap();
    assert_eq!(Value::decode(&patched).unwrap().to_json().to_string(), r#"{"b":2,"c":"t","d":4}"#);
    assert!(raw::entries(&[0x80]).is_err());
    assert!(raw::entries(&[0xa0, 0x00]).unwrap().next().unwrap().is_err());
    assert!(raw::entries(&base[..base.len() - 1]).unwrap().any(|entry| entry.is_err()));
    assert_eq!(raw::build::<&str, &[u8]>(&[]), raw::EMPTY);
}

#[test]
fn values_inside_records() {
    let value = Value::List(vec![Value::Float(1.5), Value::Ref("/a".into())]);
    let bytes = crate::class::encode(&(1u8, &value, 2u8));
    let (one, read, two): (u8, Value, u8) = crate::class::decode(&bytes).unwrap();
    assert_eq!((one, read, two), (1, value, 2));
}
