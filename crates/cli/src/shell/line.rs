//! Lines from a person, with history and completion, or from a file or a pipe.

use crate::complete;
use crate::place;
use clap::Command;
use emerge_proto::{Error, ErrorCode, Path, Result};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use std::borrow::Cow;
use std::path::PathBuf;

/// Lines of history that are kept.
const HISTORY: usize = 1000;

type Reader = Editor<Words, FileHistory>;

/// Where lines come from.
pub(super) struct Lines {
    /// None while a line is being read.
    reader: Option<Box<Reader>>,
    history: Option<PathBuf>,
}

fn unusable(error: &ReadlineError) -> Error {
    Error::new(ErrorCode::BadArgument, format!("lines cannot be read here: {error}"))
}

impl Lines {
    /// With the history of earlier times, if there is any.
    ///
    /// # Errors
    /// `bad_argument` when lines cannot be read.
    pub(super) fn open(history: Option<PathBuf>) -> Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(|error| unusable(&error))?
            .history_ignore_space(true)
            .auto_add_history(true)
            .build();
        let mut reader = Reader::with_config(config).map_err(|error| unusable(&error))?;
        reader.set_helper(Some(Words));
        if let Some(file) = &history {
            // The first time there is none.
            let _ = reader.load_history(file);
        }
        Ok(Self { reader: Some(Box::new(reader)), history })
    }

    /// The next line; none at the end. A line that was given up with Ctrl-C is empty.
    ///
    /// # Errors
    /// `bad_argument` when lines cannot be read any more.
    pub(super) async fn next(&mut self) -> Result<Option<String>> {
        let lost = || Error::new(ErrorCode::Internal, "the reader of lines is gone");
        let mut reader = self.reader.take().ok_or_else(lost)?;
        let prompt = format!("emerge:{}> ", place::get().unwrap_or_else(Path::root));
        // It waits for a person, on a thread that may wait.
        let (reader, line) = tokio::task::spawn_blocking(move || {
            let line = reader.readline(prompt.as_str());
            (reader, line)
        })
        .await
        .map_err(|_| lost())?;
        self.reader = Some(reader);
        match line {
            Ok(line) => Ok(Some(line)),
            Err(ReadlineError::Interrupted) => Ok(Some(String::new())),
            Err(ReadlineError::Eof) => Ok(None),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// Keeps the history for the next time.
    pub(super) fn close(mut self) {
        if let (Some(file), Some(reader)) = (&self.history, &mut self.reader) {
            if let Some(folder) = file.parent() {
                let _ = std::fs::create_dir_all(folder);
            }
            // A history that cannot be kept is no reason to fail.
            let _ = reader.save_history(file);
        }
    }
}

/// Completes words.
struct Words;

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (before, start) = split(&line[..pos]);
        let mut command = shell_command();
        let pairs = complete::candidates(&mut command, &before).into_iter().map(|word| {
            // A directory goes on, anything else is a whole word.
            let end = if word.ends_with('/') { "" } else { " " };
            let quoted = shlex::try_quote(&word).unwrap_or(Cow::Borrowed(&word)).into_owned();
            Pair { replacement: format!("{quoted}{end}"), display: word }
        });
        Ok((start, pairs.collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

/// The commands of the program that the shell has too, and its own.
fn shell_command() -> Command {
    let own = [
        complete::with_directory(Command::new("cd")),
        Command::new("pwd"),
        Command::new("exit"),
        Command::new("quit"),
    ];
    let hidden = ["backup", "node", "init", "completions", "shell"];
    let command = complete::command();
    command
        .mut_subcommands(move |sub| if hidden.contains(&sub.get_name()) { sub.hide(true) } else { sub })
        .subcommands(own)
}

/// The words of a line that is not done, the last one perhaps empty or inside a quotation, and where the last one begins.
fn split(line: &str) -> (Vec<String>, usize) {
    let (mut start, mut quote, mut escaped) = (0, None, false);
    for (at, char) in line.char_indices() {
        match (quote, char) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            (None, _) if char.is_whitespace() => start = at + char.len_utf8(),
            _ => {}
        }
    }
    let mut words = shlex::split(&line[..start]).unwrap_or_default();
    let mut last = line[start..].to_owned();
    last.extend(quote);
    let last = shlex::split(&last).and_then(|mut words| words.pop()).unwrap_or_default();
    words.push(last);
    (words, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_it_is_typed() {
        for (line, words, start) in [
            ("", &[""][..], 0),
            ("l", &["l"], 0),
            ("ls ", &["ls", ""], 3),
            ("cat /a 'x y", &["cat", "/a", "x y"], 7),
            ("cat \"x y\" z", &["cat", "x y", "z"], 10),
            (r"cat x\ y", &["cat", "x y"], 4),
            ("cat ü/", &["cat", "ü/"], 4),
        ] {
            assert_eq!(split(line), (words.iter().map(|word| (*word).to_owned()).collect(), start), "{line}");
        }
    }

    #[test]
    fn own_commands_are_offered_and_those_for_outside_are_not() {
        let offered = complete::candidates(&mut shell_command(), &["".to_owned()]);
        assert!(
            ["cd", "pwd", "exit", "history"].iter().all(|name| offered.contains(&(*name).to_owned())),
            "{offered:?}"
        );
        assert!(!offered.contains(&"node".to_owned()), "{offered:?}");
    }
}
