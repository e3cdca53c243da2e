//! From text to tree.

mod javascript;
mod python;

pub(crate) use javascript::javascript;
pub(crate) use python::python;

use crate::expr::Expr;
use emerge_proto::Value;

/// Bytes of a text that is read here.
const MAX_TEXT: usize = 4096;
/// Brackets within one another.
const MAX_BRACKETS: usize = 32;
/// Signs that are neither of names nor of numbers. The parsers and what follows them recurse by each at worst.
const MAX_SIGNS: usize = 400;

/// Why a text is not read here: its parsers recurse as deep as it nests, and the stack is not ours.
pub(crate) fn too_deep(source: &str) -> Option<String> {
    let (mut signs, mut depth, mut deepest) = (0_usize, 0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        signs += usize::from(byte.is_ascii_punctuation() && byte != b'_');
    }
    // Words that nest without a sign.
    let words = source
        .split_ascii_whitespace()
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .count();
    if source.len() > MAX_TEXT || deepest > MAX_BRACKETS || signs > MAX_SIGNS || words > MAX_SIGNS {
        return Some("its text is long".into());
    }
    None
}

/// The place of a field in the list of those that are asked for.
fn field(fields: &mut Vec<String>, name: &str) -> usize {
    fields.iter().position(|known| known == name).unwrap_or_else(|| {
        fields.push(name.to_owned());
        fields.len() - 1
    })
}

fn value_of<'a>(values: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Visits a tree from the top.
pub(crate) fn each<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    visit(expr);
    match expr {
        Expr::Sandbox(_)
        | Expr::Undefined
        | Expr::Const(_)
        | Expr::Big(_)
        | Expr::Field(_)
        | Expr::Local(_)
        | Expr::Has(_) => {}
        Expr::FieldOr(_, one)
        | Expr::Chain(one)
        | Expr::Not(one)
        | Expr::Negative(one)
        | Expr::ToNumber(one)
        | Expr::TypeOf(one)
        | Expr::Length(one)
        | Expr::Absolute(one)
        | Expr::Member { of: one, .. }
        | Expr::Round { of: one, .. } => each(one, visit),
        Expr::Item { of: one, key: other, .. }
        | Expr::Coalesce(one, other)
        | Expr::Arithmetic(_, one, other) => {
            each(one, visit);
            each(other, visit);
        }
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| each(part, visit)),
        Expr::If(parts) => parts.iter().for_each(|part| each(part, visit)),
        Expr::Compare(first, rest) => {
            each(first, visit);
            rest.iter().for_each(|(_, part)| each(part, visit));
        }
        Expr::Call { of, args, .. } => {
            each(of, visit);
            args.iter().for_each(|part| each(part, visit));
        }
        Expr::Each { over, conditions, body, .. } => {
            each(over, visit);
            conditions.iter().for_each(|part| each(part, visit));
            each(body, visit);
        }
    }
}
