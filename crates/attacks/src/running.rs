//! One user against how long the user's methods may run.

use crate::attack::{Attack, Got};
use crate::field::{Field, class, fields, path};
use emerge_client::native::Client;
use emerge_proto::guard::Guard;
use emerge_proto::op::StoreMode;
use emerge_proto::query::Query;
use emerge_proto::{Error, ErrorCode, Language, Value};
use emerge_server::{Config, RunningNode};
use futures_util::StreamExt;
use std::fmt::Display;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How it is tried to run longer.
#[derive(Clone, Copy)]
enum By {
    Calls,
    Nested,
    Tokens,
    Search,
    Long,
}

const RUN: &[Guard] = &[Guard::Run];
/// Seconds that a user's methods may run at once, and each minute.
const SECONDS: u32 = 1;
/// How long they are made to run at least when nothing stops them.
const LONG: Duration = Duration::from_secs(4);

pub(crate) fn attacks() -> Vec<Attack> {
    let rows: [(&str, &str, By); 5] = [
        ("run-calls", "run longer than may be by many calls", By::Calls),
        ("run-nested", "run longer than may be by calls within a call", By::Nested),
        ("run-tokens", "run longer than may be by another token", By::Tokens),
        ("run-search", "run longer than may be by functions of searches", By::Search),
        ("run-long", "have what is owed forgotten by a call that began long ago", By::Long),
    ];
    rows.into_iter()
        .map(|(name, tries, by)| Attack::new(name, tries, RUN, move |field| Box::pin(run(field, by))))
        .collect()
}

const SPINNER: &str = "class Spinner extends EmergeObject {
    spin() { for (let n = 0; n < 1_000_000; n += 1) this.secret; return 1; }
    async nest(at, times) {
        let done = 0;
        for (; done < times; done += 1) await fs.call(at, 'spin');
        return done;
    }
    async wait(at) {
        for (let n = 0; n < 100_000; n += 1) { await fs.stat('/'); }
        return 1;
    }
}";

/// A node of its own, where methods run for a second a minute.
struct Short {
    node: RunningNode,
    eve: Client,
    _folder: TempDir,
}

fn text(error: impl Display) -> String {
    error.to_string()
}

impl Short {
    async fn start(field: &Field) -> Result<Self, String> {
        let folder = TempDir::new().map_err(text)?;
        let mut config = Config { port: 0, ..Config::new(folder.path()) };
        config.allowances.user.run = SECONDS;
        let node = field.start_another(config).await?;
        let admin = Client::connect(&node.url(), &node.token).await.map_err(text)?;
        let token = admin.add_user("eve", &[]).await.map_err(text)?;
        let eve = Client::connect(&node.url(), &token).await.map_err(text)?;
        let class = class(Language::JavaScript, "Spinner", SPINNER.into());
        let class = admin.put_class(&class).await.map_err(text)?.hash;
        for at in ["/spinner", "/other"] {
            admin.store(&path(at), class, fields("x"), StoreMode::Put).await.map_err(text)?;
            admin.chmod(&path(at), "755", false).await.map_err(text)?;
        }
        Ok(Self { node, eve, _folder: folder })
    }
}

fn is_limit(error: &Error) -> bool {
    error.code == ErrorCode::LimitExceeded && error.field.as_deref() == Some("run")
}

async fn run(field: &Field, by: By) -> Got {
    let short = match Short::start(field).await {
        Ok(short) => short,
        Err(error) => return Got::wrong(error),
    };
    let got = tried(&short, by).await;
    match short.node.stop().await {
        Ok(()) => got,
        Err(error) => Got::wrong(error),
    }
}

async fn tried(short: &Short, by: By) -> Got {
    let began = Instant::now();
    let eve = short.eve.clone();
    let long = matches!(by, By::Long).then(|| {
        let eve = eve.clone();
        tokio::spawn(async move { eve.call(&path("/other"), "wait", &[], false).await.map(drop) })
    });
    if long.is_some() {
        // What is said of a clock that was set back is said of more than a second.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    let mut refused = None;
    let mut calls = 0;
    let mut after = 0;
    // After the first refusal it is tried for a while whether that holds.
    while began.elapsed() < 2 * LONG
        && refused.as_ref().is_none_or(|(at, _): &(Instant, Error)| at.elapsed() < LONG / 2)
    {
        calls += 1;
        let done = match by {
            By::Nested => nested(&eve).await,
            By::Search => searched(&eve).await,
            By::Tokens if refused.is_some() => by_another(short).await,
            By::Calls | By::Tokens | By::Long => {
                eve.call(&path("/spinner"), "spin", &[], false).await.map(drop)
            }
        };
        match (done, &refused) {
            (Err(error), None) if is_limit(&error) => refused = Some((Instant::now(), error)),
            (Ok(()), Some(_)) => after += 1,
            (Err(error), _) if !is_limit(&error) => return Got::wrong(error),
            _ => {}
        }
        if refused.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    if let Some(long) = long {
        long.abort();
    }
    match refused {
        // A second is a sixtieth of a minute: meanwhile there may be room for one.
        Some((_, error)) if after <= 1 => Got::Contained(format!("after {calls} calls: {error}")),
        Some(_) => Got::Through(format!("{after} calls ran after one was refused")),
        None => Got::Through(format!("{calls} calls ran for {:.1?}", began.elapsed())),
    }
}

async fn nested(eve: &Client) -> Result<(), Error> {
    let args = [Value::Text("/other".into()), Value::Int(5)];
    eve.call(&path("/spinner"), "nest", &args, false).await.map(drop)
}

async fn searched(eve: &Client) -> Result<(), Error> {
    let source = "o => { for (let n = 0; n < 1_000_000; n += 1) o.secret; return [...o.secret].length > 0; }";
    let mut pages = std::pin::pin!(eve.search(Query::new(Language::JavaScript, Some(source))));
    while let Some(page) = pages.next().await {
        page?;
    }
    Ok(())
}

async fn by_another(short: &Short) -> Result<(), Error> {
    let (token, _) = short.eve.create_token(None, Some(vec!["*:/**".to_owned()]), None, None).await?;
    let other = Client::connect(&short.node.url(), &token).await?;
    let called = other.call(&path("/spinner"), "spin", &[], false).await.map(drop);
    other.close().await;
    called
}
