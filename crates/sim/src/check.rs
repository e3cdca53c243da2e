//! What must be true when a run has ended.

use crate::client::{Entry, FIXED, MEMBERS, Outcome, SHARED, Step, Work, tokens_of};
use crate::transact::REFUSALS;
use crate::world::World;
use emerge_engine::{Engine, Principal};
use emerge_proto::{Error, ErrorCode};
use futures_util::FutureExt;
use std::collections::HashMap;

/// Each acknowledged effect exactly once, none without a request, nothing refused has happened, nothing leaked.
pub(crate) fn check(world: &World) -> Result<(), String> {
    let Some(life) = &world.life else { return Err("no node is left".into()) };
    let engine = life.node.engine();
    let journal: Vec<&Entry> = world.clients.iter().flat_map(|client| &client.journal).collect();

    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    let counters = (0..SHARED)
        .map(|at| format!("/shared/s{at}"))
        .chain((0..MEMBERS).map(|at| format!("/members/m{at}")));
    for path in counters {
        let (tokens, _) = read(engine, &path, None)?.ok_or_else(|| format!("{path} is gone"))?;
        for token in tokens {
            *counts.entry((path.clone(), token)).or_default() += 1;
        }
    }
    for ((path, token), count) in &counts {
        if *count > 1 {
            return Err(format!("{path} has {token} {count} times"));
        }
        let asked = journal.iter().any(|entry| {
            entry.token == *token
                && match &entry.work {
                    Work::Add { path: asked } => asked == path,
                    Work::Transact { paths } => paths.contains(path),
                    Work::AddToAll { .. } => path.starts_with("/members/"),
                    _ => false,
                }
        });
        if !asked {
            return Err(format!("{path} has {token}, which nobody asked for"));
        }
    }
    let has = |path: &str, token: &str| counts.contains_key(&(path.to_owned(), token.to_owned()));
    for entry in &journal {
        check_entry(engine, entry, &journal, &has)?;
    }
    check_leaks(world, engine)
}

fn check_entry(
    engine: &Engine<crate::backend::SimBackend>,
    entry: &Entry,
    journal: &[&Entry],
    has: &dyn Fn(&str, &str) -> bool,
) -> Result<(), String> {
    let Entry { token, work, outcome, items, step } = entry;
    let lost = |what: &str| Err(format!("{token} {work:?} was acknowledged and {what}"));
    match (work, outcome) {
        (Work::Add { path }, Outcome::Done) if !has(path, token) => lost("is lost"),
        (Work::Add { path }, Outcome::Refused(error)) if has(path, token) => {
            Err(format!("{token} was refused ({error}) and has happened at {path}"))
        }
        // It ends with its session.
        (Work::Watch, _) => check_watch(token, items),
        (Work::Transact { paths }, outcome) => {
            let happened = paths.iter().filter(|path| has(path, token)).count();
            match outcome {
                Outcome::Done if happened < paths.len() => lost(&format!("is at {happened} of {paths:?}")),
                Outcome::Refused(error) if happened > 0 => {
                    Err(format!("{token} was refused ({error}) and has happened at {happened} of {paths:?}"))
                }
                Outcome::Refused(error) => expect(entry, error, REFUSALS),
                Outcome::Unknown if happened > 0 && *step != Step::Committing => Err(format!(
                    "{token} has happened at {happened} of {paths:?}, and its commit was never asked for"
                )),
                Outcome::Unknown if happened > 0 && happened < paths.len() => {
                    Err(format!("{token} has happened at {happened} of {paths:?}"))
                }
                Outcome::Done | Outcome::Unknown => Ok(()),
            }
        }
        (Work::Fail { .. }, Outcome::Done) => lost("should have failed"),
        (Work::Fail { .. }, Outcome::Refused(error)) => expect(entry, error, &[ErrorCode::MethodFailed]),
        (Work::AddToAll { path }, Outcome::Done) => {
            let names: Vec<String> = (0..MEMBERS).map(|at| format!("m{at}")).collect();
            if *items != names {
                return lost(&format!("gave {items:?}"));
            }
            match names.iter().find(|name| !has(&format!("{path}/{name}"), token)) {
                Some(name) => lost(&format!("is lost at {name}")),
                None => Ok(()),
            }
        }
        (Work::List { .. }, Outcome::Done) => {
            let names: Vec<String> = (0..FIXED).map(|at| format!("f{at}")).collect();
            if *items == names { Ok(()) } else { lost(&format!("gave {items:?}")) }
        }
        (Work::Create { path }, Outcome::Done) => {
            // Where it lies now, when later work moved or removed it; unknown when that work's outcome is.
            let later = journal.iter().find(|later| match &later.work {
                Work::Move { from, .. } => from == path,
                Work::Remove { path: removed } => removed == path,
                _ => false,
            });
            let place = match later.map(|later| (&later.work, &later.outcome)) {
                None | Some((_, Outcome::Refused(_))) => path,
                Some((Work::Move { to, .. }, Outcome::Done)) => {
                    if read(engine, path, None)?.is_some() {
                        return lost("moved, and is still at its old place");
                    }
                    to
                }
                Some((_, Outcome::Done)) => {
                    return if read(engine, path, None)?.is_none() {
                        Ok(())
                    } else {
                        lost("removed, and is still there")
                    };
                }
                Some((_, Outcome::Unknown)) => return Ok(()),
            };
            match read(engine, place, None)? {
                Some((tokens, 1)) if tokens == [token.as_str()] => Ok(()),
                Some((tokens, version)) => lost(&format!("is there as version {version} with {tokens:?}")),
                None => lost(&format!("is not at {place}")),
            }
        }
        // Nobody else makes an object at this path, so that any refusal means that it was made twice.
        (Work::Create { .. }, Outcome::Refused(error)) => expect(entry, error, &[]),
        (
            Work::Move { .. } | Work::Remove { .. } | Work::Read { .. } | Work::Put { .. },
            Outcome::Refused(error),
        ) => expect(entry, error, &[]),
        (Work::Put { path }, Outcome::Done) => {
            let mut found = 0;
            let (_, newest) = read(engine, path, None)?.ok_or_else(|| format!("{path} is gone"))?;
            for version in 1..=newest {
                let (tokens, _) = read(engine, path, Some(version))?
                    .ok_or_else(|| format!("{path} lacks version {version}"))?;
                found += tokens.iter().filter(|other| *other == token).count();
            }
            if found == 1 { Ok(()) } else { lost(&format!("is in {found} versions of {newest}")) }
        }
        _ => Ok(()),
    }
}

