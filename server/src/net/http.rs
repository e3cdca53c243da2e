//! One operation for each request, as JSON: `POST /api` with a bearer token.

use super::Shell;
use crate::running::now_micros;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use emerge_engine::Backend;
use emerge_node::json::{error_to_json, op_from_json, reply_to_json};
use emerge_proto::{Error, ErrorCode, Result};
use std::sync::Arc;

pub(super) async fn api<B: Backend + 'static>(
    State(shell): State<Arc<Shell<B>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (status, json) = match answer(&shell, &headers, &body).await {
        Ok(json) => (StatusCode::OK, json),
        Err(error) => (status_of(error.code), error_to_json(&error)),
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{json}\n")).into_response()
}

async fn answer<B: Backend>(shell: &Shell<B>, headers: &HeaderMap, body: &[u8]) -> Result<serde_json::Value> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or("");
    let principal = shell.node.authenticate(token)?;
    let json = serde_json::from_slice(body)
        .map_err(|error| Error::new(ErrorCode::BadArgument, format!("the body is not JSON: {error}")))?;
    let op = op_from_json(&json)?;
    let reply = shell.node.execute(&principal, op.clone(), now_micros()).await?;
    reply_to_json(&op, &reply)
}

/// The HTTP status (RFC 9110) of each error code.
fn status_of(code: ErrorCode) -> StatusCode {
    use ErrorCode::*;
    match code {
        BadFrame | UnknownFrame | TooDeep | UnsupportedVersion | BadPath | ClassInvalid | BadArgument
        | UnmappableValue | NotADirectory | IsADirectory | MethodNotFound | Unsupported => {
            StatusCode::BAD_REQUEST
        }
        Unauthenticated => StatusCode::UNAUTHORIZED,
        PermissionDenied | ForbiddenOrigin => StatusCode::FORBIDDEN,
        NotFound | ClassNotFound => StatusCode::NOT_FOUND,
        AlreadyExists | DirectoryNotEmpty | Conflict | SessionExpired => StatusCode::CONFLICT,
        TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        MethodFailed | OutOfMemory => StatusCode::UNPROCESSABLE_ENTITY,
        DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        Unavailable | Disconnected | Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        StorageFailed | Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
