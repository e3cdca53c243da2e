//! Where everything lies. The first byte of a key says which kind of record it is.

use crate::backend::Key;
use emerge_proto::{ClassHash, ObjectId, SessionId};
use std::ops::Range;

/// `m name` -> store-wide facts.
pub(crate) const META: u8 = b'm';
/// `e directory-id name` -> [`crate::object::Entry`].
pub(crate) const ENTRY: u8 = b'e';
/// `o id` -> [`crate::object::Object`], the current version.
pub(crate) const OBJECT: u8 = b'o';
/// `v id version` -> [`crate::object::Object`], an earlier version.
pub(crate) const VERSION: u8 = b'v';
/// `k hash` -> [`emerge_proto::ClassVersion`].
pub(crate) const CLASS: u8 = b'k';
/// `n owner-length owner name` -> [`crate::object::ClassHead`].
pub(crate) const CLASS_HEAD: u8 = b'n';
/// `c hash user` -> nothing: the user has stored this version's source too, after its first owner.
pub(crate) const CLASS_OWNER: u8 = b'c';
/// `f class-id` -> the number of the class's newest version, once it may be another than its one head tells.
pub(crate) const CLASS_NEWEST: u8 = b'f';
/// `b sha256 chunk` -> bytes of a large value.
pub(crate) const BLOB: u8 = b'b';
/// `x sha256 id version` -> nothing: this version of this object holds the blob.
pub(crate) const BLOB_USE: u8 = b'x';
/// `r session` -> [`crate::session::SessionRecord`].
pub(crate) const SESSION: u8 = b'r';
/// `l number` -> [`crate::change::LogRecord`].
pub(crate) const LOG: u8 = b'l';
/// `p name` -> [`crate::accounts::Account`]: a user.
pub(crate) const USER: u8 = b'p';
/// `h sha256` -> the name of the user whose token has this hash, and after a `/` the token's id unless it is the user's first.
pub(crate) const TOKEN: u8 = b'h';
/// `q user-length user id` -> [`crate::accounts::NamedToken`].
pub(crate) const NAMED_TOKEN: u8 = b'q';
/// `g name` -> nothing: a group.
pub(crate) const GROUP: u8 = b'g';
/// `u name` -> [`crate::usage::Used`]: what a user stores.
pub(crate) const USED: u8 = b'u';
/// `w name` -> [`emerge_proto::account::Quota`]: what a user may store.
pub(crate) const QUOTA: u8 = b'w';
/// `t id` -> nothing: unlinked, waits for collection.
pub(crate) const TRASH: u8 = b't';
/// `d class-id field` -> [`crate::index::IndexRecord`].
pub(crate) const INDEX_DEF: u8 = b'd';
/// `i index-id value-key object-id` -> nothing: the object has a value of this key.
pub(crate) const INDEX: u8 = b'i';
/// `j index-id` -> nothing: dropped, its entries wait for collection.
pub(crate) const DROPPED_INDEX: u8 = b'j';

/// The format that this code writes.
pub(crate) const FORMAT: u64 = 5;

pub(crate) fn meta(name: &str) -> Key {
    join(META, &[name.as_bytes()])
}

pub(crate) fn entry(directory: ObjectId, name: &str) -> Vec<u8> {
    build(ENTRY, &[&directory.0, name.as_bytes()])
}

/// All entries of a directory, or those after a name.
pub(crate) fn entries(directory: ObjectId, after: Option<&str>) -> Range<Key> {
    let start = match after {
        // A zero byte makes the key the next possible one.
        Some(name) => join(ENTRY, &[&directory.0, name.as_bytes(), &[0]]),
        None => join(ENTRY, &[&directory.0]),
    };
    start..after_prefix(&build(ENTRY, &[&directory.0]))
}

/// The entries of a directory whose names begin with a prefix, or those of them after a name.
pub(crate) fn entries_with(directory: ObjectId, prefix: &str, after: Option<&str>) -> Range<Key> {
    let range = self::prefix(&build(ENTRY, &[&directory.0, prefix.as_bytes()]));
    let after = after.map(|_| entries(directory, after).start);
    let start = after.map_or(range.start.clone(), |after| after.max(range.start));
    start..range.end
}

/// The owner and the name in the key of a class.
pub(crate) fn class_head_parts(key: &[u8]) -> Option<(&str, &str)> {
    let owner = u32::from_be_bytes(key.get(1..5)?.try_into().ok()?) as usize;
    let (owner, name) = key.get(5..)?.split_at_checked(owner)?;
    Some((std::str::from_utf8(owner).ok()?, std::str::from_utf8(name).ok()?))
}

