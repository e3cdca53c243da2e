//! Searches: what one asks for, and what it finds.

use crate::class::{Capture, Language};
use crate::record::Stat;
use crate::{Error, ObjectId};
use minicbor::{Decode, Encode};

/// What a search asks for. A query without anything finds every object.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Query {
    /// The language of `source`.
    #[n(0)]
    pub language: Language,
    /// The text of a function that takes an object (its fields, and `meta`) and, when it wants them, the parameters, and says whether the object is
    /// wanted: `o => o.unitPrice < 3.5`, `lambda o: o.unit_price < 3.5`. Every object is wanted when it is absent.
    #[n(1)]
    pub source: Option<String>,
    /// The function's second argument: an encoded map.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub params: Option<Vec<u8>>,
    /// Plain values that the function names and does not define, by name: an encoded map. Only a client that sees closures sends it.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub values: Option<Vec<u8>>,
    /// What else the function names and does not define: modules, functions.
    #[n(4)]
    pub captures: Option<Vec<Capture>>,
    /// The directory below which it looks; `/` when absent.
    #[n(5)]
    pub directory: Option<String>,
    /// Only objects of a class of this registered name, or of one that inherits from such a class.
    #[n(6)]
    pub class: Option<String>,
    /// Only objects of the class with this id, or of the class version with this address, or of one that inherits from it.
    #[n(7)]
    pub class_id: Option<ObjectId>,
    /// The field whose values set the order; that in which the objects were made when absent.
    #[n(8)]
    pub order: Option<String>,
    /// Whether the order is turned round.
    #[n(9)]
    pub descending: Option<bool>,
    /// Objects that are wanted at most.
    #[n(10)]
    pub limit: Option<u64>,
    /// The fields that are wanted; all when absent.
    #[n(11)]
    pub fields: Option<Vec<String>>,
    /// Only how many there are.
    #[n(12)]
    pub count: Option<bool>,
    /// Only a row for each group of equal values of a field.
    #[n(13)]
    pub group: Option<Group>,
    /// Objects a page, at most [`crate::limits::MAX_PAGE`]; that many when absent.
    #[n(14)]
    pub page: Option<u32>,
    /// Only objects whose texts hold these words: `red widget`, `wid*` for all that begins so, `"red widget"` for words that follow one another. Those that fit
    /// best come first when there is no `order`.
    #[n(15)]
    pub text: Option<String>,
    /// The fields in which `text` is looked for; all when absent.
    #[n(16)]
    pub text_fields: Option<Vec<String>>,
}

impl Query {
    /// A query with a function in a language; every object is wanted when it has none.
    pub fn new(language: Language, source: Option<&str>) -> Self {
        Self {
            language,
            source: source.map(str::to_owned),
            params: None,
            values: None,
            captures: None,
            directory: None,
            class: None,
            class_id: None,
            order: None,
            descending: None,
            limit: None,
            fields: None,
            count: None,
            group: None,
            page: None,
            text: None,
            text_fields: None,
        }
    }
}

/// Groups of objects by the values of a field, and what is made of each group.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Group {
    /// The field.
    #[n(0)]
    pub by: String,
    /// What is wanted of each group besides its count.
    #[n(1)]
    pub aggregates: Vec<Aggregate>,
}

/// One value made of the values of a field in a group. For sum and mean only numbers count, for min and max also texts, bytes and times; NaN never does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Aggregate {
    /// How.
    #[n(0)]
    pub kind: AggregateKind,
    /// The field.
    #[n(1)]
    pub field: String,
}

/// What is made of the values of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum AggregateKind {
    /// Their sum: an integer when all are, else a float.
    #[n(0)]
    Sum,
    /// The smallest.
    #[n(1)]
    Min,
    /// The largest.
    #[n(2)]
    Max,
    /// Their mean, a float.
    #[n(3)]
    Mean,
}

impl AggregateKind {
    /// Every kind, in the order of its number.
    pub const ALL: &'static [AggregateKind] =
        &[AggregateKind::Sum, AggregateKind::Min, AggregateKind::Max, AggregateKind::Mean];

    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            AggregateKind::Sum => "sum",
            AggregateKind::Min => "min",
            AggregateKind::Max => "max",
            AggregateKind::Mean => "mean",
        }
    }
}

