//! Where the node is: from the command line, the environment, or what `emerge init` remembered.

use emerge_client::native::Trust;
use emerge_proto::{ClassHash, Error, ErrorCode, Result};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A node's address and token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) token: String,
    /// Whose certificate of the node is trusted.
    pub(crate) trust: Trust,
}

impl Settings {
    /// Reads an address, or the whole link that a node printed: `http://127.0.0.1:5558/?token=…`.
    ///
    /// # Errors
    /// `bad_argument`.
    pub(crate) fn parse(address: &str) -> Result<(String, Option<String>)> {
        let bad = |why: &str| Error::new(ErrorCode::BadArgument, format!("{address:?} {why}")).field("url");
        let (scheme, rest) =
            address.split_once("://").ok_or_else(|| bad("is no address such as ws://localhost:5558"))?;
        let scheme = match scheme {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err(bad("begins with none of ws://, wss://, http://, https://")),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let host = place.trim_end_matches('/');
        if host.is_empty() {
            return Err(bad("names no host"));
        }
        let token = query.split('&').find_map(|pair| pair.strip_prefix("token=")).map(str::to_owned);
        Ok((format!("{scheme}://{host}"), token))
    }

    /// The settings in force.
    ///
    /// # Errors
    /// `bad_argument` for a bad address or an unreadable file.
    pub(crate) fn load(url: Option<&str>, token: Option<&str>) -> Result<Self> {
        let remembered = Self::remembered()?;
        let (mut found, mut found_token) = match url {
            Some(url) => {
                let (url, given) = Self::parse(url)?;
                // A remembered token belongs to the remembered address and is sent nowhere else.
                let kept = remembered.filter(|kept| kept.url == url).map(|kept| kept.token);
                (url, given.or(kept).unwrap_or_default())
            }
            None => match remembered {
                Some(kept) => (kept.url, kept.token),
                None => (format!("ws://127.0.0.1:{}", emerge_server::Config::DEFAULT_PORT), String::new()),
            },
        };
        if let Some(token) = token {
            found_token = token.to_owned();
        }
        found = found.trim_end_matches('/').to_owned();
        Ok(Self { url: found, token: found_token, trust: Trust::default() })
    }

    /// The same, trusting those who are in a file of certificates, if there is one.
    pub(crate) fn trusting(self, ca: Option<&Path>) -> Self {
        Self { trust: Trust::of(ca.map(Path::to_path_buf)), ..self }
    }

    fn file() -> Option<PathBuf> {
        let base = std::env::var_os("XDG_CONFIG_HOME")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
        Some(base.join("emerge").join("node.json"))
    }

    /// Where the lines of the shell are remembered, if anywhere.
    pub(crate) fn history_file() -> Option<PathBuf> {
        Some(Self::file()?.with_file_name("history"))
    }

    fn remembered() -> Result<Option<Self>> {
        let Some(file) = Self::file() else { return Ok(None) };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&file, error)),
        };
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| unusable(&file, error))?;
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        match (text("url"), text("token")) {
            (Some(url), Some(token)) => Ok(Some(Self { url, token, trust: Trust::default() })),
            _ => Err(unusable(&file, "it lacks url or token")),
        }
    }

    /// Remembers the settings for later commands, readable by this user alone.
    ///
    /// # Errors
    /// `bad_argument` when the file cannot be written.
    pub(crate) fn remember(&self) -> Result<PathBuf> {
        let file = Self::file()
            .ok_or_else(|| Error::new(ErrorCode::BadArgument, "there is no home directory to remember in"))?;
        let write = || -> std::io::Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            let part = file.with_extension("part");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let text = json!({ "url": self.url, "token": self.token }).to_string();
            options.open(&part)?.write_all(text.as_bytes())?;
            fs::rename(part, &file)
        };
        write().map_err(|error| unusable(&file, error))?;
        Ok(file)
    }
}

/// The class versions whose methods may run here: a file with one address on each line.
#[derive(Debug)]
pub(crate) struct Trusted {
    file: PathBuf,
    hashes: Vec<ClassHash>,
}

impl Trusted {
    /// Reads what was trusted before.
    ///
    /// # Errors
    /// `bad_argument` when the file cannot be read.
    pub(crate) fn load() -> Result<Self> {
        let file = Settings::file()
            .ok_or_else(|| Error::new(ErrorCode::BadArgument, "there is no home directory to remember in"))?
            .with_file_name("trusted");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unreadable(&file, error)),
        };
        let hashes = text.lines().filter_map(ClassHash::parse).collect();
        Ok(Self { file, hashes })
    }

    /// Whether a version is trusted.
    pub(crate) fn has(&self, hash: ClassHash) -> bool {
        self.hashes.contains(&hash)
    }

    /// Trusts a version from now on.
    ///
    /// # Errors
    /// `bad_argument` when the file cannot be written.
    pub(crate) fn add(&mut self, hash: ClassHash) -> Result<()> {
        let write = || -> std::io::Result<()> {
            if let Some(folder) = self.file.parent() {
                fs::create_dir_all(folder)?;
            }
            writeln!(fs::OpenOptions::new().append(true).create(true).open(&self.file)?, "{hash}")
        };
        write().map_err(|error| unreadable(&self.file, error))?;
        self.hashes.push(hash);
        Ok(())
    }
}

fn unreadable(file: &std::path::Path, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{} cannot be used: {why}", file.display()))
}

fn unusable(file: &std::path::Path, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorCode::BadArgument,
        format!("{} cannot be used: {why}; run `emerge init` again", file.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_addresses() {
        assert_eq!(
            Settings::parse("http://127.0.0.1:5558/?token=abc").unwrap(),
            ("ws://127.0.0.1:5558".into(), Some("abc".into()))
        );
        assert_eq!(Settings::parse("wss://example.org").unwrap(), ("wss://example.org".into(), None));
        for bad in ["localhost:5558", "ftp://x", "ws://"] {
            assert_eq!(Settings::parse(bad).unwrap_err().code, ErrorCode::BadArgument, "{bad}");
        }
    }
}
