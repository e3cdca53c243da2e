//! Stored code against the sandbox that it runs in.

mod javascript;
mod module;
mod native;
mod python;

use crate::attack::{Attack, Got, brief};
use crate::field::{Field, SECRET, class, holds_secret, path};
use emerge_client::native::Client;
use emerge_proto::guard::Guard;
use emerge_proto::op::CallWith;
use emerge_proto::record::Called;
use emerge_proto::{ClassSource, Error, ErrorCode, Language, Path, Result, Value, limits};
use std::time::Duration;

pub(crate) fn attacks() -> Vec<Attack> {
    let codes = [
        (Where::Sandbox(Language::Python), python::ALL),
        (Where::Sandbox(Language::JavaScript), javascript::ALL),
        (Where::Native, native::ALL),
    ];
    let mut all: Vec<Attack> = codes
        .into_iter()
        .flat_map(|(place, codes)| codes.iter().map(move |code| (place, code)))
        .map(|(place, code)| {
            Attack::new(code.name, code.tries, code.guards, move |field| Box::pin(run(field, place, code)))
        })
        .collect();
    all.extend(module::attacks());
    all.extend(CROWDS.iter().map(|crowd| {
        Attack::new(crowd.name, crowd.tries, crowd.guards, move |field| Box::pin(crowd.comes(field)))
    }));
    all
}

/// Where code runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Sandbox(Language),
    /// In native Python, with numpy and pandas.
    Native,
}

impl Where {
    fn class(self, name: &str, body: &str) -> ClassSource {
        match self {
            Self::Sandbox(language) => class(language, name, source(language, name, body)),
            Self::Native => {
                let plain = source(Language::Python, name, body);
                let text = plain.replacen(":\n", ":\n    requires = ['numpy', 'pandas']\n", 1);
                let requires = Some(vec!["numpy".into(), "pandas".into()]);
                ClassSource { requires, ..class(Language::Python, name, text) }
            }
        }
    }
}

/// How long each may run.
const ENDLESS_MS: u64 = 3_000;
/// How long another's call may take meanwhile, the slowest of some, on a machine that has much other work too: half of what it takes to wait for their end.
const SHARED: Duration = Duration::from_millis(1_450);

/// Many calls at once that do not end, so that another's are not served.
struct Crowd {
    name: &'static str,
    tries: &'static str,
    guards: &'static [Guard],
    /// So many calls, each of the next of these methods.
    calls: usize,
    bodies: &'static [(Where, &'static str)],
    /// What another calls meanwhile.
    quick: (Where, &'static str),
}

const LOOPS: &str = "never end, many times at once, so that another's calls wait";
const PYTHON: Where = Where::Sandbox(Language::Python);
const JAVASCRIPT: Where = Where::Sandbox(Language::JavaScript);
const CROWDS: &[Crowd] = &[
    Crowd {
        name: "py-loops",
        tries: LOOPS,
        guards: &[Guard::Share],
        calls: 80,
        bodies: &[(PYTHON, "while True: pass")],
        quick: (PYTHON, "return 1"),
    },
    Crowd {
        name: "js-loops",
        tries: LOOPS,
        guards: &[Guard::Share],
        calls: 80,
        bodies: &[(JAVASCRIPT, "for (;;);")],
        quick: (JAVASCRIPT, "return 1;"),
    },
    Crowd {
        name: "native-loops",
        tries: LOOPS,
        guards: &[Guard::Share],
        calls: 80,
        bodies: &[(Where::Native, "while True: pass")],
        quick: (Where::Native, "return 1"),
    },
];

impl Crowd {
    async fn comes(&self, field: &Field) -> Got {
        // Calls of one object come one after the other, so that each has its own; and what Ada calls meanwhile.
        let endless: Vec<String> = (0..self.calls).map(|_| field.fresh()).collect();
        let quick = field.fresh();
        let bodies = self.bodies.iter().cycle();
        let planted = endless.iter().zip(bodies).map(|(at, (place, body))| (at, "Attack", place, body));
        for (at, name, place, body) in planted.chain([(&quick, "Quick", &self.quick.0, &self.quick.1)]) {
            if let Err(error) = field.plant(at, &place.class(name, body)).await {
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
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut times = Vec::new();
            while times.len() < 7 {
                let began = std::time::Instant::now();
                if let Err(error) = field.ada.call(&path(&quick), "run", &[], false).await {
                    return Err(brief(&error.to_string()));
                }
                times.push(began.elapsed());
            }
            Ok(times.into_iter().max().unwrap_or_default())
        };
        // Those that still run are given up when the other has been served.
        tokio::select! {
            _ = futures_util::future::join_all(all) => Got::Through("another was not served before they ended".into()),
            slowest = slowest => match slowest {
                Ok(took) if took <= SHARED => Got::Contained(format!("the slowest of another's calls took {took:.1?}")),
                Ok(took) => Got::Through(format!("the slowest of another's calls took {took:.1?}")),
                Err(error) => Got::Through(format!("another's call got {error}")),
            },
        }
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

async fn run(field: &Field, place: Where, code: &Code) -> Got {
    let at = field.fresh();
    let body = (code.body)
        .replace("@self@", &at)
        .replace("@canary@", &field.canary().to_string_lossy())
        .replace("@folder@", &field.canary().with_file_name("").to_string_lossy())
        .replace("@port@", &field.address().port().to_string())
        .replace("@pid@", &std::process::id().to_string());
    if let Err(error) = field.plant(&at, &place.class("Attack", &body)).await {
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
