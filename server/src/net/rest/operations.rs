//! Calls, methods, moves, copies, and the door to every operation.

use super::problem::Problem;
use super::request::{At, Caller, Once, Sent, Tail};
use super::schema::{CallMade, CallToMake, CopyToMake, MemberCallMade, Method, MoveToMake, PartCopied};
use super::{Doors, Pieces, answer, etag};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use emerge_node::json::{error_to_json, member_to_json, method_to_json, op_from_json};
use emerge_node::resource::{Expected, Refusal};
use emerge_proto::class::decode;
use emerge_proto::op::Target;
use emerge_proto::record::{ClassInfo, Copied};
use emerge_proto::{ErrorCode, Op, Result};
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value as Json, json};

/// Call a method of an object, or of each member of a directory.
///
/// Of a directory the answer is a line of JSON for each member, as it is done: each is a transaction of its own, and its line has its result or its error.
#[utoipa::path(
    post, path = "/calls/{*path}", tag = "calls", request_body = CallToMake,
    params(
        ("path" = String, Path, description = "The path of the object or the directory, without its first \"/\""),
        ("If-Match" = Option<String>, Header, description = "The tag of the object; not with a directory", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 200, description = "What it returned; of a directory a line for each member", content(
            (CallMade = "application/json"), (MemberCallMade = "application/x-ndjson"),
        )),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn call(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    headers: HeaderMap,
    sent: Sent<CallToMake>,
) -> Result<Response, Problem> {
    let once = Once::read("POST call", path.as_str(), &headers, Some(&sent))?;
    let expected = etag::expected(&headers)?;
    let CallToMake { method, args, kwargs, deadline_ms, atomic, trusted, log } = &sent.value;
    let mut op = json!({ "op": "call", "path": path.as_str(), "method": method, "args": args, "log": log });
    if let Some(kwargs) = kwargs {
        op["kwargs"] = Json::Object(kwargs.clone());
    }
    if let Some(milliseconds) = deadline_ms {
        op["deadline_ms"] = (*milliseconds).into();
    }
    if !trusted.is_empty() {
        op["trusted"] = trusted.as_slice().into();
    }
    if *atomic {
        op["atomic"] = true.into();
    }
    match super::run_expecting(&doors, &principal, once.get(), &expected, &op).await {
        Ok(json) => Ok(answer(StatusCode::OK, &json)),
        // With a condition, a directory has been refused as one.
        Err(Refusal::Failed(error)) if error.code == ErrorCode::IsADirectory => {
            let members = doors.items(&principal, once.get(), &op_from_json(&op)?).await?;
            let to_json = |member: &[u8]| member_to_json(&decode(member)?);
            members.map(|members| lines(members, to_json)).ok_or_else(|| error.into())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// A line of JSON for each item. What ends the stream early is the last line.
fn lines(items: Pieces, to_json: impl Fn(&[u8]) -> Result<Json> + Send + 'static) -> Response {
    let line = move |item: Result<Vec<u8>>| {
        let json = item.and_then(|bytes| to_json(&bytes));
        let json = json.unwrap_or_else(|error| json!({ "error": error_to_json(&error) }));
        Ok::<_, std::convert::Infallible>(format!("{json}\n"))
    };
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(items.map(line))).into_response()
}

/// List the methods of an object, inherited ones included.
#[utoipa::path(
    get, path = "/methods/{*path}", tag = "calls",
    params(("path" = String, Path, description = "The object's path, without its first \"/\"")),
    responses((status = 200, body = Vec<Method>, description = "The methods"))
)]
pub(super) async fn methods(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
) -> Result<Response, Problem> {
    let op = Op::Class { path: Some(Target::from(&path)), hash: None, name: None };
    let info: ClassInfo = decode(&doors.execute(&principal, None, op).await?)?;
    let requires = info.requires();
    let methods = info.methods().into_iter().map(|method| {
        let mut json = method_to_json(method);
        if !requires.is_empty() {
            json["requires"] = requires.clone().into();
        }
        json
    });
    Ok(answer(StatusCode::OK, &Json::Array(methods.collect())))
}

/// Move an object or a directory.
#[utoipa::path(
    post, path = "/moves", tag = "objects", request_body = MoveToMake,
    params(
        ("If-Match" = Option<String>, Header, description = "The tag of what is to be moved", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "* when nothing may be at the path that it goes to", example = "*"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 204, description = "It is there now"),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn mv(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    headers: HeaderMap,
    sent: Sent<MoveToMake>,
) -> Result<StatusCode, Problem> {
    let once = Once::read("POST", "moves", &headers, Some(&sent))?;
    let op = json!({ "op": "mv", "from": sent.value.from, "to": sent.value.to });
    super::run_expecting(&doors, &principal, once.get(), &etag::expected(&headers)?, &op).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Copy an object or a directory.
///
/// A tree is one commit; one that has too many members for that is copied part by part, and the answer is a line of JSON for each part as it is done.
#[utoipa::path(
    post, path = "/copies", tag = "objects", request_body = CopyToMake,
    params(
        ("If-Match" = Option<String>, Header, description = "The tag of what is to be copied", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "* when nothing may be at the path that it goes to", example = "*"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 204, description = "The copy is made"),
        (status = 200, description = "A large tree: a line for each part", body = PartCopied, content_type = "application/x-ndjson"),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn cp(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    headers: HeaderMap,
    sent: Sent<CopyToMake>,
) -> Result<Response, Problem> {
    let once = Once::read("POST", "copies", &headers, Some(&sent))?;
    let CopyToMake { from, to, recursive } = &sent.value;
    let op = json!({ "op": "cp", "from": from, "to": to, "recursive": recursive });
    let expected = etag::expected(&headers)?;
    match super::run_expecting(&doors, &principal, once.get(), &expected, &op).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        // A condition holds for one transaction, and not for a copy in parts.
        Err(Refusal::Failed(error))
            if error.code == ErrorCode::LimitExceeded && *recursive && expected == Expected::default() =>
        {
            let Some(mut parts) = doors.items(&principal, once.get(), &op_from_json(&op)?).await? else {
                return Err(error.into());
            };
            // What is wrong from the beginning is a problem as it always is.
            let first = parts.next().await.transpose()?;
            let parts = stream::iter(first.map(Ok)).chain(parts).boxed();
            Ok(lines(parts, |part| {
                let Copied { count, path } = decode(part)?;
                Ok(json!({ "copied": count, "path": path }))
            }))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Ask for any operation by its name.
///
/// The body has its arguments, as those of `POST /api`; the answer is that of `POST /api`. The operation is named by the address alone.
#[utoipa::path(
    post, path = "/operations/{operation}", tag = "operations",
    request_body(content = serde_json::Value, content_type = "application/json", example = json!({"path": "/"})),
    params(
        ("operation" = String, Path, description = "Its name, such as list", example = "list"),
        ("If-Match" = Option<String>, Header, description = "The tag of the one object that the operation changes; refused where there is none", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "* when nothing may be where the operation puts something; refused where it puts nothing", example = "*"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 200, body = serde_json::Value, description = "What it gave; null when that is nothing"),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn any_operation(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    Tail(operation): Tail,
    headers: HeaderMap,
    sent: Sent<Map<String, Json>>,
) -> Result<Response, Problem> {
    let once = Once::read("POST operation", &operation, &headers, Some(&sent))?;
    let mut op = sent.value;
    if op.insert("op".to_owned(), operation.into()).is_some() {
        let why = "the address names the operation; a body with \"op\" goes to POST /api";
        return Err(Problem::bad("op", why));
    }
    let expected = etag::expected(&headers)?;
    let json = super::run_expecting(&doors, &principal, once.get(), &expected, &Json::Object(op)).await?;
    Ok(answer(StatusCode::OK, &json))
}
