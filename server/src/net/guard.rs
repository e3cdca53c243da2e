//! Who may knock: the Host that a request names and the Origin that a browser adds.
//!
//! The Host check defeats DNS rebinding; the Origin check keeps other sites' pages away, which a WebSocket, unlike
//! `fetch`, would let in (RFC 6455, section 10.2).

use super::Shell;
use super::http::status_of;
use super::rest::retry_after;
use super::serve::{Peer, length};
use crate::config::Config;
use crate::running::now_micros;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use emerge_engine::Backend;
use emerge_node::json::error_to_json;
use emerge_proto::class::encode;
use emerge_proto::error::MEDIA_TYPE as ERROR_RECORD;
use emerge_proto::guard::Guard as Holds;
use emerge_proto::{Error, ErrorCode};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The allow-lists.
pub(crate) struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    loopback: bool,
    /// Another port of this node whose pages may connect.
    sibling: Option<u16>,
}

/// The name in a Host header, without its port; an IPv6 address keeps its brackets.
pub(crate) fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A name as it is compared.
fn bare(name: &str) -> String {
    name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

/// Whether a name in a Host header, without its port, is one of this machine's for itself.
pub(crate) fn is_loopback(name: &str) -> bool {
    let name = bare(name);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name by which a page was asked for, without its port; the guard let only known ones pass.
pub(crate) fn name_of(headers: &HeaderMap) -> &str {
    host_name(headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost"))
}

/// The sources (`connect-src` of a Content-Security-Policy) by which a page reaches a port of the machine that it came from:
/// a program names this machine in one of several ways, whichever way its reader came.
pub(crate) fn sources(headers: &HeaderMap, port: u16) -> String {
    let own = name_of(headers);
    let names = if is_loopback(own) { vec![own, "localhost", "127.0.0.1"] } else { vec![own] };
    let sources: Vec<String> = names
        .into_iter()
        .flat_map(|name| ["ws", "wss", "http", "https"].map(|scheme| format!("{scheme}://{name}:{port}")))
        .collect();
    sources.join(" ")
}

impl Guard {
    pub(crate) fn new(config: &Config, address: SocketAddr) -> Self {
        let mut hosts: Vec<String> =
            config.allow_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        if !address.ip().is_unspecified() {
            hosts.push(address.ip().to_string());
        }
        Self {
            hosts,
            origins: config.allow_origins.clone(),
            loopback: address.ip().is_loopback() || address.ip().is_unspecified(),
            sibling: None,
        }
    }

    /// Lets pages of another port of this node in.
    pub(crate) fn with_sibling(self, port: u16) -> Self {
        Self { sibling: Some(port), ..self }
    }

    pub(crate) fn allow(&self, headers: &HeaderMap) -> Result<(), Error> {
        let forbidden = |why: String| Err(Error::new(ErrorCode::ForbiddenOrigin, why));
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        // Of two, whoever stands before the node may have looked at the other (RFC 9112, section 3.2).
        if headers.get_all(header::HOST).iter().count() > 1 {
            return forbidden("the request names more than one host".into());
        }
        let Some(host) = text(header::HOST) else {
            return forbidden("the request names no host".into());
        };
        if !self.knows_host(host) && Holds::Host.holds() {
            return forbidden(format!(
                "the host {host:?} is not one of this node's names; allow it with --allow-host"
            ));
        }
        match text(header::ORIGIN) {
            None => Ok(()),
            Some(_) if !Holds::Origin.holds() => Ok(()),
            Some(origin) if self.origins.iter().any(|allowed| allowed == origin) => Ok(()),
            // The node's own page: the origin is that of the host which the request names.
            Some(origin) if origin.split_once("://").is_some_and(|(_, at)| at.eq_ignore_ascii_case(host)) => {
                Ok(())
            }
            Some(origin) if self.is_of_this_node(origin, host) => Ok(()),
            Some(origin) => forbidden(format!(
                "pages of the origin {origin:?} may not connect; allow them with --allow-origin"
            )),
        }
    }

    /// Whether a page came from the port that the request names, or from the sibling, by any name of this machine.
    fn is_of_this_node(&self, origin: &str, host: &str) -> bool {
        let Some((_, from)) = origin.split_once("://") else { return false };
        let port_of = |host: &str| host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let port = port_of(from);
        port.is_some() && (port == self.sibling || port == port_of(host)) && self.knows_host(from)
    }

    fn knows_host(&self, host: &str) -> bool {
        let name = host_name(host);
        (self.loopback && is_loopback(name)) || self.hosts.contains(&bare(name))
    }
}

pub(super) async fn check<B: Backend + 'static>(
    State(shell): State<Arc<Shell<B>>>,
    request: Request,
    next: Next,
) -> Response {
    let paid = request.extensions().get::<Peer>().map_or(Ok(()), |peer| {
        let now = now_micros();
        peer.meter.bytes(length(request.headers()), now);
        peer.meter.request(now)
    });
    hardened(match paid.and_then(|()| shell.guard.allow(request.headers())) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            tracing::warn!(%error, "a request was refused");
            refusal(request.headers(), &error)
        }
    })
}

