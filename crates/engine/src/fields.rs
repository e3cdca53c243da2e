//! Encoded maps of fields, handled as bytes: values are never decoded here.

use bytes::Bytes;
use emerge_proto::value::{self, raw};
use emerge_proto::{Error, ErrorCode, Result, limits};

/// Stands in the stored state for a value that lies elsewhere.
const NULL: &[u8] = &[0xf6];

/// Checks fields that came from outside; tells whether an object lies within one, at any depth.
///
/// # Errors
/// `bad_frame`, `too_deep`, `too_large`, `limit_exceeded`.
pub(crate) fn check(fields: &[u8]) -> Result<bool> {
    check_size(fields)?;
    let embeds = value::check_fields(fields)?;
    check_count(fields)?;
    Ok(embeds)
}

/// The state with some fields set and some removed.
///
/// # Errors
/// As [`check`].
pub(crate) fn patch(state: &[u8], set: &[u8], removed: &[String]) -> Result<Bytes> {
    check(set)?;
    let patched = raw::patch(state, set, removed)?;
    check_size(&patched)?;
    check_count(&patched)?;
    Ok(patched.into())
}

/// A value that is to lie elsewhere, and which field it is of.
pub(crate) struct Large {
    pub(crate) field: u32,
    pub(crate) value: Bytes,
}

/// Takes the values out that are too large to lie in the state.
pub(crate) fn split(state: &Bytes) -> Result<(Bytes, Vec<Large>)> {
    if state.len() <= limits::BLOB_THRESHOLD {
        return Ok((state.clone(), Vec::new()));
    }
    let mut entries = raw::entries(state)?.collect::<Result<Vec<_>>>()?;
    let mut large = Vec::new();
    for (field, (_, value)) in entries.iter_mut().enumerate() {
        if value.len() > limits::BLOB_THRESHOLD {
            large.push(Large { field: field as u32, value: state.slice_ref(value) });
            *value = NULL;
        }
    }
    Ok((raw::build(&entries).into(), large))
}

/// Puts back what [`split`] took out.
pub(crate) fn join(state: &[u8], large: &[Large]) -> Result<Vec<u8>> {
    let mut entries = raw::entries(state)?.collect::<Result<Vec<_>>>()?;
    for large in large {
        let entry = entries.get_mut(large.field as usize);
        entry.ok_or_else(|| crate::object::damaged("a large value"))?.1 = &large.value;
    }
    Ok(raw::build(&entries))
}

fn check_count(fields: &[u8]) -> Result<()> {
    if raw::entries(fields)?.nth(limits::MAX_MEMBERS).is_none() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::LimitExceeded, format!("an object has at most {} fields", limits::MAX_MEMBERS))
        .limit(limits::MAX_MEMBERS as u64))
}

fn check_size(fields: &[u8]) -> Result<()> {
    if fields.len() <= limits::MAX_STATE {
        return Ok(());
    }
    let mut message =
        format!("the object's state is {} bytes; the limit is {}", fields.len(), limits::MAX_STATE);
    // They may be no fields at all.
    let entries = raw::entries(fields).into_iter().flatten().map_while(Result::ok);
    let Some((name, value)) = entries.max_by_key(|(_, value)| value.len()) else {
        return Err(Error::new(ErrorCode::TooLarge, message).limit(limits::MAX_STATE as u64));
    };
    message += &format!("; of its fields {name} is the largest, {} bytes", value.len());
    Err(Error::new(ErrorCode::TooLarge, message).limit(limits::MAX_STATE as u64).field(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use emerge_proto::Value;

    fn map(fields: &[(&str, usize)]) -> Bytes {
        let fields = fields.iter().map(|(name, length)| ((*name).to_owned(), Value::Bytes(vec![7; *length])));
        Value::Map(fields.collect()).encode().into()
    }

    #[test]
    fn large_values_go_out_and_come_back() {
        let whole = map(&[("a", 100_000), ("b", 3), ("c", 70_000), ("d", 65_000)]);
        let (state, large) = split(&whole).unwrap();
        assert!(state.len() < 65_100);
        assert_eq!(large.iter().map(|large| large.field).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(join(&state, &large).unwrap(), whole);
        let small = map(&[("a", 60_000)]);
        assert!(split(&small).unwrap().1.is_empty());
        assert_eq!(
            join(&state, &[Large { field: 9, value: Bytes::new() }]).unwrap_err().code,
            ErrorCode::StorageFailed
        );
    }

    #[test]
    fn what_is_too_large_names_its_largest_field() {
        let error = check(&map(&[("a", 100), ("b", limits::MAX_STATE - 50), ("c", 3)])).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::TooLarge, Some("b")), "{error:?}");
        let error = check(&vec![0; limits::MAX_STATE + 1]).unwrap_err();
        assert_eq!((error.code, error.field), (ErrorCode::TooLarge, None));
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for bad in
            [&[][..], &[0x80], &[0xa1], &[0xa1, 1, 1], &[0xa2, 0x61, b'a', 1, 0x61, b'a', 2], &[0xa0, 0]]
        {
            assert_eq!(check(bad).unwrap_err().code, ErrorCode::BadFrame, "{bad:02x?}");
        }
        let names: Vec<String> = (0..=limits::MAX_MEMBERS).map(|at| at.to_string()).collect();
        let many: Vec<(&str, usize)> = names.iter().map(|name| (&**name, 0)).collect();
        assert_eq!(check(&map(&many)).unwrap_err().code, ErrorCode::LimitExceeded);
        check(&map(&many[1..])).unwrap();
        assert_eq!(
            patch(&map(&many[1..]), &map(&many[..1]), &[]).unwrap_err().code,
            ErrorCode::LimitExceeded
        );
    }
}
