//! The text index of a node, on threads that may block.

use emerge_node::{Ranked, TextDocument, TextIndex, TextPosition};
use emerge_proto::{Error, ErrorCode, ObjectId, Result};
use emerge_query::text::TextQuery;
use emerge_text::WordIndex;
use futures_util::future::BoxFuture;
use std::path::Path;
use std::sync::Arc;

/// The text index in a folder beside the store.
pub(crate) struct Text(Arc<WordIndex>);

impl Text {
    pub(crate) fn open(folder: &Path) -> Self {
        Self(Arc::new(WordIndex::open(Some(folder))))
    }
}

impl TextIndex for Text {
    fn position(&self) -> Option<TextPosition> {
        self.0.position()
    }

    fn clear(&self, position: TextPosition) -> BoxFuture<'_, Result<()>> {
        let index = self.0.clone();
        blocking(move || index.clear(position))
    }

    fn write(&self, documents: Vec<TextDocument>, position: TextPosition) -> BoxFuture<'_, Result<()>> {
        let index = self.0.clone();
        blocking(move || index.write(&documents, position))
    }

    fn forget(&self, ids: Vec<ObjectId>) {
        self.0.forget(ids);
    }

    fn find(
        &self,
        query: Arc<TextQuery>,
        after: Option<Ranked>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Ranked>>> {
        let index = self.0.clone();
        blocking(move || index.find(&query, after, limit))
    }
}

/// Runs to its end also when nobody waits any more.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    let work = tokio::task::spawn_blocking(work);
    Box::pin(async move {
        let stopped =
            |error| Err(Error::new(ErrorCode::Internal, format!("the text index stopped: {error}")));
        work.await.unwrap_or_else(stopped)
    })
}
