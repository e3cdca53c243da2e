//! The words of searches and indexes.

use super::Format;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Search {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The directory below which to look [default: /].
    pub(crate) directory: Option<String>,
    /// A JavaScript function that says of an object whether it is wanted: 'o => o.unitPrice < 3.5'; with params: '(o, p) => o.unitPrice < p.max'.
    /// Or words that its texts have to hold: 'red wid*', '"red widget"'.
    #[arg(value_name = "FUNCTION|TEXT")]
    pub(crate) function: Option<String>,
    /// The function in Python: 'lambda o: o.unit_price < 3.5'.
    #[arg(long, value_name = "LAMBDA")]
    pub(crate) python: Option<String>,
    /// Words that the texts have to hold, beside a function, or when they look like one.
    #[arg(long, value_name = "WORDS")]
    pub(crate) text: Option<String>,
    /// The fields in which the words are looked for: a,b,c [default: all].
    #[arg(long = "in", value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) text_fields: Option<Vec<String>>,
    /// The function's second argument, a JSON object: '{"max": 3}'.
    #[arg(long, value_name = "JSON")]
    pub(crate) params: Option<String>,
    /// Only objects of the class of this name, and of those that inherit from it.
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// The field that sets the order [default: the order in which the objects were made].
    #[arg(long, value_name = "FIELD")]
    pub(crate) order: Option<String>,
    /// Turn the order round.
    #[arg(long)]
    pub(crate) descending: bool,
    /// How many objects are wanted at most.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Only one page of so many at most; it tells the cursor of the next.
    #[arg(long, value_name = "N", conflicts_with_all = ["count", "group_by"])]
    pub(crate) page: Option<u32>,
    /// The page after this cursor, which the page before has told.
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["count", "group_by"])]
    pub(crate) after: Option<String>,
    /// The fields that are wanted: a,b,c [default: all].
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) fields: Option<Vec<String>>,
    /// Only how many objects there are.
    #[arg(long, conflicts_with = "group_by")]
    pub(crate) count: bool,
    /// Only a row for each value of this field.
    #[arg(long, value_name = "FIELD")]
    pub(crate) group_by: Option<String>,
    /// The sum of a field in each group; may be given several times, as the next ones.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) sum: Vec<String>,
    /// The smallest value of a field in each group.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) min: Vec<String>,
    /// The largest value of a field in each group.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) max: Vec<String>,
    /// The mean of a field in each group.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) mean: Vec<String>,
    /// Tell how the search runs, and not what it finds.
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Make an index, which is built in the background.
    Create(CreateIndex),
    /// Drop an index.
    Drop(DropIndex),
    /// List all indexes.
    List {
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateIndex {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The class: one of your own by its name, any by its id, '*' for all.
    pub(crate) class: String,
    /// The field.
    pub(crate) field: String,
    /// No two objects may have the same value from now on.
    #[arg(long)]
    pub(crate) unique: bool,
    /// Wait until it is ready, and tell how many objects were looked at.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DropIndex {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The class: one of your own by its name, any by its id, '*' for all.
    pub(crate) class: String,
    /// The field.
    pub(crate) field: String,
}
