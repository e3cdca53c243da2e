//! What comes out of the guest, and what it means.

use super::imports::Stopped;
use super::instance::{Output, Trapped};
use emerge_proto::{Error, ErrorCode, Result, limits};
use serde::Deserialize;
use wasmtime::Trap;

/// Writes the parts of an input: each is its length (4 bytes, little-endian) and its bytes.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        joined.extend_from_slice(&(part.len() as u32).to_le_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// Splits an output into its parts.
pub(super) fn split(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        parts.push(part.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(parts)
}

/// Where a failure may point into: the file name that the guest gave a source, the name shown for it, and its text.
pub(crate) struct Listing {
    pub(crate) file: String,
    pub(crate) shown: String,
    pub(crate) source: String,
    /// Lines that the guest puts before the source.
    pub(crate) offset: usize,
}

/// A text of an error's that is no longer than one may be.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > limits::CALL_ERROR {
        text.truncate(text.floor_char_boundary(limits::CALL_ERROR));
        text.push_str(&format!(" … (the text ends here: its limit is {} bytes)", limits::CALL_ERROR));
    }
    text
}

/// What the guest was asked to do, for the words of an error.
pub(crate) struct Subject<'a> {
    /// `Airport.distanceTo`, for example.
    pub(crate) what: &'a str,
    /// The code of a failure that has none of its own.
    pub(crate) failure: ErrorCode,
    pub(crate) listings: &'a [Listing],
    /// The classes that the call met.
    pub(crate) met: &'a [Listing],
    pub(crate) deadline_ms: u64,
    pub(crate) memory: usize,
}

/// A failure as the prelude describes it.
#[derive(Deserialize)]
struct Failure {
    name: String,
    message: String,
    #[serde(default)]
    stack: String,
    code: Option<String>,
    path: Option<String>,
    field: Option<String>,
    limit: Option<u64>,
    trace: Option<String>,
}

impl Subject<'_> {
    /// The parts of an output, or the error that it is.
    pub(crate) fn parts(&self, output: Output) -> Result<Vec<Vec<u8>>> {
        let bytes = match output {
            Output::Bytes(bytes) => bytes,
            Output::Pending => {
                return Err(Error::new(
                    self.failure,
                    format!(
                        "{} waits for a promise that never settles: nothing is left to do that could resolve it",
                        self.what
                    ),
                ));
            }
            Output::Broken(text) => return Err(self.broken(&text)),
        };
        let defect = || Error::new(ErrorCode::Internal, "the guest's output could not be read");
        let mut parts = split(&bytes).ok_or_else(defect)?;
        if parts.is_empty() {
            return Err(defect());
        }
        match parts.remove(0).as_slice() {
            [0] => Ok(parts),
            [1] => {
                let text = parts.first().ok_or_else(defect)?;
                let failure: Failure = serde_json::from_slice(text).map_err(|_| defect())?;
                Err(self.failure(failure))
            }
            _ => Err(defect()),
        }
    }

    /// The prelude itself failed: a method has used up the stack, or turned the language's own objects against it.
    fn broken(&self, text: &str) -> Error {
        Error::new(self.failure, cut(format!("{} failed: {text}", self.what)))
    }

    fn failure(&self, failure: Failure) -> Error {
        let code = failure.code.as_deref().and_then(ErrorCode::parse);
        let message = match (code, failure.message.as_str()) {
            (Some(_), message) => message.to_owned(),
            (None, "") => failure.name.clone(),
            (None, message) => format!("{}: {message}", failure.name),
        };
        let frames = self.frames(&failure.stack);
        let mut error = Error::new(code.unwrap_or(self.failure), cut(message));
        error.path = failure.path.map(cut);
        error.field = failure.field.map(|field| cut(field).into_boxed_str());
        error.limit = failure.limit;
        let inner = failure.trace.unwrap_or_default();
        if !frames.is_empty() || !inner.is_empty() {
            error.trace = Some(cut(frames + &inner).into());
        }
        error
    }

    /// The user's own lines of a JavaScript stack, most recent call last.
    fn frames(&self, stack: &str) -> String {
        const MOST: usize = 32;
        let mut frames: Vec<String> = stack.lines().filter_map(|line| self.frame(line)).collect();
        if frames.len() > MOST {
            let left_out = frames.len() - MOST;
            frames.truncate(MOST);
            frames.push(format!("  ({left_out} more calls)\n"));
        }
        frames.reverse();
        frames.concat()
    }

    fn frame(&self, line: &str) -> Option<String> {
        let line = line.trim().strip_prefix("at ")?;
        let (function, place) = match line.split_once(" (") {
            Some((function, place)) => (function, place.strip_suffix(')')?),
            None => ("", line),
        };
        let listing = self.listings.iter().chain(self.met).find(|listing| {
            place
                .strip_prefix(listing.file.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })?;
        let mut numbers = place[listing.file.len()..].split(':').skip(1).map(str::parse::<usize>);
        let number = numbers.next()?.ok()?.checked_sub(listing.offset)?;
        let text = listing.source.lines().nth(number.checked_sub(1)?)?.trim();
        let within = if function.is_empty() { String::new() } else { format!(", in {function}") };
        Some(format!("  {}, line {number}{within}\n    {text}\n", listing.shown))
    }

    /// The error of a guest that was stopped.
    pub(super) fn trapped(&self, trapped: &Trapped, stopped: Option<Stopped>) -> Error {
        match stopped {
            Some(Stopped::Deadline) => return self.late(),
            Some(Stopped::Memory) => {
                return Error::new(
                    ErrorCode::OutOfMemory,
                    format!("{} used more than {} bytes of memory", self.what, self.memory),
                )
                .limit(self.memory as u64);
            }
            Some(Stopped::UsedUp(used_up)) => {
                let why = format!("{} needs memory, and {used_up}; later there may be some", self.what);
                return Error::new(ErrorCode::OutOfMemory, why);
            }
            None => {}
        }
        match trapped.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Error::new(
                self.failure,
                format!("{} nests its calls, or a value, too deep for the stack", self.what),
            ),
            Some(trap) => Error::new(self.failure, format!("{} made the sandbox stop: {trap}", self.what)),
            // What a component finds of WASI, and is not there, traps (`wasi.rs`).
            None if trapped.root_cause().to_string().starts_with("unknown import") => Error::new(
                self.failure,
                format!("{} wanted something of the machine, of which stored code has nothing", self.what),
            ),
            None => super::internal("the sandbox failed", trapped),
        }
    }

    /// The error of a guest whose time was up.
    pub(crate) fn late(&self) -> Error {
        Error::new(
            ErrorCode::DeadlineExceeded,
            format!("{} ran longer than {} ms", self.what, self.deadline_ms),
        )
        .limit(self.deadline_ms)
    }
}
