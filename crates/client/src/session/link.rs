//! The connection under a session: hello and welcome, signs of life, loss, and the decision to try again.

use super::event::{Delivery, Event, Kind, State};
use super::inbound::{self, Inbound, Span};
use super::outbox::Control;
use super::{Config, MAX_REFUSALS, Session, cancelled};
use emerge_proto::error::Effect;
use emerge_proto::frame::Welcome;
use emerge_proto::{Error, ErrorCode, limits};
use minicbor::Decoder;

/// Bytes of a message of the node. One that is refused would be fetched again and again, so this is lenient.
const MAX_INBOUND: usize = 4 * limits::MAX_MESSAGE;

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// There is none.
    Idle,
    /// The host opens one.
    Opening,
    /// It is open; the hello has no answer yet.
    Greeting,
    /// Requests flow.
    Up,
    /// Only the goodbye remains to be sent.
    Leaving,
}

/// Points in time at which something is due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// The next attempt to connect.
    pub(crate) retry: Option<u64>,
    /// The attempt under way is given up.
    pub(crate) connect: Option<u64>,
    /// The standalone acknowledgement.
    pub(crate) ack: Option<u64>,
    /// The session ends whatever is outstanding.
    pub(crate) closing: Option<u64>,
    /// The last message of the node.
    pub(crate) heard: u64,
    /// The last sign of life asked for.
    pub(crate) asked: u64,
}

impl Timers {
    pub(crate) fn next(&self, link: Link, config: &Config) -> Option<u64> {
        let idle = match link {
            Link::Idle => self.retry,
            Link::Opening | Link::Greeting => self.connect,
            Link::Up => {
                [self.ack, Some(self.ping(config)), Some(self.dead(config))].into_iter().flatten().min()
            }
            Link::Leaving => None,
        };
        idle.into_iter().chain(self.closing).min()
    }

    fn ping(&self, config: &Config) -> u64 {
        self.heard.max(self.asked).saturating_add(config.heartbeat)
    }

    fn dead(&self, config: &Config) -> u64 {
        self.heard.saturating_add(config.dead_after)
    }
}

impl Session {
    /// The transport that [`Event::Connect`] asked for is open.
    pub fn handle_open(&mut self, now: u64) {
        self.now = now;
        if self.link != Link::Opening {
            return;
        }
        self.link = Link::Greeting;
        self.connection += 1;
        self.acknowledged = self.window.horizon();
        let (session, connection, acknowledged) = (self.session, self.connection, self.acknowledged);
        self.control.push_back(Control::Hello { session, connection, acknowledged });
    }

    /// The transport is gone, or could not be opened.
    pub fn handle_closed(&mut self, now: u64) {
        let opening = self.link == Link::Opening;
        self.handle_failed(
            if opening { "the node cannot be reached" } else { "the connection was lost" },
            now,
        );
    }

    /// As [`Session::handle_closed`], by a host that knows why.
    pub fn handle_failed(&mut self, why: &str, now: u64) {
        self.now = now;
        match self.link {
            Link::Idle => {}
            Link::Leaving => self.finish(super::closed(), false),
            Link::Opening | Link::Greeting | Link::Up => self.lost(disconnected(why), false),
        }
    }

    /// The node answered with an error instead of opening a transport, and the host could read it. This holds also while the
    /// session waits to try again, for a browser learns it only by asking after the transport failed.
    pub fn handle_refused(&mut self, error: Error, now: u64) {
        self.now = now;
        match self.link {
            Link::Leaving => self.finish(super::closed(), false),
            Link::Idle if self.timers.retry.is_none() => {}
            Link::Idle | Link::Opening => self.refused(error),
            Link::Greeting | Link::Up => {}
        }
    }

    /// The host knows that trying again is worth while now, for example because the network is back.
    pub fn hurry(&mut self, now: u64) {
        self.now = now;
        if self.link == Link::Idle && self.timers.retry.is_some() {
            self.connect(now);
        }
    }

