//! The client's half of a session, without I/O.
//!
//! A host calls a `handle_…` or request method, then drains: [`Session::poll_transmit`] until there is nothing, then
//! [`Session::poll_event`] until there is nothing, and sets its timer to [`Session::poll_timeout`]. Times are milliseconds of
//! any monotonic clock.
//!
//! **Exactly once.** Requests are numbered within the session. A request that has no outcome when a connection is lost is sent
//! again with its old number, so that the node finds the outcome if there is one. Each request carries the number up to which
//! all outcomes have arrived, so that the node keeps few.
//!
//! **No copies.** A [`Delivery`] says where in the message that was handed in a reply lies. The host hands out slices of the
//! message: one buffer and a list of places for a whole batch.

mod backoff;
mod config;
mod event;
mod inbound;
mod link;
mod op;
mod outbox;
#[cfg(test)]
mod tests;
mod window;

pub use config::Config;
#[cfg(feature = "mutations")]
pub use config::Mutations;
pub use event::{Delivery, Event, Kind, State};
pub use op::EncodedOp;

use backoff::Backoff;
use emerge_proto::error::Effect;
use emerge_proto::frame::{Welcome, check_timeout};
use emerge_proto::{Error, ErrorCode, Result, SessionId, limits};
use link::{Link, Timers};
use outbox::Control;
use std::collections::VecDeque;
use window::{Entry, Expired, Window};

/// Connections refused in a row, with an error that might pass, after which the session ends.
const MAX_REFUSALS: u32 = 5;

/// The client's half of a session.
pub struct Session {
    config: Config,
    state: State,
    link: Link,
    timers: Timers,
    backoff: Backoff,
    window: Window,
    control: VecDeque<Control>,
    events: VecDeque<Event>,
    session: Option<SessionId>,
    connection: u64,
    welcome: Option<Welcome>,
    /// The acknowledgement that the node has.
    acknowledged: u64,
    refusals: u32,
    closing: bool,
    /// Why the session ended, for requests that come later.
    end: Option<Box<Error>>,
    /// The latest time that the host told.
    now: u64,
}

