//! From what is looked for to what tantivy asks.

use emerge_query::text::{Part, TextQuery};
use std::ops::Bound;
use tantivy::Term;
use tantivy::query::{
    Bm25StatisticsProvider, BooleanQuery, ConstScoreQuery, InvertedIndexRangeQuery, PhraseQuery, Query,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

/// Of how many objects one has a word, and how many words a text has, for all words and texts.
const RARITY: u64 = 100;
const LENGTH: u64 = 32;
/// What a word counts of which the beginning fits: less than one that fits wholly.
const PREFIX_SCORE: f32 = 1.0;

/// The same of all words and objects, so that a score says nothing of objects that a reader may not see.
pub(crate) struct Constant;

impl Bm25StatisticsProvider for Constant {
    fn total_num_tokens(&self, _: Field) -> tantivy::Result<u64> {
        Ok(RARITY * LENGTH)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(RARITY)
    }

    fn doc_freq(&self, _: &Term) -> tantivy::Result<u64> {
        Ok(1)
    }
}

/// A word as it stands in the index: by itself, or in a field. No word has a zero.
pub(crate) fn scoped(field: Option<&str>, word: &str) -> String {
    field.map_or_else(|| word.to_owned(), |field| format!("\0{field}\0{word}"))
}

/// All parts, each in any of the fields.
pub(crate) fn wanted(query: &TextQuery, words: Field) -> Box<dyn Query> {
    let parts = query.parts.iter().map(|part| match &query.fields {
        None => one(part, None, words),
        Some(fields) => {
            Box::new(BooleanQuery::union(fields.iter().map(|field| one(part, Some(field), words)).collect()))
        }
    });
    Box::new(BooleanQuery::intersection(parts.collect()))
}

fn one(part: &Part, field: Option<&str>, words: Field) -> Box<dyn Query> {
    let term = |word: &String| Term::from_field_text(words, &scoped(field, word));
    let Some((last, before)) = part.words.split_last().filter(|_| part.is_prefix) else {
        return whole(part.words.iter().map(term).collect());
    };
    // No word has the last of all characters.
    let end = Term::from_field_text(words, &scoped(field, &format!("{last}\u{10ffff}")));
    let range = InvertedIndexRangeQuery::new(Bound::Included(term(last)), Bound::Excluded(end));
    let begins: Box<dyn Query> = Box::new(ConstScoreQuery::new(Box::new(range), PREFIX_SCORE));
    if before.is_empty() {
        return begins;
    }
    // That it follows the others is seen on the object.
    Box::new(BooleanQuery::intersection(vec![whole(before.iter().map(term).collect()), begins]))
}

fn whole(terms: Vec<Term>) -> Box<dyn Query> {
    match <[Term; 1]>::try_from(terms) {
        Ok([term]) => Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)),
        Err(terms) => Box::new(PhraseQuery::new(terms)),
    }
}
