//! Copies: of an object or a tree in one commit, and of a larger tree a part at a time.

use super::Tx;
use super::place::{self, Place};
use super::rules;
use super::tree::{Slot, into_itself};
use crate::access::{self, Want};
use crate::backend::Backend;
use crate::keys;
use crate::object::Object;
use emerge_proto::op::Target;
use emerge_proto::scope::Verb;
use emerge_proto::{Error, ErrorCode, ObjectId, ObjectType, Path, Perms, Result, limits};
use std::collections::VecDeque;
use std::sync::Arc;

/// Objects and directories that one part of a larger copy makes.
const PART: u64 = 1000;
/// Bytes of states after which a part ends early, so that it fits into a commit.
const PART_BYTES: usize = 1024 * 1024;

/// How far a copy in parts has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPart {
    /// What was copied last.
    pub path: Path,
    /// Objects and directories that are copied by now.
    pub copied: u64,
    /// Where the next part goes on; none when all is copied. The bytes of these grow from part to part.
    pub cursor: Option<String>,
}

/// A directory that is being copied.
struct Frame {
    source: ObjectId,
    path: Path,
    target: ObjectId,
    /// Goes on after this member.
    after: Option<String>,
    /// Members that were read and not copied yet.
    read: VecDeque<(ObjectId, Arc<Object>)>,
}

/// A cursor, read: how many were copied, whether into the directory `to` (or as it), and the last one's path below the copied directory.
struct Cursor {
    copied: u64,
    into: bool,
    last: Vec<String>,
}

/// What is copied, the permissions that its copies have at most, the directories that are open, and how far it has come.
type Begun = (Path, Perms, Vec<Frame>, Cursor);

impl Cursor {
    fn text(&self) -> String {
        format!("{:016x}:{}{}", self.copied, if self.into { 'i' } else { 'a' }, self.last.join("/"))
    }

    fn read(text: &str) -> Result<Self> {
        let read = || {
            let (copied, rest) = text.split_once(':').filter(|(copied, _)| copied.len() == 16)?;
            let (into, last) = rest.split_at_checked(1)?;
            let into = match into {
                "i" => true,
                "a" => false,
                _ => return None,
            };
            let last = last.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
            Some(Self { copied: u64::from_str_radix(copied, 16).ok()?, into, last })
        };
        read().ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "the cursor is not one of a copy in parts").field("after")
        })
    }
}

impl<B: Backend> Tx<B> {
    /// Copies an object, or a tree in one commit. The copies have ids of their own, version 1, the caller as owner and
    /// the permissions of what they copy, without the mask of the directory that they come to. Onto a directory: into it. Of a tree only what the caller may see is copied.
    /// Gives how many objects and directories were copied.
    ///
    /// # Errors
    /// `not_found`, `already_exists`, `is_a_directory` (without `recursive`), `permission_denied`, `bad_argument` (a
    /// directory into itself), `limit_exceeded`, `not_a_directory`, `bad_path`.
    pub async fn cp(&mut self, from: &Target, to: &str, recursive: bool) -> Result<u64> {
        let savepoint = self.savepoint();
        let result = self.cp_inner(from, to, recursive).await;
        self.settle(&savepoint, result)
    }

    async fn cp_inner(&mut self, from: &Target, to: &str, recursive: bool) -> Result<u64> {
        let (place, slot) = self.copy_slot(from, to, recursive).await?;
        let mut copied = 0;
        // Each: what to copy, where it is, the directory that gets the copy, and the name there.
        let mut rest = vec![(place.id, place.object, place.path, slot.parent, slot.path.name().to_owned())];
        while let Some((id, object, path, parent, name)) = rest.pop() {
            copied += 1;
            if copied + rest.len() > limits::MAX_COPY {
                return Err(Error::new(
                    ErrorCode::LimitExceeded,
                    format!("a copy in one commit has at most {} objects and directories", limits::MAX_COPY),
                )
                .at(&path)
                .limit(limits::MAX_COPY as u64));
            }
            let made = self.copy_one(&object, &path, (parent, &name), slot.perms).await?;
            if object.is_directory() {
                let entries = self.scan(keys::entries(id, None), limits::MAX_COPY + 1).await?;
                for (member, object) in self.shown_members(&path, entries).await? {
                    let (path, name) = (path.join(&object.name)?, object.name.clone());
                    rest.push((member, object, path, made, name.to_string()));
                }
            }
        }
        Ok(copied as u64)
    }