    /// The time that [`Session::poll_timeout`] gave has come.
    pub fn handle_timeout(&mut self, now: u64) {
        self.now = now;
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        if due(self.timers.closing) {
            return self.leave();
        }
        match self.link {
            Link::Idle if due(self.timers.retry) => self.connect(now),
            Link::Opening | Link::Greeting if due(self.timers.connect) => {
                let why = format!("the node did not answer within {} ms", self.config.connect_timeout);
                self.lost(disconnected(&why), true);
            }
            Link::Up if self.timers.dead(&self.config) <= now => {
                let why = format!("the node was silent for {} ms", self.config.dead_after);
                self.lost(disconnected(&why), true);
            }
            Link::Up => {
                if self.timers.ping(&self.config) <= now {
                    self.timers.asked = now;
                    self.control.push_back(Control::Ping(now));
                }
                if due(self.timers.ack) {
                    self.timers.ack = None;
                    self.acknowledged = self.window.horizon();
                    self.control.push_back(Control::Ack(self.acknowledged));
                }
            }
            Link::Idle | Link::Opening | Link::Greeting | Link::Leaving => {}
        }
        self.expire(now);
    }

    /// A message of the node. What it delivers lies in the message, and must be taken before the next one is handed in.
    pub fn handle_message(&mut self, message: &[u8], now: u64) {
        self.now = now;
        if !matches!(self.link, Link::Greeting | Link::Up) {
            return;
        }
        self.timers.heard = now;
        if message.len() > MAX_INBOUND {
            let why =
                format!("the node sent a message of {} bytes; the limit is {MAX_INBOUND}", message.len());
            return self.lost(Error::new(ErrorCode::TooLarge, why).limit(MAX_INBOUND as u64), true);
        }
        let mut decoder = Decoder::new(message);
        while decoder.position() < message.len() && matches!(self.link, Link::Greeting | Link::Up) {
            #[cfg(feature = "mutations")]
            let at = decoder.position();
            match inbound::read(&mut decoder) {
                Ok(frame) => self.handle_frame(frame),
                #[cfg(feature = "mutations")]
                Err(error) if self.config.mutations.cut_message_accepted => {
                    match inbound::read_cut(message, at) {
                        Some(frame) => return self.handle_frame(frame),
                        None => return self.lost(error, true),
                    }
                }
                Err(error) => return self.lost(error, true),
            }
        }
        self.acknowledge_later();
        self.leave_if_done();
    }

    fn handle_frame(&mut self, frame: Inbound<'_>) {
        match frame {
            Inbound::Close(error) => self.refused(error),
            Inbound::Ping(token) => self.control.push_back(Control::Pong(token)),
            Inbound::Welcome(welcome) if self.link == Link::Greeting => self.welcomed(welcome),
            // A duplicate says nothing new.
            Inbound::Welcome(_) => {}
            _ if self.link == Link::Greeting => {
                self.lost(Error::new(ErrorCode::BadFrame, "the node spoke before its welcome"), true);
            }
            Inbound::Pong => self.progress(),
            Inbound::Push(span) => self.deliver(0, Kind::Push, span),
            Inbound::Result { seq, kind, span } => self.handle_result(seq, kind, span),
            Inbound::Item { seq, span, cursor } => self.handle_item(seq, span, cursor),
        }
    }

    fn deliver(&mut self, seq: u64, kind: Kind, span: Span) {
        self.progress();
        self.events.push_back(Event::Delivery(Delivery {
            seq,
            kind,
            offset: span.offset,
            length: span.length,
        }));
    }

    fn handle_result(&mut self, wire: u64, kind: Kind, span: Span) {
        // What has not left on this connection cannot have its answer on it.
        if !self.window.left_here(wire) {
            return;
        }
        // A second answer to the same request is a duplicate.
        let Some(entry) = self.window.remove(wire) else { return };
        if entry.abandoned {
            return self.progress();
        }
        let kind = if kind == Kind::Value && entry.credit.is_some() { Kind::End } else { kind };
        self.deliver(entry.handle, kind, span);
    }

    fn handle_item(&mut self, wire: u64, span: Span, cursor: &str) {
        if !self.window.left_here(wire) {
            return;
        }
        let Some(entry) = self.window.get_mut(wire) else { return };
        let Some(credit) = &mut entry.credit else { return };
        // The cursors of a stream grow in the order of their bytes, so that any other is of an item that came before.
        let again = entry.cursor.as_deref().is_some_and(|last| cursor <= last);
        #[cfg(feature = "mutations")]
        let again = again && !self.config.mutations.cursor_off_by_one;
        if again {
            return;
        }
        *credit = credit.saturating_sub(1);
        #[cfg(feature = "mutations")]
        {
            entry.cursor_before = entry.cursor.take();
        }
        entry.cursor = Some(cursor.into());
        let (handle, unwanted) = (entry.handle, entry.abandoned || entry.cancelled);
        if !unwanted {
            self.deliver(handle, Kind::Item, span);
        }
    }

    /// The node does what it is asked, so that the next loss is a first one again.
    fn progress(&mut self) {
        self.backoff.reset();
        self.refusals = 0;
    }