/// In the order of commits, and of each object one version after the other: none twice, none left out.
fn check_watch(token: &str, items: &[String]) -> Result<(), String> {
    let mut versions: HashMap<&str, u64> = HashMap::new();
    let mut last = "";
    for item in items {
        let parts: Vec<&str> = item.split(' ').collect();
        let [path, version, mark] = parts[..] else { return Err(format!("{token} was told {item:?}")) };
        let version: u64 = version.parse().map_err(|_| format!("{token} was told {item:?}"))?;
        if mark <= last {
            return Err(format!("{token} was told {item:?} after {last}"));
        }
        last = mark;
        if let Some(before) = versions.insert(path, version)
            && version != before + 1
        {
            return Err(format!("{token} was told version {version} of {path} after version {before}"));
        }
    }
    Ok(())
}

/// A session that was given up for good refuses what it had not sent.
fn expect(entry: &Entry, error: &Error, codes: &[ErrorCode]) -> Result<(), String> {
    if codes.contains(&error.code)
        || error.code == ErrorCode::SessionExpired
        || error.code == ErrorCode::Disconnected
    {
        return Ok(());
    }
    Err(format!("{} {:?} gave {error}", entry.token, entry.work))
}

/// The tokens and the version of an object; none when it is not there.
fn read(
    engine: &Engine<crate::backend::SimBackend>,
    path: &str,
    version: Option<u64>,
) -> Result<Option<(Vec<String>, u64)>, String> {
    let mut tx = engine.begin(Principal::admin(), 0, 0);
    let got = tx.get(&path.into(), version.map(Into::into)).now_or_never().ok_or("a read waits")?;
    match got {
        Ok(fetched) => Ok(Some((tokens_of(&fetched.state), fetched.stat.version))),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(format!("{path} cannot be read: {error}")),
    }
}

/// After bye the node keeps nothing of a session.
fn check_leaks(world: &World, engine: &Engine<crate::backend::SimBackend>) -> Result<(), String> {
    for client in &world.clients {
        if client.session.pending() > 0 {
            return Err(format!("client {} has {} requests left", client.index, client.session.pending()));
        }
        let Some(welcome) = client.session.welcome() else { continue };
        let kept = engine.load_session(welcome.session).now_or_never().ok_or("a read waits")?;
        match kept {
            Ok(None) => {}
            Ok(Some(kept)) => return Err(format!("the node keeps outcomes of an ended session: {kept:?}")),
            Err(error) => return Err(format!("a session cannot be read: {error}")),
        }
    }
    Ok(())
}
