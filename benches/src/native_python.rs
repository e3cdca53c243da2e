//! A query object that groups 100,000 objects of the store by pandas in native Python, against a plain script that does so with the same content in a file.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, fill, state, text};
use emerge_client::native::Client;
use emerge_proto::class::{Capture, Captured};
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassSource, Language, Path, Value};
use emerge_server::Additions;
use serde::Deserialize;
use std::process::Stdio;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

const OBJECTS: u64 = 100_000;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/native_python.py");
const SOURCE: &str = r#"class Heights(emerge.Object):
    requires = ["pandas"]

    def query(self, fs):
        table = fs.search(directory="/bench", fields=["runways", "height"], page_size=1000).table()
        return table.to_pandas().groupby("runways")["height"].mean()"#;

#[derive(Deserialize)]
struct Said {
    seconds: f64,
    means: Vec<f64>,
}

/// How many times as fast as the script the query is, over a connection. Both have pandas imported before.
pub(crate) async fn groupby(runs: usize) -> Measured {
    let venv = std::env::var("EMERGE_NATIVE_VENV")
        .map_err(|_| "no environment for native Python is set up; ask it by npm run bench".to_owned())?;
    let native = Additions { native_python: Some(venv.clone().into()), ..Additions::default() };
    let (runtime, _) =
        emerge_server::sandbox_with(&native, &|step| eprintln!("  {step}")).await.map_err(text)?;
    let setting = Setting::with(runtime).await?;
    fill(&setting, OBJECTS).await?;
    let client = setting.client().await?;
    let query = Path::parse("/heights").map_err(text)?;
    let class = client.put_class(&class()).await.map_err(text)?.hash;
    client.store(&query, class, Value::Map(Vec::new()).encode(), StoreMode::Put).await.map_err(text)?;

    let file = setting.folder.path().join("objects.json");
    std::fs::write(&file, local()?).map_err(text)?;
    let mut script = Command::new(std::path::Path::new(&venv).join("bin/python"))
        .arg(SCRIPT)
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(text)?;
    let mut asks = script.stdin.take().ok_or("the script has no input")?;
    let mut says = BufReader::new(script.stdout.take().ok_or("the script has no output")?).lines();

    let (mut figures, mut ours, mut theirs) = (Vec::new(), 0.0, 0.0);
    for run in 0..=runs {
        let (took, means) = asked(&client, &query).await?;
        asks.write_all(b"again\n").await.map_err(text)?;
        let line = says.next_line().await.map_err(text)?.ok_or("the script has ended")?;
        let said: Said = serde_json::from_str(&line).map_err(text)?;
        if said.means.len() != means.len() || said.means.iter().zip(&means).any(|(a, b)| (a - b).abs() > 1e-9)
        {
            return Err(format!("the query gives {means:?}, and the script {:?}", said.means));
        }
        // The first is to warm up.
        if run > 0 {
            figures.push(said.seconds / took);
            ours += took;
            theirs += said.seconds;
        }
    }
    client.close().await;
    setting.stop().await?;
    let each = |all: f64| all * 1e3 / runs as f64;
    let note = format!(
        "{:.0} ms against {:.0}: a query object that groups {OBJECTS} objects of the store by two of their ten fields with pandas, a script in the same Python that reads them from a JSON file",
        each(ours),
        each(theirs)
    );
    Ok(Answer { runs: figures, note })
}

fn class() -> ClassSource {
    let captures = vec![Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) }];
    ClassSource {
        captures: Some(captures),
        requires: Some(vec!["pandas".into()]),
        ..ClassSource::new("Heights", Language::Python, SOURCE)
    }
}

/// The seconds that the query took, and the means that it gave.
async fn asked(client: &Client, query: &Path) -> Result<(f64, Vec<f64>), String> {
    let began = Instant::now();
    let given = client.query(query).await.map_err(text)?;
    let took = began.elapsed().as_secs_f64();
    let Value::Table { rows, .. } = Value::decode(&given.result).map_err(text)? else {
        return Err("the query gives no table".into());
    };
    let means = rows.iter().map(|row| match row.last() {
        Some(Value::Float(mean)) => Ok(*mean),
        other => Err(format!("a mean is {other:?}")),
    });
    Ok((took, means.collect::<Result<_, _>>()?))
}

/// The same objects as the store's, as JSON.
fn local() -> Result<String, String> {
    let rows: Result<Vec<String>, String> = (0..OBJECTS)
        .map(|number| Ok(Value::decode(&state(number)).map_err(text)?.to_json().to_string()))
        .collect();
    Ok(format!("[{}]", rows?.join(",")))
}
