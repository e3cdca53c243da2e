//! Objects and directories.

use super::problem::Problem;
use super::request::{Asked, At, Caller, Once, Sent};
use super::schema::{Listing, ObjectToStore, Resource, StoredAs};
use super::{Doors, JSON, answer, etag, run, run_expecting};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use emerge_node::json::{stored_to_json, which_version};
use emerge_node::resource::{Change, ClassName, Refusal, Tag, Tags};
use emerge_proto::class::decode;
use emerge_proto::op::Target;
use emerge_proto::record::{ObjectType, Stored};
use emerge_proto::{ErrorCode, Fetched, Op, Path};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use utoipa::IntoParams;

/// What a GET asks for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of an object: an earlier version, by its number or by a moment (RFC 3339) at which it was current.
    #[param(value_type = Option<super::schema::Which>)]
    version: Option<String>,
    /// Of an object: a part of it, through references too, such as `farms[0].name`.
    part: Option<String>,
    /// Of a part that is a list of references: the objects that they lead to, from this place on.
    #[param(minimum = 0)]
    children: Option<i64>,
    /// Of a directory: the page that goes on after the member of this name.
    after: Option<String>,
    /// Of a directory: members a page; more than 1,000 are as 1,000.
    #[param(minimum = 1)]
    limit: Option<i32>,
}

/// The page of the root directory that goes on after a name.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Goes on after the member of this name.
    after: Option<String>,
    /// Members a page; more than 1,000 are as 1,000.
    #[param(minimum = 1)]
    limit: Option<i32>,
}

/// List the root directory.
#[utoipa::path(
    method(get, head), path = "/objects", tag = "objects", params(Paging),
    responses((status = 200, body = Listing, description = "A page of its members", headers(
        ("Link" = String, description = "The next page: rel=\"next\"; not on the last"),
    )))
)]
pub(super) async fn list_root(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    Asked(paging): Asked<Paging>,
) -> Result<Response, Problem> {
    list(&doors, &principal, &Path::root(), paging.after, paging.limit).await
}

/// Fetch an object, or list a directory.
///
/// With `If-None-Match` an object that the client has already is 304.
#[utoipa::path(
    method(get, head), path = "/objects/{*path}", tag = "objects",
    params(
        ("path" = String, Path, description = "The path, without its first \"/\""), Which,
        ("If-None-Match" = Option<String>, Header, description = "The tags of what the client has", example = "\"3\""),
    ),
    responses(
        (status = 200, body = Resource, description = "The object, or a page of the directory's members", headers(
            ("ETag" = String, description = "Of an object: its version and id"),
            ("Link" = String, description = "Of a directory: the next page, rel=\"next\"; not on the last"),
        )),
        (status = 304, description = "The client has it"),
    )
)]
pub(super) async fn get_object(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let expected = etag::expected(&headers)?;
    let version = which.version.as_deref().map(which_version).transpose()?;
    let target = match &which.part {
        None => Target::from(&path),
        Some(part) => Target::Path(format!("{path}#{part}")),
    };
    let children = match which.children.map(u64::try_from) {
        None => None,
        Some(from) => Some(from.map_err(|_| Problem::bad("children", "a whole number is needed"))?),
    };
    let op = Op::Get { path: target, version, children };
    let reply = doors.execute(&principal, None, op.clone()).await?;
    if children.is_some() {
        // The objects that references lead to change without the one that refers to them.
        return Ok(answer(StatusCode::OK, &emerge_node::json::reply_to_json(&op, &reply)?));
    }
    let stat = decode::<Fetched>(&reply)?.stat;
    if stat.kind == ObjectType::Directory {
        return list(&doors, &principal, &path, which.after, which.limit).await;
    }
    let tag = Tag::of(&stat);
    let known = [
        (header::ETAG, etag::write(tag.version, stat.id)),
        // Kept by whoever asked, and asked about again before it is used.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "Authorization".to_owned()),
    ];
    if expected.none_matching.is_some_and(|tags| tags.fit(Some(&stat))) {
        return Ok((StatusCode::NOT_MODIFIED, known).into_response());
    }
    if expected.matching.is_some_and(|tags| !tags.fit(Some(&stat))) {
        return Err(etag::failed(&path, "If-Match"));
    }
    let json = emerge_node::json::reply_to_json(&op, &reply)?;
    Ok((StatusCode::OK, known, [(header::CONTENT_TYPE, JSON)], format!("{json}\n")).into_response())
}

