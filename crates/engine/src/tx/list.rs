//! Listings: the members of a directory that the caller may see, page by page.

use super::Tx;
use super::order::{Order, Rank};
use super::place::{self, Place};
use crate::access::{self, Want};
use crate::backend::{Backend, Key};
use crate::classes::Lineage;
use crate::engine::{Entries, Matches};
use crate::keys::{self, ObjectKey};
use crate::object::{Object, Record};
use crate::pages::{Kept, Viewer};
use bytes::Bytes;
use emerge_proto::class::encode;
use emerge_proto::op::{SortBy, Target};
pub use emerge_proto::record::Listing;
use emerge_proto::record::encode_page;
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, Page, Path, Result, limits};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

type Member = (ObjectId, Arc<Object>);

/// The members of one page, and the cursors of [`Page`].
struct Members {
    members: Vec<Member>,
    next: Option<String>,
    last: Option<String>,
    /// Of which kept entries these are all.
    kept: Option<KeptEntries>,
}

/// A page of entries that was kept, and what it was asked for by.
struct KeptEntries {
    range: Range<Key>,
    limit: usize,
    kept: Kept,
}

/// Names that a listing is about.
pub(super) struct Filter {
    glob: Option<GlobMatcher>,
    /// What each of them begins with.
    prefix: String,
}

impl Filter {
    pub(super) fn new(glob: Option<&str>) -> Result<Self> {
        let Some(text) = glob else { return Ok(Self { glob: None, prefix: String::new() }) };
        let bad = |why: String| Error::new(ErrorCode::BadArgument, why).field("glob");
        if text.len() > limits::MAX_PATH {
            let why = format!("a pattern has at most {} bytes", limits::MAX_PATH);
            return Err(bad(why).limit(limits::MAX_PATH as u64));
        }
        let built = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
        let glob = built.map_err(|error| bad(format!("{text:?} is no pattern: {}", error.kind())))?;
        let literal = text.find(['*', '?', '[', '{', '\\']).unwrap_or(text.len());
        Ok(Self { glob: Some(glob.compile_matcher()), prefix: text[..literal].to_owned() })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.glob.as_ref().is_none_or(|glob| glob.is_match(name))
    }

    /// Whether the name in the key of an entry matches.
    fn takes(&self, key: &[u8]) -> bool {
        keys::entry_name(key).is_some_and(|name| self.matches(name))
    }
}

impl<B: Backend> Tx<B> {
    /// One page of a directory's members with their properties, in the order of their names.
    ///
    /// # Errors
    /// As [`Tx::list_by`].
    pub async fn list(&mut self, target: &Target, after: Option<&str>, limit: Option<u32>) -> Result<Page> {
        self.list_by(target, &Listing { after, limit, ..Listing::default() }).await
    }

    /// One page of those members of a directory that are wanted, with their properties.
    ///
    /// # Errors
    /// `not_found`, `not_a_directory`, `permission_denied`, `bad_path`, `bad_argument`; `limit_exceeded` when more than
    /// [`limits::MAX_SORTED`] members are to be sorted.
    pub async fn list_by(&mut self, target: &Target, listing: &Listing<'_>) -> Result<Page> {
        if let Some(system) = self.system_of(target)?
            && !system.is_object()
        {
            let Page { members, next, .. } = self.list_system(&system, listing).await?;
            return Ok(Page::by_name(members, next));
        }
        let place = self.directory_to_list(target).await?;
        self.page(&place, listing).await
    }

    /// As [`Tx::list_by`], encoded: without a copy of each text.
    ///
    /// # Errors
    /// As [`Tx::list_by`].
    pub async fn list_encoded(&mut self, target: &Target, listing: &Listing<'_>) -> Result<Vec<u8>> {
        if self.system_of(target)?.is_some() {
            return Ok(encode(&self.list_by(target, listing).await?));
        }
        let place = self.directory_to_list(target).await?;
        let viewer = Viewer::new(&self.principal, &place.path);
        if listing.glob.is_none() && Order::of(listing).is_natural() {
            let range = keys::entries_with(place.id, "", listing.after);
            if let Some(page) = self.shown_before(&range, limit_of(listing.limit)? + 1, &viewer).await? {
                return Ok(page.to_vec());
            }
        }
        let Members { members, next, last, kept } = self.members_of(&place, listing).await?;
        let lineages = self.lineages_of(&members).await?;
        // Most have the class of the one before.
        let mut before: (Option<ClassHash>, Option<&Lineage>) = (None, None);
        let stats = members.iter().map(|(id, object)| {
            if before.0 != object.class {
                before = (object.class, object.class.and_then(|hash| lineages.get(&hash)));
            }
            self.shown_stat(*id, object, &object.name, before.1)
        });
        let page = encode_page(stats, next.as_deref(), last.as_deref());
        if let Some(KeptEntries { range, limit, kept }) = kept {
            let shown = (viewer, Bytes::copy_from_slice(&page), self.depends_on);
            self.engine.keep_shown(&range, limit, &kept, shown);
        }
        Ok(page)
    }

