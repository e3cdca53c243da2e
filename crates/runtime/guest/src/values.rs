//! Values of the plain kinds as CBOR and back, for speed: null, booleans, numbers, texts, lists and maps of these. Whatever else there is, and all that is
//! wrong, is left to the model library (`www/src/codec`), which has the mapping of every kind and the words of every error. Nothing has happened then: no
//! code of a class runs here, for what has a getter or is a proxy is not plain.

use crate::natives::copy;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use rquickjs_core::object::{Filter, Property};
use rquickjs_core::{Array, Atom, Ctx, Object, String as Text, TypedArray, Value, qjs};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;

/// What is deeper is left to the model library, which knows the limit.
const DEPTH: usize = 16;
/// `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// What is not plain.
struct Other;

type Plain<T> = std::result::Result<T, Other>;

impl<E: std::error::Error> From<E> for Other {
    fn from(_: E) -> Self {
        Other
    }
}

/// The value of some bytes; `undefined` when it is not plain.
pub fn decode<'js>(ctx: Ctx<'js>, bytes: TypedArray<'js, u8>) -> Value<'js> {
    let bytes = copy(&bytes);
    let mut decoder = Decoder::new(&bytes);
    match value(&ctx, &mut decoder, DEPTH) {
        Ok(value) if decoder.position() == bytes.len() => value,
        _ => left(&ctx),
    }
}

/// Gives an object that has no fields those of an encoded map, and gives their values as an array; `undefined` when one is not plain.
pub fn decode_fields<'js>(ctx: Ctx<'js>, object: Object<'js>, bytes: TypedArray<'js, u8>) -> Value<'js> {
    let bytes = copy(&bytes);
    match fields(&ctx, &bytes).and_then(|fields| set(&ctx, &object, fields)) {
        Ok(values) => values.into_value(),
        Err(Other) => left(&ctx),
    }
}

/// The encoding of a value; `undefined` when it is not plain.
pub fn encode<'js>(ctx: Ctx<'js>, given: Value<'js>) -> Value<'js> {
    let mut bytes = Vec::with_capacity(64);
    // What a function without a result returns.
    let done = if given.is_undefined() { null(&mut bytes) } else { write(&mut bytes, &given, DEPTH) };
    array(&ctx, done.map(|()| bytes))
}

/// The fields of an object as an encoded map, after it had others: their encoded map and their values. `kinds` are the declared types of fields, by
/// name. None when nothing has changed; `undefined` when a field is not plain. Fields that did not change keep their bytes.
pub fn encode_fields<'js>(
    ctx: Ctx<'js>,
    object: Object<'js>,
    before: TypedArray<'js, u8>,
    values: Array<'js>,
    kinds: Object<'js>,
) -> Value<'js> {
    let before = copy(&before);
    array(&ctx, after(&object, &before, &values, &kinds))
}

fn left<'js>(ctx: &Ctx<'js>) -> Value<'js> {
    // What was thrown meanwhile is thrown again where the model library does the same.
    drop(ctx.catch());
    Value::new_undefined(ctx.clone())
}

fn array<'js>(ctx: &Ctx<'js>, bytes: Plain<Vec<u8>>) -> Value<'js> {
    match bytes.and_then(|bytes| Ok(TypedArray::new(ctx.clone(), bytes)?)) {
        Ok(array) => array.into_value(),
        Err(Other) => left(ctx),
    }
}

fn value<'js>(ctx: &Ctx<'js>, decoder: &mut Decoder<'_>, depth: usize) -> Plain<Value<'js>> {
    Ok(match decoder.datatype()? {
        Type::Null => {
            decoder.null()?;
            Value::new_null(ctx.clone())
        }
        Type::Bool => Value::new_bool(ctx.clone(), decoder.bool()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            let number = decoder.i64()?;
            if !(-MAX_SAFE..=MAX_SAFE).contains(&number) {
                return Err(Other);
            }
            match i32::try_from(number) {
                Ok(small) => Value::new_int(ctx.clone(), small),
                Err(_) => Value::new_float(ctx.clone(), number as f64),
            }
        }
        Type::F64 => match decoder.f64()? {
            // `new_number` would make an integer of it.
            number if number == 0.0 && number.is_sign_negative() => Value::new_float(ctx.clone(), number),
            number => Value::new_number(ctx.clone(), number),
        },
        Type::String => Text::from_str(ctx.clone(), decoder.str()?)?.into_value(),
        Type::Array => {
            let length = decoder.array()?.ok_or(Other)?;
            let depth = depth.checked_sub(1).ok_or(Other)?;
            let list = Array::new(ctx.clone())?;
            for at in 0..length {
                list.set(usize::try_from(at)?, value(ctx, decoder, depth)?)?;
            }
            list.into_value()
        }
        Type::Map => {
            let depth = depth.checked_sub(1).ok_or(Other)?;
            let fields = map(ctx, decoder, depth)?;
            let map = Object::new(ctx.clone())?;
            set(ctx, &map, fields)?;
            map.into_value()
        }
        _ => return Err(Other),
    })
}

