//! Rights that are lent: what a caller trusts, and objects that are marked to run with their owner's rights.

use crate::attack::{Attack, Got, Running, brief};
use crate::doors::exchange;
use crate::field::{Field, HIDDEN, SECRET, class, path};
use emerge_client::native::Client;
use emerge_proto::guard::Guard;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{ClassHash, ClassSource, Error, ErrorCode, Language, Result, Value};

type Run = for<'a> fn(&'a Field) -> Running<'a>;

const TRUST: &[Guard] = &[Guard::Trust];
const MARK: &[Guard] = &[Guard::Mark];
/// The mark lends the owner's rights to code for which another answers, which narrows them again.
const BOTH: &[Guard] = &[Guard::Mark, Guard::Parties];
const PARTIES: &[Guard] = &[Guard::Parties];

pub(crate) fn attacks() -> Vec<Attack> {
    let all: [(&str, &str, &[Guard], Run); 23] = [
        ("trust-changed", "use trust in a class after it was changed", TRUST, |field| {
            boxed(trust(field, Trusted::Changed))
        }),
        ("trust-same-name", "use trust in a class of the same name", TRUST, |field| {
            boxed(trust(field, Trusted::SameName))
        }),
        ("trust-inherited", "use trust in a class by one that inherits from it", TRUST, |field| {
            boxed(trust(field, Trusted::Inherited))
        }),
        ("trust-nested", "use trust in the class that calls", TRUST, |field| {
            boxed(trust(field, Trusted::Nested))
        }),
        (
            "trust-said",
            "have a method say what its caller trusts",
            &[Guard::Trust, Guard::Parties],
            |field| boxed(trust(field, Trusted::Said)),
        ),
        ("trust-of-another", "use what another user trusts", PARTIES, |field| {
            boxed(trust(field, Trusted::OfAnother))
        }),
        ("trust-revoked", "use trust that was taken back", PARTIES, |field| {
            boxed(trust(field, Trusted::Revoked))
        }),
        ("trust-many", "trust more versions than may be", &[], |field| boxed(trust(field, Trusted::Many))),
        ("trust-marked", "have of a trusting caller what a marked object has not", &[], |field| {
            boxed(trust(field, Trusted::Marked))
        }),
        ("mark-another", "mark another's object", &[Guard::Mark, Guard::Rights], |field| {
            boxed(mark(field, Marked::Another))
        }),
        ("mark-administrator", "have the administrator mark a user's object", MARK, |field| {
            boxed(mark(field, Marked::Administrator))
        }),
        ("mark-strange-code", "have an owner mark an object of a stranger's code", MARK, |field| {
            boxed(mark(field, Marked::StrangeCode))
        }),
        ("mark-by-token", "mark an object by a token for less", MARK, |field| {
            boxed(mark(field, Marked::ByToken))
        }),
        ("mark-in-method", "mark its caller's object within a method", PARTIES, |field| {
            boxed(mark(field, Marked::InMethod))
        }),
        ("mark-write", "write into an object that its owner has marked", MARK, |field| {
            boxed(mark(field, Marked::Write))
        }),
        (
            "mark-write-by-token",
            "write into a marked object by a token for less, and call it",
            MARK,
            |field| boxed(mark(field, Marked::WriteByToken)),
        ),
        ("mark-restore", "restore what a marked object was", MARK, |field| {
            boxed(mark(field, Marked::Restore))
        }),
        ("mark-store", "store other code over a marked object", BOTH, |field| {
            boxed(mark(field, Marked::Store))
        }),
        ("mark-migrate", "make a marked object one of other code", BOTH, |field| {
            boxed(mark(field, Marked::Migrate))
        }),
        ("mark-new-version", "make a marked object one of a newer version of its class", BOTH, |field| {
            boxed(mark(field, Marked::NewVersion))
        }),
        ("mark-given", "have a marked object given to another owner", BOTH, |field| {
            boxed(mark(field, Marked::Given))
        }),
        ("mark-copied", "have a marked object copied by another", BOTH, |field| {
            boxed(mark(field, Marked::Copied))
        }),
        ("mark-imported", "have a marked object imported", MARK, |field| {
            boxed(mark(field, Marked::Imported))
        }),
    ];
    all.into_iter().map(|(name, tries, guards, run)| Attack::new(name, tries, guards, run)).collect()
}

fn boxed<'a>(attack: impl Future<Output = Result<Got>> + Send + 'a) -> Running<'a> {
    Box::pin(async move { attack.await.unwrap_or_else(Got::wrong) })
}

/// A class whose methods read what they are told to, by whatever rights they have.
fn reader(name: &str, beside: &str) -> ClassSource {
    let source = format!(
        "class {name} extends EmergeObject {{
            async read(path) {{ return (await fs.get(path)).secret; }}
            async follow() {{ return (await fs.get(this.to)).secret; }}
            async through(path, ...args) {{ return await fs.call(path, 'read', ...args); }}
            async say(self, path) {{ await fs.trust.add(self); return await fs.call(self, 'read', path); }}
            async mark(path) {{ await fs.chmod(path, 'u+s'); return 'marked'; }}
            {beside}
        }}"
    );
    class(Language::JavaScript, name, source)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

