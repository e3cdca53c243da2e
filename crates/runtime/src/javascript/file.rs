//! A module that names objects to store.

use super::place::{first, invalid};
use emerge_proto::{Error, ErrorCode, Result};
use oxc_allocator::Allocator;
use oxc_ast::ast::{BindingPattern, Declaration, ModuleExportName, Statement, VariableDeclaration};
use oxc_parser::Parser;
use oxc_span::SourceType;

/// The name that a file gives its mapping of path to instance.
const OBJECTS: &str = "objects";

/// Reads a module, and gives its text so that it exports its `objects`; places are those of the source.
///
/// # Errors
/// `bad_argument` when it has no `objects` or imports anything but `emerge-client`; `class_invalid` with the line of a syntax error.
pub(crate) fn file_module(name: &str, source: &str) -> Result<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    if let Some(error) = first(name, source, 0, &parsed.diagnostics) {
        return Err(error);
    }
    let mut declared = false;
    let mut exported = false;
    for statement in &parsed.program.body {
        match statement {
            Statement::ImportDeclaration(import) if import.source.value != "emerge-client" => {
                return Err(invalid(
                    name,
                    source,
                    import.span.start as usize,
                    &format!(
                        "{:?} cannot be imported here: only \"emerge-client\" can",
                        import.source.value.as_str()
                    ),
                )
                .field(import.source.value.as_str()));
            }
            Statement::VariableDeclaration(variables) => declared |= declares(variables),
            Statement::ExportNamedDeclaration(export) => {
                exported |= export.specifiers.iter().any(|specifier| exports(&specifier.exported));
            }
            Statement::ExportDeclaration(export) => {
                if let Declaration::VariableDeclaration(variables) = &export.declaration {
                    exported |= declares(variables);
                }
            }
            _ => {}
        }
    }
    if exported {
        return Ok(source.to_owned());
    }
    if declared {
        return Ok(format!("{source}\nexport {{ {OBJECTS} }};"));
    }
    Err(Error::new(
        ErrorCode::BadArgument,
        format!(
            "{name} has no top-level {OBJECTS}: write const {OBJECTS} = {{ \"/path\": new Thing({{ … }}) }}"
        ),
    )
    .field(OBJECTS))
}

fn declares(variables: &VariableDeclaration<'_>) -> bool {
    variables.declarations.iter().any(|variable| match &variable.id {
        BindingPattern::BindingIdentifier(name) => name.name == OBJECTS,
        other => other.get_binding_identifiers().iter().any(|name| name.name == OBJECTS),
    })
}

fn exports(name: &ModuleExportName<'_>) -> bool {
    matches!(name, ModuleExportName::IdentifierName(name) if name.name == OBJECTS)
        || matches!(name, ModuleExportName::IdentifierReference(name) if name.name == OBJECTS)
}
