//! Finding where an item ends, by its structure alone: what its tags mean and whether its texts are UTF-8 is not looked at.

use super::fail::Fail;
use super::reader::{ARRAY, BYTES, MAP, Reader, TAG, TEXT};
use crate::ErrorCode;

/// What a scan may still spend.
pub(crate) struct Budget {
    /// Levels of arrays and maps.
    pub(crate) depth: usize,
    /// Items, counted one by one.
    pub(crate) items: usize,
    /// What `items` began with, for the error.
    pub(crate) limit: usize,
}

impl Budget {
    pub(crate) fn new(depth: usize, items: usize) -> Self {
        Self { depth, items, limit: items }
    }
}

/// The length of the item that begins at `at`.
pub(crate) fn item(bytes: &[u8], at: usize, budget: &mut Budget) -> Result<usize, crate::Error> {
    let mut reader = Reader::new(bytes);
    reader.set_position(at);
    skip(&mut reader, budget)?;
    Ok(reader.position() - at)
}

/// Takes one item.
pub(super) fn skip(reader: &mut Reader<'_>, budget: &mut Budget) -> Result<(), Fail> {
    if budget.items > 0 && reader.skip_plain() {
        budget.items -= 1;
        return Ok(());
    }
    let mut head = reader.head()?;
    while head.major == TAG {
        head = reader.head()?;
    }
    budget.items = budget.items.checked_sub(1).ok_or_else(|| {
        Fail::new(ErrorCode::LimitExceeded, format!("there are more than {} items", budget.limit))
            .limit(budget.limit as u64)
    })?;
    match head.major {
        BYTES | TEXT if head.is_indefinite() => {
            while !reader.at_break()? {
                let chunk = reader.head()?;
                if chunk.major != head.major || chunk.is_indefinite() {
                    return Err(Fail::bad("a string of indefinite length has a chunk of another kind"));
                }
                reader.take(chunk.argument)?;
            }
        }
        BYTES | TEXT => drop(reader.take(head.argument)?),
        ARRAY | MAP => {
            budget.depth = budget
                .depth
                .checked_sub(1)
                .ok_or_else(|| Fail::new(ErrorCode::TooDeep, "the arrays and maps nest too deep"))?;
            let each = if head.major == MAP { 2 } else { 1 };
            let mut count = 0;
            while if head.is_indefinite() { !reader.at_break()? } else { count < head.argument } {
                for _ in 0..each {
                    skip(reader, budget)?;
                }
                count += 1;
            }
            budget.depth += 1;
        }
        _ => {}
    }
    Ok(())
}
