//! What a class is checked for before it is kept: its members, and names that nothing will define where its methods run.

use super::class_text::{ClassText, Parsed, is_static_fields};
use super::docs;
use emerge_proto::{ClassSource, Error, ErrorCode, MethodDecl, ParamDecl, Result, limits};
use oxc_allocator::Allocator;
use oxc_ast::ast::{
    ClassElement, Expression, ImportExpression, MethodDefinition, MethodDefinitionKind, ObjectPropertyKind,
    PropertyDefinition, PropertyKey,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::SemanticBuilder;
use oxc_span::{GetSpan, Span};
use std::collections::HashSet;

/// Names that mean something to JavaScript or to Emerge wherever they stand, so that a method or a static property cannot have them.
const RESERVED: &[&str] = &["then", "meta", "__proto__"];

/// A class as its text says.
#[derive(Debug)]
pub(crate) struct Analysis {
    /// Its own methods.
    pub(crate) methods: Vec<MethodDecl>,
}

impl Analysis {
    /// Analyses a class. `known` are the names that are there for it in the guest.
    ///
    /// # Errors
    /// `class_invalid` with the line, or the free name in `field`.
    pub(crate) fn of(class: &ClassSource, known: &HashSet<String>) -> Result<Self> {
        let text = ClassText::of(class)?;
        let allocator = Allocator::default();
        let written = Parsed::new(&allocator, class, &class.source)?;
        let methods = members(&written)?;
        check_fields(&written, class)?;
        let evaluated = Parsed::new(&allocator, class, &text.evaluated)?;
        free_names(class, &evaluated, |name| known.contains(name) || name == text.heritage)?;
        Ok(Self { methods })
    }
}

/// The methods of a class, after a look at all its members.
fn members(parsed: &Parsed<'_>) -> Result<Vec<MethodDecl>> {
    let mut methods: Vec<MethodDecl> = Vec::new();
    for element in &parsed.class.body.body {
        match element {
            ClassElement::StaticBlock(_) => {}
            ClassElement::PropertyDefinition(property) => check_property(parsed, property)?,
            ClassElement::MethodDefinition(method) => {
                if let Some(method) = read_method(parsed, method)? {
                    methods.retain(|known| known.name != method.name);
                    methods.push(method);
                }
            }
            other => {
                return Err(parsed.invalid(other.span(), "a class has methods and static properties only"));
            }
        }
    }
    if methods.len() > limits::MAX_MEMBERS {
        return Err(Error::new(
            ErrorCode::ClassInvalid,
            format!("the class has {} methods; the limit is {}", methods.len(), limits::MAX_MEMBERS),
        )
        .limit(limits::MAX_MEMBERS as u64));
    }
    Ok(methods)
}

/// Sees that the fields which the source declares by plain names are in the record, since it is the record that counts.
fn check_fields(parsed: &Parsed<'_>, class: &ClassSource) -> Result<()> {
    for element in &parsed.class.body.body {
        let ClassElement::PropertyDefinition(property) = element else { continue };
        let Some(Expression::ObjectExpression(fields)) =
            property.value.as_ref().filter(|_| is_static_fields(property))
        else {
            continue;
        };
        for field in &fields.properties {
            let ObjectPropertyKind::ObjectProperty(field) = field else { continue };
            let Some(name) = field.key.static_name() else { continue };
            if class.fields.iter().all(|known| known.name != name) {
                let why = format!(
                    "its source declares the field {name}, and the record that came with it does not"
                );
                return Err(parsed.invalid(field.key.span(), &why).field(name.into_owned()));
            }
        }
    }
    Ok(())
}

fn check_property(parsed: &Parsed<'_>, property: &PropertyDefinition<'_>) -> Result<()> {
    let name = parsed.text(property.key.span());
    if !property.r#static {
        let why = if property.key.is_private_identifier() {
            format!(
                "the private field {name} is not kept with the object; declare a field in `static fields`"
            )
        } else {
            format!(
                "the initialiser of {name} would run after the constructor and overwrite what was stored; declare it in `static fields` with its default"
            )
        };
        return Err(parsed.invalid(property.span, &why).field(name));
    }
    if is_static_fields(property) {
        return Ok(());
    }
    check_key(parsed, &property.key, property.computed)?;
    Ok(())
}

