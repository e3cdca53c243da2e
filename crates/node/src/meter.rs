//! How much one user, or one address, takes of the node: each has a meter, which all of its connections share.

use core::net::{IpAddr, Ipv6Addr};
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, Result, limits};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one user, or one address, may take. 0 is without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Connections at a time.
    pub connections: u32,
    /// Requests a second, and as many at once.
    pub requests: u32,
    /// Bytes a second, in either direction together, and as many at once.
    pub bytes: u64,
    /// Streams at a time: searches, listings, watches that are not at their end.
    pub streams: u32,
    /// Seconds a minute for which methods run, and as many at once. Of users alone.
    pub run: u32,
}

/// What a host allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowances {
    /// Each user.
    pub user: Allowance,
    /// Each address; the addresses of one IPv6 network (/64) count as one.
    pub address: Allowance,
}

impl Default for Allowances {
    fn default() -> Self {
        let allowance = Allowance {
            connections: limits::CONNECTIONS,
            requests: limits::REQUESTS_PER_SECOND,
            bytes: limits::BYTES_PER_SECOND,
            streams: limits::STREAMS,
            // How much a machine can compute only its operator knows.
            run: 0,
        };
        Self { user: allowance, address: allowance }
    }
}

/// The time in which so many are allowed, in microseconds.
const SECOND: i64 = 1_000_000;
/// That of running.
const MINUTE: i64 = 60 * SECOND;
/// A rate is counted in these parts of a microsecond, so that a million requests a second are still told apart.
const PARTS: i64 = 1024;

/// So many in a time.
type Rate = (u64, i64);

/// A rate, by the generic cell rate algorithm: the moment at which all that was taken would have been taken at an even pace.
#[derive(Debug, Default)]
struct Pace {
    even: i64,
}

impl Pace {
    /// Takes so many units of which so many are allowed in a time, if the units of less than that time are owed; else gives the microseconds after which it
    /// may be tried again. The last taker may owe more, so that what is large can be taken at all.
    fn take(&mut self, units: u64, (allowed, time): Rate, now: i64) -> Result<(), i64> {
        let owed = self.even.saturating_sub(now.saturating_mul(PARTS));
        let burst = time * PARTS;
        if owed >= burst {
            return Err((owed - burst) / PARTS + 1);
        }
        self.charge(units, (allowed, time), now);
        Ok(())
    }

    /// Takes so many units, whatever is owed.
    fn charge(&mut self, units: u64, (allowed, time): Rate, now: i64) {
        let now = now.saturating_mul(PARTS);
        let cost = u128::from(units) * (time * PARTS) as u128 / u128::from(allowed.max(1));
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        self.even = self.even.max(now).saturating_add(cost);
    }

    fn is_idle(&self, now: i64) -> bool {
        self.even <= now.saturating_mul(PARTS)
    }
}

#[derive(Debug, Default)]
struct Paces {
    requests: Pace,
    bytes: Pace,
    run: Pace,
    /// The latest time that was heard.
    latest: i64,
}

impl Paces {
    /// The time to count by. Connections hear of times in another order than these are in; a clock that was set back takes along what is owed.
    fn at(&mut self, now: i64) -> i64 {
        let back = self.latest.saturating_sub(now);
        if back > SECOND {
            for pace in [&mut self.requests, &mut self.bytes, &mut self.run] {
                pace.even = pace.even.saturating_sub(back.saturating_mul(PARTS));
            }
        } else if back > 0 {
            return self.latest;
        }
        self.latest = now;
        now
    }
}

/// The meter of one user or address.
#[derive(Debug)]
pub struct Meter {
    /// For people: `user "ada"`.
    whose: String,
    allowance: Allowance,
    connections: AtomicU32,
    streams: AtomicU32,
    paces: Mutex<Paces>,
}

/// A place among those that are counted; free again when it is dropped.
#[derive(Debug)]
pub struct Seat {
    meter: Arc<Meter>,
    of: fn(&Meter) -> &AtomicU32,
}

