//! Windows of time by the clocks of nodes, which are not the world's clock.

use std::ops::RangeInclusive;

use headcount_engine::contract::{Nanos, SECOND};
use headcount_engine::timetoken::unix_ms;

/// Two nodes that date the same may be so far apart: each clock is off by up to 5 s, and in between a Function may run, a publish
/// be tried or a broker pause. What happens this near to an edge may be on either side of it.
pub const NEAR_AN_EDGE: Nanos = 12 * SECOND;

/// Every window of so many milliseconds that what happened from one moment to another, by the world's clock, can belong to.
pub fn windows(from: Nanos, to: Nanos, window_ms: u64) -> RangeInclusive<u64> {
    let window = |at: Nanos| unix_ms(at) / window_ms;
    window(from.saturating_sub(NEAR_AN_EDGE))..=window(to + NEAR_AN_EDGE)
}

/// The window of what happened at this moment; near an edge it may belong to either, and is held against neither.
pub fn window_of(at: Nanos, window_ms: u64) -> Option<u64> {
    let windows = windows(at, at, window_ms);
    (windows.start() == windows.end()).then_some(*windows.start())
}