    /// The directory at a target, which the caller may list.
    async fn directory_to_list(&mut self, target: &Target) -> Result<Place> {
        let place = self.seen(target).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        if place.object.is_directory() { Ok(place) } else { Err(place::not_a_directory(&place.path)) }
    }

    /// A page of a directory that the caller may list.
    pub(super) async fn page(&mut self, place: &Place, listing: &Listing<'_>) -> Result<Page> {
        let Members { members, next, last, .. } = self.members_of(place, listing).await?;
        let lineages = self.lineages_of(&members).await?;
        let stat = |(id, object): &Member| {
            let lineage = object.class.and_then(|hash| lineages.get(&hash));
            self.stat_with(*id, object, &object.name, lineage)
        };
        Ok(Page { members: members.iter().map(stat).collect(), next, last })
    }

    async fn members_of(&mut self, place: &Place, listing: &Listing<'_>) -> Result<Members> {
        let limit = limit_of(listing.limit)?;
        let filter = Filter::new(listing.glob)?;
        let order = Order::of(listing);
        if order.is_natural() {
            return self.page_by_name(place, &filter, listing.after, limit).await;
        }
        let (members, next, last) = self.page_by(place, &filter, order, listing.after, limit).await?;
        Ok(Members { members, next, last, kept: None })
    }

    /// The classes of some members, with their bases.
    async fn lineages_of(&mut self, members: &[Member]) -> Result<HashMap<ClassHash, Lineage>> {
        let mut lineages = HashMap::new();
        let mut classes: Vec<ClassHash> = members.iter().filter_map(|(_, object)| object.class).collect();
        classes.dedup();
        for hash in classes {
            if let Entry::Vacant(place) = lineages.entry(hash) {
                place.insert(self.class(hash).await?);
            }
        }
        Ok(lineages)
    }

