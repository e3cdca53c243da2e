//! `emerge._native`: the native client for CPython. Thin: a request comes as a pickle and its reply goes as one; what waits
//! lets go of the interpreter.
//!
//! A reply is a pair: whether it is good, and its pickle or that of its error.

mod connection;
mod mailbox;
mod own;
mod raw;
mod reactor;

use emerge_proto::Result;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Whether it is good, and the pickle of the reply or of the error.
pub(crate) struct Answer(pub(crate) Result<Vec<u8>>);

impl<'py> IntoPyObject<'py> for Answer {
    type Target = pyo3::types::PyTuple;
    type Output = Bound<'py, Self::Target>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let good = self.0.is_ok();
        let payload = self.0.unwrap_or_else(|error| emerge_pickle::error_to_pickle(&error));
        (good, PyBytes::new(py, &payload)).into_pyobject(py)
    }
}

/// The address of the version of a pickled class.
#[pyfunction]
fn class_hash(source: &[u8]) -> Answer {
    let hash = emerge_pickle::class_from_pickle(source).and_then(|class| {
        class.check()?;
        Ok(class.hash().0.to_vec())
    });
    Answer(hash)
}

/// Whether a pickled value can travel.
#[pyfunction]
fn check(value: &[u8]) -> Answer {
    Answer(emerge_pickle::value_of_pickle(value).map(|_| Vec::new()))
}

/// Names of changed and of removed fields, for two pickled dicts.
#[pyfunction]
fn changes(old: &[u8], new: &[u8]) -> Answer {
    Answer(emerge_pickle::changes(old, new))
}

/// What a module of a class in WebAssembly says of itself.
#[pyfunction]
fn module_about(module: &[u8]) -> Answer {
    Answer(emerge_pickle::module_to_pickle(module))
}

/// The request of a call of its, of a pickled one.
#[pyfunction]
fn module_request(description: &[u8], call: &[u8]) -> Answer {
    Answer(emerge_pickle::module_request(description, call))
}

/// The pickle of its reply.
#[pyfunction]
fn module_reply(reply: &[u8]) -> Answer {
    Answer(emerge_pickle::module_reply(reply))
}

/// The module.
#[pymodule]
#[pyo3(name = "_native")]
fn native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let leave = wrap_pyfunction!(mailbox::leave, module)?;
    module.py().import("atexit")?.call_method1("register", (leave,))?;
    module.add_class::<connection::Asked>()?;
    module.add_class::<connection::Connection>()?;
    module.add_class::<connection::Items>()?;
    module.add_class::<mailbox::Mailbox>()?;
    module.add_function(wrap_pyfunction!(connection::begin, module)?)?;
    module.add_function(wrap_pyfunction!(connection::connect, module)?)?;
    module.add_function(wrap_pyfunction!(own::forked, module)?)?;
    module.add_function(wrap_pyfunction!(class_hash, module)?)?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(changes, module)?)?;
    module.add_function(wrap_pyfunction!(module_about, module)?)?;
    module.add_function(wrap_pyfunction!(module_request, module)?)?;
    module.add_function(wrap_pyfunction!(module_reply, module)?)
}
