//! Versions of objects.

use super::objects::{escape, next};
use super::problem::Problem;
use super::request::{Asked, At, Caller, Once, Sent};
use super::schema::{Difference, Restore, StoredAs, VersionMade};
use super::{Doors, answer, etag, run, run_expecting};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

/// The versions that are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Only versions below this number.
    #[param(minimum = 0)]
    before: Option<i64>,
    /// Versions a page; more than 1,000 are as 1,000.
    #[param(minimum = 1)]
    limit: Option<i32>,
}

/// List the versions of an object that are kept, newest first.
#[utoipa::path(
    get, path = "/history/{*path}", tag = "versions",
    params(("path" = String, Path, description = "The object's path, without its first \"/\""), Paging),
    responses((status = 200, body = Vec<VersionMade>, description = "A page of the versions", headers(
        ("Link" = String, description = "The next page: rel=\"next\"; not on the last"),
    )))
)]
pub(super) async fn history(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    Asked(paging): Asked<Paging>,
) -> Result<Response, Problem> {
    let page = |before: Option<i64>, limit: Option<i32>| json!({ "op": "history", "path": path.as_str(), "before": before, "limit": limit });
    let versions = run(&doors, &principal, None, &page(paging.before, paging.limit)).await?;
    let mut response = answer(StatusCode::OK, &versions);
    if let Some(last) =
        versions.as_array().and_then(|all| all.last()).and_then(|last| last["version"].as_i64())
    {
        let more = run(&doors, &principal, None, &page(Some(last), Some(1))).await?;
        if more.as_array().is_some_and(|more| !more.is_empty()) {
            let limit = paging.limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
            let segments: Vec<String> = path.segments().map(escape).collect();
            next(&mut response, &format!("/history/{}?before={last}{limit}", segments.join("/")))?;
        }
    }
    Ok(response)
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
        ("If-Match" = Option<String>, Header, description = "The tag of what is to be changed", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 200, body = StoredAs, description = "The version that was made"),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
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
    let expected = etag::expected(&headers)?;
    let json = run_expecting(&doors, &principal, once.get(), &expected, &op).await?;
    Ok(answer(StatusCode::OK, &json))
}