impl Drop for Seat {
    fn drop(&mut self) {
        (self.of)(&self.meter).fetch_sub(1, Ordering::AcqRel);
    }
}

impl Meter {
    fn new(whose: String, allowance: Allowance) -> Self {
        Self {
            whose,
            allowance,
            connections: AtomicU32::new(0),
            streams: AtomicU32::new(0),
            paces: Mutex::default(),
        }
    }

    /// A place for a connection.
    ///
    /// # Errors
    /// `limit_exceeded`, for the field `connections`.
    pub fn connection(self: &Arc<Self>) -> Result<Seat> {
        self.seat(|meter| &meter.connections, self.allowance.connections, "connections")
    }

    /// A place for a stream.
    ///
    /// # Errors
    /// `limit_exceeded`, for the field `streams`.
    pub fn stream(self: &Arc<Self>) -> Result<Seat> {
        self.seat(|meter| &meter.streams, self.allowance.streams, "streams")
    }

    fn seat(self: &Arc<Self>, of: fn(&Meter) -> &AtomicU32, limit: u32, what: &str) -> Result<Seat> {
        let taken = of(self).fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (limit == 0 || count < limit || !Guard::Limits.holds()).then_some(count.saturating_add(1))
        });
        match taken {
            Ok(_) => Ok(Seat { meter: self.clone(), of }),
            Err(_) => {
                let why = format!("{} has {limit} {what} already", self.whose);
                Err(excess(what, why, limit.into(), SEAT_RETRY_MS))
            }
        }
    }

    /// Takes a request.
    ///
    /// # Errors
    /// `limit_exceeded`, for the field `requests` or `bytes`.
    pub fn request(&self, now: i64) -> Result<()> {
        let Allowance { requests, bytes, .. } = self.allowance;
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let now = paces.at(now);
        if bytes > 0
            && let Err(wait) = paces.bytes.take(0, (bytes, SECOND), now)
        {
            let why = format!("{} moves more than {bytes} bytes a second", self.whose);
            return Err(excess("bytes", why, bytes, millis(wait)));
        }
        if requests > 0
            && let Err(wait) = paces.requests.take(1, (requests.into(), SECOND), now)
        {
            let why = format!("{} makes more than {requests} requests a second", self.whose);
            return Err(excess("requests", why, requests.into(), millis(wait)));
        }
        Ok(())
    }

    /// Counts bytes that came or went; who moves too many has its next requests refused.
    pub fn bytes(&self, count: usize, now: i64) {
        if self.allowance.bytes > 0 && count > 0 {
            let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
            let now = paces.at(now);
            paces.bytes.charge(count as u64, (self.allowance.bytes, SECOND), now);
        }
    }

    /// The rate of running, in microseconds.
    fn run_rate(&self) -> Rate {
        (u64::from(self.allowance.run) * SECOND as u64, MINUTE)
    }

    /// Whether a method may begin to run. The time of a call is that of its request, and may be long past: it never counts as that of a clock which was set back.
    ///
    /// # Errors
    /// `limit_exceeded`, for the field `run`.
    pub(crate) fn run(&self, now: i64) -> Result<()> {
        let limit = self.allowance.run;
        if limit == 0 || !Guard::Run.holds() {
            return Ok(());
        }
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let now = paces.latest.max(now);
        paces.latest = now;
        paces.run.take(0, self.run_rate(), now).map_err(|wait| {
            let why = format!("methods run more than {limit} seconds a minute for {}", self.whose);
            excess("run", why, limit.into(), millis(wait))
        })
    }

    /// Counts how long a method ran until now, which is the latest time that was heard; for whom they run too long the next are refused.
    pub(crate) fn ran(&self, time: Duration) {
        if self.allowance.run > 0 {
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
            let now = paces.latest;
            paces.run.charge(micros, self.run_rate(), now);
        }
    }

    fn is_idle(&self, now: i64) -> bool {
        let paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        [&paces.requests, &paces.bytes, &paces.run].iter().all(|pace| pace.is_idle(now))
    }
}

/// After how long a place among those that are taken may be free.
const SEAT_RETRY_MS: u64 = 1000;

