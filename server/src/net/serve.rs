//! The loop that takes connections: TLS where it is configured, so many for each address, and so much time for what a client has to say first.

use super::tls::Tls;
use crate::running::now_micros;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::Response;
use emerge_node::{Meter, Meters, Seat};
use emerge_proto::Error;
use emerge_proto::guard::Guard;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// How long a client may take for a handshake of TLS, and for the head of each request. What is open and asks for nothing is closed after as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing is taken when the system has no room for another connection.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// Who sends a request, for as long as anything of it goes on.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What its address takes.
    pub(crate) meter: Arc<Meter>,
    _seat: Arc<Seat>,
}

/// Bytes that a request says its body has.
pub(crate) fn length(headers: &HeaderMap) -> usize {
    let text = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    text.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// What a port serves.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) router: Router,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) meters: Arc<Meters>,
}

impl Port {
    /// Takes connections until it is told to stop, and ends when those that are open have ended.
    pub(crate) async fn serve(self, listener: TcpListener, stopping: watch::Receiver<bool>) {
        let mut told = stopping.clone();
        let mut stopped = pin!(async { drop(told.wait_for(|stop| *stop).await) });
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut stopped => break,
                Some(_) = open.join_next() => {}
                taken = listener.accept() => match taken {
                    Ok((stream, peer)) => {
                        open.spawn(self.clone().connection(stream, peer, stopping.clone()));
                    }
                    Err(error) if is_its_own(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, "no connection can be taken");
                        sleep(EXHAUSTED).await;
                    }
                }
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, stopping: watch::Receiver<bool>) {
        let seat = self.meters.address(peer.ip(), now_micros()).connection();
        // Small messages leave at once: else the end of a stream waits for an acknowledgement, up to 40 ms. Where that cannot be set it does.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.requests(stream, peer, seat, stopping).await,
            // Who is not served is not worth a handshake.
            Some(_) if seat.is_err() => {}
            Some(tls) => match timeout(PATIENCE, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.requests(stream, peer, seat, stopping).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a handshake of TLS failed"),
                Err(_) => tracing::debug!(%peer, "a handshake of TLS took too long"),
            },
        }
    }

    async fn requests(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
        seat: Result<Seat, Error>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let meter = self.meters.address(peer.ip(), now_micros());
        let admitted = seat.map(|seat| Peer { address: peer, meter, _seat: Arc::new(seat) });
        let router = self.router;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (router, admitted) = (router.clone(), admitted.clone());
            async move {
                let admitted = match admitted {
                    Ok(admitted) => admitted,
                    Err(error) => return Ok::<_, Infallible>(excess(&request, &error)),
                };
                request.extensions_mut().insert(ConnectInfo(peer));
                request.extensions_mut().insert(admitted);
                router.oneshot(request).await
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(if Guard::Slow.holds() { PATIENCE } else { Duration::from_secs(3600) })
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = async { drop(stopping.wait_for(|stop| *stop).await) } => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended badly");
        }
    }
}

/// The answer to one connection too many, which is its last.
fn excess(request: &Request<Incoming>, error: &Error) -> Response<Body> {
    tracing::warn!(%error, "a connection was refused");
    let mut response = super::guard::refusal(request.headers(), error);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether an error of taking a connection is that connection's and nobody else's.
fn is_its_own(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
