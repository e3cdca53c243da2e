//! What people and programs see: text with colours on a terminal only, or JSON.

use anstyle::{AnsiColor, Style};
use emerge_node::json::error_to_json;
use emerge_proto::record::{ObjectType, Stat};
use emerge_proto::{Error, ErrorCode};
use serde_json::Value as Json;

pub(crate) const DIRECTORY: Style = AnsiColor::Blue.on_default().bold();
pub(crate) const NAME: Style = Style::new().bold();
pub(crate) const FOUND: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Where results go.
pub(crate) struct Output {
    /// Whether results are JSON.
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints one line to stdout; colours are dropped when it is no terminal.
    pub(crate) fn line(&self, text: impl std::fmt::Display) {
        anstream::println!("{text}");
    }

    /// Prints JSON to stdout, on one line.
    pub(crate) fn json(&self, json: &Json) {
        anstream::println!("{json}");
    }

    /// Prints a note for people to stderr.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.json {
            anstream::eprintln!("{DIM}{text}{DIM:#}");
        }
    }

    /// Prints an error to stderr.
    pub(crate) fn error(&self, error: &Error) {
        if self.json {
            anstream::eprintln!("{}", error_to_json(error));
            return;
        }
        for line in error.log.iter().flat_map(|log| log.lines()) {
            self.note(line);
        }
        anstream::eprintln!("{ERROR}{}{ERROR:#}: {}", error.code, error.message);
        if let Some(trace) = &error.trace {
            for line in trace.lines() {
                anstream::eprintln!("  {DIM}{line}{DIM:#}");
            }
        }
        match error.code {
            ErrorCode::Unauthenticated => {
                anstream::eprintln!(
                    "Remember the link that the node printed: emerge init 'http://…/?token=…'"
                );
            }
            ErrorCode::Disconnected => {
                anstream::eprintln!("If no node runs there: emerge node start");
            }
            _ => {}
        }
    }
}

/// The program's exit code for an error.
pub(crate) fn exit_code(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::BadArgument | ErrorCode::BadPath => 2,
        ErrorCode::NotFound | ErrorCode::ClassNotFound | ErrorCode::MethodNotFound => 3,
        ErrorCode::Unauthenticated | ErrorCode::PermissionDenied | ErrorCode::ForbiddenOrigin => 4,
        ErrorCode::Disconnected | ErrorCode::Unavailable => 5,
        ErrorCode::MethodFailed | ErrorCode::OutOfMemory => 6,
        ErrorCode::Conflict | ErrorCode::AlreadyExists | ErrorCode::NotUnique => 7,
        ErrorCode::DeadlineExceeded => 8,
        _ => 1,
    }
}

/// A member's name as `ls` shows it.
pub(crate) fn member_name(stat: &Stat) -> String {
    match stat.kind {
        ObjectType::Directory => format!("{DIRECTORY}{}{DIRECTORY:#}/", stat.name),
        _ => stat.name.clone(),
    }
}

/// Lines of a table: all columns but the last padded to their widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let last = row.len().saturating_sub(1);
            let cells = row.iter().enumerate().map(|(at, cell)| {
                if at == last { cell.clone() } else { format!("{cell:<width$}", width = widths[at]) }
            });
            cells.collect::<Vec<_>>().join("  ")
        })
        .collect()
}
