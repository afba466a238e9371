//! The last change of every user gets out: a debounce or a storm may hold it back, but never loses it (friends-online.md 10.2, 10.3).
//!
//! Screens alone do not show it, since lists are loaded anew now and then. So it is judged by what friends were told.

use std::collections::BTreeMap;

use headcount_engine::contract::{Nanos, SECOND};

use super::oracle::{Property, Seen};
use crate::crowd::plan::{user_at, user_id};

/// Within this a change is told once presence has it: twice the debounce of 5 s, the 2 s that the platform holds a leave back,
/// and the sweeps of a storm's ten seconds, rounded up.
const TOLD_WITHIN: Nanos = 25 * SECOND;
/// Faults that ended so shortly before a change may still be in its way.
const AFTER_FAULTS: Nanos = 5 * SECOND;

pub(super) const LAST_CHANGE_GETS_OUT: Property = Property {
    name: "the-last-change-gets-out",
    promise: "FR-2, FR-3, 10.2, 10.3",
    says: "what friends were told last of a user is what the user is, 25 s after its presence timeout without faults",
    check: |seen, checks| {
        let (moves, told) = (last_moves(seen), last_told(seen));
        let end = seen.scenario.end;
        // Who loses the network without a word is seen to be gone when the presence timeout is over.
        let told_within = u64::from(seen.scenario.friends.presence_timeout_s) * SECOND + TOLD_WITHIN;
        let stays =
            |user: u32, since: Nanos| seen.online[user as usize] && moves.get(&user).is_none_or(|(at, _)| *at < since);
        let (mut checked, mut wrong, mut held) = (0, None, 0);
        for (&user, &(at, online)) in &moves {
            let untroubled = !seen.troubled(at.saturating_sub(AFTER_FAULTS), end) && at + told_within <= end;
            // Somebody was there to be told all the time, and a friend all the time.
            let friends =
                || seen.intentions.graph.row(user).users().filter(|friend| seen.intentions.friends(user, *friend));
            if !untroubled || !friends().any(|friend| stays(friend, at)) {
                continue;
            }
            checked += 1;
            let last = told.get(&user);
            held += u64::from(last.is_some_and(|(when, _)| *when > at + SECOND));
            // Of whom nothing was told, friends have what they began with.
            let known = last.map_or(seen.intentions.online, |(_, online)| *online);
            if known != online {
                wrong.get_or_insert_with(|| {
                    let word = |online| if online { "online" } else { "offline" };
                    format!("{} is {}, friends were last told {}", user_id(user), word(online), word(known))
                });
            }
        }
        checks.eventually(checked, wrong);
        if notes_each(seen) && seen.scenario.friends.deeds.flaps > 0 {
            checks.sometimes("a-last-change-was-told-later", held);
        }
    },
};

/// Whether it is noted what friends were told: where deliveries are only counted nobody knows what was told last.
fn notes_each(seen: &Seen<'_>) -> bool {
    seen.people.iter().all(|people| people.notes_each())
}

/// When each user came or went last, by its own account.
fn last_moves(seen: &Seen<'_>) -> BTreeMap<u32, (Nanos, bool)> {
    let regions = seen.people.len() as u32;
    let mut last = BTreeMap::new();
    if !notes_each(seen) {
        return last;
    }
    for (region, people) in (0..).zip(&seen.people) {
        for (at, client, online) in &people.record().moves {
            last.insert(user_at(region, *client, regions), (*at, *online));
        }
    }
    last
}

/// What friends were told last of each user, by the change's own number, and when.
fn last_told(seen: &Seen<'_>) -> BTreeMap<u32, (Nanos, bool)> {
    let mut last: BTreeMap<u32, (u64, Nanos, bool)> = BTreeMap::new();
    for publish in seen.people.iter().flat_map(|people| &people.record().publishes) {
        let known = last.entry(publish.of).or_default();
        *known = (*known).max((publish.stamp, publish.published, publish.online));
    }
    last.into_iter().map(|(user, (_, at, online))| (user, (at, online))).collect()
}
