//! The client's half of an Emerge session.
//!
//! [`Session`] does no I/O: bytes and time go in, bytes and events come out, so it runs the same in a browser, in a
//! native program and in the simulator. The `native` feature adds a client over tokio.

#[cfg(feature = "native")]
pub mod native;
pub mod session;

#[cfg(feature = "native")]
pub use native::Client;
pub use session::{Config, Delivery, EncodedOp, Event, Kind, Session, State};
