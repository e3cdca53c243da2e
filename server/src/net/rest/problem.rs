//! Errors as RFC 9457 has them.

use super::super::http::status_of;
use super::ALLOW_ALL;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use emerge_node::json::error_to_json;
use emerge_node::resource::Refusal;
use emerge_proto::{Error, ErrorCode};
use serde_json::{Map, Value as Json};

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// After how many seconds it may be tried again, as the header `Retry-After` has it.
pub(in crate::net) fn retry_after(error: &Error) -> Option<HeaderValue> {
    error.retry_after_ms.map(|milliseconds| HeaderValue::from(milliseconds.get().div_ceil(1000)))
}

/// An error on its way out.
#[derive(Debug)]
pub(in crate::net) struct Problem {
    status: StatusCode,
    error: Box<Error>,
    /// Whether the text also has the name that it has on the wire.
    message: bool,
}

impl Problem {
    /// With another status than that of the error's code.
    pub(super) fn with(status: StatusCode, error: Error) -> Self {
        Self { status, error: Box::new(error), message: false }
    }

    /// With the text under `message` too.
    pub(in crate::net) fn and_message(self) -> Self {
        Self { message: true, ..self }
    }

    /// What the client sent is not what it must be.
    pub(super) fn bad(field: &str, why: impl Into<String>) -> Self {
        Error::new(ErrorCode::BadArgument, why).field(field).into()
    }

    /// The problem as JSON: what the RFC names, and the members that an error has everywhere.
    fn json(&self) -> Json {
        let error = &*self.error;
        let mut map = Map::new();
        map.insert("type".into(), format!("urn:emerge:error:{}", error.code).into());
        map.insert("title".into(), error.code.doc().into());
        map.insert("status".into(), self.status.as_u16().into());
        map.insert("detail".into(), error.message.clone().into());
        if let Json::Object(members) = error_to_json(error) {
            map.extend(members.into_iter().filter(|(name, _)| self.message || name != "message"));
        }
        Json::Object(map)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::with(status_of(error.code), error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unexpected(error) => Self::with(StatusCode::PRECONDITION_FAILED, error),
            Refusal::Failed(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = format!("{}\n", self.json());
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = retry_after(&self.error) {
            headers.insert(header::RETRY_AFTER, after);
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"emerge\""));
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                headers.insert(header::ACCEPT, HeaderValue::from_static(ALLOW_ALL));
            }
            _ => {}
        }
        response
    }
}
