//! The bytes of a call: its request, its reply, and the places of its arguments.

use super::Method;
use crate::value::{check, check_map, raw};
use crate::{ClassHash, Error, ErrorCode, Result, Value};
use minicbor::Decoder;

/// What a module is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method's name.
    pub method: &'a str,
    /// The path of the object.
    pub path: &'a str,
    /// The state of the object: an encoded map value.
    pub state: &'a [u8],
    /// An argument for each parameter ([`Method::arguments`]): an encoded list value.
    pub args: &'a [u8],
    /// The clock that the method sees: microseconds since 1970-01-01T00:00:00Z.
    pub now_micros: i64,
    /// The seed of the randomness that it has.
    pub seed: u64,
    /// The address of the class version, for objects of its own class within what it gives.
    pub class: ClassHash,
}

impl Request<'_> {
    /// The record: an array of the members in their order.
    pub fn encode(&self) -> Vec<u8> {
        let room = self.method.len() + self.path.len() + self.state.len() + self.args.len() + 64;
        let mut bytes = Vec::with_capacity(room);
        let mut encoder = minicbor::Encoder::new(&mut bytes);
        // Writing to a vector cannot fail.
        let _ = encoder.array(7).and_then(|encoder| encoder.str(self.method)?.str(self.path));
        bytes.extend_from_slice(self.state);
        bytes.extend_from_slice(self.args);
        let mut encoder = minicbor::Encoder::new(&mut bytes);
        let _ = encoder.i64(self.now_micros).and_then(|encoder| encoder.u64(self.seed)?.bytes(&self.class.0));
        bytes
    }
}

/// What a module answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The method returned.
    Returned {
        /// An encoded value.
        result: &'a [u8],
        /// The state that it left, when it changed it: an encoded map value.
        state: Option<&'a [u8]>,
    },
    /// The method failed.
    Failed(Box<Error>),
}

/// Reads a reply: `[0, result, state or null]`, or `[1, error]`.
///
/// # Errors
/// `bad_frame` and what [`Value::decode`] says of a value, with the field path.
pub fn reply(bytes: &[u8]) -> Result<Reply<'_>> {
    let mut decoder = Decoder::new(bytes);
    let length = decoder.array()?;
    let reply = match (length, decoder.u8()?) {
        (Some(3), 0) => {
            let result = raw_value(bytes, &mut decoder)?;
            let state = raw_value(bytes, &mut decoder)?;
            check(result)?;
            let state = (state != [NULL]).then_some(state);
            state.map_or(Ok(()), check_map)?;
            Reply::Returned { result, state }
        }
        (Some(2), 1) => {
            let error: Error = decoder.decode()?;
            // What has happened is for the host to say, and it keeps the log.
            Reply::Failed(Box::new(Error { effect: None, log: None, ..error }))
        }
        _ => return Err(Error::new(ErrorCode::BadFrame, "a reply is [0, result, state] or [1, error]")),
    };
    match bytes.len() - decoder.position() {
        0 => Ok(reply),
        more => Err(Error::new(ErrorCode::BadFrame, format!("{more} bytes follow the reply"))),
    }
}

const NULL: u8 = 0xf6;

fn raw_value<'b>(bytes: &'b [u8], decoder: &mut Decoder<'b>) -> Result<&'b [u8]> {
    let from = decoder.position();
    decoder.skip()?;
    Ok(&bytes[from..decoder.position()])
}

impl Method {
    /// An argument for each parameter, in their order, of those given by place and by name: a parameter without one has its default, and one that takes
    /// all the rest has a list of it.
    ///
    /// # Errors
    /// `bad_argument` with the method's signature, naming the argument.
    pub fn arguments(&self, args: &[u8], kwargs: Option<&[u8]>) -> Result<Vec<u8>> {
        let params = &self.decl.params;
        let has_rest = params.last().is_some_and(|param| param.name.starts_with("..."));
        let given = Decoder::new(args).array()?;
        if kwargs.is_none() && !has_rest && given == Some(params.len() as u64) {
            return Ok(args.to_vec());
        }
        let Value::List(mut by_place) = Value::decode(args)? else {
            return Err(Error::new(ErrorCode::BadArgument, "the arguments must be a list").field("args"));
        };
        let named = params.len() - usize::from(has_rest);
        let rest = if by_place.len() > named { by_place.split_off(named) } else { Vec::new() };
        if !has_rest && !rest.is_empty() {
            let why = format!("takes {named} arguments, and {} were given", named + rest.len());
            return Err(self.decl.misuse(&why, "args"));
        }
        let mut placed: Vec<Option<Value>> = by_place.into_iter().map(Some).collect();
        placed.resize(named, None);
        for entry in kwargs.map_or_else(|| raw::entries(raw::EMPTY), raw::entries)? {
            let (name, value) = entry?;
            let Some(place) = params[..named].iter().position(|param| param.name == *name) else {
                return Err(self.decl.misuse(&format!("has no parameter of the name {name:?}"), &name));
            };
            if placed[place].replace(Value::decode(value)?).is_some() {
                return Err(self.decl.misuse(&format!("was given twice the argument {name:?}"), &name));
            }
        }
        let mut complete = Vec::with_capacity(params.len());
        for ((value, default), param) in placed.into_iter().zip(&self.defaults).zip(params) {
            complete.push(match (value, default) {
                (Some(value), _) => value,
                (None, Some(default)) => Value::decode(default)?,
                (None, None) => {
                    let why = format!("was not given the argument {:?}", param.name);
                    return Err(self.decl.misuse(&why, &param.name));
                }
            });
        }
        if has_rest {
            complete.push(Value::List(rest));
        }
        Ok(Value::List(complete).encode())
    }
}
