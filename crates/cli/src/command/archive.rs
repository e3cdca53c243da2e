//! Subtrees as files: export, import.

use super::backup::{Part, unusable};
use super::path;
use crate::args::{Cli, Export, Import};
use crate::http;
use crate::output::Output;
use emerge_proto::Result;
use emerge_proto::sequence::{SequenceReader, damaged};
use serde_json::json;
use std::io::Write;

/// Writes what it is given and sees that it is whole.
struct Checked<W> {
    inner: W,
    reader: SequenceReader,
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.inner.write_all(bytes)?;
        self.reader.feed(bytes);
        while self.reader.next_part().map_err(std::io::Error::other)?.is_some() {}
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

pub(crate) async fn export(args: &Export, cli: &Cli, output: &Output) -> Result<()> {
    let path = path(&args.path)?;
    let mut part = Part::begin(&args.file, args.force)?;
    let mut checked = Checked { inner: &mut part.writer, reader: SequenceReader::default() };
    let address = format!("/export?path={}&history={}", escape(path.as_str()), args.history);
    http::download(cli, &address, &mut checked).await?;
    if !checked.reader.is_done() {
        return Err(damaged("its end is missing"));
    }
    part.finish()?;
    if output.json {
        output.json(&json!({ "path": path.as_str(), "file": args.file.display().to_string() }));
    } else {
        output.line(format!("exported {path} to {}", args.file.display()));
    }
    Ok(())
}

pub(crate) async fn import(args: &Import, cli: &Cli, output: &Output) -> Result<()> {
    let file = tokio::fs::File::open(&args.file).await.map_err(|error| unusable(&args.file, error))?;
    let address = match &args.path {
        Some(to) => format!("/import?path={}", escape(path(to)?.as_str())),
        None => "/import".to_owned(),
    };
    let made = http::upload(cli, &address, file).await?;
    if output.json {
        output.json(&made);
        return Ok(());
    }
    let number = |name: &str| made[name].as_u64().unwrap_or_default();
    let count = |name: &str, one: &str, many: &str| match number(name) {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    output.line(format!(
        "imported {}: {}, {}, {}",
        made["path"].as_str().unwrap_or_default(),
        count("objects", "object", "objects"),
        count("versions", "version", "versions"),
        count("directories", "directory", "directories"),
    ));
    Ok(())
}

/// A text as it stands in a query.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(byte.into())
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