    fn welcomed(&mut self, welcome: Welcome) {
        if welcome.version != limits::PROTOCOL_VERSION {
            let why = format!(
                "the node chose protocol version {}; this client speaks {}",
                welcome.version,
                limits::PROTOCOL_VERSION
            );
            return self.finish(Error::new(ErrorCode::UnsupportedVersion, why), true);
        }
        let resumed = welcome.resumed && self.session == Some(welcome.session);
        self.session = Some(welcome.session);
        self.welcome = Some(welcome);
        self.link = Link::Up;
        self.timers.connect = None;
        self.timers.heard = self.now;
        self.timers.asked = self.now;
        #[cfg(feature = "mutations")]
        if self.config.mutations.cursor_off_by_one {
            self.window.step_cursors_back();
        }
        #[cfg(feature = "mutations")]
        let renumber = self.config.mutations.resend_forgets_sequence;
        #[cfg(not(feature = "mutations"))]
        let renumber = false;
        let dropped = self.window.rewind(renumber, |entry| {
            !entry.sent
                || !(entry.abandoned
                    || entry.nature.writes && !resumed
                    || entry.cancelled && !entry.nature.writes)
        });
        for entry in dropped {
            if entry.abandoned {
                continue;
            }
            let error = if entry.nature.writes {
                let why = "the node no longer knows the session, so that nobody can tell whether the change has happened";
                Error::new(ErrorCode::SessionExpired, why).effect(Effect::Unknown)
            } else {
                cancelled()
            };
            self.fail(entry.handle, error);
        }
        self.enter(State::Open, None);
        self.acknowledge_later();
    }

    /// The node ends the connection and says why.
    fn refused(&mut self, error: Error) {
        let hopeless = matches!(
            error.code,
            ErrorCode::Unauthenticated
                | ErrorCode::UnsupportedVersion
                | ErrorCode::ForbiddenOrigin
                | ErrorCode::PermissionDenied
        );
        let passing = matches!(error.code, ErrorCode::Unavailable | ErrorCode::SessionExpired);
        if !passing {
            // What the node could not take once it may never take, for the same requests are sent again.
            self.refusals += 1;
        }
        if hopeless || self.refusals >= MAX_REFUSALS {
            self.finish(error, true);
        } else {
            self.lost(error, true);
        }
    }

    /// Asks the host for a transport.
    pub(crate) fn connect(&mut self, now: u64) {
        self.link = Link::Opening;
        self.timers.retry = None;
        self.timers.connect = Some(now.saturating_add(self.config.connect_timeout));
        self.enter(if self.session.is_some() { State::Resuming } else { State::Connecting }, None);
        self.events.push_back(Event::Connect);
    }

    /// The connection is gone; another will be tried.
    fn lost(&mut self, why: Error, tell_host: bool) {
        if self.closing {
            return self.finish(why, tell_host);
        }
        self.drop_link(tell_host);
        self.timers.retry = Some(self.now.saturating_add(self.backoff.next()));
        self.enter(State::Offline, Some(why));
    }

    fn drop_link(&mut self, tell_host: bool) {
        self.link = Link::Idle;
        self.control.clear();
        self.timers.connect = None;
        self.timers.ack = None;
        if tell_host {
            self.events.push_back(Event::Disconnect);
        }
    }

    /// Ends the session for good.
    pub(crate) fn finish(&mut self, why: Error, tell_host: bool) {
        self.drop_link(tell_host && self.link != Link::Idle);
        self.timers = Timers::default();
        self.fail_all(&why);
        self.end = Some(Box::new(why.clone()));
        let wanted = self.closing;
        self.enter(State::Closed, (!wanted).then_some(why));
    }

    /// Says goodbye once a session that is being closed has nothing outstanding.
    pub(crate) fn leave_if_done(&mut self) {
        if self.closing && self.link == Link::Up && self.window.live() == 0 {
            self.leave();
        }
    }

    fn leave(&mut self) {
        self.timers.closing = None;
        if self.link != Link::Up {
            return self.finish(super::closed(), true);
        }
        self.fail_all(&super::closed());
        self.link = Link::Leaving;
        self.control.push_back(Control::Bye);
    }

    fn enter(&mut self, state: State, why: Option<Error>) {
        if self.state != state || why.is_some() {
            self.state = state;
            self.events.push_back(Event::State(state, why.map(Box::new)));
        }
    }
}

fn disconnected(why: &str) -> Error {
    Error::new(ErrorCode::Disconnected, why)
}
