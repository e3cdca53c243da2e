//! A node as small as can be: it keeps outcomes by session and number, counts effects, and streams names.

use emerge_proto::frame::{Frame, Request, Welcome, decode_message, encode_frame};
use emerge_proto::op::Target;
use emerge_proto::{Error, ErrorCode, Op, SessionId, limits};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Names that every directory has.
pub(super) const NAMES: usize = 20;

/// What is between the two.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) opening: bool,
    pub(super) up: VecDeque<Vec<u8>>,
    pub(super) down: VecDeque<Vec<u8>>,
}

#[derive(Default)]
struct Kept {
    acknowledged: u64,
    connection: u64,
    outcomes: BTreeMap<u64, Vec<u8>>,
}

struct Stream {
    next: usize,
    credit: u32,
}

#[derive(Default)]
pub(super) struct Peer {
    sessions: HashMap<SessionId, Kept>,
    made: u8,
    current: Option<SessionId>,
    streams: BTreeMap<u64, Stream>,
    /// Effects by path.
    pub(super) effects: HashMap<String, u32>,
    /// Every frame that arrived.
    pub(super) heard: Vec<Frame>,
    /// Messages that arrived.
    pub(super) messages: usize,
    /// Answered to each hello in place of a welcome.
    pub(super) refuse: Option<Error>,
    /// Requests are taken and not answered.
    pub(super) mute: bool,
}

impl Peer {
    pub(super) fn disconnect(&mut self) {
        self.current = None;
        self.streams.clear();
    }

    /// The node loses what it knows of all sessions; effects stay.
    pub(super) fn forget(&mut self) {
        self.sessions.clear();
        self.disconnect();
    }

    /// Outcomes that are still kept.
    pub(super) fn outcomes(&self) -> usize {
        self.sessions.values().map(|kept| kept.outcomes.len()).sum()
    }

    pub(super) fn handle(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        self.messages += 1;
        let mut out = Vec::new();
        for frame in decode_message(message).expect("the client writes what proto reads") {
            self.heard.push(frame.clone());
            self.frame(frame, &mut out);
        }
        self.pump(&mut out);
        (!out.is_empty()).then_some(out)
    }

    fn frame(&mut self, frame: Frame, out: &mut Vec<u8>) {
        match frame {
            Frame::Hello(hello) => {
                assert!(self.current.is_none(), "one hello for each connection");
                if let Some(error) = self.refuse.clone() {
                    return encode_frame(&Frame::Close { error }, out);
                }
                let known = hello.session.filter(|session| self.sessions.contains_key(session));
                let session = known.unwrap_or_else(|| {
                    self.made += 1;
                    SessionId([self.made; 16])
                });
                let kept = self.sessions.entry(session).or_default();
                assert!(kept.connection < hello.connection, "connections are counted");
                kept.connection = hello.connection;
                self.current = Some(session);
                self.acknowledge(hello.acknowledged);
                let resumed = known.is_some();
                let welcome =
                    Welcome { version: 1, session, resumed, user: "u".into(), node: "n".into(), time: 0 };
                encode_frame(&Frame::Welcome(welcome), out);
            }
            Frame::Request(request) => self.request(request, out),
            Frame::Cancel { seq } => {
                if self.streams.remove(&seq).is_some() {
                    let error = Some(Error::new(ErrorCode::Cancelled, "cancelled"));
                    encode_frame(&Frame::Result { seq, value: None, error }, out);
                }
            }
            Frame::Credit { seq, more } => {
                if let Some(stream) = self.streams.get_mut(&seq) {
                    stream.credit += more;
                    assert!(stream.credit <= limits::MAX_CREDIT);
                }
            }
            Frame::Ack { through } => self.acknowledge(through),
            Frame::Ping { token } => encode_frame(&Frame::Pong { token }, out),
            Frame::Bye => {
                self.sessions.remove(&self.current.take().expect("bye belongs to a session"));
            }
            Frame::Pong { .. } => {}
            other => panic!("a client does not send {other:?}"),
        }
    }

    fn acknowledge(&mut self, through: u64) {
        let kept = self.current.and_then(|session| self.sessions.get_mut(&session)).expect("welcomed");
        kept.acknowledged = kept.acknowledged.max(through);
        kept.outcomes.retain(|seq, _| *seq > through);
    }

    fn request(&mut self, request: Request, out: &mut Vec<u8>) {
        let Request { seq, acknowledged, op, credit, .. } = request;
        self.acknowledge(acknowledged);
        let session = self.current.expect("welcomed");
        let kept = self.sessions.get_mut(&session).expect("welcomed");
        if seq <= kept.acknowledged {
            return;
        }
        assert!(seq - kept.acknowledged <= limits::MAX_OUTCOMES as u64, "{seq} is outside the window");
        if let (Op::List { after, .. }, Some(credit)) = (&op, credit) {
            let next = after.as_ref().map_or(0, |after| after[1..].parse::<usize>().unwrap() + 1);
            self.streams.insert(seq, Stream { next, credit });
            return;
        }
        let path = match &op {
            Op::Rm { path: Target::Path(path), .. } | Op::Stat { path: Target::Path(path) } => path.clone(),
            other => panic!("not in this play: {other:?}"),
        };
        let value = kept.outcomes.get(&seq).cloned().unwrap_or_else(|| {
            if op.may_write() {
                *self.effects.entry(path.clone()).or_default() += 1;
                kept.outcomes.insert(seq, path.clone().into_bytes());
            }
            path.into_bytes()
        });
        if !self.mute {
            encode_frame(&Frame::Result { seq, value: Some(value), error: None }, out);
        }
    }

    fn pump(&mut self, out: &mut Vec<u8>) {
        self.streams.retain(|seq, stream| {
            while stream.credit > 0 && stream.next < NAMES {
                let name = format!("n{:03}", stream.next);
                let item = Frame::Item { seq: *seq, value: name.clone().into_bytes(), cursor: name };
                encode_frame(&item, out);
                stream.next += 1;
                stream.credit -= 1;
            }
            let more = stream.next < NAMES;
            if !more {
                encode_frame(&Frame::Result { seq: *seq, value: Some(vec![0xf6]), error: None }, out);
            }
            more
        });
    }
}
