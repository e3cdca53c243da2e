//! Encoded maps of fields, handled as bytes: values are never decoded here.

use bytes::Bytes;
use emerge_proto::{Error, ErrorCode, Result, limits};
use std::ops::Range;

/// Where one field lies in an encoded map.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    /// Of the name's and the value's bytes together.
    whole: Range<usize>,
    /// Of the value's bytes.
    pub(crate) value: Range<usize>,
}

/// Finds the fields of an encoded map, and checks that it is one: text keys, none twice, nothing after it.
pub(crate) fn fields(map: &[u8]) -> Result<Vec<Field<'_>>> {
    let mut decoder = minicbor::Decoder::new(map);
    let bad =
        |why: &str| Error::new(ErrorCode::BadArgument, format!("the fields are not an encoded map: {why}"));
    let wrong = |error: minicbor::decode::Error| bad(&error.to_string());
    let count = decoder.map().map_err(wrong)?.ok_or_else(|| bad("its length is not given"))?;
    let mut fields: Vec<Field<'_>> = Vec::with_capacity((count as usize).min(limits::MAX_MEMBERS));
    let mut names = std::collections::HashSet::new();
    for _ in 0..count {
        let start = decoder.position();
        let name = decoder.str().map_err(wrong)?;
        let value = decoder.position();
        decoder.skip().map_err(wrong)?;
        if !names.insert(name) {
            return Err(bad("a field is there twice").field(name));
        }
        let end = decoder.position();
        fields.push(Field { name, whole: start..end, value: value..end });
    }
    if decoder.position() != map.len() {
        return Err(bad("bytes follow it"));
    }
    Ok(fields)
}

/// The map with some fields set and some removed. Fields keep their places; new ones come last.
pub(crate) fn patch(map: &[u8], set: &[u8], removed: &[String]) -> Result<Bytes> {
    let old = fields(map)?;
    let new = fields(set)?;
    let mut parts: Vec<&[u8]> = Vec::with_capacity(old.len() + new.len());
    for field in &old {
        if removed.iter().any(|name| name == field.name) && !new.iter().any(|other| other.name == field.name)
        {
            continue;
        }
        match new.iter().find(|other| other.name == field.name) {
            Some(other) => parts.push(&set[other.whole.clone()]),
            None => parts.push(&map[field.whole.clone()]),
        }
    }
    for field in &new {
        if !old.iter().any(|other| other.name == field.name) {
            parts.push(&set[field.whole.clone()]);
        }
    }
    let mut patched = header(parts.len());
    parts.iter().for_each(|part| patched.extend_from_slice(part));
    Ok(patched.into())
}

/// The beginning of an encoded map.
fn header(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector cannot fail.
    let _ = minicbor::Encoder::new(&mut bytes).map(count as u64);
    bytes
}

/// The map with the values of some fields replaced, by the fields' positions, in ascending order.
pub(crate) fn replace(map: &[u8], values: &[(u32, Bytes)]) -> Result<Vec<u8>> {
    let fields = fields(map)?;
    let grown: usize = values.iter().map(|(_, value)| value.len()).sum();
    let mut replaced = Vec::with_capacity(map.len() + grown);
    let mut copied = 0;
    for (at, value) in values {
        let Some(field) = fields.get(*at as usize) else {
            return Err(crate::object::damaged("a blob's field"));
        };
        replaced.extend_from_slice(&map[copied..field.value.start]);
        replaced.extend_from_slice(value);
        copied = field.value.end;
    }
    replaced.extend_from_slice(&map[copied..]);
    Ok(replaced)
}

/// Refuses a state that is too large.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= limits::MAX_STATE {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::TooLarge,
        format!("the object's state is {bytes} bytes; the limit is {}", limits::MAX_STATE),
    )
    .limit(limits::MAX_STATE as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, u32)]) -> Vec<u8> {
        let mut bytes = header(pairs.len());
        let mut encoder = minicbor::Encoder::new(&mut bytes);
        for (name, value) in pairs {
            encoder.str(name).unwrap().u32(*value).unwrap();
        }
        bytes
    }

    #[test]
    fn patching_keeps_places() {
        let old = map(&[("a", 1), ("b", 2), ("c", 3)]);
        let patched = patch(&old, &map(&[("d", 4), ("b", 20)]), &["a".into()]).unwrap();
        assert_eq!(patched, map(&[("b", 20), ("c", 3), ("d", 4)]));
        let both = patch(&old, &map(&[("a", 9)]), &["a".into()]).unwrap();
        assert_eq!(both, map(&[("a", 9), ("b", 2), ("c", 3)]), "what is set wins over what is removed");
    }

    #[test]
    fn what_is_no_map_of_fields_is_refused() {
        let mut twice = header(2);
        twice.extend_from_slice(&[0x61, b'a', 1, 0x61, b'a', 2]);
        let mut after = map(&[("a", 1)]);
        after.push(0);
        for bad in [&[][..], &[0x80], &[0xa1], &[0xa1, 1, 1], &[0xbf, 0xff], &[0xa1, 0x61], &twice, &after] {
            assert_eq!(fields(bad).unwrap_err().code, ErrorCode::BadArgument, "{bad:02x?}");
        }
    }

    #[test]
    fn replacing_values() {
        let replaced = replace(
            &map(&[("a", 1), ("b", 2), ("c", 3)]),
            &[(0, vec![0xf6].into()), (2, vec![0x18, 99].into())],
        );
        assert_eq!(replaced.unwrap(), [0xa3, 0x61, b'a', 0xf6, 0x61, b'b', 2, 0x61, b'c', 0x18, 99]);
    }
}
