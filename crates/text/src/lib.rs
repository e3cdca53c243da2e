//! The text index of a node, by tantivy: which objects have the words, the best first. It blocks; its host gives it threads.
//!
//! Each object is one document. Its words stand in one field, each twice at the same place: by itself, and with the name of the object's field before it, for
//! searches in chosen fields. Nothing is stored but the object's id.
//!
//! Invariant: a score follows from the object and the query alone. What other objects hold, of which a reader may not know, has no part in it: how rare a word is
//! and how long texts are counts as always the same.
//!
//! Invariant: what is committed says in the same step how far it has come ([`TextPosition`]).

mod collect;
mod query;

use collect::First;
use emerge_node::{Ranked, TextDocument, TextPosition};
use emerge_proto::{Error, ErrorCode, ObjectId, Result, limits};
use emerge_query::text::{TextQuery, each_word};
use query::Constant;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term,
};

/// What is written in what is committed; another one, of another way to find words, is made anew.
const FORMAT: &str = "emerge-text-1";
/// Bytes of memory for documents that are not yet written to the disk.
const MEMORY: usize = 64 * 1024 * 1024;
/// Objects that are gone and wait to be left out; past that the oldest are met again.
const MAX_GONE: usize = 100_000;

/// A text index, in memory or in a folder of its own.
#[derive(Debug)]
pub struct WordIndex {
    folder: Option<PathBuf>,
    open: RwLock<Option<Arc<Open>>>,
    gone: Mutex<Vec<ObjectId>>,
}

/// An index that is used. Whoever writes holds nobody up who finds.
struct Open {
    writer: Mutex<IndexWriter>,
    reader: IndexReader,
    fields: Fields,
    position: Mutex<TextPosition>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("position", &self.position).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Fields {
    id: Field,
    words: Field,
    high: Field,
    low: Field,
}

impl Fields {
    fn make() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let fields = Self {
            id: schema.add_bytes_field("id", INDEXED),
            words: schema.add_text_field("words", TextOptions::default().set_indexing_options(words)),
            high: schema.add_u64_field(collect::HIGH, FAST),
            low: schema.add_u64_field(collect::LOW, FAST),
        };
        (schema.build(), fields)
    }
}

impl WordIndex {
    /// The index in a folder, or an empty one in memory. One that cannot be used counts as none: it is made anew by whoever searches.
    pub fn open(folder: Option<&Path>) -> Self {
        let open = folder.filter(|folder| folder.exists()).and_then(|folder| match Open::at(folder) {
            Ok(open) => Some(open),
            Err(why) => {
                tracing::warn!(why, "the text index cannot be used and will be made anew");
                None
            }
        });
        Self {
            folder: folder.map(Path::to_owned),
            open: RwLock::new(open.map(Arc::new)),
            gone: Mutex::default(),
        }
    }

    /// How far it has come; none when there is none.
    pub fn position(&self) -> Option<TextPosition> {
        self.used().map(|open| lock(&open.position).clone())
    }

