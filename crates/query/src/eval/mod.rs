//! Evaluation. What both languages share is here; what they differ in is in a file of each.

mod javascript;
mod number;
mod python;

pub(crate) use javascript::{INHERITED, SAFE};

use crate::expr::{Cmp, Expr, Method};
use emerge_proto::{Language, Value};

use num_bigint::BigInt;
use std::borrow::Cow;

/// A value while it is worked with.
#[derive(Clone, Debug)]
pub(crate) enum V<'a> {
    /// JavaScript's alone.
    Undefined,
    Null,
    Bool(bool),
    /// Python's integers; JavaScript has none.
    Int(i64),
    /// A larger integer of Python's; any bigint of JavaScript's.
    Big(Cow<'a, BigInt>),
    Float(f64),
    Text(Cow<'a, str>),
    /// All that is not taken apart: lists, maps, moments and so on.
    Other(&'a Value),
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The sandbox has to say.
    Sandbox,
    /// Python: the object lacks this field.
    Missing(usize),
    /// `?.` met nothing: the chain around it is undefined.
    Short,
}

type Done<T> = Result<T, Stop>;

/// Operations that differ between the languages.
trait Rules {
    fn of(value: &Value) -> V<'_>;
    fn truth(value: &V<'_>) -> Done<bool>;
    fn compare(cmp: Cmp, a: &V<'_>, b: &V<'_>) -> Done<bool>;
    fn arithmetic<'a>(op: crate::expr::Operator, a: V<'a>, b: V<'a>) -> Done<V<'a>>;
    fn negative(value: V<'_>) -> Done<V<'static>>;
    fn absolute(value: V<'_>) -> Done<V<'static>>;
    fn item<'a>(of: V<'a>, key: &V<'_>) -> Done<V<'a>>;
    fn member<'a>(of: V<'a>, name: &str) -> Done<V<'a>>;
    fn call<'a>(of: V<'a>, method: Method, args: &[V<'a>]) -> Done<V<'a>>;
    fn missing(field: usize) -> Done<V<'static>>;
}

/// What methods of texts give that are the same in both languages, but for what counts as blank.
fn text_method(
    text: &str,
    method: Method,
    args: &[V<'_>],
    is_blank: impl Fn(char) -> bool,
) -> Option<V<'static>> {
    let made = |text: String| Some(V::Text(Cow::Owned(text)));
    match (method, args) {
        (Method::StartsWith, [V::Text(part)]) => Some(V::Bool(text.starts_with(&**part))),
        (Method::EndsWith, [V::Text(part)]) => Some(V::Bool(text.ends_with(&**part))),
        // Past ASCII the tables of the languages and of ours may differ.
        (Method::Lower, []) if text.is_ascii() => made(text.to_ascii_lowercase()),
        (Method::Upper, []) if text.is_ascii() => made(text.to_ascii_uppercase()),
        (Method::Trim, []) if text.is_ascii() => made(text.trim_matches(is_blank).to_owned()),
        _ => None,
    }
}

/// Evaluates a function's body over an object's fields: each as it is, or none when the object lacks it.
pub(crate) fn holds(language: Language, body: &Expr, fields: &[Option<Value>]) -> Done<bool> {
    match language {
        Language::JavaScript => truth::<javascript::JavaScript>(body, fields),
        Language::Python => truth::<python::Python>(body, fields),
        Language::Wasm => Err(Stop::Sandbox),
    }
}

/// An operation on constants as the constant that it gives; as it is when there is no constant in it, or none comes of it.
pub(crate) fn folded(language: Language, expr: Expr) -> Expr {
    let (Expr::Negative(of) | Expr::ToNumber(of)) = &expr else { return expr };
    if !matches!(**of, Expr::Const(_) | Expr::Big(_)) {
        return expr;
    }
    let eval = Eval { fields: &[] };
    let value = match language {
        Language::JavaScript => eval.value::<javascript::JavaScript>(&expr, &mut Vec::new()),
        Language::Python => eval.value::<python::Python>(&expr, &mut Vec::new()),
        Language::Wasm => Err(Stop::Sandbox),
    };
    match (value, language) {
        (Ok(V::Float(float)), _) => Expr::Const(Value::Float(float)),
        (Ok(V::Int(int)), _) => Expr::Const(Value::Int(int)),
        (Ok(V::Big(int)), Language::Python) => Expr::Const(Value::integer(int.into_owned())),
        (Ok(V::Big(int)), _) => Expr::Big(int.into_owned()),
        _ => expr,
    }
}

fn truth<R: Rules>(body: &Expr, fields: &[Option<Value>]) -> Done<bool> {
    R::truth(&Eval { fields }.value::<R>(body, &mut Vec::new())?)
}

struct Eval<'a> {
    fields: &'a [Option<Value>],
}

impl<'a> Eval<'a> {
    fn field(&self, at: usize) -> Option<&'a Value> {
        self.fields.get(at).and_then(Option::as_ref)
    }

    fn value<R: Rules>(&self, expr: &'a Expr, locals: &mut Vec<V<'a>>) -> Done<V<'a>> {
        Ok(match expr {
            Expr::Sandbox(_) => return Err(Stop::Sandbox),
            Expr::Undefined => V::Undefined,
            Expr::Const(value) => R::of(value),
            Expr::Big(int) => V::Big(Cow::Borrowed(int)),
            Expr::Field(at) => match self.field(*at) {
                Some(value) => R::of(value),
                None => R::missing(*at)?,
            },
            Expr::Local(at) => locals.get(*at).cloned().ok_or(Stop::Sandbox)?,
            Expr::Has(at) => V::Bool(self.field(*at).is_some()),
            Expr::FieldOr(at, or) => {
                // Arguments are evaluated before the call, whether they are wanted or not.
                let or = self.value::<R>(or, locals)?;
                self.field(*at).map_or(or, R::of)
            }
            Expr::Member { of, name, optional } => {
                let of = self.receiver::<R>(of, *optional, locals)?;
                R::member(of, name)?
            }
            Expr::Item { of, key, optional } => {
                let of = self.receiver::<R>(of, *optional, locals)?;
                let key = self.value::<R>(key, locals)?;
                R::item(of, &key)?
            }
            Expr::Chain(inner) => match self.value::<R>(inner, locals) {
                Err(Stop::Short) => V::Undefined,
                done => done?,
            },
            Expr::Not(inner) => V::Bool(!R::truth(&self.value::<R>(inner, locals)?)?),
            Expr::Negative(inner) => R::negative(self.value::<R>(inner, locals)?)?,
            Expr::ToNumber(inner) => match self.value::<R>(inner, locals)? {
                V::Big(_) => return Err(Stop::Sandbox),
                other => V::Float(javascript::number(&other)?),
            },
            Expr::TypeOf(inner) => V::Text(javascript::type_of(&self.value::<R>(inner, locals)?)?.into()),
            Expr::And(parts) => self.until::<R>(parts, false, locals)?,
            Expr::Or(parts) => self.until::<R>(parts, true, locals)?,
            Expr::Coalesce(one, other) => match self.value::<R>(one, locals)? {
                V::Undefined | V::Null => self.value::<R>(other, locals)?,
                value => value,
            },
            Expr::If(parts) => {
                let [test, yes, no] = &**parts;
                let test = R::truth(&self.value::<R>(test, locals)?)?;
                self.value::<R>(if test { yes } else { no }, locals)?
            }
            Expr::Compare(first, rest) => {
                let mut left = self.value::<R>(first, locals)?;
                for (cmp, right) in rest {
                    let right = self.value::<R>(right, locals)?;
                    if !R::compare(*cmp, &left, &right)? {
                        return Ok(V::Bool(false));
                    }
                    left = right;
                }
                V::Bool(true)
            }
            Expr::Arithmetic(op, a, b) => {
                let a = self.value::<R>(a, locals)?;
                R::arithmetic(*op, a, self.value::<R>(b, locals)?)?
            }
            Expr::Call { of, method, args, optional } => {
                let of = self.receiver::<R>(of, *optional, locals)?;
                let args = args.iter().map(|arg| self.value::<R>(arg, locals)).collect::<Done<Vec<_>>>()?;
                R::call(of, *method, &args)?
            }
            Expr::Length(of) => V::Int(python::length(&self.value::<R>(of, locals)?)?),
            Expr::Absolute(of) => R::absolute(self.value::<R>(of, locals)?)?,
            Expr::Round { up, of } => match self.value::<R>(of, locals)? {
                V::Float(float) => V::Float(if *up { float.ceil() } else { float.floor() }),
                _ => return Err(Stop::Sandbox),
            },
            Expr::Each { all, over, conditions, body } => {
                let V::Other(Value::List(items)) = self.value::<R>(over, locals)? else {
                    return Err(Stop::Sandbox);
                };
                let depth = locals.len();
                for item in items {
                    locals.push(R::of(item));
                    let said = self.asked::<R>(conditions, body, locals);
                    locals.truncate(depth);
                    if let Some(said) = said?
                        && said != *all
                    {
                        return Ok(V::Bool(said));
                    }
                }
                V::Bool(*all)
            }
        })
    }

    /// What is said of the element that was pushed last; none when a condition leaves it out.
    fn asked<R: Rules>(
        &self,
        conditions: &'a [Expr],
        body: &'a Expr,
        locals: &mut Vec<V<'a>>,
    ) -> Done<Option<bool>> {
        for condition in conditions {
            if !R::truth(&self.value::<R>(condition, locals)?)? {
                return Ok(None);
            }
        }
        R::truth(&self.value::<R>(body, locals)?).map(Some)
    }

    /// What a property or a method is asked of. Where `?.` stands before it, nothing breaks the chain off.
    fn receiver<R: Rules>(&self, of: &'a Expr, optional: bool, locals: &mut Vec<V<'a>>) -> Done<V<'a>> {
        match self.value::<R>(of, locals)? {
            V::Undefined | V::Null if optional => Err(Stop::Short),
            value => Ok(value),
        }
    }

    /// The first value whose truth is `end`, or else the last.
    fn until<R: Rules>(&self, parts: &'a [Expr], end: bool, locals: &mut Vec<V<'a>>) -> Done<V<'a>> {
        let mut last = V::Undefined;
        for (at, part) in parts.iter().enumerate() {
            last = self.value::<R>(part, locals)?;
            // The last is the value whatever it is, and nobody asks for its truth here.
            if at + 1 < parts.len() && R::truth(&last)? == end {
                break;
            }
        }
        Ok(last)
    }
}
