//! What a token may do of what its user may: operations on parts of the tree.
//!
//! A grant is `VERB:PATH` for what lies at a path, or `VERB:PATH/**` for that and all below. There are no other patterns, so
//! that of two scopes it can be told which is the wider.

use crate::{Error, ErrorCode, Path, Result, limits};
use std::fmt;

/// What a grant is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reading: get, stat, list, history, search, watch, and copying from there.
    Read,
    /// Changing: store, set, rm, mv, mkdir, restore, migrate, and copying to there.
    Write,
    /// Calling methods, which may change the object that they are called on.
    Call,
    /// Changing permissions, groups and rules of what the user owns.
    Rights,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Verb; 4] = [Verb::Read, Verb::Write, Verb::Call, Verb::Rights];

    /// The name in a grant.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Write => "write",
            Verb::Call => "call",
            Verb::Rights => "rights",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

/// The grant of everything that the user may, administration included.
pub const EVERYTHING: &str = "*";

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    /// Every verb when absent.
    verb: Option<Verb>,
    /// In the form of [`Path`].
    path: String,
    /// Whether what lies below is meant too.
    below: bool,
}

impl Grant {
    fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            let why = format!(
                "the grant {text:?} {why}: VERB:/path or VERB:/path/** is needed, where VERB is read, write, call, rights or *"
            );
            Error::new(ErrorCode::BadArgument, why).field("scope")
        };
        let (verb, pattern) = text.split_once(':').ok_or_else(|| bad("has no \":\""))?;
        let verb = match verb {
            EVERYTHING => None,
            verb => Some(Verb::parse(verb).ok_or_else(|| bad("has no verb that is known"))?),
        };
        let (path, below) = match pattern.strip_suffix("/**") {
            Some("") => ("/", true),
            Some(path) => (path, true),
            None => (pattern, false),
        };
        if path.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            return Err(bad("has a pattern that is none"));
        }
        let path = Path::parse(path).map_err(|error| error.field("scope"))?.to_string();
        Ok(Self { verb, path, below })
    }

    fn is_of(&self, verb: Verb) -> bool {
        self.verb.is_none_or(|own| own == verb)
    }

    fn has(&self, path: &str) -> bool {
        self.path == path || (self.below && lies_in(path, &self.path))
    }

    /// Whether all that `other` has of paths is this one's.
    fn has_all_of(&self, other: &Grant) -> bool {
        if other.below { self.below && lies_in(&other.path, &self.path) } else { self.has(&other.path) }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb.map_or(EVERYTHING, Verb::as_str))?;
        match (self.below, self.path.as_str()) {
            (true, "/") => f.write_str(":/**"),
            (true, path) => write!(f, ":{path}/**"),
            (false, path) => write!(f, ":{path}"),
        }
    }
}

/// Whether a path is that of a directory or lies below it.
fn lies_in(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    directory == "/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The grants of a token that may not do everything. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    grants: Vec<Grant>,
}

impl Scope {
    /// Reads grants; none is what they give when one of them is [`EVERYTHING`].
    ///
    /// # Errors
    /// `bad_argument`, `bad_path`, `limit_exceeded`; each names the field `scope`.
    pub fn parse<S: AsRef<str>>(grants: &[S]) -> Result<Option<Self>> {
        if grants.is_empty() {
            let why = "a scope has one grant at least, such as read:/inventory/**; * is everything";
            return Err(Error::new(ErrorCode::BadArgument, why).field("scope"));
        }
        if grants.len() > limits::MAX_GRANTS {
            let why = format!("a scope has at most {} grants", limits::MAX_GRANTS);
            return Err(Error::new(ErrorCode::LimitExceeded, why)
                .field("scope")
                .limit(limits::MAX_GRANTS as u64));
        }
        if grants.iter().any(|grant| grant.as_ref() == EVERYTHING) {
            return Ok(None);
        }
        let grants = grants.iter().map(|grant| Grant::parse(grant.as_ref())).collect::<Result<_>>()?;
        Ok(Some(Self { grants }))
    }

    /// Everything that the user may do with objects, and nothing administrative: `*:/**`.
    pub fn objects() -> Self {
        Self { grants: vec![Grant { verb: None, path: "/".into(), below: true }] }
    }

    /// The grants as texts.
    pub fn grants(&self) -> Vec<String> {
        self.grants.iter().map(Grant::to_string).collect()
    }

    /// Whether a verb is granted at a path.
    pub fn allows(&self, verb: Verb, path: &str) -> bool {
        self.grants.iter().any(|grant| grant.is_of(verb) && grant.has(path))
    }

