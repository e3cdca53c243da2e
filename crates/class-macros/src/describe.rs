//! What of Rust's own syntax the description of a class says: docs, types and defaults.

use emerge_proto::Value;
use emerge_proto::module::{INTERFACE, SECTION};
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::{
    Attribute, Error, Expr, ExprLit, ExprUnary, GenericArgument, Lit, Meta, PathArguments, Result, Type, UnOp,
};

/// A map value, made entry by entry.
#[derive(Default)]
pub(crate) struct Map(Vec<(String, Value)>);

impl Map {
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Entry>) {
        if let Some(value) = value.into().0 {
            self.0.push((key.to_owned(), value));
        }
    }

    pub(crate) fn value(self) -> Value {
        Value::Map(self.0)
    }
}

/// What an entry holds; nothing is left out.
pub(crate) struct Entry(Option<Value>);

impl From<Value> for Entry {
    fn from(value: Value) -> Self {
        Self(Some(value))
    }
}

impl From<Option<Value>> for Entry {
    fn from(value: Option<Value>) -> Self {
        Self(value)
    }
}

impl From<Option<String>> for Entry {
    fn from(text: Option<String>) -> Self {
        Self(text.map(Value::Text))
    }
}

impl From<&str> for Entry {
    fn from(text: &str) -> Self {
        Self(Some(Value::Text(text.to_owned())))
    }
}

impl From<bool> for Entry {
    /// False is what is not said.
    fn from(flag: bool) -> Self {
        Self(flag.then_some(Value::Bool(true)))
    }
}

/// A static that lies in the section of the description.
pub(crate) fn section(mut part: Map) -> TokenStream {
    part.put("interface", Value::Int(INTERFACE));
    let bytes = part.value().encode();
    let (length, literal) = (bytes.len(), Literal::byte_string(&bytes));
    quote! {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            #[used]
            #[unsafe(link_section = #SECTION)]
            static DESCRIPTION: [u8; #length] = *#literal;
        };
    }
}

/// The doc comment.
pub(crate) fn doc(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let text = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Takes an attribute of ours off.
pub(crate) fn take(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let at = attributes.iter().position(|attribute| attribute.path().is_ident(name))?;
    Some(attributes.remove(at))
}

/// The default that `#[default(…)]` gives; of an `Option` without one it is null.
pub(crate) fn default(attributes: &mut Vec<Attribute>, of: &Type) -> Result<Option<Value>> {
    match take(attributes, "default") {
        Some(attribute) => Ok(Some(literal(&attribute.parse_args()?, kind(of) == "float")?)),
        None => Ok(inner(of, "Option").map(|_| Value::Null)),
    }
}

/// A value that is written out.
fn literal(expression: &Expr, is_float: bool) -> Result<Value> {
    let wrong = || {
        Error::new_spanned(expression, "a default is a number, a text, true, false, None, or [ ] of these")
    };
    Ok(match expression {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Int(number) if is_float => Value::Float(number.base10_parse()?),
            Lit::Int(number) => Value::Int(number.base10_parse()?),
            Lit::Float(number) => Value::Float(number.base10_parse()?),
            Lit::Str(text) => Value::Text(text.value()),
            Lit::Bool(flag) => Value::Bool(flag.value),
            Lit::ByteStr(bytes) => Value::Bytes(bytes.value()),
            _ => return Err(wrong()),
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match literal(expr, is_float)? {
            Value::Int(number) => Value::Int(-number),
            Value::Float(number) => Value::Float(-number),
            _ => return Err(wrong()),
        },
        Expr::Array(array) => {
            Value::List(array.elems.iter().map(|each| literal(each, false)).collect::<Result<_>>()?)
        }
        Expr::Path(path) if path.path.is_ident("None") => Value::Null,
        _ => return Err(wrong()),
    })
}

/// The type of fields that a type of Rust's is, by its name.
pub(crate) fn kind(of: &Type) -> &'static str {
    if let Some(inner) = inner(of, "Option") {
        return kind(inner);
    }
    match last(of).as_deref() {
        Some("bool") => "bool",
        Some("i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize") => "int",
        Some("f32" | "f64") => "float",
        Some("String") => "text",
        Some("Bytes") => "bytes",
        Some("Vec") => "list",
        Some("HashMap" | "BTreeMap") => "map",
        Some("DateTime") => "datetime",
        Some("Date") => "date",
        Some("Uuid") => "uuid",
        Some("Ref") => "ref",
        _ => "any",
    }
}

/// The type of what a method returns; nothing when it returns nothing.
pub(crate) fn returns(of: &Type) -> Option<String> {
    let of = inner(of, "Result").unwrap_or(of);
    let is_unit = matches!(of, Type::Tuple(tuple) if tuple.elems.is_empty());
    (!is_unit).then(|| kind(of).to_owned())
}

fn last(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// The first argument of a type of this name: `T` of `Option<T>`.
pub(crate) fn inner<'t>(of: &'t Type, name: &str) -> Option<&'t Type> {
    let Type::Path(path) = of else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}
