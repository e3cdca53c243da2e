//! The JSON form of values. What JSON lacks is an object with one key that begins with `$`.

use super::{Array, Value, base64, time};
use num_bigint::BigInt;
use serde_json::{Map, Value as Json, json};

/// The largest integer that JSON readers keep exactly.
const SAFE: i64 = (1 << 53) - 1;

pub(super) fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(bool) => Json::Bool(*bool),
        Value::Int(int) if (-SAFE..=SAFE).contains(int) => Json::from(*int),
        Value::Int(int) => json!({ "$int": int.to_string() }),
        Value::BigInt(int) => json!({ "$int": int.to_string() }),
        Value::Float(float) => match serde_json::Number::from_f64(*float) {
            Some(number) => Json::Number(number),
            None if float.is_nan() => json!({ "$float": "NaN" }),
            None => json!({ "$float": if *float > 0.0 { "Infinity" } else { "-Infinity" } }),
        },
        Value::Text(text) => Json::String(text.clone()),
        Value::Bytes(bytes) => json!({ "$bytes": base64::write(bytes) }),
        Value::List(items) => list(items),
        // Without the escape such a map would be read as something else.
        Value::Map(entries) if entries.iter().any(|(key, _)| key.starts_with('$')) => {
            json!({ "$map": map(entries) })
        }
        Value::Map(entries) => map(entries),
        Value::Set(members) => json!({ "$set": list(members) }),
        Value::DateTime(micros) => json!({ "$datetime": time::write_datetime(*micros) }),
        Value::Date(days) => json!({ "$date": time::write_date(*days) }),
        Value::Uuid(bytes) => json!({ "$uuid": uuid::Uuid::from_bytes(*bytes).to_string() }),
        Value::Decimal { exponent, mantissa } => json!({ "$decimal": decimal(*exponent, mantissa) }),
        Value::Duration(micros) => json!({ "$duration": time::write_duration(*micros) }),
        Value::Array(Array { dtype, shape, data }) => {
            json!({ "$array": { "dtype": dtype.as_str(), "shape": shape, "data": base64::write(data) } })
        }
        Value::Ref(path) => json!({ "$ref": path }),
        Value::Object { class, fields } => {
            json!({ "$object": { "class": class.to_string(), "fields": map(fields) } })
        }
        Value::Table { columns, rows } => {
            json!({ "$table": { "columns": columns, "rows": rows.iter().map(|row| list(row)).collect::<Vec<_>>() } })
        }
    }
}

fn list(items: &[Value]) -> Json {
    Json::Array(items.iter().map(value).collect())
}

fn map(entries: &[(String, Value)]) -> Json {
    Json::Object(entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect::<Map<_, _>>())
}

/// Keeps both numbers: `-1.50` is -150 and -2, `15E3` is 15 and 3.
fn decimal(exponent: i64, mantissa: &BigInt) -> String {
    let digits = mantissa.magnitude().to_string();
    let sign = if mantissa.sign() == num_bigint::Sign::Minus { "-" } else { "" };
    match exponent {
        0 => format!("{sign}{digits}"),
        -30..0 => {
            let places = exponent.unsigned_abs() as usize;
            let digits = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            format!("{sign}{whole}.{fraction}")
        }
        _ => format!("{sign}{digits}E{exponent}"),
    }
}
