//! The explorer page and the client package that the node serves, embedded in the program.

use crate::net::guard::sources;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use std::borrow::Cow;

#[derive(RustEmbed)]
#[folder = "../www/dist"]
#[allow_missing = true]
pub(crate) struct Files;

/// What a page may do: nothing but run this node's own scripts and wasm, and talk to this node, by any name of its machine.
fn content_security_policy(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let node = port.map(|port| sources(headers, port)).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' {node}; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// What of the machine the page asks for: nothing.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Serves one file; `/` and every folder stand for their `index.html`.
pub(crate) async fn serve(headers: HeaderMap, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let candidates = if path.is_empty() || path.ends_with('/') {
        vec![format!("{path}index.html")]
    } else {
        vec![path.to_owned(), format!("{path}.html"), format!("{path}/index.html")]
    };
    // The notebook has an origin of its own.
    for name in candidates.into_iter().filter(|name| !name.starts_with("notebook/")) {
        if let Some(file) = Files::get(&name) {
            let kind = content_type(&name);
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_SECURITY_POLICY, content_security_policy(&headers)),
                (HeaderName::from_static("permissions-policy"), PERMISSIONS.to_owned()),
                (header::CACHE_CONTROL, "no-cache".to_owned()),
            ];
            return (headers, body(file.data)).into_response();
        }
    }
    let text = if Files::get("index.html").is_none() {
        "This program was built without the page; build it with: npm start\n".to_owned()
    } else {
        format!(
            "There is no page at /{path}; objects are reached by the client, the `emerge` command or POST /api.\n"
        )
    };
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// The MIME type of a file, with its encoding when it is text.
pub(crate) fn content_type(name: &str) -> String {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    if mime.type_() == "text" || mime.subtype() == "javascript" {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_string()
    }
}

/// A file's content; what the program carries is not copied.
pub(crate) fn body(data: Cow<'static, [u8]>) -> Body {
    match data {
        Cow::Borrowed(embedded) => Body::from(Bytes::from_static(embedded)),
        Cow::Owned(read) => Body::from(read),
    }
}
