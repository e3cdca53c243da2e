//! One connection of a session: messages and time in, messages out.

use crate::audit::{self, Asked};
use crate::meter::{Meter, Seat};
use crate::node::{Node, Reply, RequestKey};
use crate::session::Session;
use crate::stream::{self, Items};
use core::net::IpAddr;
use emerge_engine::{Backend, Principal};
use emerge_proto::error::Effect;
use emerge_proto::frame::{Frame, Heard, Hello, Request, Welcome, check_timeout, encode_frame, receive};
use emerge_proto::{Error, ErrorCode, Op, Result, limits};
use emerge_runtime::BoxFuture;
use futures_util::future::{AbortHandle, Abortable, Aborted};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

type Greeting = BoxFuture<'static, Result<(Arc<Session>, Welcome)>>;

enum State {
    /// Nothing has been heard but perhaps a hello, which is being answered; what follows it waits.
    Greeting {
        connection: u64,
        answer: Option<Greeting>,
        waiting: VecDeque<Heard>,
    },
    Open {
        connection: u64,
        session: Arc<Session>,
    },
    /// The client said bye; its outcomes are being forgotten.
    Leaving {
        forgotten: BoxFuture<'static, Result<()>>,
    },
    Closed,
}

/// What a request's future came to.
enum Done {
    Reply(Reply),
    /// And whether it never ends.
    Stream(Items, bool),
}

struct Running {
    deadline: Option<i64>,
    /// The credit that the request brought, should it turn out to be a stream.
    credit: u32,
    abort: AbortHandle,
}

struct Stream {
    items: Items,
    /// Items that may still be sent.
    credit: u32,
    /// The highest commit that any item so far depends on: items leave in order.
    depends_on: u64,
    deadline: Option<i64>,
    /// It never ends, so that a node that stops does not wait for it.
    endless: bool,
    /// Its places among those of the user and of the address.
    _seats: Vec<Seat>,
}

/// The node's side of one connection. Dropping it drops its requests; those that were committed keep their outcomes.
pub struct Connection<B: Backend> {
    node: Node<B>,
    state: State,
    tasks: FuturesUnordered<BoxFuture<'static, (u64, std::result::Result<Done, Aborted>)>>,
    running: HashMap<u64, Running>,
    streams: BTreeMap<u64, Stream>,
    /// The stream that filled the last message: it is the last to add to the next.
    filled: u64,
    deadlines: BTreeSet<(i64, u64)>,
    /// Frames that wait until a commit is durable, by that commit.
    gated: BTreeMap<u64, Vec<(u64, Frame)>>,
    gated_count: usize,
    out: Vec<u8>,
    last_heard: i64,
    /// From where, and what that address takes.
    from: Option<(IpAddr, Arc<Meter>)>,
    /// What the user takes, and a place among the user's connections.
    user: Option<(Arc<Meter>, Seat)>,
}

impl<B: Backend> Connection<B> {
    /// A connection that waits for its hello. `now` is in microseconds since 1970-01-01T00:00:00Z, here and below.
    pub fn new(node: Node<B>, now: i64) -> Self {
        Self {
            node,
            state: State::Greeting { connection: 0, answer: None, waiting: VecDeque::new() },
            tasks: FuturesUnordered::new(),
            running: HashMap::new(),
            streams: BTreeMap::new(),
            filled: 0,
            deadlines: BTreeSet::new(),
            gated: BTreeMap::new(),
            gated_count: 0,
            out: Vec::new(),
            last_heard: now,
            from: None,
            user: None,
        }
    }

    /// The same, of a client at an address.
    pub fn from(mut self, address: IpAddr, now: i64) -> Self {
        self.from = Some((address, self.node.meters().address(address, now)));
        self
    }

    fn meters(&self) -> impl Iterator<Item = &Arc<Meter>> {
        let user = self.user.as_ref().map(|(meter, _)| meter);
        self.from.iter().map(|(_, meter)| meter).chain(user)
    }