fn millis(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0).div_ceil(1000)
}

fn excess(field: &str, why: String, limit: u64, retry_after_ms: u64) -> Error {
    Error::new(ErrorCode::LimitExceeded, why).field(field).limit(limit).retry_after(retry_after_ms)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    User(String),
    Address(IpAddr),
}

/// The meters of all users and addresses that have taken something lately.
#[derive(Debug)]
pub struct Meters {
    allowances: Allowances,
    all: Mutex<HashMap<Whose, Arc<Meter>>>,
}

/// Meters in memory; when there are more, those in no use go. Were all in use, what comes would share one.
const MAX_METERS: usize = 65_536;

impl Meters {
    /// None yet.
    pub fn new(allowances: Allowances) -> Self {
        Self { allowances, all: Mutex::default() }
    }

    /// A user's meter.
    pub fn user(&self, user: &str, now: i64) -> Arc<Meter> {
        self.meter(Whose::User(user.to_owned()), self.allowances.user, now)
    }

    /// The meter of an address.
    pub fn address(&self, address: IpAddr, now: i64) -> Arc<Meter> {
        self.meter(Whose::Address(network(address)), self.allowances.address, now)
    }

    fn meter(&self, whose: Whose, allowance: Allowance, now: i64) -> Arc<Meter> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&whose) {
            return known.clone();
        }
        if all.len() >= MAX_METERS {
            all.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.is_idle(now));
        }
        let whose = if all.len() < MAX_METERS { whose } else { Whose::Address(Ipv6Addr::UNSPECIFIED.into()) };
        let name = match &whose {
            Whose::User(user) => format!("user {user:?}"),
            Whose::Address(address) => format!("the address {address}"),
        };
        all.entry(whose).or_insert_with(|| Arc::new(Meter::new(name, allowance))).clone()
    }

    /// Forgets the meters that nobody uses, and that owe nothing.
    pub fn forget_idle(&self, now: i64) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.is_idle(now));
    }
}

