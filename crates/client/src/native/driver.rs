//! The one task of a client: it moves messages between the session and the socket.

use super::replies::{Command, Shared};
use super::socket::{Address, Failure, Socket};
use crate::session::{Session, State};
use bytes::Bytes;
use emerge_proto::Error;
use futures_util::{Sink, Stream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::Message;

/// Messages taken in a row before others have their turn.
const MESSAGES_A_TURN: usize = 64;
/// How long the goodbye may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where the client stands, for those who wait for it.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) state: State,
    /// The latest loss.
    pub(super) error: Option<Box<Error>>,
}

impl Default for Status {
    fn default() -> Self {
        Self { state: State::Connecting, error: None }
    }
}

enum Link {
    None,
    Opening(Pin<Box<dyn Future<Output = Result<Socket, Failure>> + Send>>),
    Open {
        socket: Box<Socket>,
        unflushed: bool,
    },
    /// The session is over; what was sent still has to leave.
    Farewell {
        socket: Box<Socket>,
        until: Pin<Box<Sleep>>,
    },
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    address: Address,
    status: watch::Sender<Status>,
    link: Link,
    timer: Pin<Box<Sleep>>,
    /// When the session wants to be called.
    due: Option<u64>,
    over: bool,
    /// Several tasks have just been answered and may ask for more in this turn.
    answered: bool,
    commands: Vec<Command>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, address: Address, status: watch::Sender<Status>) -> Self {
        Self {
            shared,
            address,
            status,
            link: Link::None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            due: None,
            over: false,
            answered: false,
            commands: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
        self.status.send_modify(|status| status.state = State::Closed);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.shared.register_driver(context.waker());
        if std::mem::take(&mut self.answered) {
            // The first of them to ask woke this task; behind the others, so that what they ask leaves in one message.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.enter(&Bytes::new(), |_, _| {});
        loop {
            // Each of these says whether there may be more to do.
            let read = self.read(context);
            let timed = self.poll_timer(context);
            let wrote = self.write(context);
            if self.over && matches!(self.link, Link::None) {
                return Poll::Ready(());
            }
            if !(read || timed || wrote) {
                return Poll::Pending;
            }
        }
    }

    /// Lets the session hear of something, and does what it wants done.
    fn enter(&mut self, message: &Bytes, tell: impl FnOnce(&mut Session, u64)) {
        let mut commands = std::mem::take(&mut self.commands);
        let woken;
        (self.due, woken) = self.shared.enter(message, tell, &mut commands);
        self.answered |= woken > 1;
        for command in commands.drain(..) {
            match command {
                Command::Connect => self.link = Link::Opening(Box::pin(self.address.clone().connect())),
                Command::Disconnect => self.link = Link::None,
                Command::State(State::Closed, error) => {
                    self.over = true;
                    self.status.send_modify(|status| status.error = error.or(status.error.take()));
                }
                Command::State(state, error) => self.status.send_modify(|status| {
                    status.state = state;
                    if error.is_some() {
                        status.error = error;
                    }
                }),
            }
        }
        self.commands = commands;
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> bool {
        let Some(due) = self.due else { return false };
        let at = Instant::from_std(self.shared.instant(due));
        // A timer that fires too early is set again; that is cheaper than setting it anew at each message.
        if self.timer.deadline() > at || self.timer.is_elapsed() {
            self.timer.as_mut().reset(at);
        }
        if self.timer.as_mut().poll(context).is_pending() {
            return false;
        }
        self.enter(&Bytes::new(), |session, now| session.handle_timeout(now));
        true
    }

    /// True when something came that may lead to more.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        match &mut self.link {
            Link::None => false,
            Link::Opening(opening) => match opening.as_mut().poll(context) {
                Poll::Pending => false,
                Poll::Ready(Ok(socket)) => {
                    self.link = Link::Open { socket: Box::new(socket), unflushed: false };
                    self.enter(&Bytes::new(), |session, now| session.handle_open(now));
                    true
                }
                Poll::Ready(Err(Failure::Lost(why))) => {
                    self.lost(Some(&why));
                    true
                }
                Poll::Ready(Err(Failure::Refused(error))) => {
                    self.link = Link::None;
                    self.enter(&Bytes::new(), |session, now| session.handle_refused(*error, now));
                    true
                }
            },
            Link::Open { .. } => {
                for _ in 0..MESSAGES_A_TURN {
                    let Link::Open { socket, .. } = &mut self.link else { return true };
                    match Pin::new(&mut **socket).poll_next(context) {
                        Poll::Pending => return false,
                        Poll::Ready(Some(Ok(message))) => self.receive(message),
                        Poll::Ready(Some(Err(error))) => {
                            self.lost(Some(&format!("the connection was lost: {error}")));
                            return true;
                        }
                        Poll::Ready(None) => {
                            self.lost(None);
                            return true;
                        }
                    }
                }
                true
            }
            Link::Farewell { socket, until } => {
                let left = Pin::new(&mut **socket).poll_close(context).is_ready();
                if left || until.as_mut().poll(context).is_ready() {
                    self.link = Link::None;
                }
                false
            }
        }
    }

    fn receive(&mut self, message: Message) {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            // Text has no place in the protocol; the session says so.
            Message::Text(text) => Bytes::from(text),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return,
        };
        self.enter(&bytes, |session, now| session.handle_message(&bytes, now));
    }

    fn lost(&mut self, why: Option<&str>) {
        self.link = Link::None;
        self.enter(&Bytes::new(), |session, now| match why {
            Some(why) => session.handle_failed(why, now),
            None => session.handle_closed(now),
        });
    }

    /// True when something left that may lead to more.
    fn write(&mut self, context: &mut Context<'_>) -> bool {
        match self.poll_write(context) {
            Poll::Pending | Poll::Ready(Ok(false)) => false,
            Poll::Ready(Ok(true)) => true,
            Poll::Ready(Err(why)) => {
                self.lost(Some(&why));
                true
            }
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, String>> {
        let Link::Open { socket, unflushed } = &mut self.link else { return Poll::Ready(Ok(false)) };
        let mut socket = Pin::new(&mut **socket);
        let told = |error| format!("the connection was lost: {error}");
        let mut left = false;
        loop {
            if socket.as_mut().poll_ready(context).map_err(told)?.is_pending() {
                break;
            }
            let Some(message) = self.shared.transmit() else { break };
            socket.as_mut().start_send(Message::Binary(message.into())).map_err(told)?;
            *unflushed = true;
            left = true;
        }
        if self.shared.is_over() {
            let Link::Open { socket, .. } = std::mem::replace(&mut self.link, Link::None) else {
                return Poll::Ready(Ok(false));
            };
            self.enter(&Bytes::new(), |_, _| {});
            let until = Box::pin(tokio::time::sleep(FAREWELL));
            self.link = Link::Farewell { socket, until };
            return Poll::Ready(Ok(true));
        }
        if *unflushed {
            ready!(socket.as_mut().poll_flush(context).map_err(told)?);
            *unflushed = false;
        }
        Poll::Ready(Ok(left))
    }
}
