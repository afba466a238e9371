//! Storms of friends: who is cut off is told gone, and told back.

use headcount_engine::contract::{Nanos, SECOND};
use serde::Serialize;

use super::kind::{Counted, Kind, Says, StormQuestion, Times, ask, seconds};
use crate::plan::lab::{Lab, Trouble};
use crate::plan::load::{away_s, end_at, with_friends};
use crate::scenario::{Deeds, Scenario};

/// When people begin to come and go.
const FROM: Nanos = 2 * SECOND;
/// The shortest presence timeout there is; a cut lasts two seconds longer, so that everybody in it is told to be gone.
const TIMEOUT_S: u32 = 20;
/// A storm of two thousand is settled within a minute; a crowded shard takes several.
const WATCHED_S: u32 = 300;
/// The map's small crowd, and the least that come or go of it a second: fewer say nothing about ten seconds.
const SMALL: u32 = 2_000;
const SMALL_RATE_PER_S: f64 = 20.0;

pub(super) static KIND: Kind = Kind {
    says: Says {
        work: "presence events and published statuses",
        goodput: "screens changed",
        trouble: "errors",
        watched_s: WATCHED_S,
        jitter_key: "friends.reconnect_jitter",
    },
    // Lists are no part of it: clients read theirs now and then anyway, and a storm only moves when.
    work: &["presence_joins", "presence_leaves", "presence_timeouts", "status_published"],
    goodput: "screens_changed",
    trouble: "client_errors",
    counts: &[
        Counted {
            name: "presence_events",
            says: "presence events",
            metrics: &["presence.joins", "presence.leaves", "presence.timeouts"],
            is_event: true,
        },
        Counted { name: "executions", says: "executions", metrics: &["functions.executions"], is_event: true },
        Counted { name: "publishes", says: "publishes", metrics: &["broker.published"], is_event: true },
        Counted { name: "kv_operations", says: "KV operations", metrics: &["functions.kv_calls"], is_event: false },
        Counted { name: "list_pages", says: "pages of lists", metrics: &["clients.pages_loaded"], is_event: false },
    ],
    calm,
    whole,
    small,
    // They are online from the beginning.
    unhurried: |_, _| {},
    jitter: |scenario| &mut scenario.friends.reconnect_jitter,
};

/// Whoever is cut off does nothing else meanwhile: only where nobody does is the difference the storm's.
fn whole<'a>(question: &StormQuestion<'a>) -> StormQuestion<'a> {
    StormQuestion { rate_per_s: 0.0, ..*question }
}

/// As many come and go of each thousand as in the whole.
fn small<'a>(question: &StormQuestion<'a>) -> StormQuestion<'a> {
    let users = question.users.min(SMALL);
    let share = f64::from(users) / f64::from(question.users);
    StormQuestion { users, rate_per_s: (question.rate_per_s * share).max(SMALL_RATE_PER_S), ..*question }
}

/// Everybody is online, and so many come and go.
fn calm(question: &StormQuestion<'_>) -> Result<(Scenario, Times), Trouble> {
    let mut scenario = with_friends(question.scenario, question.users);
    // From then on as many come as go.
    let steady = (away_s(question.scenario).1.ceil() as Nanos + 1) * SECOND;
    let cut = FROM + steady.max(10 * SECOND);
    let healed = cut + Nanos::from(TIMEOUT_S + 2) * SECOND;
    let watched = healed + Nanos::from(WATCHED_S) * SECOND;
    let friends = &mut scenario.friends;
    friends.presence_timeout_s = TIMEOUT_S;
    // Longer than it is watched: near the end nobody leaves who would not be back by then.
    (friends.from, friends.to) = (FROM, watched + steady);
    let coming_and_going = question.rate_per_s * seconds(friends.to - friends.from);
    // Each who leaves comes back.
    friends.deeds = Deeds { leaves: (coming_and_going / 2.0) as u32, ..Deeds::default() };
    end_at(&mut scenario, watched + steady);
    Ok((scenario, Times { from: FROM, cut, healed, watched }))
}

/// Publishes with channel groups and with an inbox for each friend (friends-online.md 11.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Told {
    /// Times that somebody came or went.
    pub changes: f64,
    /// Statuses published, one for all friends.
    pub groups: f64,
    /// Publishes if each friend had an inbox.
    pub inboxes: f64,
    /// Statuses that came to a friend's device: as many either way.
    pub deliveries: f64,
}

/// What telling friends takes in the calm.
pub(super) fn told(question: &StormQuestion<'_>, lab: &dyn Lab) -> Result<Told, Trouble> {
    let (ask, _) = ask(&KIND, question, 0)?;
    let calm = lab.run_one(&ask, question.seed)?;
    let count = |name: &str| calm.metric(name).unwrap_or(0.0);
    Ok(Told {
        changes: count("fanout.changes"),
        groups: count("functions.counter.status.published"),
        inboxes: count("fanout.inbox_publishes"),
        deliveries: count("status.told"),
    })
}