    /// Reads no more than the page and what it passes over.
    async fn page_by_name(
        &mut self,
        place: &Place,
        filter: &Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Members> {
        let by_name =
            |members: Vec<Member>, next, kept| Members { last: last_name(&members), members, next, kept };
        let mut from = after.map(str::to_owned);
        let mut page: Vec<Member> = Vec::new();
        let takes = |key: &[u8]| filter.takes(key);
        let matches = filter.glob.is_some().then_some(&takes as Matches<'_>);
        // One more tells whether there is another page.
        let mut wanted = limit + 1;
        let mut passed = 0;
        let mut scans = 0;
        loop {
            let range = keys::entries_with(place.id, &filter.prefix, from.as_deref());
            let Entries { page: found, kept, .. } = self.scan_entries(range.clone(), wanted, matches).await?;
            scans += 1;
            let kept = kept.filter(|_| scans == 1);
            let kept = kept.map(|kept| KeptEntries { range: range.clone(), limit: wanted, kept });
            let ended = found.count < wanted;
            from = keys::entry_name(&found.last).map(str::to_owned);
            let before = page.len();
            self.listed_members(&place.path, &found.ids, &mut page).await?;
            if page.len() > limit {
                page.truncate(limit);
                let next = last_name(&page);
                return Ok(by_name(page, next, kept));
            }
            if ended {
                return Ok(by_name(page, None, kept));
            }
            passed += found.count - (page.len() - before);
            if passed >= limits::MAX_HIDDEN {
                // It goes on after the last member that the caller may know of, whether it is wanted or not.
                let next = match last_name(&page) {
                    Some(name) => Some(name),
                    None => {
                        let all = self.scan_entries(range, wanted, None).await?.page;
                        let mut known = Vec::new();
                        self.listed_members(&place.path, &all.ids, &mut known).await?;
                        last_name(&known)
                    }
                };
                let page = next.map(|next| by_name(page, Some(next), None));
                return page.ok_or_else(|| too_many_hidden(&place.path));
            }
            wanted = (limit + 1 - page.len()).max(limits::MAX_PAGE);
        }
    }

    /// Reads all members, for there is no index of what they are sorted by.
    async fn page_by(
        &mut self,
        place: &Place,
        filter: &Filter,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Member>, Option<String>, Option<String>)> {
        let after = after.map(|after| order.read(after)).transpose()?;
        let (mut from, mut count) = (None::<String>, 0);
        let mut all: Vec<(Rank, Member)> = Vec::new();
        let takes = |key: &[u8]| filter.takes(key);
        let matches = filter.glob.is_some().then_some(&takes as Matches<'_>);
        loop {
            let range = keys::entries_with(place.id, &filter.prefix, from.as_deref());
            let found = self.scan_entries(range, limits::MAX_PAGE, matches).await?.page;
            let ended = found.count < limits::MAX_PAGE;
            from = keys::entry_name(&found.last).map(str::to_owned);
            count += found.count;
            if count > limits::MAX_SORTED {
                return Err(too_many_to_sort(&place.path));
            }
            let mut members = Vec::new();
            self.listed_members(&place.path, &found.ids, &mut members).await?;
            for (id, object) in members {
                let rank = self.rank(order, &object).await?;
                if after.as_ref().is_none_or(|after| rank > *after) {
                    all.push((rank, (id, object)));
                }
            }
            if ended {
                break;
            }
        }
        all.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
        let more = all.len() > limit;
        all.truncate(limit);
        let last = all.last().map(|(rank, _)| order.cursor(rank));
        let next = last.clone().filter(|_| more);
        Ok((all.into_iter().map(|(_, member)| member).collect(), next, last))
    }

    async fn rank(&mut self, order: Order, object: &Object) -> Result<Rank> {
        let name = &object.name;
        Ok(match order.by {
            SortBy::Name => order.by_text(name, name),
            SortBy::Size => order.by_number(object.size(), name),
            SortBy::Modified => order.by_time(object.modified, name),
            SortBy::Created => order.by_time(object.created, name),
            SortBy::Class => {
                let lineage = match object.class {
                    Some(hash) => Some(self.class(hash).await?),
                    None => None,
                };
                let class = lineage.as_ref().and_then(|lineage| lineage.first());
                // Directories have none and come first.
                order.by_text(class.map_or("", |class| &class.source.name), name)
            }
        })
    }

    /// As [`Tx::shown_members`], for a listing: what they are is told and not asked for again, so only their keys are noted.
    async fn listed_members(
        &mut self,
        path: &Path,
        ids: &[ObjectId],
        listed: &mut Vec<Member>,
    ) -> Result<()> {
        let objects = self.objects_together(ids).await?;
        listed.reserve(objects.len());
        for (id, object) in ids.iter().zip(objects) {
            let object = object.ok_or_else(|| place::changed(path))?;
            if access::shows(&self.principal, &object, access::Member(path, &object.name)) {
                listed.push((*id, object));
            }
        }
        Ok(())
    }

    /// The objects of some entries of a directory that the caller may see.
    pub(super) async fn shown_members(
        &mut self,
        path: &Path,
        entries: Vec<(Key, Record)>,
    ) -> Result<Vec<Member>> {
        let mut members = self.members(path, entries).await?;
        members
            .retain(|(_, object)| access::shows(&self.principal, object, access::Member(path, &object.name)));
        Ok(members)
    }

    /// The objects of some entries of a directory.
    pub(super) async fn members(&mut self, path: &Path, entries: Vec<(Key, Record)>) -> Result<Vec<Member>> {
        let ids: Vec<ObjectId> =
            entries.into_iter().map(|(_, record)| Ok(record.entry()?.id)).collect::<Result<_>>()?;
        let keys: Vec<ObjectKey> = ids.iter().map(|id| keys::object(*id)).collect();
        let records = self.read_many(&keys).await?;
        ids.into_iter()
            .zip(records)
            .map(|(id, record)| Ok((id, record.ok_or_else(|| place::changed(path))?.object()?)))
            .collect()
    }
}

fn last_name(members: &[Member]) -> Option<String> {
    members.last().map(|(_, object)| object.name.to_string())
}

/// Members of one page.
pub(super) fn limit_of(limit: Option<u32>) -> Result<usize> {
    if limit == Some(0) {
        return Err(Error::new(ErrorCode::BadArgument, "a page has at least one member").field("limit"));
    }
    Ok(limit.map_or(limits::MAX_PAGE, |limit| (limit as usize).min(limits::MAX_PAGE)))
}

fn too_many_hidden(path: &Path) -> Error {
    let why = format!("more than {} members of {path} in a row are not for this listing", limits::MAX_HIDDEN);
    Error::new(ErrorCode::LimitExceeded, why).at(path).limit(limits::MAX_HIDDEN as u64)
}

fn too_many_to_sort(path: &Path) -> Error {
    let why = format!(
        "{path} has more than {} members, which are not sorted; list them by name, or fewer of them by a pattern",
        limits::MAX_SORTED
    );
    Error::new(ErrorCode::LimitExceeded, why).at(path).limit(limits::MAX_SORTED as u64)
}
