//! The file system of the call: every operation joins its transaction, with the rights of the call. It is there on the node; elsewhere each operation is
//! `unsupported`.

use crate::convert::Data;
use crate::host;
use emerge_proto::class::{decode, encode};
use emerge_proto::op::Target;
use emerge_proto::record::{Called, Fetched};
use emerge_proto::{Error, Op, Result, Stat, Value};

/// Runs any operation, and gives its encoded record (see [`Op`] for that of each).
///
/// # Errors
/// As the operation's.
pub fn request(op: &Op) -> Result<Vec<u8>> {
    host::request(&encode(op))
}

/// The properties of what lies at a path.
///
/// # Errors
/// `not_found`, `permission_denied`.
pub fn stat(path: &str) -> Result<Stat> {
    decode(&request(&Op::Stat { path: Target::Path(path.into()) })?)
}

/// The fields of an object: a map.
///
/// # Errors
/// `not_found`, `permission_denied`.
pub fn get(path: &str) -> Result<Value> {
    let bytes = request(&Op::Get { path: Target::Path(path.into()), version: None, children: None })?;
    let fetched: Fetched = decode(&bytes)?;
    Value::decode(&fetched.state)
}

/// Calls a method of another object.
///
/// # Errors
/// As the method's; `limit_exceeded` when calls nest too deep.
pub fn call<T: Data>(path: &str, method: &str, args: Vec<Value>) -> Result<T, Error> {
    let op = Op::Call {
        path: Target::Path(path.into()),
        method: method.into(),
        args: Value::List(args).encode(),
        log: false,
        after: None,
        with: None,
    };
    let called: Called = decode(&request(&op)?)?;
    T::from_value(Value::decode(&called.result)?)
}
