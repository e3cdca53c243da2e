//! A method in JavaScript over the network, against a script of Redis' that does the same; native clients, one call at a time.

use crate::Measured;
use crate::redis::Redis;
use crate::report::{Answer, median};
use crate::setting::{Setting, text};
use axum::Router;
use emerge_client::Client;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassSource, FieldDecl, FieldType, Language, Path, Value};
use std::time::Instant;

/// Calls of one run, on each side.
const CALLS: i64 = 5000;
/// Both read one number and give it times another.
const METHOD: &str = "class Scaled extends EmergeObject { scaled(factor) { return this.balance * factor; } }";
const SCRIPT: &str = "return redis.call('GET', KEYS[1]) * ARGV[1]";
const BALANCE: i64 = 25;
const PATH: &str = "/scaled";

/// How many times as many calls a second as Redis.
pub(crate) async fn measure(runs: usize) -> Measured {
    let server = Redis::start(1).await?;
    let mut script = Script::load(server.port())?;
    let setting = Setting::new(Router::new()).await?;
    let client = setting.client().await?;
    let class = ClassSource {
        fields: vec![FieldDecl {
            name: "balance".into(),
            kind: FieldType::Int,
            default: Some(Value::Int(0).encode()),
            doc: None,
        }],
        ..ClassSource::new("Scaled", Language::JavaScript, METHOD)
    };
    let hash = client.put_class(&class).await.map_err(text)?.hash;
    let path = Path::parse(PATH).map_err(text)?;
    let state = Value::Map(vec![("balance".into(), Value::Int(BALANCE))]).encode();
    client.store(&path, hash, state, StoreMode::Create).await.map_err(text)?;
    client.close().await;
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..=runs {
        let (url, token) = (setting.node.url(), setting.node.token.clone());
        let one = tokio::task::spawn_blocking(move || per_second(&url, &token)).await.map_err(text)??;
        let (returned, other) = tokio::task::spawn_blocking(move || {
            let rate = script.per_second();
            (script, rate)
        })
        .await
        .map_err(text)?;
        script = returned;
        // The first warms both sides up.
        if run > 0 {
            let other = other?;
            ratios.push(one / other);
            ours.push(one);
            theirs.push(other);
        }
    }
    setting.stop().await?;
    server.stop().await?;
    let note = format!(
        "{:.0} calls/s against {:.0} EVALSHA/s: a warm method in JavaScript, a script, one at a time",
        median(&ours),
        median(&theirs)
    );
    Ok(Answer { runs: ratios, note })
}

/// Calls a second of a client on the thread that asks, as that of Redis' is.
#[tokio::main(flavor = "current_thread")]
async fn per_second(url: &str, token: &str) -> Result<f64, String> {
    let client = Client::connect(url, token).await.map_err(text)?;
    let path = Path::parse(PATH).map_err(text)?;
    let begun = Instant::now();
    for factor in 0..CALLS {
        let called = client.call(&path, "scaled", &[Value::Int(factor)], false).await.map_err(text)?;
        if called.result != Value::Int(BALANCE * factor).encode() {
            return Err("the method gave something else".into());
        }
    }
    let rate = CALLS as f64 / begun.elapsed().as_secs_f64();
    client.close().await;
    Ok(rate)
}

/// A script that Redis knows, and a connection of a client that waits.
struct Script {
    connection: redis::Connection,
    sha: String,
}

impl Script {
    fn load(port: u16) -> Result<Self, String> {
        let client = redis::Client::open(("127.0.0.1", port)).map_err(text)?;
        let mut connection = client.get_connection().map_err(text)?;
        let () = redis::cmd("SET").arg("scaled").arg(BALANCE).query(&mut connection).map_err(text)?;
        let sha = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query(&mut connection).map_err(text)?;
        Ok(Self { connection, sha })
    }

    fn per_second(&mut self) -> Result<f64, String> {
        let begun = Instant::now();
        for factor in 0..CALLS {
            let given: i64 = redis::cmd("EVALSHA")
                .arg(&self.sha)
                .arg(1)
                .arg("scaled")
                .arg(factor)
                .query(&mut self.connection)
                .map_err(text)?;
            if given != BALANCE * factor {
                return Err("the script gave something else".into());
            }
        }
        Ok(CALLS as f64 / begun.elapsed().as_secs_f64())
    }
}
