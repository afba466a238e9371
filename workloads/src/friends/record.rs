//! What users of one region saw and did: everything that the oracles judge by.

use std::collections::BTreeMap;

use headcount_engine::contract::Nanos;

use crate::client::second;
use crate::crowd::record::Evidence;

/// A status that came to one user: who is on or off line, and when it was on the screen. Noted in small worlds only
/// ([`super::NOTED_USERS_MAX`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub of: u32,
    pub viewer: u32,
    pub online: bool,
    /// The number in the event's id.
    pub stamp: u64,
    /// The publisher's timetoken, as a moment.
    pub published: Nanos,
    pub shown: Nanos,
    /// Whether the screen changed.
    pub news: bool,
}

/// A status as one region first heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish {
    pub of: u32,
    pub online: bool,
    /// The number in the event's id.
    pub stamp: u64,
    /// The publisher's timetoken, as a moment.
    pub published: Nanos,
}

/// A status that came to friends at one edge, and changed some screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub of: u32,
    pub online: bool,
    /// At the last mile's beginning.
    pub at: Nanos,
    /// The way there from the publisher's timetoken [us].
    pub way_us: u32,
    /// Screens that said something else before.
    pub news: u32,
}

/// An online count that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub at: Nanos,
    pub online: u64,
    pub shards: u32,
}

/// What one friend looks like on a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub online: bool,
    /// The number of the change that made it so.
    pub stamp: u64,
}

impl Shown {
    /// From the number that listings carry of a user: see [`headcount_engine::patterns::friends::profile::column`].
    pub fn of(column: u64) -> Self {
        Self { online: column & 1 == 1, stamp: column >> 1 }
    }

    /// The other way about.
    pub fn column(self) -> u64 {
        self.stamp << 1 | u64::from(self.online)
    }
}

/// What happened in one virtual second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    pub comes: u32,
    pub leaves: u32,
    pub losses: u32,
    /// Messages that came to users.
    pub deliveries: u32,
    /// Of those, statuses.
    pub told: u32,
    /// Of those, the ones that changed the screen.
    pub news: u32,
    pub loads: u32,
    pub errors: u32,
}

/// Everything users of one region saw.
#[derive(Debug, Default)]
pub struct Record {
    /// Who was connected from when on and who no longer was, in order of time. Where everybody is online from the beginning,
    /// those first connections are not in it.
    pub moves: Vec<(Nanos, u32, bool)>,
    pub told: Vec<Told>,
    pub publishes: Vec<Publish>,
    pub arrivals: Vec<Arrival>,
    /// Statuses that came to users: all, and those that changed the screen, of friends gone and of friends come.
    pub statuses: u64,
    pub news: [u64; 2],
    pub counts: Vec<Counted>,
    /// By client: the status messages it wrote, and whether the store said yes.
    pub written: BTreeMap<u32, Vec<(u32, bool)>>,
    /// How long whole lists took to load, from asking to the last page [us].
    pub loads_us: Vec<(Nanos, u64)>,
    /// Statuses of users who were never and shall never be friends.
    pub strangers: Evidence,
    /// Statuses of users whose friendship ended, long after.
    pub former: Evidence,
    /// Notices of a friendship with somebody who is no friend: the client shows them.
    pub phantoms: Evidence,
    /// What forged publishes and foreign subscriptions were answered: by status, 200 for let through.
    pub forged: BTreeMap<(&'static str, u16), u64>,
    /// Messages on status channels that no Function published.
    pub forgeries_seen: Evidence,
    pub seconds: Vec<Second>,
    pub deliveries: u64,
    pub logins: u64,
    pub reconnects: u64,
    pub heartbeats: u64,
    pub pages: u64,
    /// Loads that began again because the list had changed between two pages.
    pub loads_restarted: u64,
    /// Times a connection had to take more channel groups than it did.
    pub regroups: u64,
    /// Connections that went on in another region from their cursor, and the messages that they caught up with.
    pub region_moves: u64,
    pub caught_up: u64,
    pub nudges: u64,
    pub missed_messages: u64,
}

impl Record {
    /// When a client was connected and when it no longer was.
    pub fn moves_of(&self, client: u32) -> Vec<(Nanos, bool)> {
        self.moves.iter().filter(|(_, who, _)| *who == client).map(|(at, _, online)| (*at, *online)).collect()
    }

    /// The counters of the second of `at`.
    pub fn second(&mut self, at: Nanos) -> &mut Second {
        second(&mut self.seconds, at)
    }
}
