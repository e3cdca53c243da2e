//! Searches for text: the objects that the text index names, looked at once more, and what is told of each.

use super::Place;
use super::cursor::Cursor;
use crate::text::{Ranked, TextIndex};
use emerge_engine::{Backend, Candidate, Tx};
use emerge_proto::query::{Highlight, Match, Score};
use emerge_proto::{Error, ErrorCode, ObjectId, Query, Result, limits};
use emerge_query::text::TextQuery;
use std::collections::HashMap;
use std::sync::Arc;

/// Objects that the index names at a time: at first, and at most.
const FIRST: usize = 64;
const MOST: usize = 65_536;

pub(super) struct Words {
    query: Arc<TextQuery>,
    index: Arc<dyn TextIndex>,
    /// The last that the index named.
    last: Option<Ranked>,
    ended: bool,
    batch: usize,
    scores: HashMap<ObjectId, Score>,
    highlights: HashMap<ObjectId, Vec<Highlight>>,
    /// Whether objects are told with their highlights.
    tells: bool,
    /// Whether the index forgets what is gone: not what is gone within a transaction alone.
    forgets: bool,
}

impl Words {
    pub(super) async fn new<B: Backend>(
        place: &Place<'_, B>,
        query: &Query,
        text: &str,
        cursor: &Cursor,
    ) -> Result<Self> {
        let wanted = Arc::new(TextQuery::read(text, query.text_fields.as_deref())?);
        let index = place.node.text_index(place.now).await?;
        let is_ranked = query.order.is_none();
        let last = match cursor.id.filter(|_| is_ranked) {
            Some(id) => {
                let wrong = || {
                    Error::new(ErrorCode::BadArgument, "after: this is not a cursor of this search")
                        .field("after")
                };
                let bits = <[u8; 4]>::try_from(&*cursor.key).map_err(|_| wrong())?;
                Some(Ranked { score: Score(u32::from_be_bytes(bits)), id })
            }
            None => None,
        };
        let page = query.page.map_or(limits::MAX_PAGE, |page| page as usize).min(limits::MAX_PAGE);
        let wanted_now = query.limit.map_or(page, |limit| page.min(usize::try_from(limit).unwrap_or(page)));
        Ok(Self {
            query: wanted,
            index,
            last,
            ended: false,
            // A few more than are wanted, of which some may not be read.
            batch: if is_ranked { (wanted_now + wanted_now / 4).max(FIRST) } else { MOST },
            scores: HashMap::new(),
            highlights: HashMap::new(),
            tells: query.count != Some(true) && query.group.is_none(),
            forgets: !place.noted,
        })
    }

    /// The next objects that the index names, the best first; none when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<ObjectId>>> {
        if self.ended {
            return Ok(None);
        }
        let found = self.index.find(self.query.clone(), self.last, self.batch).await?;
        self.ended = found.len() < self.batch;
        self.last = found.last().copied().or(self.last);
        self.batch = (self.batch * 4).min(MOST);
        if self.tells {
            self.scores.extend(found.iter().map(|ranked| (ranked.id, ranked.score)));
        }
        Ok(Some(found.into_iter().map(|ranked| ranked.id).collect()))
    }

    /// Those that have the words, as they are now.
    pub(super) async fn verify<B: Backend>(
        &mut self,
        tx: &mut Tx<B>,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>> {
        let mut good = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let joined;
            let state = match candidate.state() {
                Some(state) => state,
                None => {
                    joined = tx.candidate_state(&candidate).await?;
                    &joined
                }
            };
            if let Some(highlights) = self.query.find(state)? {
                if self.tells {
                    self.highlights.insert(candidate.id, highlights);
                }
                good.push(candidate);
            }
        }
        Ok(good)
    }

    /// What a cursor after an object keeps of it.
    pub(super) fn key(&self, id: Option<ObjectId>) -> Vec<u8> {
        let score = id.and_then(|id| self.scores.get(&id));
        score.map_or_else(Vec::new, |score| score.0.to_be_bytes().to_vec())
    }

    pub(super) fn tell(&mut self, item: &mut Match) {
        item.score = self.scores.get(&item.stat.id).copied();
        item.highlights = self.highlights.remove(&item.stat.id);
    }

    /// Lets the index leave out what is gone.
    pub(super) fn forget(&self, gone: Vec<ObjectId>) {
        if self.forgets && !gone.is_empty() {
            self.index.forget(gone);
        }
    }
}
