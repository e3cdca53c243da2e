//! What goes wrong in a run, drawn from its seed.

use fastrand::Rng;

/// How often each fault strikes: chances in a thousand, for each message or each step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// A message vanishes, and with it everything later on this connection; nobody is told.
    pub(crate) blackhole: u32,
    /// A message arrives up to a random byte, and the connection ends.
    pub(crate) cut: u32,
    /// The connection ends between two messages.
    pub(crate) close: u32,
    /// A message arrives again later.
    pub(crate) duplicate: u32,
    /// A message is overtaken by later ones.
    pub(crate) reorder: u32,
    /// A message of a connection that has ended arrives all the same, after the next connection began.
    pub(crate) late: u32,
    /// The node is killed.
    pub(crate) node_crash: u32,
    /// A client is killed, with all that it knew.
    pub(crate) client_crash: u32,
    /// Microseconds that a message takes at most.
    pub(crate) delay: u64,
    /// Microseconds that a commit takes at most.
    pub(crate) commit_delay: u64,
}

impl Faults {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        // A fault is absent in many runs, so that the others are seen without it.
        let mut chance = |limit: u32| if rng.bool() { rng.u32(0..=limit) } else { 0 };
        Self {
            blackhole: chance(20),
            cut: chance(40),
            close: chance(40),
            duplicate: chance(200),
            reorder: chance(200),
            late: chance(300),
            node_crash: chance(25),
            client_crash: chance(6),
            delay: 100 + u64::from(chance(200_000)),
            commit_delay: 100 + u64::from(chance(100_000)),
        }
    }
}

/// Deliberate defects.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(
    not(feature = "mutations"),
    allow(dead_code, reason = "no build without the feature can switch one on")
)]
pub(crate) struct Defects {
    pub(crate) acknowledge_before_commit: bool,
    pub(crate) outcome_in_another_commit: bool,
    pub(crate) reads_not_validated: bool,
    pub(crate) watch_gap: bool,
    pub(crate) resend_forgets_sequence: bool,
    pub(crate) cursor_off_by_one: bool,
    pub(crate) cut_message_accepted: bool,
    pub(crate) forget_listed_ranges: bool,
    pub(crate) stale_index: bool,
}
