//! The language that every part of Emerge speaks: values, paths, object and class records,
//! error codes, limits and frames, and their CBOR encoding (RFC 8949).
//!
//! This room does no I/O, reads no clock and knows no host. `PROTOCOL.md` beside this crate
//! describes the wire format for those who write a client of their own.

pub mod account;
pub mod class;
pub mod error;
pub mod frame;
pub mod guard;
pub mod id;
pub mod inside;
pub mod limits;
pub mod module;
pub mod op;
pub mod path;
pub mod perms;
#[cfg(feature = "perturb")]
pub mod perturb;
pub mod query;
pub mod record;
pub mod rules;
pub mod scope;
pub mod sequence;
mod sort;
pub mod transaction;
pub mod value;
pub mod version;
pub mod watch;

pub use class::{
    ClassHash, ClassSource, ClassVersion, FieldDecl, FieldType, Language, MethodDecl, ParamDecl,
};
pub use error::{Error, ErrorCode, Result};
pub use frame::Frame;
pub use id::{ObjectId, SessionId, TransactionId};
pub use inside::Inside;
pub use op::Op;
pub use path::Path;
pub use perms::{Perms, PermsChange};
pub use query::Query;
pub use record::{Fetched, ObjectType, Page, Stat};
pub use scope::Scope;
pub use value::Value;
pub use version::AsOf;
