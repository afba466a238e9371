//! Many seeds of the small swarm, and the ones that once failed.

use std::collections::BTreeSet;

use headcount_workloads::outcome::Verdict;

use super::{prepared, violated};

fn holds(seeds: impl IntoIterator<Item = u64>) {
    holds_with(&[], seeds);
}

fn holds_with(crowd: &[(&str, &str)], seeds: impl IntoIterator<Item = u64>) {
    let small = prepared("friends-small", crowd);
    for seed in seeds {
        assert_eq!(violated(&small.check(seed).properties), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn the_hardened_variant_holds_under_forty_swarms() {
    holds(1..=40);
}

/// The crowds under which the seeds below failed: the small one, sixty friends with many status messages, and two dozen. A seed is
/// of its crowd; under another it is another evening. Nobody went from one region to another then.
const SIXTY: [(&str, &str); 15] = [
    NOBODY_MOVES,
    ("friends.users", "60"),
    ("friends.degree", "6"),
    ("friends.shards", "10"),
    ("friends.join_to_s", "8.0"),
    ("friends.from_s", "12.0"),
    ("friends.to_s", "50.0"),
    ("friends.deeds.leaves", "12"),
    ("friends.deeds.losses", "12"),
    ("friends.deeds.flaps", "6"),
    ("friends.deeds.requests", "8"),
    ("friends.deeds.removals", "8"),
    ("friends.deeds.status_messages", "40"),
    ("swarm.kinds", FAULTS),
    ("bounds.converge_s", "90.0"),
];
const TWO_DOZEN: [(&str, &str); 4] =
    [NOBODY_MOVES, ("friends.users", "24"), ("swarm.kinds", FAULTS), ("bounds.converge_s", "60.0")];
const NOBODY_MOVES: (&str, &str) = ("friends.deeds.moves", "0");
/// Presence and the registry could not misbehave then.
const FAULTS: &str = r#"["crash", "pause", "partition", "one-way", "degrade", "clock", "kv", "appcontext"]"#;

/// A status came with its audience by number, from before a friendship ended, and was delivered to whom that number then
/// was: a friend of long ago. An audience that came through a channel group is named.
#[test]
fn regression_a_friend_of_long_ago_is_told_nothing() {
    holds_with(&SIXTY, [42, 973]);
    holds_with(&TWO_DOZEN, [42, 973]);
}

/// Two executions counted the same list, and the one that had counted before somebody came in wrote last: the content was
/// what it had been, and so was its eTag. Every count is a version of its own now.
#[test]
fn regression_friends_are_not_counted_over_a_stale_list() {
    holds_with(&SIXTY, [95, 189, 731, 950]);
    holds_with(&TWO_DOZEN, [99, 121, 189]);
    holds_with(&[NOBODY_MOVES], [1028]);
}

/// The network made a copy of a user's own status message and brought it after the next one. Own records are written over
/// the version that was read.
#[test]
fn regression_a_late_copy_does_not_overwrite_the_own_status_message() {
    holds_with(&SIXTY, [3, 37, 50, 56]);
    holds_with(&TWO_DOZEN, [3]);
    holds_with(&[NOBODY_MOVES], [5, 51, 63, 75]);
}

/// The network copied a publish: the same change, told twice within the debounce window. Friends know it by its event id,
/// and it is no second change.
#[test]
fn regression_a_copy_of_a_publish_is_not_a_second_change() {
    holds_with(&[NOBODY_MOVES], [89, 1138, 1284]);
}

/// A canary: the document's own logic, under the same swarm, must be caught.
#[test]
fn the_documented_variant_falls_within_fifty_seeds() {
    let documented = prepared("friends-documented", &[]);
    let mut fallen: BTreeSet<&str> = BTreeSet::new();
    for seed in 1..=50 {
        let properties = documented.check(seed).properties;
        let violated = properties.iter().filter(|property| property.verdict == Verdict::Violated);
        fallen.extend(violated.map(|property| property.name));
    }
    let promised =
        ["views-are-true-after-calm", "friendship-is-symmetric", "only-friends-receive", "no-metadata-update-is-lost"];
    for name in promised {
        assert!(fallen.contains(name), "{name} was not caught; caught: {fallen:?}");
    }
}
