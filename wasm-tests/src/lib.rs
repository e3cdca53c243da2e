//! What the tests in the browser share: a [`Client`] over the bindings that pages use, and a raw socket for what no client sends.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use emerge_proto::class::{decode, encode};
use emerge_proto::frame::{Frame, decode_message};
use emerge_proto::{Error, Op};
use emerge_wasm::Core;
use futures_util::{SinkExt, StreamExt};
use gloo_net::websocket::Message;
use gloo_net::websocket::futures::WebSocket;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Object, Reflect, Uint8Array, Uint32Array};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What a request has come to so far.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The items of a stream.
    pub items: Vec<Vec<u8>>,
    /// The end: the encoded reply, or the error.
    pub end: Option<Result<Vec<u8>, Error>>,
}

#[derive(Default)]
struct Told {
    requests: HashMap<u32, Heard>,
    states: Vec<(String, Option<Error>)>,
}

/// A client over [`Core`], whose callbacks write down what they hear.
pub struct Client {
    /// The bindings.
    pub core: Core,
    told: Rc<RefCell<Told>>,
    _on_events: Closure<dyn FnMut(Uint8Array, Uint32Array)>,
    _on_state: Closure<dyn FnMut(String, JsValue)>,
}

/// The node of these tests.
///
/// # Panics
/// When it was not named at build time.
pub fn url() -> &'static str {
    named(option_env!("EMERGE_TEST_URL"))
}

/// Its token.
///
/// # Panics
/// As [`url`].
pub fn token() -> &'static str {
    named(option_env!("EMERGE_TEST_TOKEN"))
}

fn named(value: Option<&'static str>) -> &'static str {
    value.expect("run these tests by `npm test -- browser`, which starts a node for them")
}

impl Client {
    /// Begins to connect.
    ///
    /// # Errors
    /// What the bindings throw: the bytes of an encoded error.
    pub fn open(url: &str, token: &str) -> Result<Self, Error> {
        let told: Rc<RefCell<Told>> = Rc::default();
        let hears = told.clone();
        let on_events = Closure::<dyn FnMut(Uint8Array, Uint32Array)>::new(
            move |message: Uint8Array, index: Uint32Array| {
                let mut told = hears.borrow_mut();
                for event in index.to_vec().chunks_exact(4) {
                    let [seq, kind, offset, length] = event else { continue };
                    let bytes = message.subarray(*offset, offset + length).to_vec();
                    let heard = told.requests.entry(*seq).or_default();
                    match kind {
                        0 | 4 => heard.end = Some(Ok(bytes)),
                        1 => heard.end = Some(Err(decode(&bytes).unwrap())),
                        2 => heard.items.push(bytes),
                        _ => {}
                    }
                }
            },
        );
        let hears = told.clone();
        let on_state = Closure::<dyn FnMut(String, JsValue)>::new(move |state: String, error: JsValue| {
            let error = error.dyn_into::<Uint8Array>().ok().map(|bytes| decode(&bytes.to_vec()).unwrap());
            hears.borrow_mut().states.push((state, error));
        });
        let options = Object::new();
        Reflect::set(&options, &"token".into(), &token.into()).unwrap();
        Reflect::set(&options, &"agent".into(), &"wasm-tests".into()).unwrap();
        let core = Core::new(
            url.into(),
            options.unchecked_into(),
            on_events.as_ref().clone().unchecked_into(),
            on_state.as_ref().clone().unchecked_into(),
        )
        .map_err(|bytes| decode::<Error>(&bytes.to_vec()).unwrap())?;
        Ok(Self { core, told, _on_events: on_events, _on_state: on_state })
    }

    /// Asks without waiting.
    ///
    /// # Panics
    /// When the bindings refuse the request.
    pub fn ask(&self, op: &Op, credit: Option<u32>) -> u32 {
        self.core.request(&encode(op), Some(20_000.0), credit).expect("the request was refused")
    }

    /// What has been heard of a request.
    pub fn heard(&self, seq: u32) -> Heard {
        self.told.borrow().requests.get(&seq).cloned().unwrap_or_default()
    }

    /// Waits for the end of a request.
    ///
    /// # Errors
    /// What the node answered.
    pub async fn end(&self, seq: u32) -> Result<Vec<u8>, Error> {
        until(|| self.heard(seq).end).await
    }

    /// Asks and waits.
    ///
    /// # Errors
    /// What the node answered.
    pub async fn run(&self, op: Op) -> Result<Vec<u8>, Error> {
        let seq = self.ask(&op, None);
        self.end(seq).await
    }

    /// Waits until the session stands there, and gives the error that led there.
    pub async fn reaches(&self, state: &str) -> Option<Error> {
        until(|| {
            self.told
                .borrow()
                .states
                .iter()
                .find(|(reached, _)| reached == state)
                .map(|(_, error)| error.clone())
        })
        .await
    }
}

/// Looks again and again, for twenty seconds at most.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..4000 {
        if let Some(found) = look() {
            return found;
        }
        TimeoutFuture::new(5).await;
    }
    panic!("waited in vain");
}

/// Sends messages as they are over a raw socket, and gives the frames of the first answer.
pub async fn raw(messages: &[Vec<u8>]) -> Vec<Frame> {
    let mut socket = WebSocket::open(url()).unwrap();
    for message in messages {
        socket.send(Message::Bytes(message.clone())).await.unwrap();
    }
    match socket.next().await.unwrap().unwrap() {
        Message::Bytes(bytes) => decode_message(&bytes).unwrap(),
        Message::Text(text) => panic!("the node sent a text: {text}"),
    }
}
