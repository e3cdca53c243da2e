//! One WebSocket. It is received from through gloo-net; it is sent on directly, since gloo-net wraps each message in a `Blob`.

use crate::core::Shared;
use futures_util::future::{AbortHandle, abortable, poll_fn};
use futures_util::{Sink, StreamExt};
use gloo_net::websocket::{Message, State, futures::WebSocket};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;

/// Bytes on their way past which nothing more is handed to the socket.
const MAX_BUFFERED: u32 = 4 * 1024 * 1024;

/// A WebSocket that is open or being opened. Dropping it closes it, and nothing comes from it any more.
pub(crate) struct Transport {
    socket: web_sys::WebSocket,
    abort: AbortHandle,
}

thread_local! {
    /// Node's `ws` throws errors that nobody listens to, also after a close; so this outlives every socket.
    static QUIET: Closure<dyn FnMut()> = Closure::new(|| {});
}

impl Transport {
    /// Begins to open a WebSocket; `shared` hears what becomes of it.
    pub(crate) fn open(url: &str, shared: &Rc<Shared>) -> Option<Self> {
        let socket = web_sys::WebSocket::new(url).ok()?;
        QUIET.with(|quiet| socket.set_onerror(Some(quiet.as_ref().unchecked_ref())));
        let receiver = WebSocket::try_from(socket.clone()).ok()?;
        let (task, abort) = abortable(receive(receiver, Rc::downgrade(shared)));
        wasm_bindgen_futures::spawn_local(async move {
            // Aborted is what a dropped transport is.
            let _ = task.await;
        });
        Some(Self { socket, abort })
    }

    /// True when another message may be handed over.
    pub(crate) fn has_room(&self) -> bool {
        self.socket.ready_state() == web_sys::WebSocket::OPEN && self.socket.buffered_amount() < MAX_BUFFERED
    }

    /// True when messages wait until the network has taken some.
    pub(crate) fn is_full(&self) -> bool {
        self.socket.buffered_amount() >= MAX_BUFFERED
    }

    /// Sends one message. A socket that cannot send says so by closing.
    pub(crate) fn send(&self, message: &[u8]) {
        let _ = self.socket.send_with_u8_array(message);
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.abort.abort();
        let _ = self.socket.close();
    }
}

async fn receive(mut socket: WebSocket, shared: Weak<Shared>) {
    let opened = poll_fn(|context| Pin::new(&mut socket).poll_ready(context)).await.is_ok();
    if opened
        && matches!(socket.state(), State::Open)
        && let Some(shared) = shared.upgrade()
    {
        shared.opened();
    }
    while let Some(Ok(message)) = socket.next().await {
        let Some(shared) = shared.upgrade() else { return };
        match message {
            Message::Bytes(bytes) => shared.received(&bytes),
            // Text has no place in the protocol; the session says so.
            Message::Text(text) => shared.received(text.as_bytes()),
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.closed();
    }
}