async fn call(client: &Client, at: &str, method: &str, args: &[Value]) -> Result<String> {
    let called = client.call(&path(at), method, args, false).await?;
    Ok(format!("{:?}", Value::decode(&called.result)))
}

/// What a call got of what only Ada may read.
fn told(called: Result<String>) -> Got {
    match called {
        Ok(told) if told.contains(SECRET) => Got::Through(brief(&told)),
        Ok(told) => Got::Contained(brief(&told)),
        Err(error) if format!("{error:?}").contains(SECRET) => Got::Through(brief(&error.to_string())),
        // What could not be called shows nothing.
        Err(error)
            if matches!(
                error.code,
                ErrorCode::MethodNotFound | ErrorCode::Unavailable | ErrorCode::Internal
            ) =>
        {
            Got::wrong(error)
        }
        Err(error) => Got::Contained(brief(&error.to_string())),
    }
}

/// Stores an object of a class of a client's, which all may do anything with.
async fn plant(
    client: &Client,
    at: &str,
    class: &ClassSource,
    fields: Vec<(String, Value)>,
) -> Result<ClassHash> {
    let hash = client.put_class(class).await?.hash;
    client.store(&path(at), hash, Value::Map(fields).encode(), StoreMode::Put).await?;
    client.chmod(&path(at), "777", false).await?;
    Ok(hash)
}

/// What Ada trusts, and what is made of it.
#[derive(Clone, Copy)]
enum Trusted {
    Changed,
    SameName,
    Inherited,
    Nested,
    Said,
    OfAnother,
    Revoked,
    Many,
    Marked,
}

async fn trust(field: &Field, how: Trusted) -> Result<Got> {
    let (at, other) = (field.fresh(), field.fresh());
    // Each attack has versions of its own.
    let note = format!("// {at}");
    let trusted = plant(&field.eve, &at, &reader("Reader", &note), Vec::new()).await?;
    let ada = field.ada.trusting(&[trusted]);
    let secret = [text(HIDDEN)];
    let good = call(&ada, &at, "read", &secret).await?;
    if !good.contains(SECRET) {
        return Ok(Got::wrong(format!("trust lends nothing: {good}")));
    }
    let changed = reader("Reader", &format!("{note}, changed\n more() {{}}"));
    Ok(match how {
        Trusted::Changed => {
            plant(&field.eve, &at, &changed, Vec::new()).await?;
            told(call(&ada, &at, "read", &secret).await)
        }
        Trusted::SameName => {
            plant(&field.eve, &other, &changed, Vec::new()).await?;
            told(call(&ada, &other, "read", &secret).await)
        }
        Trusted::Inherited => {
            let base = emerge_proto::class::BaseRef { name: "Reader".into(), hash: trusted };
            let heir = class(
                Language::JavaScript,
                "Heir",
                "class Heir extends Reader { async read(path) { return (await fs.get(path)).secret; } }"
                    .into(),
            );
            let heir = ClassSource { bases: vec![base], ..heir };
            plant(&field.eve, &other, &heir, Vec::new()).await?;
            told(call(&ada, &other, "read", &secret).await)
        }
        Trusted::Nested => {
            plant(&field.eve, &other, &changed, Vec::new()).await?;
            told(call(&ada, &at, "through", &[text(&other), text(HIDDEN)]).await)
        }
        Trusted::Said => {
            plant(&field.eve, &other, &changed, Vec::new()).await?;
            told(call(&field.ada, &other, "say", &[text(&other), text(HIDDEN)]).await)
        }
        // The administrator trusts nothing of it.
        Trusted::OfAnother => told(call(&field.admin, &at, "read", &secret).await),
        Trusted::Revoked => told(call(&ada.trusting(&[]), &at, "read", &secret).await),
        Trusted::Many => {
            let many = vec![trusted; emerge_proto::limits::MAX_TRUSTED + 1];
            told(call(&field.ada.trusting(&many), &at, "read", &secret).await)
        }
        Trusted::Marked => {
            field.eve.chmod(&path(&at), "4755", false).await?;
            told(call(&ada, &at, "read", &secret).await)
        }
    })
}

/// Whose object is marked, and what is made of that.
#[derive(Clone, Copy)]
enum Marked {
    Another,
    Administrator,
    StrangeCode,
    ByToken,
    InMethod,
    Write,
    WriteByToken,
    Restore,
    Store,
    Migrate,
    NewVersion,
    Given,
    Copied,
    Imported,
}

/// What it says that it points to.
fn to(at: &str) -> Vec<(String, Value)> {
    vec![("to".into(), Value::Ref(at.into()))]
}