impl Session {
    /// A session that asks for its first connection at once. The seed spreads the waits between connections.
    pub fn new(config: Config, seed: u64, now: u64) -> Self {
        let backoff = Backoff::new(config.backoff_base, config.backoff_cap, seed);
        let mut session = Self {
            config,
            state: State::Connecting,
            link: Link::Idle,
            timers: Timers::default(),
            backoff,
            window: Window::new(),
            control: VecDeque::new(),
            events: VecDeque::new(),
            session: None,
            connection: 0,
            welcome: None,
            acknowledged: 0,
            refusals: 0,
            closing: false,
            end: None,
            now,
        };
        session.connect(now);
        session
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the node said of itself and the caller on the newest connection.
    pub fn welcome(&self) -> Option<&Welcome> {
        self.welcome.as_ref()
    }

    /// Requests without an outcome, those that wait to be sent included.
    pub fn pending(&self) -> usize {
        self.window.live()
    }

    /// Asks for an operation; the answer is the number that its deliveries carry. `timeout` is in milliseconds; with
    /// `credit` the result is a stream, and that many items may come before [`Session::credit`] allows more.
    ///
    /// # Errors
    /// `limit_exceeded`, `too_large`, `bad_argument`; after the end of the session the reason for it. None of these has an
    /// effect.
    pub fn request(
        &mut self,
        op: impl Into<EncodedOp>,
        timeout: Option<u64>,
        credit: Option<u32>,
        now: u64,
    ) -> Result<u64> {
        self.now = now;
        if let Some(end) = &self.end {
            return Err((**end).clone());
        }
        if self.closing {
            return Err(Error::new(ErrorCode::Disconnected, "the session is being closed"));
        }
        check_timeout(timeout)?;
        let op: EncodedOp = op.into();
        let nature = op.check()?;
        if credit.is_some_and(|credit| credit > limits::MAX_CREDIT) {
            return Err(too_much_credit());
        }
        let op = op.into_bytes();
        let exceeded = |what: &str, limit: usize| {
            let why = format!("the session has {limit} {what} without an outcome; wait for some of them");
            Err(Error::new(ErrorCode::LimitExceeded, why).limit(limit as u64))
        };
        if self.window.live() >= self.config.max_requests {
            return exceeded("requests", self.config.max_requests);
        }
        if self.window.live() > 0 && self.window.bytes() + op.len() > self.config.max_request_bytes {
            return exceeded("bytes of requests", self.config.max_request_bytes);
        }
        // A stream's reader may itself wait for this request, so that waiting for the stream could last for ever.
        if self.window.span() >= limits::MAX_OUTCOMES && self.window.stream_at_front() {
            let why = format!(
                "{} requests were made while a stream that writes is still being read; read it to its end first",
                limits::MAX_OUTCOMES
            );
            return Err(Error::new(ErrorCode::LimitExceeded, why).limit(limits::MAX_OUTCOMES as u64));
        }
        Ok(self.window.push(Entry {
            handle: 0,
            op: op.into_boxed_slice(),
            nature,
            credit,
            deadline: timeout.map(|timeout| now.saturating_add(timeout)),
            cursor: None,
            #[cfg(feature = "mutations")]
            cursor_before: None,
            sent: false,
            cancelled: false,
            abandoned: false,
        }))
    }

    /// Gives up a request. It still ends with its result or `cancelled`; of what was never sent, and of a read without a
    /// connection, that is known at once.
    pub fn cancel(&mut self, seq: u64, now: u64) {
        self.now = now;
        let up = self.link == Link::Up;
        let wire = self.window.wire(seq);
        let here = up && self.window.left_here(wire);
        let Some(entry) = self.window.get_mut(wire) else { return };
        if entry.abandoned || entry.cancelled {
            return;
        }
        entry.cancelled = true;
        if here {
            self.control.push_back(Control::Cancel(wire));
        } else if !entry.sent || !entry.nature.writes {
            self.window.remove(wire);
            self.fail(seq, cancelled());
            self.acknowledge_later();
        }
        self.leave_if_done();
    }

    /// Allows `more` items of a stream. A stream that has ended meanwhile takes no notice.
    ///
    /// # Errors
    /// `limit_exceeded`; `bad_argument` when the request is not a stream.
    pub fn credit(&mut self, seq: u64, more: u32) -> Result<()> {
        let wire = self.window.wire(seq);
        let here = self.link == Link::Up && self.window.left_here(wire);
        let Some(entry) = self.window.get_mut(wire) else { return Ok(()) };
        let Some(credit) = &mut entry.credit else {
            return Err(Error::new(ErrorCode::BadArgument, format!("request {seq} is not a stream")));
        };
        let sum = credit.saturating_add(more);
        if sum > limits::MAX_CREDIT {
            return Err(too_much_credit());
        }
        *credit = sum;
        if here && more > 0 {
            self.control.push_back(Control::Credit(wire, more));
        }
        Ok(())
    }

    /// Ends the session once the requests that are under way have their outcomes, at the latest after the time that the
    /// configuration gives. Streams are cancelled. Without a connection it ends at once.
    pub fn close(&mut self, now: u64) {
        self.now = now;
        if self.closing || self.state == State::Closed {
            return;
        }
        self.closing = true;
        if self.link != Link::Up {
            return self.finish(closed(), true);
        }
        self.timers.closing = Some(now.saturating_add(self.config.close_timeout));
        for seq in self.window.streams() {
            self.cancel(seq, now);
        }
        self.leave_if_done();
    }

    /// The next message to send: all frames queued since the last one, up to a bound of bytes.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        self.poll_transmit_into(&mut message).then_some(message)
    }

