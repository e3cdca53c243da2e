//! What people and programs see: text with colours on a terminal only, or JSON.

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use emerge_node::json::error_to_json;
use emerge_proto::record::{ObjectType, Stat};
use emerge_proto::{Error, ErrorCode};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt;
use std::io::{IsTerminal, stderr, stdout};
use std::sync::LazyLock;

/// A style of a part of a line on stdout: `{NAME}…{NAME:#}`. Where there are no colours it is nothing.
///
/// What stands in a line comes from others too, and may hold control characters, which a terminal would obey. So on a terminal a style is at first one
/// of [`MARKS`], and becomes an escape sequence when all else has lost such characters.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Directory,
    Name,
    Found,
    Dim,
}

pub(crate) const DIRECTORY: Mark = Mark::Directory;
pub(crate) const NAME: Mark = Mark::Name;
pub(crate) const FOUND: Mark = Mark::Found;
pub(crate) const DIM: Mark = Mark::Dim;
const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = Style::new().dimmed();

/// Noncharacters of Unicode, one for each style, the last one for its end. In what others wrote they can make a text bold, and no more.
const MARKS: [char; 5] = ['\u{fdd0}', '\u{fdd1}', '\u{fdd2}', '\u{fdd3}', '\u{fdd4}'];

/// What a stream of the program goes to.
#[derive(Clone, Copy)]
struct Stream {
    is_terminal: bool,
    has_colours: bool,
}

static STDOUT: LazyLock<Stream> =
    LazyLock::new(|| Stream::of(stdout().is_terminal(), AutoStream::choice(&stdout())));
static STDERR: LazyLock<Stream> =
    LazyLock::new(|| Stream::of(stderr().is_terminal(), AutoStream::choice(&stderr())));

impl Stream {
    fn of(is_terminal: bool, choice: anstream::ColorChoice) -> Self {
        Self { is_terminal, has_colours: choice != anstream::ColorChoice::Never }
    }

    /// A text as it is printed: exact, but on a terminal without control characters.
    fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let stays =
            |char: char| !MARKS.contains(&char) && (!char.is_control() || matches!(char, '\n' | '\t'));
        if !self.is_terminal || text.chars().all(stays) {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len() + 16);
        // A style that another's text began ends with its line.
        let mut open = false;
        let end = Mark::sequence(MARKS.len() - 1);
        for char in text.chars() {
            match MARKS.iter().position(|mark| *mark == char) {
                Some(at) if self.has_colours => {
                    open = at + 1 < MARKS.len();
                    shown.push_str(&Mark::sequence(at));
                }
                None if stays(char) => {
                    if char == '\n' && std::mem::take(&mut open) {
                        shown.push_str(&end);
                    }
                    shown.push(char);
                }
                // As in JSON, which stays the same.
                _ => shown.push_str(&format!("\\u{:04x}", u32::from(char))),
            }
        }
        if open {
            shown.push_str(&end);
        }
        Cow::Owned(shown)
    }

    /// A style for this stream.
    fn style(&self, style: Style) -> Style {
        if self.has_colours { style } else { Style::new() }
    }
}

impl Mark {
    fn style(self) -> Style {
        match self {
            Mark::Directory => AnsiColor::Blue.on_default().bold(),
            Mark::Name => Style::new().bold(),
            Mark::Found => AnsiColor::Yellow.on_default().bold(),
            Mark::Dim => Style::new().dimmed(),
        }
    }

    /// The escape sequence of one of [`MARKS`].
    fn sequence(at: usize) -> String {
        match [DIRECTORY, NAME, FOUND, DIM].get(at) {
            Some(mark) => mark.style().render().to_string(),
            None => anstyle::Reset.render().to_string(),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if f.alternate() { MARKS.len() - 1 } else { *self as usize };
        match *STDOUT {
            Stream { has_colours: false, .. } => Ok(()),
            Stream { is_terminal: true, .. } => write!(f, "{}", MARKS[at]),
            Stream { is_terminal: false, .. } => f.write_str(&Mark::sequence(at)),
        }
    }
}

/// Where results go.
pub(crate) struct Output {
    /// Whether results are JSON.
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints one line to stdout: exactly, but on a terminal control characters are escaped.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        println!("{}", STDOUT.shown(&text.to_string()));
    }

    /// Prints JSON to stdout, on one line.
    pub(crate) fn json(&self, json: &Json) {
        self.line(json);
    }

    /// Prints a note for people to stderr.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        if !self.json {
            let note = STDERR.style(NOTE);
            eprintln!("{note}{}{note:#}", STDERR.shown(&text.to_string()));
        }
    }

    /// Prints an error to stderr.
    pub(crate) fn error(&self, error: &Error) {
        if self.json {
            eprintln!("{}", STDERR.shown(&error_to_json(error).to_string()));
            return;
        }
        for line in error.log.iter().flat_map(|log| log.lines()) {
            self.note(line);
        }
        let (red, note) = (STDERR.style(ERROR), STDERR.style(NOTE));
        eprintln!("{red}{}{red:#}: {}", error.code, STDERR.shown(&error.message));
        if let Some(trace) = &error.trace {
            for line in trace.lines() {
                eprintln!("  {note}{}{note:#}", STDERR.shown(line));
            }
        }
        match error.code {
            ErrorCode::Unauthenticated => {
                eprintln!("Remember the link that the node printed: emerge init 'http://…/?token=…'");
            }
            ErrorCode::Disconnected => {
                eprintln!("If no node runs there: emerge node start");
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
        ErrorCode::QuotaExceeded => 9,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_characters_of_others() {
        let terminal = Stream { is_terminal: true, has_colours: true };
        let pipe = Stream { is_terminal: false, has_colours: false };
        let text = "A\u{1b}[31mB\r\u{7f}\u{9b}\u{0}\tC\nD é😀";
        assert_eq!(pipe.shown(text), text);
        assert_eq!(terminal.shown(text), "A\\u001b[31mB\\u000d\\u007f\\u009b\\u0000\tC\nD é😀");
        assert_eq!(terminal.shown("\u{fdd1}a\u{fdd4}"), "\u{1b}[1ma\u{1b}[0m");
        // What another's text begins ends with its line, and without colours it is no style.
        assert_eq!(terminal.shown("\u{fdd1}a\nb"), "\u{1b}[1ma\u{1b}[0m\nb");
        assert_eq!(terminal.shown("\u{fdd1}a"), "\u{1b}[1ma\u{1b}[0m");
        let grey = Stream { is_terminal: true, has_colours: false };
        assert_eq!(grey.shown("\u{fdd1}a"), "\\ufdd1a");
        // What is JSON stays the same JSON.
        let json = serde_json::json!({ "a": "\u{7f}\u{9b}\u{1b}" });
        assert_eq!(serde_json::from_str::<Json>(&terminal.shown(&json.to_string())).unwrap(), json);
    }
}
