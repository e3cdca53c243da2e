//! A call: the request that a host makes, and the reply to it.

use crate::convert::{Data, named};
use crate::world;
use emerge_proto::class::encode;
use emerge_proto::{Error, ErrorCode, Result, Value};
use minicbor::{Decoder, Encoder};

/// A class: what its state is in Rust.
pub trait Class: Sized {
    /// Reads the fields.
    ///
    /// # Errors
    /// `bad_argument`, naming the field.
    fn from_state(state: &mut State) -> Result<Self>;

    /// Writes the fields.
    fn into_state(self, state: &mut State);
}

/// An object of the running class, to be held by another or given.
pub fn object(object: impl Class) -> Value {
    let mut state = State(Vec::new());
    object.into_state(&mut state);
    Value::Object { class: world::class(), fields: state.0 }
}

/// The methods of a class.
pub trait Methods: Class {
    /// Calls one by its name.
    ///
    /// # Errors
    /// The method's own; `bad_argument`; `method_not_found`.
    fn call(name: &str, arguments: &mut Arguments, state: &mut State) -> Result<Value>;
}

/// The state of an object: its fields, those that the class does not know included.
#[derive(Debug)]
pub struct State(Vec<(String, Value)>);

impl State {
    /// The value of a field; one that is not there has its default, which is encoded.
    ///
    /// # Errors
    /// `bad_argument`, naming the field.
    pub fn field<T: Data>(&mut self, name: &str, default: Option<&[u8]>) -> Result<T> {
        let value = match (self.0.iter().find(|(known, _)| known == name), default) {
            (Some((_, value)), _) => value.clone(),
            (None, Some(default)) => Value::decode(default)?,
            (None, None) => Value::Null,
        };
        T::from_value(value).map_err(|error| named(error, name))
    }

    /// A field's value as it is, also of one that the class does not declare.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Sets a field.
    pub fn set(&mut self, name: &str, value: impl Data) {
        let value = value.into_value();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

/// The arguments of a call, one for each parameter.
#[derive(Debug)]
pub struct Arguments(std::vec::IntoIter<Value>);

impl Arguments {
    /// The next one, of the parameter of this name.
    ///
    /// # Errors
    /// `bad_argument`, naming the parameter.
    pub fn take<T: Data>(&mut self, name: &str) -> Result<T> {
        let value = self
            .0
            .next()
            .ok_or_else(|| named(Error::new(ErrorCode::BadArgument, "it was not given"), name))?;
        T::from_value(value).map_err(|error| named(error, name))
    }
}

/// Why a method failed: an [`Error`], or a text.
pub trait Failure {
    /// The error.
    fn failure(self) -> Error;
}

impl Failure for Error {
    fn failure(self) -> Error {
        self
    }
}

impl Failure for String {
    fn failure(self) -> Error {
        Error::new(ErrorCode::MethodFailed, self)
    }
}

impl Failure for &str {
    fn failure(self) -> Error {
        Error::new(ErrorCode::MethodFailed, self)
    }
}

impl Failure for Box<dyn std::error::Error> {
    fn failure(self) -> Error {
        Error::new(ErrorCode::MethodFailed, self.to_string())
    }
}

/// What a method gave.
pub trait Outcome {
    /// Its result, or why there is none.
    ///
    /// # Errors
    /// The method's own.
    fn outcome(self) -> Result<Value>;
}

impl<T: Data> Outcome for T {
    fn outcome(self) -> Result<Value> {
        Ok(self.into_value())
    }
}

impl<T: Data, E: Failure> Outcome for Result<T, E> {
    fn outcome(self) -> Result<Value> {
        self.map(Data::into_value).map_err(Failure::failure)
    }
}

/// As [`Outcome::outcome`]; what `#[emerge::class]` writes.
///
/// # Errors
/// The method's own.
pub fn outcome(outcome: impl Outcome) -> Result<Value> {
    outcome.outcome()
}

/// The error for a method that is not there.
pub fn no_method(name: &str) -> Error {
    Error::new(ErrorCode::MethodNotFound, format!("the module has no method {name:?}")).field(name)
}

/// The reply to a request, whatever bytes that is.
pub fn answer<T: Methods>(request: &[u8]) -> Vec<u8> {
    match called::<T>(request) {
        Ok(reply) => reply,
        Err(error) => {
            let mut reply = vec![0x82, 1];
            reply.extend_from_slice(&encode(&error));
            reply
        }
    }
}

fn called<T: Methods>(request: &[u8]) -> Result<Vec<u8>> {
    let mut decoder = Decoder::new(request);
    decoder.array()?;
    let method = decoder.str()?;
    let path = decoder.str()?;
    let (state, length) = Value::decode_first(&request[decoder.position()..])?;
    let before = &request[decoder.position()..decoder.position() + length];
    decoder.set_position(decoder.position() + length);
    let (arguments, length) = Value::decode_first(&request[decoder.position()..])?;
    decoder.set_position(decoder.position() + length);
    let (now, seed) = (decoder.i64()?, decoder.u64()?);
    let class = decoder.bytes()?;
    let (Value::Map(fields), Value::List(arguments)) = (state, arguments) else {
        return Err(Error::new(ErrorCode::BadFrame, "the request has no state, or no arguments"));
    };
    world::begin(path, now, seed, class);
    let mut state = State(fields);
    let result = T::call(method, &mut Arguments(arguments.into_iter()), &mut state)?;
    let mut reply = vec![0x83, 0];
    result.encode_into(&mut reply);
    let after = Value::Map(state.0).encode();
    if after == before {
        // Writing to a vector cannot fail.
        let _ = Encoder::new(&mut reply).null();
    } else {
        reply.extend_from_slice(&after);
    }
    Ok(reply)
}
