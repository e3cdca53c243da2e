//! The driver of one WebSocket: messages in, polls, messages out.

use super::Shell;
use super::serve::Peer;
use crate::running::now_micros;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use emerge_engine::Backend;
use emerge_node::Connection;
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, limits};
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes by which a message may pass its limit and still be answered with a typed error.
const GRACE: usize = 1024 * 1024;
/// Messages that are taken in before their replies are sent together.
const BATCH: usize = 64;
/// Bytes read at a time. The library clears them all before each read, so that its default of 128 KiB costs more than a small request does.
const READ_BUFFER: usize = 16 * 1024;
/// How long a reader may take no byte before its connection is given up.
const STALLED: Duration = Duration::from_millis(limits::DEAD_AFTER_MS);

pub(super) fn upgrade<B: Backend + 'static>(
    shell: Arc<Shell<B>>,
    peer: Peer,
    upgrade: WebSocketUpgrade,
) -> Response {
    let most = if Guard::Message.holds() { limits::MAX_MESSAGE + GRACE } else { usize::MAX };
    upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .write_buffer_size(0)
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(move |socket| drive(shell, peer, socket))
        .into_response()
}

/// The peer's place among its connections is taken until the end.
async fn drive<B: Backend + 'static>(shell: Arc<Shell<B>>, peer: Peer, socket: WebSocket) {
    let mut stopping = shell.stopping.clone();
    let stopped = stopping.wait_for(|stop| *stop);
    tokio::pin!(stopped);
    let mut connection =
        Connection::new(shell.node.clone(), now_micros()).from(peer.address.ip(), now_micros());
    let (mut sender, mut receiver) = socket.split();
    let timer = sleep_until(Instant::now());
    tokio::pin!(timer);
    // When the timer fires, as far as it is known to be early enough.
    let mut armed = None;
    let mut draining = false;
    loop {
        while let Some(message) = connection.poll_transmit() {
            // While a slow reader keeps this waiting nothing more is read, so that what it asks for stays bounded.
            let mut sending = sender.send(Message::Binary(message.into()));
            // Nearly always the network takes it at once, and needs no timer.
            let sent = match (&mut sending).now_or_never() {
                Some(sent) => Ok(sent),
                None => timeout(STALLED, sending).await,
            };
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
        if connection.is_closed() {
            let frame = CloseFrame { code: close_code::NORMAL, reason: "".into() };
            // The peer may be gone already.
            let _ = timeout(Duration::from_secs(1), sender.send(Message::Close(Some(frame)))).await;
            return;
        }
        if draining && connection.in_flight() == 0 {
            connection.close(Error::new(ErrorCode::Unavailable, "the node is stopping; it may come back"));
            continue;
        }
        // A timer that fires too early is set again; that is cheaper than setting it anew at each message.
        if let Some(due) = connection.poll_timeout()
            && armed.is_none_or(|armed| due < armed)
        {
            armed = Some(due);
            let wait = (due - now_micros()).max(0);
            timer.as_mut().reset(Instant::now() + Duration::from_micros(wait as u64));
        }
        tokio::select! {
            message = receiver.next() => {
                let mut message = message;
                let mut taken = 0;
                loop {
                    match message {
                        Some(Ok(Message::Binary(bytes))) => connection.handle_message(&bytes, now_micros()),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Text(_))) => {
                            connection.close(Error::new(ErrorCode::BadFrame, "messages are binary, not text"));
                        }
                        Some(Ok(Message::Close(_))) | None => return,
                        Some(Err(error)) => {
                            let limit = limits::MAX_MESSAGE as u64;
                            connection.close(
                                Error::new(ErrorCode::TooLarge, format!("the message could not be read: {error}")).limit(limit),
                            );
                        }
                    }
                    taken += 1;
                    // Only what is dealt with here may be taken from the socket.
                    if taken == BATCH {
                        break;
                    }
                    message = match receiver.next().now_or_never() {
                        Some(next) => next,
                        None => break,
                    };
                }
            }
            () = poll_fn(|cx| connection.poll(cx, now_micros())) => {}
            () = &mut timer => {
                connection.handle_timeout(now_micros());
                armed = None;
            }
            _ = &mut stopped, if !draining => {
                draining = true;
                connection.drain();
            }
        }
    }
}
