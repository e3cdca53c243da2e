//! Transactions: a client whose requests are done as one, or not at all.

use super::Client;
use emerge_proto::transaction::{Ended, Transaction as Info};
use emerge_proto::{Error, ErrorCode, Op, Result};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::Deref;
use std::time::Duration;

/// Times that [`Client::transaction`] runs its body, at most.
const ATTEMPTS: u32 = 10;
/// The longest wait after the first conflict; it doubles from one to the next.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// An open transaction: a [`Client`] whose requests are done in it, one after the other, and are seen by nobody else before it is
/// committed. Dropped, it stays open until it expires or the session ends; one with a name until it expires.
#[derive(Clone)]
pub struct Transaction {
    outside: Client,
    inside: Client,
    info: Info,
}

impl Deref for Transaction {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.inside
    }
}

impl Transaction {
    fn new(client: &Client, info: Info) -> Self {
        let inside = Client { tx: Some(info.id.to_string().into()), ..client.clone() };
        Self { outside: client.clone(), inside, info }
    }

    /// Its id, name and times.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Commits all that was done in it, and gives the time that it has, in microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// `conflict` when something that it read has changed since, naming the path where it may; `transaction_expired`. Nothing of it has
    /// happened then.
    pub async fn commit(&self) -> Result<i64> {
        self.end(true).await.map(|ended| ended.committed.unwrap_or_default())
    }

    /// Takes back all that was done in it.
    ///
    /// # Errors
    /// `transaction_expired`.
    pub async fn rollback(&self) -> Result<()> {
        self.end(false).await.map(drop)
    }

    async fn end(&self, commit: bool) -> Result<Ended> {
        self.outside.ask(Op::End { tx: self.info.id.to_string(), commit }).await
    }
}

impl Client {
    /// Opens a transaction. One with a `name` is found by the user's other clients; it expires after `lifetime`, or after a minute.
    ///
    /// # Errors
    /// `already_exists` (the name), `limit_exceeded`, `bad_argument` (the name, or a time of nothing).
    pub async fn begin(&self, name: Option<&str>, lifetime: Option<Duration>) -> Result<Transaction> {
        let lifetime_ms = lifetime.map(|lifetime| u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX));
        let info = self.ask(Op::Begin { name: name.map(str::to_owned), lifetime_ms }).await?;
        Ok(Transaction::new(self, info))
    }

    /// Finds an open transaction of the user by its name or id.
    ///
    /// # Errors
    /// `not_found`, `transaction_expired`.
    pub async fn open_transaction(&self, tx: &str) -> Result<Transaction> {
        let open: Vec<Info> = self.ask(Op::Transactions { tx: Some(tx.to_owned()) }).await?;
        let missing =
            || Error::new(ErrorCode::NotFound, format!("there is no open transaction {tx:?}")).field(tx);
        open.into_iter().next().map(|info| Transaction::new(self, info)).ok_or_else(missing)
    }

    /// The user's open transactions, oldest first.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub async fn transactions(&self) -> Result<Vec<Info>> {
        self.ask(Op::Transactions { tx: None }).await
    }

    /// Runs `body` in a transaction that is committed at the end and rolled back when the body fails. After a conflict the body runs again,
    /// some times at most, each after a longer wait: it should do nothing but what it does through the client that it is given.
    ///
    /// # Errors
    /// What the body gives, and what [`Client::begin`] and [`Transaction::commit`] do.
    pub async fn transaction<T>(&self, body: impl AsyncFn(&Transaction) -> Result<T>) -> Result<T> {
        let mut attempt = 1;
        loop {
            let tx = self.begin(None, None).await?;
            let done = match body(&tx).await {
                Ok(value) => tx.commit().await.map(|_| value),
                Err(error) => {
                    // When this fails too the node has let go of it, or soon will.
                    let _ = tx.rollback().await;
                    Err(error)
                }
            };
            match done {
                Err(error) if error.code == ErrorCode::Conflict && attempt < ATTEMPTS => {
                    // Between half of the longest wait and all of it, so that those who collided do not meet again.
                    let longest = FIRST_WAIT * (1 << (attempt - 1).min(7));
                    let jitter = RandomState::new().build_hasher().finish() as u32;
                    tokio::time::sleep(
                        longest / 2 + (longest / 2).mul_f64(f64::from(jitter) / f64::from(u32::MAX)),
                    )
                    .await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }
}
