//! One user against what the user may store.

use crate::attack::{Attack, Got};
use crate::doors::{ask, exchange};
use crate::field::{Field, class, fields, path};
use emerge_client::native::Client;
use emerge_proto::account::Quota;
use emerge_proto::guard::Guard;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, Language, ObjectType, Result, Value};
use futures_util::StreamExt;
use std::time::Duration;

/// How it is tried to store more.
#[derive(Clone, Copy)]
enum By {
    Directories,
    Objects,
    Bulk,
    Transaction,
    Transactions,
    Elsewhere,
    Copy,
    Import,
    Method,
    Mixin,
    Large,
    Versions,
    Field,
    Restore,
    Classes,
    Result,
    Token,
}

const QUOTA: &[Guard] = &[Guard::Quota];
/// Objects beside the home, and bytes, that are allowed beyond those that are there.
const OBJECTS: u64 = 3;
const BYTES: u64 = 4000;
/// What is tried: so many times, so many bytes each.
const TIMES: usize = 12;
const SIZE: usize = 1000;

#[rustfmt::skip]
const ROWS: &[(&str, &str, By)] = &[
    ("quota-directories", "make more directories than may be", By::Directories),
    ("quota-objects", "store more objects than may be, one after the other", By::Objects),
    ("quota-at-once", "store more objects than may be, all at once", By::Bulk),
    ("quota-transaction", "store more objects than may be in one transaction", By::Transaction),
    ("quota-transactions", "store more objects than may be in transactions that are open at once", By::Transactions),
    ("quota-elsewhere", "store more objects than may be in another user's directory", By::Elsewhere),
    ("quota-copy", "copy a tree until there is more than may be", By::Copy),
    ("quota-import", "import what was exported until there is more than may be", By::Import),
    ("quota-method", "have a method make more objects than may be", By::Method),
    ("quota-mixin", "mix objects until there are more than may be", By::Mixin),
    ("quota-large", "store a value of its own, larger than may be", By::Large),
    ("quota-versions", "store one object again until its versions are more than may be", By::Versions),
    ("quota-field", "set a field until the versions are more than may be", By::Field),
    ("quota-restore", "restore a version until there is more than may be", By::Restore),
    ("quota-classes", "store sources of classes that are more than may be", By::Classes),
    ("quota-result", "have a method leave more in its object than may be", By::Result),
    ("quota-token", "store more objects than may be by several tokens", By::Token),
];

