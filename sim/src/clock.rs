//! A node's own clock: an offset and a drift against true time, set by a fault. A running node never sees its clock go
//! back: after a step backwards it stands still until true time has caught up.

use crate::contract::{NEVER, Nanos};

const MILLION: i128 = 1_000_000;

/// The clock of one node.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// True while the clock shows true time and always has: the common case, which costs nothing.
    exact: bool,
    offset_ns: i64,
    drift_ppm: i32,
    /// Since when the drift counts, true time.
    since: Nanos,
    /// The latest time shown; not kept up while `exact`.
    shown: Nanos,
}

impl Clock {
    pub fn new() -> Self {
        Self { exact: true, offset_ns: 0, drift_ppm: 0, since: 0, shown: 0 }
    }

    /// From true time `now` on it is off by `offset_ns` and gains `drift_ppm` microseconds a second (above -1,000,000).
    pub fn set(&mut self, now: Nanos, offset_ns: i64, drift_ppm: i32) {
        // What was shown until now may not be taken back.
        let shown = self.show(now);
        let exact = offset_ns == 0 && drift_ppm == 0 && shown <= now;
        *self = Self { exact, offset_ns, drift_ppm, since: now, shown };
    }

    /// The process is new: it has seen no time yet.
    pub fn forget(&mut self) {
        self.shown = 0;
    }

    fn reading(&self, now: Nanos) -> Nanos {
        let elapsed = i128::from(now) - i128::from(self.since);
        let reading = i128::from(now) + i128::from(self.offset_ns) + elapsed * i128::from(self.drift_ppm) / MILLION;
        reading.clamp(0, i128::from(NEVER - 1)) as Nanos
    }

    /// What the node sees at true time `now`.
    #[inline]
    pub fn show(&mut self, now: Nanos) -> Nanos {
        if self.exact {
            return now;
        }
        self.show_off(now)
    }

    fn show_off(&mut self, now: Nanos) -> Nanos {
        self.shown = self.shown.max(self.reading(now));
        self.shown
    }

    /// The first true time, from `now` on, at which the node sees `local` or later.
    #[inline]
    pub fn when(&self, now: Nanos, local: Nanos) -> Nanos {
        if self.exact { local.max(now) } else { self.when_off(now, local) }
    }

    fn when_off(&self, now: Nanos, local: Nanos) -> Nanos {
        if self.shown >= local || self.reading(now) >= local {
            return now;
        }
        // From reading(t) = t + offset + (t - since) * drift: t - since = (local - offset - since) / (1 + drift), and then
        // at most a few steps for what the divisions cut off.
        let ahead = i128::from(local) - i128::from(self.offset_ns) - i128::from(self.since);
        let rate = MILLION + i128::from(self.drift_ppm);
        let guess = i128::from(self.since) + ahead * MILLION / rate;
        let mut at = guess.clamp(i128::from(now), i128::from(NEVER - 1)) as Nanos;
        while at > now && self.reading(at - 1) >= local {
            at -= 1;
        }
        while at < NEVER - 1 && self.reading(at) < local {
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;

    /// For random offsets and drifts: `when` gives the first time that shows it, neither earlier nor later.
    #[test]
    fn the_time_of_a_local_time_is_the_first_that_shows_it() {
        let mut stream = Stream::new(1, "clock", 0);
        for _ in 0..2_000 {
            let (set, now) = (stream.below(1 << 40), 1 << 41);
            let mut clock = Clock::new();
            let offset = stream.below(1 << 36) as i64 - (1 << 35);
            let drift = stream.below(1_800_000) as i32 - 900_000;
            clock.set(set, offset, drift);
            let local = clock.show(now) + 1 + stream.below(1 << 40);
            let at = clock.when(now, local);
            assert!(clock.reading(at) >= local && clock.reading(at - 1) < local, "{clock:?} {local} {at}");
        }
    }

    #[test]
    fn a_clock_never_goes_back_and_is_exact_again_once_it_may() {
        let mut clock = Clock::new();
        clock.set(100, 50, 0);
        assert_eq!(clock.show(100), 150);
        clock.set(110, 0, 0);
        assert_eq!((clock.show(110), clock.show(159), clock.show(161)), (160, 160, 161));
        clock.set(200, 0, 0);
        assert!(clock.exact);
        assert_eq!((clock.when(200, 150), clock.when(200, 250)), (200, 250));
    }
}
