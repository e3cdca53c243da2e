//! The language that every part of Emerge speaks: values, paths, object and class records,
//! error codes, limits and frames, and their CBOR encoding (RFC 8949).
//!
//! This room does no I/O, reads no clock and knows no host. `PROTOCOL.md` beside this crate
//! describes the wire format for those who write a client of their own.

pub mod class;
pub mod error;
pub mod frame;
pub mod id;
pub mod inside;
pub mod limits;
pub mod op;
pub mod path;
#[cfg(feature = "perturb")]
pub mod perturb;
pub mod query;
pub mod record;
pub mod value;
pub mod version;

pub use class::{
    ClassHash, ClassSource, ClassVersion, FieldDecl, FieldType, Language, MethodDecl, ParamDecl,
};
pub use error::{Error, ErrorCode, Result};
pub use frame::Frame;
pub use id::{ObjectId, SessionId};
pub use inside::Inside;
pub use op::Op;
pub use path::Path;
pub use query::Query;
pub use record::{Fetched, ObjectType, Page, Perms, Stat};
pub use value::Value;
pub use version::AsOf;
