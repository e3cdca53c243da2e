//! One operation for each request, as JSON: `POST /api` with a bearer token.

use super::Shell;
use super::rest::{Problem, expected, whole};
use super::serve::{Peer, length};
use crate::running::now_micros;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use emerge_engine::Backend;
use emerge_node::Asked;
use emerge_node::json::{change_to_json, error_to_json, op_from_json, read_json, reply_to_json};
use emerge_node::resource::Refusal;
use emerge_proto::{Error, ErrorCode, Result};
use futures_util::StreamExt;
use std::sync::Arc;

pub(super) async fn api<B: Backend + 'static>(
    State(shell): State<Arc<Shell<B>>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let json = match answer(&shell, &peer, &headers, body).await {
        Ok(json) => json,
        Err(problem) => return problem.and_message().into_response(),
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, format!("{json}\n")).into_response()
}

/// The token of a request (RFC 6750; the scheme in any case, RFC 9110); empty when there is none.
pub(super) fn bearer(headers: &HeaderMap) -> &str {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim())
}

async fn answer<B: Backend>(
    shell: &Shell<B>,
    peer: &Peer,
    headers: &HeaderMap,
    body: Body,
) -> Result<serde_json::Value, Problem> {
    let from = Some(peer.address.ip());
    let principal = shell.node.authenticate(bearer(headers), from, length(headers), now_micros()).await?;
    let json = read_json(&whole(body).await?, "body")?;
    let expected = expected(headers)?;
    let op = op_from_json(&json)?;
    let (node, now) = (&shell.node, now_micros());
    let asked = node.asked(|| Asked::of(&op));
    let done = node.execute_expecting(&principal, None, &expected, op.clone(), now).await;
    let code = done.as_ref().err().map(|(Refusal::Unexpected(error) | Refusal::Failed(error))| error.code);
    node.audited(asked, &principal, code, now);
    Ok(reply_to_json(&op, &done?)?)
}

/// An error as every address gives it, and its text under `message` too, as clients of these two addresses have read it.
fn refused(error: Error) -> Response {
    Problem::from(error).and_message().into_response()
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchQuery {
    pattern: String,
    from: Option<String>,
}

/// `GET /api/watch?pattern=/a/**`: changes as Server-Sent Events, each with its token as id, so that a browser's `EventSource` and whoever sends `Last-Event-ID`
/// goes on after it. The pattern's errors are the answer; a later one is an event `error`, the last.
pub(super) async fn watch<B: Backend + 'static>(
    State(shell): State<Arc<Shell<B>>>,
    query: Result<Query<WatchQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return refused(Error::new(ErrorCode::BadArgument, error.body_text()).field("query")),
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let from = last.or(query.from.as_deref());
    let opened = shell.node.watch(bearer(&headers), &query.pattern, from, now_micros());
    let changes = match opened.await {
        Ok(changes) => changes,
        Err(error) => return refused(error),
    };
    let mut stopping = shell.stopping.clone();
    let stopped = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let events = changes.take_until(Box::pin(stopped)).map(|change| {
        let event = match change {
            Ok(change) => Event::default()
                .id(&change.token)
                .event(change.kind.as_str())
                .data(change_to_json(&change).to_string()),
            Err(error) => Event::default().event("error").data(error_to_json(&error).to_string()),
        };
        Ok::<_, std::convert::Infallible>(event)
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// The HTTP status (RFC 9110) of each error code.
pub(super) fn status_of(code: ErrorCode) -> StatusCode {
    use ErrorCode::*;
    match code {
        BadFrame | UnknownFrame | TooDeep | UnsupportedVersion | BadPath | ClassInvalid | BadArgument
        | UnmappableValue | NotADirectory | IsADirectory | MethodNotFound | Unsupported => {
            StatusCode::BAD_REQUEST
        }
        Unauthenticated => StatusCode::UNAUTHORIZED,
        PermissionDenied | ForbiddenOrigin => StatusCode::FORBIDDEN,
        NotFound | ClassNotFound => StatusCode::NOT_FOUND,
        AlreadyExists | NotUnique | DirectoryNotEmpty | Conflict | SessionExpired | TransactionExpired
        | LogExpired => StatusCode::CONFLICT,
        QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
        TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        MethodFailed | OutOfMemory => StatusCode::UNPROCESSABLE_ENTITY,
        DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        Unavailable | Disconnected | Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        StorageFailed | Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
