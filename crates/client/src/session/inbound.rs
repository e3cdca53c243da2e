//! Reading the node's frames where they lie. Only a welcome and a close are decoded; results and items are found, not copied.

use super::event::Kind;
use emerge_proto::frame::Welcome;
use emerge_proto::{Error, ErrorCode, Result};
use minicbor::Decoder;
use minicbor::data::Type;

/// A piece of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

/// One frame of the node.
#[derive(Debug)]
pub(crate) enum Inbound<'m> {
    Welcome(Welcome),
    /// `kind` is `Value` or `Error`.
    Result {
        seq: u64,
        kind: Kind,
        span: Span,
    },
    Item {
        seq: u64,
        span: Span,
        cursor: &'m str,
    },
    Push(Span),
    Close(Error),
    Ping(u64),
    Pong,
}

/// Reads the frame at the decoder's position. Fields that this version does not know are passed over.
pub(crate) fn read<'m>(decoder: &mut Decoder<'m>) -> Result<Inbound<'m>> {
    definite(decoder, 2)?;
    let kind = decoder.u32()?;
    let fields_at = decoder.position();
    let fields = definite(decoder, 0)?;
    let missing = || Error::new(ErrorCode::BadFrame, format!("a frame of kind {kind} lacks a field"));
    let need = |count: u64| if fields < count { Err(missing()) } else { Ok(()) };
    let (frame, known) = match kind {
        6 => (need(1).and_then(|()| Ok(Inbound::Ping(decoder.u64()?)))?, 1),
        7 => {
            need(1)?;
            decoder.u64()?;
            (Inbound::Pong, 1)
        }
        16 => (need(1).and_then(|()| Ok(Inbound::Welcome(decoder.decode()?)))?, 1),
        17 => {
            need(1)?;
            let seq = decoder.u64()?;
            let here = decoder.position();
            if fields > 1 && decoder.datatype()? != Type::Null {
                let span = bytes(decoder)?;
                (Inbound::Result { seq, kind: Kind::Value, span }, 2)
            } else if fields > 2 {
                decoder.skip()?;
                let start = decoder.position();
                let error = decoder.datatype()? != Type::Null;
                decoder.skip()?;
                if error {
                    (Inbound::Result { seq, kind: Kind::Error, span: span(start, decoder.position()) }, 3)
                } else {
                    (Inbound::Result { seq, kind: Kind::Value, span: span(start, start) }, 3)
                }
            } else {
                // A stream may end without a value.
                (Inbound::Result { seq, kind: Kind::Value, span: span(here, here) }, 1)
            }
        }
        18 => {
            need(3)?;
            let seq = decoder.u64()?;
            let span = bytes(decoder)?;
            (Inbound::Item { seq, span, cursor: decoder.str()? }, 3)
        }
        19 => {
            need(2)?;
            decoder.str()?;
            bytes(decoder)?;
            for _ in 2..fields {
                decoder.skip()?;
            }
            (Inbound::Push(span(fields_at, decoder.position())), fields)
        }
        20 => (need(1).and_then(|()| Ok(Inbound::Close(decoder.decode()?)))?, 1),
        _ => {
            return Err(Error::new(
                ErrorCode::UnknownFrame,
                format!("the node sent a frame of the unknown kind {kind}"),
            ));
        }
    };
    for _ in known..fields {
        decoder.skip()?;
    }
    Ok(frame)
}

/// What the mutant takes a cut result for.
#[cfg(feature = "mutations")]
pub(crate) fn read_cut(message: &[u8], at: usize) -> Option<Inbound<'_>> {
    let mut decoder = Decoder::new(message.get(at..)?);
    decoder.array().ok()?;
    let kind = decoder.u32().ok()?;
    decoder.array().ok()?;
    let seq = decoder.u64().ok()?;
    let rest = span(at + decoder.position(), message.len());
    (kind == 17).then_some(Inbound::Result { seq, kind: Kind::Value, span: rest })
}

fn definite(decoder: &mut Decoder<'_>, wanted: u64) -> Result<u64> {
    match decoder.array()? {
        Some(length) if wanted == 0 || length == wanted => Ok(length),
        _ => Err(Error::new(ErrorCode::BadFrame, "a frame is a list of its kind and the list of its fields")),
    }
}

fn bytes(decoder: &mut Decoder<'_>) -> Result<Span> {
    let length = decoder.bytes()?.len();
    Ok(span(decoder.position() - length, decoder.position()))
}

