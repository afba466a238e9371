//! What every client does, whoever its user is: how long it waits, when it tries again, what it makes of its edge's word,
//! and how long its last mile takes.

use std::sync::Arc;

use headcount_engine::contract::{KEEPALIVE_PATIENCE, MS, Nanos, SECOND};
use headcount_engine::message::{ApiOk, Envelope, Msg};
use headcount_engine::timetoken::Timetoken;
use headcount_sim::Sampler;

use crate::scenario::Links;

/// Calls are given up after this long: the platform's clients wait 10 to 15 s (platform.md 2.4).
pub const CALL_PATIENCE: Nanos = 10 * SECOND;
/// A message lost on the last mile is sent again by TCP after this long.
pub const RETRANSMIT: Nanos = 200 * MS;
/// The first wait before a reconnect is up to this long; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Nanos = SECOND;
const BACKOFF_MAX: Nanos = 8 * SECOND;

/// In a client's byte: the bits that say which edge it is connected to; all of them set: none.
pub const AWAY: u8 = 0x7f;
/// In a client's byte: the bit that says wifi, not cellular.
pub const WIFI: u8 = 0x80;
/// Equally likely latencies of a last mile: two for each cell of a latency sampler.
pub const LEGS: usize = 4_096;

/// How long to wait before trying again after so many failures: up to twice as long after each, and anywhere in it, so
/// that those who lost their connection together do not come back together.
pub fn backoff(failures: u8, bits: u64) -> Nanos {
    50 * MS + bits % (BACKOFF_FIRST << failures.min(3)).min(BACKOFF_MAX)
}

/// The same without the dice: everybody waits for the longest time there is after so many failures, and those who lost their
/// connection together come back together.
fn backoff_in_step(failures: u8) -> Nanos {
    50 * MS + (BACKOFF_FIRST << failures.min(3)).min(BACKOFF_MAX)
}

/// One of the two: every client waits for a time of its own, or all for the same.
pub fn wait(jitter: bool, failures: u8, bits: u64) -> Nanos {
    if jitter { backoff(failures, bits) } else { backoff_in_step(failures) }
}

/// One way over a last mile. 1 message in 1,024 is lost on the air and sent again: those whose low bits, which hardly move
/// the sample, are all 0.
pub fn last_mile(sampler: &Sampler, bits: u64) -> Nanos {
    sampler.sample(bits) + if bits.trailing_zeros() >= 10 { RETRANSMIT } else { 0 }
}

/// The last miles of both kinds.
#[derive(Clone, Debug)]
pub struct LastMiles {
    wifi: Sampler,
    cellular: Sampler,
    legs_ns: Arc<[Vec<Nanos>; 2]>,
}

impl LastMiles {
    /// As a scenario has them.
    pub fn of(links: &Links) -> Self {
        let (wifi, cellular) = (links.wifi.sampler(), links.cellular.sampler());
        let legs = |sampler: &Sampler| {
            let middle = |leg: u64| sampler.sample(leg << (64 - LEGS.ilog2()) | 1 << (63 - LEGS.ilog2()));
            (0..LEGS as u64).map(middle).collect()
        };
        Self { legs_ns: Arc::new([legs(&cellular), legs(&wifi)]), wifi, cellular }
    }

    /// One way over wifi or a cellular network.
    pub fn draw(&self, wifi: bool, bits: u64) -> Nanos {
        last_mile(if wifi { &self.wifi } else { &self.cellular }, bits)
    }

    /// [`LEGS`] equally likely latencies over a cellular network and over wifi [ns], the shortest first; nothing is lost.
    pub fn legs_ns(&self) -> &[Vec<Nanos>; 2] {
        &self.legs_ns
    }

    /// Round trips that polls of a crowd take, equally likely: as many are on wifi as say the parts in a million.
    pub fn round_trips(&self, wifi_ppm: u32) -> Arc<[Nanos]> {
        const MANY: u32 = 64;
        let wifi = (u64::from(wifi_ppm) * u64::from(MANY)).div_ceil(1_000_000) as u32;
        // Both kinds evenly over their distributions: up at one place, down at another.
        let trip = |n: u32| {
            let (of, place) = if n < wifi { (wifi, n) } else { (MANY - wifi, n - wifi) };
            let bits = |place: u32| ((u64::from(place) << 32 | 1 << 31) / u64::from(of)) << 32;
            self.draw(n < wifi, bits(place) | 1) + self.draw(n < wifi, bits((place * 37 + 11) % of) | 1)
        };
        (0..MANY).map(trip).collect()
    }
}

/// Where a user's connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Has not come yet, has gone, or has no network.
    Absent,
    LoggingIn,
    Subscribing,
    Connected,
    /// Waits before it tries again.
    BackingOff,
}

