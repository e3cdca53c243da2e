//! What the prelude gets from here: the file system, the log, evaluation under a name, UTF-8 and randomness.

use crate::host::{self, Wanted};
use crate::{evaluate, system, values};
use rquickjs_core::function::Opt;
use rquickjs_core::loader::{ImportAttributes, Loader, Resolver};
use rquickjs_core::module::Declared;
use rquickjs_core::{Ctx, Error, Exception, Function, Module, Object, Result, TypedArray, Value};
use std::cell::Cell;

/// The prelude's only argument.
pub fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;
    natives.set("request", Function::new(ctx.clone(), request)?)?;
    natives.set("classParts", Function::new(ctx.clone(), class_parts)?)?;
    natives.set("log", Function::new(ctx.clone(), log)?)?;
    natives.set("evaluate", Function::new(ctx.clone(), evaluate_named)?)?;
    natives.set("parse", Function::new(ctx.clone(), parse)?)?;
    natives.set("module", Function::new(ctx.clone(), module)?)?;
    natives.set("encodeText", Function::new(ctx.clone(), encode_text)?)?;
    natives.set("decodeText", Function::new(ctx.clone(), decode_text)?)?;
    natives.set("decode", Function::new(ctx.clone(), values::decode)?)?;
    natives.set("decodeFields", Function::new(ctx.clone(), values::decode_fields)?)?;
    natives.set("encode", Function::new(ctx.clone(), values::encode)?)?;
    natives.set("encodeFields", Function::new(ctx.clone(), values::encode_fields)?)?;
    natives.set("random", Function::new(ctx.clone(), system::random)?)?;
    Ok(natives)
}

fn request<'js>(ctx: Ctx<'js>, request: TypedArray<'js, u8>) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, host::ask(Wanted::Reply, &copy(&request)))
}

fn class_parts<'js>(ctx: Ctx<'js>, request: TypedArray<'js, u8>) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, host::ask(Wanted::Class, &copy(&request)))
}

fn log(text: String) {
    host::write_log(&text);
}

fn evaluate_named<'js>(ctx: Ctx<'js>, source: String, name: String) -> Result<Value<'js>> {
    evaluate(&ctx, source.into_bytes(), &name)
}

thread_local! {
    /// True while a module is only parsed: whatever it imports is taken to be there.
    static PARSING: Cell<bool> = const { Cell::new(false) };
}

fn parse<'js>(ctx: Ctx<'js>, source: String, name: String) -> Result<()> {
    PARSING.set(true);
    let parsed = Module::declare(ctx, name, source).map(|_| ());
    PARSING.set(false);
    parsed
}

fn module<'js>(ctx: Ctx<'js>, source: String, name: String) -> Result<Object<'js>> {
    let (module, done) = Module::declare(ctx.clone(), name, source)?.eval()?;
    let result = Object::new(ctx)?;
    result.set("namespace", module.namespace()?)?;
    result.set("done", done)?;
    Ok(result)
}

/// Finds the one module that can be imported.
pub struct Client;

const CLIENT: &str = "emerge-client";

impl Resolver for Client {
    fn resolve<'js>(
        &mut self,
        _ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if name == CLIENT || PARSING.get() {
            Ok(name.to_owned())
        } else {
            Err(Error::new_resolving(base, name))
        }
    }
}

impl Loader for Client {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if PARSING.get() {
            return Module::declare(ctx.clone(), name, "");
        }
        // The prelude left the exports on the global object.
        let exports: Object = ctx.globals().get(CLIENT)?;
        let names = exports.keys::<String>().collect::<Result<Vec<String>>>()?;
        let source = format!("export const {{ {} }} = globalThis[{CLIENT:?}];", names.join(", "));
        Module::declare(ctx.clone(), name, source)
    }
}

// The prelude passes well-formed text only: a lone surrogate has no UTF-8.
fn encode_text<'js>(ctx: Ctx<'js>, text: String) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, text.into_bytes())
}

fn decode_text<'js>(
    ctx: Ctx<'js>,
    bytes: TypedArray<'js, u8>,
    fatal: Opt<bool>,
) -> Result<rquickjs_core::String<'js>> {
    let bytes = copy(&bytes);
    match String::from_utf8(bytes) {
        Ok(text) => rquickjs_core::String::from_str(ctx, &text),
        Err(_) if fatal.0.unwrap_or(false) => Err(Exception::throw_type(&ctx, "the bytes are not UTF-8")),
        Err(error) => rquickjs_core::String::from_str(ctx, &String::from_utf8_lossy(error.as_bytes())),
    }
}

/// The bytes of an array; those of a detached one are none.
pub fn copy(array: &TypedArray<'_, u8>) -> Vec<u8> {
    // SAFETY: the bytes are copied before JavaScript runs again.
    unsafe { array.as_bytes() }.map(<[u8]>::to_vec).unwrap_or_default()
}