/// Messages are at most 16 MiB, so that positions fit.
fn span(start: usize, end: usize) -> Span {
    Span { offset: start as u32, length: (end - start) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emerge_proto::error::Effect;
    use emerge_proto::frame::{Frame, encode_frame};
    use emerge_proto::{SessionId, class};
    use proptest::prelude::*;

    fn message(frames: &[Frame]) -> Vec<u8> {
        let mut message = Vec::new();
        frames.iter().for_each(|frame| encode_frame(frame, &mut message));
        message
    }

    fn every_frame() -> Vec<Frame> {
        let error = Error::new(ErrorCode::Conflict, "no").at("/a").limit(9).effect(Effect::None);
        let welcome = Welcome {
            version: 1,
            session: SessionId([7; 16]),
            resumed: true,
            user: "u".into(),
            node: "n".into(),
            time: -5,
        };
        vec![
            Frame::Welcome(welcome),
            Frame::Result { seq: 1, value: Some(vec![1, 2, 3]), error: None },
            Frame::Result { seq: 70_000, value: None, error: Some(error.clone()) },
            Frame::Item { seq: 3, value: vec![9; 300], cursor: "é".into() },
            Frame::Push { topic: "drain".into(), value: vec![0xf6] },
            Frame::Close { error },
            Frame::Ping { token: u64::MAX },
            Frame::Pong { token: 0 },
        ]
    }

    #[test]
    fn finds_what_proto_wrote() {
        let frames = every_frame();
        let message = message(&frames);
        let mut decoder = Decoder::new(&message);
        let piece = |span: Span| &message[span.offset as usize..(span.offset + span.length) as usize];
        for frame in &frames {
            match (frame, read(&mut decoder).unwrap()) {
                (Frame::Welcome(sent), Inbound::Welcome(got)) => assert_eq!(*sent, got),
                (
                    Frame::Result { seq, value: Some(value), .. },
                    Inbound::Result { seq: got, kind: Kind::Value, span },
                ) => {
                    assert_eq!((*seq, &value[..]), (got, piece(span)));
                }
                (
                    Frame::Result { seq, error: Some(error), .. },
                    Inbound::Result { seq: got, kind: Kind::Error, span },
                ) => {
                    assert_eq!((*seq, error), (got, &class::decode(piece(span)).unwrap()));
                }
                (Frame::Item { seq, value, cursor }, Inbound::Item { seq: got, span, cursor: after }) => {
                    assert_eq!((*seq, &value[..], &cursor[..]), (got, piece(span), after));
                }
                (Frame::Push { topic, value }, Inbound::Push(span)) => {
                    let mut inner = Decoder::new(piece(span));
                    assert_eq!(inner.array().unwrap(), Some(2));
                    assert_eq!((inner.str().unwrap(), inner.bytes().unwrap()), (&topic[..], &value[..]));
                }
                (Frame::Close { error }, Inbound::Close(got)) => assert_eq!(*error, got),
                (Frame::Ping { token }, Inbound::Ping(got)) => assert_eq!(*token, got),
                (Frame::Pong { .. }, Inbound::Pong) => {}
                (sent, got) => panic!("{sent:?} was read as {got:?}"),
            }
        }
        assert_eq!(decoder.position(), message.len());
    }

    #[test]
    fn every_cut_is_noticed() {
        for frame in every_frame() {
            let whole = message(std::slice::from_ref(&frame));
            for end in 0..whole.len() {
                assert!(
                    read(&mut Decoder::new(&whole[..end])).is_err(),
                    "{frame:?} cut at {end} was accepted"
                );
            }
        }
    }

    #[test]
    fn unknown_kinds_are_named() {
        let error = read(&mut Decoder::new(&[0x82, 0x18, 99, 0x80])).unwrap_err();
        assert_eq!(error.code, ErrorCode::UnknownFrame);
        // A client's frame is not one that a node sends.
        let bye = message(&[Frame::Bye]);
        assert_eq!(read(&mut Decoder::new(&bye)).unwrap_err().code, ErrorCode::UnknownFrame);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(&bytes);
            while decoder.position() < bytes.len() && read(&mut decoder).is_ok() {}
        }

        #[test]
        fn no_perturbation_panics(at in 0usize..1000, to in any::<u8>()) {
            let mut bytes = message(&every_frame());
            let at = at % bytes.len();
            bytes[at] = to;
            let mut decoder = Decoder::new(&bytes);
            while decoder.position() < bytes.len() && read(&mut decoder).is_ok() {}
        }
    }
}
