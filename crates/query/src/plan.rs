//! Which part of an index can hold what a function wants.
//!
//! The answer must never change what a search says, errors included: a part of an index may be left out only when the function surely says no to all of it,
//! and raises nothing. So what is left out is decided by conditions that the function asks before all others: `o.x < 3 and …`.

use crate::expr::{Cmp, Expr, Method};
use crate::lambda::{Answer, Lambda};
use emerge_proto::value::order::{self, Kind};
use emerge_proto::{Language, Value};

/// A part of an index, by the keys of values ([`order::entry`]): from all that begin with `from`, or come after it, through all that begin with `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Where it begins.
    pub from: Vec<u8>,
    /// Where it ends, inclusive.
    pub to: Vec<u8>,
}

/// A way to what a function wants: by the values of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The field.
    pub field: String,
    /// The parts of its index that hold all for which the function does not surely say no, in order.
    pub spans: Vec<Span>,
    /// For people: the conditions that it follows from.
    pub text: Vec<String>,
}

/// What conditions say of the values of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// They are false, and nothing is raised.
    Never,
    /// False outside of this span of keys, without raising.
    Within(Span),
    /// Nobody knows, or it raises.
    Unsure,
}

/// A condition of a field with a constant.
struct Condition<'e> {
    field: usize,
    test: Test<'e>,
}

