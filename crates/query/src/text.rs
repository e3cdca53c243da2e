//! Searches for text: what is asked for, the words of a text, and where they are in an object. An index of words and what verifies its answers read words
//! here, so that they cannot differ.

use emerge_proto::query::Highlight;
use emerge_proto::value::raw;
use emerge_proto::{Error, ErrorCode, Result, Value, limits};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a word that count.
const MAX_WORD: usize = 64;
/// Places between the words of one text and those of the next: no phrase reaches over it.
const GAP: u32 = 8;
/// Characters of a text that are shown around words, and before the first of them.
const SHOWN: usize = 160;
const BEFORE: usize = 40;
/// Parts of texts that are shown of one object, and marks in one of them.
const MAX_HIGHLIGHTS: usize = 5;
const MAX_MARKS: usize = 32;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// In lower case, without accents.
    pub text: String,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The words of a text: what is letters and digits. In scripts without spaces between words (Chinese, Japanese) each character is one.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut begun: Option<usize> = None;
    let mut push = |start: usize, end: usize| {
        let normal = normal(&text[start..end]);
        if !normal.is_empty() {
            words.push(Word { text: normal, start, end });
        }
    };
    for (at, char) in text.char_indices() {
        let alone = stands_alone(char);
        let within = !alone && (char.is_alphanumeric() || is_combining_mark(char));
        if !within && let Some(start) = begun.take() {
            push(start, at);
        }
        if alone {
            push(at, at + char.len_utf8());
        } else if within {
            begun.get_or_insert(at);
        }
    }
    if let Some(start) = begun {
        push(start, text.len());
    }
    words
}

fn stands_alone(char: char) -> bool {
    matches!(u32::from(char), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Lower case, the accents of Latin, Greek and Cyrillic letters away, the beginning of a long one.
fn normal(word: &str) -> String {
    let is_accent = |char: &char| ('\u{300}'..='\u{36f}').contains(char);
    let lower = word.nfkd().flat_map(char::to_lowercase).map(|char| if char == 'ς' { 'σ' } else { char });
    lower.filter(|char| !is_accent(char)).take(MAX_WORD).collect()
}

/// Calls `each` with the words of an object's texts: the field, the word, and its place, which grows from word to word. Texts within lists, maps, tables and
/// objects are of the field that holds them.
///
/// # Errors
/// When the state is none.
pub fn each_word(state: &[u8], each: &mut dyn FnMut(&str, &str, u32)) -> Result<()> {
    let mut place = 0;
    for entry in raw::entries(state)? {
        let (field, value) = entry?;
        each_text(&Value::decode(value)?, &mut |text| {
            for word in words(text) {
                each(&field, &word.text, place);
                place += 1;
            }
            place += GAP;
        });
    }
    Ok(())
}

fn each_text<'v>(value: &'v Value, each: &mut dyn FnMut(&'v str)) {
    match value {
        Value::Text(text) => each(text),
        Value::List(values) | Value::Set(values) => values.iter().for_each(|value| each_text(value, each)),
        Value::Map(fields) | Value::Object { fields, .. } => {
            fields.iter().for_each(|(_, value)| each_text(value, each));
        }
        Value::Table { rows, .. } => rows.iter().flatten().for_each(|value| each_text(value, each)),
        _ => {}
    }
}

/// Words that follow one another; of the last the beginning may be enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The words, one at least.
    pub words: Vec<String>,
    /// Whether the last stands for all that begin with it.
    pub is_prefix: bool,
}

/// What is looked for: objects that hold all parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextQuery {
    /// The parts, one at least.
    pub parts: Vec<Part>,
    /// The fields in which they may be, each in another one; all when none.
    pub fields: Option<Vec<String>>,
}

