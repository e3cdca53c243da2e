//! What is told of each request to who writes it down: names and codes, never values.

use core::net::IpAddr;
use emerge_engine::Principal;
use emerge_proto::op::Target;
use emerge_proto::{ErrorCode, Op};

/// Writes down what was done, or not. It must not block.
pub trait Audit: Send + Sync {
    /// Whether requests of this kind are ever wanted, so that nothing is gathered of others.
    fn wants(&self, asked: &Asked) -> bool;

    /// A request that was answered, a stream that was opened, or a caller who was refused.
    fn note(&self, audited: &Audited<'_>);
}

/// What a request asks for, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The operation's name.
    pub op: &'static str,
    /// What it is about: a path, or an object's id.
    pub path: Option<String>,
    /// Where to, of a move or a copy.
    pub to: Option<String>,
    /// The method that is called, the user or the group that is administered, or what is done with it.
    pub detail: Option<String>,
    /// Whether it is about users, groups or tokens, or rights.
    pub administers: bool,
    /// Whether it may change the store.
    pub writes: bool,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub struct Audited<'a> {
    /// Microseconds since 1970-01-01T00:00:00Z at which it came.
    pub time: i64,
    /// Who asked; none when nobody knows.
    pub user: Option<&'a str>,
    /// The id of the token in use.
    pub token: Option<&'a str>,
    /// From where.
    pub from: Option<IpAddr>,
    /// What for.
    pub asked: &'a Asked,
    /// The error, if it was refused or failed.
    pub result: Option<ErrorCode>,
}

impl Asked {
    /// To be known to the node.
    pub fn hello() -> Self {
        Self { op: "hello", path: None, to: None, detail: None, administers: false, writes: false }
    }

    /// What is not one operation: the whole store, or a tree of it.
    pub fn whole(op: &'static str, path: Option<String>, writes: bool) -> Self {
        Self { path, writes, administers: op == "backup", ..Self { op, ..Self::hello() } }
    }

    /// An operation's.
    pub fn of(op: &Op) -> Self {
        let text = |target: &Target| match target {
            Target::Path(path) => path.clone(),
            Target::Id(id) => id.to_string(),
            Target::ResultOf(seq) => format!("result of {seq}"),
        };
        let (mut path, mut to, mut detail) = (None, None, None);
        match op {
            Op::Call { path: target, method, .. } => {
                path = Some(text(target));
                detail = Some(method.clone());
            }
            Op::Mv { from, to: other } | Op::Cp { from, to: other, .. } => {
                path = Some(text(from));
                to = Some(other.clone());
            }
            Op::Mixin { first, to: other, .. } => {
                path = Some(text(first));
                to = Some(other.clone());
            }
            Op::Mkdir { path: target, .. }
            | Op::Store { path: target, .. }
            | Op::Get { path: target, .. }
            | Op::Stat { path: target }
            | Op::List { path: target, .. }
            | Op::Rm { path: target, .. }
            | Op::History { path: target, .. }
            | Op::Diff { path: target, .. }
            | Op::Restore { path: target, .. }
            | Op::Chmod { path: target, .. }
            | Op::Chown { path: target, .. }
            | Op::Purge { path: target, .. }
            | Op::SetRules { path: target, .. }
            | Op::Query { path: target, .. }
            | Op::Migrate { path: target, .. }
            | Op::Add { path: target, .. }
            | Op::Set { path: target, .. }
            | Op::Class { path: Some(target), .. } => path = Some(text(target)),
            Op::Watch { pattern, .. } => path = Some(pattern.clone()),
            Op::Search { query, .. } | Op::Explain { query } => path.clone_from(&query.directory),
            Op::In { op, .. } => {
                let inner = Self::of(op);
                (path, to, detail) =
                    (inner.path, inner.to, inner.detail.or_else(|| Some(inner.op.to_owned())));
            }
            Op::PutClass { class } => detail = Some(class.name.clone()),
            Op::Class { name, .. } => detail.clone_from(name),
            Op::CreateIndex { class, field, .. } | Op::DropIndex { class, field } => {
                detail = Some(format!("{class}.{field}"));
            }
            Op::Users { action, name, .. } => detail = Some(said(action.as_str(), name.as_deref())),
            Op::Groups { action, name, .. } => detail = Some(said(action.as_str(), name.as_deref())),
            Op::Tokens { action, user, id, .. } => {
                detail = Some(said(action.as_str(), id.as_deref().or(user.as_deref())));
            }
            Op::Quotas { user, set } => {
                detail = Some(said(if set.is_some() { "set" } else { "list" }, user.as_deref()));
            }
            Op::Begin { .. } | Op::End { .. } | Op::Transactions { .. } | Op::Indexes {} => {}
        }
        let administers = matches!(
            op,
            Op::Users { .. }
                | Op::Groups { .. }
                | Op::Tokens { .. }
                | Op::Quotas { set: Some(_), .. }
                | Op::Chmod { .. }
                | Op::Chown { .. }
                | Op::SetRules { .. }
        );
        Self { op: op.name(), path, to, detail, administers, writes: op.may_write() }
    }
}

fn said(action: &str, name: Option<&str>) -> String {
    name.map_or_else(|| action.to_owned(), |name| format!("{action} {name}"))
}

/// Tells what came of a request.
pub(crate) fn tell(
    audit: &dyn Audit,
    asked: &Asked,
    caller: Option<&Principal>,
    from: Option<IpAddr>,
    result: Option<ErrorCode>,
    time: i64,
) {
    let user = caller.map(|caller| caller.user.as_str());
    let token = caller.and_then(|caller| caller.token.as_deref());
    audit.note(&Audited { time, user, token, from, asked, result });
}
