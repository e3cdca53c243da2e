//! The first-start token: made once for a store, kept beside it for its owner's eyes only.

use emerge_engine::Principal;
use emerge_node::Authenticator;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use subtle::ConstantTimeEq;

/// Reads the store's token, or makes one of 256 random bits.
///
/// # Errors
/// When the file can be neither read nor written.
pub(crate) fn read_or_make(data: &Path) -> io::Result<String> {
    let file = data.join("token");
    match fs::read_to_string(&file) {
        Ok(token) if token.trim().len() >= 32 => return Ok(token.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written whole or not at all, and never readable by others, not even for a moment.
    let part = data.join("token.part");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut writer = options.open(&part)?;
    writer.write_all(token.as_bytes())?;
    writer.sync_all()?;
    fs::rename(part, file)?;
    Ok(token)
}

/// Knows one token, which stands for the administrator.
pub(crate) struct OwnerToken {
    token: String,
}

impl OwnerToken {
    pub(crate) fn new(token: String) -> Self {
        Self { token }
    }
}

impl Authenticator for OwnerToken {
    fn authenticate(&self, token: &str) -> Option<Principal> {
        let same: bool = self.token.as_bytes().ct_eq(token.as_bytes()).into();
        same.then(Principal::admin)
    }
}
