//! Where the node is: from the command line, the environment, or what `emerge init` remembered.

use emerge_client::native::Trust;
use emerge_proto::{ClassHash, ClassVersion, Error, ErrorCode, Result, limits};
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

/// A class version that the user trusts. Its name and its owner are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustedClass {
    pub(crate) hash: ClassHash,
    pub(crate) name: String,
    pub(crate) owner: String,
}

impl TrustedClass {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let hash = ClassHash::parse(words.next()?)?;
        let mut word = || words.next().unwrap_or_default().to_owned();
        Some(Self { hash, name: word(), owner: word() })
    }

    fn line(&self) -> String {
        format!("{} {} {}", self.hash, self.name, self.owner).trim_end().to_owned()
    }
}

/// The class versions whose methods may run here, and have all of the user's rights on a node when the user calls them: a file with an address on each
/// line, which the Python package reads too.
#[derive(Debug)]
pub(crate) struct Trusted {
    file: PathBuf,
    classes: Vec<TrustedClass>,
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
        let classes = text.lines().filter_map(TrustedClass::parse).collect();
        Ok(Self { file, classes })
    }

    /// What goes along with calls. Where nothing can be remembered nothing is trusted.
    ///
    /// # Errors
    /// `bad_argument` when the file cannot be read.
    pub(crate) fn hashes() -> Result<Vec<ClassHash>> {
        match Settings::file() {
            Some(_) => Ok(Self::load()?.classes.iter().map(|class| class.hash).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// All that is trusted.
    pub(crate) fn classes(&self) -> &[TrustedClass] {
        &self.classes
    }

    /// Whether a version is trusted.
    pub(crate) fn has(&self, hash: ClassHash) -> bool {
        self.classes.iter().any(|class| class.hash == hash)
    }

    /// Trusts a version from now on.
    ///
    /// # Errors
    /// `bad_argument` when the file cannot be written; `limit_exceeded`.
    pub(crate) fn add(&mut self, class: &ClassVersion) -> Result<()> {
        if self.classes.len() >= limits::MAX_TRUSTED {
            let why = format!(
                "{} class versions are trusted, which is the most: emerge trust --revoke takes some back",
                limits::MAX_TRUSTED
            );
            return Err(Error::new(ErrorCode::LimitExceeded, why).limit(limits::MAX_TRUSTED as u64));
        }
        let class =
            TrustedClass { hash: class.hash, name: class.source.name.clone(), owner: class.owner.clone() };
        let write = || -> std::io::Result<()> {
            if let Some(folder) = self.file.parent() {
                fs::create_dir_all(folder)?;
            }
            writeln!(fs::OpenOptions::new().append(true).create(true).open(&self.file)?, "{}", class.line())
        };
        write().map_err(|error| unreadable(&self.file, error))?;
        self.classes.push(class);
        Ok(())
    }

    /// Trusts no longer what this is said of; gives what that was.
    ///
    /// # Errors
    /// `bad_argument` when the file cannot be written.
    pub(crate) fn revoke(&mut self, which: impl Fn(&TrustedClass) -> bool) -> Result<Vec<TrustedClass>> {
        let (revoked, left): (Vec<_>, Vec<_>) = self.classes.drain(..).partition(which);
        self.classes = left;
        if !revoked.is_empty() {
            let text: String = self.classes.iter().map(|class| class.line() + "\n").collect();
            let part = self.file.with_file_name("trusted.part");
            let write = || fs::write(&part, &text).and_then(|()| fs::rename(&part, &self.file));
            write().map_err(|error| unreadable(&self.file, error))?;
        }
        Ok(revoked)
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
