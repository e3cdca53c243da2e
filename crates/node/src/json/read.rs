//! JSON as a request brings it, in which no name is given twice: which of the two would count is nobody's to guess.

use super::args::bad;
use emerge_proto::{Error, ErrorCode, Result};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};
use std::cell::RefCell;
use std::fmt;

/// Reads a text of JSON; `field` names it in errors.
///
/// # Errors
/// `bad_argument`: no JSON, or an object with one name twice, which it names.
pub fn read_json(text: &[u8], field: &str) -> Result<Json> {
    let doubled = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Unique(&doubled).deserialize(&mut reader).and_then(|json| reader.end().map(|()| json));
    read.map_err(|error| match doubled.take() {
        Some(key) => bad(&key, "the name is there twice in one JSON object"),
        None => {
            Error::new(ErrorCode::BadArgument, format!("{field} is not the JSON that is needed: {error}"))
                .field(field)
        }
    })
}

/// Reads a value, and notes the first name that is there twice.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.contains_key(&name) {
                self.0.borrow_mut().get_or_insert(name);
                return Err(A::Error::custom("a name is there twice"));
            }
            let value = entries.next_value_seed(self)?;
            map.insert(name, value);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_serde_reads_it_and_no_name_comes_twice() {
        for text in
            ["null", "[1, -2, 1.5, 1e400, \"x\", true]", "{\"b\": {\"a\": []}, \"a\": 18446744073709551615}"]
        {
            assert_eq!(read_json(text.as_bytes(), "body").ok(), serde_json::from_str(text).ok(), "{text}");
        }
        for (text, field) in [
            ("{\"a\": 1, \"a\": 1}", "a"),
            ("[{\"x\": {\"n\": 1, \"m\": 2, \"n\": 3}}]", "n"),
            ("{} {}", "body"),
            ("{", "body"),
        ] {
            let error = read_json(text.as_bytes(), "body").unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some(field)), "{text}");
        }
    }
}
