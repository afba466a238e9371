//! A token bucket in whole numbers: so many calls a second, and so many at once.

use crate::contract::{Nanos, SECOND};

/// Admits `per_s` calls a second on average and at most one second's worth at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    per_s: u64,
    /// Tokens in units of a billionth: `per_s` of them flow in every nanosecond.
    level: u64,
    filled_at: Nanos,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(per_s: u32, now: Nanos) -> Self {
        let per_s = u64::from(per_s);
        Self { per_s, level: per_s * SECOND, filled_at: now }
    }

    /// Whether a call at `now` is admitted.
    pub fn admit(&mut self, now: Nanos) -> bool {
        let full = self.per_s * SECOND;
        let inflow = now.saturating_sub(self.filled_at).saturating_mul(self.per_s);
        self.level = self.level.saturating_add(inflow).min(full);
        self.filled_at = self.filled_at.max(now);
        let admitted = self.level >= SECOND;
        if admitted {
            self.level -= SECOND;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::MS;

    #[test]
    fn a_second_of_calls_at_once_and_then_one_each_interval() {
        let mut bucket = TokenBucket::new(10, 0);
        assert_eq!((0..20).filter(|_| bucket.admit(0)).count(), 10);
        // 10 a second is one each 100 ms.
        assert!(!bucket.admit(99 * MS));
        assert!(bucket.admit(100 * MS));
        // 1.9 s later it is full again, not fuller: 10.
        assert_eq!((0..30).filter(|_| bucket.admit(2 * SECOND)).count(), 10);
    }
}
