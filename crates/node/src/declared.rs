//! Fields that came as JSON, held against what their class declares, as the client libraries do before they store.

use emerge_proto::{ClassSource, Error, ErrorCode, FieldDecl, FieldType, Result, Value};

/// Sees that the fields are those that a class and its bases declare; a whole number in a float field becomes a float.
/// A class that declares none takes any.
///
/// # Errors
/// `bad_argument` names the field.
pub fn agree<'a>(
    lineage: impl IntoIterator<Item = &'a ClassSource>,
    fields: &mut [(String, Value)],
) -> Result<()> {
    let mut lineage = lineage.into_iter().peekable();
    let class = lineage.peek().map(|class| class.name.clone()).unwrap_or_default();
    let declared: Vec<&FieldDecl> = lineage.flat_map(|class| &class.fields).collect();
    if declared.is_empty() {
        return Ok(());
    }
    for (field, value) in fields {
        let bad = |why: String| Error::new(ErrorCode::BadArgument, why).field(field.as_str());
        let Some(known) = declared.iter().find(|known| known.name == *field) else {
            let names: Vec<&str> = declared.iter().map(|known| known.name.as_str()).collect();
            return Err(bad(format!("class {class} has no field {field:?}; it has {}", names.join(", "))));
        };
        match (known.kind, type_of(value)) {
            (FieldType::Float, FieldType::Int) => {
                if let Value::Int(whole) = value {
                    *value = Value::Float(*whole as f64);
                }
            }
            (FieldType::Any, _) | (_, FieldType::Any) => {}
            (declared, given) if declared == given => {}
            (declared, given) => {
                let (declared, given) = (declared.as_str(), given.as_str());
                return Err(bad(format!("the field {field:?} is declared {declared} and was given {given}")));
            }
        }
    }
    Ok(())
}

/// The type of fields that a value fits; null fits all.
pub fn type_of(value: &Value) -> FieldType {
    match value {
        Value::Null => FieldType::Any,
        Value::Bool(_) => FieldType::Bool,
        Value::Int(_) | Value::BigInt(_) => FieldType::Int,
        Value::Float(_) => FieldType::Float,
        Value::Text(_) => FieldType::Text,
        Value::Bytes(_) => FieldType::Bytes,
        Value::List(_) => FieldType::List,
        Value::Map(_) => FieldType::Map,
        Value::Set(_) => FieldType::Set,
        Value::DateTime(_) => FieldType::DateTime,
        Value::Date(_) => FieldType::Date,
        Value::Uuid(_) => FieldType::Uuid,
        Value::Decimal { .. } => FieldType::Decimal,
        Value::Duration(_) => FieldType::Duration,
        Value::Array(_) => FieldType::Array,
        Value::Ref(_) => FieldType::Ref,
        Value::Object { .. } => FieldType::Object,
        Value::Table { .. } => FieldType::Any,
    }
}
