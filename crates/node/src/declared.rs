//! The names of fields that came as JSON, held against what their class declares, as the client libraries do before they store. Their types are
//! the engine's to hold.

use emerge_proto::{ClassSource, Error, ErrorCode, Result, Value};

/// Sees that the fields are those that a class and its bases declare. A class that declares none takes any.
///
/// # Errors
/// `bad_argument` names the field.
pub fn check_names<'a>(
    lineage: impl IntoIterator<Item = &'a ClassSource>,
    fields: &[(String, Value)],
) -> Result<()> {
    let mut lineage = lineage.into_iter().peekable();
    let class = lineage.peek().map(|class| class.name.clone()).unwrap_or_default();
    let declared: Vec<&str> =
        lineage.flat_map(|class| &class.fields).map(|field| field.name.as_str()).collect();
    let unknown =
        fields.iter().find(|(field, _)| !declared.is_empty() && !declared.contains(&field.as_str()));
    let Some((field, _)) = unknown else { return Ok(()) };
    let why = format!("class {class} has no field {field:?}; it has {}", declared.join(", "));
    Err(Error::new(ErrorCode::BadArgument, why).field(field.as_str()))
}
