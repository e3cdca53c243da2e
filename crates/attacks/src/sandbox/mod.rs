//! Stored code against the sandbox that it runs in.

mod javascript;
mod module;
mod python;

use crate::attack::{Attack, Got, brief};
use crate::field::{Field, SECRET, class, holds_secret, path};
use emerge_client::native::Client;
use emerge_proto::guard::Guard;
use emerge_proto::op::CallWith;
use emerge_proto::record::Called;
use emerge_proto::{Error, ErrorCode, Language, Path, Result, Value, limits};
use std::time::Duration;

pub(crate) fn attacks() -> Vec<Attack> {
    let codes = [(Language::Python, python::ALL), (Language::JavaScript, javascript::ALL)];
    let mut all: Vec<Attack> = codes
        .into_iter()
        .flat_map(|(language, codes)| codes.iter().map(move |code| (language, code)))
        .map(|(language, code)| {
            Attack::new(code.name, code.tries, code.guards, move |field| Box::pin(run(field, language, code)))
        })
        .collect();
    all.extend(module::attacks());
    let loops =
        [("py-loops", Language::Python, "while True: pass"), ("js-loops", Language::JavaScript, "for (;;);")];
    all.extend(loops.map(|(name, language, body)| {
        let tries = "never end, many times at once, so that another's calls wait";
        Attack::new(name, tries, &[Guard::Share], move |field| Box::pin(self::loops(field, language, body)))
    }));
    all
}

/// How many calls that do not end are made at once.
const LOOPS: usize = 80;
/// How long each may run.
const ENDLESS_MS: u64 = 3_000;
/// How long another's call may take meanwhile, the slowest of some, on a machine that has much other work too: half of what it takes to wait for their end.
const SHARED: Duration = Duration::from_millis(1_450);

async fn loops(field: &Field, language: Language, body: &str) -> Got {
    // Calls of one object come one after the other, so that each has its own; and what Ada calls meanwhile.
    let endless: Vec<String> = (0..LOOPS).map(|_| field.fresh()).collect();
    let quick = field.fresh();
    let small = if language == Language::Python { "return 1" } else { "return 1;" };
    let planted = endless.iter().map(|at| (at, "Attack", body)).chain([(&quick, "Quick", small)]);
    for (at, name, body) in planted {
        if let Err(error) = field.plant(at, &class(language, name, source(language, name, body))).await {
            return Got::wrong(error);
        }
    }
    // Its class is read once.
    let _ = field.ada.call(&path(&quick), "run", &[], false).await;
    let paths: Vec<Path> = endless.iter().map(|at| path(at)).collect();
    let all = paths.iter().map(|at| {
        let with = CallWith { deadline_ms: Some(ENDLESS_MS), ..CallWith::default() };
        field.eve.call_with(at, "run", &[], false, with)
    });
    let slowest = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut times = Vec::new();
        while times.len() < 7 {
            let began = std::time::Instant::now();
            if field.ada.call(&path(&quick), "run", &[], false).await.is_err() {
                return None;
            }
            times.push(began.elapsed());
        }
        times.into_iter().max()
    };
    // Those that still run are given up when the other has been served.
    tokio::select! {
        _ = futures_util::future::join_all(all) => Got::Through("another was not served before they ended".into()),
        slowest = slowest => match slowest {
            Some(took) if took <= SHARED => Got::Contained(format!("the slowest of another's calls took {took:.1?}")),
            other => Got::Through(format!("the slowest of another's calls took {other:.1?}")),
        },
    }
}

fn source(language: Language, name: &str, body: &str) -> String {
    if language == Language::Python {
        let body: String = body.lines().map(|line| format!("        {line}\n")).collect();
        format!("class {name}(emerge.Object):\n    def run(self, n=0):\n{body}")
    } else {
        format!("class {name} extends EmergeObject {{\n  async run(n = 0) {{\n{body}\n  }}\n}}")
    }
}

/// A method that attacks. It gives a text that begins with `through` when it got what it tried; what is in `@…@` is put in before: `@canary@` a file on the node's
/// machine, `@folder@` the folder around it, `@self@` the object's own path, `@port@` the node's port, `@pid@` its process.
struct Code {
    name: &'static str,
    tries: &'static str,
    body: &'static str,
    guards: &'static [Guard],
    by: By,
}