    /// Takes one message. What is wrong with it ends the request that it is in, or else the connection, with a typed error and changes nothing.
    pub fn handle_message(&mut self, message: &[u8], now: i64) {
        self.last_heard = now;
        if self.is_closed() {
            return;
        }
        self.meters().for_each(|meter| meter.bytes(message.len(), now));
        match receive(message) {
            Ok(all) => {
                for heard in all {
                    self.handle(heard, now);
                }
            }
            Err(error) => self.close(error),
        }
    }

    /// Ends what has run past its deadline, and the connection when nothing has been heard for too long.
    pub fn handle_timeout(&mut self, now: i64) {
        while let Some(&(deadline, seq)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.remove(&(deadline, seq));
            let error = Error::new(ErrorCode::DeadlineExceeded, "the request ran past its deadline");
            self.give_up(seq, error);
        }
        if now - self.last_heard >= DEAD_AFTER_MICROS {
            self.close(Error::new(ErrorCode::Disconnected, "nothing was heard from the client for too long"));
        }
    }

    /// When [`Self::handle_timeout`] is due; none once closed.
    pub fn poll_timeout(&self) -> Option<i64> {
        if self.is_closed() {
            return None;
        }
        let dead = self.last_heard + DEAD_AFTER_MICROS;
        Some(self.deadlines.first().map_or(dead, |&(deadline, _)| deadline.min(dead)))
    }

