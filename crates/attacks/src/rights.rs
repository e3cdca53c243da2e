//! One user against what is another's, by each operation.

use crate::attack::{Attack, Got, brief};
use crate::doors::ask;
use crate::field::{Field, HIDDEN, SECRET, SOURCE_SECRET, class, fields, path};
use emerge_client::native::Client;
use emerge_proto::guard::Guard;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassSource, Language, Op, Value};
use futures_util::StreamExt;
use std::pin::pin;
use std::time::Duration;

/// What shows that an operation gave what it should not.
#[derive(Clone, Copy)]
enum Shown {
    /// The secret in the answer.
    Secret,
    /// That it was done.
    Done,
    /// A text in the answer.
    Has(&'static str),
    /// That a search has looked at something.
    Sees,
    /// A count of more than nothing.
    Counts,
    /// Anything but that nothing is there.
    There,
    /// That it is told otherwise than if nothing were there.
    Differs,
}

const RIGHTS: &[Guard] = &[Guard::Rights];

/// An operation of Eve's by HTTP. `@class@` is the address of Ada's class, `@mine@` an object of Eve's own, `@id@` the id of Ada's hidden object.
type Row = (&'static str, &'static str, &'static [Guard], &'static str, Shown);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("rights-get", "get another's object", RIGHTS, r#"{"op": "get", "path": "/shared/ada/hidden"}"#, Shown::Secret),
    ("rights-get-deep", "get an open object in a closed directory", RIGHTS, r#"{"op": "get", "path": "/shared/ada/closed/deep"}"#, Shown::Secret),
    ("rights-get-version", "get an earlier version", RIGHTS, r#"{"op": "get", "path": "/shared/ada/hidden", "version": 1}"#, Shown::Secret),
    ("rights-get-part", "get a part of another's object", RIGHTS, r#"{"op": "get", "path": "/shared/ada/hidden#secret"}"#, Shown::Secret),
    ("rights-get-unreadable", "get an object that may only be called", RIGHTS, r#"{"op": "get", "path": "/shared/ada/callable"}"#, Shown::Secret),
    ("rights-get-by-id", "get another's object by its id", RIGHTS, r#"{"op": "get", "path": "/registry/@id@"}"#, Shown::Done),
    ("rights-stat", "learn another's object's properties", RIGHTS, r#"{"op": "stat", "path": "/shared/ada/hidden"}"#, Shown::Done),
    ("rights-list-closed", "list a closed directory", RIGHTS, r#"{"op": "list", "path": "/shared/ada/closed"}"#, Shown::Done),
    ("rights-list-names", "learn names by a listing", RIGHTS, r#"{"op": "list", "path": "/shared/ada"}"#, Shown::Has("hidden")),
    ("rights-list-glob", "learn names by a pattern", RIGHTS, r#"{"op": "list", "path": "/shared/ada", "glob": "h*"}"#, Shown::Has("hidden")),
    ("rights-list-sorted", "learn names by an order", RIGHTS, r#"{"op": "list", "path": "/shared/ada", "sort": "size"}"#, Shown::Has("hidden")),
    ("rights-history", "read another's history", RIGHTS, r#"{"op": "history", "path": "/shared/ada/hidden"}"#, Shown::Done),
    ("rights-diff", "compare another's versions", RIGHTS, r#"{"op": "diff", "path": "/shared/ada/hidden", "from": 1}"#, Shown::Done),
    ("rights-restore", "restore another's version", RIGHTS, r#"{"op": "restore", "path": "/shared/ada/hidden", "version": 1}"#, Shown::Done),
    ("rights-set", "set a field of another's object", RIGHTS, r#"{"op": "set", "path": "/shared/ada/hidden#secret", "value": "mine"}"#, Shown::Done),
    ("rights-set-unwritable", "set a field of an object that may only be called", RIGHTS, r#"{"op": "set", "path": "/shared/ada/callable#secret", "value": "mine"}"#, Shown::Done),
    ("rights-store", "store over another's object", RIGHTS, r#"{"op": "store", "path": "/shared/ada/hidden", "class": "@class@", "fields": {}, "mode": "put"}"#, Shown::Done),
    ("rights-store-beside", "store in another's directory", RIGHTS, r#"{"op": "store", "path": "/shared/ada/new", "class": "@class@", "fields": {}, "mode": "put"}"#, Shown::Done),
    ("rights-mkdir", "make a directory in another's", RIGHTS, r#"{"op": "mkdir", "path": "/shared/ada/new", "exist_ok": false}"#, Shown::Done),
    ("rights-rm", "remove another's object", RIGHTS, r#"{"op": "rm", "path": "/shared/ada/hidden", "recursive": false}"#, Shown::Done),
    ("rights-rm-tree", "remove another's tree", RIGHTS, r#"{"op": "rm", "path": "/shared/ada", "recursive": true}"#, Shown::Done),
    ("rights-mv", "move another's object away", RIGHTS, r#"{"op": "mv", "from": "/shared/ada/hidden", "to": "@new@"}"#, Shown::Done),
    ("rights-mv-sticky", "move another's directory out of a sticky one", RIGHTS, r#"{"op": "mv", "from": "/shared/ada", "to": "@new@"}"#, Shown::Done),
    ("rights-mv-over", "move something over another's object", &[], r#"{"op": "mv", "from": "@mine@", "to": "/shared/ada/hidden"}"#, Shown::Done),
    ("rights-cp", "copy another's object", RIGHTS, r#"{"op": "cp", "from": "/shared/ada/hidden", "to": "@new@", "recursive": false}"#, Shown::Done),
    ("rights-chmod", "open another's object", RIGHTS, r#"{"op": "chmod", "path": "/shared/ada/callable", "perms": "777", "recursive": false}"#, Shown::Done),
    ("rights-chown", "take another's object", &[Guard::Admin, Guard::Rights], r#"{"op": "chown", "path": "/shared/ada/callable", "owner": "eve", "recursive": false}"#, Shown::Done),
    ("rights-chown-give", "give an object of one's own to the administrator", &[], r#"{"op": "chown", "path": "@mine@", "owner": "admin", "recursive": false}"#, Shown::Done),
    ("rights-chgrp", "put an object of one's own into the administrators' group", &[], r#"{"op": "chown", "path": "@mine@", "group": "admin", "recursive": false}"#, Shown::Done),
    ("rights-purge", "purge another's object", RIGHTS, r#"{"op": "purge", "path": "/shared/ada/hidden", "recursive": false}"#, Shown::Done),
    ("rights-rules", "prune another's versions", RIGHTS, r#"{"op": "set_rules", "path": "/shared/ada", "keep": "1 versions"}"#, Shown::Done),
    ("rights-call", "call a method of an object that may not be called", RIGHTS, r#"{"op": "call", "path": "/shared/ada/hidden", "method": "hint", "args": [], "log": false}"#, Shown::Has("method_failed")),
    ("rights-query", "run another's query", RIGHTS, r#"{"op": "query", "path": "/shared/ada/hidden"}"#, Shown::Has("method_")),
    ("rights-class", "read the source of a class by an object that may not be read", RIGHTS, r#"{"op": "class", "path": "/shared/ada/callable"}"#, Shown::Has(SOURCE_SECRET)),
    ("rights-class-by-name", "read the source of another's class by its name", &[], r#"{"op": "class", "name": "Vault"}"#, Shown::Has(SOURCE_SECRET)),
    ("rights-migrate", "make another's object one of one's own class", RIGHTS, r#"{"op": "migrate", "path": "/shared/ada/callable", "class": "@mine-class@"}"#, Shown::Done),
    ("rights-mixin", "mix another's state into an object of one's own", RIGHTS, r#"{"op": "mixin", "first": "@mine@", "second": "/shared/ada/hidden", "to": "@new@"}"#, Shown::Done),
    ("rights-add", "add a child to another's object", RIGHTS, r#"{"op": "add", "path": "/shared/ada/callable", "field": "kids", "children": [{"path": "@mine@"}]}"#, Shown::Done),
    ("rights-search", "find another's object by a search", RIGHTS, r#"{"op": "search", "source": "lambda o: 'secret of' in o.secret", "language": "python", "class": "Vault"}"#, Shown::Secret),
    ("rights-search-js", "find another's object by a search in JavaScript", RIGHTS, r#"{"op": "search", "source": "o => o.secret.includes('secret of')", "language": "javascript"}"#, Shown::Secret),
    ("rights-search-sandbox", "find another's object by a search that the sandbox evaluates", RIGHTS, r#"{"op": "search", "source": "o => [...o.secret].join('').includes('secret of')", "language": "javascript"}"#, Shown::Secret),
    ("rights-count", "count another's objects", RIGHTS, r#"{"op": "search", "source": "o => o.secret.startsWith('the secret')", "language": "javascript", "count": true}"#, Shown::Counts),
    ("rights-text", "find another's object by words", RIGHTS, r#"{"op": "search", "text": "secret", "language": "javascript"}"#, Shown::Secret),
    ("rights-group", "learn values by groups", RIGHTS, r#"{"op": "search", "language": "javascript", "group_by": "secret"}"#, Shown::Secret),
    ("rights-order", "learn a rank by an order", RIGHTS, r#"{"op": "search", "language": "javascript", "order": "secret", "directory": "/shared/ada"}"#, Shown::Secret),
    ("rights-explain", "learn by a plan what a search has seen", RIGHTS, r#"{"op": "explain", "source": "o => o.secret !== undefined", "language": "javascript", "directory": "/shared/ada"}"#, Shown::Sees),
    ("rights-index", "index another's class", &[], r#"{"op": "create_index", "class": "*", "field": "secret", "unique": false}"#, Shown::Done),
    ("rights-unique", "learn values by a unique index of all classes", &[], r#"{"op": "create_index", "class": "*", "field": "secret", "unique": true}"#, Shown::Done),
    ("rights-users", "list the users", &[Guard::Admin], r#"{"op": "users", "action": "list"}"#, Shown::Done),
    ("rights-add-group", "make a group", &[Guard::Admin], r#"{"op": "groups", "action": "add", "name": "mine"}"#, Shown::Done),
    ("rights-join", "join the administrators", &[Guard::Admin], r#"{"op": "groups", "action": "join", "name": "admin", "user": "eve"}"#, Shown::Done),
    ("rights-tokens", "list another's tokens", &[Guard::Admin], r#"{"op": "tokens", "action": "list", "user": "ada"}"#, Shown::Done),
    ("rights-misuse", "learn default values of a signature by wrong arguments", &[Guard::Source], r#"{"op": "call", "path": "/shared/ada/callable", "method": "hint", "args": [1, 2, 3, 4], "log": false}"#, Shown::Has(SOURCE_SECRET)),
    ("rights-trace", "learn lines of a source by an error's trace", &[Guard::Source], r#"{"op": "call", "path": "/shared/ada/callable", "method": "hint", "args": [], "log": true}"#, Shown::Has(SOURCE_SECRET)),
    ("rights-error-get", "learn by an error that something is there", RIGHTS, r#"{"op": "get", "path": "/shared/ada/hidden"}"#, Shown::Differs),
    ("rights-error-stat", "learn by stat's error that something is there", RIGHTS, r#"{"op": "stat", "path": "/shared/ada/hidden"}"#, Shown::Differs),
    ("rights-error-call", "learn by call's error that something is there", RIGHTS, r#"{"op": "call", "path": "/shared/ada/hidden", "method": "x", "args": [], "log": false}"#, Shown::Differs),
    ("rights-error-history", "learn by history's error that something is there", RIGHTS, r#"{"op": "history", "path": "/shared/ada/hidden"}"#, Shown::Differs),
    ("rights-error-set", "learn by set's error that something is there", RIGHTS, r#"{"op": "set", "path": "/shared/ada/hidden#secret", "value": 1}"#, Shown::Differs),
    ("rights-error-deep", "learn by an error what is in a closed directory", RIGHTS, r#"{"op": "get", "path": "/shared/ada/closed/deep"}"#, Shown::There),
];

pub(crate) fn attacks() -> Vec<Attack> {
    let mut all: Vec<Attack> = ROWS
        .iter()
        .map(|row| Attack::new(row.0, row.1, row.2, move |field| Box::pin(run(field, row.3, row.4))))
        .collect();
    let tokens: [(&str, &str, &[Guard], Scoped); 7] = [
        (
            "token-read",
            "read beyond a token's scope",
            &[Guard::Scope],
            Scoped::Op(r#"{"op": "get", "path": "@mine@"}"#),
        ),
        (
            "token-list",
            "list beyond a token's scope",
            &[Guard::Scope],
            Scoped::Op(r#"{"op": "list", "path": "/shared"}"#),
        ),
        (
            "token-write",
            "write by a token that is for reading",
            &[Guard::Scope],
            Scoped::Op(r#"{"op": "mkdir", "path": "/open/new-@n@", "exist_ok": true}"#),
        ),
        (
            "token-chmod",
            "change rights by a token that is for reading",
            &[Guard::Scope],
            Scoped::Op(r#"{"op": "chmod", "path": "@mine@", "perms": "777", "recursive": false}"#),
        ),
        ("token-widen", "make a token that is for more", &[], Scoped::Widen),
        ("token-expired", "use a token that has ended", &[Guard::End], Scoped::Expired),
        ("token-revoked", "use a token that was taken back", &[Guard::Token], Scoped::Revoked),
    ];
    all.extend(tokens.into_iter().map(|(name, tries, guards, how)| {
        Attack::new(name, tries, guards, move |field| Box::pin(scoped(field, how)))
    }));
    all.extend([
        Attack::new("rights-watch", "be told of another's changes", RIGHTS, |field| Box::pin(watch(field))),
        Attack::new("rights-transaction", "commit another's transaction", &[], |field| {
            Box::pin(transaction(field))
        }),
        Attack::new(
            "rights-reference",
            "read another's object through a reference of one's own",
            RIGHTS,
            |field| Box::pin(reference(field)),
        ),
    ]);
    all
}

/// A class of Eve's own.
fn own_class() -> ClassSource {
    class(Language::Python, "Mine", "class Mine(emerge.Object):\n    pass\n".into())
}

async fn run(field: &Field, op: &str, shown: Shown) -> Got {
    let mine = field.fresh();
    let own = own_class();
    if let Err(error) = field.plant(&mine, &own).await {
        return Got::wrong(error);
    }
    let id = match field.ada.stat(&path(HIDDEN)).await {
        Ok(stat) => stat.id.to_string(),
        Err(error) => return Got::wrong(error),
    };
    let op = op
        .replace("@class@", &field.vault.to_string())
        .replace("@mine-class@", &own.hash().to_string())
        .replace("@mine@", &mine)
        .replace("@new@", &field.fresh())
        .replace("@id@", &id);
    let answer = ask(field, &field.eve_token, &op).await;
    let is_through = match shown {
        Shown::Secret => answer.body.contains(SECRET),
        Shown::Done => answer.status == 200,
        Shown::There => !answer.body.contains("not_found"),
        Shown::Has(text) => answer.body.contains(text),
        Shown::Sees => answer.json()["seen"].as_u64().is_some_and(|count| count > 0),
        Shown::Counts => answer.json()["count"].as_u64().is_some_and(|count| count > 0),
        Shown::Differs => {
            let missing = ask(field, &field.eve_token, &op.replace("hidden", "nought")).await;
            missing.body.replace("nought", "hidden") != answer.body
        }
    };
    // What the answer tells beside, whatever was asked for.
    if is_through || answer.body.contains(SECRET) {
        Got::Through(answer.told())
    } else {
        Got::Contained(answer.told())
    }
}

async fn watch(field: &Field) -> Got {
    let mut changes = pin!(field.eve.watch("/shared/ada/**", None));
    let mut told = Vec::new();
    for _ in 0..2 {
        let write = field.ada.store(&path(HIDDEN), field.vault, fields(SECRET), StoreMode::Put).await;
        if let Err(error) = write {
            return Got::wrong(error);
        }
        while let Ok(Some(change)) = tokio::time::timeout(Duration::from_millis(150), changes.next()).await {
            told.push(format!("{change:?}"));
        }
    }
    match told.iter().find(|change| change.contains("hidden")) {
        Some(change) => Got::Through(brief(change)),
        None => Got::Contained(format!("{} changes that are nobody's secret", told.len())),
    }
}

async fn transaction(field: &Field) -> Got {
    let begun = match field.ada.begin(Some("mine"), None).await {
        Ok(begun) => begun,
        Err(error) => return Got::wrong(error),
    };
    let op = Op::End { tx: begun.info().id.to_string(), commit: true };
    let ended = match field.eve.request(&op) {
        Ok(reply) => reply.await.map(|_| ()),
        Err(error) => Err(error),
    };
    match begun.rollback().await {
        Ok(()) => Got::of(ended),
        Err(error) => Got::Through(format!("it is gone: {error}")),
    }
}

async fn reference(field: &Field) -> Got {
    let at = field.fresh();
    let own = own_class();
    let state = Value::Map(vec![("to".into(), Value::List(vec![Value::Ref(HIDDEN.into())]))]).encode();
    let stored = match field.eve.put_class(&own).await {
        Ok(class) => field.eve.store(&path(&at), class.hash, state, StoreMode::Put).await,
        Err(error) => Err(error),
    };
    if let Err(error) = stored {
        return Got::wrong(error);
    }
    let op = format!(r#"{{"op": "get", "path": "{at}#to[0].secret"}}"#);
    let answer = ask(field, &field.eve_token, &op).await;
    let children = field.eve.children(emerge_proto::op::Target::Path(format!("{at}#to"))).await;
    let children = format!("{children:?}");
    if answer.body.contains(SECRET) || answer.status == 200 {
        Got::Through(answer.told())
    } else if children.contains("state: Some") {
        Got::Through(brief(&children))
    } else {
        Got::Contained(answer.told())
    }
}

/// What is done with a token of Eve's that is for less.
#[derive(Clone, Copy)]
enum Scoped {
    /// This operation, by one that reads below `/open`.
    Op(&'static str),
    Widen,
    Expired,
    Revoked,
}

async fn scoped(field: &Field, how: Scoped) -> Got {
    match with_token(field, how).await {
        Ok(got) => got,
        Err(error) => Got::wrong(error),
    }
}

async fn with_token(field: &Field, how: Scoped) -> emerge_proto::Result<Got> {
    let mine = field.fresh();
    field.plant(&mine, &own_class()).await?;
    field.admin.mkdir(&path("/open"), true).await?;
    field.admin.chmod(&path("/open"), "777", false).await?;
    let scope = vec!["read:/open/**".to_owned()];
    let soon = now() + 200_000;
    let expires = matches!(how, Scoped::Expired).then_some(soon);
    let (token, info) = field.eve.create_token(None, Some(scope), expires, None).await?;
    let op = match how {
        Scoped::Op(op) => op.replace("@n@", mine.trim_start_matches("/shared/")).replace("@mine@", &mine),
        _ => r#"{"op": "list", "path": "/open"}"#.to_owned(),
    };
    match how {
        Scoped::Op(_) => {}
        Scoped::Widen => {
            let scoped = Client::connect(&field.node.url(), &token).await?;
            return Ok(Got::of(scoped.create_token(None, Some(vec!["*".to_owned()]), None, None).await));
        }
        Scoped::Expired => tokio::time::sleep(Duration::from_millis(300)).await,
        Scoped::Revoked => drop(field.eve.revoke_token(&info.id, None).await?),
    }
    let answer = ask(field, &token, &op).await;
    Ok(answer.got())
}

/// Microseconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
