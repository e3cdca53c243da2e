//! Subtrees as files.

use super::problem::Problem;
use super::request::{Asked, Caller};
use super::schema::ImportMade;
use super::{Doors, answer, etag};
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use emerge_proto::{Error, ErrorCode, Path};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use utoipa::IntoParams;

/// The media type of an export.
const MEDIA_TYPE: &str = "application/vnd.emerge.export";

/// What is to be exported.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Subtree {
    /// The path of an object or a directory.
    #[param(pattern = "^/")]
    path: String,
    /// Whether all versions that are kept come along.
    #[serde(default)]
    history: bool,
}

/// Put an object or a directory with all below it into one file.
///
/// `docs/operations/backup.md` describes its form. A file that is cut short has no end, which is seen when it is read.
#[utoipa::path(
    get, path = "/export", tag = "operations", params(Subtree),
    responses((status = 200, description = "The file", body = Vec<u8>, content_type = "application/vnd.emerge.export"))
)]
pub(super) async fn export(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    Asked(subtree): Asked<Subtree>,
) -> Result<Response, Problem> {
    let path = Path::parse(&subtree.path)?;
    let mut file = doors.export(&principal, path, subtree.history);
    // What is wrong with the request shows at its beginning, and is a problem; what comes later cuts the file short.
    let first = match file.next().await {
        Some(Ok(first)) => first,
        Some(Err(error)) => return Err(error.into()),
        None => Vec::new(),
    };
    let rest = file.map(|bytes| {
        bytes.map_err(|error| {
            tracing::warn!(%error, "an export was not finished");
            std::io::Error::other(error)
        })
    });
    let all = futures_util::stream::once(async { Ok(first) }).chain(rest);
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(all)).into_response())
}

/// Reads on, for a client that is still sending may miss the answer when the connection is closed under it.
async fn drop_rest(body: &Mutex<BodyDataStream>) {
    let mut left = REST;
    while left > 0
        && let Some(Ok(piece)) = body.lock().await.next().await
    {
        left = left.saturating_sub(piece.len());
    }
}

/// Where an export is to go.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct To {
    /// The path; where it was when left out. Nothing may be there but an empty directory.
    #[param(pattern = "^/")]
    path: Option<String>,
}

/// How many bytes of a body that is refused are read all the same, and for how long.
const REST: usize = 64 << 20;
const REST_TIME: Duration = Duration::from_secs(5);

/// Make an object or a directory with all below it of an export.
///
/// What the administrator imports is as it was: versions, times, authors, owners and rights. What anyone else imports is as if
/// that user had stored it. When it fails, what came before stays.
#[utoipa::path(
    post, path = "/import", tag = "operations", params(To),
    request_body(content((Vec<u8> = "application/vnd.emerge.export"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, description = "What was made", body = ImportMade))
)]
pub(super) async fn import(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    Asked(to): Asked<To>,
    request: Request,
) -> Result<Response, Problem> {
    etag::none(request.headers(), "an import makes many objects")?;
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !matches!(given, None | Some(MEDIA_TYPE | "application/octet-stream")) {
        let error = Error::new(ErrorCode::Unsupported, format!("a body of the type {MEDIA_TYPE} is needed"));
        return Err(Problem::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.field("Content-Type")));
    }
    let to = to.path.as_deref().map(Path::parse).transpose()?;
    let body = Arc::new(Mutex::new(request.into_body().into_data_stream()));
    let pieces = futures_util::stream::unfold(Arc::clone(&body), async |body| {
        let piece = body.lock().await.next().await?;
        let piece = piece.map_err(|error| {
            Error::new(ErrorCode::BadArgument, format!("the body was cut short: {error}")).field("body")
        });
        Some((piece, body))
    });
    let made = match doors.import(&principal, to, pieces.boxed()).await {
        Ok(made) => made,
        Err(error) => {
            let _ = tokio::time::timeout(REST_TIME, drop_rest(&body)).await;
            return Err(error.into());
        }
    };
    let json = json!({
        "path": made.path.as_str(), "classes": made.classes, "directories": made.directories, "objects": made.objects,
        "versions": made.versions,
    });
    Ok(answer(StatusCode::OK, &json))
}
