//! The audit log: who did what to which path, from where and when, and what came of it. JSON lines in a file beside the store.
//!
//! It holds names and codes, never values, arguments, tokens or the texts of errors.

use emerge_node::{Asked, Audit, Audited};
use emerge_proto::{Error, ErrorCode, Result};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which operations are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditLevel {
    /// None.
    Off,
    /// What administers the node, and whatever was refused for want of rights.
    #[default]
    Admin,
    /// And what may change the store.
    Writes,
    /// Everything.
    All,
}

impl AuditLevel {
    /// Every level, in their order.
    pub const ALL: [AuditLevel; 4] = [Self::Off, Self::Admin, Self::Writes, Self::All];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Admin => "admin",
            Self::Writes => "writes",
            Self::All => "all",
        }
    }

    /// Finds a level by its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// The file; older ones are `audit.jsonl.1` and so on.
const FILE: &str = "audit.jsonl";
/// Lines that wait to be written; what comes when there are more is counted, and the count is written.
const MAX_WAITING: usize = 16_384;
/// How long a line may wait for others to be written with it.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// What the operator decides of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// Which operations.
    pub level: AuditLevel,
    /// Bytes of a file, past which the next begins.
    pub max_bytes: u64,
    /// Files that are kept, the current one included.
    pub max_files: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { level: AuditLevel::default(), max_bytes: 64 * 1024 * 1024, max_files: 8 }
    }
}

/// Writes the log, on a thread of its own: a request never waits for it.
pub(crate) struct AuditLog {
    level: AuditLevel,
    lines: SyncSender<String>,
    lost: AtomicU64,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AuditLog {
    /// Opens the log in a folder; none when it is off.
    ///
    /// # Errors
    /// `storage_failed`.
    pub(crate) fn open(folder: &Path, config: AuditConfig) -> Result<Option<Self>> {
        if config.level == AuditLevel::Off {
            return Ok(None);
        }
        let failed = |error: io::Error| {
            Error::new(
                ErrorCode::StorageFailed,
                format!("no audit log can be kept in {}: {error}", folder.display()),
            )
        };
        let files = Files::open(folder.join(FILE), config).map_err(failed)?;
        let (lines, received) = sync_channel(MAX_WAITING);
        let writer = std::thread::Builder::new()
            .name("emerge-audit".into())
            .spawn(move || write_all(&received, files))
            .map_err(failed)?;
        let (lost, writer) = (AtomicU64::new(0), Mutex::new(Some(writer)));
        Ok(Some(Self { level: config.level, lines, lost, writer }))
    }

    fn is_wanted(&self, audited: &Audited<'_>) -> bool {
        let asked = audited.asked;
        let refused =
            matches!(audited.result, Some(ErrorCode::PermissionDenied | ErrorCode::Unauthenticated));
        match self.level {
            AuditLevel::Off => false,
            AuditLevel::Admin => asked.administers || refused,
            AuditLevel::Writes => asked.administers || asked.writes || refused,
            AuditLevel::All => true,
        }
    }

    fn line(&self, line: String) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 && self.lines.try_send(json!({ "lost": lost }).to_string()).is_ok() {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Audit for AuditLog {
    fn wants(&self, _: &Asked) -> bool {
        // Whatever is asked for may be refused.
        self.level != AuditLevel::Off
    }

    fn note(&self, audited: &Audited<'_>) {
        if !self.is_wanted(audited) {
            return;
        }
        let asked = audited.asked;
        let mut line = serde_json::Map::new();
        line.insert("time".into(), emerge_node::json::time(audited.time));
        let texts = [
            ("user", audited.user),
            ("token", audited.token),
            ("op", Some(asked.op)),
            ("path", asked.path.as_deref()),
            ("to", asked.to.as_deref()),
            ("detail", asked.detail.as_deref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                line.insert(name.into(), text.into());
            }
        }
        line.insert("result".into(), audited.result.map_or("ok", ErrorCode::as_str).into());
        if let Some(from) = audited.from {
            line.insert("from".into(), from.to_string().into());
        }
        self.line(serde_json::Value::Object(line).to_string());
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        // Without a sender the writer ends, with all that waits written.
        let (closed, _) = sync_channel(1);
        self.lines = closed;
        let writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the audit log was not written to its end");
        }
    }
}

fn write_all(lines: &Receiver<String>, mut files: Files) {
    let mut failing = false;
    loop {
        let done = match lines.recv_timeout(FLUSH_EVERY) {
            Ok(line) => files.write(&line),
            Err(RecvTimeoutError::Timeout) => files.flush(),
            Err(RecvTimeoutError::Disconnected) => {
                if let Err(error) = files.flush() {
                    tracing::error!(%error, "the end of the audit log was not written");
                }
                return;
            }
        };
        match done {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, "the audit log cannot be written");
            }
            Err(_) => {}
        }
    }
}

