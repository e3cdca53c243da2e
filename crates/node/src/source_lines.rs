//! What a call tells of a class's source to those who may not read the class: where it failed and what did not fit, and neither the lines there nor the signature with its default values.

use emerge_proto::{Error, MethodDecl, Result};
use emerge_runtime::Returned;

/// What a call gave, without anything of the source.
pub(crate) fn hide(called: Result<Returned>) -> Result<Returned> {
    match called {
        Ok(returned) => Ok(Returned { log: of_log(&returned.log), ..returned }),
        Err(error) => Err(Error {
            message: match error.message.split_once(MethodDecl::CALLED_AS) {
                Some((what, _signature)) => what.to_owned(),
                None => error.message,
            },
            trace: error.trace.as_deref().map(|trace| of_trace(trace).into()),
            log: error.log.as_deref().map(|log| of_log(log).into()),
            ..error
        }),
    }
}

/// A trace of the sandbox's: each call is a line that is indented by two, and the line of source below it by four.
fn of_trace(trace: &str) -> String {
    trace.split_inclusive('\n').filter(|line| !line.starts_with("    ")).collect()
}

/// A log, into which Python may have written tracebacks: below `File "Item", line 3, in cost` all that is indented more.
fn of_log(log: &str) -> String {
    let mut place = None;
    let mut kept = String::with_capacity(log.len());
    for line in log.split_inclusive('\n') {
        // Those of a group have a frame around them.
        let text = line.trim_start_matches([' ', '|', '+', '-']);
        let indent = line.len() - text.len();
        if text.starts_with("File \"") && text.contains("\", line ") {
            place = Some(indent);
        } else if place.is_some_and(|place| indent > place) {
            continue;
        } else {
            place = None;
        }
        kept.push_str(line);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_and_lines_of_source_go() {
        let trace = "  Item, line 3, in cost\n    return self.secret\ncaused by KeyError: 'x'\n  Item, line 9\n    raise";
        assert_eq!(of_trace(trace), "  Item, line 3, in cost\ncaused by KeyError: 'x'\n  Item, line 9\n");
        let log = "before\n    indented\nTraceback (most recent call last):\n  File \"Item\", line 3, in cost\n    return self.secret\n           ~~~~^^^\n  File \"Item\", line 4, in x\n    pass\nKeyError: 'x'\n  after\n  | File \"Item\", line 4, in x\n  |   pass\n  | E";
        assert_eq!(
            of_log(log),
            "before\n    indented\nTraceback (most recent call last):\n  File \"Item\", line 3, in cost\n  File \"Item\", line 4, in x\nKeyError: 'x'\n  after\n  | File \"Item\", line 4, in x\n  | E"
        );
    }
}
