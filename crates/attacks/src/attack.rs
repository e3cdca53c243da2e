//! What an attack is.

use crate::field::Field;
use crate::{doors, lent, provider, quota, rights, running, sandbox};
use emerge_proto::Error;
use emerge_proto::guard::Guard;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

/// What an attack got.
pub(crate) enum Got {
    /// Nothing: the error or the answer that it was given instead.
    Contained(String),
    /// What it tried.
    Through(String),
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Got> + Send + 'a>>;

/// One attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What it tries.
    pub(crate) tries: &'static str,
    /// What holds it off and can be taken away; all of them together let it through. None where there is nothing to take away: what it tries is not there.
    pub(crate) guards: &'static [Guard],
    pub(crate) run: Box<dyn for<'a> Fn(&'a Field) -> Running<'a> + Send + Sync>,
}

impl Attack {
    pub(crate) fn new(
        name: &'static str,
        tries: &'static str,
        guards: &'static [Guard],
        run: impl for<'a> Fn(&'a Field) -> Running<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name, tries, guards, run: Box::new(run) }
    }
}

impl Got {
    /// The attack could not be made, which shows nothing.
    pub(crate) fn wrong(why: impl Display) -> Self {
        Self::Through(format!("the attack itself is wrong: {why}"))
    }

    /// What a caller got of whom nothing was to be done.
    pub(crate) fn of<T>(done: Result<T, Error>) -> Self {
        match done {
            Ok(_) => Self::Through("it was done".into()),
            Err(error) => Self::Contained(brief(&error.to_string())),
        }
    }
}

/// All attacks, each with a name of its own.
pub(crate) fn all() -> Vec<Attack> {
    let mut all = sandbox::attacks();
    all.extend(rights::attacks());
    all.extend(doors::attacks());
    all.extend(quota::attacks());
    all.extend(running::attacks());
    all.extend(lent::attacks());
    all.extend(provider::attacks());
    all
}

/// A piece of a text, for people.
pub(crate) fn brief(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect();
    if line.len() < text.len() { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn there_are_many_and_each_has_a_name_of_its_own() {
        let all = all();
        let names: HashSet<&str> = all.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() >= 120, "{}", all.len());
    }

    #[test]
    fn each_guard_has_an_attack() {
        let all = all();
        for (guard, _) in Guard::ALL {
            assert!(all.iter().any(|attack| attack.guards.contains(guard)), "{guard:?}");
        }
    }
}
