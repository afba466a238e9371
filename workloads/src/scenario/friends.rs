//! The `[friends]` table: who is friends with whom, and what they do all evening (friends-online.md).

use headcount_engine::contract::{Nanos, SECOND};
use headcount_engine::patterns::friends::names::FRIENDS_MAX;

use super::bad_input::BadInput;
use super::crowd::TIME_MAX_S;
use super::form::Form;
use crate::graph::Degrees;

/// Most friends of everybody: one channel group full (friends-online.md 2.2, NFR-4; platform.md 2.6).
const DEGREE_MAX: u32 = 2_000;

/// Friends online.
#[derive(Clone, Debug, PartialEq)]
pub struct Friends {
    /// Users, 2 to 500,000.
    pub users: u32,
    /// Friends of each user at the start, 1 to 2,000 (one channel group full) and fewer than users.
    pub degree: u32,
    /// 0: everybody has `degree` friends. Else half of all have more than that, and the most popular one has so many, up to
    /// 20,000, ten channel groups full ([`crate::graph::Degrees::HeavyTailed`]).
    pub degree_max: u32,
    /// Presence shards, 1 to 500 (friends-online.md 4.3, 11.3).
    pub shards: u32,
    /// Whether everybody is online from the beginning; else they come online in this time [ns].
    pub online: bool,
    pub join_from: Nanos,
    pub join_to: Nanos,
    /// What they do, they do in this time [ns].
    pub from: Nanos,
    pub to: Nanos,
    /// A client's presence timeout, 20 to 320 s; it sends a heartbeat each `timeout / 2 - 1` (platform.md 2.5).
    pub presence_timeout_s: u32,
    /// Occupancy above which a presence channel is in interval mode; and, in that mode, time between events [s], and whether
    /// they name who came and went.
    pub announce_max: u32,
    pub interval_s: u32,
    pub deltas: bool,
    /// How long the platform holds the announcement of a leave back, should the user return [s], 0 to 60.
    pub presence_debounce_s: u32,
    /// Who leaves or loses the network is away for so long, drawn evenly [ns]; but not beyond `to`.
    pub away_min: Nanos,
    pub away_max: Nanos,
    /// How often a connected client reads its list again, whatever it has heard [ns].
    pub reload: Nanos,
    /// Whether a client that lost its connection waits for a time drawn from 0 to 1, 2, 4, then 8 s before each try; else everybody
    /// waits for the longest of it, and those who lost it together try together.
    pub reconnect_jitter: bool,
    /// Parts in a million on wifi; the others are on a cellular network.
    pub wifi_ppm: u32,
    /// Life of a user's token [minutes], 1 to 43,200.
    pub token_ttl_minutes: u32,
    /// How often each of these things is done, by users drawn at random.
    pub deeds: Deeds,
}

/// Counts over the whole run, each 0 to 1,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Leaves, and comes back after a while.
    pub leaves: u32,
    /// Loses the network or goes to the background without a word, for as long.
    pub losses: u32,
    /// Leaves the edge of its home region and goes on at an edge of another one, mid-session; half of them come home later.
    pub moves: u32,
    /// Users who lose the network for good, of those who do nothing else.
    pub gone: u32,
    /// Leaves and comes back three times within ten seconds.
    pub flaps: u32,
    /// Asks somebody who is no friend; that one accepts. Where degrees differ, who has more friends is asked more often.
    pub requests: u32,
    /// Ends a friendship.
    pub removals: u32,
    /// Writes its own status message, by its own server, at any moment.
    pub status_messages: u32,
    /// Accepts in another's name, or what nobody asked for.
    pub forged_acceptances: u32,
    /// Publishes on somebody's status channel.
    pub forged_statuses: u32,
    /// Subscribes to another user's channel group.
    pub foreign_groups: u32,
}