/// Who has one address of an IPv6 network has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000_000;

    fn meter(allowance: Allowance) -> Arc<Meter> {
        Arc::new(Meter::new("user \"ada\"".into(), allowance))
    }

    fn after(error: &Error) -> u32 {
        error.retry_after_ms.unwrap().get()
    }

    const NONE: Allowance = Allowance { connections: 0, requests: 0, bytes: 0, streams: 0, run: 0 };

    #[test]
    fn a_burst_and_then_an_even_pace() {
        let meter = meter(Allowance { requests: 10, ..NONE });
        for _ in 0..10 {
            meter.request(NOW).unwrap();
        }
        let error = meter.request(NOW).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::LimitExceeded, Some("requests")));
        assert_eq!((error.limit, after(&error)), (Some(10), 1));
        // Each of the next is due a tenth of a second after the one before.
        let passed = |from: i64, to: i64| {
            (from..to).step_by(1000).filter(|at| meter.request(NOW + at).is_ok()).count()
        };
        assert_eq!(passed(1000, 1_001_000), 10);
        assert_eq!(passed(1_001_000, 2_001_000), 10);
        assert_eq!(passed(60_000_000, 60_001_000), 1);
        for _ in 0..9 {
            meter.request(NOW + 60_000_000).unwrap();
        }
        let wait = after(&meter.request(NOW + 60_000_000).unwrap_err());
        assert!(
            meter.request(NOW + 60_000_000 + i64::from(wait) * 1000).is_ok(),
            "after what it says it may be"
        );
    }

    #[test]
    fn what_is_large_is_taken_and_then_owed() {
        let meter = meter(Allowance { bytes: 1000, ..NONE });
        meter.bytes(5000, NOW);
        let error = meter.request(NOW).unwrap_err();
        assert_eq!((error.field.as_deref(), after(&error)), (Some("bytes"), 4001));
        assert!(meter.request(NOW + 3_900_000).is_err());
        assert!(meter.request(NOW + 4_001_000).is_ok());
    }

    #[test]
    fn methods_run_so_many_seconds_a_minute() {
        let meter = meter(Allowance { run: 6, ..NONE });
        let second = Duration::from_secs(1);
        for _ in 0..5 {
            meter.run(NOW).unwrap();
            meter.ran(second);
        }
        meter.run(NOW).unwrap();
        meter.ran(2 * second);
        let error = meter.run(NOW).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::LimitExceeded, Some("run")));
        // A second of running is ten of the clock.
        assert_eq!((error.limit, after(&error)), (Some(6), 10_001));
        assert!(meter.run(NOW + 9_900_000).is_err() && meter.run(NOW + 10_001_000).is_ok());
        assert!(meter.request(NOW + 10_001_000).is_ok(), "nothing else is refused");
        assert!(!meter.is_idle(NOW + MINUTE) && meter.is_idle(NOW + 2 * MINUTE));
    }

    #[test]
    fn what_a_call_began_long_ago_pays_back_nothing() {
        let meter = meter(Allowance { run: 6, requests: 10, ..NONE });
        let later = NOW + 5 * SECOND;
        meter.run(NOW).unwrap();
        meter.request(later).unwrap();
        meter.run(later).unwrap();
        meter.ran(Duration::from_secs(7));
        // One that began before goes on, and calls another method.
        meter.ran(Duration::from_millis(1));
        assert!(meter.run(NOW).is_err());
        let passed = (0..20).filter(|_| meter.request(later).is_ok()).count();
        assert_eq!(passed, 9, "what was taken of requests is owed too");
        assert!(meter.run(later + 9 * SECOND).is_err(), "all of it is owed still");
    }

    #[test]
    fn a_clock_that_is_set_back_refuses_nobody() {
        let meter = meter(Allowance { requests: 10, bytes: 1000, ..NONE });
        meter.request(NOW).unwrap();
        meter.bytes(10, NOW);
        let earlier = NOW - 3600 * SECOND;
        let passed = |at: i64| (0..20).filter(|_| meter.request(at).is_ok()).count();
        assert_eq!(passed(earlier), 9, "what was taken is still owed");
        assert_eq!(passed(earlier + SECOND), 10);
        // Times that come a little out of order give nothing.
        assert_eq!((passed(earlier), passed(earlier + SECOND)), (0, 0));
    }

    #[test]
    fn places_are_free_again() {
        let meter = meter(Allowance { connections: 2, streams: 1, ..NONE });
        let (one, two) = (meter.connection().unwrap(), meter.connection().unwrap());
        let error = meter.connection().unwrap_err();
        assert_eq!((error.field.as_deref(), error.limit), (Some("connections"), Some(2)));
        assert!(error.retry_after_ms.is_some());
        drop(one);
        let three = meter.connection().unwrap();
        drop((two, three));
        assert_eq!(meter.connections.load(Ordering::Acquire), 0);
        let stream = meter.stream().unwrap();
        assert_eq!(meter.stream().unwrap_err().field.as_deref(), Some("streams"));
        drop(stream);
    }

    #[test]
    fn a_network_is_one_and_idle_meters_go() {
        let meters = Meters::new(Allowances::default());
        let of = |text: &str| meters.address(text.parse().unwrap(), NOW);
        assert!(Arc::ptr_eq(&of("2001:db8::1"), &of("2001:db8::ffff:2")));
        assert!(!Arc::ptr_eq(&of("2001:db8::1"), &of("2001:db8:0:1::1")));
        assert!(Arc::ptr_eq(&of("::ffff:10.0.0.1"), &of("10.0.0.1")));
        assert!(!Arc::ptr_eq(&of("10.0.0.2"), &of("10.0.0.1")));
        let used = meters.user("ada", NOW);
        meters.user("bob", NOW).request(NOW).unwrap();
        meters.forget_idle(NOW);
        assert_eq!(meters.all.lock().unwrap().len(), 2, "one is in use, one owes");
        meters.forget_idle(NOW + SECOND);
        assert_eq!(meters.all.lock().unwrap().len(), 1);
        drop(used);
        meters.forget_idle(NOW);
        assert!(meters.all.lock().unwrap().is_empty());
    }
}
