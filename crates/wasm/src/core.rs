//! A session and the JavaScript functions that hear of it.

use crate::transport::Transport;
use crate::{host, options, probe, thrown};
use emerge_client::{EncodedOp, Event, Kind, Session, State};
use emerge_proto::{Error, ErrorCode, class};
use gloo_timers::callback::Timeout;
use js_sys::{Function, Promise, Uint8Array, Uint32Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What a caller decides about a connection. Times are in milliseconds. */
export interface CoreOptions {
    token?: string;
    agent?: string;
    connectTimeoutMs?: number;
    heartbeatMs?: number;
    deadAfterMs?: number;
    backoffBaseMs?: number;
    backoffCapMs?: number;
    closeTimeoutMs?: number;
}
/**
 * Four numbers for each event: the request, the kind (0 value, 1 error, 2 item, 3 push, 4 end), and where its bytes lie in
 * `message`: offset and length. An error is an encoded error record; a push is an encoded list of topic and value bytes.
 */
export type OnEvents = (message: Uint8Array, index: Uint32Array) => void;
/** `connecting`, `open`, `offline`, `resuming` or `closed`, and the encoded error that led there. */
export type OnState = (state: string, error?: Uint8Array) => void;
"#;

#[wasm_bindgen]
extern "C" {
    /// See the TypeScript declaration above.
    #[wasm_bindgen(typescript_type = "CoreOptions")]
    pub type CoreOptions;
    /// See the TypeScript declaration above.
    #[wasm_bindgen(typescript_type = "OnEvents")]
    pub type OnEvents;
    /// See the TypeScript declaration above.
    #[wasm_bindgen(typescript_type = "OnState")]
    pub type OnState;
}

/// Milliseconds after which a full socket is looked at again.
const LOOK_AGAIN: u64 = 4;
/// Longer timers overflow in browsers; they are set again when they fire.
const LONGEST_TIMER: u64 = 1 << 30;

/// A session with a node over a WebSocket.
#[wasm_bindgen]
pub struct Core {
    shared: Rc<Shared>,
    #[cfg(feature = "pickle")]
    pub(crate) pickled: crate::pickle::Pickled,
}

#[wasm_bindgen]
impl Core {
    /// Begins to connect to `url` (`ws:` or `wss:`).
    ///
    /// # Errors
    /// The bytes of an encoded error: `bad_argument`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        url: String,
        options: CoreOptions,
        on_events: OnEvents,
        on_state: OnState,
    ) -> Result<Core, Uint8Array> {
        if !url.starts_with("ws://") && !url.starts_with("wss://") {
            let why = format!("{url:?} is not the URL of a WebSocket, which begins with ws:// or wss://");
            return Err(thrown(Error::new(ErrorCode::BadArgument, why).field("url")));
        }
        let config = options::read(options.into()).map_err(thrown)?;
        let shared = Rc::new_cyclic(|weak: &std::rc::Weak<Shared>| {
            let weak = weak.clone();
            Shared {
                session: RefCell::new(Session::new(config, host::seed(), host::now())),
                url,
                on_events: on_events.unchecked_into(),
                on_state: on_state.unchecked_into(),
                transport: RefCell::new(None),
                message: RefCell::new(Vec::new()),
                index: RefCell::new(Vec::new()),
                timer: RefCell::new(None),
                now: Cell::new(host::now()),
                welcomed: Cell::new(false),
                newest: Cell::new(0),
                turn_queued: Cell::new(false),
                closers: RefCell::new(Vec::new()),
                turn: Closure::new(move |_| {
                    if let Some(shared) = weak.upgrade() {
                        shared.turn_queued.set(false);
                        shared.drive(&[], None);
                    }
                }),
            }
        });
        shared.begin_turn();
        Ok(Core {
            shared,
            #[cfg(feature = "pickle")]
            pickled: crate::pickle::Pickled::default(),
        })
    }

    /// Asks for an operation; the answer is the number that its events carry. Requests made in one turn leave in one message.
    /// With `credit` the result is a stream.
    ///
    /// # Errors
    /// The bytes of an encoded error, when the request is refused. It then has no effect.
    pub fn request(
        &self,
        op: &[u8],
        timeout_ms: Option<f64>,
        credit: Option<u32>,
    ) -> Result<u32, Uint8Array> {
        self.begin(op.to_vec(), timeout_ms, credit).map_err(thrown)
    }
    /// Gives up a request.
    pub fn cancel(&self, seq: u32) {
        let now = self.shared.begin_turn();
        self.shared.session.borrow_mut().cancel(self.shared.whole(seq), now);
    }

    /// Allows `more` items of a stream.
    ///
    /// # Errors
    /// The bytes of an encoded error: `limit_exceeded`, `bad_argument`.
    pub fn credit(&self, seq: u32, more: u32) -> Result<(), Uint8Array> {
        self.shared.begin_turn();
        self.shared.session.borrow_mut().credit(self.shared.whole(seq), more).map_err(thrown)
    }

    /// Tries to connect at once when there is no connection, for example because the network is back.
    pub fn hurry(&self) {
        let now = self.shared.begin_turn();
        self.shared.session.borrow_mut().hurry(now);
    }

    /// Ends the session; the promise is fulfilled when it is over.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        let now = self.shared.begin_turn();
        self.shared.session.borrow_mut().close(now);
        Promise::new(&mut |resolve, _| self.shared.closers.borrow_mut().push(resolve))
    }

    /// `connecting`, `open`, `offline`, `resuming` or `closed`.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> String {
        self.shared.session.borrow().state().as_str().to_owned()
    }
}