/// The reply to `search`: one page of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Matches {
    /// The objects.
    #[n(0)]
    pub items: Vec<Match>,
    /// Objects on which the function failed; these are not among the others.
    #[n(1)]
    pub failures: Vec<Failure>,
    /// The cursor from which the next page goes on; absent on the last page.
    #[n(2)]
    pub next: Option<String>,
    /// How many there are, when that was asked for.
    #[n(3)]
    pub count: Option<u64>,
    /// The groups, when they were asked for, in the order of the values.
    #[n(4)]
    pub groups: Option<Vec<Row>>,
    /// Failures that are not among `failures`, which holds [`crate::limits::MAX_FAILURES`] at most.
    #[n(5)]
    pub more_failures: Option<u64>,
}

/// An object that was found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Match {
    /// Where it is.
    #[n(0)]
    pub path: String,
    /// Its properties.
    #[n(1)]
    pub stat: Stat,
    /// Its fields, or those of them that are wanted: an encoded map.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub state: Vec<u8>,
    /// In a search for text: how well it fits. Only scores of one search can be compared.
    #[n(3)]
    pub score: Option<Score>,
    /// In a search for text: where the words are.
    #[n(4)]
    pub highlights: Option<Vec<Highlight>>,
}

/// How well an object fits a text: the bits of a float of 32 bits that is positive, so that their order is that of the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Score(#[n(0)] pub u32);

impl Score {
    /// The score as a number.
    pub fn get(self) -> f64 {
        f64::from(f32::from_bits(self.0))
    }
}

/// A part of a text with words that were looked for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Highlight {
    /// The object's field.
    #[n(0)]
    pub field: String,
    /// A part of the text that it holds; `…` stands for what was left out at an end.
    #[n(1)]
    pub text: String,
    /// Where the words are in it: begin and end, in code points.
    #[n(2)]
    pub ranges: Vec<(u32, u32)>,
}

/// An object on which the function failed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Failure {
    /// Where it is.
    #[n(0)]
    pub path: String,
    /// What went wrong.
    #[n(1)]
    pub error: Error,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Row {
    /// The value that its objects have in the field: encoded. Absent for objects that lack the field.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub key: Option<Vec<u8>>,
    /// How many objects it has.
    #[n(1)]
    pub count: u64,
    /// What was wanted of it, in the order of the request: an encoded list, with null where no value counted.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub values: Vec<u8>,
}

/// An index: the reply to `create_index`, and of `indexes` a list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IndexInfo {
    /// The name of the class whose objects it has, and of those that inherit from it; `*` for all classes.
    #[n(0)]
    pub class: String,
    /// The class's id.
    #[n(1)]
    pub class_id: ObjectId,
    /// The field.
    #[n(2)]
    pub field: String,
    /// Whether no two objects that the caller owns (for an administrator: of some user's, or at all) may have the same value.
    #[n(3)]
    pub unique: bool,
    /// Whether all objects are in it, so that searches use it.
    #[n(4)]
    pub ready: bool,
    /// While it is being built: objects, those of other classes included, that were looked at so far.
    #[n(5)]
    pub looked_at: Option<u64>,
    /// Of a unique one: objects that had the value of another before they were in the index; they keep it.
    #[n(6)]
    pub duplicates: Option<u64>,
}

/// The reply to `explain`: how a search would run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Plan {
    /// `index`, `order` (in the order of an index, until the page is full), `text` (by the index of words), `tree` (the members of the directory, one by one), or `scan` (all objects in the order in which they were made); with `, newest first` behind it when that order is turned.
    #[n(0)]
    pub access: String,
    /// The index: its class and field; absent when none is used.
    #[n(1)]
    pub index: Option<String>,
    /// The ranges of the index that are read, for people.
    #[n(2)]
    pub ranges: Vec<String>,
    /// What is evaluated natively on each object, for people; absent when nothing is.
    #[n(3)]
    pub native: Option<String>,
    /// Why something has to run in the sandbox; absent when nothing surely has.
    #[n(4)]
    pub sandbox: Option<String>,
    /// Objects that were looked at in a run.
    #[n(5)]
    pub seen: u64,
    /// Objects of them that the function was asked about in the sandbox.
    #[n(6)]
    pub sandboxed: u64,
    /// Objects that were found.
    #[n(7)]
    pub found: u64,
}