    /// Drives the requests in flight. Ready when there is something to transmit or the connection is closed; to be polled again once that is sent, for there
    /// may be more.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: i64) -> Poll<()> {
        self.poll_greeting(cx, now);
        while let Poll::Ready(Some((seq, done))) = self.tasks.poll_next_unpin(cx) {
            if let Ok(done) = done {
                self.finish(seq, done);
            }
        }
        self.poll_streams(cx);
        self.poll_gate(cx);
        if let State::Leaving { forgotten } = &mut self.state
            && forgotten.as_mut().poll(cx).is_ready()
        {
            self.state = State::Closed;
        }
        if self.out.is_empty() && !self.is_closed() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// All that is ready to be sent, as one message.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if self.out.is_empty() {
            return None;
        }
        self.meters().for_each(|meter| meter.bytes(self.out.len(), self.last_heard));
        Some(std::mem::take(&mut self.out))
    }

    /// True when the host should send what is left and close the socket.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Requests that have not been answered.
    pub fn in_flight(&self) -> usize {
        self.running.len() + self.streams.len() + self.gated_count
    }

    /// Tells the client that the node is about to stop.
    pub fn drain(&mut self) {
        if matches!(self.state, State::Open { .. }) {
            self.send(&Frame::Push { topic: "drain".into(), value: crate::dispatch::NULL.to_vec() });
            // The client asks for them again on its next connection.
            self.streams.retain(|_, stream| !stream.endless);
        }
    }

    /// Ends the connection with a reason.
    pub fn close(&mut self, error: Error) {
        if !self.is_closed() {
            self.send(&Frame::Close { error });
            self.state = State::Closed;
            self.tasks = FuturesUnordered::new();
            self.streams.clear();
            self.running.clear();
            self.gated.clear();
            self.gated_count = 0;
        }
    }

    fn send(&mut self, frame: &Frame) {
        encode_frame(frame, &mut self.out);
    }

    fn handle(&mut self, heard: Heard, now: i64) {
        match (&mut self.state, heard) {
            (State::Closed | State::Leaving { .. }, _) => {}
            (_, Heard::Frame(Frame::Ping { token })) => self.send(&Frame::Pong { token }),
            (_, Heard::Frame(Frame::Pong { .. })) => {}
            (State::Greeting { answer: None, .. }, Heard::Frame(Frame::Hello(hello))) => {
                self.greet(hello, now)
            }
            (State::Greeting { answer: None, .. }, _) => {
                self.close(Error::new(
                    ErrorCode::BadFrame,
                    "the first frame of a connection must be a hello",
                ));
            }
            (State::Greeting { waiting, .. }, heard) => {
                if waiting.len() >= limits::MAX_IN_FLIGHT {
                    self.close(too_many());
                } else {
                    waiting.push_back(heard);
                }
            }
            (State::Open { connection, session }, heard) => {
                if !session.is_current(*connection) {
                    self.close(Error::new(
                        ErrorCode::SessionExpired,
                        "a newer connection has taken this session over",
                    ));
                    return;
                }
                session.seen(now);
                let session = session.clone();
                match heard {
                    Heard::Frame(frame) => self.handle_open(session, frame, now),
                    Heard::Refused { seq, acknowledged, error } => {
                        self.refuse(&session, seq, acknowledged, error);
                    }
                }
            }
        }
    }

    fn greet(&mut self, hello: Hello, now: i64) {
        let (node, connection) = (self.node.clone(), hello.connection);
        let answer: Greeting = Box::pin(async move { node.welcome(&hello, now).await });
        self.state = State::Greeting { connection, answer: Some(answer), waiting: VecDeque::new() };
        self.poll_greeting(&mut Context::from_waker(Waker::noop()), now);
    }

    fn poll_greeting(&mut self, cx: &mut Context<'_>, now: i64) {
        let State::Greeting { connection, answer: Some(answer), waiting } = &mut self.state else { return };
        let Poll::Ready(answer) = answer.as_mut().poll(cx) else { return };
        let connection = *connection;
        match answer {
            Ok((session, welcome)) => {
                let waiting = std::mem::take(waiting);
                let meter = self.node.meters().user(&session.user, now);
                match meter.connection() {
                    Ok(seat) => self.user = Some((meter, seat)),
                    Err(error) => return self.close(error),
                }
                self.state = State::Open { connection, session };
                self.send(&Frame::Welcome(welcome));
                for heard in waiting {
                    self.handle(heard, now);
                }
            }
            Err(error) => {
                let from = self.from.as_ref().map(|(address, _)| *address);
                self.node.refused(from, error.code, now);
                self.close(error);
            }
        }
    }

    fn handle_open(&mut self, session: Arc<Session>, frame: Frame, now: i64) {
        match frame {
            Frame::Request(request) => self.handle_request(session, request, now),
            Frame::Cancel { seq } => {
                self.give_up(seq, Error::new(ErrorCode::Cancelled, "the request was cancelled"))
            }
            Frame::Credit { seq, more } => {
                if let Some(stream) = self.streams.get_mut(&seq) {
                    stream.credit = stream.credit.saturating_add(more).min(limits::MAX_CREDIT);
                }
            }
            Frame::Ack { through } => session.acknowledge(through),
            Frame::Bye => {
                let node = self.node.clone();
                self.running.clear();
                self.tasks = FuturesUnordered::new();
                self.streams.clear();
                let mut forgotten: BoxFuture<'static, Result<()>> =
                    Box::pin(async move { node.forget(&session).await });
                // At once where the storage allows: the client closes its socket right after bye.
                let done = forgotten.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                self.state = if done { State::Closed } else { State::Leaving { forgotten } };
            }
            other => self.close(Error::new(
                ErrorCode::BadFrame,
                format!("a client must not send a frame of this kind: {}", kind(&other)),
            )),
        }
    }

    /// Ends a request that could not be read. There is no outcome to keep: when it comes again it is refused again.
    fn refuse(&mut self, session: &Session, seq: u64, acknowledged: u64, error: Error) {
        session.acknowledge(acknowledged);
        let known = self.running.contains_key(&seq) || self.streams.contains_key(&seq);
        if seq > session.acknowledged() && !known {
            self.send(&Frame::Result { seq, value: None, error: Some(error) });
        }
    }

    fn handle_request(&mut self, session: Arc<Session>, request: Request, now: i64) {
        let Request { seq, acknowledged, op, timeout_ms, credit } = request;
        session.acknowledge(acknowledged);
        let horizon = session.acknowledged();
        if seq <= horizon || self.running.contains_key(&seq) || self.streams.contains_key(&seq) {
            // A late duplicate: its outcome has arrived, or is on its way.
            return;
        }
        if self.in_flight() >= limits::MAX_IN_FLIGHT || seq - horizon > limits::MAX_OUTCOMES as u64 {
            self.send(&Frame::Result { seq, value: None, error: Some(too_many()) });
            return;
        }
        if let Err(error) = check_timeout(timeout_ms) {
            self.send(&Frame::Result { seq, value: None, error: Some(error) });
            return;
        }
        let admitted = self.meters().try_for_each(|meter| meter.request(now));
        if let Err(error) = admitted {
            self.send(&Frame::Result { seq, value: None, error: Some(error.effect(Effect::None)) });
            return;
        }
        let node = self.node.clone();
        let asked = node.asked(|| Asked::of(&op));
        let from = self.from.as_ref().map(|(address, _)| *address);
        let key = RequestKey {
            session: session.id,
            user: session.user.clone(),
            seq,
            acknowledged: horizon,
            part: String::new(),
        };
        let deadline = timeout_ms
            .map(|ms| now.saturating_add(i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX)));
        let streamed = credit.is_some();
        let mut future: BoxFuture<'static, Done> = Box::pin(async move {
            let principal = match node.principal_of(&session, now).await {
                Ok(principal) => principal,
                Err(error) => {
                    node.refused(from, error.code, now);
                    return Done::Reply(Reply::error(error));
                }
            };
            let done = answer(&node, &principal, &key, op, streamed, now).await;
            if let (Some(audit), Some(asked)) = (node.audit(), asked) {
                let result = match &done {
                    Done::Reply(Reply { result: Err(error), .. }) => Some(error.code),
                    _ => None,
                };
                audit::tell(audit, &asked, Some(&principal), from, result, now);
            }
            done
        });
        // Most requests are done at once, in the order in which they came; only the others become tasks.
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => {
                if let Done::Stream(items, endless) = done {
                    self.open_stream(seq, items, endless, credit.unwrap_or(0), deadline);
                } else {
                    self.finish(seq, done);
                }
            }
            Poll::Pending => {
                let (abort, registration) = AbortHandle::new_pair();
                if let Some(deadline) = deadline {
                    self.deadlines.insert((deadline, seq));
                }
                self.running.insert(seq, Running { deadline, credit: credit.unwrap_or(0), abort });
                let future = Abortable::new(future, registration);
                self.tasks.push(Box::pin(async move { (seq, future.await) }));
            }
        }
    }

    fn open_stream(&mut self, seq: u64, items: Items, endless: bool, credit: u32, deadline: Option<i64>) {
        let seats: Result<Vec<Seat>> = self.meters().map(Meter::stream).collect();
        let seats = match seats {
            Ok(seats) => seats,
            Err(error) => {
                self.send(&Frame::Result { seq, value: None, error: Some(error.effect(Effect::None)) });
                return;
            }
        };
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, seq));
        }
        let credit = credit.min(limits::MAX_CREDIT);
        self.streams.insert(seq, Stream { items, credit, depends_on: 0, deadline, endless, _seats: seats });
    }

    fn finish(&mut self, seq: u64, done: Done) {
        let running = self.running.remove(&seq);
        let deadline = running.as_ref().and_then(|running| running.deadline);
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, seq));
        }
        match done {
            Done::Reply(Reply { result, depends_on }) => {
                let (value, error) = match result {
                    Ok(value) => (Some(value), None),
                    Err(error) => (None, Some(error)),
                };
                self.send_gated(seq, Frame::Result { seq, value, error }, depends_on);
            }
            Done::Stream(items, endless) => {
                let credit = running.map_or(0, |running| running.credit);
                self.open_stream(seq, items, endless, credit, deadline);
            }
        }
    }

    /// Sends a frame once the commit that it depends on is durable. While any waits for the gate all go through it, in the order of their commits: a commit may
    /// become durable at any moment, and the next item of a stream must not overtake one that still lies there.
    fn send_gated(&mut self, seq: u64, frame: Frame, depends_on: u64) {
        if self.gated.is_empty() && depends_on <= self.node.engine().durable_through() {
            self.send(&frame);
        } else {
            self.gated.entry(depends_on).or_default().push((seq, frame));
            self.gated_count += 1;
        }
    }

    fn poll_streams(&mut self, cx: &mut Context<'_>) {
        let later = (Bound::Excluded(self.filled), Bound::Unbounded);
        let turns = self.streams.range(later).chain(self.streams.range(..=self.filled));
        let seqs: Vec<u64> = turns.map(|(seq, _)| *seq).collect();
        for seq in seqs {
            while let Some(stream) = self.streams.get_mut(&seq)
                && stream.credit > 0
                && self.out.len() < limits::MAX_SEND_QUEUE
                && let Poll::Ready(item) = stream.items.poll_next_unpin(cx)
            {
                let (frame, depends_on) = match item {
                    Some(Ok(step)) => {
                        stream.depends_on = stream.depends_on.max(step.depends_on);
                        let Some(item) = step.item else { continue };
                        stream.credit -= 1;
                        (Frame::Item { seq, value: item.value, cursor: item.cursor }, stream.depends_on)
                    }
                    end => {
                        let depends_on = stream.depends_on;
                        self.end_stream(seq);
                        let error = end.and_then(Result::err);
                        let value = error.is_none().then(|| crate::dispatch::NULL.to_vec());
                        (Frame::Result { seq, value, error }, depends_on)
                    }
                };
                self.send_gated(seq, frame, depends_on);
                if self.out.len() >= limits::MAX_SEND_QUEUE {
                    self.filled = seq;
                }
            }
        }
    }

    fn end_stream(&mut self, seq: u64) {
        if let Some(stream) = self.streams.remove(&seq)
            && let Some(deadline) = stream.deadline
        {
            self.deadlines.remove(&(deadline, seq));
        }
    }

    fn poll_gate(&mut self, cx: &mut Context<'_>) {
        while let Some((&commit, _)) = self.gated.first_key_value() {
            let Poll::Ready(durable) = self.node.engine().poll_durable(commit, cx) else { return };
            let Some(frames) = self.gated.remove(&commit) else { return };
            self.gated_count -= frames.len();
            for (seq, frame) in frames {
                match &durable {
                    Ok(()) => self.send(&frame),
                    Err(error) => {
                        self.end_stream(seq);
                        self.send(&Frame::Result { seq, value: None, error: Some(error.clone()) });
                    }
                }
            }
        }
    }

    /// Stops a request that is still running. One that has committed is answered with its result instead.
    fn give_up(&mut self, seq: u64, error: Error) {
        let effect = if self.streams.contains_key(&seq) { Effect::Unknown } else { Effect::None };
        self.end_stream(seq);
        if let Some(running) = self.running.remove(&seq) {
            running.abort.abort();
            if let Some(deadline) = running.deadline {
                self.deadlines.remove(&(deadline, seq));
            }
        } else if effect == Effect::None {
            return;
        }
        self.send(&Frame::Result { seq, value: None, error: Some(error.effect(effect)) });
    }
}

