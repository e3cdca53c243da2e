//! Doc comments.

use oxc_ast::ast::Comment;

/// The text of the last doc comment before the node that begins at `start`.
pub(super) fn before(comments: &[Comment], source: &str, start: u32) -> Option<String> {
    let comment = comments
        .iter()
        .rev()
        .find(|comment| comment.attached_to == start && comment.is_leading() && comment.is_block())?;
    let text = source.get(comment.span.start as usize..comment.span.end as usize)?;
    let text = text.strip_prefix("/**")?.strip_suffix("*/")?;
    let lines: Vec<&str> = text
        .lines()
        .map(|line| {
            let line = line.trim();
            line.strip_prefix('*').map_or(line, |line| line.strip_prefix(' ').unwrap_or(line))
        })
        .collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}
