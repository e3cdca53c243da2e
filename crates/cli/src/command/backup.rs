//! Backups of a whole store.

use crate::args::{BackupCheck, BackupCommand, BackupCreate, BackupRestore, Cli};
use crate::http;
use crate::output::Output;
use emerge_node::json::time;
use emerge_proto::{Error, ErrorCode, Result};
use emerge_server::backup::{Check, Restored};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of a file that are read at a time.
const PIECE: usize = 1024 * 1024;

pub(super) async fn run(command: &BackupCommand, cli: &Cli, output: &Output) -> Result<()> {
    match command {
        BackupCommand::Create(args) => create(args, cli, output).await,
        BackupCommand::Restore(args) => restore(args, output).await,
        BackupCommand::Check(args) => check(args, output),
    }
}

pub(super) fn unusable(file: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{}: {error}", file.display())).field("file")
}

/// A file that has its name only once it is whole and on disk.
pub(super) struct Part {
    file: PathBuf,
    part: PathBuf,
    pub(super) writer: BufWriter<File>,
}

impl Part {
    /// Begins a file, readable by this user alone.
    ///
    /// # Errors
    /// `already_exists` unless `force`, `bad_argument` when it cannot be written.
    pub(super) fn begin(file: &Path, force: bool) -> Result<Self> {
        if file.exists() && !force {
            let why = format!("{} exists; --force replaces it", file.display());
            return Err(Error::new(ErrorCode::AlreadyExists, why).field("file"));
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let writer = BufWriter::new(options.open(&part).map_err(|error| unusable(&part, error))?);
        Ok(Self { file: file.to_owned(), part, writer })
    }

    /// # Errors
    /// `bad_argument` when it cannot be written.
    pub(super) fn finish(mut self) -> Result<()> {
        let mut keep = || {
            self.writer.flush()?;
            self.writer.get_ref().sync_all()?;
            std::fs::rename(&self.part, &self.file)
        };
        keep().map_err(|error| unusable(&self.file, error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Nothing is there when it has been finished.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// Writes what it is given and sees that it is a whole copy.
struct Checked<W> {
    inner: W,
    check: Check,
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.inner.write_all(bytes)?;
        self.check.feed(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

async fn create(args: &BackupCreate, cli: &Cli, output: &Output) -> Result<()> {
    let mut part = Part::begin(&args.file, args.force)?;
    let mut checked = Checked { inner: &mut part.writer, check: Check::default() };
    match &args.data {
        Some(folder) => emerge_server::backup::copy_folder(folder, &mut checked).await?,
        None => {
            http::download(cli, "/backup", &mut checked).await?;
        }
    }
    let made = checked.check.finish()?;
    part.finish()?;
    tell("backed up", &made, &args.file, output);
    Ok(())
}

async fn restore(args: &BackupRestore, output: &Output) -> Result<()> {
    let mut file = File::open(&args.file).map_err(|error| unusable(&args.file, error))?;
    let made = emerge_server::backup::restore_folder(&mut file, &args.data).await?;
    tell("restored", &made, &args.data, output);
    if !output.json {
        output.note(format!("its node: emerge node start --data {}", args.data.display()));
    }
    Ok(())
}

fn check(args: &BackupCheck, output: &Output) -> Result<()> {
    let mut file = File::open(&args.file).map_err(|error| unusable(&args.file, error))?;
    let (mut check, mut piece) = (Check::default(), vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece).map_err(|error| unusable(&args.file, error))?;
        if read == 0 {
            break;
        }
        check.feed(&piece[..read])?;
    }
    tell("whole", &check.finish()?, &args.file, output);
    Ok(())
}

fn tell(what: &str, made: &Restored, place: &Path, output: &Output) {
    if output.json {
        output.json(&json!({
            "store": made.store.to_string(), "begun": time(made.time), "commit": made.number,
            "place": place.display().to_string(),
        }));
        return;
    }
    let begun = time(made.time);
    let begun = begun.as_str().unwrap_or_default();
    output.line(format!("{what}: {} with commit {}, begun {begun}", place.display(), made.number));
}
