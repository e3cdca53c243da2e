//! The node's side of Emerge without any I/O: sessions, dispatch of operations, method calls, outcomes, streams.
//!
//! A host owns sockets, clock and threads. For each connection it makes a [`Connection`], hands it messages and the time,
//! polls it, and sends what [`Connection::poll_transmit`] gives:
//!
//! - [`Connection::handle_message`] and [`Connection::handle_timeout`] take bytes and time in;
//! - [`Connection::poll`] drives the requests in flight;
//! - [`Connection::poll_transmit`] and [`Connection::poll_timeout`] say what is to be sent and when to come back.
//!
//! Invariant: no reply, item or error leaves a connection before all that it depends on is durable (*output gate*).
//!
//! Invariant: a request that wrote is committed together with its outcome under (session, sequence), so that a resent
//! request finds its outcome and never runs twice.

pub mod archive;
mod audit;
mod call;
pub mod conditions;
mod connection;
mod copy;
mod dispatch;
mod hot;
pub mod json;
mod meter;
mod metered;
mod method_fs;
mod migrate;
mod mixin;
mod node;
pub mod resource;
mod search;
mod session;
mod source_lines;
mod stream;
mod text;
mod transaction;
mod transactions;
mod turns;
mod watch;

pub use audit::{Asked, Audit, Audited};
pub use connection::Connection;
pub use meter::{Allowance, Allowances, Meter, Meters, Seat};
pub use node::{Authenticator, Node, NodeOptions, Reply, Vouched};
pub use text::{Ranked, TextDocument, TextIndex, TextPosition};