type Field<'a, 'js> = (&'a str, Value<'js>);

fn fields<'a, 'js>(ctx: &Ctx<'js>, bytes: &'a [u8]) -> Plain<Vec<Field<'a, 'js>>> {
    let mut decoder = Decoder::new(bytes);
    let fields = map(ctx, &mut decoder, DEPTH)?;
    if decoder.position() == bytes.len() { Ok(fields) } else { Err(Other) }
}

fn map<'a, 'js>(ctx: &Ctx<'js>, decoder: &mut Decoder<'a>, depth: usize) -> Plain<Vec<Field<'a, 'js>>> {
    let length = decoder.map()?.ok_or(Other)?;
    let mut fields = Vec::new();
    let mut names = BTreeSet::new();
    for _ in 0..length {
        let name = decoder.str()?;
        // One that stands twice is an error.
        if !names.insert(name) {
            return Err(Other);
        }
        fields.push((name, value(ctx, decoder, depth)?));
    }
    Ok(fields)
}

/// Sets an object's own properties, also under names that mean something else to JavaScript.
fn set<'js>(ctx: &Ctx<'js>, object: &Object<'js>, fields: Vec<Field<'_, 'js>>) -> Plain<Array<'js>> {
    let values = Array::new(ctx.clone())?;
    for (at, (name, value)) in fields.into_iter().enumerate() {
        values.set(at, value.clone())?;
        object.prop(atom(ctx, name)?, Property::from(value).writable().enumerable().configurable())?;
    }
    Ok(values)
}

fn atom<'js>(ctx: &Ctx<'js>, name: &str) -> Plain<Atom<'js>> {
    // QuickJS takes the bytes of a name that is not ASCII for those of another that it knows.
    Ok(if name.is_ascii() {
        Atom::from_str(ctx.clone(), name)?
    } else {
        Atom::from_value(ctx.clone(), Text::from_str(ctx.clone(), name)?.as_value())?
    })
}

fn null(bytes: &mut Vec<u8>) -> Plain<()> {
    Encoder::new(bytes).null()?;
    Ok(())
}

fn write(bytes: &mut Vec<u8>, value: &Value<'_>, depth: usize) -> Plain<()> {
    if value.is_null() {
        null(bytes)
    } else if let Some(flag) = value.as_bool() {
        Encoder::new(bytes).bool(flag)?;
        Ok(())
    } else if let Some(number) = value.as_number() {
        // A whole number other than -0 is written as an integer.
        let whole = number as i64;
        let is_safe = whole.unsigned_abs() <= MAX_SAFE.unsigned_abs();
        if whole as f64 == number && is_safe && (whole != 0 || number.is_sign_positive()) {
            Encoder::new(bytes).i64(whole)?;
        } else {
            Encoder::new(bytes).f64(number)?;
        }
        Ok(())
    } else if let Some(text) = value.as_string() {
        // One with a lone surrogate has no UTF-8.
        Encoder::new(bytes).str(&text.to_string()?)?;
        Ok(())
    } else if value.is_proxy() {
        Err(Other)
    } else if let Some(list) = value.as_array() {
        let depth = depth.checked_sub(1).ok_or(Other)?;
        let length = u32::try_from(list.as_object().get::<_, Value<'_>>("length")?.as_int().ok_or(Other)?)?;
        Encoder::new(&mut *bytes).array(length.into())?;
        (0..length).try_for_each(|at| {
            let at = Value::new_number(list.ctx().clone(), at.into());
            write(bytes, &data(list.as_object(), &at)?, depth)
        })
    } else if let Some(object) = value.as_object() {
        let depth = depth.checked_sub(1).ok_or(Other)?;
        // Of no class, and of this realm: the prototype is that of plain objects, above which there is nothing.
        let plain = Object::new(object.ctx().clone())?.get_prototype();
        if object.is_function() || object.get_prototype() != plain {
            return Err(Other);
        }
        let entries = own(object)?;
        Encoder::new(&mut *bytes).map(entries.len() as u64)?;
        entries.iter().try_for_each(|(name, value)| {
            Encoder::new(&mut *bytes).str(name)?;
            write(bytes, value, depth)
        })
    } else {
        Err(Other)
    }
}

/// The fields of an object: its own properties with names that are seen.
fn own<'js>(object: &Object<'js>) -> Plain<Vec<(String, Value<'js>)>> {
    let keys = object.own_keys::<Text<'js>>(Filter::new().string().enum_only());
    keys.map(|key| {
        let key = key?;
        Ok((key.to_string()?, data(object, key.as_value())?))
    })
    .collect()
}

