//! A class's source, as it is evaluated in the guest.

use super::place::{first, invalid};
use emerge_proto::{ClassSource, Error, ErrorCode, Result};
use oxc_allocator::Allocator;
use oxc_ast::ast::{Class, ClassElement, Expression, Program, PropertyDefinition, Statement};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType, Span};

/// What is put before the source, so that it is an expression whatever its name; and after, on a line of its own, for the source may end in a comment.
const BEFORE: &str = "(";
const AFTER: &str = "\n)";

/// The name that the guest gives the base of all classes.
const ROOT: &str = "EmergeObject";

/// A class's text, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct ClassText {
    /// The source with `static fields` left out (the declared fields travel beside the source, with the names in them resolved), each other
    /// character on its line.
    pub(crate) evaluated: String,
    /// The name that the source uses for its base.
    pub(crate) heritage: String,
}

impl ClassText {
    /// Reads a class's source.
    ///
    /// # Errors
    /// `class_invalid` with the line.
    pub(crate) fn of(class: &ClassSource) -> Result<Self> {
        let allocator = Allocator::default();
        let parsed = Parsed::new(&allocator, class, &class.source)?;
        let mut evaluated = class.source.clone();
        let heritage = parsed.heritage()?;
        // From the back, so that the earlier places stay right.
        for property in parsed.class.body.body.iter().rev() {
            if let ClassElement::PropertyDefinition(property) = property
                && is_static_fields(property)
            {
                blank(&mut evaluated, shift(property.span));
            }
        }
        if let Some(replacement) = &heritage.replacement {
            evaluated.replace_range(replacement.clone(), ROOT);
        }
        Ok(Self { evaluated, heritage: heritage.name })
    }
}

/// The name of a class's base.
struct Heritage {
    name: String,
    /// Where a name such as `emerge.EmergeObject` stands that is read as `EmergeObject`.
    replacement: Option<std::ops::Range<usize>>,
}

/// A parsed class.
pub(super) struct Parsed<'a> {
    pub(super) program: &'a Program<'a>,
    pub(super) class: &'a Class<'a>,
    name: &'a str,
    source: &'a str,
    bases: Vec<&'a str>,
}

impl<'a> Parsed<'a> {
    /// Parses `text`, the source of `class` or a variation of it with the same places.
    pub(super) fn new(allocator: &'a Allocator, class: &'a ClassSource, text: &str) -> Result<Self> {
        let wrapped = allocator.alloc_str(&format!("{BEFORE}{text}{AFTER}"));
        let parsed = Parser::new(allocator, wrapped, SourceType::script()).parse();
        if let Some(error) = first(&class.name, &class.source, BEFORE.len(), &parsed.diagnostics) {
            return Err(error);
        }
        let program: &'a Program<'a> = allocator.alloc(parsed.program);
        let found = match program.body.as_slice() {
            [Statement::ExpressionStatement(statement)] => match statement.expression.without_parentheses() {
                Expression::ClassExpression(class) => Some(&**class),
                _ => None,
            },
            _ => None,
        };
        let Some(parsed) = found else {
            return Err(Error::new(
                ErrorCode::ClassInvalid,
                format!(
                    "the source of class {:?} is not one class (class X extends EmergeObject {{ … }})",
                    class.name
                ),
            ));
        };
        let bases = class.bases.iter().map(|base| base.name.as_str()).collect();
        Ok(Self { program, class: parsed, name: &class.name, source: &class.source, bases })
    }

    /// A `class_invalid` about a place.
    pub(super) fn invalid(&self, at: Span, why: &str) -> Error {
        invalid(self.name, self.source, shift(at).start, why)
    }

    /// The text of a place.
    pub(super) fn text(&self, at: Span) -> &'a str {
        self.program.source_text.get(at.start as usize..at.end as usize).unwrap_or_default()
    }

    fn heritage(&self) -> Result<Heritage> {
        let must = match self.bases.first() {
            Some(base) => format!("extend {base}, which it names as its base"),
            None => format!("extend {ROOT} or a class that does"),
        };
        let must = format!("class {} must {must}", self.name);
        let Some(heritage) = &self.class.heritage else { return Err(self.invalid(self.class.span, &must)) };
        match (&heritage.expression, self.bases.first()) {
            (Expression::Identifier(name), Some(base)) if name.name == *base => {
                Ok(Heritage { name: name.name.to_string(), replacement: None })
            }
            (Expression::Identifier(name), None) => {
                Ok(Heritage { name: name.name.to_string(), replacement: None })
            }
            (Expression::StaticMemberExpression(member), None)
                if member.property.name == ROOT && matches!(member.object, Expression::Identifier(_)) =>
            {
                Ok(Heritage { name: ROOT.to_owned(), replacement: Some(shift(member.span)) })
            }
            (expression, _) => Err(self.invalid(expression.span(), &format!("{must}, by its name"))),
        }
    }
}

/// True for `static fields = …`.
pub(super) fn is_static_fields(property: &PropertyDefinition<'_>) -> bool {
    property.r#static && property.key.is_specific_static_name("fields")
}

/// A place in the source, of one in the parsed text.
pub(super) fn shift(at: Span) -> std::ops::Range<usize> {
    (at.start as usize).saturating_sub(BEFORE.len())..(at.end as usize).saturating_sub(BEFORE.len())
}

/// Overwrites a part of a text with spaces; lines stay, and columns too.
fn blank(text: &mut String, at: std::ops::Range<usize>) {
    let blanked: String = text
        .get(at.clone())
        .unwrap_or_default()
        .chars()
        .map(|char| if char == '\n' || char == '\r' { char } else { ' ' })
        .collect();
    if !blanked.is_empty() {
        text.replace_range(at, &blanked);
    }
}