enum Test<'e> {
    /// `field cmp value`
    Compare(Cmp, &'e Value),
    Begins(&'e str),
}

impl Lambda {
    /// The fields by whose index the wanted objects can be found, best first. Empty when all objects have to be asked.
    pub fn accesses(&self) -> Vec<Access> {
        let all = std::slice::from_ref(&self.body);
        let parts: &[Expr] = if let Expr::And(parts) = &self.body { parts } else { all };
        let mut conditions: Vec<Condition<'_>> = Vec::new();
        for part in parts {
            let before = conditions.len();
            if !self.conditions(part, &mut conditions) {
                conditions.truncate(before);
                break;
            }
        }
        let Some(first) = conditions.first().map(|condition| condition.field) else { return Vec::new() };
        let mut fields = vec![first];
        // Then any of the first conditions may decide.
        if self.raises_nothing(&conditions) {
            for condition in &conditions {
                if !fields.contains(&condition.field) {
                    fields.push(condition.field);
                }
            }
        }
        let mut accesses: Vec<Access> =
            fields.iter().filter_map(|field| self.access(*field, &conditions)).collect();
        // Those by few values before those by ranges.
        accesses.sort_by_key(|access| access.spans.iter().filter(|span| span.from != span.to).count());
        accesses
    }

    /// Whether it surely raises nothing, whatever the objects are: then it need not be asked of those of which no answer is wanted.
    pub fn raises_never(&self) -> bool {
        match &self.body {
            Expr::Const(_) => true,
            body => self.language == Language::JavaScript && compares(body),
        }
    }

    /// The conditions that an expression consists of; false when it is more than that.
    fn conditions<'e>(&self, expr: &'e Expr, out: &mut Vec<Condition<'e>>) -> bool {
        match expr {
            Expr::Compare(first, rest) => {
                let mut left = &**first;
                for (cmp, right) in rest {
                    let (field, cmp, value) = match (left, right) {
                        (Expr::Field(field), Expr::Const(value)) => (*field, Some(*cmp), value),
                        (Expr::Const(value), Expr::Field(field)) => (*field, cmp.flipped(), value),
                        _ => return false,
                    };
                    let Some(cmp) = cmp else { return false };
                    out.push(Condition { field, test: Test::Compare(cmp, value) });
                    left = right;
                }
                true
            }
            Expr::Call { of, method: Method::StartsWith, args, optional: false } => {
                match (&**of, args.as_slice()) {
                    (Expr::Field(field), [Expr::Const(Value::Text(text))]) => {
                        out.push(Condition { field: *field, test: Test::Begins(text) });
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// True when conditions raise nothing whatever the values are: comparing a field with a constant does not in JavaScript.
    fn raises_nothing(&self, conditions: &[Condition<'_>]) -> bool {
        let compares = |condition: &Condition<'_>| matches!(condition.test, Test::Compare(..));
        self.language == Language::JavaScript && conditions.iter().all(compares)
    }

    fn access(&self, field: usize, conditions: &[Condition<'_>]) -> Option<Access> {
        let name = self.fields.get(field)?;
        if name == crate::lambda::META {
            return None;
        }
        // In Python a condition of another field may raise before the later ones of this are asked.
        let lenient = self.raises_nothing(conditions);
        let own: Vec<&Condition<'_>> = if lenient {
            conditions.iter().filter(|condition| condition.field == field).collect()
        } else {
            conditions.iter().take_while(|condition| condition.field == field).collect()
        };
        let mut spans = Vec::new();
        let mut narrows = false;
        for kind in Kind::ALL {
            let mut verdict = None;
            for condition in &own {
                verdict = match (verdict, self.verdict(*kind, &condition.test)) {
                    // Where nothing raises, the others still decide.
                    (verdict, Verdict::Unsure) if lenient => verdict,
                    // It may raise before the later ones are asked.
                    (known, Verdict::Unsure) => {
                        verdict = known.or(Some(Verdict::Unsure));
                        break;
                    }
                    (None, next) => Some(next),
                    (Some(Verdict::Within(a)), Verdict::Within(b)) => {
                        let span = Span { from: a.from.max(b.from), to: first_end(a.to, b.to) };
                        let is_empty = span.from > span.to && !span.from.starts_with(&span.to);
                        Some(if is_empty { Verdict::Never } else { Verdict::Within(span) })
                    }
                    (Some(_), _) => Some(Verdict::Never),
                };
            }
            match verdict.unwrap_or(Verdict::Unsure) {
                Verdict::Never => narrows |= matches!(kind, Kind::Number | Kind::Text),
                Verdict::Within(span) => {
                    narrows = true;
                    spans.push(span);
                }
                Verdict::Unsure => spans.push(whole(*kind)),
            }
        }
        narrows.then(|| Access {
            field: name.clone(),
            spans,
            text: own.iter().map(|condition| describe(name, &condition.test)).collect(),
        })
    }

    fn verdict(&self, kind: Kind, test: &Test<'_>) -> Verdict {
        // Of a kind with one value the function itself tells.
        let only = match kind {
            Kind::Missing => Some(None),
            Kind::Null => Some(Some(Value::Null)),
            Kind::False => Some(Some(Value::Bool(false))),
            Kind::True => Some(Some(Value::Bool(true))),
            Kind::NaN => Some(Some(Value::Float(f64::NAN))),
            _ => None,
        };
        if let Some(value) = only {
            return match self.asks(test, value) {
                Answer::No => Verdict::Never,
                _ => Verdict::Unsure,
            };
        }
        match test {
            Test::Begins(text) if kind == Kind::Text => {
                // The key without what ends it: texts are cut at the same length.
                let key = order::key(Some(&Value::Text((*text).to_owned())));
                let begin = key[..key.len() - 2].to_vec();
                Verdict::Within(Span { from: begin.clone(), to: begin })
            }
            Test::Begins(_) => Verdict::Unsure,
            Test::Compare(cmp, value) if Kind::of(Some(value)) == kind => self.range(*cmp, kind, value),
            Test::Compare(cmp, value) => {
                let never = match (cmp, self.language) {
                    (Cmp::StrictEq, _) => true,
                    // A boolean is a number.
                    (Cmp::Eq, Language::Python) => {
                        !matches!((kind, Kind::of(Some(value))), (Kind::Number, Kind::True | Kind::False))
                    }
                    _ => false,
                };
                let probe = match kind {
                    Kind::Number => Value::Float(0.5),
                    Kind::Text => Value::Text("a".into()),
                    Kind::Bytes => Value::Bytes(vec![0]),
                    Kind::DateTime => Value::DateTime(0),
                    Kind::Date => Value::Date(0),
                    Kind::Duration => Value::Duration(1),
                    Kind::Uuid => Value::Uuid([1; 16]),
                    _ => return Verdict::Unsure,
                };
                if never && self.asks(test, Some(probe)) == Answer::No {
                    Verdict::Never
                } else {
                    Verdict::Unsure
                }
            }
        }
    }

    /// The span of keys of a value's own kind outside of which a comparison with it is false.
    fn range(&self, cmp: Cmp, kind: Kind, value: &Value) -> Verdict {
        if matches!(kind, Kind::Other | Kind::Decimal)
            || self.asks(&Test::Compare(cmp, value), Some(value.clone())) == Answer::Sandbox
        {
            return Verdict::Unsure;
        }
        let key = order::key(Some(value));
        // JavaScript orders texts by UTF-16: that differs from the order of code points where a half of a pair meets what is above all of them.
        let other_order = self.language == Language::JavaScript
            && matches!(value, Value::Text(text) if text.chars().any(|char| char >= '\u{e000}'));
        let all = whole(kind);
        match cmp {
            Cmp::Eq | Cmp::StrictEq => Verdict::Within(Span { from: key.clone(), to: key }),
            Cmp::Lt | Cmp::Le if !other_order => Verdict::Within(Span { from: all.from, to: key }),
            Cmp::Gt | Cmp::Ge if !other_order => Verdict::Within(Span { from: key, to: all.to }),
            _ => Verdict::Unsure,
        }
    }

    /// What one condition says of a value.
    fn asks(&self, test: &Test<'_>, value: Option<Value>) -> Answer {
        let field = Box::new(Expr::Field(0));
        let body = match test {
            Test::Compare(cmp, value) => Expr::Compare(field, vec![(*cmp, Expr::Const((*value).clone()))]),
            Test::Begins(text) => Expr::Call {
                of: field,
                method: Method::StartsWith,
                args: vec![Expr::Const(Value::Text((*text).to_owned()))],
                optional: false,
            },
        };
        let lambda = Lambda::of(self.language, body, vec![String::new()]);
        lambda.answer(&[value])
    }
}

/// Whether an expression only compares fields with constants.
fn compares(expr: &Expr) -> bool {
    let constant = |expr: &Expr| matches!(expr, Expr::Const(_) | Expr::Undefined | Expr::Big(_));
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().all(compares),
        Expr::Not(of) => compares(of),
        Expr::Compare(left, rest) => match rest.as_slice() {
            [(Cmp::In | Cmp::NotIn, _)] => false,
            [(_, right)] => match &**left {
                Expr::Field(_) => constant(right),
                left => constant(left) && (constant(right) || matches!(right, Expr::Field(_))),
            },
            _ => false,
        },
        Expr::Field(_) => true,
        other => constant(other),
    }
}

/// Which of two ends comes first. An end stands for all keys that begin with it, so that it comes after the longer ones of these.
fn first_end(one: Vec<u8>, other: Vec<u8>) -> Vec<u8> {
    if one.starts_with(&other) {
        one
    } else if other.starts_with(&one) {
        other
    } else {
        one.min(other)
    }
}

/// All keys of a kind.
fn whole(kind: Kind) -> Span {
    Span { from: vec![kind as u8], to: vec![kind as u8] }
}

fn describe(field: &str, test: &Test<'_>) -> String {
    let (sign, value) = match test {
        Test::Begins(text) => return format!("{field} begins with {text:?}"),
        Test::Compare(cmp, value) => (
            match cmp {
                Cmp::Eq => "==",
                Cmp::Ne => "!=",
                Cmp::StrictEq => "===",
                Cmp::StrictNe => "!==",
                Cmp::Lt => "<",
                Cmp::Le => "<=",
                Cmp::Gt => ">",
                Cmp::Ge => ">=",
                Cmp::In => "in",
                Cmp::NotIn => "not in",
                Cmp::Is => "is",
                Cmp::IsNot => "is not",
            },
            value,
        ),
    };
    match value {
        // As people write it.
        Value::Float(float) => format!("{field} {sign} {float}"),
        other => format!("{field} {sign} {}", other.to_json()),
    }
}