async fn list(
    doors: &Doors,
    principal: &emerge_engine::Principal,
    path: &Path,
    after: Option<String>,
    limit: Option<i32>,
) -> Result<Response, Problem> {
    let op = json!({ "op": "list", "path": path.as_str(), "after": after, "limit": limit });
    let page = run(doors, principal, None, &op).await?;
    let mut response = answer(StatusCode::OK, &page);
    if let Some(next) = page["next"].as_str() {
        let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
        self::next(&mut response, &format!("{}?after={}{limit}", address(path), escape(next)))?;
    }
    Ok(response)
}

/// Tells where the next page is.
pub(super) fn next(response: &mut Response, address: &str) -> Result<(), Problem> {
    let link = format!("<{address}>; rel=\"next\"").parse().map_err(|_| {
        emerge_proto::Error::new(ErrorCode::Internal, "the address of the next page is no header")
    })?;
    response.headers_mut().insert(header::LINK, link);
    Ok(())
}

/// Where a path is found.
pub(super) fn address(path: &Path) -> String {
    let mut address = "/objects".to_owned();
    path.segments().for_each(|segment| {
        address.push('/');
        address.push_str(&escape(segment));
    });
    address
}

/// A text as it stands in an address (RFC 3986): all but the unreserved characters by their bytes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Store an object with exactly these fields.
///
/// Directories are made on the way. With `If-Match: "3"` only over version 3, with `If-None-Match: *` only where nothing is.
#[utoipa::path(
    put, path = "/objects/{*path}", tag = "objects", request_body = ObjectToStore,
    params(
        ("path" = String, Path, description = "The path, without its first \"/\""),
        ("If-Match" = Option<String>, Header, description = "The tag of what is to be replaced", example = "\"3\""),
        ("If-None-Match" = Option<String>, Header, description = "* when nothing may be there", example = "*"),
        ("Emerge-Class" = Option<String>, Header, description = "The class, when the body does not name it"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 201, body = StoredAs, description = "It is new", headers(("ETag" = String), ("Location" = String))),
        (status = 200, body = StoredAs, description = "It has a new version", headers(("ETag" = String))),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_object(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    headers: HeaderMap,
    sent: Sent<ObjectToStore>,
) -> Result<Response, Problem> {
    change(&doors, &principal, "PUT", &path, &headers, sent, |class, fields| Change::Put { class, fields })
        .await
}

/// Change some fields of an object.
///
/// The body is a merge patch (RFC 7396) of the object: null removes a field, and a map is merged into the map that is there.
#[utoipa::path(
    patch, path = "/objects/{*path}", tag = "objects",
    request_body(content((ObjectToStore = "application/merge-patch+json"), (ObjectToStore = "application/json"))),
    params(
        ("path" = String, Path, description = "The path, without its first \"/\""),
        ("If-Match" = Option<String>, Header, description = "The tag of what is to be changed", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 200, body = StoredAs, description = "It has a new version", headers(("ETag" = String))),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn patch_object(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    headers: HeaderMap,
    sent: Sent<ObjectToStore>,
) -> Result<Response, Problem> {
    change(&doors, &principal, "PATCH", &path, &headers, sent, |class, fields| Change::Merge {
        class,
        fields,
    })
    .await
}

/// Stores what was sent, in one of the two ways.
async fn change(
    doors: &Doors,
    principal: &emerge_engine::Principal,
    verb: &str,
    path: &Path,
    headers: &HeaderMap,
    sent: Sent<ObjectToStore>,
    how: impl FnOnce(Option<ClassName>, Map<String, Json>) -> Change,
) -> Result<Response, Problem> {
    let once = Once::read(verb, path.as_str(), headers, Some(&sent))?;
    let expected = etag::expected(headers)?;
    let change = how(class_named(headers, sent.value.class)?, sent.value.fields);
    let changed = doors.change(principal, once.get(), path, &expected, &change).await?;
    Ok(stored(path, changed.stored))
}

/// What a DELETE takes along.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HowFar {
    /// Whether a directory goes with all its members.
    #[serde(default)]
    recursive: bool,
}

/// Remove an object or a directory.
#[utoipa::path(
    delete, path = "/objects/{*path}", tag = "objects",
    params(
        ("path" = String, Path, description = "The path, without its first \"/\""), HowFar,
        ("If-Match" = Option<String>, Header, description = "The tag of what is to be removed", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 412, description = "It is not as the request expects", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_object(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    Asked(how): Asked<HowFar>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let verb = if how.recursive { "DELETE all" } else { "DELETE" };
    let once = Once::read::<()>(verb, path.as_str(), &headers, None)?;
    let expected = etag::expected(&headers)?;
    let change = Change::Remove { recursive: how.recursive };
    doors.change(&principal, once.get(), &path, &expected, &change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a directory, and those above it.
///
/// One that is there already is fine, unless `If-None-Match: *` says that nothing may be there.
#[utoipa::path(
    put, path = "/directories/{*path}", tag = "objects",
    params(
        ("path" = String, Path, description = "The path, without its first \"/\""),
        ("If-None-Match" = Option<String>, Header, description = "* when nothing may be there", example = "*"),
    ),
    responses(
        (status = 200, body = StoredAs, description = "It is there"),
        (status = 412, description = "Something is there", body = super::schema::ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn make_directory(
    State(doors): State<Doors>,
    Caller(principal): Caller,
    At(path): At,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut expected = etag::expected(&headers)?;
    // The directory's own making asks whether something is there.
    let anew = expected.none_matching.take_if(|tags| *tags == Tags::Any).is_some();
    let op = json!({ "op": "mkdir", "path": path.as_str(), "exist_ok": !anew });
    match run_expecting(&doors, &principal, None, &expected, &op).await {
        Ok(json) => Ok(answer(StatusCode::OK, &json)),
        Err(Refusal::Failed(error)) if anew && error.code == ErrorCode::AlreadyExists => {
            Err(Problem::with(StatusCode::PRECONDITION_FAILED, error))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

const EMERGE_CLASS: HeaderName = HeaderName::from_static("emerge-class");

fn class_named(headers: &HeaderMap, body: Option<String>) -> Result<Option<ClassName>, Problem> {
    let header = match headers.get(EMERGE_CLASS) {
        None => None,
        Some(value) => {
            let text =
                value.to_str().map_err(|_| Problem::bad("Emerge-Class", "the class must be a text"))?;
            Some(text.to_owned())
        }
    };
    Ok(body.or(header).map(|name| (&*name).into()))
}

/// What a PUT or a PATCH made.
fn stored(path: &Path, stored: Option<Stored>) -> Response {
    let Some(stored) = stored else { return StatusCode::NO_CONTENT.into_response() };
    let new = stored.version == 1;
    let mut response =
        answer(if new { StatusCode::CREATED } else { StatusCode::OK }, &stored_to_json(&stored));
    let headers = response.headers_mut();
    let texts = [
        (header::ETAG, Some(etag::write(stored.version, stored.id))),
        (header::LOCATION, new.then(|| address(path))),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| text.parse().ok()) {
            headers.insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_an_address_of_plain_characters() {
        for (path, wanted) in [
            ("/", "/objects"),
            ("/a/b-c.d_e~f", "/objects/a/b-c.d_e~f"),
            ("/a b/ü?%", "/objects/a%20b/%C3%BC%3F%25"),
        ] {
            assert_eq!(address(&Path::parse(path).unwrap()), wanted);
        }
    }
}
