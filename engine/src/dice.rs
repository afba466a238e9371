//! Dice for faults that a node plays itself: a counter-based hash, so that the same operation of the same node
//! always meets the same fate, whatever else the world does.

use std::sync::Arc;

use crate::message::Misbehaviour;

/// What an HTTP service answers: status and body.
pub type HttpReply = (u16, Arc<str>);

/// The odd number nearest to 2^64 divided by the golden ratio: the step of splitmix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of splitmix64: every input bit moves about half of the output bits.
pub const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The `counter`-th draw of the dice with this seed: 64 bits, no state.
pub const fn draw(seed: u64, counter: u64) -> u64 {
    mix(seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(STEP)))
}

/// A draw scaled to 0 .. `bound` (exclusive), by multiplication, so without the bias of a remainder.
pub const fn below(bound: u64, draw: u64) -> u64 {
    ((draw as u128 * bound as u128) >> 64) as u64
}

/// What becomes of one call at a misbehaving node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is served.
    Served,
    /// It is answered with the node's own error and has no effect.
    Error,
    /// It takes effect and is answered with an error.
    ErrorAfterEffect,
    /// It takes effect and is never answered.
    SilentAfterEffect,
    /// It is refused as one too many and has no effect.
    Throttled,
}

impl Fate {
    /// Whether the call does what it says.
    pub const fn takes_effect(self) -> bool {
        matches!(self, Self::Served | Self::ErrorAfterEffect | Self::SilentAfterEffect)
    }

    /// What an HTTP service of the customer's answers to a call with this fate, if it answers: `serve` is the call's effect.
    pub fn over_http(self, serve: impl FnOnce() -> HttpReply) -> HttpReply {
        let unavailable = || (500, "{\"error\":\"unavailable\"}".into());
        match self {
            Self::Error => unavailable(),
            Self::Throttled => too_many_requests(),
            Self::Served | Self::SilentAfterEffect => serve(),
            Self::ErrorAfterEffect => {
                serve();
                unavailable()
            }
        }
    }
}

/// What an HTTP service of the customer's answers to a call that is one too many.
pub fn too_many_requests() -> HttpReply {
    (429, "{\"error\":\"too_many_requests\"}".into())
}

/// A node's standing orders to misbehave, and the dice for them.
///
/// One draw per call, whether or not any fault is on: raising one rate never changes which calls another one hits
/// in a later run of the same seed.
#[derive(Clone, Debug)]
pub struct Mischief {
    orders: Misbehaviour,
    seed: u64,
    calls: u64,
}

impl Mischief {
    /// No misbehaviour yet; `seed` should differ from node to node.
    pub fn new(seed: u64) -> Self {
        Self { orders: Misbehaviour::default(), seed, calls: 0 }
    }

    /// From now on behave thus.
    pub fn set(&mut self, orders: Misbehaviour) {
        self.orders = orders;
    }

    /// How long every answer is held back.
    pub fn delay(&self) -> crate::contract::Nanos {
        self.orders.delay
    }

    /// The fate of the next call. Rates that add up to more than a million leave nothing to the later ones.
    pub fn fate(&mut self) -> Fate {
        let mut roll = below(1_000_000, draw(self.seed, self.calls)) as u32;
        self.calls += 1;
        for (ppm, fate) in [
            (self.orders.error_ppm, Fate::Error),
            (self.orders.error_after_effect_ppm, Fate::ErrorAfterEffect),
            (self.orders.silent_after_effect_ppm, Fate::SilentAfterEffect),
            (self.orders.throttle_ppm, Fate::Throttled),
        ] {
            if roll < ppm {
                return fate;
            }
            roll -= ppm;
        }
        Fate::Served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_counter_give_the_same_draw_and_neighbours_differ() {
        // The first outputs of splitmix64 seeded with 0, as its author's reference prints them.
        assert_eq!(draw(0, 0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(draw(0, 1), 0x6E78_9E6A_A1B9_65F4);
        assert_ne!(draw(1, 0), draw(0, 0));
    }

    #[test]
    fn each_rate_is_met_and_they_do_not_overlap() {
        // 10 %, 20 %, 30 %, 15 % of 100,000 calls; the standard deviation of the largest is sqrt(1e5*.3*.7) = 145,
        // so 1,000 is almost seven of them.
        let mut mischief = Mischief::new(7);
        mischief.set(Misbehaviour {
            error_ppm: 100_000,
            error_after_effect_ppm: 200_000,
            silent_after_effect_ppm: 300_000,
            throttle_ppm: 150_000,
            delay: 0,
        });
        let mut seen = [0i64; 5];
        for _ in 0..100_000 {
            seen[mischief.fate() as usize] += 1;
        }
        for (got, wanted) in seen.iter().zip([25_000, 10_000, 20_000, 30_000, 15_000]) {
            assert!((got - wanted).abs() < 1_000, "{seen:?}");
        }
    }

    #[test]
    fn an_obedient_node_serves_everything() {
        let mut mischief = Mischief::new(3);
        assert!((0..10_000).all(|_| mischief.fate() == Fate::Served));
    }
}
