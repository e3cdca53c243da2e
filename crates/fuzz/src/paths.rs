//! Paths, and the scopes of tokens, which have paths in them.

use emerge_proto::path::check_segment;
use emerge_proto::scope::{Scope, Verb};
use emerge_proto::{Path, limits};

/// A text is a path that nobody can mistake for another, or refused; and so is each of its lines as the grant of a token.
pub fn paths(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = Path::parse(text) {
        path_holds(text, &path);
    }
    let grants: Vec<&str> = text.lines().collect();
    if let Ok(Some(scope)) = Scope::parse(&grants) {
        scope_holds(&scope);
    }
}

fn path_holds(text: &str, path: &Path) {
    assert!(path.as_str() == text || format!("{path}/") == text, "{path} is not what was written");
    assert!(path.as_str().len() <= limits::MAX_PATH);
    assert_eq!(&Path::parse(path.as_str()).unwrap(), path);
    let mut again = Path::root();
    for segment in path.segments() {
        check_segment(segment).unwrap();
        let below = again.join(segment).unwrap();
        assert!(below.is_within(&again) && !again.is_within(&below));
        assert_eq!(below.parent().as_ref(), Some(&again));
        assert_eq!(below.name(), segment);
        again = below;
    }
    assert_eq!(&again, path);
    // What is beside it is not within it.
    if let Ok(beside) = Path::parse(&format!("{path}x")) {
        assert!(path.is_root() || !beside.is_within(path));
    }
}

fn scope_holds(scope: &Scope) {
    let again = Scope::parse(&scope.grants()).unwrap().unwrap();
    assert_eq!(again.grants(), scope.grants());
    assert!(scope.covers(&again) && again.covers(scope));
    for path in ["/", "/a", "/a/b", "/b"] {
        for verb in Verb::ALL {
            assert_eq!(scope.allows(verb, path), again.allows(verb, path));
            // Who may do something everywhere below a path may do it there.
            assert!(!scope.allows_below(verb, path) || scope.allows(verb, path));
            assert!(!scope.allows(verb, path) || scope.has(verb));
        }
    }
}
