//! What friends-online.md 11 counts to choose a design, counted in a run: publishes of either way to fan out, users on a shard.

use headcount_engine::contract::Nanos;
use headcount_engine::patterns::friends::names;

use super::oracle::Seen;
use crate::crowd::plan::{user_at, user_id};

/// By name:
/// - `fanout.changes`: times a user came or went, by its own account;
/// - `fanout.statuses`: publishes on status channels that somebody heard;
/// - `fanout.inbox_publishes`: publishes if each of those statuses went to an inbox of each friend (11.1);
/// - `shard.count`: presence shards; `shard.users_min`, `shard.users_max`: the most users who were online at the same time on
///   the shard where those were fewest and on the one where they were most (11.3); `users.online_max`: on all shards.
pub fn counters(seen: &Seen<'_>) -> [(&'static str, u64); 7] {
    let moves = || seen.people.iter().map(|people| people.record().moves.len() as u64);
    let all = seen.people.iter().flat_map(|people| &people.record().publishes);
    let mut statuses: Vec<(u32, Nanos)> = all.map(|publish| (publish.of, publish.published)).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let friends = statuses.iter().map(|(of, _)| u64::from(seen.intentions.graph.degree(*of)));
    let shards = seen.scenario.friends.shards;
    let peaks = Peaks::of(seen, shards);
    [
        ("fanout.changes", moves().sum()),
        ("fanout.statuses", statuses.len() as u64),
        ("fanout.inbox_publishes", friends.sum()),
        ("shard.count", u64::from(shards)),
        ("shard.users_min", peaks.shards.iter().copied().min().unwrap_or(0)),
        ("shard.users_max", peaks.shards.iter().copied().max().unwrap_or(0)),
        ("users.online_max", peaks.all),
    ]
}

/// The most users who were online at the same time: on each shard, and on all.
struct Peaks {
    shards: Vec<u64>,
    all: u64,
}

impl Peaks {
    fn of(seen: &Seen<'_>, shards: u32) -> Self {
        let shard_of = |user: u32| names::shard_of(&user_id(user), shards) as usize;
        let (users, regions) = (seen.intentions.graph.users(), seen.scenario.topology.regions.len() as u32);
        let mut first = vec![0; shards as usize];
        if seen.intentions.online {
            (0..users).for_each(|user| first[shard_of(user)] += 1);
        }
        let mut moves: Vec<(Nanos, usize, bool)> = Vec::new();
        for (people, region) in seen.people.iter().zip(0..) {
            let placed = people.record().moves.iter();
            moves.extend(placed.map(|(at, client, on)| (*at, shard_of(user_at(region, *client, regions)), *on)));
        }
        // Who goes goes first: nobody is counted twice at one moment.
        moves.sort_unstable_by_key(|(at, shard, on)| (*at, *on, *shard));
        Self::walk(first, &moves)
    }

    fn walk(first: Vec<u64>, moves: &[(Nanos, usize, bool)]) -> Self {
        let mut all: u64 = first.iter().sum();
        let mut peaks = Self { shards: first.clone(), all };
        let mut now = first;
        for (_, shard, on) in moves {
            if *on {
                (now[*shard], all) = (now[*shard] + 1, all + 1);
                peaks.shards[*shard] = peaks.shards[*shard].max(now[*shard]);
                peaks.all = peaks.all.max(all);
            } else {
                (now[*shard], all) = (now[*shard] - 1, all - 1);
            }
        }
        peaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shards_peak_is_its_own_and_not_the_moment_of_all() {
        // Shard 0: 2, 1, 2, 3; shard 1: 0, 1, 0. All: 2, 1 (one goes), 2, 3 (the other shard), 2, 3: never 4.
        let moves = [(1, 0, false), (2, 0, true), (3, 1, true), (4, 1, false), (5, 0, true)];
        let peaks = Peaks::walk(vec![2, 0], &moves);
        assert_eq!((peaks.shards, peaks.all), (vec![3, 1], 3));
    }
}