impl Connection {
    /// Whether a login or a subscribe waits for its answer.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::LoggingIn | Self::Subscribing)
    }
}

/// What a client makes of the answer to its subscribe.
#[derive(Debug)]
pub enum Subscribed {
    /// It is connected, and caught up so far.
    There { cursor: Timetoken, messages: Vec<Arc<Envelope>>, missed: u32 },
    /// The token is no good.
    TokenRefused,
    /// It is not: for any other reason, or since the connection is of an epoch that is over, gone before it came.
    NotThere,
}

impl Subscribed {
    /// Reads the answer of an edge that announced this epoch.
    pub fn of(msg: Msg, announced: u64) -> Self {
        match msg {
            Msg::Answer { result: Ok(ApiOk::Subscribed { cursor, messages, missed, epoch }), .. }
                if epoch >= announced =>
            {
                Self::There { cursor, messages, missed }
            }
            Msg::Answer { result: Err(error), .. } if error.status == 403 => Self::TokenRefused,
            _ => Self::NotThere,
        }
    }
}

/// How long a client of this presence timeout waits from one heartbeat to the next: `timeout / 2 - 1`, as every client
/// library has it (platform.md 2.5).
pub fn heartbeat_interval(timeout_s: u32) -> Nanos {
    Nanos::from(timeout_s / 2 - 1) * SECOND
}

/// What clients know of an edge by its keepalives.
#[derive(Clone, Copy, Debug, Default)]
pub struct EdgeLife {
    epoch: Option<u64>,
    heard: Nanos,
}

impl EdgeLife {
    /// An edge known from the beginning.
    pub fn known(epoch: u64) -> Self {
        Self { epoch: Some(epoch), heard: 0 }
    }

    /// The epoch that it announced; 0: none so far.
    pub fn announced(&self) -> u64 {
        self.epoch.unwrap_or(0)
    }

    /// The edge says that it lives; whether the connections to it are lost: it has a new epoch, or was silent for too long.
    pub fn hear(&mut self, now: Nanos, epoch: u64) -> bool {
        let lost = self.epoch.is_some_and(|known| known != epoch) || self.is_silent(now);
        self.epoch = Some(epoch);
        self.heard = now;
        lost
    }

    /// Whether it has been silent for too long.
    pub fn is_silent(&self, now: Nanos) -> bool {
        now > self.heard + KEEPALIVE_PATIENCE
    }
}

/// The entry of the second of `at`, made if it is not there yet.
pub fn second<T: Clone + Default>(seconds: &mut Vec<T>, at: Nanos) -> &mut T {
    let second = (at / SECOND) as usize;
    if second >= seconds.len() {
        seconds.resize(second + 1, T::default());
    }
    &mut seconds[second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_doubles_to_eight_seconds() {
        // The most of each: 50 ms and just under 1, 2, 4, 8, 8 s.
        let most = |failures| (0..9_999).map(|n| backoff(failures, n * 1_000_003)).max().unwrap();
        for (failures, seconds) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 8), (u8::MAX, 8)] {
            assert!((seconds * 990 * MS..seconds * SECOND + 50 * MS).contains(&most(failures)), "{failures}");
            assert_eq!(backoff(failures, 0), 50 * MS);
            assert_eq!(backoff_in_step(failures), seconds * SECOND + 50 * MS);
        }
    }

    /// Two ways of 12 ms on wifi and of 40 ms on cellular in the mean: 24 and 80 ms, and some take far longer.
    #[test]
    fn round_trips_are_two_last_miles() {
        let miles = LastMiles::of(&Links::presets());
        for (wifi_ppm, mean_ms) in [(1_000_000, 24), (0, 80), (500_000, 52)] {
            let trips = miles.round_trips(wifi_ppm);
            let mean = trips.iter().sum::<u64>() / trips.len() as u64;
            assert!((mean_ms * 9 / 10 * MS..=mean_ms * 11 / 10 * MS).contains(&mean), "{wifi_ppm}: {mean}");
        }
        assert!(miles.round_trips(0).iter().max() > Some(&(200 * MS)));
    }

    #[test]
    fn an_edge_is_lost_when_it_starts_anew_or_is_silent() {
        let mut edge = EdgeLife::default();
        assert!(!edge.hear(SECOND, 1) && !edge.hear(SECOND + KEEPALIVE_PATIENCE, 1));
        assert!(edge.hear(2 * SECOND + KEEPALIVE_PATIENCE, 2), "a new epoch");
        let late = 3 * SECOND + 2 * KEEPALIVE_PATIENCE;
        assert!(edge.is_silent(late) && edge.hear(late, 2) && !edge.is_silent(late));
    }
}