/// The files of the log.
struct Files {
    path: PathBuf,
    config: AuditConfig,
    file: BufWriter<File>,
    bytes: u64,
}

impl Files {
    fn open(path: PathBuf, config: AuditConfig) -> io::Result<Self> {
        let file = append(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, config, file: BufWriter::new(file), bytes })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + line.len() as u64 >= self.config.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.bytes += line.len() as u64 + 1;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Begins the next file; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let kept = self.config.max_files.max(1) - 1;
        for number in (1..kept).rev() {
            rename(&numbered(number), &numbered(number + 1))?;
        }
        if kept > 0 {
            rename(&self.path, &numbered(1))?;
        } else {
            std::fs::remove_file(&self.path)?;
        }
        self.file = BufWriter::new(append(&self.path)?);
        self.bytes = 0;
        Ok(())
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Opens a file for its owner's eyes only.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(op: &'static str) -> Asked {
        Asked { op, path: Some("/a".into()), ..Asked::hello() }
    }

    fn note(log: &AuditLog, asked: &Asked, result: Option<ErrorCode>) {
        let from = Some("127.0.0.1".parse().unwrap());
        log.note(&Audited {
            time: 1_800_000_000_000_000,
            user: Some("ada"),
            token: None,
            from,
            asked,
            result,
        });
    }

    fn lines(folder: &Path, name: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn logged(level: AuditLevel, all: &[(Asked, Option<ErrorCode>)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let config = AuditConfig { level, ..AuditConfig::default() };
        let log = AuditLog::open(folder.path(), config).unwrap();
        if let Some(log) = log {
            all.iter().for_each(|(asked, result)| note(&log, asked, *result));
        }
        lines(folder.path(), FILE).iter().map(|line| line["op"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_level_has_its_operations() {
        let all = [
            (asked("get"), None),
            (Asked { writes: true, ..asked("store") }, None),
            (Asked { writes: true, administers: true, ..asked("users") }, None),
            (asked("stat"), Some(ErrorCode::PermissionDenied)),
            (asked("list"), Some(ErrorCode::NotFound)),
        ];
        assert_eq!(logged(AuditLevel::Off, &all), [""; 0]);
        assert_eq!(logged(AuditLevel::Admin, &all), ["users", "stat"]);
        assert_eq!(logged(AuditLevel::Writes, &all), ["store", "users", "stat"]);
        assert_eq!(logged(AuditLevel::All, &all), ["get", "store", "users", "stat", "list"]);
    }

    #[test]
    fn files_are_of_a_size_and_so_many() {
        let folder = tempfile::tempdir().unwrap();
        let config = AuditConfig { level: AuditLevel::All, max_bytes: 1000, max_files: 3 };
        let open = || AuditLog::open(folder.path(), config).unwrap().unwrap();
        // A log that is opened again goes on where it was.
        for _ in 0..4 {
            let log = open();
            (0..20).for_each(|_| note(&log, &asked("get"), None));
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]);
        for name in &names {
            let bytes = std::fs::metadata(folder.path().join(name)).unwrap().len();
            assert!(bytes <= 1000, "{name}: {bytes}");
            assert!(!lines(folder.path(), name).is_empty());
        }
        let line = &lines(folder.path(), FILE)[0];
        assert_eq!(
            *line,
            json!({
                "time": "2027-01-15T08:00:00Z", "user": "ada", "op": "get", "path": "/a", "result": "ok", "from": "127.0.0.1",
            })
        );
    }
}