    /// What is to be copied, and where to.
    async fn copy_slot(&mut self, from: &Target, to: &str, recursive: bool) -> Result<(Place, Slot)> {
        let place = self.seen(from).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        if place.object.is_directory() && !recursive {
            return Err(place::is_a_directory(&place.path));
        }
        place.not_the_root("copied")?;
        let slot = self.free_slot(to, &place).await?;
        if slot.above.contains(&place.id) {
            return Err(into_itself(&place.path, &slot.path, "copied"));
        }
        Ok((place, slot))
    }

    /// Copies an object, or makes a directory like one, with the permissions that new members can have at `most`.
    async fn copy_one(
        &mut self,
        object: &Object,
        path: &Path,
        (parent, name): (ObjectId, &str),
        most: Perms,
    ) -> Result<ObjectId> {
        self.check(object, Want::Read, path)?;
        // A mask says nothing of the sticky bit.
        let perms = Perms(object.perms.0 & (most.0 | !0o777)).without_owner_mark();
        if object.is_directory() {
            self.check(object, Want::Execute, path)?;
            return Ok(self.make_directory(parent, name, perms).id);
        }
        let id = self.new_id();
        for blob in &object.blobs {
            self.use_blob(blob, id, 1);
        }
        let copy = Object {
            kind: ObjectType::Object,
            class: object.class,
            state: object.state.clone(),
            blobs: object.blobs.clone(),
            ..self.new_directory(parent, name, perms)
        };
        self.add(id, copy);
        Ok(id)
    }

    /// Copies the next part of a tree of any size; the first when there is no cursor. Each part is a transaction of its own, which sees
    /// the tree as it is then: a directory before its members, those in the order of their names.
    ///
    /// # Errors
    /// As [`Tx::cp`], but for `limit_exceeded`; `bad_argument` for a cursor of something else.
    pub async fn copy_part(&mut self, from: &Target, to: &str, cursor: Option<&str>) -> Result<CopyPart> {
        let savepoint = self.savepoint();
        let result = self.copy_part_inner(from, to, cursor).await;
        self.settle(&savepoint, result)
    }

    async fn copy_part_inner(&mut self, from: &Target, to: &str, cursor: Option<&str>) -> Result<CopyPart> {
        let (root, perms, mut frames, mut at) = match cursor {
            None => self.begin_copy(from, to).await?,
            Some(cursor) => self.go_on_copying(from, to, Cursor::read(cursor)?).await?,
        };
        let end = at.copied + PART;
        let mut bytes = 0;
        while let Some(frame) = frames.last_mut() {
            if at.copied >= end || bytes >= PART_BYTES {
                break;
            }
            if frame.read.is_empty() {
                let wanted = (end - at.copied) as usize;
                let found = self.scan(keys::entries(frame.source, frame.after.as_deref()), wanted).await?;
                if found.is_empty() {
                    frames.pop();
                    continue;
                }
                frame.after = found.last().and_then(|(key, _)| keys::entry_name(key)).map(str::to_owned);
                frame.read = self.shown_members(&frame.path, found).await?.into();
                continue;
            }
            let (Some((id, object)), depth) = (frame.read.pop_front(), frames.len()) else { continue };
            let Some(frame) = frames.last() else { break };
            let path = frame.path.join(&object.name)?;
            let made = self.copy_one(&object, &path, (frame.target, &object.name), perms).await?;
            at.copied += 1;
            bytes += object.state.len();
            // The last one's place: its name below the directories that are open.
            at.last.truncate(depth - 1);
            at.last.push(object.name.to_string());
            if object.is_directory() {
                frames.push(Frame { source: id, path, target: made, after: None, read: VecDeque::new() });
            }
        }
        let path = at.last.iter().try_fold(root, |path, name| path.join(name))?;
        Ok(CopyPart { path, copied: at.copied, cursor: (!frames.is_empty()).then(|| at.text()) })
    }

