//! One connection between a client and the node: which messages arrive, when, and how whole.

use crate::backend::SimBackend;
use crate::faults::Faults;
use emerge_node::Connection;
use fastrand::Rng;

/// A message on its way.
pub(crate) struct Arrival {
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
    /// The connection ends with this message.
    pub(crate) last: bool,
}

/// One direction of a connection.
#[derive(Default)]
pub(crate) struct Direction {
    /// No message arrives before this.
    earliest: u64,
    /// Messages vanish from now on.
    dead: bool,
}

impl Direction {
    /// When the last message that keeps its place arrives.
    pub(crate) fn last_arrival(&self) -> u64 {
        self.earliest
    }

    /// Decides what becomes of a message that is sent now. `ordered` connections neither double nor reorder.
    pub(crate) fn send(
        &mut self,
        bytes: Vec<u8>,
        now: u64,
        faults: &Faults,
        ordered: bool,
        rng: &mut Rng,
    ) -> Vec<Arrival> {
        let strikes = |chance: u32, rng: &mut Rng| rng.u32(0..1000) < chance;
        if self.dead {
            return Vec::new();
        }
        if strikes(faults.blackhole, rng) {
            self.dead = true;
            return Vec::new();
        }
        let at = self.earliest.max(now + rng.u64(1..=faults.delay));
        if strikes(faults.cut, rng) && !bytes.is_empty() {
            self.dead = true;
            let length = rng.usize(0..bytes.len());
            return vec![Arrival { at, bytes: bytes[..length].to_vec(), last: true }];
        }
        if strikes(faults.close, rng) {
            self.dead = true;
            return vec![Arrival { at, bytes, last: true }];
        }
        let mut arrivals = Vec::new();
        if !ordered && strikes(faults.duplicate, rng) {
            arrivals.push(Arrival {
                at: at + rng.u64(1..=faults.delay * 4),
                bytes: bytes.clone(),
                last: false,
            });
        }
        if !ordered && strikes(faults.reorder, rng) {
            // Later messages may arrive before this one.
            arrivals.push(Arrival { at: at + rng.u64(1..=faults.delay * 2), bytes, last: false });
        } else {
            self.earliest = at;
            arrivals.push(Arrival { at, bytes, last: false });
        }
        arrivals
    }
}

/// One connection.
pub(crate) struct Link {
    pub(crate) client: usize,
    /// Which life of the client made it.
    pub(crate) life: u64,
    /// The node's end; none once the node has closed it or died.
    pub(crate) node: Option<Connection<SimBackend>>,
    /// Whether the client's end is open.
    pub(crate) client_open: bool,
    pub(crate) up: Direction,
    pub(crate) down: Direction,
    /// The first message, the hello, is never doubled or overtaken: a transport begins with it.
    pub(crate) greeted: bool,
}
