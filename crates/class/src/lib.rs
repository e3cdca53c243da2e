//! Classes of Emerge in Rust.
//!
//! ```
//! use emerge::Error;
//!
//! /// A bank account.
//! #[emerge::class]
//! pub struct Account {
//!     /// Whose it is.
//!     pub owner: String,
//!     /// Cents.
//!     #[default(0)]
//!     pub balance: i64,
//! }
//!
//! #[emerge::class]
//! impl Account {
//!     /// Takes cents off, and gives how many are left.
//!     pub fn withdraw(&mut self, amount: i64, #[default(0)] fee: i64) -> Result<i64, String> {
//!         let left = self.balance - amount - fee;
//!         if left < 0 {
//!             return Err(format!("{} has {} cents only", self.owner, self.balance));
//!         }
//!         self.balance = left;
//!         Ok(left)
//!     }
//! }
//! ```
//!
//! Built for `wasm32-unknown-unknown` as a `cdylib` it is a module that a node keeps, and that runs in a page, in Node.js and in Python as well. Its public
//! functions are the methods: those without `self` are static, `#[property]` makes a property, a last parameter with `#[rest]` takes what is left of the
//! arguments, `#[skip]` leaves a function out. The class's name, fields, types, defaults and docs are those of the Rust code.
//!
//! In a test on the machine itself the struct is what it is; only [`fs`] has no node to ask.

mod convert;
pub mod fs;
#[cfg(target_arch = "wasm32")]
pub mod guest;
mod host;
mod invoke;
mod world;

pub use convert::{Bytes, Data, Date, DateTime, Ref, Uuid};
pub use emerge_class_macros::class;
pub use emerge_proto::{Error, ErrorCode, Op, Value};
pub use invoke::{Arguments, Class, Failure, Methods, Outcome, State, answer, no_method, object, outcome};
pub use world::{log, now, path, random};
