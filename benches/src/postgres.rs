//! A PostgreSQL server for comparison: its data on the same disk, its settings those that it comes with, reached by a socket in its folder.

use crate::setting::text;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// Who runs the server when we are root, as which it does not run.
const NOBODY: u32 = 65534;

pub(crate) struct Postgres {
    server: Child,
    folder: TempDir,
    programs: PathBuf,
    user: Option<u32>,
}

impl Postgres {
    /// Starts a server on an empty database and runs statements in it.
    pub(crate) async fn start(statements: &str) -> Result<Self, String> {
        let programs = programs()
            .ok_or("PostgreSQL's server is not there; install Debian's postgresql to ask this question")?;
        let folder = tempfile::tempdir().map_err(text)?;
        let ours = folder.path().metadata().map_err(text)?.uid();
        let user = (ours == 0).then_some(NOBODY);
        if let Some(user) = user {
            chown(folder.path(), Some(user), Some(user)).map_err(text)?;
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            if let Some(user) = user {
                command.uid(user).gid(user);
            }
            command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
            command
        };
        let made = program("initdb")
            .args(["--pgdata=data", "--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .output()
            .await
            .map_err(text)?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let server = program("postgres")
            .args(["-D", "data", "-c", "listen_addresses=", "-c", "max_connections=100", "-k"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(text)?;
        let postgres = Self { server, folder, programs, user };
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if postgres.ask("select 1").await.is_ok() {
                postgres.ask(statements).await?;
                return Ok(postgres);
            }
        }
        Err("PostgreSQL does not answer".into())
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.arg("--host").arg(self.folder.path()).args(["--username=bench"]).kill_on_drop(true);
        command
    }

    /// Runs statements, and gives what the last of them gave: rows without alignment.
    pub(crate) async fn ask(&self, statements: &str) -> Result<String, String> {
        let mut psql = self
            .client("psql")
            // Each statement on its own, and not all in one transaction, in which there is no vacuum.
            .args(["-qAt", "-v", "ON_ERROR_STOP=1", "-f", "-", "postgres"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(text)?;
        let mut input = psql.stdin.take().ok_or("psql has no input")?;
        input.write_all(statements.as_bytes()).await.map_err(text)?;
        drop(input);
        let output = psql.wait_with_output().await.map_err(text)?;
        if !output.status.success() {
            return Err(format!("psql: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs a script of pgbench's by some clients, each waiting for an answer before its next, and gives how often a second it ran.
    pub(crate) async fn per_second(&self, script: &str, clients: usize, seconds: u64) -> Result<f64, String> {
        let file = self.folder.path().join("script.sql");
        std::fs::write(&file, script).map_err(text)?;
        let output = self
            .client("pgbench")
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", &format!("--client={clients}")])
            .args([&format!("--time={seconds}"), "--file"])
            .arg(&file)
            .arg("postgres")
            .output()
            .await
            .map_err(text)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        match rate {
            Some(rate) if output.status.success() => Ok(rate),
            _ => Err(format!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    pub(crate) async fn stop(mut self) -> Result<(), String> {
        let mut command = Command::new(self.programs.join("pg_ctl"));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.args(["stop", "--mode=fast", "--silent", "--pgdata"]).arg(self.folder.path().join("data"));
        let stopped = command.output().await.map_err(text)?;
        if !stopped.status.success() {
            self.server.kill().await.map_err(text)?;
        }
        self.server.wait().await.map(drop).map_err(text)
    }
}

/// The folder of the server's programs: on the path, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&path));
    let has_all = |folder: &PathBuf| {
        ["initdb", "postgres", "pgbench", "psql"].iter().all(|name| folder.join(name).is_file())
    };
    folders.into_iter().find(has_all)
}
