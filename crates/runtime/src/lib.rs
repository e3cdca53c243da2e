//! Runs stored code, and nothing else does: all of it in WebAssembly inside wasmtime (feature `sandbox`).
//! Without that feature only the [`Runtime`] trait remains, which is all that `emerge-node` knows.

#[cfg(feature = "sandbox")]
mod javascript;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod native;
#[cfg(all(feature = "sandbox", not(target_os = "linux")))]
#[path = "native_elsewhere.rs"]
mod native;
#[cfg(feature = "sandbox")]
mod native_report;
#[cfg(feature = "sandbox")]
mod sandbox;

#[cfg(feature = "sandbox")]
pub use native::{Native, NativeOptions};
#[cfg(feature = "sandbox")]
pub use native_report::NativeReport;

#[cfg(feature = "sandbox")]
pub use sandbox::{FileObject, FileObjects, Sandbox, SandboxOptions};

use emerge_proto::{ClassSource, ClassVersion, MethodDecl, Op, Result};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A boxed future, so that the traits of this room can be used as trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One method call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The object's class version and those that it inherits from, nearest first.
    pub lineage: Vec<Arc<ClassVersion>>,
    /// Other classes that those use, and what these need in turn.
    pub captured: Vec<Arc<ClassVersion>>,
    /// The object's path, which the method sees as `this.meta.path`.
    pub path: String,
    /// The object's state: an encoded map value.
    pub state: Vec<u8>,
    /// The method's name.
    pub method: String,
    /// The arguments: an encoded list value.
    pub args: Vec<u8>,
    /// Arguments by name: an encoded map value.
    pub kwargs: Option<Vec<u8>>,
    /// Whether it is the query of a query object: the method gets the file system as its argument, and what it gives is what can be kept: objects that are
    /// stored become references.
    pub is_query: bool,
    /// The caller's user name; instances are never shared between users.
    pub user: String,
    /// The clock that the method sees: microseconds since 1970-01-01T00:00:00Z.
    pub now_micros: i64,
    /// The seed of the randomness that the method sees.
    pub seed: u64,
    /// How long it may take.
    pub deadline: Duration,
    /// How many bytes of memory it may use.
    pub memory: usize,
    /// Whether its log is kept.
    pub log: bool,
}

/// What a method left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// What it returned: an encoded value.
    pub result: Vec<u8>,
    /// The object's state, when the method changed it: an encoded map value.
    pub state: Option<Vec<u8>>,
    /// What it logged, a line each; empty when the log was not asked for.
    pub log: String,
}

/// The file system as a running method sees it: every operation joins the call's transaction.
pub trait Fs: Send + Sync {
    /// Runs one operation and gives its encoded reply (see [`Op`] for the record of each).
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>>;
}

/// Is told how long a call computes, as it goes.
pub type Spent = Arc<dyn Fn(Duration) + Send + Sync>;

/// A way to run stored code.
pub trait Runtime: Send + Sync {
    /// Checks a class before it is kept: its source compiles here, its fields and bases fit, no name in it is free.
    /// Gives its own methods. `bases` are the lineages of its bases, in the order of `class.bases`, nearest first each;
    /// after them, when there are any, the classes that it captures and what those need.
    ///
    /// # Errors
    /// `class_invalid` with the line, or the free name in `field`; `unsupported` for a language that is not here.
    fn analyse<'a>(
        &'a self,
        class: &'a ClassSource,
        bases: &'a [Vec<Arc<ClassVersion>>],
    ) -> BoxFuture<'a, Result<Vec<MethodDecl>>>;

    /// Checks the class that the function of a search is a part of: as [`Runtime::analyse`], but nothing that such a function names may be the file system,
    /// which it does not have.
    ///
    /// # Errors
    /// As [`Runtime::analyse`]; in JavaScript `fs` is a free name.
    fn analyse_search<'a>(&'a self, class: &'a ClassSource) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.analyse(class, &[]).await.map(drop) })
    }

    /// Runs a method. Dropping the future stops the method.
    ///
    /// # Errors
    /// `method_not_found`, `method_failed` (with the user's own lines in `trace`), `deadline_exceeded`, `out_of_memory`,
    /// `unmappable_value` (with the field path), and whatever `fs` gave and the method let through.
    fn call<'a>(&'a self, call: Call, fs: Arc<dyn Fs>) -> BoxFuture<'a, Result<Returned>>;

    /// As [`Runtime::call`], telling how long it computes; while it waits for `fs` it does not. A call that it makes through `fs` tells its own. A runtime
    /// that does not measure tells nothing.
    ///
    /// # Errors
    /// As [`Runtime::call`].
    fn call_measured<'a>(
        &'a self,
        call: Call,
        fs: Arc<dyn Fs>,
        spent: Spent,
    ) -> BoxFuture<'a, Result<Returned>> {
        let _ = spent;
        self.call(call, fs)
    }
}