const DEAD_AFTER_MICROS: i64 = limits::DEAD_AFTER_MS as i64 * 1000;

/// What a request comes to.
async fn answer<B: Backend>(
    node: &Node<B>,
    principal: &Principal,
    key: &RequestKey,
    op: Op,
    streamed: bool,
    now: i64,
) -> Done {
    let endless = matches!(op, Op::Watch { .. });
    if streamed {
        match stream::open(node, principal, Some(key), &op, now).await {
            Ok(Some(items)) => return Done::Stream(items, endless),
            Ok(None) => {}
            Err(error) => return Done::Reply(Reply::error(error)),
        }
    }
    Done::Reply(node.run(principal, Some(key), op, now).await)
}

fn too_many() -> Error {
    let limit = limits::MAX_IN_FLIGHT as u64;
    Error::new(ErrorCode::LimitExceeded, format!("more than {limit} requests are in flight")).limit(limit)
}

fn kind(frame: &Frame) -> &'static str {
    match frame {
        Frame::Hello(_) => "hello",
        Frame::Request(_) => "request",
        Frame::Cancel { .. } => "cancel",
        Frame::Credit { .. } => "credit",
        Frame::Ack { .. } => "ack",
        Frame::Bye => "bye",
        Frame::Ping { .. } => "ping",
        Frame::Pong { .. } => "pong",
        Frame::Welcome(_) => "welcome",
        Frame::Result { .. } => "result",
        Frame::Item { .. } => "item",
        Frame::Push { .. } => "push",
        Frame::Close { .. } => "close",
    }
}
