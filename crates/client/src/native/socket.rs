//! The WebSocket under a native client.

use super::tls::{Trust, Wire};
use emerge_proto::class::decode;
use emerge_proto::error::MEDIA_TYPE;
use emerge_proto::{Error, ErrorCode, Result, limits};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Bytes read at a time. The library clears them all before each read, so that its default of 128 KiB costs more than a small reply does.
const READ_BUFFER: usize = 16 * 1024;

pub(super) type Socket = WebSocketStream<Wire>;

/// Why there is no WebSocket.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection; told for a person.
    Lost(String),
    /// The node refused it.
    Refused(Box<Error>),
}

/// Where a node listens.
#[derive(Clone, Debug)]
pub(super) struct Address {
    url: String,
    host: String,
    port: u16,
    tls: bool,
    trust: Trust,
}

impl Address {
    /// Reads `ws://host:port/path`, or with TLS `wss:`; `http:` and `https:` mean the same node.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::new(ErrorCode::BadArgument, format!("{url:?} is not the URL of a node: {why}"))
        };
        let url_of = |rest: &str| format!("ws://{rest}");
        let parsed: Uri = match url.split_once("://") {
            Some(("ws" | "http", rest)) => url_of(rest).parse().map_err(|_| bad("it is not well-formed"))?,
            Some(("wss" | "https", rest)) => {
                format!("wss://{rest}").parse().map_err(|_| bad("it is not well-formed"))?
            }
            _ => return Err(bad("it must begin with ws:// or wss://").field("url")),
        };
        let host = parsed
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| bad("it names no host").field("url"))?;
        // An IPv6 address is bracketed in a URL and bare for the system.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = parsed.scheme_str() == Some("wss");
        let port = parsed.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host, port, tls, url: parsed.to_string(), trust: Trust::default() })
    }

    pub(super) fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Opens the WebSocket.
    pub(super) async fn connect(self) -> Result<Socket, Failure> {
        let told =
            |error: &dyn std::fmt::Display| Failure::Lost(format!("{} cannot be reached: {error}", self.url));
        let wire = Wire::connect(&self.host, self.port, self.tls, &self.trust).await;
        let wire = wire.map_err(|error| told(&error))?;
        let mut request = self.url.as_str().into_client_request().map_err(|error| told(&error))?;
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(4 * limits::MAX_MESSAGE))
            .max_frame_size(Some(4 * limits::MAX_MESSAGE));
        match client_async_with_config(request, wire, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(error) => Err(refusal(&error).unwrap_or_else(|| told(&error))),
        }
    }
}

/// What the answer to a handshake says: its error record, as far as it came with the head; else a 403 speaks for itself.
fn refusal(error: &tungstenite::Error) -> Option<Failure> {
    let tungstenite::Error::Http(response) = error else { return None };
    let is_record = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
    let record = response.body().as_deref().filter(|_| is_record).and_then(|body| decode(body).ok());
    let record = record.or_else(|| {
        let why = "the node refuses this host or origin (403)";
        (response.status() == StatusCode::FORBIDDEN).then(|| Error::new(ErrorCode::ForbiddenOrigin, why))
    })?;
    Some(Failure::Refused(Box::new(record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = Address::parse("ws://localhost:5558").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("localhost", 5558));
        let address = Address::parse("http://[::1]:7/ws").unwrap();
        assert_eq!(
            (address.host.as_str(), address.port, address.url.as_str()),
            ("::1", 7, "ws://[::1]:7/ws")
        );
        assert_eq!(Address::parse("ws://node").unwrap().port, 80);
        let secure = Address::parse("https://node").unwrap();
        assert_eq!((secure.tls, secure.port, secure.url.as_str()), (true, 443, "wss://node/"));
        assert!(!address.tls && Address::parse("wss://node:7").unwrap().port == 7);
        for bad in ["", "node:5558", "ftp://node", "ws://", "ws://a b"] {
            assert_eq!(Address::parse(bad).unwrap_err().code, ErrorCode::BadArgument, "{bad}");
        }
    }
}
