//! Reading the JSON form of values.

use super::array::{self, Array, DType};
use super::fail::Fail;
use super::{Value, base64, time, tree};
use crate::class::ClassHash;
use crate::{ErrorCode, Result, limits};
use num_bigint::BigInt;
use serde_json::{Map, Value as Json};

pub(super) fn value(json: &Json) -> Result<Value> {
    Ok(read(json, 0)?)
}

fn bad(message: impl Into<String>) -> Fail {
    Fail::new(ErrorCode::BadArgument, message)
}

fn read(json: &Json, depth: usize) -> Result<Value, Fail> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), _, _) => Value::Int(int),
            (None, Some(int), _) => Value::BigInt(int.into()),
            (None, None, Some(float)) => Value::Float(float),
            (None, None, None) => return Err(bad(format!("{number} is not a number that can be kept"))),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(list(items, deeper(depth)?)?),
        Json::Object(map) => match map.iter().find(|(key, _)| key.starts_with('$')) {
            None => Value::Map(fields(map, deeper(depth)?)?),
            Some((tag, inner)) if map.len() == 1 => tagged(tag, inner, depth)
                .map_err(|fail| fail.recode(ErrorCode::BadFrame, ErrorCode::BadArgument))?,
            Some((key, _)) => {
                return Err(bad(format!(
                    "a map with the key {key:?}, which begins with \"$\", is written {{\"$map\": …}}"
                )));
            }
        },
    })
}

fn deeper(depth: usize) -> Result<usize, Fail> {
    if depth == limits::MAX_DEPTH { Err(Fail::too_deep()) } else { Ok(depth + 1) }
}

fn list(items: &[Json], depth: usize) -> Result<Vec<Value>, Fail> {
    items.iter().enumerate().map(|(at, item)| read(item, depth).map_err(|fail| fail.index(at))).collect()
}

fn fields(map: &Map<String, Json>, depth: usize) -> Result<Vec<(String, Value)>, Fail> {
    map.iter()
        .map(|(key, value)| Ok((key.clone(), read(value, depth).map_err(|fail| fail.key(key))?)))
        .collect()
}

fn tagged(tag: &str, inner: &Json, depth: usize) -> Result<Value, Fail> {
    let text = || inner.as_str().ok_or_else(|| bad(format!("{tag} must be a text")));
    let wrong = |needed: &str| bad(format!("{tag} must be {needed}"));
    Ok(match tag {
        "$int" => Value::integer(integer(text()?)?),
        "$float" => match inner.as_f64() {
            Some(float) => Value::Float(float),
            None => Value::Float(text()?.parse().map_err(|_| wrong("a number, NaN, Infinity or -Infinity"))?),
        },
        "$bytes" => Value::Bytes(base64::parse(text()?).ok_or_else(|| wrong("base64"))?),
        "$map" => {
            let map = inner.as_object().ok_or_else(|| wrong("an object"))?;
            Value::Map(fields(map, deeper(depth)?)?)
        }
        "$set" => {
            let items = inner.as_array().ok_or_else(|| wrong("a list"))?;
            Value::Set(tree::distinct(list(items, deeper(depth)?)?))
        }
        "$datetime" => {
            let micros = time::parse_datetime(text()?);
            Value::DateTime(micros.ok_or_else(|| wrong("an RFC 3339 date and time"))?)
        }
        "$date" => Value::Date(time::parse_date(text()?).ok_or_else(|| wrong("an RFC 3339 date"))?),
        "$uuid" => {
            let uuid = uuid::Uuid::try_parse(text()?).map_err(|_| wrong("a UUID"))?;
            Value::Uuid(*uuid.as_bytes())
        }
        "$decimal" => decimal(text()?)?,
        "$duration" => {
            let micros = time::parse_duration(text()?);
            Value::Duration(
                micros.ok_or_else(|| wrong("an ISO 8601 duration of days, hours, minutes or seconds"))?,
            )
        }
        "$array" => Value::Array(typed_array(inner)?),
        "$ref" => Value::Ref(text()?.to_owned()),
        "$object" => {
            let class = inner["class"].as_str().and_then(ClassHash::parse);
            let map = inner["fields"].as_object();
            match (class, map) {
                (Some(class), Some(map)) => Value::Object { class, fields: fields(map, deeper(depth)?)? },
                _ => {
                    return Err(wrong(
                        "{\"class\": the 32 hexadecimal digits of a version, \"fields\": {…}}",
                    ));
                }
            }
        }
        "$table" => table(inner, depth)?,
        _ => {
            return Err(bad(format!("{tag:?} is unknown; a map with such a key is written {{\"$map\": …}}")));
        }
    })
}

