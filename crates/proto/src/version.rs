//! Versions of an object: how one is named, and what differs between two.

use crate::class::ClassHash;
use crate::record::VersionInfo;
use minicbor::{Decode, Encode};

/// Which version of an object is meant. On the wire an int (its number), or `[time]`: the version that was current at that
/// moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// The version with this number.
    Version(u64),
    /// The version that was current at this moment, in microseconds since 1970-01-01T00:00:00Z.
    Moment(i64),
}

impl From<u64> for AsOf {
    fn from(version: u64) -> Self {
        AsOf::Version(version)
    }
}

impl<C> Encode<C> for AsOf {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            AsOf::Version(version) => e.u64(*version)?.ok(),
            AsOf::Moment(micros) => e.array(1)?.i64(*micros)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for AsOf {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.datatype()? != minicbor::data::Type::Array {
            return d.u64().map(AsOf::Version);
        }
        match d.array()? {
            Some(1) => d.i64().map(AsOf::Moment),
            _ => Err(minicbor::decode::Error::message("a moment is a list of one integer")),
        }
    }
}

/// A class version, as people name it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClassAt {
    /// The class's registered name.
    #[n(0)]
    pub name: String,
    /// The class version's number.
    #[n(1)]
    pub version: u64,
    /// The class version's address.
    #[n(2)]
    pub hash: ClassHash,
}

/// A field that differs: added when it has no `old` value, removed when it has no `new` one, else changed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FieldChange {
    /// Its name.
    #[n(0)]
    pub field: String,
    /// Its earlier value, encoded.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub old: Option<Vec<u8>>,
    /// Its later value, encoded.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub new: Option<Vec<u8>>,
}

/// The reply to `diff`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Diff {
    /// The version that was compared.
    #[n(0)]
    pub from: VersionInfo,
    /// The version that it was compared with.
    #[n(1)]
    pub to: VersionInfo,
    /// The fields that differ: those of `from` in their order, then those that only `to` has.
    #[n(2)]
    pub fields: Vec<FieldChange>,
    /// The class version of `from`; absent, as `new_class` is, when both have the same.
    #[n(3)]
    pub old_class: Option<ClassAt>,
    /// The class version of `to`.
    #[n(4)]
    pub new_class: Option<ClassAt>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::{decode, encode};

    #[test]
    fn versions_and_moments_come_back() {
        for as_of in [AsOf::Version(0), AsOf::Version(u64::MAX), AsOf::Moment(-1), AsOf::Moment(i64::MAX)] {
            assert_eq!(decode::<AsOf>(&encode(&as_of)).unwrap(), as_of);
        }
        assert_eq!(encode(&AsOf::Version(3)), [3], "what earlier clients send");
        for bad in [&[0x80][..], &[0x82, 1, 2], &[0x20], &[0x61, b'1'], &[0x81, 0x61, b'1']] {
            assert!(decode::<AsOf>(bad).is_err(), "{bad:02x?}");
        }
    }
}
