//! Lines and columns, and errors that name them.

use emerge_proto::{Error, ErrorCode};
use oxc_diagnostics::Diagnostics;

/// The line and column of a byte, counted from 1, as in an editor.
pub(super) fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..source.floor_char_boundary(at.min(source.len()))];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The text of the line of a byte.
fn line_at(source: &str, at: usize) -> &str {
    let at = source.floor_char_boundary(at.min(source.len()));
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    source[start..].lines().next().unwrap_or_default().trim()
}

/// A `class_invalid` about a place in the source.
pub(super) fn invalid(name: &str, source: &str, at: usize, why: &str) -> Error {
    let (line, column) = line_and_column(source, at);
    Error::new(ErrorCode::ClassInvalid, format!("{name}, line {line}, column {column}: {why}"))
        .trace(format!("  {name}, line {line}\n    {}\n", line_at(source, at)))
}

/// The first of some complaints of the parser. Places are moved back by `offset`, the bytes put before the source.
pub(super) fn first(name: &str, source: &str, offset: usize, diagnostics: &Diagnostics) -> Option<Error> {
    let diagnostic = diagnostics.first()?;
    let at = diagnostic.labels.first().map_or(0, |label| label.offset() as usize).saturating_sub(offset);
    Some(invalid(name, source, at, &diagnostic.message))
}