pub(crate) fn attacks() -> Vec<Attack> {
    let mut all: Vec<Attack> = ROWS
        .iter()
        .map(|(name, tries, by)| Attack::new(name, tries, QUOTA, |field| Box::pin(run(field, *by))))
        .collect();
    all.extend([
        Attack::new("quota-raise", "give oneself a larger quota", &[Guard::Admin], |field| {
            Box::pin(own(field, r#"{"op": "quotas", "user": "@user@", "set": {}}"#))
        }),
        Attack::new("quota-look", "learn what another stores", &[Guard::Admin], |field| {
            Box::pin(own(field, r#"{"op": "quotas", "user": "ada"}"#))
        }),
    ]);
    all
}

/// A user with a quota.
struct Bounded {
    client: Client,
    token: String,
    user: String,
    home: String,
    class: ClassHash,
}

/// A class whose methods make and hold much.
const STORE: &str = "class Store extends EmergeObject {
    async make(at) {
        for (let n = 0; n < 12; n += 1) await fs.mkdir(`${at}/m${n}`);
        return 'through';
    }
    hold() { this.secret = 'x'.repeat(12000); return 'through'; }
}";

fn large(bytes: usize) -> Vec<u8> {
    fields(&"x".repeat(bytes))
}

impl Bounded {
    /// With an object of 1,000 bytes in a directory, and room for so many more.
    async fn make(field: &Field, objects: Option<u64>, bytes: Option<u64>) -> Result<Self> {
        let home = field.fresh();
        let user = home.trim_start_matches("/shared/").to_owned();
        let token = field.admin.add_user(&user, &[]).await?;
        let client = Client::connect(&field.node.url(), &token).await?;
        let class = client.put_class(&class(Language::JavaScript, "Store", STORE.into())).await?.hash;
        client.mkdir(&path(&home), false).await?;
        client.mkdir(&path(&format!("{home}/tree")), false).await?;
        let first = path(&format!("{home}/tree/first"));
        client.store(&first, class, large(SIZE), StoreMode::Put).await?;
        let used = field.admin.quotas(Some(&user)).await?;
        let used = used.first().map_or((0, 0), |info| (info.objects, info.bytes));
        let quota =
            Quota { objects: objects.map(|more| used.0 + more), bytes: bytes.map(|more| used.1 + more) };
        field.admin.set_quota(&user, quota).await?;
        Ok(Self { client, token, user, home, class })
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.home)
    }

    async fn store(&self, client: &Client, at: &str, bytes: usize) -> Result<()> {
        client.store(&path(at), self.class, large(bytes), StoreMode::Put).await.map(drop)
    }
}

/// What a user owns below a directory, counted by looking at all of it.
async fn owned(field: &Field, user: &str, below: &str) -> Result<(u64, u64)> {
    let (mut objects, mut bytes) = (0, 0);
    let mut left = vec![below.to_owned()];
    while let Some(at) = left.pop() {
        let stat = field.admin.stat(&path(&at)).await?;
        objects += u64::from(stat.owner == user);
        if stat.kind == ObjectType::Directory {
            let mut pages = std::pin::pin!(field.admin.list(&path(&at)));
            while let Some(page) = pages.next().await {
                left.extend(page?.members.iter().map(|member| format!("{at}/{}", member.name)));
            }
        } else if stat.owner == user {
            let versions = field.admin.history(&path(&at), None, None).await?;
            bytes += versions.iter().map(|version| version.size).sum::<u64>();
        }
    }
    Ok((objects, bytes))
}

async fn run(field: &Field, by: By) -> Got {
    match tried(field, by).await {
        Ok(got) => got,
        Err(error) => Got::wrong(error),
    }
}

async fn tried(field: &Field, by: By) -> Result<Got> {
    let of_bytes = matches!(
        by,
        By::Large | By::Versions | By::Field | By::Restore | By::Classes | By::Result | By::Import
    );
    let user = match of_bytes {
        true => Bounded::make(field, None, Some(BYTES)).await?,
        false => Bounded::make(field, Some(OBJECTS), None).await?,
    };
    let elsewhere = field.fresh();
    field.ada.mkdir(&path(&elsewhere), false).await?;
    field.ada.chmod(&path(&elsewhere), "777", false).await?;
    let below = if matches!(by, By::Elsewhere) { &elsewhere } else { &user.home };
    let before = owned(field, &user.user, below).await?;
    let (told, sources) = attempt(field, &user, by, &elsewhere).await?;
    let after = owned(field, &user.user, below).await?;
    // Sources are in no directory.
    let more = (after.0 - before.0, after.1 - before.1 + sources);
    let what = format!("{} objects and {} bytes more; {told}", more.0, more.1);
    let is_through = if of_bytes { more.1 > BYTES } else { more.0 > OBJECTS };
    Ok(if is_through { Got::Through(what) } else { Got::Contained(what) })
}

/// Tries it; gives what the last refusal was, and the bytes of sources that were stored.
async fn attempt(field: &Field, user: &Bounded, by: By, elsewhere: &str) -> Result<(String, u64)> {
    let (client, first) = (&user.client, user.at("tree/first"));
    let mut told = String::from("nothing was refused");
    let mut sources = 0;
    let mut open = Vec::new();
    if matches!(by, By::Transactions) {
        for _ in 0..TIMES {
            open.push(client.begin(None, Some(Duration::from_secs(60))).await?);
        }
    }
    let together = match by {
        By::Transaction => Some(client.begin(None, None).await?),
        _ => None,
    };
    if matches!(by, By::Bulk) {
        let stores =
            (0..TIMES).map(|n| async move { user.store(client, &user.at(&format!("n{n}")), 10).await });
        for done in futures_util::future::join_all(stores).await {
            told = done.err().map_or(told, |error| error.to_string());
        }
    }
    for n in 0..TIMES {
        let new = user.at(&format!("n{n}"));
        let done = match by {
            By::Bulk => Ok(()),
            By::Directories => client.mkdir(&path(&new), false).await.map(drop),
            By::Objects => user.store(client, &new, 10).await,
            By::Elsewhere => user.store(client, &format!("{elsewhere}/n{n}"), 10).await,
            By::Transaction => match &together {
                Some(tx) => user.store(tx, &new, 10).await,
                None => Ok(()),
            },
            By::Transactions => match open.get(n) {
                // Each in a directory of its own, so that none is in conflict with another.
                Some(tx) => user.store(tx, &format!("{new}/one"), 10).await,
                None => Ok(()),
            },
            By::Copy => client.cp(&path(&user.at("tree")), &path(&new), true).await,
            By::Import => import(field, user, &new).await,
            By::Method => {
                client.call(&path(&first), "make", &[Value::Text(user.home.clone())], false).await.map(drop)
            }
            By::Mixin => {
                let beside = user.at("n0");
                match n {
                    0 => {
                        let other = "class Other extends EmergeObject { more() { return 1; } }".into();
                        let other =
                            client.put_class(&class(Language::JavaScript, "Other", other)).await?.hash;
                        client.store(&path(&beside), other, large(10), StoreMode::Put).await.map(drop)
                    }
                    _ => client.mixin(&path(&first), &path(&beside), &path(&new), None).await.map(drop),
                }
            }
            By::Large => user.store(client, &new, 100_000).await,
            By::Versions => user.store(client, &first, SIZE + n).await,
            By::Field => {
                let value = Value::Text("y".repeat(SIZE + n));
                let at = emerge_proto::op::Target::Path(format!("{first}#secret"));
                client.set(at, &value, None).await.map(drop)
            }
            By::Restore => client.restore(&path(&first), 1u64, None).await.map(drop),
            By::Classes => {
                let text = format!(
                    "class More{n} extends EmergeObject {{ m() {{ return '{}'; }} }}",
                    "x".repeat(SIZE)
                );
                let length = text.len() as u64;
                let stored = client.put_class(&class(Language::JavaScript, &format!("More{n}"), text)).await;
                sources += if stored.is_ok() { length } else { 0 };
                stored.map(drop)
            }
            By::Result => client.call(&path(&first), "hold", &[], false).await.map(drop),
            By::Token => {
                let (token, _) =
                    client.create_token(None, Some(vec!["*:/**".to_owned()]), None, None).await?;
                let other = Client::connect(&field.node.url(), &token).await?;
                user.store(&other, &new, 10).await
            }
        };
        told = done.err().map_or(told, |error| error.to_string());
    }
    for tx in open.iter().chain(&together) {
        told = tx.commit().await.err().map_or(told, |error| error.to_string());
    }
    Ok((told, sources))
}

/// Exports the tree, and imports it beside.
async fn import(field: &Field, user: &Bounded, to: &str) -> Result<()> {
    let (at, token) = (field.address(), &user.token);
    let get = format!(
        "GET /export?path={}/tree&history=true HTTP/1.0\r\nHost: {at}\r\nAuthorization: Bearer {token}\r\n\r\n",
        user.home
    );
    let got = exchange(field, get.as_bytes()).await;
    let begin = got.windows(4).position(|four| four == b"\r\n\r\n").map_or(got.len(), |at| at + 4);
    let file = &got[begin..];
    let post = format!(
        "POST /import?path={to} HTTP/1.0\r\nHost: {at}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        file.len()
    );
    let answer = exchange(field, &[post.as_bytes(), file].concat()).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    match answer.contains(" 200 ") {
        true => Ok(()),
        false => Err(emerge_proto::Error::new(
            emerge_proto::ErrorCode::QuotaExceeded,
            answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned(),
        )),
    }
}

/// An operation about quotas, by the user whose quota it is.
async fn own(field: &Field, op: &str) -> Got {
    match Bounded::make(field, Some(OBJECTS), None).await {
        Ok(user) => ask(field, &user.token, &op.replace("@user@", &user.user)).await.got(),
        Err(error) => Got::wrong(error),
    }
}
