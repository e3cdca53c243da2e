//! Versions of objects.

use super::problem::Problem;
use super::request::{Asked, At, Caller, Once, Sent};
use super::schema::{Difference, Restore, StoredAs, VersionMade};
use super::{Doors, answer, run};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

/// List the versions of an object that are kept, newest first.
#[utoipa::path(
    get, path = "/history/{*path}", tag = "versions",
    params(("path" = String, Path, description = "The object's path, without its first \"/\"")),
    responses((status = 200, body = Vec<VersionMade>, description = "The versions"))
)]
pub(super) async fn history(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
) -> Result<Response, Problem> {
    let op = json!({ "op": "history", "path": path.as_str() });
    Ok(answer(StatusCode::OK, &run(&doors, &principal, None, &op).await?))
}

/// The versions to compare.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// The version to compare.
    #[param(value_type = super::schema::Which)]
    from: String,
    /// The version to compare it with; the current one when left out.
    #[param(value_type = Option<super::schema::Which>)]
    to: Option<String>,
}

/// Tell what differs between two versions of an object.
#[utoipa::path(
    get, path = "/diff/{*path}", tag = "versions",
    params(("path" = String, Path, description = "The object's path, without its first \"/\""), Between),
    responses((status = 200, body = Difference, description = "What differs"))
)]
pub(super) async fn diff(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    Asked(between): Asked<Between>,
) -> Result<Response, Problem> {
    let op = json!({ "op": "diff", "path": path.as_str(), "from": between.from, "to": between.to });
    Ok(answer(StatusCode::OK, &run(&doors, &principal, None, &op).await?))
}

/// Make a version of an object with the state of an earlier one.
#[utoipa::path(
    post, path = "/restore/{*path}", tag = "versions", request_body = Restore,
    params(
        ("path" = String, Path, description = "The object's path, without its first \"/\""),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses((status = 200, body = StoredAs, description = "The version that was made"))
)]
pub(super) async fn restore(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    headers: HeaderMap,
    sent: Sent<Restore>,
) -> Result<Response, Problem> {
    let once = Once::read("POST restore", path.as_str(), &headers, Some(&sent))?;
    let Restore { version, base } = sent.value;
    let op = json!({ "op": "restore", "path": path.as_str(), "version": version, "base": base });
    Ok(answer(StatusCode::OK, &run(&doors, &principal, once.get(), &op).await?))
}