    /// As [`Session::poll_transmit`], into a buffer that is used again and again; false when there is nothing to send.
    pub fn poll_transmit_into(&mut self, message: &mut Vec<u8>) -> bool {
        message.clear();
        if !matches!(self.link, Link::Greeting | Link::Up | Link::Leaving) {
            return false;
        }
        let mut frames = 0;
        while frames < limits::MAX_FRAMES_IN_MESSAGE
            && let Some(control) = self.control.pop_front()
        {
            control.encode(&self.config, message);
            frames += 1;
        }
        if self.link == Link::Up && self.transmit_requests(message, frames) {
            self.acknowledged = self.window.horizon();
            self.timers.ack = None;
        }
        if self.link == Link::Leaving && self.control.is_empty() {
            self.finish(closed(), true);
        }
        !message.is_empty()
    }

    fn transmit_requests(&mut self, message: &mut Vec<u8>, mut frames: usize) -> bool {
        let mut any = false;
        // A request may need a second frame for its cancellation.
        while frames + 1 < limits::MAX_FRAMES_IN_MESSAGE
            && self.window.in_flight() < self.config.max_in_flight
        {
            let horizon = self.window.horizon();
            let Some((wire, entry)) = self.window.peek_out() else { break };
            let full = !message.is_empty() && message.len() + entry.op.len() > self.config.message_bytes;
            // The node keeps no more outcomes than this.
            if full || wire > horizon + limits::MAX_OUTCOMES as u64 {
                break;
            }
            outbox::encode_request(wire, horizon, entry, self.now, message);
            frames += 1;
            if entry.cancelled {
                Control::Cancel(wire).encode(&self.config, message);
                frames += 1;
            }
            self.window.step_out();
            any = true;
        }
        any
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<u64> {
        let deadline = self.window.deadline();
        self.timers.next(self.link, &self.config).into_iter().chain(deadline).min()
    }

    /// The next thing that the host should know or do.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn fail(&mut self, handle: u64, error: Error) {
        self.events.push_back(Event::Failed(handle, Box::new(error)));
    }

    /// Fails what a session that ends leaves without an outcome.
    fn fail_all(&mut self, error: &Error) {
        for entry in self.window.clear() {
            if !entry.abandoned {
                let effect = if entry.sent && entry.nature.writes { Effect::Unknown } else { Effect::None };
                self.fail(entry.handle, error.clone().effect(effect));
            }
        }
    }

    fn expire(&mut self, now: u64) {
        for expired in self.window.expire(now) {
            let late =
                |why: &str| Error::new(ErrorCode::DeadlineExceeded, format!("the deadline passed {why}"));
            match expired {
                Expired::Unsent(entry) => {
                    self.fail(entry.handle, late("before the request could be sent").effect(Effect::None));
                }
                Expired::Sent { handle, wire, writes, here } => {
                    let effect = if writes { Effect::Unknown } else { Effect::None };
                    self.fail(handle, late("before the outcome arrived").effect(effect));
                    if here && self.link == Link::Up {
                        self.control.push_back(Control::Cancel(wire));
                    }
                }
            }
        }
        self.leave_if_done();
    }

    /// Sees to it that the node hears of the outcomes that arrived, even if no request tells it.
    fn acknowledge_later(&mut self) {
        if self.window.horizon() > self.acknowledged && self.timers.ack.is_none() {
            self.timers.ack = Some(self.now.saturating_add(self.config.ack_after));
        }
    }
}

fn too_much_credit() -> Error {
    let why = format!("a stream may have credit for {} items at most", limits::MAX_CREDIT);
    Error::new(ErrorCode::LimitExceeded, why).limit(limits::MAX_CREDIT.into())
}

fn cancelled() -> Error {
    Error::new(ErrorCode::Cancelled, "the request was cancelled").effect(Effect::None)
}

fn closed() -> Error {
    Error::new(ErrorCode::Disconnected, "the session was closed")
}
