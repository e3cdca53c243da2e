//! Writing values: integers shortest, floats always 64 bits, lengths always definite.

use super::reader::{ARRAY, BYTES, MAP, NEGATIVE, TAG, TEXT, UNSIGNED};
use super::{Array, Value, time};
use num_bigint::{BigInt, Sign};

pub(super) fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Int(int) => small(*int, out),
        Value::BigInt(int) => integer(int, out),
        Value::Float(float) => {
            out.push(0xfb);
            out.extend_from_slice(&float.to_bits().to_be_bytes());
        }
        Value::Text(string) => text(string, out),
        Value::Bytes(string) => bytes(string, out),
        Value::List(items) => list(items, out),
        Value::Map(entries) => map(entries, out),
        Value::Set(members) => {
            head(TAG, 258, out);
            list(members, out);
        }
        Value::DateTime(micros) => {
            head(TAG, 0, out);
            text(&time::write_datetime(*micros), out);
        }
        Value::Date(days) => {
            head(TAG, 1004, out);
            text(&time::write_date(*days), out);
        }
        Value::Uuid(uuid) => {
            head(TAG, 37, out);
            bytes(uuid, out);
        }
        Value::Decimal { exponent, mantissa } => {
            head(TAG, 4, out);
            head(ARRAY, 2, out);
            small(*exponent, out);
            integer(mantissa, out);
        }
        Value::Duration(micros) => duration(*micros, out),
        Value::Array(array) => typed_array(array, out),
        Value::Ref(path) => {
            head(TAG, 27, out);
            head(ARRAY, 2, out);
            text("emerge/ref", out);
            text(path, out);
        }
        Value::Object { class, fields } => {
            head(TAG, 27, out);
            head(ARRAY, 3, out);
            text("emerge/object", out);
            bytes(&class.0, out);
            map(fields, out);
        }
        Value::Table { columns, rows } => {
            head(TAG, 27, out);
            head(ARRAY, 3, out);
            text("emerge/table", out);
            head(ARRAY, columns.len() as u64, out);
            columns.iter().for_each(|column| text(column, out));
            head(ARRAY, rows.len() as u64, out);
            rows.iter().for_each(|row| list(row, out));
        }
    }
}

/// The head of an item, in its shortest form.
#[inline]
pub(super) fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    if argument < 24 {
        out.push(major | argument as u8);
    } else if let Ok(argument) = u8::try_from(argument) {
        out.extend_from_slice(&[major | 24, argument]);
    } else if let Ok(argument) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&argument.to_be_bytes());
    } else if let Ok(argument) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&argument.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

pub(super) fn text(text: &str, out: &mut Vec<u8>) {
    head(TEXT, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    head(BYTES, bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn list(items: &[Value], out: &mut Vec<u8>) {
    head(ARRAY, items.len() as u64, out);
    items.iter().for_each(|item| value(item, out));
}

fn map(entries: &[(String, Value)], out: &mut Vec<u8>) {
    head(MAP, entries.len() as u64, out);
    for (key, entry) in entries {
        text(key, out);
        value(entry, out);
    }
}

fn small(int: i64, out: &mut Vec<u8>) {
    match u64::try_from(int) {
        Ok(int) => head(UNSIGNED, int, out),
        Err(_) => head(NEGATIVE, !int as u64, out),
    }
}

fn integer(int: &BigInt, out: &mut Vec<u8>) {
    let (major, tag, magnitude) = match int.sign() {
        Sign::Minus => (NEGATIVE, 3, -int - 1u8),
        Sign::NoSign | Sign::Plus => (UNSIGNED, 2, int.clone()),
    };
    match u64::try_from(&magnitude) {
        Ok(short) => head(major, short, out),
        Err(_) => {
            head(TAG, tag, out);
            bytes(&magnitude.to_bytes_be().1, out);
        }
    }
}

fn duration(micros: i64, out: &mut Vec<u8>) {
    let fraction = micros.rem_euclid(1_000_000);
    head(TAG, 1002, out);
    head(MAP, if fraction == 0 { 1 } else { 2 }, out);
    small(1, out);
    small(micros.div_euclid(1_000_000), out);
    if fraction != 0 {
        small(-6, out);
        small(fraction, out);
    }
}

fn typed_array(array: &Array, out: &mut Vec<u8>) {
    // One dimension needs no shape.
    if array.shape.len() != 1 {
        head(TAG, 40, out);
        head(ARRAY, 2, out);
        head(ARRAY, array.shape.len() as u64, out);
        array.shape.iter().for_each(|length| head(UNSIGNED, *length, out));
    }
    head(TAG, array.dtype.tag(), out);
    bytes(&array.data, out);
}
