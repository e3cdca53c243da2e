//! The session against a scripted peer.

mod connection;
mod exactly_once;
mod peer;
mod requests;

use super::*;
use emerge_proto::Op;
use peer::{Peer, Wire};

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Value(Vec<u8>),
    Item(String),
    End,
    Error(ErrorCode, Option<Effect>),
}

/// A session, a peer, and the wire between them, on a clock of their own.
struct Bench {
    session: Session,
    peer: Peer,
    wire: Wire,
    now: u64,
    told: Vec<(u64, Told)>,
    states: Vec<State>,
    reasons: Vec<ErrorCode>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let mut bench = Self {
            session: Session::new(config, 1, 0),
            peer: Peer::default(),
            wire: Wire::default(),
            now: 0,
            told: Vec::new(),
            states: Vec::new(),
            reasons: Vec::new(),
        };
        bench.drain(&[]);
        bench
    }

    /// A session that is open.
    fn open() -> Self {
        let mut bench = Self::new(Config::new("t"));
        bench.settle();
        assert_eq!(bench.session.state(), State::Open);
        bench
    }

    fn request(&mut self, op: &Op) -> u64 {
        let seq = self.session.request(op, None, None, self.now).unwrap();
        self.drain(&[]);
        seq
    }

    fn stream(&mut self, op: &Op, credit: u32) -> u64 {
        let seq = self.session.request(op, None, Some(credit), self.now).unwrap();
        self.drain(&[]);
        seq
    }

    /// Does what a host does after each entry.
    fn drain(&mut self, message: &[u8]) {
        loop {
            while let Some(message) = self.session.poll_transmit() {
                self.wire.up.push_back(message);
            }
            let Some(event) = self.session.poll_event() else { break };
            match event {
                Event::Connect => self.wire.opening = true,
                Event::Disconnect => {
                    self.peer.disconnect();
                    self.wire = Wire::default();
                }
                Event::State(state, error) => {
                    self.states.push(state);
                    self.reasons.extend(error.map(|error| error.code));
                }
                Event::Failed(seq, error) => self.told.push((seq, Told::Error(error.code, error.effect))),
                Event::Delivery(delivery) => {
                    let piece =
                        &message[delivery.offset as usize..(delivery.offset + delivery.length) as usize];
                    let told = match delivery.kind {
                        Kind::Value => Told::Value(piece.to_vec()),
                        Kind::Item => Told::Item(String::from_utf8(piece.to_vec()).unwrap()),
                        Kind::End => Told::End,
                        Kind::Error => {
                            let error: Error = emerge_proto::class::decode(piece).unwrap();
                            Told::Error(error.code, error.effect)
                        }
                        Kind::Push => continue,
                    };
                    self.told.push((delivery.seq, told));
                }
            }
        }
    }

    fn open_link(&mut self) {
        if std::mem::take(&mut self.wire.opening) {
            self.session.handle_open(self.now);
            self.drain(&[]);
        }
    }

    /// One message reaches the node.
    fn step_up(&mut self) -> bool {
        let Some(message) = self.wire.up.pop_front() else { return false };
        self.wire.down.extend(self.peer.handle(&message));
        true
    }

    /// One message reaches the client.
    fn step_down(&mut self) -> bool {
        let Some(message) = self.wire.down.pop_front() else { return false };
        self.hand_in(&message);
        true
    }

    fn hand_in(&mut self, message: &[u8]) {
        self.session.handle_message(message, self.now);
        self.drain(message);
    }

    /// Everything on the wire arrives, until there is nothing.
    fn settle(&mut self) {
        self.open_link();
        while self.step_up() || self.step_down() {}
    }

    /// The connection breaks, with all that is on the wire.
    fn cut(&mut self) {
        self.peer.disconnect();
        self.wire = Wire::default();
        self.session.handle_closed(self.now);
        self.drain(&[]);
    }

    fn advance(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.drain(&[]);
        }
        self.now = until;
    }

    /// Waits for the next connection and lets everything arrive.
    fn reconnect(&mut self) {
        for _ in 0..100 {
            self.advance(self.session.poll_timeout().map_or(1, |due| due.saturating_sub(self.now)));
            self.settle();
            if self.session.state() == State::Open {
                return;
            }
        }
        panic!("no connection: {:?}", self.states);
    }

    fn told_of(&self, seq: u64) -> Vec<Told> {
        self.told.iter().filter(|(told, _)| *told == seq).map(|(_, told)| told.clone()).collect()
    }
}

fn read(path: &str) -> Op {
    Op::Stat { path: path.into() }
}

fn write(path: &str) -> Op {
    Op::Rm { path: path.into(), recursive: false }
}

fn list(path: &str) -> Op {
    Op::List { path: path.into(), after: None, limit: None, glob: None, sort: None, descending: None }
}
