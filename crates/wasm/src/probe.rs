//! Asks the node over HTTP why it would not open a WebSocket: a browser tells a page nothing of a refused handshake.

use emerge_proto::error::MEDIA_TYPE;
use emerge_proto::{Error, class};
use gloo_net::http::Request;

/// Calls `refused` with the node's own words, if it is there and has any.
pub(crate) fn why_refused(url: &str, refused: impl FnOnce(Error) + 'static) {
    // `ws:` becomes `http:`, `wss:` becomes `https:`.
    let Some(rest) = url.strip_prefix("ws") else { return };
    let url = format!("http{rest}");
    wasm_bindgen_futures::spawn_local(async move {
        if let Some(error) = ask(&url).await {
            refused(error);
        }
    });
}

/// No answer, or one of another kind, says nothing: the session tries again by itself.
async fn ask(url: &str) -> Option<Error> {
    let answer = Request::get(url).header("accept", MEDIA_TYPE).send().await.ok()?;
    if answer.ok() || answer.headers().get("content-type")? != MEDIA_TYPE {
        return None;
    }
    class::decode(&answer.binary().await.ok()?).ok()
}
