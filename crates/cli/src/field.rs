//! Paths into objects: `/customers/c0#farms[0].name`.

use emerge_proto::{Error, ErrorCode, Result, Value};

/// Splits a path from the field path behind `#`.
pub(crate) fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('#') {
        Some((path, field)) => (path, Some(field)),
        None => (path, None),
    }
}

/// Follows a field path through a value.
///
/// # Errors
/// `not_found`, naming the part that is not there; `bad_argument` for a malformed field path.
pub(crate) fn follow(value: Value, field: &str) -> Result<Value> {
    let mut value = value;
    let mut done = String::new();
    for part in parts(field)? {
        let shown = match &part {
            Part::Name(name) if done.is_empty() => name.clone(),
            Part::Name(name) => format!(".{name}"),
            Part::Index(at) => format!("[{at}]"),
        };
        done.push_str(&shown);
        let next = match (part, value) {
            (Part::Name(name), Value::Map(entries) | Value::Object { fields: entries, .. }) => {
                entries.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
            }
            (Part::Index(at), Value::List(items) | Value::Set(items)) => items.into_iter().nth(at),
            _ => None,
        };
        value = next.ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("there is no field {done:?}")).field(&done)
        })?;
    }
    Ok(value)
}

enum Part {
    Name(String),
    Index(usize),
}

fn parts(field: &str) -> Result<Vec<Part>> {
    let bad = || {
        Error::new(ErrorCode::BadArgument, format!("{field:?} is no field path such as farms[0].name"))
            .field(field)
    };
    let mut parts = Vec::new();
    for dotted in field.split('.') {
        let (name, mut rest) = match dotted.find('[') {
            Some(at) => dotted.split_at(at),
            None => (dotted, ""),
        };
        if !name.is_empty() {
            parts.push(Part::Name(name.to_owned()));
        } else if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let (index, after) =
                rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(bad)?;
            parts.push(Part::Index(index.parse().map_err(|_| bad())?));
            rest = after;
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_maps_and_lists() {
        let farm = Value::Map(vec![("name".into(), Value::Text("Hill".into()))]);
        let value = Value::Map(vec![("farms".into(), Value::List(vec![farm]))]);
        assert!(
            matches!(follow(value.clone(), "farms[0].name").unwrap(), Value::Text(name) if name == "Hill")
        );
        assert_eq!(follow(value.clone(), "farms[1]").unwrap_err().field.as_deref(), Some("farms[1]"));
        assert_eq!(follow(value.clone(), "farms[x]").unwrap_err().code, ErrorCode::BadArgument);
        assert_eq!(follow(value, "").unwrap_err().code, ErrorCode::BadArgument);
    }
}
