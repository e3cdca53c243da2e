//! One WebSocket, with its events handed over as they come. Its listeners go when it goes: a late event must find nobody,
//! in Node's `ws` as in a browser.

use crate::core::Shared;
use js_sys::{ArrayBuffer, JsString, Uint8Array};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, MessageEvent, WebSocket};

/// Bytes on their way past which nothing more is handed to the socket.
const MAX_BUFFERED: u32 = 4 * 1024 * 1024;

thread_local! {
    /// Node's `ws` throws errors that nobody listens to, also after a close; so this outlives every socket.
    static QUIET: Closure<dyn FnMut()> = Closure::new(|| {});
}

/// A WebSocket that is open or being opened. Dropping it closes it, and nothing comes from it any more.
pub(crate) struct Transport {
    socket: WebSocket,
    was_open: Cell<bool>,
    /// Bytes handed over since the browser was last asked how much it holds back.
    unasked: Cell<u32>,
    full: Cell<bool>,
    _opened: Closure<dyn FnMut()>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _closed: Closure<dyn FnMut()>,
    _failed: Closure<dyn FnMut()>,
}

impl Transport {
    /// Begins to open a WebSocket; `shared` hears what becomes of it.
    pub(crate) fn open(url: &str, shared: &Rc<Shared>) -> Option<Self> {
        let socket = WebSocket::new(url).ok()?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let weak = Rc::downgrade(shared);
        let opened = Closure::<dyn FnMut()>::new(move || {
            if let Some(shared) = weak.upgrade() {
                shared.opened();
            }
        });
        let weak = Rc::downgrade(shared);
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(shared) = weak.upgrade() {
                shared.received(&bytes(event.data()));
            }
        });
        let weak = Rc::downgrade(shared);
        let closed = Closure::<dyn FnMut()>::new(move || {
            if let Some(shared) = weak.upgrade() {
                shared.closed();
            }
        });
        let weak = Rc::downgrade(shared);
        let its = socket.clone();
        // Of a socket that the page's own policy forbids a browser tells an error and no close.
        let failed = Closure::<dyn FnMut()>::new(move || {
            if its.ready_state() == WebSocket::CLOSED
                && let Some(shared) = weak.upgrade()
            {
                shared.closed();
            }
        });
        socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(closed.as_ref().unchecked_ref()));
        socket.set_onerror(Some(failed.as_ref().unchecked_ref()));
        Some(Self {
            socket,
            was_open: Cell::new(false),
            unasked: Cell::new(0),
            full: Cell::new(false),
            _opened: opened,
            _message: message,
            _closed: closed,
            _failed: failed,
        })
    }

    /// Notes that it is open.
    pub(crate) fn mark_open(&self) {
        self.was_open.set(true);
    }

    /// True when it has ever been open.
    pub(crate) fn was_open(&self) -> bool {
        self.was_open.get()
    }

    /// True when another message may be handed over.
    pub(crate) fn has_room(&self) -> bool {
        self.was_open.get() && !self.is_full()
    }

    /// True when messages wait until the network has taken some.
    pub(crate) fn is_full(&self) -> bool {
        // The browser is asked only once enough was handed over for the answer to be of interest.
        if self.full.get() || self.unasked.get() >= MAX_BUFFERED / 4 {
            self.unasked.set(0);
            self.full.set(self.socket.buffered_amount() >= MAX_BUFFERED);
        }
        self.full.get()
    }

    /// Sends one message. A socket that cannot send says so by closing.
    pub(crate) fn send(&self, message: &[u8]) {
        self.unasked.set(self.unasked.get().saturating_add(message.len() as u32));
        let _ = self.socket.send_with_u8_array(message);
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        QUIET.with(|quiet| self.socket.set_onerror(Some(quiet.as_ref().unchecked_ref())));
        let _ = self.socket.close();
    }
}

/// A message's bytes. Text has no place in the protocol; the session says so.
fn bytes(data: JsValue) -> Uint8Array {
    match data.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Uint8Array::new(&buffer),
        Err(other) => {
            let text = other.dyn_into::<JsString>().map(String::from).unwrap_or_default();
            Uint8Array::from(text.as_bytes())
        }
    }
}
