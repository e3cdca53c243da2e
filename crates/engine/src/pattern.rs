//! Patterns of paths, such as `/inventory/**`.

use emerge_proto::{Error, ErrorCode, Path, Result, limits};
use globset::{GlobBuilder, GlobMatcher};

/// A pattern of paths: `*`, `?`, `[a-z]` and `{a,b}` stand for characters within a segment, `**` as a whole segment for any number of segments, none
/// included. `/a/**` matches `/a` itself too.
#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// A segment as it stands.
    Exact(String),
    Glob(GlobMatcher),
    Any,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `bad_argument` when it is not well-formed, or of what the node itself tells; `bad_path` when no path can match, `limit_exceeded` when it is too long.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: String| Error::new(ErrorCode::BadArgument, why).field("pattern");
        let limit = limits::MAX_PATH;
        if text.len() > limit {
            let why = format!("the pattern is {} bytes long; the limit is {limit}", text.len());
            return Err(Error::new(ErrorCode::LimitExceeded, why).field("pattern").limit(limit as u64));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(bad(format!("the pattern {text:?} does not begin with \"/\"")));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let segments: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
        if segments.first().is_some_and(|first| crate::tx::is_told_by_node_at(first)) {
            let why =
                "the node itself tells what is there, and no change of it is told; watch where it is stored";
            return Err(bad(format!("{text}: {why}")));
        }
        if segments.len() > limits::MAX_WATCHES {
            let limit = limits::MAX_WATCHES as u64;
            let why = format!("the pattern has more than {limit} segments");
            return Err(Error::new(ErrorCode::LimitExceeded, why).field("pattern").limit(limit));
        }
        let part = |segment: &str| match segment {
            "" => Err(bad(format!("the pattern {text:?} has an empty segment"))),
            "**" => Ok(Part::Any),
            // No path has such a segment.
            _ if segment.contains('#') => {
                let why = format!("{text:?} can match no path: a segment has no \"#\"");
                Err(Error::new(ErrorCode::BadPath, why).field("pattern"))
            }
            exact if !exact.contains(['*', '?', '[', ']', '{', '}', '\\']) => {
                Path::parse(&format!("/{exact}")).map_err(|error| error.at(text).field("pattern"))?;
                Ok(Part::Exact(exact.to_owned()))
            }
            glob => GlobBuilder::new(glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map(|glob| Part::Glob(glob.compile_matcher()))
                .map_err(|error| bad(format!("the pattern {text:?} is not well-formed: {error}"))),
        };
        Ok(Self { parts: segments.into_iter().map(part).collect::<Result<_>>()? })
    }

    /// Whether a path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.reached(path).last().copied().unwrap_or(false)
    }

    /// Whether a path below this one can match.
    pub fn reaches_below(&self, path: &str) -> bool {
        let reached = self.reached(path);
        // Some part is left for what is below, or the last one takes any number of segments.
        let left = reached.iter().take(self.parts.len()).any(|reached| *reached);
        left || (self.matches(path) && matches!(self.parts.last(), Some(Part::Any)))
    }

    /// For each number of parts whether they match the whole path.
    fn reached(&self, path: &str) -> Vec<bool> {
        let mut reached = vec![false; self.parts.len() + 1];
        reached[0] = true;
        self.pass_any(&mut reached);
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let mut next = vec![false; self.parts.len() + 1];
            for (at, part) in self.parts.iter().enumerate() {
                match part {
                    Part::Any => next[at] |= reached[at],
                    Part::Exact(text) => next[at + 1] |= reached[at] && text == segment,
                    Part::Glob(glob) => next[at + 1] |= reached[at] && glob.is_match(segment),
                }
            }
            self.pass_any(&mut next);
            reached = next;
        }
        reached
    }

    /// `**` also stands for nothing.
    fn pass_any(&self, reached: &mut [bool]) {
        for (at, part) in self.parts.iter().enumerate() {
            if matches!(part, Part::Any) && reached[at] {
                reached[at + 1] = true;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_segments() {
        for (pattern, yes, no) in [
            ("/a/**", vec!["/a", "/a/b", "/a/b/c"], vec!["/", "/ab", "/b/a"]),
            ("/**", vec!["/", "/a", "/a/b"], vec![]),
            ("/a/*", vec!["/a/b"], vec!["/a", "/a/b/c"]),
            ("/a/**/c", vec!["/a/c", "/a/b/c", "/a/b/b/c"], vec!["/a", "/a/c/d"]),
            ("/**/*.txt", vec!["/x.txt", "/a/b.txt"], vec!["/a/btxt", "/a.txt/b"]),
            ("/a/w?[0-9]", vec!["/a/wx1"], vec!["/a/w1", "/a/wxx"]),
            ("/{a,b}/c", vec!["/a/c", "/b/c"], vec!["/c/c"]),
            ("/", vec!["/"], vec!["/a"]),
            ("/a", vec!["/a"], vec!["/a/b", "/A"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            for path in yes {
                assert!(parsed.matches(path), "{pattern} {path}");
            }
            for path in no {
                assert!(!parsed.matches(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn what_is_below_a_tree_may_match() {
        for (pattern, path, below) in [
            ("/a/b/**", "/a", true),
            ("/a/b/**", "/a/b/c", true),
            ("/a/*/x", "/a/foo", true),
            ("/a/*", "/a", true),
            ("/a/*", "/a/b", false),
            ("/a/b", "/a/c", false),
            ("/**/x", "/any/where", true),
            ("/a", "/", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().reaches_below(path), below, "{pattern} {path}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        let told = ["/registry", "/registry/**", "/registry/0190a3", "/classes/*", "/nodes/"];
        for bad in ["", "a", "/a//b", "/a/[", "/{a"].into_iter().chain(told) {
            let error = Pattern::parse(bad).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("pattern")),
                "{bad:?}"
            );
        }
        for long in [format!("/{}", "x".repeat(limits::MAX_PATH)), "/a".repeat(limits::MAX_WATCHES + 1)] {
            assert_eq!(Pattern::parse(&long).unwrap_err().code, ErrorCode::LimitExceeded);
        }
    }
}
