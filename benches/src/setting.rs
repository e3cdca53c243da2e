//! What several questions need: a node in this process, and objects on it.

use axum::Router;
use emerge_client::native::Client;
use emerge_engine::Principal;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, ClassSource, FieldDecl, FieldType, Language, Path, Value};
use emerge_runtime::Runtime;
use emerge_server::{Config, RunningNode};
use std::sync::Arc;
use tempfile::TempDir;

/// A node on a free port, with its data in a folder of its own.
pub(crate) struct Setting {
    pub(crate) node: RunningNode,
    pub(crate) folder: TempDir,
}

impl Setting {
    pub(crate) async fn new(routes: Router) -> Result<Self, String> {
        let runtime = emerge_server::whole_sandbox(&|step| eprintln!("  {step}")).await.map_err(text)?;
        Self::start(runtime, routes).await
    }

    /// With a runtime of its own.
    pub(crate) async fn with(runtime: Arc<dyn Runtime>) -> Result<Self, String> {
        Self::start(runtime, Router::new()).await
    }

    async fn start(runtime: Arc<dyn Runtime>, routes: Router) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(text)?;
        let config = Config { port: 0, ..Config::new(folder.path()) };
        let node = emerge_server::start_with(config, runtime, routes).await.map_err(text)?;
        Ok(Self { node, folder })
    }

    pub(crate) async fn client(&self) -> Result<Client, String> {
        Client::connect(&self.node.url(), &self.node.token).await.map_err(text)
    }

    pub(crate) async fn stop(self) -> Result<(), String> {
        self.node.stop().await.map_err(text)
    }
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Ten fields.
const FIELDS: [&str; 10] =
    ["name", "city", "country", "code", "latitude", "longitude", "height", "runways", "open", "note"];

/// The class of the objects that are measured.
pub(crate) fn class() -> ClassSource {
    let field =
        |name: &&str| FieldDecl { name: (*name).to_owned(), kind: FieldType::Any, default: None, doc: None };
    ClassSource {
        name: "Measured".into(),
        language: Language::JavaScript,
        source: "class Measured extends EmergeObject {}".into(),
        bases: Vec::new(),
        fields: FIELDS.iter().map(field).collect(),
        doc: None,
        captures: None,
        module: None,
        requires: None,
    }
}

/// The encoded state of one object: ten fields, 200 bytes, its texts unlike those of others.
pub(crate) fn state(number: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(number);
    let mut word = |length: usize| Value::Text((0..length).map(|_| rng.alphanumeric()).collect());
    let values = [
        word(20),
        word(12),
        word(8),
        word(3),
        Value::Float(number as f64 * 0.001),
        Value::Float(-(number as f64) * 0.002),
        Value::Int((number % 3000) as i64),
        Value::Int((number % 5) as i64),
        Value::Bool(number.is_multiple_of(2)),
        word(0),
    ];
    let mut fields: Vec<(String, Value)> = FIELDS.iter().map(|name| (*name).to_owned()).zip(values).collect();
    let short = Value::Map(fields.clone()).encode().len();
    let pad = 200usize.saturating_sub(short + 1);
    fields[9].1 = word(pad);
    Value::Map(fields).encode()
}

/// Puts `count` objects under `/bench`, in this process, and waits until they are durable.
pub(crate) async fn fill(setting: &Setting, count: u64) -> Result<ClassHash, String> {
    let engine = setting.node.node().engine();
    let mut hash = ClassHash([0; 16]);
    let mut last = 0;
    for from in (0..count).step_by(1000) {
        let mut tx = engine.begin(Principal::admin(), 1_800_000_000_000_000, from + 1);
        hash = tx.put_class(class(), Vec::new()).await.map_err(text)?.hash;
        for number in from..(from + 1000).min(count) {
            let path = path(number)?;
            tx.store(&(&path).into(), hash, &state(number), StoreMode::Put, None, &[]).await.map_err(text)?;
        }
        last = tx.commit(None).await.map_err(|error| format!("{error:?}"))?.number;
    }
    engine.durable(last).await.map_err(text)?;
    Ok(hash)
}

/// The path of one object.
pub(crate) fn path(number: u64) -> Result<Path, String> {
    Path::parse(&format!("/bench/k{number:06}")).map_err(text)
}
