//! What a session tells its host.

use emerge_proto::Error;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The first connection is being made.
    Connecting,
    /// The node has welcomed this client; requests flow.
    Open,
    /// No connection; the next attempt waits for its time.
    Offline,
    /// A connection is being made again.
    Resuming,
    /// Over for good.
    Closed,
}

impl State {
    /// The stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Connecting => "connecting",
            State::Open => "open",
            State::Offline => "offline",
            State::Resuming => "resuming",
            State::Closed => "closed",
        }
    }
}

/// What a delivered piece of a message is. The numbers are those that bindings hand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The encoded reply of the request; nothing more comes.
    Value = 0,
    /// An encoded [`Error`]; nothing more comes.
    Error = 1,
    /// One encoded item of a stream.
    Item = 2,
    /// What no request asked for: an encoded list of topic (text) and value (bytes with an encoded value).
    Push = 3,
    /// The end of a stream.
    End = 4,
}

/// A piece of the message that was handed in last: `message[offset..offset + length]`. Nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The request; 0 for a push.
    pub seq: u64,
    /// What it is.
    pub kind: Kind,
    /// Where it begins in the message.
    pub offset: u32,
    /// Its bytes.
    pub length: u32,
}

/// What a session tells its host, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Open a transport, then call `handle_open`; when it cannot be opened, `handle_closed`.
    Connect,
    /// Close the transport and forget it: nothing that comes from it may be handed in any more.
    Disconnect,
    /// The session stands elsewhere, and why.
    State(State, Option<Box<Error>>),
    /// Something in the message that was just handed in. Deliveries must be taken before the next message is handed in.
    Delivery(Delivery),
    /// A request failed with an error that was made here.
    Failed(u64, Box<Error>),
}
