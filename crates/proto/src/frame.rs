//! Frames: what the two halves of a session say to each other. A message (one WebSocket binary message) is a CBOR
//! sequence (RFC 8742) of frames; each frame is `[kind, [field, …]]`.

use crate::guard::Guard;
use crate::value::scan::{self, Budget};
use crate::{Error, ErrorCode, Op, Result, SessionId, limits};
use minicbor::{Decode, Encode};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[allow(
    clippy::large_enum_variant,
    reason = "most frames are requests, and a request in a box would cost each an allocation"
)]
pub enum Frame {
    /// Client: the first frame of a connection.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Client: asks for an operation.
    #[n(1)]
    Request(#[n(0)] Request),
    /// Client: gives up a request. The node answers it with its result or `cancelled`.
    #[n(2)]
    Cancel {
        /// The request.
        #[n(0)]
        seq: u64,
    },
    /// Client: allows `more` items of a stream.
    #[n(3)]
    Credit {
        /// The request that began the stream.
        #[n(0)]
        seq: u64,
        /// How many more items may come.
        #[n(1)]
        more: u32,
    },
    /// Client: all outcomes up to `through` have arrived; the node may forget them.
    #[n(4)]
    Ack {
        /// The highest sequence up to which nothing is missing.
        #[n(0)]
        through: u64,
    },
    /// Client: ends the session; the node forgets it.
    #[n(5)]
    Bye,
    /// Either side: are you there?
    #[n(6)]
    Ping {
        /// Comes back in the pong.
        #[n(0)]
        token: u64,
    },
    /// Either side: yes.
    #[n(7)]
    Pong {
        /// From the ping.
        #[n(0)]
        token: u64,
    },
    /// Node: the answer to a hello.
    #[n(16)]
    Welcome(#[n(0)] Welcome),
    /// Node: the end of a request.
    #[n(17)]
    Result {
        /// The request.
        #[n(0)]
        seq: u64,
        /// The encoded reply of the operation; absent when `error` is there.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        value: Option<Vec<u8>>,
        /// What went wrong.
        #[n(2)]
        error: Option<Error>,
    },
    /// Node: one item of a streamed result.
    #[n(18)]
    Item {
        /// The request.
        #[n(0)]
        seq: u64,
        /// The encoded item.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        value: Vec<u8>,
        /// Where the stream goes on after this item, for a request resent on another connection.
        #[n(2)]
        cursor: String,
    },
    /// Node: something that no request asked for.
    #[n(19)]
    Push {
        /// What it is about: `drain`, …
        #[n(0)]
        topic: String,
        /// An encoded value.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        value: Vec<u8>,
    },
    /// Node: the connection ends, with the reason.
    #[n(20)]
    Close {
        /// Why.
        #[n(0)]
        error: Error,
    },
}

/// The first frame of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The lowest and the highest protocol version that the client speaks.
    #[n(0)]
    pub min_version: u32,
    /// See `min_version`.
    #[n(1)]
    pub max_version: u32,
    /// The bearer token.
    #[n(2)]
    pub token: String,
    /// The session to go on with; absent for a new one.
    #[n(3)]
    pub session: Option<SessionId>,
    /// Counts the connections of the session, from 1; the node listens to the highest one only.
    #[n(4)]
    pub connection: u64,
    /// All outcomes up to here have arrived.
    #[n(5)]
    pub acknowledged: u64,
    /// Program and version, for the node's log.
    #[n(6)]
    pub agent: String,
}

/// The answer to a hello.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// The protocol version that both speak.
    #[n(0)]
    pub version: u32,
    /// The session.
    #[n(1)]
    pub session: SessionId,
    /// True when the node still knows the session that the hello named. When false a client must not resend requests
    /// that may write: their fate is unknown.
    #[n(2)]
    pub resumed: bool,
    /// Who the token stands for.
    #[n(3)]
    pub user: String,
    /// The node's name.
    #[n(4)]
    pub node: String,
    /// Microseconds since 1970-01-01T00:00:00Z by the node's clock.
    #[n(5)]
    pub time: i64,
}

/// A request for an operation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// 1, 2, 3 … within the session; a resent request keeps its number.
    #[n(0)]
    pub seq: u64,
    /// All outcomes up to here have arrived.
    #[n(1)]
    pub acknowledged: u64,
    /// What is asked for.
    #[n(2)]
    pub op: Op,
    /// Milliseconds from receipt after which the node gives up, at least 1; absent for none.
    #[n(3)]
    pub timeout_ms: Option<u64>,
    /// How many items the node may stream before it gets credit; absent when the result comes in one piece.
    #[n(4)]
    pub credit: Option<u32>,
}

/// Refuses a request that has no time: it could only fail, so that it is a mistake by whichever door it came.
///
/// # Errors
/// `bad_argument` names the field `timeout`.
pub fn check_timeout(timeout_ms: Option<u64>) -> Result<()> {
    if timeout_ms != Some(0) {
        return Ok(());
    }
    let why = "a timeout is more than 0; without one the answer is waited for";
    Err(Error::new(ErrorCode::BadArgument, why).field("timeout"))
}

