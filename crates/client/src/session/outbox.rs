//! Frames on their way out. They are encoded when a message is asked for, so that all that was queued since the last one
//! shares it, and so that each request carries the newest acknowledgement.

use super::window::Entry;
use super::{Config, op};
use emerge_proto::frame::{Frame, Hello, encode_frame};
use emerge_proto::{SessionId, limits};
use minicbor::Encoder;

/// A frame that is not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Hello { session: Option<SessionId>, connection: u64, acknowledged: u64 },
    Cancel(u64),
    Credit(u64, u32),
    Ack(u64),
    Ping(u64),
    Pong(u64),
    Bye,
}

impl Control {
    pub(crate) fn encode(self, config: &Config, out: &mut Vec<u8>) {
        let frame = match self {
            Control::Hello { session, connection, acknowledged } => Frame::Hello(Hello {
                min_version: limits::PROTOCOL_VERSION,
                max_version: limits::PROTOCOL_VERSION,
                token: config.token.clone(),
                session,
                connection,
                acknowledged,
                agent: config.agent.clone(),
            }),
            Control::Cancel(seq) => Frame::Cancel { seq },
            Control::Credit(seq, more) => Frame::Credit { seq, more },
            Control::Ack(through) => Frame::Ack { through },
            Control::Ping(token) => Frame::Ping { token },
            Control::Pong(token) => Frame::Pong { token },
            Control::Bye => Frame::Bye,
        };
        encode_frame(&frame, out);
    }
}

/// Appends the frame of a request; the operation's bytes are copied in as they are, but for the cursor of a stream that goes on.
pub(crate) fn encode_request(wire: u64, acknowledged: u64, entry: &Entry, now: u64, out: &mut Vec<u8>) {
    let going_on = match (&entry.cursor, entry.nature.cursor) {
        // The operation was checked when it was accepted, so that this does not fail.
        (Some(cursor), Some(at)) => op::with_cursor(&entry.op, at, cursor).ok(),
        _ => None,
    };
    let timeout = entry.deadline.map(|deadline| deadline.saturating_sub(now).max(1));
    let fields = if entry.credit.is_some() {
        5
    } else if timeout.is_some() {
        4
    } else {
        3
    };
    // Writing to a vector cannot fail.
    let _ = Encoder::new(&mut *out)
        .array(2)
        .and_then(|e| e.u32(1))
        .and_then(|e| e.array(1))
        .and_then(|e| e.array(fields))
        .and_then(|e| e.u64(wire))
        .and_then(|e| e.u64(acknowledged));
    out.extend_from_slice(going_on.as_deref().unwrap_or(&entry.op));
    let mut encoder = Encoder::new(out);
    let _ = match timeout {
        Some(timeout) => encoder.u64(timeout).map(|_| ()),
        None if fields == 5 => encoder.null().map(|_| ()),
        None => Ok(()),
    };
    if let Some(credit) = entry.credit {
        let _ = encoder.u32(credit);
    }
}
