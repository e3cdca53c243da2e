//! Searches with plain functions: reads the text of one, of either language, into one tree of expressions; evaluates that over the encoded fields of an
//! object; and says which part of an index can hold what it wants. What searches for text look for is in [`text`].
//!
//! The meaning is exactly that of the language. What is not surely the same here, and whatever would raise an error, is left to the sandbox: then the answer
//! for that object is [`Answer::Sandbox`], so that nothing here need know how a language words its errors. No I/O, no clock, no threads.

mod aggregate;
mod eval;
mod expr;
mod lambda;
mod plan;
mod read;
pub mod text;

pub use aggregate::Aggregator;
pub use lambda::{Answer, Lambda, Names};
pub use plan::{Access, Span};
