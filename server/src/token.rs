//! Tokens: made once for a store, kept beside it for its owner's eyes only, each with what it may do.

use crate::oidc::Oidc;
use emerge_engine::Principal;
use emerge_node::{Authenticator, Vouched};
use emerge_proto::{Result, Scope};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use subtle::ConstantTimeEq;

/// The file of the administrator's token, beside the store.
pub(crate) const OWNER_FILE: &str = "token";
/// The file of the notebook page's token.
pub(crate) const NOTEBOOK_FILE: &str = "notebook-token";

/// Reads the token in the file `name` beside the store, or makes one of 256 random bits.
///
/// # Errors
/// When the file can be neither read nor written.
pub(crate) fn read_or_make(data: &Path, name: &str) -> io::Result<String> {
    let file = data.join(name);
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
    let part = data.join(format!("{name}.part"));
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

/// Knows the tokens that lie beside a store.
pub(crate) struct Tokens {
    /// The administrator's.
    pub(crate) owner: String,
    /// The notebook page's: the administrator's user, by owners and rights of objects, and nothing administrative.
    pub(crate) notebook: String,
    /// Those that an OpenID provider makes, if any are taken.
    pub(crate) oidc: Option<Oidc>,
}

impl Authenticator for Tokens {
    fn authenticate(&self, token: &str) -> Option<Principal> {
        let is = |known: &str| bool::from(known.as_bytes().ct_eq(token.as_bytes()));
        // Both are compared, each in constant time.
        match (is(&self.owner), is(&self.notebook)) {
            (true, _) => Some(Principal::admin()),
            (false, true) => Some(Principal::admin().scoped(Scope::objects())),
            (false, false) => None,
        }
    }

    fn vouched(&self, token: &str) -> Option<Result<Vouched>> {
        self.oidc.as_ref()?.vouched(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_each_has_its_scope() {
        let folder = tempfile::tempdir().unwrap();
        let owner = read_or_make(folder.path(), OWNER_FILE).unwrap();
        let notebook = read_or_make(folder.path(), NOTEBOOK_FILE).unwrap();
        assert_eq!(read_or_make(folder.path(), NOTEBOOK_FILE).unwrap(), notebook);
        assert_ne!(owner, notebook);
        let tokens = Tokens { owner: owner.clone(), notebook: notebook.clone(), oidc: None };
        let of = |token: &str| tokens.authenticate(token);
        assert!(of(&owner).is_some_and(|principal| principal.admin));
        let scoped = of(&notebook).unwrap();
        assert_eq!((scoped.user, scoped.admin), (Principal::admin().user, false));
        assert_eq!(scoped.scope.as_deref(), Some(&Scope::objects()));
        for wrong in ["", "x", &owner[1..], &format!("{owner}0")] {
            assert!(of(wrong).is_none(), "{wrong}");
        }
    }
}
