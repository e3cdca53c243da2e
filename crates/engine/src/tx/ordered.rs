//! Objects in the order of an index: what an ordered search looks at, as long as it wants more.

use super::Tx;
use super::search::KeyRanges;
use crate::backend::{Backend, Key};
use crate::engine::Side;
use crate::index::{self as indexes, Index};
use crate::keys;
use emerge_proto::{ObjectId, Result};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Entries past which the objects are looked at in another way: to read one here and one there takes longer than to read all in a row.
const MAX_ENTRIES: usize = 20_000;

/// An order that an index has.
#[derive(Clone, Debug)]
pub struct IndexOrder {
    /// The index.
    pub index: Arc<Index>,
    /// The parts of it that are looked at, in order; all when absent.
    pub ranges: Option<KeyRanges>,
    /// From where on: the key of a value, and an object.
    pub after: Option<(Vec<u8>, ObjectId)>,
    /// From the greatest on.
    pub descending: bool,
}

/// A walk along an index.
///
/// Invariant: each object that is there from the beginning to the end of it and keeps its value is given before the walk has [reached](Self::reached) what
/// comes after it.
pub(super) struct Ordered {
    index: Arc<Index>,
    side: Side,
    /// Objects that the transaction has written, which come first.
    own: Vec<ObjectId>,
    /// What is left of the index, in the order in which it is read.
    left: VecDeque<Range<Key>>,
    reached: Option<(Vec<u8>, ObjectId)>,
    entries: usize,
    is_lost: bool,
}

impl Ordered {
    fn new(order: &IndexOrder, own: Vec<ObjectId>) -> Self {
        let side = if order.descending { Side::End } else { Side::Start };
        let id = order.index.id;
        let mut left: VecDeque<Range<Key>> = match &order.ranges {
            Some(ranges) => ranges.iter().map(|(from, to)| indexes::span(id, from, to)).collect(),
            None => VecDeque::from([indexes::span(id, &[], &[])]),
        };
        if let Some((key, object)) = &order.after {
            let at = Key::from(keys::index_entry(id, key, Some(*object)));
            for range in &mut left {
                match side {
                    Side::Start => range.start = range.start.clone().max(keys::after(&at)),
                    Side::End => range.end = range.end.clone().min(at.clone()),
                }
            }
        }
        left.retain(|range| range.start < range.end);
        if side == Side::End {
            left.make_contiguous().reverse();
        }
        Self { index: order.index.clone(), side, own, left, reached: None, entries: 0, is_lost: false }
    }

    /// The key of the value and the object up to which, inclusive, all were given.
    pub(super) fn reached(&self) -> Option<&(Vec<u8>, ObjectId)> {
        self.reached.as_ref()
    }

    /// Whether it went on for too long, or its index has gone: then what it gave is not all.
    pub(super) fn gives_up(&self) -> bool {
        self.is_lost || self.entries > MAX_ENTRIES
    }
}

impl<B: Backend> Tx<B> {
    pub(super) fn in_order(&self, order: &IndexOrder) -> Ordered {
        Ordered::new(order, self.without_entries().collect())
    }

    /// The next objects, after reading at most `budget` entries; none at the end.
    pub(super) async fn next_in_order(
        &mut self,
        walk: &mut Ordered,
        budget: usize,
        noted: bool,
    ) -> Result<Option<Vec<ObjectId>>> {
        if !walk.own.is_empty() {
            let rest = walk.own.split_off(budget.min(walk.own.len()));
            return Ok(Some(std::mem::replace(&mut walk.own, rest)));
        }
        if walk.gives_up() {
            return Ok(None);
        }
        let Some(range) = walk.left.pop_front() else { return Ok(None) };
        let entries = self.peek_range_from(walk.side, range.clone(), budget, noted).await?;
        if !self.has_index(&walk.index, noted).await? {
            walk.is_lost = true;
            return Ok(None);
        }
        if let Some((last, _)) = entries.last() {
            walk.reached = keys::index_entry_parts(last).map(|(key, id)| (key.to_vec(), id));
            if entries.len() == budget {
                walk.left.push_front(match walk.side {
                    Side::Start => keys::after(last)..range.end,
                    Side::End => range.start..last.clone(),
                });
            }
        }
        walk.entries += entries.len();
        let found = entries.iter().filter_map(|(key, _)| keys::last_id(key));
        Ok(Some(found.filter(|id| !self.writes.contains_key(&keys::object(*id)[..])).collect()))
    }
}