impl Core {
    pub(crate) fn begin(
        &self,
        op: Vec<u8>,
        timeout_ms: Option<f64>,
        credit: Option<u32>,
    ) -> emerge_proto::Result<u32> {
        // What is less than 0, or no number, becomes 0 and is refused as that is.
        let timeout = timeout_ms.map(|timeout| timeout.ceil() as u64);
        let mut now = self.shared.begin_turn();
        if timeout.is_some() {
            // The page may have been busy since the turn began, which must not count.
            now = self.shared.enter();
        }
        let mut session = self.shared.session.borrow_mut();
        let seq = session.request(EncodedOp::from(op), timeout, credit, now)?;
        drop(session);
        self.shared.newest.set(seq);
        Ok(seq as u32)
    }
}

pub(crate) struct Shared {
    session: RefCell<Session>,
    url: String,
    on_events: Function,
    on_state: Function,
    transport: RefCell<Option<Transport>>,
    /// The outgoing message, kept for its memory.
    message: RefCell<Vec<u8>>,
    /// The index of the events of one message, kept for its memory.
    index: RefCell<Vec<u32>>,
    /// The running timer, and when it fires.
    timer: RefCell<Option<(u64, Timeout)>>,
    /// The time at which this entry began.
    now: Cell<u64>,
    /// Whether a node has ever let this session in.
    welcomed: Cell<bool>,
    /// The newest request, whose number tells the upper half of those that JavaScript names.
    newest: Cell<u64>,
    turn_queued: Cell<bool>,
    turn: Closure<dyn FnMut(JsValue)>,
    closers: RefCell<Vec<Function>>,
}

impl Shared {
    /// The transport is open.
    pub(crate) fn opened(self: &Rc<Self>) {
        if let Some(transport) = &*self.transport.borrow() {
            transport.mark_open();
        }
        self.session.borrow_mut().handle_open(self.enter());
        self.drive(&[], None);
    }

    /// The node has sent a message, which JavaScript holds as `original`.
    pub(crate) fn received(self: &Rc<Self>, original: &Uint8Array) {
        let message = original.to_vec();
        self.session.borrow_mut().handle_message(&message, self.enter());
        self.drive(&message, Some(original));
    }

    /// The transport is gone.
    pub(crate) fn closed(self: &Rc<Self>) {
        let was_open = self.transport.borrow_mut().take().is_some_and(|transport| transport.was_open());
        self.session.borrow_mut().handle_closed(self.enter());
        self.drive(&[], None);
        // Who was let in before will be again: only the node is away.
        if !was_open && !self.welcomed.get() {
            let weak = Rc::downgrade(self);
            probe::why_refused(&self.url, move |error| {
                if let Some(shared) = weak.upgrade() {
                    shared.session.borrow_mut().handle_refused(error, shared.enter());
                    shared.drive(&[], None);
                }
            });
        }
    }

    /// The time now, which is that of all that this entry does.
    fn enter(&self) -> u64 {
        self.now.set(host::now());
        self.now.get()
    }

    /// Sees to it that what is asked for now is sent and told at the end of this turn. All requests of a turn share its time, for the clock is dear.
    fn begin_turn(&self) -> u64 {
        if !self.turn_queued.replace(true) {
            self.now.set(host::now());
            host::queue_microtask(&self.turn);
        }
        self.now.get()
    }

    /// The number of a request of which JavaScript holds the lower half.
    fn whole(&self, seq: u32) -> u64 {
        let newest = self.newest.get();
        newest - u64::from((newest as u32).wrapping_sub(seq)).min(newest)
    }

