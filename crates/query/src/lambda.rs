//! A function of a search, ready to be asked of objects.

use crate::eval::{self, Stop};
use crate::expr::Expr;
use crate::read;
use emerge_proto::value::raw;
use emerge_proto::{Language, Result, Value};
use smallvec::{SmallVec, smallvec};

/// What stands around a function's text.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The function's second argument, by name.
    pub params: Vec<(String, Value)>,
    /// Plain values that it names and does not define.
    pub values: Vec<(String, Value)>,
    /// What else it names and does not define: only the sandbox knows what these are.
    pub others: Vec<String>,
}

/// What a function says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is wanted.
    Yes,
    /// It is not.
    No,
    /// Python: the function asks for this field, which the object lacks.
    Missing(String),
    /// The sandbox has to say.
    Sandbox,
}

/// The field that stands for the object's properties.
pub(crate) const META: &str = "meta";

/// A function, read.
#[derive(Clone, Debug)]
pub struct Lambda {
    pub(crate) language: Language,
    pub(crate) body: Expr,
    /// The fields that it asks for.
    pub(crate) fields: Vec<String>,
    sandbox: Option<String>,
}

impl Lambda {
    /// Reads a function's text. One that cannot be read here, for whatever reason, is left to the sandbox whole.
    pub fn read(language: Language, source: &str, names: &Names) -> Self {
        let mut fields = Vec::new();
        let body = match read::too_deep(source) {
            Some(why) => Expr::Sandbox(why),
            None => match language {
                Language::JavaScript => read::javascript(source, names, &mut fields),
                Language::Python => read::python(source, names, &mut fields),
                Language::Wasm => Expr::Sandbox("a search's function is JavaScript or Python".into()),
            },
        };
        let mut sandbox = None;
        read::each(&body, &mut |expr| {
            if let Expr::Sandbox(why) = expr {
                sandbox.get_or_insert_with(|| why.clone());
            }
        });
        Self { language, body, fields, sandbox }
    }

    pub(crate) fn of(language: Language, body: Expr, fields: Vec<String>) -> Self {
        Self { language, body, fields, sandbox: None }
    }

    /// Why a part of it runs in the sandbox only; none when all of it can be evaluated here, as far as values allow.
    pub fn sandbox(&self) -> Option<&str> {
        self.sandbox.as_deref()
    }

    /// True when nothing of it can be evaluated here.
    pub fn is_foreign(&self) -> bool {
        matches!(self.body, Expr::Sandbox(_))
    }

    /// True when it asks for the object's properties.
    pub fn needs_meta(&self) -> bool {
        self.fields.iter().any(|field| field == META)
    }

    /// Its fields, in the order in which it names them.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Asks it of an object: its encoded fields, and its properties when it [needs](Self::needs_meta) them.
    ///
    /// # Errors
    /// `bad_frame` when the state is no encoded map.
    pub fn ask(&self, state: &[u8], meta: Option<Value>) -> Result<Answer> {
        if self.is_foreign() {
            return Ok(Answer::Sandbox);
        }
        let mut values: SmallVec<[Option<Value>; 4]> = smallvec![None; self.fields.len()];
        raw::pick(state, &self.fields, |at, value| {
            values[at] = Some(Value::decode(value)?);
            Ok(())
        })?;
        // A field of that name is not seen.
        if let Some(at) = self.fields.iter().position(|field| field == META) {
            values[at] = meta;
        }
        Ok(self.answer(&values))
    }

    pub(crate) fn answer(&self, values: &[Option<Value>]) -> Answer {
        match eval::holds(self.language, &self.body, values) {
            Ok(true) => Answer::Yes,
            Ok(false) => Answer::No,
            Err(Stop::Missing(at)) => Answer::Missing(self.fields[at].clone()),
            Err(Stop::Sandbox | Stop::Short) => Answer::Sandbox,
        }
    }
}
