//! The store as resources of HTTP with JSON, and the document that describes them.
//!
//! A resource's address is its kind and the object's path: `/objects/a/b`, `/history/a/b`. So no name of an object can be taken for
//! something else. Nothing is decided here: conditions and merge patches are the node's (`emerge_node::resource`).

mod archive;
mod backup;
mod classes;
mod etag;
mod objects;
mod openapi;
mod operations;
mod problem;
mod request;
mod schema;
mod versions;

use super::Shell;
use crate::running::now_micros;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{MatchedPath, Request};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use emerge_engine::{Backend, Principal};
use emerge_node::Asked;
use emerge_node::archive::Imported;
use emerge_node::json::{op_from_json, reply_to_json};
use emerge_node::resource::{Change, Changed, Expected, Idempotency, Refusal};
use emerge_proto::{Error, ErrorCode, Op, Path, Result};
pub(super) use etag::expected;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
pub(super) use problem::{Problem, retry_after};
pub(super) use request::whole;
use serde_json::Value as Json;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// What bodies may be.
const ALLOW_ALL: &str = "application/json, application/merge-patch+json";

/// The node as the handlers see it, whatever it keeps its store on.
trait Door: Send + Sync {
    /// Who asks with a request of so many bytes.
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        from: Option<IpAddr>,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Principal>>;

    fn execute<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        op: Op,
    ) -> BoxFuture<'a, Result<Vec<u8>>>;

    fn execute_expecting<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        expected: &'a Expected,
        op: Op,
    ) -> BoxFuture<'a, Result<Vec<u8>, Refusal>>;

    fn items<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        op: &'a Op,
    ) -> BoxFuture<'a, Result<Option<Pieces>>>;

    fn change<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        path: &'a Path,
        expected: &'a Expected,
        change: &'a Change,
    ) -> BoxFuture<'a, Result<Changed, Refusal>>;

    fn backup(&self, principal: &Principal) -> Result<CopyStream>;

    fn export(&self, principal: &Principal, path: Path, history: bool) -> Pieces;

    fn import<'a>(
        &'a self,
        principal: &'a Principal,
        to: Option<Path>,
        pieces: BoxStream<'a, Result<Bytes>>,
    ) -> BoxFuture<'a, Result<Imported>>;
}

/// The bytes of a copy, as they are made.
type CopyStream = BoxStream<'static, std::io::Result<Vec<u8>>>;
/// What comes piece by piece.
type Pieces = BoxStream<'static, Result<Vec<u8>>>;
type Doors = Arc<dyn Door>;

/// What came of a request, for who writes it down.
trait Told {
    fn code(&self) -> ErrorCode;
}

impl Told for Error {
    fn code(&self) -> ErrorCode {
        self.code
    }
}

impl Told for Refusal {
    fn code(&self) -> ErrorCode {
        match self {
            Refusal::Unexpected(error) | Refusal::Failed(error) => error.code,
        }
    }
}

impl<B: Backend> Shell<B> {
    /// Does what a request asks for, and tells of it.
    fn told<'a, T, E, F>(
        &'a self,
        principal: &'a Principal,
        asked: Asked,
        work: impl FnOnce(i64) -> F,
    ) -> BoxFuture<'a, Result<T, E>>
    where
        F: Future<Output = Result<T, E>> + Send + 'a,
        T: Send,
        E: Told + Send,
    {
        let now = now_micros();
        let asked = self.node.asked(move || asked);
        let done = work(now);
        Box::pin(async move {
            let done = done.await;
            self.node.audited(asked, principal, done.as_ref().err().map(E::code), now);
            done
        })
    }
}

impl<B: Backend> Door for Shell<B> {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        from: Option<IpAddr>,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Principal>> {
        Box::pin(self.node.authenticate(token, from, bytes, now_micros()))
    }

    fn execute<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        op: Op,
    ) -> BoxFuture<'a, Result<Vec<u8>>> {
        self.told(principal, Asked::of(&op), move |now| self.node.execute_once(principal, once, op, now))
    }

    fn execute_expecting<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        expected: &'a Expected,
        op: Op,
    ) -> BoxFuture<'a, Result<Vec<u8>, Refusal>> {
        let asked = Asked::of(&op);
        self.told(principal, asked, move |now| {
            self.node.execute_expecting(principal, once, expected, op, now)
        })
    }

    fn items<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        op: &'a Op,
    ) -> BoxFuture<'a, Result<Option<Pieces>>> {
        self.told(principal, Asked::of(op), move |now| self.node.items(principal, once, op, now))
    }

    fn change<'a>(
        &'a self,
        principal: &'a Principal,
        once: Option<Idempotency<'a>>,
        path: &'a Path,
        expected: &'a Expected,
        change: &'a Change,
    ) -> BoxFuture<'a, Result<Changed, Refusal>> {
        let asked = Asked::whole("change", Some(path.to_string()), true);
        self.told(principal, asked, move |now| self.node.change(principal, once, path, expected, change, now))
    }

    fn backup(&self, principal: &Principal) -> Result<CopyStream> {
        let now = now_micros();
        let backup = match principal.admin {
            true => self.node.engine().backup(now),
            false => {
                let user = &principal.user;
                let why =
                    format!("user {user:?} is not the administrator, who alone may copy the whole store");
                Err(Error::new(ErrorCode::PermissionDenied, why))
            }
        };
        let asked = self.node.asked(|| Asked::whole("backup", None, false));
        self.node.audited(asked, principal, backup.as_ref().err().map(|error| error.code), now);
        let backup = backup?;
        let copy = stream::unfold(Some(backup), async |backup| {
            let mut backup = backup?;
            match backup.next().await {
                Ok(bytes) => Some((Ok(bytes?), Some(backup))),
                Err(error) => {
                    tracing::warn!(%error, "a backup was not finished");
                    Some((Err(std::io::Error::other(error)), None))
                }
            }
        });
        Ok(copy.boxed())
    }

    fn export(
        &self,
        principal: &Principal,
        path: Path,
        history: bool,
    ) -> BoxStream<'static, Result<Vec<u8>>> {
        let now = now_micros();
        let asked = self.node.asked(|| Asked::whole("export", Some(path.to_string()), false));
        self.node.audited(asked, principal, None, now);
        let export = self.node.export(principal, path, history, now);
        let file = stream::unfold(Some(export), async |export| {
            let mut export = export?;
            match export.next().await {
                Ok(bytes) => Some((Ok(bytes?), Some(export))),
                Err(error) => Some((Err(error), None)),
            }
        });
        file.boxed()
    }

    fn import<'a>(
        &'a self,
        principal: &'a Principal,
        to: Option<Path>,
        mut pieces: BoxStream<'a, Result<Bytes>>,
    ) -> BoxFuture<'a, Result<Imported>> {
        let asked = Asked::whole("import", to.as_ref().map(Path::to_string), true);
        self.told(principal, asked, async move |now| {
            let mut import = self.node.import(principal, to, now);
            while let Some(piece) = pieces.next().await {
                import.feed(&piece?).await?;
            }
            import.finish().await
        })
    }
}

