//! Classes.

use super::problem::Problem;
use super::request::{At, Caller, Once, Sent, Tail};
use super::schema::{ClassKept, ClassToKeep};
use super::{Doors, answer, etag, run};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use emerge_proto::{Error, ErrorCode};
use serde_json::json;

/// Fetch the newest version of one of the caller's own classes, and those that it inherits from, nearest first.
#[utoipa::path(
    get, path = "/classes/{name}", tag = "classes",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = Vec<ClassKept>, description = "The class and its bases"))
)]
pub(super) async fn class_by_name(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    Tail(name): Tail,
) -> Result<Response, Problem> {
    let op = json!({ "op": "class", "name": name });
    Ok(answer(StatusCode::OK, &run(&doors, &principal, None, &op).await?))
}

/// Keep a class.
///
/// The same source again is the same version; another one is the next version of the class.
#[utoipa::path(
    put, path = "/classes/{name}", tag = "classes", request_body = ClassToKeep,
    params(
        ("name" = String, Path, description = "Its name"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses((status = 200, body = ClassKept, description = "The version"))
)]
pub(super) async fn put_class(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    Tail(name): Tail,
    headers: HeaderMap,
    sent: Sent<ClassToKeep>,
) -> Result<Response, Problem> {
    etag::none(&headers, "the same source is the same version, and another one is the next")?;
    let once = Once::read("PUT class", &name, &headers, Some(&sent))?;
    let op = match sent.value {
        ClassToKeep { language, source, module: Some(module), fields, doc } => {
            if source.is_some() || doc.is_some() || !fields.is_empty() {
                let why = "a module says itself what class it is: it comes without source, fields and doc";
                return Err(Error::new(ErrorCode::BadArgument, why).field("module").into());
            }
            json!({ "op": "put_class", "name": name, "language": language, "module": module })
        }
        ClassToKeep { language, source, module: None, fields, doc } => json!({
            "op": "put_class", "name": name, "language": language, "source": source, "fields": fields, "doc": doc,
        }),
    };
    Ok(answer(StatusCode::OK, &run(&doors, &principal, once.get(), &op).await?))
}

/// Fetch a class version by its address, and those that it inherits from, nearest first.
#[utoipa::path(
    get, path = "/classes/by-hash/{hash}", tag = "classes",
    params(("hash" = String, Path, description = "The 32 hexadecimal digits of the version")),
    responses((status = 200, body = Vec<ClassKept>, description = "The class and its bases"))
)]
pub(super) async fn class_by_hash(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    Tail(hash): Tail,
) -> Result<Response, Problem> {
    let op = json!({ "op": "class", "hash": hash });
    Ok(answer(StatusCode::OK, &run(&doors, &principal, None, &op).await?))
}

/// Fetch the class of an object, and those that it inherits from, nearest first.
#[utoipa::path(
    get, path = "/classes/of/{*path}", tag = "classes",
    params(("path" = String, Path, description = "The object's path, without its first \"/\"")),
    responses((status = 200, body = Vec<ClassKept>, description = "The class and its bases"))
)]
pub(super) async fn class_of(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
) -> Result<Response, Problem> {
    let op = json!({ "op": "class", "path": path.as_str() });
    Ok(answer(StatusCode::OK, &run(&doors, &principal, None, &op).await?))
}
