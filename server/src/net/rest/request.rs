//! What a request brings: who asks, a path, a query, a body; and what is wrong with it, as a problem.

use super::problem::Problem;
use super::{Doors, JSON, MERGE_PATCH};
use crate::net::http::bearer;
use crate::net::serve::{Peer, length};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use emerge_engine::Principal;
use emerge_node::json::read_json;
use emerge_node::resource::Idempotency;
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, Path, limits};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Bytes by which a body may pass its limit and still be read to its end.
const GRACE: usize = 1024 * 1024;

/// Who asks, by the bearer token.
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<Doors> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Problem> {
        let from = parts.extensions.get::<Peer>().map(|peer| peer.address.ip());
        Ok(Self(doors.authenticate(bearer(&parts.headers), from, length(&parts.headers)).await?))
    }
}

/// The one variable part of the address, decoded.
pub(super) struct Tail(pub(super) String);

impl FromRequestParts<Doors> for Tail {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Problem> {
        let undecodable = || Problem::from(Error::new(ErrorCode::BadPath, "the address is not UTF-8 text"));
        let params = RawPathParams::from_request_parts(parts, doors).await.map_err(|_| undecodable())?;
        Ok(Self(params.iter().next().map_or_else(String::new, |(_, value)| value.to_owned())))
    }
}

/// The path in the address: `/objects/a/b` and `/objects/a%2Fb` are both about `/a/b`.
pub(super) struct At(pub(super) Path);

impl FromRequestParts<Doors> for At {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Problem> {
        let Tail(tail) = Tail::from_request_parts(parts, doors).await?;
        Ok(Self(Path::parse(&format!("/{tail}"))?))
    }
}

/// The query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Doors> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Doors) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Problem::bad("query", error.body_text())),
        }
    }
}

/// The body, read as JSON.
pub(super) struct Sent<T> {
    pub(super) value: T,
    /// As it came.
    bytes: Bytes,
}

impl<T: DeserializeOwned> FromRequest<Doors> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Doors) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_media_type(&parts)?;
        let bytes = whole(body).await?;
        let json = read_json(&bytes, "body")?;
        // By its names: a list would be taken as the members in their order.
        if !json.is_object() {
            return Err(Problem::bad("body", "the body must be a JSON object"));
        }
        let value = serde_json::from_value(json)
            .map_err(|error| Problem::bad("body", format!("the body is not what it must be: {error}")))?;
        Ok(Self { value, bytes })
    }
}

/// How long the whole of a body may take: enough for the largest message over a slow line.
const BODY_TIME: Duration = Duration::from_secs(120);

/// All of a body. Of one that is too large a little more is read, so that its sender has sent it and hears the answer.
pub(in crate::net) async fn whole(body: Body) -> Result<Bytes, Error> {
    tokio::time::timeout(BODY_TIME, read_whole(body)).await.unwrap_or_else(|_| {
        let why = format!("the body took longer than {} s", BODY_TIME.as_secs());
        Err(Error::new(ErrorCode::BadArgument, why).field("body").limit(BODY_TIME.as_secs()))
    })
}

async fn read_whole(body: Body) -> Result<Bytes, Error> {
    let (mut whole, mut surplus) = (Vec::<u8>::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            Error::new(ErrorCode::BadArgument, format!("the body was cut short: {error}")).field("body")
        })?;
        if Guard::Body.holds() && (surplus > 0 || whole.len() + piece.len() > limits::MAX_MESSAGE) {
            surplus += piece.len();
            if surplus > GRACE {
                break;
            }
        } else {
            whole.extend_from_slice(&piece);
        }
    }
    if surplus > 0 {
        let limit = limits::MAX_MESSAGE as u64;
        return Err(
            Error::new(ErrorCode::TooLarge, format!("the body is larger than {limit} bytes")).limit(limit)
        );
    }
    Ok(whole.into())
}

fn check_media_type(parts: &Parts) -> Result<(), Problem> {
    let given = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(JSON);
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_patch = parts.method == axum::http::Method::PATCH && essence == MERGE_PATCH;
    if essence == JSON || is_patch {
        return Ok(());
    }
    let why = format!("a body of the type {essence:?} is not read here; send {JSON}");
    let error = Error::new(ErrorCode::Unsupported, why).field("Content-Type");
    Err(Problem::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, error))
}

/// What makes two requests the same one.
pub(super) struct Once {
    key: Option<Vec<u8>>,
    request: Vec<u8>,
}

/// Bytes of a key that a client may choose.
const MAX_KEY: usize = 255;

impl Once {
    /// The key that a request brings, if any, bound to its method, address, conditions and body.
    ///
    /// # Errors
    /// 400 when the key is empty or too long.
    pub(super) fn read<T>(
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: Option<&Sent<T>>,
    ) -> Result<Self, Problem> {
        let key = headers.get("idempotency-key").map(|key| key.as_bytes().to_vec());
        let Some(key) = key else { return Ok(Self { key: None, request: Vec::new() }) };
        if key.is_empty() || key.len() > MAX_KEY || !key.iter().all(u8::is_ascii_graphic) {
            let why = format!("a key is 1 to {MAX_KEY} visible ASCII characters");
            return Err(Error::new(ErrorCode::BadArgument, why)
                .field("Idempotency-Key")
                .limit(MAX_KEY as u64)
                .into());
        }
        let mut request = Vec::new();
        let conditions = [header::IF_MATCH, header::IF_NONE_MATCH];
        let conditions =
            conditions.iter().map(|name| headers.get(name).map_or(&b""[..], |value| value.as_bytes()));
        let body = body.map_or(&b""[..], |body| &body.bytes);
        for part in [method.as_bytes(), path.as_bytes()].into_iter().chain(conditions).chain([body]) {
            request.extend_from_slice(&(part.len() as u64).to_be_bytes());
            request.extend_from_slice(part);
        }
        Ok(Self { key: Some(key), request })
    }

    /// The key and the request.
    pub(super) fn get(&self) -> Option<Idempotency<'_>> {
        self.key.as_deref().map(|key| Idempotency { key, request: &self.request })
    }
}