impl TextQuery {
    /// Reads what people write: words, `wid*`, `"red widget"`.
    ///
    /// # Errors
    /// `bad_argument` when there is no word; `too_large`, `limit_exceeded`.
    pub fn read(text: &str, fields: Option<&[String]>) -> Result<Self> {
        if text.len() > limits::MAX_TEXT_QUERY {
            let why = format!("the text is {} bytes; the limit is {}", text.len(), limits::MAX_TEXT_QUERY);
            return Err(Error::new(ErrorCode::TooLarge, why)
                .field("text")
                .limit(limits::MAX_TEXT_QUERY as u64));
        }
        let mut parts: Vec<Part> = Vec::new();
        // Every second piece was between quotes.
        for (at, piece) in text.split('"').enumerate() {
            let chunks: Vec<&str> =
                if at % 2 == 1 { vec![piece] } else { piece.split_whitespace().collect() };
            for chunk in chunks {
                let words: Vec<String> = words(chunk).into_iter().map(|word| word.text).collect();
                let part = Part { words, is_prefix: chunk.trim_end().ends_with('*') };
                if !part.words.is_empty() && !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
        let count: usize = parts.iter().map(|part| part.words.len()).sum();
        if count == 0 {
            let why = "text: there is no word in it; words are letters and digits";
            return Err(Error::new(ErrorCode::BadArgument, why).field("text"));
        }
        if count > limits::MAX_TEXT_WORDS {
            let why = format!("the text has {count} words; the limit is {}", limits::MAX_TEXT_WORDS);
            return Err(Error::new(ErrorCode::LimitExceeded, why)
                .field("text")
                .limit(limits::MAX_TEXT_WORDS as u64));
        }
        if let Some(fields) = fields
            && (fields.is_empty()
                || fields.iter().any(|field| field.is_empty() || field.len() > limits::MAX_SEGMENT))
        {
            let why =
                format!("text_fields: one or more names of 1 to {} bytes are needed", limits::MAX_SEGMENT);
            return Err(Error::new(ErrorCode::BadArgument, why).field("text_fields"));
        }
        Ok(Self { parts, fields: fields.map(<[String]>::to_vec) })
    }

    /// Where the words are in an object; none when it lacks one of the parts.
    ///
    /// # Errors
    /// When the state is none.
    pub fn find(&self, state: &[u8]) -> Result<Option<Vec<Highlight>>> {
        let mut found = vec![false; self.parts.len()];
        let mut highlights = Vec::new();
        for entry in raw::entries(state)? {
            let (field, value) = entry?;
            if self.fields.as_ref().is_some_and(|fields| !fields.iter().any(|each| *each == field)) {
                continue;
            }
            each_text(&Value::decode(value)?, &mut |text| {
                let words = words(text);
                let mut marks: Vec<(usize, usize)> = Vec::new();
                for (part, found) in self.parts.iter().zip(&mut found) {
                    for at in words.windows(part.words.len()).filter(|at| part.fits(at)) {
                        *found = true;
                        marks.extend(at.first().zip(at.last()).map(|(first, last)| (first.start, last.end)));
                    }
                }
                if !marks.is_empty() && highlights.len() < MAX_HIGHLIGHTS {
                    highlights.push(highlight(&field, text, marks));
                }
            });
        }
        Ok(found.iter().all(|found| *found).then_some(highlights))
    }
}

impl Part {
    fn fits(&self, words: &[Word]) -> bool {
        let last = self.words.len() - 1;
        words.iter().zip(&self.words).enumerate().all(|(at, (word, wanted))| {
            if self.is_prefix && at == last { word.text.starts_with(wanted) } else { word.text == *wanted }
        })
    }
}

/// The part of a text around the first of some marks, with those that lie in it.
fn highlight(field: &str, text: &str, mut marks: Vec<(usize, usize)>) -> Highlight {
    marks.sort_unstable();
    let first = marks.first().map_or(0, |mark| mark.0);
    // Characters before a place, back from it, and on from it.
    let back =
        |from: usize, count: usize| text[..from].char_indices().rev().nth(count - 1).map_or(0, |(at, _)| at);
    let mut begin = back(first, BEFORE);
    if begin > 0 {
        // Not in the middle of a word.
        begin += text[begin..first].find(char::is_whitespace).map_or(0, |at| at + 1);
    }
    let end = text[begin..].char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| begin + at);
    let mut shown = String::new();
    if begin > 0 {
        shown.push('…');
    }
    let skipped = shown.chars().count();
    shown.push_str(&text[begin..end]);
    if end < text.len() {
        shown.push('…');
    }
    let chars = |to: usize| u32::try_from(skipped + text[begin..to].chars().count()).unwrap_or(u32::MAX);
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for (from, to) in marks.into_iter().filter(|(from, _)| *from < end).take(MAX_MARKS) {
        let (from, to) = (chars(from), chars(to.min(end)));
        match ranges.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => ranges.push((from, to)),
        }
    }
    Highlight { field: field.to_owned(), text: shown, ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    fn state() -> Vec<u8> {
        let text = |text: &str| Value::Text(text.into());
        Value::Map(vec![
            ("name".into(), text("Red Widget")),
            ("n".into(), Value::Int(3)),
            ("tags".into(), Value::List(vec![text("cheap"), Value::Map(vec![("x".into(), text("blue"))])])),
        ])
        .encode()
    }

    fn found(text: &str) -> bool {
        TextQuery::read(text, None).unwrap().find(&state()).unwrap().is_some()
    }

    #[test]
    fn words_are_letters_and_digits() {
        assert_eq!(of("Red, WIDGET-3b; don't"), ["red", "widget", "3b", "don", "t"]);
        assert_eq!(of("Café CAFE\u{301} Ὀδυσσεύς STRASSE"), ["cafe", "cafe", "οδυσσευσ", "strasse"]);
        assert_eq!(of("東京タワー 2"), ["東", "京", "タ", "ワ", "ー", "2"]);
        assert_eq!(of("\u{301} ... "), Vec::<String>::new());
        assert_eq!(of(&"x".repeat(100))[0].len(), MAX_WORD);
        let text = "a é🐎 b";
        let cut: Vec<&str> = words(text).iter().map(|word| &text[word.start..word.end]).collect();
        assert_eq!(cut, ["a", "é", "b"]);
    }

    #[test]
    fn all_parts_must_be_there() {
        for text in [
            "red",
            "widget RED",
            "wid*",
            "\"red widget\"",
            "\"red wid*\"",
            "cheap blue",
            "red \"widget",
            "red-widget",
            "\"blue\"",
        ] {
            assert!(found(text), "{text}");
        }
        for text in ["red green", "idget", "\"widget red\"", "wid", "\"widget cheap\"", "3", "tags"] {
            assert!(!found(text), "{text}");
        }
        let only = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|&field| field.into()).collect();
            TextQuery::read("red blue", Some(&fields)).unwrap().find(&state()).unwrap().is_some()
        };
        assert!(only(&["name", "tags"]) && !only(&["name"]) && !only(&["other"]));
    }

    #[test]
    fn what_cannot_be_looked_for_is_refused() {
        let code = |text: &str| TextQuery::read(text, None).unwrap_err().code;
        assert_eq!((code(""), code("* \"\" ...")), (ErrorCode::BadArgument, ErrorCode::BadArgument));
        assert_eq!(code(&"x".repeat(1025)), ErrorCode::TooLarge);
        let many: Vec<String> = (0..33).map(|at| at.to_string()).collect();
        assert_eq!(code(&many.join(" ")), ErrorCode::LimitExceeded);
        assert_eq!(TextQuery::read("a", Some(&[])).unwrap_err().code, ErrorCode::BadArgument);
    }

    #[test]
    fn marks_are_where_the_words_are() {
        let marked = |highlight: &Highlight| -> Vec<String> {
            let chars: Vec<char> = highlight.text.chars().collect();
            highlight
                .ranges
                .iter()
                .map(|(from, to)| chars[*from as usize..*to as usize].iter().collect())
                .collect()
        };
        let find = |text: &str, query: &str| {
            let state = Value::Map(vec![("t".into(), Value::Text(text.into()))]).encode();
            TextQuery::read(query, None).unwrap().find(&state).unwrap().unwrap().remove(0)
        };
        let short = find("🐎 A red Widget, red", "wid* red \"red widget\"");
        assert_eq!(
            (&*short.text, marked(&short)),
            ("🐎 A red Widget, red", vec!["red Widget".into(), "red".into()])
        );
        let long = find(&format!("{}needle{}", "äöü ".repeat(50), " xyz".repeat(100)), "NEEDLE");
        assert!(
            long.text.starts_with('…') && long.text.ends_with('…') && long.text.chars().count() <= SHOWN + 2
        );
        assert_eq!(marked(&long), ["needle"]);
    }
}