/// The value of an object's own property, where that takes no code to run.
fn data<'js>(object: &Object<'js>, key: &Value<'js>) -> Plain<Value<'js>> {
    let ctx = object.ctx();
    let mut found = MaybeUninit::<qjs::JSPropertyDescriptor>::uninit();
    // SAFETY: the context lives, and the object and the key are of it. The description is there when there is such a property, and what it holds
    // is ours to let go, which the values do.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let atom = qjs::JS_ValueToAtom(raw, key.as_raw());
        let is_there = qjs::JS_GetOwnProperty(raw, found.as_mut_ptr(), object.as_raw(), atom) == 1;
        qjs::JS_FreeAtom(raw, atom);
        if !is_there {
            return Err(Other);
        }
        let found = found.assume_init();
        let [value, _getter, _setter] =
            [found.value, found.getter, found.setter].map(|value| Value::from_raw(ctx.clone(), value));
        if found.flags & qjs::JS_PROP_GETSET as i32 == 0 { Ok(value) } else { Err(Other) }
    }
}

fn after<'js>(
    object: &Object<'js>,
    before: &[u8],
    values: &Array<'js>,
    kinds: &Object<'js>,
) -> Plain<Vec<u8>> {
    let old = parts(before)?;
    let places: BTreeMap<&str, usize> = old.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
    let now = own(object)?;
    let mut differs = now.len() != old.len();
    let mut bytes = Vec::with_capacity(before.len() + 16);
    Encoder::new(&mut bytes).map(now.len() as u64)?;
    for (name, value) in &now {
        Encoder::new(&mut bytes).str(name)?;
        let was = match places.get(name.as_str()) {
            Some(at) => Some((values.get::<Value<'_>>(*at)?, old[*at].1)),
            None => None,
        };
        if let Some((before, encoded)) = &was
            && is_same(before, value)?
        {
            bytes.extend_from_slice(encoded);
            continue;
        }
        let from = bytes.len();
        let kind = kinds.get::<_, Option<String>>(atom(object.ctx(), name)?)?;
        field(&mut bytes, value, kind.as_deref())?;
        match was {
            Some((_, encoded)) if bytes[from..] == *encoded => {}
            // What JavaScript does not hold exactly would be taken for another value.
            Some(_) if value.is_object() => return Err(Other),
            _ => differs = true,
        }
    }
    Ok(if differs { bytes } else { Vec::new() })
}

/// Whether a value is the one from before, and nothing that can have changed inside.
fn is_same<'js>(before: &Value<'js>, value: &Value<'js>) -> Plain<bool> {
    Ok(match (before.as_number(), value.as_number()) {
        (Some(before), Some(value)) => {
            before.to_bits() == value.to_bits() || (before.is_nan() && value.is_nan())
        }
        _ => match (before.as_string(), value.as_string()) {
            (Some(before), Some(text)) => before == text || before.to_string()? == text.to_string()?,
            _ => before == value && !value.is_object(),
        },
    })
}

/// The encoding of a field, if its value is one of the declared type.
fn field(bytes: &mut Vec<u8>, value: &Value<'_>, kind: Option<&str>) -> Plain<()> {
    let from = bytes.len();
    if let (Some("float"), Some(number)) = (kind, value.as_number()) {
        Encoder::new(bytes).f64(number)?;
        return Ok(());
    }
    write(bytes, value, DEPTH)?;
    let written = Decoder::new(&bytes[from..]).datatype()?;
    let fits = match kind {
        None | Some("any") => true,
        _ if written == Type::Null => true,
        Some("bool") => written == Type::Bool,
        Some("text") => written == Type::String,
        Some("list") => written == Type::Array,
        Some("map") => written == Type::Map,
        Some("int") => !matches!(written, Type::Bool | Type::F64 | Type::String | Type::Array | Type::Map),
        Some(_) => false,
    };
    if fits { Ok(()) } else { Err(Other) }
}

/// The names and the encoded values of a map.
fn parts(bytes: &[u8]) -> Plain<Vec<(&str, &[u8])>> {
    let mut decoder = Decoder::new(bytes);
    let length = decoder.map()?.ok_or(Other)?;
    let mut parts = Vec::new();
    for _ in 0..length {
        let name = decoder.str()?;
        let from = decoder.position();
        decoder.skip()?;
        parts.push((name, bytes.get(from..decoder.position()).ok_or(Other)?));
    }
    Ok(parts)
}
