//! A copy of the whole store.

use super::Doors;
use super::problem::Problem;
use super::request::Caller;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The media type of a copy.
pub(super) const MEDIA_TYPE: &str = "application/vnd.emerge.backup";

/// Copy the whole store, while it is used.
///
/// For the administrator. The copy is the store as it is when the copy ends; `emerge backup restore` makes a store of it. One that is cut short has no end,
/// which is seen when it is read.
#[utoipa::path(
    get, path = "/backup", tag = "operations",
    responses((status = 200, description = "The copy", body = Vec<u8>, content_type = "application/vnd.emerge.backup"))
)]
pub(super) async fn backup(
    State(doors): State<Doors>,
    Caller(principal): Caller,
) -> Result<Response, Problem> {
    let copy = doors.backup(&principal)?;
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(copy)).into_response())
}
