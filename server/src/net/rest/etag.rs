//! Entity tags and conditions (RFC 9110, sections 8.8 and 13).

use super::problem::Problem;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use emerge_node::conditions::meaningless;
use emerge_node::resource::{Expected, Tag, Tags};
use emerge_proto::{Error, ErrorCode, ObjectId, Path};

/// A tag as it stands in a header: `"3-0197…"`.
pub(super) fn write(version: u64, id: ObjectId) -> String {
    format!("\"{version}-{id}\"")
}

/// The answer to a GET that expects another version than the one that is there.
pub(super) fn failed(path: &Path, condition: &str) -> Problem {
    let why = format!("{path} is not at a version that the request names");
    let error = Error::new(ErrorCode::Conflict, why).at(path).field(condition);
    Problem::with(StatusCode::PRECONDITION_FAILED, error)
}

/// What a request expects of what is there.
///
/// # Errors
/// 400 for a condition that is none.
pub(in crate::net) fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    Ok(Expected {
        matching: tags(headers, &header::IF_MATCH, false)?,
        none_matching: tags(headers, &header::IF_NONE_MATCH, true)?,
    })
}

/// Refuses conditions where none can be asked.
///
/// # Errors
/// 400 naming the header.
pub(super) fn none(headers: &HeaderMap, why: &str) -> Result<(), Problem> {
    for (header, name) in [(header::IF_MATCH, "If-Match"), (header::IF_NONE_MATCH, "If-None-Match")] {
        if headers.contains_key(header) {
            return Err(meaningless(name, why).into());
        }
    }
    Ok(())
}

/// The tags of one header. A weak one never matches where a strong one is asked for, and neither does one of another make.
fn tags(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Result<Option<Tags>, Problem> {
    let mut found = None;
    for value in headers.get_all(name) {
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" && found.is_none() {
            return Ok(Some(Tags::Any));
        }
        let tags = found.get_or_insert_with(Vec::new);
        let bad =
            || Problem::bad(name.as_str(), format!("{text:?} is neither \"*\" nor entity tags in quotes"));
        if text.is_empty() {
            return Err(bad());
        }
        let mut rest = text;
        while !rest.is_empty() {
            let is_weak = rest.starts_with("W/");
            let inner = rest.trim_start_matches("W/").strip_prefix('"').ok_or_else(bad)?;
            let (tag, after) = inner.split_once('"').ok_or_else(bad)?;
            tags.extend(read(tag).filter(|_| weak || !is_weak));
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.is_empty() => after,
                None => return Err(bad()),
            };
        }
    }
    Ok(found.map(Tags::OneOf))
}

/// A version, with or without the object's id.
fn read(tag: &str) -> Option<Tag> {
    match tag.split_once('-') {
        None => Some(Tag { version: tag.parse().ok()?, id: None }),
        Some((version, id)) => Some(Tag { version: version.parse().ok()?, id: Some(ObjectId::parse(id)?) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: HeaderName, values: &[&str]) -> Option<Option<Tags>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().unwrap());
        }
        let expected = expected(&headers).ok()?;
        Some(if name == header::IF_MATCH { expected.matching } else { expected.none_matching })
    }

    #[test]
    fn tags_are_read() {
        let id = ObjectId([7; 16]);
        let tag = |version, id| Tag { version, id };
        let whole = write(3, id);
        for (values, wanted) in [
            (&[][..], None),
            (&["*"][..], Some(Tags::Any)),
            (&["\"3\""], Some(Tags::OneOf(vec![tag(3, None)]))),
            (&[&*whole], Some(Tags::OneOf(vec![tag(3, Some(id))]))),
            (&["\"3\", \"4\"", "\"5\""], Some(Tags::OneOf([3, 4, 5].map(|at| tag(at, None)).to_vec()))),
            (&["W/\"3\",\"of another make\""], Some(Tags::OneOf(Vec::new()))),
        ] {
            assert_eq!(of(header::IF_MATCH, values), Some(wanted), "{values:?}");
        }
        assert_eq!(of(header::IF_NONE_MATCH, &["W/\"3\""]), Some(Some(Tags::OneOf(vec![tag(3, None)]))));
        for bad in ["", "3", "\"3", "\"3\" \"4\"", "\"3\";", "W/3"] {
            assert_eq!(of(header::IF_MATCH, &[bad]), None, "{bad}");
        }
    }
}
