//! The object file system over a [`Backend`]: directories, objects and their versions, classes, permissions,
//! transactions, outcomes of requests.
//!
//! No runtime, no socket, no clock and no randomness: times (microseconds since 1970-01-01T00:00:00Z) and seeds are
//! passed in. All futures are `Send`.
//!
//! ```text
//! let engine = Engine::open(backend, EngineOptions::new("node"), now).await?;
//! spawn(engine.clone().run());                          // the committer; once
//!
//! let mut tx = engine.begin(principal, now, seed);      // Tx: mkdir store get stat list rm mv cp put_class class
//! let stored = tx.store(&"/a/b".into(), …).await?;      //     class_by_path class_by_hash history path_of
//!                                                       //     object_for_call set_state chmod chown purge set_rules
//!                                                       //     users groups
//! let commit = tx.commit(Some(outcome)).await?;         // visible at once; CommitError::Conflict: run it again
//! engine.durable(commit.number).await?;                 // only now may anyone be told
//!
//! engine.outcome(session, seq, "").await?;              // what an earlier run of the same request came to
//! engine.load_session(session).await?;                  // after a restart
//! engine.forget_session(session).await?;
//! engine.collect(now, budget).await?;                   // background work, now and then
//! engine.shutdown().await?;                             // flushes, and ends run()
//! ```
//!
//! - **Serializable.** What a transaction read, listed ranges included, is validated in memory when it commits; see
//!   [`Tx::commit`]. A transaction that only read is validated too. When an operation fails, [`Tx::is_current`] says
//!   whether the error can be trusted.
//! - **Output gate.** A commit is in memory until [`Engine::run`] has taken it to the backend. Everything that is said
//!   to the outside waits for [`Engine::poll_durable`] of [`Commit::number`] (or of [`Tx::depends_on`], for an error).
//! - **Exactly once.** An [`Outcome`] is committed with the change, and two runs of one request can never both commit.
//! - **A failed backend commit** fails everything that is not durable with `storage_failed` and effect unknown; all
//!   active transactions conflict, the store is claimed again, and the engine goes on from what the backend has.

pub mod access;
mod accounts;
pub mod backend;
pub mod backup;
mod cache;
mod change;
mod classes;
mod collect;
mod committer;
mod declared;
mod engine;
mod fields;
mod follow;
mod gate;
mod index;
mod keys;
mod memory;
mod object;
mod outcomes;
mod pages;
mod parties;
mod pattern;
mod queue;
mod random;
mod session;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod upgrade;
mod usage;
mod watch;

pub use access::Principal;
pub use accounts::Bearer;
pub use backend::{Backend, BackendError, CommitRecord};
pub use classes::Lineage;
pub use collect::Collected;
#[cfg(feature = "mutations")]
pub use engine::Mutations;
pub use engine::{Engine, EngineOptions};
pub use follow::Followed;
pub use index::Index;
pub use memory::MemoryBackend;
pub use parties::Parties;
pub use pattern::Pattern;
pub use session::{KeptOutcome, KeptSession, Outcome};
pub use tx::{
    Base, Candidate, Code, Commit, CommitError, CopyPart, IndexOrder, KeyRanges, Listing, MadeVersion,
    ObjectForCall, Ownership, Savepoint, Scope, Tx, Walk, is_told_by_node, yield_now,
};
pub use watch::{Mark, Seen};