impl Deeds {
    /// Name and count, in the order of the file's keys.
    pub fn by_name(&self) -> [(&'static str, u32); 11] {
        [
            ("leaves", self.leaves),
            ("losses", self.losses),
            ("moves", self.moves),
            ("gone", self.gone),
            ("flaps", self.flaps),
            ("requests", self.requests),
            ("removals", self.removals),
            ("status_messages", self.status_messages),
            ("forged_acceptances", self.forged_acceptances),
            ("forged_statuses", self.forged_statuses),
            ("foreign_groups", self.foreign_groups),
        ]
    }
}

/// Sixty friends for a minute and a half.
pub(super) fn defaults() -> Friends {
    Friends {
        users: 60,
        degree: 6,
        degree_max: 0,
        shards: 10,
        online: false,
        join_from: 2 * SECOND,
        join_to: 10 * SECOND,
        from: 15 * SECOND,
        to: 60 * SECOND,
        // The least that SDKs take: a user who is gone without a word is seen to be within 20 s.
        presence_timeout_s: 20,
        announce_max: 20,
        interval_s: 10,
        deltas: true,
        // platform.md 2.5.
        presence_debounce_s: 2,
        away_min: SECOND,
        away_max: 60 * SECOND,
        reload: 30 * SECOND,
        reconnect_jitter: true,
        wifi_ppm: 650_000,
        token_ttl_minutes: 60,
        deeds: Deeds::default(),
    }
}

impl Friends {
    /// How many friends users have at the start.
    pub fn degrees(&self) -> Degrees {
        match self.degree_max {
            0 => Degrees::Constant(self.degree),
            max => Degrees::HeavyTailed { median: self.degree, max },
        }
    }

    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.whole("users", &mut self.users, 2, 500_000)?;
        form.whole("degree", &mut self.degree, 1, DEGREE_MAX)?;
        form.whole("degree_max", &mut self.degree_max, 0, FRIENDS_MAX as u32)?;
        form.whole("shards", &mut self.shards, 1, 500)?;
        form.flag("online", &mut self.online)?;
        form.seconds("join_from_s", &mut self.join_from, 0.0, TIME_MAX_S)?;
        form.seconds("join_to_s", &mut self.join_to, 0.0, TIME_MAX_S)?;
        form.seconds("from_s", &mut self.from, 0.0, TIME_MAX_S)?;
        form.seconds("to_s", &mut self.to, 0.0, TIME_MAX_S)?;
        form.whole("presence_timeout_s", &mut self.presence_timeout_s, 20, 320)?;
        form.whole("announce_max", &mut self.announce_max, 1, 1_000_000)?;
        form.whole("interval_s", &mut self.interval_s, 1, 3_600)?;
        form.flag("deltas", &mut self.deltas)?;
        form.whole("presence_debounce_s", &mut self.presence_debounce_s, 0, 60)?;
        form.seconds("away_min_s", &mut self.away_min, 0.1, TIME_MAX_S)?;
        form.seconds("away_max_s", &mut self.away_max, 0.1, TIME_MAX_S)?;
        form.seconds("reload_s", &mut self.reload, 1.0, 3_600.0)?;
        form.flag("reconnect_jitter", &mut self.reconnect_jitter)?;
        form.ppm("wifi_ppm", &mut self.wifi_ppm)?;
        form.whole("token_ttl_minutes", &mut self.token_ttl_minutes, 1, 43_200)?;
        let deeds = &mut self.deeds;
        form.section("deeds", |form| {
            form.whole("leaves", &mut deeds.leaves, 0, 1_000_000)?;
            form.whole("losses", &mut deeds.losses, 0, 1_000_000)?;
            form.whole("moves", &mut deeds.moves, 0, 1_000_000)?;
            form.whole("gone", &mut deeds.gone, 0, 1_000_000)?;
            form.whole("flaps", &mut deeds.flaps, 0, 1_000_000)?;
            form.whole("requests", &mut deeds.requests, 0, 1_000_000)?;
            form.whole("removals", &mut deeds.removals, 0, 1_000_000)?;
            form.whole("status_messages", &mut deeds.status_messages, 0, 1_000_000)?;
            form.whole("forged_acceptances", &mut deeds.forged_acceptances, 0, 1_000_000)?;
            form.whole("forged_statuses", &mut deeds.forged_statuses, 0, 1_000_000)?;
            form.whole("foreign_groups", &mut deeds.foreign_groups, 0, 1_000_000)
        })
    }
}
