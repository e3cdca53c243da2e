//! An item of a stream as it came.

use minicbor::decode::{Decode, Decoder, Error};

/// The bytes of one record.
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl<'b, C> Decode<'b, C> for Raw {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        let from = d.position();
        d.skip()?;
        Ok(Raw(d.input().get(from..d.position()).unwrap_or_default().to_vec()))
    }
}
