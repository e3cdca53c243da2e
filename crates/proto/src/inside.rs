//! Paths into objects: what stands behind `#` in `/customers/c0#farms[0].name`.

use crate::value::Step;
use crate::{Error, ErrorCode, Result, limits};
use std::borrow::Cow;
use std::fmt;

/// A checked field path of one step at least. Names of letters, digits, `_`, `$` and `-` stand as they are, after a `.` unless they come first; any
/// name can be quoted as in JSON: `["odd name"]`. `[0]` is the first member of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside(Vec<Step>);

/// Splits a text into a path and what stands behind its `#`.
pub fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('#') {
        Some((path, inside)) => (path, Some(inside)),
        None => (text, None),
    }
}

impl Inside {
    /// Reads the text behind `#`.
    ///
    /// # Errors
    /// [`ErrorCode::BadPath`], with what was expected where; `field` is the text.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > limits::MAX_PATH {
            let why =
                format!("the field path is {} bytes long; the limit is {}", text.len(), limits::MAX_PATH);
            return Err(Error::new(ErrorCode::BadPath, why).limit(limits::MAX_PATH as u64));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() || steps.is_empty() {
            let (step, after) = step(rest, steps.is_empty()).map_err(|why| bad(text, rest, &why))?;
            steps.push(step);
            rest = after;
        }
        Ok(Self(steps))
    }

    /// A field path of steps; none when there are no steps.
    pub fn of(steps: Vec<Step>) -> Option<Self> {
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// The steps, from the outermost inwards; one at least.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The steps, from the outermost inwards; one at least.
    pub fn into_steps(self) -> Vec<Step> {
        self.0
    }
}

/// The name of a field where one field of an object is meant, as by an order or an index: the name as it stands, or in quotes (`["a.b"]`), without which
/// a name that reads as a field path would be taken for a place within a field.
///
/// # Errors
/// `bad_argument` for a place within a field; `argument` is what is to be named.
pub fn field_name<'t>(text: &'t str, argument: &str) -> Result<Cow<'t, str>> {
    // What is no field path can only be a name.
    let Ok(Inside(steps)) = Inside::parse(text) else { return Ok(Cow::Borrowed(text)) };
    match <[Step; 1]>::try_from(steps) {
        Ok([Step::Key(name)]) if text.starts_with('[') => Ok(Cow::Owned(name)),
        Ok([Step::Key(_)]) => Ok(Cow::Borrowed(text)),
        _ => {
            let quoted = serde_json::Value::from(text);
            let why = format!(
                "{argument}: {text} is a place within a field; name a field of the object itself, one of just this name as [{quoted}]"
            );
            Err(Error::new(ErrorCode::BadArgument, why).field(argument))
        }
    }
}

/// A letter, a digit, `_`, `$` or `-`: what needs no quotes in a name.
fn plain(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '$' | '-')
}

fn step(rest: &str, first: bool) -> Result<(Step, &str), String> {
    if let Some(inner) = rest.strip_prefix('[') {
        return bracket(inner);
    }
    let name = if first { rest } else { rest.strip_prefix('.').ok_or("\".\" or \"[\" is needed")? };
    let end = name.find(|char| !plain(char)).unwrap_or(name.len());
    if end == 0 {
        return Err("a name is needed; one with other characters than letters, digits, _, $ and - is quoted: [\"odd name\"]".into());
    }
    Ok((Step::Key(name[..end].to_owned()), &name[end..]))
}

fn bracket(inner: &str) -> Result<(Step, &str), String> {
    if inner.starts_with('"') {
        let mut texts = serde_json::Deserializer::from_str(inner).into_iter::<String>();
        let Some(Ok(key)) = texts.next() else {
            return Err("a name in quotes, as in JSON, is needed".into());
        };
        let after = inner.get(texts.byte_offset()..).unwrap_or_default();
        let after = after.strip_prefix(']').ok_or("\"]\" is needed after the name")?;
        return Ok((Step::Key(key), after));
    }
    let (digits, after) = inner.split_once(']').ok_or("\"]\" is missing")?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a number from 0 or a name in quotes is needed between [ and ]".into());
    }
    let index = digits.parse().map_err(|_| format!("no list has a member {digits}"))?;
    Ok((Step::Index(index), after))
}

#[cold]
fn bad(text: &str, rest: &str, why: &str) -> Error {
    let at = text[..text.len() - rest.len()].chars().count();
    let shown: String = text.chars().take(80).collect();
    let why = format!("{shown:?} is no field path such as farms[0].name: {why}, at character {}", at + 1);
    Error::new(ErrorCode::BadPath, why).field(shown)
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if !key.is_empty() && key.chars().all(plain) => {
                    write!(f, "{}{key}", if at == 0 { "" } else { "." })?;
                }
                Step::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Inside {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.into())
    }

    #[test]
    fn one_field_is_named_by_its_name() {
        for (text, name) in [
            ("price", "price"),
            ("first name", "first name"),
            ("v1.2 of it", "v1.2 of it"),
            ("a.", "a."),
            ("[\"a.b\"]", "a.b"),
            ("[\"[0]\"]", "[0]"),
            ("", ""),
        ] {
            assert_eq!(field_name(text, "order").unwrap(), name, "{text}");
        }
        for text in ["a.b", "kids[0]", "[0]", "[\"a\"].b"] {
            let error = field_name(text, "order").unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("order")),
                "{text}"
            );
        }
    }

    #[test]
    fn names_numbers_and_quotes() {
        for (text, steps) in [
            ("name", vec![key("name")]),
            ("farms[0].name", vec![key("farms"), Step::Index(0), key("name")]),
            ("grid[1][22]", vec![key("grid"), Step::Index(1), Step::Index(22)]),
            ("[\"odd name\"].über-alles", vec![key("odd name"), key("über-alles")]),
            ("a[\"\"][\"]\\\"#.\"]", vec![key("a"), key(""), key("]\"#.")]),
            ("$x.0", vec![key("$x"), key("0")]),
        ] {
            let inside = Inside::parse(text).unwrap();
            assert_eq!(inside.steps(), steps, "{text}");
            assert_eq!(inside.to_string(), text);
        }
        assert_eq!(Inside::parse("a[\"b\"]").unwrap().to_string(), "a.b");
    }

    #[test]
    fn errors_say_what_is_missing_where() {
        for (text, why, at) in [
            ("", "a name is needed", 1),
            ("a.", "a name is needed", 2),
            ("a b", "\".\" or \"[\" is needed", 2),
            ("a[0", "\"]\" is missing", 2),
            ("ä[x]", "a number from 0", 2),
            ("a[-1]", "a number from 0", 2),
            ("a[\"b]", "a name in quotes", 2),
            ("a[\"b\"", "\"]\" is needed after the name", 2),
            ("a[0]b", "\".\" or \"[\" is needed", 5),
            ("a[99999999999999999999]", "no list has a member", 2),
            ("a..b", "a name is needed", 2),
        ] {
            let error = Inside::parse(text).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadPath);
            let message = error.message;
            assert!(
                message.contains(why) && message.ends_with(&format!("character {at}")),
                "{text:?}: {message}"
            );
        }
        assert_eq!(Inside::parse(&"a".repeat(5000)).unwrap_err().limit, Some(4096));
    }

    #[test]
    fn the_first_sign_splits() {
        assert_eq!(split("/a#b[\"#\"]"), ("/a", Some("b[\"#\"]")));
        assert_eq!(split("/a"), ("/a", None));
    }
}