    /// Whether a verb is granted at a path and at all that lies below.
    pub fn allows_below(&self, verb: Verb, path: &str) -> bool {
        self.grants.iter().any(|grant| grant.is_of(verb) && grant.below && grant.has(path))
    }

    /// Whether a verb is granted anywhere.
    pub fn has(&self, verb: Verb) -> bool {
        self.grants.iter().any(|grant| grant.is_of(verb))
    }

    /// Whether anything is granted at a path, below it, or above it with all below: what else there is does not exist for the bearer.
    pub fn reaches(&self, path: &str) -> bool {
        self.grants.iter().any(|grant| grant.has(path) || lies_in(&grant.path, path))
    }

    /// Whether all that another one grants is granted here.
    pub fn covers(&self, other: &Scope) -> bool {
        let is_covered = |verb: Verb, wanted: &Grant| {
            self.grants.iter().any(|grant| grant.is_of(verb) && grant.has_all_of(wanted))
        };
        other.grants.iter().all(|wanted| match wanted.verb {
            Some(verb) => is_covered(verb, wanted),
            None => Verb::ALL.into_iter().all(|verb| is_covered(verb, wanted)),
        })
    }

    /// Whether what is moved from one path to another can be used there in no way in which it could not be used before. `tree` says that it has members.
    pub fn may_move(&self, from: &str, to: &str, tree: bool) -> bool {
        let touches = |grant: &&Grant| grant.has(to) || (tree && lies_in(&grant.path, to));
        self.grants.iter().filter(touches).all(|grant| {
            let verbs = Verb::ALL.into_iter().filter(|verb| grant.is_of(*verb));
            let mut verbs =
                verbs.map(|verb| if tree { self.allows_below(verb, from) } else { self.allows(verb, from) });
            verbs.all(|allowed| allowed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(grants: &[&str]) -> Scope {
        Scope::parse(grants).unwrap().unwrap()
    }

    #[test]
    fn grants_come_back_as_they_were() {
        let texts = ["read:/inventory/**", "call:/shop/till", "*:/tmp/**", "rights:/**", "write:/"];
        assert_eq!(scope(&texts).grants(), texts);
        assert_eq!(Scope::parse(&["read:/a", "*"]).unwrap(), None);
        assert_eq!(Scope::objects(), scope(&["*:/**"]));
    }

    #[test]
    fn what_is_no_grant_is_refused_and_named() {
        let many = vec!["read:/a"; limits::MAX_GRANTS + 1];
        for grants in [
            &[] as &[&str],
            &["read"],
            &["eat:/a"],
            &["read:a"],
            &["read:/a*"],
            &["read:/**/x"],
            &[""],
            &many,
        ] {
            let error = Scope::parse(grants).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("scope"), "{grants:?}: {error}");
        }
    }

    #[test]
    fn a_grant_is_of_its_path_and_no_path_like_it() {
        let scope = scope(&["read:/a/b/**", "call:/a/c"]);
        for (path, read, reached) in [
            ("/a/b", true, true),
            ("/a/b/x/y", true, true),
            ("/a/bc", false, false),
            ("/a", false, true),
            ("/", false, true),
            ("/a/c", false, true),
            ("/a/c/d", false, false),
            ("/b", false, false),
        ] {
            assert_eq!(scope.allows(Verb::Read, path), read, "{path}");
            assert_eq!(scope.reaches(path), reached, "{path}");
        }
        assert!(scope.allows(Verb::Call, "/a/c") && !scope.allows(Verb::Write, "/a/c"));
    }

    #[test]
    fn the_wider_covers_the_narrower() {
        let wide = scope(&["*:/a/**", "read:/b"]);
        for narrow in [&["read:/a/**"] as &[&str], &["*:/a/x/**", "call:/a"], &["read:/b"], &["*:/a"]] {
            assert!(wide.covers(&scope(narrow)), "{narrow:?}");
        }
        for other in [&["read:/**"] as &[&str], &["read:/b/**"], &["write:/b"], &["*:/b"], &["read:/ab"]] {
            assert!(!wide.covers(&scope(other)), "{other:?}");
        }
    }

    #[test]
    fn nothing_is_moved_to_where_more_may_be_done_with_it() {
        let scope = scope(&["write:/in/**", "write:/out/**", "read:/out/**", "*:/own/**"]);
        assert!(!scope.may_move("/in/x", "/out/x", false));
        assert!(scope.may_move("/out/x", "/in/x", false));
        assert!(scope.may_move("/own/x", "/own/y", true));
        assert!(!scope.may_move("/out/x", "/own/x", true));
        let below = self::scope(&["write:/in/**", "read:/in/d/secret"]);
        assert!(!below.may_move("/in/e", "/in/d", true), "what is below it may be read there");
        assert!(below.may_move("/in/e", "/in/f", true));
    }
}
