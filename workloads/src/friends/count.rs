//! The online count against the users' own accounts (friends-online.md 7.2).
//!
//! A user who is gone without a word is counted until its presence times out, so a count is held against the whole
//! [window](Accounts::window) before it. In calm it lies between the fewest and the most who were online in it. In a storm
//! thousands of timeouts and returns overlap, and all that can be said is: whoever was online throughout is counted, and whoever
//! was not online at all is not. That holds as long as the platform itself is whole: where a fault stands between its own nodes,
//! heartbeats are lost, and no count is judged.

use headcount_engine::contract::{Nanos, SECOND};

use super::oracle::{Property, Seen};
use super::record::Counted;
use crate::crowd::plan::user_at;
use crate::scenario::{Fault, FaultKind};

pub(super) const COUNT_IS_NEAR: Property = Property {
    name: "the-count-is-near-the-truth",
    promise: "FR-1, NFR-2",
    says: "a count of all shards lies between the fewest and the most who were online within the presence timeout before it, \
           in a storm of lost connections between those who were online all that time and those who ever were, give or take \
           3 and 2 %",
    check: |seen, checks| {
        let accounts = Accounts::of(seen);
        let (mut checked, mut stormy, mut short, mut wrong) = (0, 0, 0, None);
        let all: Vec<Counted> = seen.people.iter().flat_map(|people| &people.record().counts).copied().collect();
        for count in &all {
            let from = count.at.saturating_sub(accounts.window);
            let calm = !seen.troubled(from, count.at);
            if count.shards < seen.scenario.friends.shards {
                short += 1;
                if calm {
                    wrong.get_or_insert_with(|| {
                        let (s, of) = (count.at / SECOND, seen.scenario.friends.shards);
                        format!("the count at {s} s is of {} of {of} shards, in calm", count.shards)
                    });
                }
                continue;
            }
            let (least, most) = match calm {
                true => accounts.extremes(count.at),
                false if platform_is_whole(seen, from, count.at) => accounts.always_and_ever(count.at),
                false => continue,
            };
            checked += 1;
            stormy += u64::from(!calm);
            if !accounts.near(least, most).contains(&(count.online as i64)) {
                wrong.get_or_insert_with(|| {
                    let s = count.at / SECOND;
                    format!("the count at {s} s is {}, {least} to {most} were online", count.online)
                });
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-count-was-broadcast", all.len() as u64 - short);
        let cut_off = |fault: &Fault| is_last_mile(&fault.kind);
        if seen.scenario.swarm.is_none() && seen.scenario.faults.iter().any(cut_off) {
            checks.sometimes("a-count-was-made-while-many-were-cut-off", stormy);
        }
    },
};

/// Whether a fault cuts people off, both ways, and touches nothing of the platform.
fn is_last_mile(kind: &FaultKind) -> bool {
    let people = |side: &[String]| side.iter().all(|name| name.starts_with("people-"));
    matches!(kind, FaultKind::Partition { a, b, one_way: false } if people(a) || people(b))
}

/// Whether every fault of this span cut people off, and nothing else was the matter.
fn platform_is_whole(seen: &Seen<'_>, from: Nanos, to: Nanos) -> bool {
    let on = seen.scenario.faults.iter().filter(|fault| fault.at < to && fault.end() > from);
    seen.scenario.swarm.is_none() && on.into_iter().all(|fault| is_last_mile(&fault.kind))
}

/// When users came and went, by their own account.
struct Accounts {
    /// In order of time.
    moves: Vec<(Nanos, u32, bool)>,
    users: u32,
    online_from_0: bool,
    /// Who is gone without a word is counted until its timeout, and a little for the way.
    window: Nanos,
    /// A user whose subscribe was not answered is counted and does not know it.
    slack: i64,
}

impl Accounts {
    fn of(seen: &Seen<'_>) -> Self {
        let regions = seen.people.len() as u32;
        let mut moves: Vec<(Nanos, u32, bool)> = Vec::new();
        for (region, people) in (0..).zip(&seen.people) {
            let own = people.record().moves.iter();
            moves.extend(own.map(|(at, client, on)| (*at, user_at(region, *client, regions), *on)));
        }
        // Stable: what one user did at one moment stays in order.
        moves.sort_by_key(|(at, ..)| *at);
        let users = seen.scenario.friends.users;
        Self {
            moves,
            users,
            online_from_0: seen.intentions.online,
            window: Nanos::from(seen.scenario.friends.presence_timeout_s) * SECOND + 15 * SECOND,
            slack: 3 + i64::from(users / 50),
        }
    }

    fn near(&self, least: i64, most: i64) -> std::ops::RangeInclusive<i64> {
        least - self.slack..=most + self.slack
    }

    /// The fewest and the most who were online at one moment of the window before `at`.
    fn extremes(&self, at: Nanos) -> (i64, i64) {
        let from = at.saturating_sub(self.window);
        let mut now = if self.online_from_0 { i64::from(self.users) } else { 0 };
        let (mut least, mut most) = (i64::MAX, 0);
        for (when, _, on) in self.moves.iter().take_while(|(when, ..)| *when <= at) {
            if *when > from {
                (least, most) = (least.min(now), most.max(now));
            }
            now += if *on { 1 } else { -1 };
        }
        (least.min(now), most.max(now))
    }

    /// How many were online all through the window before `at`, and how many ever were in it.
    fn always_and_ever(&self, at: Nanos) -> (i64, i64) {
        let from = at.saturating_sub(self.window);
        let mut online = vec![self.online_from_0; self.users as usize];
        let begins = self.moves.partition_point(|(when, ..)| *when <= from);
        self.moves[..begins].iter().for_each(|(_, user, on)| online[*user as usize] = *on);
        let (mut always, mut ever) = (online.clone(), online);
        for (_, user, on) in self.moves[begins..].iter().take_while(|(when, ..)| *when <= at) {
            if *on { ever[*user as usize] = true } else { always[*user as usize] = false }
        }
        let count = |users: &[bool]| users.iter().filter(|is| **is).count() as i64;
        (count(&always), count(&ever))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four users, a window of 10 s. User 0 stays; 1 goes at 3 s and 2 comes at 4 s, so that never fewer than one and never more
    /// than two are online, three of them ever; 3 goes before the window.
    #[test]
    fn a_count_is_held_against_moments_in_calm_and_against_users_in_a_storm() {
        let s = |seconds: u64| seconds * SECOND;
        let moves = vec![
            (s(1), 0, true),
            (s(1), 1, true),
            (s(1), 3, true),
            (s(2), 3, false),
            (s(13), 1, false),
            (s(14), 2, true),
            (s(30), 0, false),
        ];
        let accounts = Accounts { moves, users: 4, online_from_0: false, window: s(10), slack: 0 };
        assert_eq!(accounts.extremes(s(15)), (1, 2));
        assert_eq!(accounts.always_and_ever(s(15)), (1, 3));
        // Before the first move of the window everything is as it was; after it, whoever is gone was.
        assert_eq!((accounts.extremes(s(12)), accounts.always_and_ever(s(12))), ((2, 2), (2, 2)));
        assert_eq!((accounts.extremes(s(35)), accounts.always_and_ever(s(35))), ((1, 2), (1, 2)));
        assert_eq!(accounts.near(1, 3), 1..=3);
    }

    #[test]
    fn only_who_is_cut_off_both_ways_leaves_the_platform_whole() {
        let cut = |a: &str, b: &str, one_way| {
            let side = |names: &str| names.split(' ').map(str::to_owned).collect();
            is_last_mile(&FaultKind::Partition { a: side(a), b: side(b), one_way })
        };
        assert!(cut("people-eu-west", "edge-eu-west-0 auth", false) && cut("auth", "people-eu-west", false));
        assert!(!cut("people-eu-west", "auth", true), "a subscribe may arrive of whose answer nobody hears");
        assert!(!cut("people-eu-west edge-eu-west-0", "presence", false));
        assert!(!is_last_mile(&FaultKind::Crash { node: "presence".into() }));
    }
}