fn table(inner: &Json, depth: usize) -> Result<Value, Fail> {
    let wrong = || {
        bad(
            "$table must be {\"columns\": [names], \"rows\": [[values], …]}, as many in each row as there are columns",
        )
    };
    let columns = inner["columns"].as_array().ok_or_else(wrong)?;
    let columns: Vec<String> = columns
        .iter()
        .map(|column| column.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    if let Some((at, name)) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name)) {
        return Err(bad(format!("the column {name:?} stands twice in a table")).index(at).key("columns"));
    }
    let depth = deeper(deeper(depth)?)?;
    let rows = inner["rows"].as_array().ok_or_else(wrong)?.iter().enumerate().map(|(at, row)| {
        let row = row.as_array().filter(|row| row.len() == columns.len()).ok_or_else(wrong);
        row.and_then(|row| list(row, depth)).map_err(|fail| fail.index(at).key("rows"))
    });
    let rows = rows.collect::<Result<_, Fail>>()?;
    Ok(Value::Table { columns, rows })
}

fn integer(text: &str) -> Result<BigInt, Fail> {
    let too_large = || {
        Fail::new(ErrorCode::TooLarge, format!("an integer has more than {} bytes", limits::MAX_INTEGER))
            .limit(limits::MAX_INTEGER as u64)
    };
    // A byte is less than three decimal digits; parsing takes time that grows with the square of the length.
    if text.len() > limits::MAX_INTEGER * 3 {
        return Err(too_large());
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad(format!("{:?} is not an integer", text.chars().take(40).collect::<String>())));
    }
    let integer: BigInt = text.parse().map_err(|_| bad("$int must be an integer"))?;
    if integer.bits() > limits::MAX_INTEGER as u64 * 8 { Err(too_large()) } else { Ok(integer) }
}

fn decimal(text: &str) -> Result<Value, Fail> {
    let wrong = || bad("$decimal must be a decimal number such as \"-1.50\" or \"15E3\"");
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i64>().map_err(|_| wrong())?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if number.contains('.') && (fraction.is_empty() || whole.trim_start_matches('-').is_empty()) {
        return Err(wrong());
    }
    let exponent = exponent.checked_sub(fraction.len() as i64).ok_or_else(wrong)?;
    Ok(Value::Decimal { exponent, mantissa: integer(&format!("{whole}{fraction}"))? })
}

fn typed_array(inner: &Json) -> Result<Array, Fail> {
    let wrong = || bad("$array must be {\"dtype\": …, \"shape\": […], \"data\": base64}");
    let dtype = inner["dtype"].as_str().ok_or_else(wrong)?;
    let dtype =
        DType::parse(dtype).ok_or_else(|| bad(format!("{dtype:?} is not a type of array elements")))?;
    let shape = inner["shape"].as_array().ok_or_else(wrong)?;
    if shape.len() > limits::MAX_DEPTH {
        return Err(bad(format!("an array has more than {} dimensions", limits::MAX_DEPTH)));
    }
    let shape: Vec<u64> = shape.iter().map(Json::as_u64).collect::<Option<_>>().ok_or_else(wrong)?;
    let data = inner["data"].as_str().and_then(base64::parse).ok_or_else(wrong)?;
    if array::bytes_of(dtype, &shape) != Some(data.len() as u64) {
        return Err(bad(format!(
            "an array of shape {shape:?} does not have {} bytes of {}",
            data.len(),
            dtype.as_str()
        )));
    }
    Ok(Array { dtype, shape, data })
}
