//! Asking the node over HTTP, for what is too large for one message: answers and bodies that come in pieces.

use crate::args::Cli;
use crate::settings::Settings;
use emerge_client::native::tls::Wire;
use emerge_proto::{Error, ErrorCode, Result};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::io::Write;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// Bytes of a file that are read at a time.
const PIECE: usize = 256 * 1024;

/// What is sent along.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Nothing.
pub(crate) fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Asks for an address of the node. The answer has come as far as its head.
///
/// # Errors
/// The error that the node tells; `disconnected`.
pub(crate) async fn ask(
    settings: &Settings,
    method: Method,
    address: &str,
    body: Body,
) -> Result<Response<Incoming>> {
    let lost = |error: &dyn std::fmt::Display| {
        Error::new(ErrorCode::Disconnected, format!("{} cannot be reached: {error}", settings.url))
    };
    let (tls, host) = match settings.url.split_once("://") {
        Some((scheme, host)) => (scheme == "wss", host),
        None => (false, settings.url.as_str()),
    };
    let (name, port) = name_and_port(host, if tls { 443 } else { 80 });
    let stream = Wire::connect(name, port, tls, &settings.trust).await.map_err(|error| lost(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
    // It ends with the answer.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(address)
        .header("Host", host)
        .header("Authorization", format!("Bearer {}", settings.token))
        .body(body)
        .map_err(|error| {
            Error::new(ErrorCode::BadArgument, format!("the request cannot be sent: {error}"))
        })?;
    let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Err(problem(&body).unwrap_or_else(|| {
        Error::new(ErrorCode::Internal, format!("the node answers {status} to {address}"))
    }))
}

/// Takes a large answer to an address. Each piece has the time that a whole command has else.
///
/// # Errors
/// As [`ask`]; `deadline_exceeded`; `bad_argument` when it cannot be written.
pub(crate) async fn download(cli: &Cli, address: &str, to: &mut impl Write) -> Result<()> {
    let settings = Settings::load(cli.url.as_deref(), cli.token.as_deref())?.trusting(cli.ca.as_deref());
    let patience = cli.patience()?;
    let late = |_| Error::new(ErrorCode::DeadlineExceeded, format!("{} says nothing", settings.url));
    let mut answer =
        timeout(patience, ask(&settings, Method::GET, address, nothing())).await.map_err(late)??;
    while let Some(frame) = timeout(patience, answer.frame()).await.map_err(late)? {
        let frame = frame.map_err(|error| {
            Error::new(ErrorCode::Disconnected, format!("the answer was cut short: {error}"))
        })?;
        if let Ok(bytes) = frame.into_data() {
            to.write_all(&bytes).map_err(|error| {
                Error::new(ErrorCode::BadArgument, format!("the answer cannot be kept: {error}"))
            })?;
        }
    }
    Ok(())
}

/// Sends a file, piece by piece, and gives the answer.
///
/// # Errors
/// As [`ask`]; `bad_argument` when the file cannot be read.
pub(crate) async fn upload(cli: &Cli, address: &str, file: File) -> Result<serde_json::Value> {
    let settings = Settings::load(cli.url.as_deref(), cli.token.as_deref())?.trusting(cli.ca.as_deref());
    let pieces = futures_util::stream::unfold(file, async |mut file| {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Frame::data(Bytes::from(piece))), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let answer = ask(&settings, Method::POST, address, StreamBody::new(pieces).boxed_unsync()).await?;
    let cut = |error| Error::new(ErrorCode::Disconnected, format!("the answer was cut short: {error}"));
    let body = answer.into_body().collect().await.map_err(cut)?.to_bytes();
    serde_json::from_slice(&body)
        .map_err(|error| Error::new(ErrorCode::Internal, format!("the answer is no JSON: {error}")))
}

/// The error in a problem (RFC 9457) of the node.
pub(crate) fn problem(body: &[u8]) -> Option<Error> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = json["detail"].as_str().or_else(|| json["message"].as_str())?;
    let mut error = Error::new(ErrorCode::parse(json["code"].as_str()?)?, message);
    error.path = json["path"].as_str().map(str::to_owned);
    error.field = json["field"].as_str().map(Into::into);
    error.limit = json["limit"].as_u64();
    Some(match json["retry_after_ms"].as_u64() {
        Some(after) => error.retry_after(after),
        None => error,
    })
}

/// A host as the system knows it, and the port. An IPv6 address is bracketed in a URL.
fn name_and_port(host: &str, default: u16) -> (&str, u16) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() => match port.parse() {
            Ok(port) => (name, port),
            Err(_) => (host, default),
        },
        _ => (host, default),
    };
    (name.trim_start_matches('[').trim_end_matches(']'), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_problems_are_read() {
        for (host, name, port) in [
            ("localhost:5558", "localhost", 5558),
            ("[::1]:7", "::1", 7),
            ("[::1]", "::1", 80),
            ("a.b", "a.b", 80),
        ] {
            assert_eq!(name_and_port(host, 80), (name, port));
        }
        let error =
            problem(br#"{"code": "not_found", "detail": "no", "path": "/a", "status": 404}"#).unwrap();
        assert_eq!((error.code, error.path.as_deref()), (ErrorCode::NotFound, Some("/a")));
        assert!(problem(b"<html>").is_none());
    }
}