/// What a browser is told with each answer that does not say it itself: to take it for nothing but what it says it is, to let nothing in it run or load, and to
/// show it in no frame. What users stored is read here, so that none of it may become a page of this origin. Strict-Transport-Security is left to who owns
/// the whole host: it would be of all its ports.
fn hardened(mut response: Response) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    if !Holds::Policy.holds() {
        headers.iter().for_each(|(name, _)| drop(response.headers_mut().remove(name)));
        return response;
    }
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Says why. A client of the protocol asks for the error record itself; every page may read it, or a browser could tell its user nothing
/// but that there is no connection.
pub(crate) fn refusal(headers: &HeaderMap, error: &Error) -> Response {
    let accepts = headers.get(header::ACCEPT).is_some_and(|accept| accept == ERROR_RECORD);
    let (kind, body) = if accepts {
        (ERROR_RECORD, encode(error))
    } else {
        ("application/json", error_to_json(error).to_string().into_bytes())
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let mut response = (status_of(error.code), headers, body).into_response();
    if let Some(after) = retry_after(error) {
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(host: &str, origin: Option<&str>) -> Result<(), Error> {
        let mut config = Config::new("unused");
        config.allow_origins.push("https://friend.example".into());
        config.allow_hosts.push("store.example".into());
        let guard = Guard::new(&config, SocketAddr::from(([127, 0, 0, 1], 5558))).with_sibling(5559);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        guard.allow(&headers)
    }

    #[test]
    fn own_names_and_friends_may_knock() {
        for host in ["localhost:5558", "127.0.0.1:5558", "[::1]:5558", "store.example", "STORE.example:80"] {
            assert_eq!(allow(host, None), Ok(()), "{host}");
        }
        assert_eq!(allow("localhost:5558", Some("http://localhost:5558")), Ok(()));
        assert_eq!(allow("localhost:5558", Some("http://127.0.0.1:5558")), Ok(()));
        assert_eq!(allow("localhost:5558", Some("https://friend.example")), Ok(()));
        // The notebook's origin.
        assert_eq!(allow("localhost:5558", Some("http://localhost:5559")), Ok(()));
        assert_eq!(allow("127.0.0.1:5558", Some("http://127.0.0.1:5559")), Ok(()));
    }

    #[test]
    fn strangers_may_not() {
        for (host, origin) in [
            ("evil.example:5558", None),
            ("localhost:5558", Some("http://evil.example")),
            ("localhost:5558", Some("http://localhost:8000")),
            ("localhost:5558", Some("http://evil.example:5558")),
            ("localhost:5558", Some("http://evil.example:5559")),
            ("localhost:5558", Some("null")),
            ("localhost.evil.example", None),
        ] {
            let error = allow(host, origin).unwrap_err();
            assert_eq!(error.code, ErrorCode::ForbiddenOrigin, "{host} {origin:?}");
        }
    }
}