/// Runs the operation that a JSON object says, as `POST /api` reads it.
async fn run(doors: &Doors, principal: &Principal, once: Option<Idempotency<'_>>, op: &Json) -> Result<Json> {
    let op = op_from_json(op)?;
    let reply = doors.execute(principal, once, op.clone()).await?;
    reply_to_json(&op, &reply)
}

/// As [`run`], if what the operation is about is as expected.
async fn run_expecting(
    doors: &Doors,
    principal: &Principal,
    once: Option<Idempotency<'_>>,
    expected: &Expected,
    op: &Json,
) -> Result<Json, Refusal> {
    let op = op_from_json(op)?;
    let reply = doors.execute_expecting(principal, once, expected, op.clone()).await?;
    Ok(reply_to_json(&op, &reply)?)
}

/// A body of JSON under a status.
fn answer(status: StatusCode, json: &Json) -> Response {
    let headers = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{json}\n")).into_response()
}

/// Every resource: the routes and what the document says of them come from the same list.
fn resources() -> OpenApiRouter<Doors> {
    OpenApiRouter::with_openapi(openapi::about())
        .routes(routes!(objects::list_root))
        .routes(routes!(
            objects::get_object,
            objects::put_object,
            objects::patch_object,
            objects::delete_object
        ))
        .routes(routes!(objects::make_directory))
        .routes(routes!(operations::call))
        .routes(routes!(operations::methods))
        .routes(routes!(operations::mv))
        .routes(routes!(operations::cp))
        .routes(routes!(operations::any_operation))
        .routes(routes!(versions::history))
        .routes(routes!(versions::diff))
        .routes(routes!(versions::restore))
        .routes(routes!(classes::class_by_name, classes::put_class))
        .routes(routes!(classes::class_by_hash))
        .routes(routes!(classes::class_of))
        .routes(routes!(backup::backup))
        .routes(routes!(archive::export))
        .routes(routes!(archive::import))
}

/// The routes, and `/openapi.json`.
pub(super) fn router<B: Backend>(shell: Arc<Shell<B>>) -> Router {
    let doors: Doors = shell;
    let (router, document) = resources().split_for_parts();
    let queried = Arc::new(openapi::queried(&document));
    let document: &'static str = Box::leak(openapi::finish(document).into_boxed_str());
    router
        .route_layer(from_fn(move |route: MatchedPath, request: Request, next: Next| {
            let queried = Arc::clone(&queried);
            async move {
                let method = request.method().as_str().replace("HEAD", "GET");
                let asks = request.uri().query().is_some_and(|query| !query.is_empty());
                if asks && !queried.contains(&(method, route.as_str().to_owned())) {
                    return Problem::bad("query", "nothing can be asked for in this address's query")
                        .into_response();
                }
                next.run(request).await
            }
        }))
        .route("/objects/", get(objects::list_root))
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, JSON)], document)))
        .method_not_allowed_fallback(not_allowed)
        .with_state(doors)
}

/// The first segments of the addresses of all resources.
static KINDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let paths = resources().into_openapi().paths.paths;
    let kinds = paths.keys().filter_map(|path| path.split('/').nth(1));
    kinds.chain(["api"]).map(str::to_owned).collect()
});

/// The answer to a request for what is no resource, at an address that looks like one; none at those of pages.
pub(super) fn nothing_at(uri: &Uri) -> Option<Response> {
    let kind = uri.path().split('/').nth(1).unwrap_or_default();
    KINDS.contains(kind).then(|| {
        let why = format!("there is no resource at {}; /openapi.json tells which there are", uri.path());
        Problem::from(Error::new(ErrorCode::NotFound, why)).into_response()
    })
}

async fn not_allowed(uri: Uri) -> Problem {
    let why = format!("{} does not do that; /openapi.json tells what it does", uri.path());
    Problem::with(StatusCode::METHOD_NOT_ALLOWED, Error::new(ErrorCode::Unsupported, why))
}
