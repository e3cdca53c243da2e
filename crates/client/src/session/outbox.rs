//! Frames on their way out. They are encoded when a message is asked for, so that all that was queued since the last one
//! shares it, and so that each request carries the newest acknowledgement.

use super::window::Entry;
use super::{Config, op};
use emerge_proto::{SessionId, limits};
use minicbor::Encoder;
use std::convert::Infallible;

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
    /// Written by hand, so that a browser does not load the encoders of all frames and operations.
    pub(crate) fn encode(self, config: &Config, out: &mut Vec<u8>) {
        let _ = self.write(config, &mut Encoder::new(out));
    }

    fn write(
        self,
        config: &Config,
        e: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<Infallible>> {
        let (kind, fields) = match self {
            Control::Hello { .. } => (0, 1),
            Control::Cancel(_) => (2, 1),
            Control::Credit(..) => (3, 2),
            Control::Ack(_) => (4, 1),
            Control::Bye => (5, 0),
            Control::Ping(_) => (6, 1),
            Control::Pong(_) => (7, 1),
        };
        e.array(2)?.u32(kind)?.array(fields)?;
        match self {
            Control::Hello { session, connection, acknowledged } => {
                e.array(7)?
                    .u32(limits::PROTOCOL_VERSION)?
                    .u32(limits::PROTOCOL_VERSION)?
                    .str(&config.token)?;
                match session {
                    Some(session) => e.bytes(&session.0)?,
                    None => e.null()?,
                };
                e.u64(connection)?.u64(acknowledged)?.str(&config.agent)?;
            }
            Control::Credit(seq, more) => {
                e.u64(seq)?.u32(more)?;
            }
            Control::Cancel(number)
            | Control::Ack(number)
            | Control::Ping(number)
            | Control::Pong(number) => {
                e.u64(number)?;
            }
            Control::Bye => {}
        }
        Ok(())
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
    let mut write = || -> Result<(), minicbor::encode::Error<Infallible>> {
        Encoder::new(&mut *out).array(2)?.u32(1)?.array(1)?.array(fields)?.u64(wire)?.u64(acknowledged)?;
        out.extend_from_slice(going_on.as_deref().unwrap_or(&entry.op));
        let mut e = Encoder::new(&mut *out);
        match timeout {
            Some(timeout) => e.u64(timeout)?,
            None if fields == 5 => e.null()?,
            None => &mut e,
        };
        if let Some(credit) = entry.credit {
            e.u32(credit)?;
        }
        Ok(())
    };
    // Writing to a vector cannot fail.
    let _ = write();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::EncodedOp;
    use emerge_proto::Op;
    use emerge_proto::frame::{Frame, Hello, Request, decode_message};

    #[test]
    fn proto_reads_every_frame() {
        let config = Config::new("secret");
        let session = Some(SessionId([3; 16]));
        let hello = |session| {
            Frame::Hello(Hello {
                min_version: limits::PROTOCOL_VERSION,
                max_version: limits::PROTOCOL_VERSION,
                token: "secret".into(),
                session,
                connection: 300,
                acknowledged: 70_000,
                agent: config.agent.clone(),
            })
        };
        let cases = [
            (Control::Hello { session, connection: 300, acknowledged: 70_000 }, hello(session)),
            (Control::Hello { session: None, connection: 300, acknowledged: 70_000 }, hello(None)),
            (Control::Cancel(1), Frame::Cancel { seq: 1 }),
            (Control::Credit(24, 4096), Frame::Credit { seq: 24, more: 4096 }),
            (Control::Ack(u64::MAX), Frame::Ack { through: u64::MAX }),
            (Control::Ping(0), Frame::Ping { token: 0 }),
            (Control::Pong(256), Frame::Pong { token: 256 }),
            (Control::Bye, Frame::Bye),
        ];
        let mut message = Vec::new();
        cases.iter().for_each(|(control, _)| control.encode(&config, &mut message));
        let frames: Vec<Frame> = cases.into_iter().map(|(_, frame)| frame).collect();
        assert_eq!(decode_message(&message).unwrap(), frames);
    }

    #[test]
    fn proto_reads_every_form_of_a_request() {
        let op = Op::List {
            path: "/a".into(),
            after: None,
            limit: None,
            glob: None,
            sort: None,
            descending: None,
        };
        for timeout in [None, Some(50)] {
            for credit in [None, Some(7)] {
                for cursor in [None, Some("m")] {
                    let op = EncodedOp::from(&op);
                    let entry = Entry {
                        handle: 9,
                        nature: op.check().unwrap(),
                        op: op.into_bytes().into_boxed_slice(),
                        credit,
                        deadline: timeout.map(|timeout| timeout + 1000),
                        cursor: cursor.map(Box::from),
                        #[cfg(feature = "mutations")]
                        cursor_before: None,
                        sent: false,
                        cancelled: false,
                        abandoned: false,
                    };
                    let mut message = Vec::new();
                    encode_request(9, 4, &entry, 1000, &mut message);
                    let op = Op::List {
                        path: "/a".into(),
                        after: cursor.map(String::from),
                        limit: None,
                        glob: None,
                        sort: None,
                        descending: None,
                    };
                    let request = Request { seq: 9, acknowledged: 4, op, timeout_ms: timeout, credit };
                    assert_eq!(decode_message(&message).unwrap(), vec![Frame::Request(request)]);
                }
            }
        }
    }
}
