//! Identifiers: 16-byte UUIDs (RFC 9562) with a type each, encoded as CBOR byte strings.

use minicbor::{Decode, Decoder, Encode, Encoder};
use std::fmt;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// A UUIDv7 from a Unix time in milliseconds and ten random bytes.
            pub fn v7(unix_millis: u64, random: [u8; 10]) -> Self {
                Self(*uuid::Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid().as_bytes())
            }

            /// The Unix time in milliseconds that a UUIDv7 carries.
            pub fn unix_millis(&self) -> u64 {
                self.0[..6].iter().fold(0, |time, byte| time << 8 | u64::from(*byte))
            }

            /// Reads the hyphenated text form.
            pub fn parse(text: &str) -> Option<Self> {
                uuid::Uuid::try_parse(text).ok().map(|uuid| Self(*uuid.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes: [u8; 16] = d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("an id is 16 bytes"))?;
                Ok(Self(bytes))
            }
        }
    };
}

uuid_id! {
    /// The identity of an object: fixed for life, survives a move.
    ObjectId
}

impl ObjectId {
    /// The root directory of every store.
    pub const ROOT: ObjectId = ObjectId([0; 16]);
}

uuid_id! {
    /// The identity of a transaction that a node holds open, made by the node.
    TransactionId
}

uuid_id! {
    /// The identity of a client session, made by the node (UUIDv7 by the node's clock).
    SessionId
}
