//! Every limit of the protocol and the node, in one place. TypeScript's copy is generated from here.

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[doc = $doc])* pub const $name: $type = $value;)*

        /// Name, value and meaning of every limit.
        pub const ALL: &[(&str, u64, &str)] = &[$((stringify!($name), $name as u64, concat!($($doc),*))),*];
    };
}

limits! {
    /// The protocol version that this code speaks.
    PROTOCOL_VERSION: u32 = 1;
    /// Bytes of one WebSocket message.
    MAX_MESSAGE: usize = 16 * 1024 * 1024;
    /// Frames in one message.
    MAX_FRAMES_IN_MESSAGE: usize = 4096;
    /// Bytes of the magnitude of one integer, or of the digits of one decimal.
    MAX_INTEGER: usize = 4096;
    /// Items (numbers, texts, arrays, …) in all the frames of one message; what a frame carries as bytes counts as one.
    MAX_ITEMS_IN_MESSAGE: usize = 1024 * 1024;
    /// Nesting of the arrays of one frame.
    MAX_FRAME_DEPTH: usize = 32;
    /// Nesting of one value, lists, maps and embedded objects together.
    MAX_DEPTH: usize = 64;
    /// Bytes of one segment of a path, in UTF-8.
    MAX_SEGMENT: usize = 255;
    /// Bytes of a whole path, in UTF-8.
    MAX_PATH: usize = 4096;
    /// Bytes of the encoded state of one object.
    MAX_STATE: usize = 8 * 1024 * 1024;
    /// Bytes of a value past which it is kept as a blob by its content hash.
    BLOB_THRESHOLD: usize = 64 * 1024;
    /// Bytes of the source of one class.
    MAX_SOURCE: usize = 1024 * 1024;
    /// Bytes of the WebAssembly module of one class.
    MAX_MODULE: usize = 4 * 1024 * 1024;
    /// Fields or methods of one class.
    MAX_MEMBERS: usize = 1024;
    /// Bytes that a process of native Python may say at once: what a method gives, or asks of its file system.
    MAX_NATIVE_FRAME: usize = 32 * 1024 * 1024;
    /// Packages of native Python that one class requires.
    MAX_PACKAGES: usize = 32;
    /// Requests of one session that may be in flight.
    MAX_IN_FLIGHT: usize = 4096;
    /// Outcomes kept for one session before acknowledgement.
    MAX_OUTCOMES: usize = 8192;
    /// Members of one page of a listing.
    MAX_PAGE: usize = 1000;
    /// Stream items that may be on the way without new credit.
    MAX_CREDIT: u32 = 4096;
    /// Depth of nested calls.
    MAX_CALL_DEPTH: usize = 8;
    /// Milliseconds that one method call may take.
    CALL_DEADLINE_MS: u64 = 5_000;
    /// Bytes of memory of one method call.
    CALL_MEMORY: usize = 256 * 1024 * 1024;
    /// Bytes of log of one method call.
    CALL_LOG: usize = 64 * 1024;
    /// Bytes of the message of a method's error, and as many of its traceback.
    CALL_ERROR: usize = 64 * 1024;
    /// Milliseconds after which an idle connection sends a ping.
    HEARTBEAT_MS: u64 = 15_000;
    /// Milliseconds without any message after which a connection counts as dead.
    DEAD_AFTER_MS: u64 = 45_000;
    /// Milliseconds for which a session without a connection is remembered.
    SESSION_TTL_MS: u64 = 7 * 24 * 3600 * 1000;
    /// Bytes that wait to be sent past which no stream adds to them: they leave, and the client reads them while the next items are made.
    MAX_SEND_QUEUE: usize = 64 * 1024;
    /// Versions of an object that are kept by default.
    KEEP_VERSIONS: u64 = 100;
    /// Days after which earlier versions and the change log are forgotten.
    KEEP_DAYS: u64 = 30;
    /// Objects and directories that one copy may make.
    MAX_COPY: usize = 10_000;
    /// References that one path may lead through.
    MAX_REFERENCES: usize = 16;
    /// Children that one `add` or one request for them may have.
    MAX_CHILDREN: usize = 1000;
    /// Objects on which one request may call a method, when they are named one by one or called in one transaction.
    MAX_CALLED: usize = 10_000;
    /// Class versions that one call says its caller trusts.
    MAX_TRUSTED: usize = 256;
    /// Objects and directories that one operation on a tree (chmod, chown, purge) may change.
    MAX_TREE: usize = 10_000;
    /// Members in a row that a listing passes over, because the caller may not see them or their names do not match.
    MAX_HIDDEN: usize = 100_000;
    /// Members of a directory that is listed in another order than that of the names.
    MAX_SORTED: usize = 20_000;
    /// Users, or groups, that a node knows.
    MAX_USERS: usize = 4096;
    /// Connections of one user, or from one address, by default.
    CONNECTIONS: u32 = 16_384;
    /// Requests a second of one user, or from one address, by default.
    REQUESTS_PER_SECOND: u32 = 1_000_000;
    /// Bytes a second that one user, or one address, may move by default.
    BYTES_PER_SECOND: u64 = 4 * 1024 * 1024 * 1024;
    /// Streams of one user, or to one address, at a time by default.
    STREAMS: u32 = 16_384;
    /// Tokens of one user, besides the one that was made with the user.
    MAX_TOKENS: usize = 256;
    /// Grants of the scope of one token.
    MAX_GRANTS: usize = 64;
    /// Bytes of the note of a token.
    MAX_NOTE: usize = 256;
    /// Groups that one user may be in.
    MAX_GROUPS: usize = 64;
    /// Bytes of the text of a search's function.
    MAX_LAMBDA: usize = 64 * 1024;
    /// Failures that a page of a search tells one by one.
    MAX_FAILURES: usize = 100;
    /// Groups of one search.
    MAX_SEARCH_GROUPS: usize = 10_000;
    /// Bytes of a text that is searched for.
    MAX_TEXT_QUERY: usize = 1024;
    /// Words of a text that is searched for.
    MAX_TEXT_WORDS: usize = 32;
    /// Indexes of one store.
    MAX_INDEXES: usize = 256;
    /// Times that a transaction is run again after a conflict.
    MAX_RETRIES: u32 = 64;
    /// Watches of one session, and parts of a pattern of paths.
    MAX_WATCHES: usize = 64;
    /// Watches that a node serves.
    MAX_NODE_WATCHES: usize = 4096;
    /// Milliseconds after which an open transaction expires by default.
    TRANSACTION_MS: u64 = 60_000;
    /// Milliseconds after which an open transaction may expire at most.
    MAX_TRANSACTION_MS: u64 = 3_600_000;
    /// Transactions that one user may hold open.
    MAX_USER_TRANSACTIONS: usize = 64;
    /// Transactions that a node holds open.
    MAX_TRANSACTIONS: usize = 1024;
    /// Operations that may wait for their turn in one transaction.
    MAX_TRANSACTION_QUEUE: usize = 4096;
    /// Bytes of memory that one open transaction may hold: what it has read and written.
    MAX_TRANSACTION_BYTES: usize = 32 * 1024 * 1024;
}
