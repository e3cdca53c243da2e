//! Why a value could not be read, with the field path collected on the way out.

use crate::{Error, ErrorCode};
use std::fmt;

/// One step of a field path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a map or an object.
    Key(String),
    /// Into a list or a set.
    Index(usize),
}

/// A field path from the outermost step inwards: `farms[0].name`.
pub struct FieldPath<'a>(pub &'a [Step]);

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_name(key) => write!(f, "{}{key}", if at == 0 { "" } else { "." })?,
                Step::Key(key) => write!(f, "[{:?}]", key.chars().take(80).collect::<String>())?,
            }
        }
        Ok(())
    }
}

fn is_name(key: &str) -> bool {
    let good = |char: char| char.is_alphanumeric() || char == '_' || char == '$';
    !key.is_empty() && key.len() <= 80 && key.chars().all(good)
}

/// Boxed, so that the results of the hot functions stay small.
pub(super) struct Fail(Box<Body>);

struct Body {
    code: ErrorCode,
    message: String,
    limit: Option<u64>,
    /// Innermost step first.
    steps: Vec<Step>,
}

impl Fail {
    #[cold]
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Fail(Box::new(Body { code, message: message.into(), limit: None, steps: Vec::new() }))
    }

    #[cold]
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Fail::new(ErrorCode::BadFrame, message)
    }

    #[cold]
    pub(super) fn cut() -> Self {
        Fail::bad("the value is cut short")
    }

    #[cold]
    pub(super) fn too_deep() -> Self {
        let limit = crate::limits::MAX_DEPTH;
        Fail::new(ErrorCode::TooDeep, format!("the value nests deeper than {limit} levels"))
            .limit(limit as u64)
    }

    pub(super) fn limit(mut self, limit: u64) -> Self {
        self.0.limit = Some(limit);
        self
    }

    #[cold]
    pub(super) fn key(mut self, key: &str) -> Self {
        self.0.steps.push(Step::Key(key.to_owned()));
        self
    }

    #[cold]
    pub(super) fn index(mut self, index: usize) -> Self {
        self.0.steps.push(Step::Index(index));
        self
    }

    /// The same failure under another code: what is a bad frame in bytes is a bad argument in JSON.
    pub(super) fn recode(mut self, from: ErrorCode, to: ErrorCode) -> Self {
        if self.0.code == from {
            self.0.code = to;
        }
        self
    }
}

impl From<Fail> for Error {
    #[cold]
    fn from(Fail(mut body): Fail) -> Self {
        body.steps.reverse();
        let mut error = if body.steps.is_empty() {
            Error::new(body.code, body.message)
        } else {
            let path = FieldPath(&body.steps).to_string();
            Error::new(body.code, format!("{} at {path}", body.message)).field(path)
        };
        error.limit = body.limit;
        error
    }
}