/// The name of a member; nothing for one that only JavaScript itself asks for (`[Symbol.iterator]`).
fn check_key(parsed: &Parsed<'_>, key: &PropertyKey<'_>, computed: bool) -> Result<Option<String>> {
    if computed {
        let symbol = matches!(key, PropertyKey::StaticMemberExpression(member)
            if matches!(&member.object, Expression::Identifier(object) if object.name == "Symbol"));
        if symbol {
            return Ok(None);
        }
        return Err(parsed
            .invalid(key.span(), "a member needs a plain name; a computed one is known only when it runs"));
    }
    let Some(name) = key.static_name() else { return Ok(None) };
    if RESERVED.contains(&name.as_ref()) {
        return Err(parsed
            .invalid(
                key.span(),
                &format!("{name:?} is not a name for a member: JavaScript or Emerge gives it a meaning"),
            )
            .field(name.into_owned()));
    }
    Ok(Some(name.into_owned()))
}

fn read_method(parsed: &Parsed<'_>, method: &MethodDefinition<'_>) -> Result<Option<MethodDecl>> {
    if method.key.is_private_identifier() {
        if method.r#static {
            return Ok(None);
        }
        let name = parsed.text(method.key.span());
        return Err(parsed
            .invalid(
                method.span,
                &format!("the private method {name} cannot be called on a stored object, which no constructor made; a leading _ says the same to readers"),
            )
            .field(name));
    }
    let name = check_key(parsed, &method.key, method.computed)?;
    let (Some(name), MethodDefinitionKind::Get | MethodDefinitionKind::Method) = (name, method.kind) else {
        return Ok(None);
    };
    let params = &method.value.params;
    let mut decls: Vec<ParamDecl> = params
        .items
        .iter()
        .map(|param| ParamDecl {
            name: parsed.text(param.pattern.span()).to_owned(),
            default: param.initializer.as_ref().map(|default| parsed.text(default.span()).to_owned()),
            kind: None,
        })
        .collect();
    if let Some(rest) = &params.rest {
        decls.push(ParamDecl { name: parsed.text(rest.span).to_owned(), default: None, kind: None });
    }
    Ok(Some(MethodDecl {
        name,
        params: decls,
        doc: docs::before(&parsed.program.comments, parsed.program.source_text, method.span.start),
        is_async: method.value.r#async,
        is_static: method.r#static,
        is_property: method.kind == MethodDefinitionKind::Get,
        returns: None,
    }))
}

/// Refuses names that the class uses and does not define.
fn free_names(class: &ClassSource, parsed: &Parsed<'_>, known: impl Fn(&str) -> bool) -> Result<()> {
    let mut imports = Imports(None);
    imports.visit_program(parsed.program);
    if let Some(at) = imports.0 {
        return Err(parsed
            .invalid(at, "there is nothing to import where a method runs: put what it needs into the class")
            .field("import"));
    }
    let built =
        SemanticBuilder::new().with_build_nodes(true).with_check_syntax_error(true).build(parsed.program);
    if let Some(error) = super::place::first(&class.name, &class.source, 1, &built.diagnostics) {
        return Err(error);
    }
    let scoping = built.semantic.scoping();
    let nodes = built.semantic.nodes();
    let mut free: Vec<(Span, String)> = scoping
        .root_unresolved_references()
        .iter()
        .filter(|(name, _)| !known(name.as_str()))
        .filter_map(|(name, references)| {
            let references = references.iter().map(|id| nodes.get_node(scoping.get_reference(*id).node_id()));
            // Whoever asks for `typeof name` knows that it may not be there.
            if references.clone().any(|node| is_typeof(nodes.parent_kind(node.id()))) {
                return None;
            }
            let first = references.map(|node| node.kind().span()).min_by_key(|span| span.start)?;
            Some((first, name.to_string()))
        })
        .collect();
    free.sort_by_key(|(span, _)| span.start);
    let Some((at, name)) = free.first() else { return Ok(()) };
    Err(parsed
        .invalid(
            *at,
            &format!(
                "{name} is not defined in class {}: JavaScript cannot see the closure of a class, so what surrounds it does not travel with it. Pass \
                 {name} to the method, make it a static property, or keep it in a field; nothing can be imported",
                class.name
            ),
        )
        .field(name))
}

fn is_typeof(kind: oxc_ast::AstKind<'_>) -> bool {
    matches!(kind, oxc_ast::AstKind::UnaryExpression(unary) if unary.operator == oxc_ast::ast::UnaryOperator::Typeof)
}

/// The first `import()`.
struct Imports(Option<Span>);

impl<'a> Visit<'a> for Imports {
    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        self.0.get_or_insert(import.span);
        walk::walk_import_expression(self, import);
    }
}
