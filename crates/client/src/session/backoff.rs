//! Exponential backoff with full jitter.

/// How long to wait before the next attempt to connect.
pub(crate) struct Backoff {
    base: u64,
    cap: u64,
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(base: u64, cap: u64, seed: u64) -> Self {
        Self { base: base.max(1), cap: cap.max(1), failures: 0, random: seed }
    }

    /// Counts a failure; the answer is uniform between 1 and the bound, which doubles with each failure.
    pub(crate) fn next(&mut self) -> u64 {
        let bound = self.base.saturating_mul(1 << self.failures.min(32)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        1 + self.random() % bound
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// SplitMix64: the jitter needs spread, not secrecy.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap_and_starts_again() {
        let mut backoff = Backoff::new(100, 5_000, 7);
        for failures in 0..100u32 {
            let bound = 100u64.saturating_mul(1 << failures.min(32)).min(5_000);
            let wait = backoff.next();
            assert!((1..=bound).contains(&wait), "{wait} is outside 1..={bound}");
        }
        backoff.reset();
        assert!(backoff.next() <= 100);
    }

    #[test]
    fn spreads_over_the_whole_range() {
        let waits: Vec<u64> = (0..1000).map(|seed| Backoff::new(1000, 1000, seed).next()).collect();
        assert!(waits.iter().any(|wait| *wait < 50) && waits.iter().any(|wait| *wait > 950));
    }
}