async fn mark(field: &Field, how: Marked) -> Result<Got> {
    let (at, other) = (field.fresh(), field.fresh());
    let (ada, eve, admin) = (&field.ada, &field.eve, &field.admin);
    let note = format!("// {at}");
    let (gate, of_eve) = (reader("Gate", &note), reader("Reader", &note));
    let secret = [text(HIDDEN)];
    let done = |done: Result<()>| Got::of(done);
    Ok(match how {
        Marked::Another => {
            plant(ada, &at, &gate, to(&other)).await?;
            done(eve.chmod(&path(&at), "u+s", false).await.map(drop))
        }
        Marked::Administrator => {
            plant(ada, &at, &gate, to(&other)).await?;
            done(admin.chmod(&path(&at), "u+s", false).await.map(drop))
        }
        Marked::StrangeCode => {
            let class = eve.put_class(&of_eve).await?.hash;
            ada.store(&path(&at), class, Value::Map(to(&other)).encode(), StoreMode::Put).await?;
            done(ada.chmod(&path(&at), "u+s", false).await.map(drop))
        }
        Marked::ByToken => {
            plant(ada, &at, &gate, to(&other)).await?;
            let scoped = less(field, &[&format!("*:{at}")]).await?;
            done(scoped.chmod(&path(&at), "u+s", false).await.map(drop))
        }
        Marked::InMethod => {
            plant(ada, &at, &gate, to(&other)).await?;
            plant(eve, &other, &of_eve, Vec::new()).await?;
            done(call(ada, &other, "mark", &[text(&at)]).await.map(drop))
        }
        Marked::Write | Marked::Restore | Marked::WriteByToken => {
            plant(ada, &at, &gate, to(HIDDEN)).await?;
            ada.set(Target::Path(format!("{at}#to")), &Value::Ref(other), None).await?;
            ada.chmod(&path(&at), "4777", false).await?;
            let who = match how {
                Marked::WriteByToken => {
                    less(field, &[&format!("read:{at}"), &format!("write:{at}"), &format!("call:{at}")])
                        .await?
                }
                _ => eve.clone(),
            };
            match how {
                Marked::Restore => who.restore(&path(&at), 1u64, None).await?,
                _ => who.set(Target::Path(format!("{at}#to")), &Value::Ref(HIDDEN.into()), None).await?,
            };
            told(call(&who, &at, "follow", &[]).await)
        }
        Marked::Store | Marked::Migrate | Marked::NewVersion => {
            plant(ada, &at, &gate, to(&other)).await?;
            ada.chmod(&path(&at), "4777", false).await?;
            let source = match how {
                Marked::NewVersion => reader("Gate", &format!("{note}, changed")),
                _ => of_eve,
            };
            let class = eve.put_class(&source).await?.hash;
            match how {
                Marked::Store => {
                    eve.store(&path(&at), class, Value::Map(to(&other)).encode(), StoreMode::Put)
                        .await
                        .map(drop)?;
                }
                _ => eve.migrate(&path(&at), class, Some("old => old")).await.map(drop)?,
            }
            told(call(eve, &at, "read", &secret).await)
        }
        Marked::Given => {
            plant(eve, &at, &of_eve, to(&other)).await?;
            eve.chmod(&path(&at), "4777", false).await?;
            admin.chown(&path(&at), Some("ada"), None, false).await?;
            told(call(eve, &at, "read", &secret).await)
        }
        Marked::Copied => {
            plant(eve, &at, &of_eve, to(&other)).await?;
            eve.chmod(&path(&at), "4777", false).await?;
            admin.cp(&path(&at), &path(&other), false).await?;
            // A copy is for its maker alone until the maker says otherwise.
            admin.chmod(&path(&other), "o+x", false).await?;
            told(call(eve, &other, "read", &secret).await)
        }
        Marked::Imported => {
            plant(eve, &at, &of_eve, to(&other)).await?;
            eve.chmod(&path(&at), "4777", false).await?;
            imported(field, &at, &other).await?;
            let perms = admin.stat(&path(&other)).await?.perms;
            match perms.is_as_owner() {
                true => Got::Through(format!("it is marked: {perms}")),
                false => Got::Contained(format!("it is not marked: {perms}")),
            }
        }
    })
}

/// A client by a token of Ada's for less.
async fn less(field: &Field, scope: &[&str]) -> Result<Client> {
    let scope = scope.iter().map(|grant| (*grant).to_owned()).collect();
    let (token, _) = field.ada.create_token(None, Some(scope), None, None).await?;
    Client::connect(&field.node.url(), &token).await
}

/// Exports an object and imports it elsewhere, both by the administrator.
async fn imported(field: &Field, at: &str, to: &str) -> Result<()> {
    let (address, token) = (field.address(), &field.node.token);
    let head = format!("HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
    let got = exchange(field, format!("GET /export?path={at}&history=true {head}\r\n").as_bytes()).await;
    let begin = got.windows(4).position(|four| four == b"\r\n\r\n").map_or(got.len(), |at| at + 4);
    let file = &got[begin..];
    let post = format!(
        "POST /import?path={to} {head}Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        file.len()
    );
    let answer =
        String::from_utf8_lossy(&exchange(field, &[post.as_bytes(), file].concat()).await).into_owned();
    match answer.contains(" 200 ") {
        true => Ok(()),
        false => Err(Error::new(ErrorCode::Internal, format!("the import failed: {answer}"))),
    }
}
