//! Where attacks are made: a real node with an administrator, a user who has secrets, another who attacks, and somebody who asks all the time how fast the node still answers.

use crate::attack::{Got, Running};
use crate::provider::{AUDIENCE, ISSUER, Provider};
use emerge_client::native::Client;
use emerge_proto::class::{Capture, Captured};
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, ClassSource, ErrorCode, Language, Path, Result, Value};
use emerge_server::{Additions, Config, OidcConfig, RunningNode};
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What Ada's objects hold.
pub(crate) const SECRET: &str = "the secret of ada 7f3a";
/// What stands in the source of Ada's class.
pub(crate) const SOURCE_SECRET: &str = "the source of ada 91c4";
/// What stands in a file of the node's machine, and in its environment.
pub(crate) const CANARY: &str = "the canary 5d20";
pub(crate) const HIDDEN: &str = "/shared/ada/hidden";
pub(crate) const DEEP: &str = "/shared/ada/closed/deep";
/// An object that all may call and only Ada may read.
pub(crate) const CALLABLE: &str = "/shared/ada/callable";

/// How many connections an address may have.
pub(crate) const CONNECTIONS: u32 = 500;
/// How long the sandbox may take to be compiled.
const READY: Duration = Duration::from_secs(300);

/// Whether anything of what is Ada's or the machine's stands in a text.
pub(crate) fn holds_secret(text: &str) -> bool {
    [SECRET, CANARY].iter().any(|secret| text.contains(secret))
}

type Starting = Pin<Box<dyn Future<Output = std::result::Result<RunningNode, String>> + Send>>;

pub(crate) struct Field {
    pub(crate) node: RunningNode,
    /// Starts a node of another configuration, with the same sandbox.
    another: Box<dyn Fn(Config) -> Starting + Send + Sync>,
    /// Whose tokens the node takes.
    pub(crate) provider: Provider,
    folder: TempDir,
    pub(crate) admin: Client,
    pub(crate) ada: Client,
    pub(crate) eve: Client,
    pub(crate) ada_token: String,
    pub(crate) eve_token: String,
    pub(crate) vault: ClassHash,
    times: Arc<Mutex<Vec<(Instant, Duration)>>>,
    asking: tokio::task::JoinHandle<()>,
    next: AtomicU64,
}

pub(crate) fn path(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|_| Path::root())
}

fn text(error: impl Display) -> String {
    error.to_string()
}

pub(crate) fn fields(secret: &str) -> Vec<u8> {
    Value::Map(vec![("secret".into(), Value::Text(secret.into()))]).encode()
}

/// A class of one name and one text.
pub(crate) fn class(language: Language, name: &str, source: String) -> ClassSource {
    let captures = (language == Language::Python)
        .then(|| vec![Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) }]);
    ClassSource { captures, ..ClassSource::new(name, language, source) }
}

/// The environment of native Python that `cargo xtask setup` makes.
fn native_venv() -> std::path::PathBuf {
    std::env::var_os("EMERGE_NATIVE_VENV").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/native-venv"),
        Into::into,
    )
}

