//! Chromium without a driver: one would halve what is measured. The page posts its own figures.

use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};

pub(crate) struct Chromium {
    child: Child,
    _profile: TempDir,
}

impl Chromium {
    pub(crate) fn open(url: &str) -> Result<Self, String> {
        let profile = tempfile::tempdir().map_err(|error| error.to_string())?;
        let program = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|program| std::process::Command::new(program).arg("--version").output().is_ok())
            .ok_or("Chromium is not there; run: cargo xtask setup")?;
        let child = Command::new(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("Chromium does not start: {error}"))?;
        Ok(Self { child, _profile: profile })
    }

    pub(crate) async fn close(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| format!("Chromium does not stop: {error}"))
    }
}