/// The name in the key of an entry.
pub(crate) fn entry_name(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(17..)?).ok()
}

pub(crate) fn object(id: ObjectId) -> ObjectKey {
    let mut key = [OBJECT; 17];
    key[1..].copy_from_slice(&id.0);
    key
}

/// The key of an object: all are of one length.
pub(crate) type ObjectKey = [u8; 17];

/// All objects, or those after an id.
pub(crate) fn objects(after: Option<ObjectId>) -> Range<Key> {
    let all = all(OBJECT);
    match after {
        Some(id) => join(OBJECT, &[&id.0, &[0]])..all.end,
        None => all,
    }
}

/// The next key after one.
pub(crate) fn after(key: &[u8]) -> Key {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

pub(crate) fn version(id: ObjectId, version: u64) -> Vec<u8> {
    build(VERSION, &[&id.0, &version.to_be_bytes()])
}

pub(crate) fn versions(id: ObjectId) -> Range<Key> {
    prefix(&build(VERSION, &[&id.0]))
}

/// Those from one number up to, and without, another.
pub(crate) fn versions_between(id: ObjectId, from: u64, to: u64) -> Range<Key> {
    Key::from(version(id, from))..Key::from(version(id, to))
}

/// The id and the version in the key of an earlier version.
pub(crate) fn version_parts(key: &[u8]) -> Option<(ObjectId, u64)> {
    Some((ObjectId(key.get(1..17)?.try_into().ok()?), u64::from_be_bytes(key.get(17..)?.try_into().ok()?)))
}

pub(crate) fn class(hash: ClassHash) -> Vec<u8> {
    build(CLASS, &[&hash.0])
}

pub(crate) fn class_head(owner: &str, name: &str) -> Vec<u8> {
    build(CLASS_HEAD, &[&(owner.len() as u32).to_be_bytes(), owner.as_bytes(), name.as_bytes()])
}

pub(crate) fn class_owner(hash: ClassHash, user: &str) -> Vec<u8> {
    build(CLASS_OWNER, &[&hash.0, user.as_bytes()])
}

pub(crate) fn class_newest(class: ObjectId) -> Vec<u8> {
    build(CLASS_NEWEST, &[&class.0])
}

pub(crate) fn blob(hash: &[u8; 32], chunk: u32) -> Vec<u8> {
    build(BLOB, &[hash, &chunk.to_be_bytes()])
}

pub(crate) fn blob_use(hash: &[u8; 32], id: ObjectId, version: u64) -> Vec<u8> {
    build(BLOB_USE, &[hash, &id.0, &version.to_be_bytes()])
}

pub(crate) fn blob_uses(hash: &[u8; 32]) -> Range<Key> {
    prefix(&build(BLOB_USE, &[hash]))
}

pub(crate) fn session(session: SessionId) -> Key {
    join(SESSION, &[&session.0])
}

/// The session in the key of its record.
pub(crate) fn session_of(key: &[u8]) -> Option<SessionId> {
    Some(SessionId(key.get(1..17)?.try_into().ok()?))
}

pub(crate) fn log(number: u64) -> Key {
    join(LOG, &[&number.to_be_bytes()])
}

/// The log after a commit.
pub(crate) fn log_after(number: u64) -> Range<Key> {
    log(number.saturating_add(1))..after_prefix(&[LOG])
}

/// The commit in the key of its log record.
pub(crate) fn log_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?))
}

pub(crate) fn trash(id: ObjectId) -> Vec<u8> {
    build(TRASH, &[&id.0])
}

pub(crate) fn user(name: &str) -> Vec<u8> {
    build(USER, &[name.as_bytes()])
}

pub(crate) fn token(hash: &[u8; 32]) -> Vec<u8> {
    build(TOKEN, &[hash])
}

pub(crate) fn named_token(user: &str, id: &str) -> Vec<u8> {
    build(NAMED_TOKEN, &[&(user.len() as u32).to_be_bytes(), user.as_bytes(), id.as_bytes()])
}

/// The user and the id in the key of a token.
pub(crate) fn named_token_parts(key: &[u8]) -> Option<(&str, &str)> {
    class_head_parts(key)
}

pub(crate) fn used(user: &str) -> Key {
    join(USED, &[user.as_bytes()])
}

