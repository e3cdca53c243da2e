//! One error type for the whole system, with stable codes.

use minicbor::{Decode, Encode};
use std::fmt;
use std::num::NonZeroU32;

/// A result with Emerge's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The media type of an encoded [`Error`], in which a node says over HTTP why it refuses a WebSocket to a client that accepts it.
pub const MEDIA_TYPE: &str = "application/vnd.emerge.error";

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $number:literal, $text:literal;)*) => {
        /// What went wrong, as a stable code. The text form never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode)]
        #[cbor(index_only)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* #[n($number)] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant),*];

            /// The stable text form, `snake_case`.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text,)* }
            }

            /// The number on the wire.
            pub fn number(self) -> u16 {
                match self { $(ErrorCode::$variant => $number,)* }
            }

            /// The code with a number of the wire; one that a later version added counts as `internal`.
            pub fn from_number(number: u64) -> Self {
                match number { $($number => ErrorCode::$variant,)* _ => ErrorCode::Internal }
            }

            /// One sentence on what the code means.
            pub fn doc(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The message is not well-formed CBOR, is cut short, or a field has the wrong type.
    BadFrame = 0, "bad_frame";
    /// The frame's kind is not one that this side knows.
    UnknownFrame = 1, "unknown_frame";
    /// A message or a value is larger than its limit.
    TooLarge = 2, "too_large";
    /// A value nests deeper than its limit.
    TooDeep = 3, "too_deep";
    /// The two sides share no protocol version.
    UnsupportedVersion = 4, "unsupported_version";
    /// The token is missing, wrong or expired.
    Unauthenticated = 5, "unauthenticated";
    /// The caller may not do this.
    PermissionDenied = 6, "permission_denied";
    /// The path is not well-formed.
    BadPath = 7, "bad_path";
    /// Nothing is stored at the path.
    NotFound = 8, "not_found";
    /// Something is stored at the path already.
    AlreadyExists = 9, "already_exists";
    /// The path, or a part of it, is not a directory.
    NotADirectory = 10, "not_a_directory";
    /// The path is a directory where an object is needed.
    IsADirectory = 11, "is_a_directory";
    /// The directory has members and `recursive` was not asked for.
    DirectoryNotEmpty = 12, "directory_not_empty";
    /// The object has changed since it was read.
    Conflict = 13, "conflict";
    /// The node does not have the class or the class version.
    ClassNotFound = 14, "class_not_found";
    /// The class cannot be used: its source does not compile, or it uses a name that cannot travel.
    ClassInvalid = 15, "class_invalid";
    /// The class has no such method.
    MethodNotFound = 16, "method_not_found";
    /// An argument of an operation or a call is not what it must be.
    BadArgument = 17, "bad_argument";
    /// The method raised an error; `trace` has its traceback.
    MethodFailed = 18, "method_failed";
    /// The method or the request ran past its deadline.
    DeadlineExceeded = 19, "deadline_exceeded";
    /// The method used more memory than its limit.
    OutOfMemory = 20, "out_of_memory";
    /// The caller cancelled the request.
    Cancelled = 21, "cancelled";
    /// A value has no mapping between the language and Emerge.
    UnmappableValue = 22, "unmappable_value";
    /// A count (requests in flight, items, depth of calls) or a rate is past its limit.
    LimitExceeded = 23, "limit_exceeded";
    /// The node no longer knows the session.
    SessionExpired = 24, "session_expired";
    /// The connection is gone and will not be tried again.
    Disconnected = 25, "disconnected";
    /// Storage did not accept the change.
    StorageFailed = 26, "storage_failed";
    /// The node does not offer this.
    Unsupported = 27, "unsupported";
    /// The node is stopping or not ready.
    Unavailable = 28, "unavailable";
    /// The page's origin or host is not allowed.
    ForbiddenOrigin = 29, "forbidden_origin";
    /// A defect in Emerge; please report it.
    Internal = 30, "internal";
    /// The transaction has ended or the node no longer holds it; what of it was not committed has not happened.
    TransactionExpired = 31, "transaction_expired";
    /// The change log no longer reaches back to where a watch is to go on; look at what there is now, and watch from there.
    LogExpired = 32, "log_expired";
    /// A field of the class is unique, and another object has this value.
    NotUnique = 33, "not_unique";
    /// A user would store more than the user's quota allows; `field` is `objects` or `bytes`.
    QuotaExceeded = 34, "quota_exceeded";
}

impl ErrorCode {
    /// Finds a code by its text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl<'b, C> Decode<'b, C> for ErrorCode {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.u64().map(Self::from_number)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the change that a failed request asked for has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Effect {
    /// It did not happen and will not.
    #[n(0)]
    None,
    /// It may have happened; ask by the request's key.
    #[n(1)]
    Unknown,
}

/// An error, as it is made, sent and shown.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Error {
    /// The stable code.
    #[n(0)]
    pub code: ErrorCode,
    /// One sentence for a person, naming the path, field or limit.
    #[n(1)]
    pub message: String,
    /// The path that the error is about.
    #[n(2)]
    pub path: Option<String>,
    /// The field, argument or name that the error is about, as a field path (`farms[0].name`).
    #[n(3)]
    pub field: Option<Box<str>>,
    /// The limit that was reached.
    #[n(4)]
    pub limit: Option<u64>,
    /// The user's own lines of a traceback, most recent call last.
    #[n(5)]
    pub trace: Option<Box<str>>,
    /// Whether the change has happened; absent means that it has not.
    #[n(6)]
    pub effect: Option<Effect>,
    /// What the method that failed had logged, when its log was asked for.
    #[n(7)]
    pub log: Option<Box<str>>,
    /// Milliseconds after which it may be tried again.
    #[n(8)]
    pub retry_after_ms: Option<NonZeroU32>,
}

impl Error {
    /// A new error with a code and a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: None,
            field: None,
            limit: None,
            trace: None,
            effect: None,
            log: None,
            retry_after_ms: None,
        }
    }

    /// Names the path.
    pub fn at(mut self, path: impl fmt::Display) -> Self {
        self.path = Some(path.to_string());
        self
    }

    /// Names the field, argument or name.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into().into());
        self
    }

    /// Names the limit.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Adds the user's traceback.
    pub fn trace(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(trace.into().into());
        self
    }

    /// Adds what the method had logged.
    pub fn log(mut self, log: impl Into<String>) -> Self {
        self.log = Some(log.into().into());
        self
    }

    /// Says after how many milliseconds it may be tried again.
    pub fn retry_after(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = NonZeroU32::new(u32::try_from(milliseconds).unwrap_or(u32::MAX));
        self
    }

    /// Says whether the change has happened.
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = Some(effect);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

impl From<minicbor::decode::Error> for Error {
    fn from(error: minicbor::decode::Error) -> Self {
        Error::new(ErrorCode::BadFrame, format!("the bytes could not be read: {error}"))
    }
}