    /// Begins anew, empty.
    ///
    /// # Errors
    /// `storage_failed`.
    pub fn clear(&self, position: TextPosition) -> Result<()> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // What holds files of the folder goes first.
        *open = None;
        lock(&self.gone).clear();
        *open = Some(Arc::new(Open::make(self.folder.as_deref(), position).map_err(failed)?));
        Ok(())
    }

    /// Puts objects in the place of what it has of them.
    ///
    /// # Errors
    /// `storage_failed`; the index is none from then on.
    pub fn write(&self, documents: &[TextDocument], position: TextPosition) -> Result<()> {
        let open = self.used().ok_or_else(none)?;
        let gone = std::mem::take(&mut *lock(&self.gone));
        open.write(documents, &gone, position).map_err(|error| self.fail(&open, error))
    }

    /// Leaves these out from the next write on.
    pub fn forget(&self, ids: Vec<ObjectId>) {
        let mut gone = lock(&self.gone);
        if gone.len() + ids.len() <= MAX_GONE {
            gone.extend(ids);
        }
    }

    /// The first objects that have what is looked for, after one of them. Those of a phrase whose last word is a beginning need not have it in one place.
    ///
    /// # Errors
    /// `storage_failed`; the index is none from then on.
    pub fn find(&self, query: &TextQuery, after: Option<Ranked>, limit: usize) -> Result<Vec<Ranked>> {
        let open = self.used().ok_or_else(none)?;
        let wanted = query::wanted(query, open.fields.words);
        let first = First { after: after.map(|after| after.place()), limit };
        let found = open.reader.searcher().search_with_statistics_provider(&*wanted, &first, &Constant);
        found.map_err(|error| self.fail(&open, error))
    }

    fn used(&self) -> Option<Arc<Open>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What fails is not used again.
    fn fail(&self, failed_one: &Arc<Open>, error: TantivyError) -> Error {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, failed_one)) {
            *open = None;
        }
        failed(error)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    fn at(folder: &Path) -> std::result::Result<Self, String> {
        let text = |error: TantivyError| error.to_string();
        let index = Index::open_in_dir(folder).map_err(text)?;
        let (schema, fields) = Fields::make();
        if index.schema() != schema {
            return Err("it has other fields".into());
        }
        let payload = index.load_metas().map_err(text)?.payload.ok_or("it is empty")?;
        let position = read_position(&payload).ok_or("it is of another version")?;
        Self::with(&index, fields, position).map_err(text)
    }

    fn make(folder: Option<&Path>, position: TextPosition) -> tantivy::Result<Self> {
        let (schema, fields) = Fields::make();
        let index = match folder {
            None => {
                Index::create(tantivy::directory::RamDirectory::create(), schema, IndexSettings::default())?
            }
            Some(folder) => {
                if folder.exists() {
                    std::fs::remove_dir_all(folder)?;
                }
                std::fs::create_dir_all(folder)?;
                Index::create_in_dir(folder, schema)?
            }
        };
        let open = Self::with(&index, fields, position.clone())?;
        open.write(&[], &[], position)?;
        Ok(open)
    }

    fn with(index: &Index, fields: Fields, position: TextPosition) -> tantivy::Result<Self> {
        let writer = Mutex::new(index.writer_with_num_threads(1, MEMORY)?);
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { writer, reader, fields, position: Mutex::new(position) })
    }

    fn write(
        &self,
        documents: &[TextDocument],
        gone: &[ObjectId],
        position: TextPosition,
    ) -> tantivy::Result<()> {
        let mut writer = lock(&self.writer);
        let forget = |id: &ObjectId| Term::from_field_bytes(self.fields.id, &id.0);
        for id in gone {
            writer.delete_term(forget(id));
        }
        for document in documents {
            // One that comes twice is there as it came last.
            writer.delete_term(forget(&document.id));
            if let Some(state) = &document.state
                && let Some(made) = made(document.id, state, self.fields)
            {
                writer.add_document(made)?;
            }
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&write_position(&position));
        commit.commit()?;
        self.reader.reload()?;
        *lock(&self.position) = position;
        Ok(())
    }
}

/// The document of an object; none when it has no words.
fn made(id: ObjectId, state: &[u8], fields: Fields) -> Option<TantivyDocument> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut push = |text: String, place: u32| {
        tokens.push(Token {
            offset_from: 0,
            offset_to: 0,
            position: place as usize,
            text,
            position_length: 1,
        });
    };
    // One whose state cannot be read is found by nothing.
    each_word(state, &mut |field, word, place| {
        push(word.to_owned(), place);
        if field.len() <= limits::MAX_SEGMENT {
            push(query::scoped(Some(field), word), place);
        }
    })
    .ok()?;
    if tokens.is_empty() {
        return None;
    }
    let (high, low) = collect::halves(id);
    let mut document = TantivyDocument::new();
    document.add_bytes(fields.id, &id.0);
    document.add_u64(fields.high, high);
    document.add_u64(fields.low, low);
    document.add_pre_tokenized_text(fields.words, PreTokenizedString { text: String::new(), tokens });
    Some(document)
}

fn write_position(position: &TextPosition) -> String {
    let TextPosition { store, commit, cursor, ready, added } = position;
    let cursor = cursor.map_or_else(|| "-".to_owned(), |id| id.to_string());
    format!("{FORMAT} {store} {commit} {cursor} {ready} {added}")
}

fn read_position(text: &str) -> Option<TextPosition> {
    let mut parts = text.split(' ');
    if parts.next() != Some(FORMAT) {
        return None;
    }
    Some(TextPosition {
        store: ObjectId::parse(parts.next()?)?,
        commit: parts.next()?.parse().ok()?,
        cursor: match parts.next()? {
            "-" => None,
            id => Some(ObjectId::parse(id)?),
        },
        ready: parts.next()?.parse().ok()?,
        added: parts.next()?.parse().ok()?,
    })
}

fn none() -> Error {
    Error::new(ErrorCode::Unavailable, "the text index is being made; ask again in a while")
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::StorageFailed, format!("the text index failed and will be made anew: {error}"))
}
