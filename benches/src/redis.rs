//! A Redis server for comparison, on loopback, without persistence.

use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

pub(crate) struct Redis {
    server: Child,
    port: u16,
}

impl Redis {
    /// Starts a server with `keys` values of 200 bytes; installs it when it is missing and that is possible.
    pub(crate) async fn start(keys: u64) -> Result<Self, String> {
        if Command::new("redis-server").arg("--version").output().await.is_err() {
            eprintln!("  installing redis-server …");
            let installed = Command::new("apt-get")
                .args(["install", "-y", "--no-install-recommends", "redis-server"])
                .output()
                .await;
            if !installed.is_ok_and(|output| output.status.success()) {
                return Err(
                    "redis-server is not there and cannot be installed; install it to ask this question"
                        .into(),
                );
            }
        }
        let port = free_port()?;
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("redis-server does not start: {error}"))?;
        let redis = Self { server, port };
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                redis.benchmark("set", keys, 3 * keys as usize).await?;
                return Ok(redis);
            }
        }
        Err("redis-server does not answer".into())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// GETs of random keys on one connection, pipelined by 64.
    pub(crate) async fn gets_per_second(&self, keys: u64, requests: usize) -> Result<f64, String> {
        self.benchmark("get", keys, requests).await
    }

    async fn benchmark(&self, test: &str, keys: u64, requests: usize) -> Result<f64, String> {
        let (port, keys, requests) = (self.port.to_string(), keys.to_string(), requests.to_string());
        let output = Command::new("redis-benchmark")
            .args([
                "-p", &port, "-c", "1", "-P", "64", "-d", "200", "-r", &keys, "-n", &requests, "-t", test,
                "--csv",
            ])
            .output()
            .await
            .map_err(|error| format!("redis-benchmark does not start: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().rev().find_map(|line| line.split(',').nth(1)?.trim_matches('"').parse().ok());
        rate.ok_or_else(|| format!("redis-benchmark said: {text}"))
    }

    pub(crate) async fn stop(mut self) -> Result<(), String> {
        self.server.kill().await.map_err(|error| format!("redis-server does not stop: {error}"))
    }
}

fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
