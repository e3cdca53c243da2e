//! The text index of a node: what an index of words must do, and how it follows the store.
//!
//! It is derived, and never the truth: it holds the words of each object's current version, it is brought up to the last durable commit before it is asked, and
//! what it says is looked at once more on the objects themselves. It lies beside the store, says how far it has come in the same step as what it holds, and is
//! made anew when it is gone, broken, another store's, or too far behind the log. It is not made before somebody searches for text.

use crate::node::Node;
use emerge_engine::{Backend, Followed};
use emerge_proto::query::Score;
use emerge_proto::{Error, ErrorCode, ObjectId, Result};
use emerge_query::text::TextQuery;
use futures_util::future::BoxFuture;
use futures_util::lock::Mutex;
use std::cmp::Reverse;
use std::sync::Arc;

/// Objects that are added in one step while the index is made.
const BUILD: usize = 10_000;
/// Records of the log that are followed in one step.
const RECORDS: usize = 2_000;
/// Steps that one search waits for at most.
const STEPS: usize = 8;

/// How far an index has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPosition {
    /// The store that it is of.
    pub store: ObjectId,
    /// All changes up to this commit are in it, as far as it has come with the objects.
    pub commit: u64,
    /// While it is made: objects up to this id are in it. None at the beginning.
    pub cursor: Option<ObjectId>,
    /// Whether all objects are in it.
    pub ready: bool,
    /// Objects that were added while it was made.
    pub added: u64,
}

/// An object for the index.
#[derive(Clone, Debug)]
pub struct TextDocument {
    /// Which one.
    pub id: ObjectId,
    /// Its encoded fields; none when it is gone.
    pub state: Option<Vec<u8>>,
}

/// An object that has the words, and how well it fits: the best first, the older of two that fit as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// How well. It must follow from the object and the query alone, so that nobody learns of other objects by it.
    pub score: Score,
    /// Which object.
    pub id: ObjectId,
}

impl Ranked {
    /// The order of the results.
    pub fn place(&self) -> (Reverse<Score>, ObjectId) {
        (Reverse(self.score), self.id)
    }
}

/// An index of words. What it does is done wholly or not at all, also when it is cut off.
pub trait TextIndex: Send + Sync {
    /// How far it has come; none when there is none.
    fn position(&self) -> Option<TextPosition>;

    /// Begins anew, empty.
    ///
    /// # Errors
    /// `storage_failed`.
    fn clear(&self, position: TextPosition) -> BoxFuture<'_, Result<()>>;

    /// Puts these in the place of what it has of the same objects.
    ///
    /// # Errors
    /// `storage_failed`.
    fn write(&self, documents: Vec<TextDocument>, position: TextPosition) -> BoxFuture<'_, Result<()>>;

    /// Leaves these out from the next step on: they are gone for good.
    fn forget(&self, ids: Vec<ObjectId>);

    /// The first objects, in their order, that have all parts of the query, after one of them. Objects that have not may be among them.
    ///
    /// # Errors
    /// `storage_failed`.
    fn find(
        &self,
        query: Arc<TextQuery>,
        after: Option<Ranked>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Ranked>>>;
}

/// The node's text index, and whose turn it is to bring it up to date.
#[derive(Default)]
pub(crate) struct Texts {
    index: Option<Arc<dyn TextIndex>>,
    turn: Mutex<()>,
}

impl Texts {
    pub(crate) fn new(index: Option<Arc<dyn TextIndex>>) -> Self {
        Self { index, turn: Mutex::default() }
    }

    pub(crate) fn index(&self) -> Result<&Arc<dyn TextIndex>> {
        self.index
            .as_ref()
            .ok_or_else(|| Error::new(ErrorCode::Unsupported, "this node has no text index").field("text"))
    }
}

impl<B: Backend> Node<B> {
    /// Brings the text index one step further, if there is one. Gives whether there is more to do. The host calls it now and then, so that searches find less to
    /// be done.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn follow_text(&self, now_micros: i64) -> Result<bool> {
        let Ok(index) = self.texts().index() else { return Ok(false) };
        if index.position().is_none() {
            return Ok(false);
        }
        let through = self.engine().log_end().commit();
        let _turn = self.texts().turn.lock().await;
        Ok(!self.step(&**index, through, now_micros).await?)
    }

    /// Waits until the text index holds all that is durable now; makes it when there is none.
    ///
    /// # Errors
    /// `unavailable` when it takes long, with how far it is: it goes on in the background; `unsupported`, `storage_failed`.
    pub(crate) async fn text_index(&self, now_micros: i64) -> Result<Arc<dyn TextIndex>> {
        let index = self.texts().index()?;
        let through = self.engine().log_end().commit();
        for _ in 0..STEPS {
            if self.holds(index.position(), through) {
                return Ok(index.clone());
            }
            let _turn = self.texts().turn.lock().await;
            if self.step(&**index, through, now_micros).await? {
                return Ok(index.clone());
            }
        }
        let position = index.position();
        let why = match position {
            Some(position) if !position.ready => {
                format!(
                    "the text index is being made: {} objects are in it; ask again in a while",
                    position.added
                )
            }
            _ => "the text index is behind by many changes; ask again in a while".to_owned(),
        };
        Err(Error::new(ErrorCode::Unavailable, why))
    }

    fn holds(&self, position: Option<TextPosition>, through: u64) -> bool {
        position.is_some_and(|position| {
            position.ready && position.commit >= through && position.store == self.engine().store_id()
        })
    }

    /// One step; gives whether all up to a commit is in the index.
    async fn step(&self, index: &dyn TextIndex, through: u64, now: i64) -> Result<bool> {
        let store = self.engine().store_id();
        let end = self.engine().log_end().commit();
        let known = index.position().filter(|known| known.store == store && known.commit <= end);
        let Some(known) = known else {
            self.begin_text(index).await?;
            return Ok(false);
        };
        if !known.ready {
            let (objects, last) = self.engine().objects_after(known.cursor, BUILD, now).await?;
            let added = known.added + objects.len() as u64;
            let position = TextPosition { cursor: last, ready: last.is_none(), added, ..known };
            index.write(documents(objects), position).await?;
            return Ok(self.holds(index.position(), through));
        }
        if known.commit >= through {
            return Ok(true);
        }
        match self.engine().changed_after(known.commit, RECORDS, now).await {
            Ok(Followed { objects, through: commit }) => {
                index.write(documents(objects), TextPosition { commit, ..known }).await?;
                Ok(commit >= through)
            }
            Err(error) if error.code == ErrorCode::LogExpired => {
                self.begin_text(index).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Begins the index anew. What changes while it is made comes after this commit.
    async fn begin_text(&self, index: &dyn TextIndex) -> Result<()> {
        let position = TextPosition {
            store: self.engine().store_id(),
            commit: self.engine().log_end().commit(),
            cursor: None,
            ready: false,
            added: 0,
        };
        index.clear(position).await
    }
}

fn documents(objects: Vec<(ObjectId, Option<Vec<u8>>)>) -> Vec<TextDocument> {
    objects.into_iter().map(|(id, state)| TextDocument { id, state }).collect()
}