/// What a node hears of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly all are frames, as they are held anyway")]
pub enum Heard {
    /// The frame.
    Frame(Frame),
    /// A request of which the number can be read and not the rest: it fails, and nothing else does.
    Refused {
        /// The request.
        seq: u64,
        /// As that of [`Request`].
        acknowledged: u64,
        /// `bad_frame`, or `unsupported` for an operation of an unknown number.
        error: Error,
    },
}

/// Reads the frames of one message, as [`receive`] does, and no other: what is refused there is the whole message's fault here.
///
/// # Errors
/// Those of [`receive`], and of what it refuses.
pub fn decode_message(message: &[u8]) -> Result<Vec<Frame>> {
    let heard = receive(message)?.into_iter();
    heard
        .map(|heard| match heard {
            Heard::Frame(frame) => Ok(frame),
            Heard::Refused { error, .. } => Err(error),
        })
        .collect()
}

/// Reads the frames of one message. All of them or none: a fault anywhere is the whole message's, but for one within a request whose number
/// can be read.
///
/// # Errors
/// `too_large`, `bad_frame` (cut short, not well-formed, or not the fields of its kind), `unknown_frame`, `too_deep`,
/// `limit_exceeded` (too many frames or items). Each says which frame and where, as do those of what is refused.
pub fn receive(message: &[u8]) -> Result<Vec<Heard>> {
    if message.len() > limits::MAX_MESSAGE && Guard::Message.holds() {
        return Err(Error::new(
            ErrorCode::TooLarge,
            format!("the message is {} bytes; the limit is {}", message.len(), limits::MAX_MESSAGE),
        )
        .limit(limits::MAX_MESSAGE as u64));
    }
    if message.is_empty() {
        return Err(Error::new(ErrorCode::BadFrame, "the message is empty"));
    }
    let mut budget = Budget::new(limits::MAX_FRAME_DEPTH, limits::MAX_ITEMS_IN_MESSAGE);
    let mut frames = Vec::new();
    let mut at = 0;
    while at < message.len() {
        if frames.len() == limits::MAX_FRAMES_IN_MESSAGE {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("the message has more than {} frames", limits::MAX_FRAMES_IN_MESSAGE),
            )
            .limit(limits::MAX_FRAMES_IN_MESSAGE as u64));
        }
        // The scan first: it bounds depth and size before anything is built, and tells a cut from a wrong field.
        let placed = |error: Error| place(error, frames.len(), at);
        let length = scan::item(message, at, &mut budget).map_err(placed)?;
        let bytes = message.get(at..at + length).unwrap_or_default();
        frames.push(match decode_frame(bytes) {
            Ok(frame) => Heard::Frame(frame),
            Err(error) => refused(bytes, placed(error))?,
        });
        at += length;
    }
    Ok(frames)
}

/// The kind of a request.
const REQUEST: u64 = 1;

fn decode_frame(bytes: &[u8]) -> Result<Frame> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let kind = match decoder.array() {
        Ok(Some(2)) => decoder.u64().ok(),
        _ => None,
    };
    let Some(kind) = kind else {
        return Err(Error::new(ErrorCode::BadFrame, "a frame must be [kind, [field, …]]"));
    };
    if !matches!(kind, 0..=7 | 16..=20) {
        return Err(Error::new(ErrorCode::UnknownFrame, format!("the frame kind {kind} is unknown")));
    }
    minicbor::decode(bytes).map_err(|error| {
        if error.is_unknown_variant() && kind == REQUEST {
            Error::new(
                ErrorCode::Unsupported,
                format!("the request is not one that this side knows: {error}"),
            )
        } else {
            Error::new(ErrorCode::BadFrame, format!("a frame of kind {kind} has a wrong field: {error}"))
        }
    })
}

/// The request that a frame which cannot be read is, if its number can be read.
fn refused(bytes: &[u8], error: Error) -> Result<Heard> {
    let numbers = || {
        let mut decoder = minicbor::Decoder::new(bytes);
        decoder.array()?;
        let kind = decoder.u64()?;
        decoder.array()?;
        decoder.array()?;
        Ok::<_, minicbor::decode::Error>((kind, decoder.u64()?, decoder.u64()?))
    };
    match numbers() {
        Ok((REQUEST, seq, acknowledged)) => Ok(Heard::Refused { seq, acknowledged, error }),
        _ => Err(error),
    }
}

fn place(error: Error, index: usize, at: usize) -> Error {
    let message = format!("{} (frame {index}, at byte {at} of the message)", error.message);
    Error { message, ..error }
}

/// Appends one frame to a message.
pub fn encode_frame(frame: &Frame, message: &mut Vec<u8>) {
    let mut encoder = minicbor::Encoder::new(message);
    // Writing to a vector cannot fail.
    let _ = encoder.encode(frame);
}
