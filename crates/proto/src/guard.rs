//! What holds attacks off, by name. In a build with the feature `guards-off`, which no program is shipped from, each guard can be taken away, so that the suite of attacks
//! (`cargo xtask attacks --guards-off`) shows that it is this guard which holds its attacks off. In every other build a guard is a constant.

macro_rules! guards {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// One guard.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Guard {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Guard {
            /// All of them, with what each does.
            pub const ALL: &[(Guard, &str)] = &[$((Guard::$name, concat!($($doc),+))),*];
        }
    };
}

guards! {
    /// A call is stopped at its deadline.
    Deadline,
    /// Of the calls that run, one user has a part.
    Share,
    /// A call gets no more memory than its limit.
    Memory,
    /// A log ends at its limit.
    Log,
    /// A result, and what a method leaves of its object, end at a limit.
    Result,
    /// The memory of an instance is put back after a call.
    Reset,
    /// An instance serves one user.
    Users,
    /// A process of native Python has no more of the machine than it needs.
    Confined,
    /// A module imports what it may, and nothing else.
    Imports,
    /// Calls within calls end at a depth.
    Depth,
    /// What is done to an object needs the right to it.
    Rights,
    /// What a method does needs the rights of all who answer for its code.
    Parties,
    /// What is the administrator's is nobody else's.
    Admin,
    /// A token is for no more than its scope.
    Scope,
    /// A token ends.
    End,
    /// One address has so many connections.
    Limits,
    /// Who may not read a class hears nothing of its source.
    Source,
    /// A request names one of the node's own hosts.
    Host,
    /// A page comes from an origin that is allowed.
    Origin,
    /// Whoever asks has a token.
    Token,
    /// A message over the limit is not read.
    Message,
    /// A body over the limit is not read.
    Body,
    /// A connection that does not say what it wants is closed.
    Slow,
    /// A user stores no more than the quota.
    Quota,
    /// A user's methods run so long a minute.
    Run,
    /// Trust is of one version of a class, and no method says it.
    Trust,
    /// Who marks an object to run with its owner's rights is its owner, and what others make of it is not marked.
    Mark,
    /// A provider's token is signed by one of its keys.
    Signature,
    /// A provider's token is of that provider.
    Issuer,
    /// A provider's token is for this node.
    Audience,
    /// Each answer tells a browser what its page may do.
    Policy,
}

#[cfg(not(feature = "guards-off"))]
impl Guard {
    /// Whether the guard is there.
    #[inline(always)]
    pub const fn holds(self) -> bool {
        true
    }
}

#[cfg(feature = "guards-off")]
impl Guard {
    /// Whether the guard is there.
    pub fn holds(self) -> bool {
        AWAY.load(Ordering::Relaxed) & (1 << self as u64) == 0
    }

    /// Takes the guard away from all of this program, or puts it back.
    pub fn set(self, holds: bool) {
        let bit = 1 << self as u64;
        if holds {
            AWAY.fetch_and(!bit, Ordering::Relaxed);
        } else {
            AWAY.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "guards-off")]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "guards-off")]
static AWAY: AtomicU64 = AtomicU64::new(0);

/// Whether this build has all guards for good. A program that is shipped asserts it.
pub const GUARDED: bool = cfg!(not(feature = "guards-off"));