pub(crate) fn quota(user: &str) -> Key {
    join(QUOTA, &[user.as_bytes()])
}

pub(crate) fn group(name: &str) -> Vec<u8> {
    build(GROUP, &[name.as_bytes()])
}

/// The name in a key that is a kind and a name.
pub(crate) fn name_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(1..)?).ok()
}

pub(crate) fn index(class: ObjectId, field: &str) -> Vec<u8> {
    build(INDEX_DEF, &[&class.0, field.as_bytes()])
}

/// The class and the field in the key of an index.
pub(crate) fn index_parts(key: &[u8]) -> Option<(ObjectId, &str)> {
    Some((id_of(key)?, std::str::from_utf8(key.get(17..)?).ok()?))
}

/// An entry of an index, or what all those begin with that have this key of a value.
pub(crate) fn index_entry(index: ObjectId, value: &[u8], object: Option<ObjectId>) -> Vec<u8> {
    let object = object.map(|id| id.0);
    build(INDEX, &[&index.0, value, object.as_ref().map_or(&[], |id| &id[..])])
}

/// The object in an entry of an index.
pub(crate) fn last_id(key: &[u8]) -> Option<ObjectId> {
    Some(ObjectId(key.get(key.len().checked_sub(16)?..)?.try_into().ok()?))
}

/// The key of a value in an entry of an index, and the object.
pub(crate) fn index_entry_parts(key: &[u8]) -> Option<(&[u8], ObjectId)> {
    Some((key.get(17..key.len().checked_sub(16)?)?, last_id(key)?))
}

pub(crate) fn dropped_index(index: ObjectId) -> Vec<u8> {
    build(DROPPED_INDEX, &[&index.0])
}

/// The name in the key of a class.
pub(crate) fn class_name(key: &[u8]) -> Option<&str> {
    let owner = u32::from_be_bytes(key.get(1..5)?.try_into().ok()?) as usize;
    std::str::from_utf8(key.get(5 + owner..)?).ok()
}

/// The id in a key that is a kind and an id.
pub(crate) fn id_of(key: &[u8]) -> Option<ObjectId> {
    Some(ObjectId(key.get(1..17)?.try_into().ok()?))
}

/// All records of one kind.
pub(crate) fn all(kind: u8) -> Range<Key> {
    prefix(&[kind])
}

/// All keys that begin with `bytes`.
pub(crate) fn prefix(bytes: &[u8]) -> Range<Key> {
    Key::from(bytes)..after_prefix(bytes)
}

/// The first key after all that begin with `bytes`.
fn after_prefix(bytes: &[u8]) -> Key {
    let mut end = bytes.to_vec();
    // The kind byte is never 255, so this stops before the vector is empty.
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

fn build(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

fn join(kind: u8, parts: &[&[u8]]) -> Key {
    build(kind, parts).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_keys_and_no_others() {
        let full = ObjectId([255; 16]);
        let range = entries(full, None);
        assert!(range.contains(&Key::from(entry(full, "a"))));
        assert!(!range.contains(&Key::from(entry(ObjectId([254; 16]), "\u{10ffff}"))));
        assert!(range.end > range.start && range.end <= Key::from(&[ENTRY + 1][..]));
        let after = entries(full, Some("b"));
        assert!(!after.contains(&Key::from(entry(full, "b"))));
        assert!(after.contains(&Key::from(entry(full, "b!"))));
        for (prefix, after, wanted) in [
            ("", None, "abc"),
            ("b", None, "b"),
            ("", Some("a"), "bc"),
            ("b", Some("a"), "b"),
            ("a", Some("b"), ""),
        ] {
            let range = entries_with(full, prefix, after);
            let found: String = ["a", "b", "c"]
                .into_iter()
                .filter(|name| range.contains(&Key::from(entry(full, name))))
                .collect();
            assert_eq!(found, wanted, "{prefix} {after:?}");
        }
        assert_eq!(class_head_parts(&class_head("ada", "Point")), Some(("ada", "Point")));
    }

    #[test]
    fn parts_come_back() {
        let id = SessionId([7; 16]);
        assert_eq!(session_of(&session(id)), Some(id));
        assert_eq!(log_number(&log(9)), Some(9));
        assert!(!log_after(9).contains(&log(9)) && log_after(9).contains(&log(10)));
        let id = ObjectId([3; 16]);
        assert_eq!(version_parts(&version(id, 12)), Some((id, 12)));
    }
}
