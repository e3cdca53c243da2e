//! Classes in WebAssembly: what a module says of itself, and the bytes of a call. `MODULE.md` beside this crate describes both for those who make modules.

mod call;
mod read;
mod section;
#[cfg(test)]
mod tests;

pub use call::{Reply, Request, reply};
pub use section::{SECTION, described};

use crate::{ClassSource, Error, FieldDecl, Language, MethodDecl, Result};

/// The version of the interface between a module and its host.
pub const INTERFACE: i64 = 1;
/// The module name of all imports.
pub const IMPORTS: &str = "emerge";
/// The export that gives room for bytes from the host: `(length: i32) -> address: i32`.
pub const ALLOC: &str = "emerge_alloc";
/// The export that runs a method: `(address: i32, length: i32) -> (address << 32 | length): i64`.
pub const CALL: &str = "emerge_call";
/// The export of the memory in which both find their bytes.
pub const MEMORY: &str = "memory";

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The registered name of the class.
    pub name: String,
    /// What the class is.
    pub doc: Option<String>,
    /// Its fields, in their order.
    pub fields: Vec<FieldDecl>,
    /// Its methods.
    pub methods: Vec<Method>,
}

/// A method as its module describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// As people see it.
    pub decl: MethodDecl,
    /// The default of each parameter, as an encoded [`crate::Value`]; none where an argument must be given.
    pub defaults: Vec<Option<Vec<u8>>>,
}

impl Description {
    /// Reads the sections of a module that describe it. Nothing of the module runs, and its code is not looked at.
    ///
    /// # Errors
    /// `class_invalid` for what is no core module, or describes no class, with the place in the description in `field`; `too_large`.
    pub fn of(module: &[u8]) -> Result<Self> {
        Self::read(&described(module)?)
    }

    /// Reads what [`described`] gave.
    ///
    /// # Errors
    /// As [`Description::of`].
    pub fn read(described: &[u8]) -> Result<Self> {
        read::description(described)
    }

    /// The class as it is sent to a node.
    pub fn class(self, module: Vec<u8>) -> ClassSource {
        ClassSource {
            name: self.name,
            language: Language::Wasm,
            source: String::new(),
            bases: Vec::new(),
            fields: self.fields,
            doc: self.doc,
            captures: None,
            requires: None,
            module: Some(module),
        }
    }

    /// A method by its name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.decl.name == name)
    }
}

fn invalid(why: impl Into<String>) -> Error {
    Error::new(crate::ErrorCode::ClassInvalid, why)
}
