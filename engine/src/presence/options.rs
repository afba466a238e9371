//! The numbers of presence, and what it counts.

/// How presence works: the properties of a key, as platform.md 2.5 names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceOptions {
    /// Occupancy above which a channel says every so often what changed, instead of each change at once [users]
    /// (`presence_announce_max`, 20).
    pub announce_max: u32,
    /// Between two interval events of a channel [s], at least 1 (`presence_interval`; 10 s recorded, other keys have 30).
    pub interval_s: u32,
    /// Whether interval events say who joined, left and timed out (`presence_deltas`; on in the recordings).
    pub deltas: bool,
    /// An interval event longer than this [bytes] leaves the lists out and says `here_now_refresh` instead (about 30 KB,
    /// the platform's presence events page; messages end at 32 KiB, platform.md 2.7).
    pub deltas_bytes_max: usize,
    /// How long the announcement of a leave waits for the user to come back [s]; 0: not at all (`presence_debounce`, 2 s).
    pub debounce_s: u32,
    /// How old an answer to here-now may be [s]; 0: never old (platform.md 2.5, 3 s).
    pub here_now_cache_s: u32,
    /// Most users of a channel in one answer to here-now [users], also when nothing is said (platform.md 2.5, 1,000).
    pub here_now_limit: u32,
    /// The shortest presence timeout [s]; shorter ones are taken as this (platform.md 2.5: client libraries do so at 20).
    pub timeout_min_s: u32,
    /// The longest presence timeout [s]; longer ones are taken as this (platform.md 2.5, 320).
    pub timeout_max_s: u32,
    /// For the dice of misbehaviour.
    pub seed: u64,
}

impl PresenceOptions {
    /// The platform's own numbers.
    pub fn of(seed: u64) -> Self {
        Self {
            announce_max: 20,
            interval_s: 10,
            deltas: true,
            deltas_bytes_max: 30_000,
            debounce_s: 2,
            here_now_cache_s: 3,
            here_now_limit: 1_000,
            timeout_min_s: 20,
            timeout_max_s: 320,
            seed,
        }
    }
}

/// What presence has been told and asked, and what it said. A join, leave or timeout is of one user on one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceCounts {
    /// Subscribes that took effect [calls].
    pub subscribes: u64,
    /// Heartbeats that took effect [calls].
    pub heartbeats: u64,
    /// Arrivals, announced or not.
    pub joins: u64,
    /// Departures by the user's own word, announced or not.
    pub leaves: u64,
    /// Departures for want of heartbeats, announced or not.
    pub timeouts: u64,
    /// Leaves taken back by a return within the debounce: neither of the two was announced.
    pub debounced: u64,
    /// States set that differ from what was there, announced or not.
    pub state_changes: u64,
    /// Events of a single join, leave, timeout or change of state.
    pub announce_events: u64,
    /// Events of all that changed in an interval.
    pub interval_events: u64,
    /// Of those, the ones too long for their lists.
    pub refreshes: u64,
    /// Channels that here-now was asked about.
    pub here_now: u64,
    /// Of those, the ones answered from the cache.
    pub here_now_cached: u64,
    /// Where-now calls.
    pub where_now: u64,
    /// Calls refused for what they say.
    pub refused: u64,
    /// Calls refused as too many, by a full queue or misbehaviour.
    pub throttled: u64,
    /// Calls answered 503, with or without effect.
    pub failed: u64,
    /// Calls that took effect and got no answer that they should have had.
    pub unanswered: u64,
}