impl Field {
    pub(crate) async fn start() -> std::result::Result<Self, String> {
        let folder = TempDir::new().map_err(text)?;
        std::fs::write(folder.path().join("canary"), CANARY).map_err(text)?;
        let native = Additions { native_python: Some(native_venv()), ..Additions::default() };
        let runtime = match emerge_server::sandbox_with(&native, &|_| {}).await {
            Ok((runtime, _)) => runtime,
            // This system cannot confine it; then there is none to attack.
            Err(error) if error.code == ErrorCode::Unsupported => {
                println!("{error}");
                emerge_server::sandbox(&|_| {}).await.map_err(text)?
            }
            Err(error) => return Err(text(error)),
        };
        let mut config = Config { port: 0, ..Config::new(folder.path().join("data")) };
        config.allowances.address.connections = CONNECTIONS;
        let provider = Provider::new()?;
        let keys = folder.path().join("keys.json");
        std::fs::write(&keys, provider.keys()).map_err(text)?;
        let claim = OidcConfig::CLAIM.into();
        config.oidc = Some(OidcConfig { issuer: ISSUER.into(), audience: AUDIENCE.into(), keys, claim });
        let shared = runtime.clone();
        let another = Box::new(move |config| -> Starting {
            let runtime = shared.clone();
            Box::pin(async move { emerge_server::start(config, runtime).await.map_err(text) })
        });
        let node = emerge_server::start(config, runtime).await.map_err(text)?;
        let admin = Client::connect(&node.url(), &node.token).await.map_err(text)?;
        let ada_token = admin.add_user("ada", &[]).await.map_err(text)?;
        let eve_token = admin.add_user("eve", &[]).await.map_err(text)?;
        let ada = Client::connect(&node.url(), &ada_token).await.map_err(text)?;
        let eve = Client::connect(&node.url(), &eve_token).await.map_err(text)?;
        admin.mkdir(&path("/shared"), false).await.map_err(text)?;
        admin.chmod(&path("/shared"), "1777", false).await.map_err(text)?;
        let source = format!(
            "class Vault(emerge.Object):\n    def hint(self, tries='{SOURCE_SECRET}'):\n        raise ValueError('no')  # {SOURCE_SECRET}\n"
        );
        let source = class(Language::Python, "Vault", source);
        // On a machine that has never run it, Python is compiled first.
        let began = Instant::now();
        let vault = loop {
            match ada.put_class(&source).await {
                Ok(class) => break class.hash,
                Err(error) if error.code == ErrorCode::Unavailable && began.elapsed() < READY => {}
                Err(error) => return Err(text(error)),
            }
        };
        let times = Arc::<Mutex<Vec<(Instant, Duration)>>>::default();
        let (asker, kept) = (ada.clone(), times.clone());
        let asking = tokio::spawn(async move {
            loop {
                let began = Instant::now();
                let _ = asker.get(&path(HIDDEN), None).await;
                kept.lock().unwrap_or_else(PoisonError::into_inner).push((began, began.elapsed()));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let next = AtomicU64::new(1);
        let field = Self {
            node,
            another,
            provider,
            folder,
            admin,
            ada,
            eve,
            ada_token,
            eve_token,
            vault,
            times,
            asking,
            next,
        };
        field.mend().await?;
        Ok(field)
    }

    /// Makes everything again as it was before the first attack.
    pub(crate) async fn mend(&self) -> std::result::Result<(), String> {
        let _ = self.admin.purge(&path("/shared/ada"), true).await;
        for directory in ["/shared/ada", "/shared/ada/closed"] {
            self.ada.mkdir(&path(directory), true).await.map_err(text)?;
        }
        for at in [HIDDEN, DEEP, CALLABLE] {
            self.ada.store(&path(at), self.vault, fields(SECRET), StoreMode::Put).await.map_err(text)?;
        }
        for (at, perms) in [
            ("/shared/ada", "755"),
            (HIDDEN, "700"),
            (DEEP, "777"),
            (CALLABLE, "711"),
            ("/shared/ada/closed", "700"),
        ] {
            self.ada.chmod(&path(at), perms, false).await.map_err(text)?;
        }
        std::fs::write(self.canary().with_extension("py"), format!("through = 'through: {CANARY}'\n"))
            .map_err(text)?;
        std::fs::write(self.canary(), CANARY).map_err(text)
    }

    pub(crate) async fn stop(self) -> std::result::Result<(), String> {
        self.asking.abort();
        self.node.stop().await.map_err(text)
    }

    pub(crate) async fn start_another(&self, config: Config) -> std::result::Result<RunningNode, String> {
        (self.another)(config).await
    }

    /// A file on the node's machine, beside its store.
    pub(crate) fn canary(&self) -> std::path::PathBuf {
        self.folder.path().join("canary")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.node.address
    }

    /// A path of Eve's at which nothing is yet.
    pub(crate) fn fresh(&self) -> String {
        format!("/shared/eve-{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// What an attack got, and how long another user's `get` took meanwhile, at the median of five at least.
    pub(crate) async fn during(&self, attack: Running<'_>) -> (Got, Duration) {
        let began = Instant::now();
        let got = attack.await;
        loop {
            let mut times: Vec<Duration> = {
                let mut all = self.times.lock().unwrap_or_else(PoisonError::into_inner);
                all.retain(|(at, took)| *at + *took >= began);
                all.iter().map(|(_, took)| *took).collect()
            };
            if times.len() >= 5 {
                times.sort_unstable();
                return (got, times[times.len() / 2]);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What has become of Ada's things, if they are not as they were.
    pub(crate) async fn harm(&self) -> Option<String> {
        for (at, perms) in [(HIDDEN, "rwx------"), (DEEP, "rwxrwxrwx"), (CALLABLE, "rwx--x--x")] {
            match self.ada.get(&path(at), None).await {
                Ok(got) if got.state != fields(SECRET) => return Some(format!("{at} was changed")),
                Ok(got) if got.stat.owner != "ada" => return Some(format!("{at} has another owner")),
                Ok(got) if got.stat.perms.to_string() != perms => {
                    return Some(format!("{at} has other permissions"));
                }
                Ok(_) => {}
                Err(error) => return Some(format!("{at}: {error}")),
            }
        }
        match std::fs::read_to_string(self.canary()) {
            Ok(canary) if canary == CANARY => None,
            other => Some(format!("the file on the node's machine: {other:?}")),
        }
    }

    /// Stores an object of a class of Eve's, which all may call.
    pub(crate) async fn plant(&self, at: &str, class: &ClassSource) -> Result<()> {
        let hash = self.eve.put_class(class).await?.hash;
        self.eve.store(&path(at), hash, Value::Map(Vec::new()).encode(), StoreMode::Put).await?;
        self.eve.chmod(&path(at), "755", false).await.map(|_| ())
    }
}
