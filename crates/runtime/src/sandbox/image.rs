//! Images: states of a guest's memory to which it is put back.

use std::sync::Arc;

pub(super) const PAGE: usize = 4096;

pub(super) type Page = [u8; PAGE];

/// A state of a guest's memory. Images that stem from one another share the pages in which they agree.
pub(super) struct Image {
    pages: Vec<Arc<Page>>,
    /// Bytes that no other image holds.
    own_bytes: usize,
}

impl Image {
    /// Takes the state of a memory, sharing what it has in common with `parent`.
    pub(super) fn take(memory: &[u8], parent: Option<&Image>) -> Self {
        let mut own_bytes = 0;
        let mut own = |page: &Page| {
            own_bytes += PAGE;
            Arc::new(*page)
        };
        let zero = own(&[0; PAGE]);
        let (chunks, _) = memory.as_chunks::<PAGE>();
        let pages = chunks
            .iter()
            .enumerate()
            .map(|(at, page)| match parent.and_then(|parent| parent.pages.get(at)) {
                Some(shared) if **shared == *page => Arc::clone(shared),
                _ if *page == *zero => Arc::clone(&zero),
                _ => own(page),
            })
            .collect();
        Self { pages, own_bytes }
    }

    pub(super) fn own_bytes(&self) -> usize {
        self.own_bytes
    }

    /// The size of the memory.
    pub(super) fn len(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// A page by its number; nothing past the end.
    pub(super) fn page(&self, at: usize) -> Option<&Page> {
        self.pages.get(at).map(|page| &**page)
    }

    /// Numbers of the pages that are not known to be the same in another image.
    pub(super) fn differing<'a>(&'a self, other: &'a Image) -> impl Iterator<Item = usize> + 'a {
        (0..self.pages.len()).filter(|at| match other.pages.get(*at) {
            Some(page) => !Arc::ptr_eq(page, &self.pages[*at]),
            None => true,
        })
    }

    /// Writes the image over a memory that is at least as large, and zeros over the rest.
    pub(super) fn write(&self, memory: &mut [u8]) {
        let (chunks, _) = memory.as_chunks_mut::<PAGE>();
        let (covered, beyond) = chunks.split_at_mut(self.pages.len());
        for (page, wanted) in covered.iter_mut().zip(&self.pages) {
            if *page != **wanted {
                *page = **wanted;
            }
        }
        for page in beyond {
            page.fill(0);
        }
    }
}
