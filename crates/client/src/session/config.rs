//! What a host decides about a session.

use emerge_proto::limits;

/// What a host decides. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bearer token.
    pub token: String,
    /// Program and version, for the node's log.
    pub agent: String,
    /// Requests that the node may have unanswered; more wait here.
    pub max_in_flight: usize,
    /// Requests that may be unanswered or waiting together; more are refused with `limit_exceeded`.
    pub max_requests: usize,
    /// Bytes of unanswered and waiting requests together; more are refused with `limit_exceeded`.
    pub max_request_bytes: usize,
    /// Bytes after which a message is full. A larger request travels alone.
    pub message_bytes: usize,
    /// From the wish for a transport to the node's welcome.
    pub connect_timeout: u64,
    /// Without any message from the node before it is asked for a sign of life.
    pub heartbeat: u64,
    /// Without any message from the node before the connection counts as dead.
    pub dead_after: u64,
    /// From an outcome to the acknowledgement that no request has carried.
    pub ack_after: u64,
    /// The bound of the first wait before a new connection; it doubles with each failure.
    pub backoff_base: u64,
    /// The highest bound of that wait.
    pub backoff_cap: u64,
    /// How long `close` waits for outcomes.
    pub close_timeout: u64,
    /// Deliberate defects.
    #[cfg(feature = "mutations")]
    pub mutations: Mutations,
}

impl Config {
    /// The protocol's limits, and a token.
    pub fn new(token: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            agent: concat!("emerge-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_in_flight: limits::MAX_IN_FLIGHT,
            max_requests: 16 * limits::MAX_IN_FLIGHT,
            max_request_bytes: 8 * limits::MAX_MESSAGE,
            message_bytes: 64 * 1024,
            connect_timeout: 10_000,
            heartbeat: limits::HEARTBEAT_MS,
            dead_after: limits::DEAD_AFTER_MS,
            ack_after: 250,
            backoff_base: 100,
            backoff_cap: 10_000,
            close_timeout: 5_000,
            #[cfg(feature = "mutations")]
            mutations: Mutations::default(),
        }
    }
}

/// Deliberate defects, each switched on by the simulator alone, which must find it.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutations {
    /// Requests that are sent again get new numbers, so that the node cannot know them.
    pub resend_forgets_sequence: bool,
    /// Streams go on after the item before the last one that arrived.
    pub cursor_off_by_one: bool,
    /// A result that was cut in its value is taken for whole.
    pub cut_message_accepted: bool,
}
