//! Absolute, file-like paths.

use crate::{Error, ErrorCode, Result, limits};
use std::fmt;

/// A checked absolute path: `/` or `/a/b`, no empty segment, no `.` or `..`, no control character,
/// no `#` (which begins a field path), each segment at most [`limits::MAX_SEGMENT`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

impl Path {
    /// The root directory, `/`.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Checks a text and makes it a path. A single trailing `/` is accepted and dropped.
    ///
    /// # Errors
    /// [`ErrorCode::BadPath`], with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: String| Err(Error::new(ErrorCode::BadPath, why).at(shorten(text)));
        if text.len() > limits::MAX_PATH {
            return Err(Error::new(
                ErrorCode::BadPath,
                format!("the path is {} bytes long; the limit is {}", text.len(), limits::MAX_PATH),
            )
            .at(shorten(text))
            .limit(limits::MAX_PATH as u64));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return bad(format!("the path {:?} does not begin with \"/\"", shorten(text)));
        };
        if rest.is_empty() {
            return Ok(Self::root());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        for segment in rest.split('/') {
            check_segment(segment).map_err(|error| error.at(shorten(text)))?;
        }
        Ok(Self(format!("/{rest}")))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The segments, from the root down; none for `/`.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0[1..].split('/').filter(|segment| !segment.is_empty())
    }

    /// The last segment; empty for `/`.
    pub fn name(&self) -> &str {
        self.segments().next_back().unwrap_or("")
    }

    /// The directory that holds this path; none for `/`.
    pub fn parent(&self) -> Option<Path> {
        if self.is_root() {
            return None;
        }
        match self.0.rfind('/') {
            Some(0) | None => Some(Self::root()),
            Some(at) => Some(Self(self.0[..at].to_owned())),
        }
    }

    /// The path of a member of this directory.
    ///
    /// # Errors
    /// [`ErrorCode::BadPath`] when `segment` is not one good segment or the path grows past its limit.
    pub fn join(&self, segment: &str) -> Result<Path> {
        check_segment(segment).map_err(|error| error.at(shorten(segment)))?;
        if self.is_root() {
            Path::parse(&format!("/{segment}"))
        } else {
            Path::parse(&format!("{}/{segment}", self.0))
        }
    }

    /// True when `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Path) -> bool {
        other.is_root()
            || self.0 == other.0
            || (self.0.starts_with(&other.0) && self.0.as_bytes().get(other.0.len()) == Some(&b'/'))
    }
}

/// Checks one segment of a path.
///
/// # Errors
/// [`ErrorCode::BadPath`], with the rule that is broken.
pub fn check_segment(segment: &str) -> Result<()> {
    let bad = |why: &str| {
        Err(Error::new(ErrorCode::BadPath, format!("{why} in the path segment {:?}", shorten(segment))))
    };
    if segment.is_empty() {
        return Err(Error::new(ErrorCode::BadPath, "the path has an empty segment"));
    }
    if segment.len() > limits::MAX_SEGMENT {
        return Err(Error::new(
            ErrorCode::BadPath,
            format!(
                "the path segment {:?} is {} bytes long; the limit is {}",
                shorten(segment),
                segment.len(),
                limits::MAX_SEGMENT
            ),
        )
        .limit(limits::MAX_SEGMENT as u64));
    }
    if segment == "." || segment == ".." {
        return Err(Error::new(ErrorCode::BadPath, format!("the path segment {segment:?} is not allowed")));
    }
    if segment.contains('/') {
        return bad("\"/\" is not allowed");
    }
    if segment.contains('#') {
        return bad("\"#\" is not allowed");
    }
    if segment.chars().any(char::is_control) {
        return bad("a control character is not allowed");
    }
    Ok(())
}

/// At most 80 characters of what a stranger sent, for an error message.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Path {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths_keep_their_text() {
        for text in ["/", "/a", "/a/b c/ü.json", "/…"] {
            assert_eq!(Path::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Path::parse("/a/").unwrap().as_str(), "/a");
    }

    #[test]
    fn bad_paths_name_the_rule() {
        for (text, word) in [
            ("", "begin"),
            ("a", "begin"),
            ("//", "empty"),
            ("/a//b", "empty"),
            ("/a/../b", "\"..\""),
            ("/.", "\".\""),
            ("/a\nb", "control"),
            ("/a#b", "#"),
        ] {
            let error = Path::parse(text).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadPath);
            assert!(error.message.contains(word), "{text:?}: {}", error.message);
        }
        let long = format!("/{}", "x".repeat(256));
        assert_eq!(Path::parse(&long).unwrap_err().limit, Some(255));
        assert!(Path::parse(&format!("/{}", "x".repeat(255))).is_ok());
    }

    #[test]
    fn parents_and_containment() {
        let path = Path::parse("/a/b").unwrap();
        assert_eq!(path.parent().unwrap().as_str(), "/a");
        assert_eq!(path.parent().unwrap().parent().unwrap(), Path::root());
        assert_eq!(Path::root().parent(), None);
        assert!(path.is_within(&Path::parse("/a").unwrap()));
        assert!(!Path::parse("/ab").unwrap().is_within(&Path::parse("/a").unwrap()));
        assert!(path.is_within(&Path::root()));
    }
}