/// How it is run, and how what it got is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Once; what it gives tells.
    Answer,
    /// The same of what takes its time, on a busy machine above all.
    Slowly,
    /// Once; that it goes on long after its deadline tells.
    Time,
    /// Once; that its log is over the limit tells.
    Log,
    /// Once; that its result is over the limit tells.
    Size,
    /// Twice by Eve; what the second gives tells.
    Twice,
    /// By Eve, then by Ada; what the second gives tells.
    Others,
    /// By the administrator.
    Admin,
    /// By Ada, with her secret, then by Eve; what the second gives tells.
    After,
}

const fn code(name: &'static str, tries: &'static str, body: &'static str) -> Code {
    Code { name, tries, body, guards: &[], by: By::Answer }
}

const fn guarded(
    name: &'static str,
    tries: &'static str,
    guards: &'static [Guard],
    by: By,
    body: &'static str,
) -> Code {
    Code { name, tries, body, guards, by }
}

/// What a call of an attack may take, unless that is what is tried.
const DEADLINE_MS: u64 = 1_500;
/// How long one that does not end is waited for.
const PATIENCE: Duration = Duration::from_secs(4);

async fn run(field: &Field, language: Language, code: &Code) -> Got {
    let at = field.fresh();
    let body = (code.body)
        .replace("@self@", &at)
        .replace("@canary@", &field.canary().to_string_lossy())
        .replace("@folder@", &field.canary().with_file_name("").to_string_lossy())
        .replace("@port@", &field.address().port().to_string())
        .replace("@pid@", &std::process::id().to_string());
    if let Err(error) = field.plant(&at, &class(language, "Attack", source(language, "Attack", &body))).await
    {
        return Got::Contained(brief(&format!("not stored: {error}")));
    }
    let seconds: &[&Client] = match code.by {
        By::Twice => &[&field.eve, &field.eve],
        By::Others => &[&field.eve, &field.ada],
        By::Admin => &[&field.admin],
        By::After => &[&field.ada, &field.eve],
        _ => &[&field.eve],
    };
    let mut got = None;
    for (at_call, client) in seconds.iter().enumerate() {
        let secret = [Value::Text(SECRET.into())];
        let args = if code.by == By::After && at_call == 0 { &secret[..] } else { &[] };
        let times: u32 = if code.by == By::Slowly { 3 } else { 1 };
        let with = CallWith { deadline_ms: Some(u64::from(times) * DEADLINE_MS), ..CallWith::default() };
        let called =
            tokio::time::timeout(times * PATIENCE, client.call_with(&path(&at), "run", args, true, with))
                .await;
        got = Some(called);
    }
    match got {
        Some(Ok(called)) => judge(code.by, called),
        _ => Got::Through("it still ran long after its deadline".into()),
    }
}

fn judge(by: By, called: Result<Called>) -> Got {
    match called {
        Ok(called) => {
            let log = called.log.unwrap_or_default();
            if by == By::Log && log.len() > limits::CALL_LOG + 1000 {
                return Got::Through(format!("a log of {} bytes", log.len()));
            }
            if by == By::Size && called.result.len() > limits::MAX_STATE {
                return Got::Through(format!("a result of {} bytes", called.result.len()));
            }
            match Value::decode(&called.result) {
                Ok(Value::Text(text)) if text.starts_with("through") || holds_secret(&text) => {
                    Got::Through(brief(&text))
                }
                Ok(value) => Got::Contained(brief(&format!("it gave {value:?}"))),
                Err(error) => Got::Contained(brief(&format!("what it gave is no value: {error}"))),
            }
        }
        Err(error) if holds_secret(&format!("{error:?}")) => Got::Through(brief(&format!("{error:?}"))),
        Err(error) => refused(&error),
    }
}

/// Whether a refusal is one. The node's own trouble is nothing that stored code may bring about, and what is not ready has contained nothing.
fn refused(error: &Error) -> Got {
    let told = brief(&error.to_string());
    match error.code {
        ErrorCode::Internal | ErrorCode::Unavailable => Got::Through(told),
        _ => Got::Contained(told),
    }
}