    /// Drains the session: to the node, to JavaScript, and the timer.
    fn drive(self: &Rc<Self>, message: &[u8], original: Option<&Uint8Array>) {
        self.transmit();
        self.tell(message, original);
        self.transmit();
        self.set_timer();
    }

    fn transmit(&self) {
        let transport = self.transport.borrow();
        let Some(transport) = &*transport else { return };
        let mut message = self.message.borrow_mut();
        while transport.has_room() && self.session.borrow_mut().poll_transmit_into(&mut message) {
            transport.send(&message);
        }
        // One large message must not hold its memory for ever.
        message.shrink_to(1 << 20);
    }

    fn tell(self: &Rc<Self>, message: &[u8], original: Option<&Uint8Array>) {
        let mut index = std::mem::take(&mut *self.index.borrow_mut());
        index.clear();
        loop {
            let event = self.session.borrow_mut().poll_event();
            if let Some(Event::Delivery(delivery)) = event {
                index.extend([delivery.seq as u32, delivery.kind as u32, delivery.offset, delivery.length]);
                continue;
            }
            self.hand_over(message, original, &mut index);
            match event {
                Some(Event::Failed(seq, error)) => {
                    let error = class::encode(&*error);
                    index.extend([seq as u32, Kind::Error as u32, 0, error.len() as u32]);
                    self.hand_over(&error, None, &mut index);
                }
                Some(Event::State(state, error)) => self.tell_state(state, error),
                Some(Event::Connect) => self.connect(),
                Some(Event::Disconnect) => *self.transport.borrow_mut() = None,
                Some(Event::Delivery(_)) | None => break,
            }
        }
        index.shrink_to(1 << 16);
        *self.index.borrow_mut() = index;
    }

    /// Gives JavaScript the events of a message, with the message as it holds it already where it does.
    fn hand_over(&self, message: &[u8], original: Option<&Uint8Array>, index: &mut Vec<u32>) {
        if index.is_empty() {
            return;
        }
        let copy;
        let message = match original {
            Some(original) => original,
            None => {
                copy = Uint8Array::from(message);
                &copy
            }
        };
        let told = self.on_events.call2(&JsValue::UNDEFINED, message, &Uint32Array::from(&index[..]));
        index.clear();
        report(told);
    }

    fn tell_state(&self, state: State, error: Option<Box<Error>>) {
        let error = error.map_or(JsValue::UNDEFINED, |error| thrown(*error).into());
        report(self.on_state.call2(&JsValue::UNDEFINED, &state.as_str().into(), &error));
        if state == State::Open {
            self.welcomed.set(true);
        }
        if state == State::Closed {
            *self.timer.borrow_mut() = None;
        }
    }

    fn connect(self: &Rc<Self>) {
        let transport = Transport::open(&self.url, self);
        let failed = transport.is_none();
        *self.transport.borrow_mut() = transport;
        if failed {
            self.session.borrow_mut().handle_closed(self.now.get());
        }
    }

    fn set_timer(self: &Rc<Self>) {
        let session = self.session.borrow();
        if session.state() == State::Closed {
            let closers = std::mem::take(&mut *self.closers.borrow_mut());
            closers.iter().for_each(|resolve| report(resolve.call0(&JsValue::UNDEFINED)));
            return;
        }
        let full = self.transport.borrow().as_ref().is_some_and(Transport::is_full);
        let now = self.now.get();
        let look_again = full.then_some(now + LOOK_AGAIN);
        let Some(wanted) = session.poll_timeout().into_iter().chain(look_again).min() else { return };
        let mut timer = self.timer.borrow_mut();
        // A timer that fires too early is set again; that is cheaper than setting it anew at each message.
        if timer.as_ref().is_some_and(|(at, _)| *at <= wanted) {
            return;
        }
        let wait = wanted.saturating_sub(now).min(LONGEST_TIMER);
        let weak = Rc::downgrade(self);
        let timeout = Timeout::new(wait as u32, move || {
            if let Some(shared) = weak.upgrade() {
                shared.timer_fired();
            }
        });
        *timer = Some((now + wait, timeout));
    }

    fn timer_fired(self: &Rc<Self>) {
        // The timer runs right now and has nothing left to clear.
        if let Some((_, timer)) = self.timer.borrow_mut().take() {
            let _ = timer.forget();
        }
        self.session.borrow_mut().handle_timeout(self.enter());
        self.drive(&[], None);
    }
}

/// An exception of a callback must not vanish: it shows as an unhandled rejection.
fn report(outcome: Result<JsValue, JsValue>) {
    if let Err(exception) = outcome {
        let _ = Promise::reject(&exception);
    }
}