    async fn begin_copy(&mut self, from: &Target, to: &str) -> Result<Begun> {
        let (place, slot) = self.copy_slot(from, to, true).await?;
        let into = slot.path != Path::parse(to)?;
        let made =
            self.copy_one(&place.object, &place.path, (slot.parent, slot.path.name()), slot.perms).await?;
        let mut frames = Vec::new();
        if place.object.is_directory() {
            let path = place.path.clone();
            frames.push(Frame { source: place.id, path, target: made, after: None, read: VecDeque::new() });
        }
        Ok((place.path, slot.perms, frames, Cursor { copied: 1, into, last: Vec::new() }))
    }

    /// Opens the directories again that were open when the last part ended.
    async fn go_on_copying(&mut self, from: &Target, to: &str, at: Cursor) -> Result<Begun> {
        let place = self.seen(from).await?;
        let root = place.path.clone();
        let mut to = Path::parse(to)?;
        if at.into {
            to = to.join(place.path.name())?;
        }
        let mut target = self.place(&Target::from(&to)).await?;
        let perms = rules::mask_of(&target.above).perms();
        let (mut source, mut object, mut path) = (place.id, place.object, place.path);
        let mut frames: Vec<Frame> = Vec::new();
        let mut names = at.last.iter();
        while object.is_directory() {
            self.check(&object, Want::Read, &path)?;
            self.check(&object, Want::Execute, &path)?;
            let own = access::owns(&self.principal, &target.object);
            if !own || !self.principal.is_granted_at(Verb::Write, &target.path) {
                self.check(&target.object, Want::Write, &target.path)?;
            }
            let after = names.next().cloned();
            let frame = Frame {
                source,
                path: path.clone(),
                target: target.id,
                after: after.clone(),
                read: VecDeque::new(),
            };
            frames.push(frame);
            let Some(name) = after else { break };
            // What is gone meanwhile needs no copy of its members.
            let Some(entry) = self.entry(source, &name).await? else { break };
            path = path.join(&name)?;
            (source, object) = (entry.id, self.object(entry.id).await?.ok_or_else(|| place::changed(&path))?);
            if object.is_directory() {
                let below = target.path.join(&name)?;
                target = self.copied_directory(target.id, &name, below).await?;
            }
        }
        Ok((root, perms, frames, at))
    }

    /// A directory that an earlier part has made.
    async fn copied_directory(&mut self, parent: ObjectId, name: &str, path: Path) -> Result<Place> {
        let missing = || place::not_found(&path);
        let id = self.entry(parent, name).await?.ok_or_else(missing)?.id;
        let object = self.object(id).await?.ok_or_else(missing)?;
        if !object.is_directory() {
            return Err(place::not_a_directory(&path));
        }
        Ok(Place { id, object, path, above: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_grow() {
        let at = |copied, last: &[&str]| Cursor {
            copied,
            into: true,
            last: last.iter().map(|name| (*name).to_owned()).collect(),
        };
        let texts =
            [at(1, &[]), at(15, &["a"]), at(16, &["a", "b:c"]), at(1 << 40, &["A"])].map(|at| at.text());
        assert!(texts.is_sorted());
        for text in &texts {
            assert_eq!(&Cursor::read(text).unwrap().text(), text);
        }
        for text in ["", "1:a", "000000000000000g:a", "0000000000000001:", "0000000000000001:x", "é"] {
            assert_eq!(Cursor::read(text).err().unwrap().field.as_deref(), Some("after"), "{text}");
        }
    }
}
