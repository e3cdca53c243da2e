//! What Python needs to run a class in WebAssembly: its record, and the bytes of a call, which are no pickles.

use crate::{failing, machine, record, value, write};
use emerge_proto::module::{Description, Reply, Request, described, reply};
use emerge_proto::{ClassHash, Error, ErrorCode, Result, Value};

/// What a module says of itself: a pickled tuple of the class's address, its record as `put_class` takes it, its methods, and the description as it lies in
/// the module.
///
/// # Errors
/// `class_invalid` and `too_large`, as of a node.
pub fn module_to_pickle(module: &[u8]) -> Result<Vec<u8>> {
    let about = described(module)?;
    let description = Description::read(&about)?;
    let methods: Vec<_> = description.methods.iter().map(|method| method.decl.clone()).collect();
    let class = description.class(module.to_vec());
    class.check()?;
    let mut writer = write::Writer::new();
    writer.tuple(|writer| {
        writer.bytes(&class.hash().0);
        record::source(writer, &class)?;
        writer.list(&methods, record::method)?;
        writer.bytes(&about);
        Ok::<_, Error>(())
    })?;
    Ok(writer.finish())
}

/// The request of a call, of a pickled tuple: the method's name, the object's path, its fields, the arguments by place and by name, the clock in
/// microseconds, a seed, and the address of the class version.
///
/// # Errors
/// `method_not_found`, `bad_argument` with the method's signature; as [`crate::value_from_pickle`].
pub fn module_request(description: &[u8], pickle: &[u8]) -> Result<Vec<u8>> {
    let heap = machine::read(pickle)?;
    let wrong = || failing::bad("a call of a module is a tuple of eight");
    let Value::List(parts) = value::Reader::new(&heap).value(heap.root)? else { return Err(wrong()) };
    let parts: [Value; 8] = parts.try_into().map_err(|_| wrong())?;
    let [
        Value::Text(method),
        Value::Text(path),
        state @ Value::Map(_),
        args,
        kwargs,
        Value::Int(now),
        Value::Int(seed),
        Value::Bytes(class),
    ] = parts
    else {
        return Err(wrong());
    };
    let description = Description::read(description)?;
    let missing =
        || Error::new(ErrorCode::MethodNotFound, format!("there is no method {method:?}")).field(&method);
    let args =
        description.method(&method).ok_or_else(missing)?.arguments(&args.encode(), Some(&kwargs.encode()))?;
    let request = Request {
        method: &method,
        path: &path,
        state: &state.encode(),
        args: &args,
        now_micros: now,
        seed: seed.unsigned_abs(),
        class: ClassHash(class.try_into().map_err(|_| wrong())?),
    };
    Ok(request.encode())
}

/// What a module replied: a pickled tuple of the result and the fields that the method left, which are `None` when it changed none.
///
/// # Errors
/// The method's own; `method_failed` when it is no reply.
pub fn module_reply(bytes: &[u8]) -> Result<Vec<u8>> {
    let unread = |error: Error| {
        let why = format!("the module gave no reply that can be read: {}", error.message);
        Error { code: ErrorCode::MethodFailed, message: why, ..error }
    };
    let (result, state) = match reply(bytes).map_err(unread)? {
        Reply::Returned { result, state } => (result, state),
        Reply::Failed(error) => return Err(*error),
    };
    let mut writer = write::Writer::new();
    writer.tuple(|writer| {
        writer.value(&Value::decode(result)?)?;
        match state {
            Some(state) => writer.value(&Value::decode(state)?),
            None => {
                writer.none();
                Ok(())
            }
        }
    })?;
    Ok(writer.finish())
}
