//! The first documents in the order of their scores and, of the same score, of the objects' ids: an order that does not depend on how the index lies on the disk.

use emerge_node::Ranked;
use emerge_proto::ObjectId;
use emerge_proto::query::Score;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DocId, SegmentOrdinal, SegmentReader};

/// The fields of the halves of an id.
pub(crate) const HIGH: &str = "high";
pub(crate) const LOW: &str = "low";

type Place = (Reverse<Score>, ObjectId);

/// The two halves of an id.
pub(crate) fn halves(id: ObjectId) -> (u64, u64) {
    let both = u128::from_be_bytes(id.0);
    ((both >> 64) as u64, both as u64)
}

/// Collects the first documents after a place.
pub(crate) struct First {
    pub(crate) after: Option<Place>,
    pub(crate) limit: usize,
}

pub(crate) struct Segment {
    after: Option<Place>,
    limit: usize,
    high: Column<u64>,
    low: Column<u64>,
    /// The last of them on top.
    first: BinaryHeap<Place>,
}

impl Collector for First {
    type Fruit = Vec<Ranked>;
    type Child = Segment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<Segment> {
        Ok(Segment {
            after: self.after,
            limit: self.limit,
            high: segment.fast_fields().u64(HIGH)?,
            low: segment.fast_fields().u64(LOW)?,
            first: BinaryHeap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, segments: Vec<Vec<Place>>) -> tantivy::Result<Vec<Ranked>> {
        let mut all: Vec<Place> = segments.into_iter().flatten().collect();
        all.sort_unstable();
        all.truncate(self.limit);
        Ok(all.into_iter().map(|(Reverse(score), id)| Ranked { score, id }).collect())
    }
}

impl SegmentCollector for Segment {
    type Fruit = Vec<Place>;

    fn collect(&mut self, doc: DocId, score: f32) {
        let score = Reverse(Score(score.to_bits()));
        let is_full = self.first.len() >= self.limit;
        // Most are decided by their score alone.
        if self.after.is_some_and(|after| score < after.0)
            || is_full && self.first.peek().is_none_or(|last| score > last.0)
        {
            return;
        }
        let (Some(high), Some(low)) = (self.high.first(doc), self.low.first(doc)) else { return };
        let id = ObjectId((u128::from(high) << 64 | u128::from(low)).to_be_bytes());
        let place = (score, id);
        if self.after.is_some_and(|after| place <= after) {
            return;
        }
        if !is_full {
            self.first.push(place);
        } else if let Some(mut last) = self.first.peek_mut()
            && place < *last
        {
            *last = place;
        }
    }

    fn harvest(self) -> Vec<Place> {
        self.first.into_vec()
    }
}
