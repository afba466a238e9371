//! More friends than a channel group holds (friends-online.md 4.5, 10.4, 11.4; NFR-4).

use std::collections::BTreeSet;

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_engine::patterns::friends::names;
use headcount_workloads::crowd::plan::user_id;
use headcount_workloads::friends::plan::Deed;
use headcount_workloads::graph::{Degrees, Graph, GraphOptions};
use headcount_workloads::scenario::Scenario;

use super::script::{Evening, Line, play_on};
use super::{counter, run, scenario, violated};

const USERS: u32 = 6_000;

/// Nobody reads a list again of themselves: whatever is on a screen after the first load came by message.
fn quiet() -> Scenario {
    let overrides = [
        ("friends.users", "6000"),
        ("friends.degree", "6"),
        ("friends.join_to_s", "2.0"),
        ("friends.from_s", "2.0"),
        ("friends.to_s", "70.0"),
        ("friends.reload_s", "3600.0"),
        ("bounds.converge_s", "20.0"),
    ];
    scenario("friends-calm", &overrides)
}

/// Friendships of which the most popular user has so many, and that user.
fn popular(friends: std::ops::RangeInclusive<u32>) -> (Graph, u32) {
    // Of 4,600 asked for about half are drawn twice: each seed gives another number, within some forty of 2,000.
    let degrees = Degrees::HeavyTailed { median: 6, max: 4_600 };
    let graphs = (1..400).map(|seed| Graph::build(&GraphOptions { users: USERS, regions: 4, degrees, seed }).unwrap());
    let with_popular = graphs.map(|graph| {
        let popular = (0..USERS).max_by_key(|user| graph.degree(*user)).expect("users");
        (graph, popular)
    });
    with_popular.into_iter().find(|(graph, user)| friends.contains(&graph.degree(*user))).expect("one of 400")
}

/// The users who are in each of a user's groups at the end.
fn groups(evening: &Evening, user: u32) -> [BTreeSet<String>; 2] {
    let seen = evening.seen();
    let groups = seen.registry.groups();
    [0, 1].map(|part| {
        let group = groups.group_number(&names::group_part(&user_id(user), part));
        let names = group.map_or_else(Vec::new, |group| groups.list(group));
        names.iter().filter_map(|name| names::parse_status_channel(name).map(str::to_owned)).collect()
    })
}

fn pair(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

/// Whether `viewer` was told that `of` went, after `at`.
fn was_told_gone(evening: &Evening, viewer: u32, of: u32, at: Nanos) -> bool {
    evening.told_of(of).iter().any(|told| told.viewer == viewer && !told.online && told.published >= at)
}

/// With two thousand friends and a few the last ones are in the second group. Friends of the first one leave until there are
/// fewer than 2,000. A device that starts now finds 1,999, which one group would hold; it hears the one in the second group all the
/// same. Then a new friend takes a place that is free in the first one.
#[test]
fn who_falls_below_2000_friends_still_hears_those_in_the_second_group() {
    let (graph, user) = popular(2_001..=2_006);
    let row: Vec<u32> = graph.row(user).users().collect();
    let (beyond, last) = (row.len() - 2_000, *row.last().expect("friends"));
    let leavers: Vec<u32> = row[..=beyond].to_vec();
    let new = (0..USERS).find(|other| *other != user && !graph.contains(user, *other)).expect("a stranger");
    let mut lines: Vec<Line> = vec![(SECOND, last, Deed::Come), (SECOND, new, Deed::Come)];
    for (n, leaver) in (0..).zip(&leavers) {
        lines.push((SECOND + n * 100 * MS, *leaver, Deed::Come));
        lines.push((6 * SECOND + n * 500 * MS, *leaver, Deed::Remove(user)));
    }
    lines.push((30 * SECOND, user, Deed::Come));
    lines.extend([(40 * SECOND, new, Deed::Ask(user)), (42 * SECOND, user, Deed::Accept(new))]);
    lines.push((60 * SECOND, last, Deed::Leave));
    let ended: Vec<(u32, u32)> = leavers.iter().map(|leaver| pair(*leaver, user)).collect();
    let evening = play_on(graph, quiet(), &lines, &[pair(user, new)], &ended);
    assert_eq!(evening.violated(), Vec::<String>::new());
    // 2,000 - (beyond + 1) + 1 are in the first one, as many as beyond in the second.
    let [first, second] = groups(&evening, user);
    assert_eq!((first.len(), second.len()), (2_000 - beyond, beyond));
    assert!(first.contains(&user_id(new)) && second.contains(&user_id(last)));
    assert_eq!(evening.screen_len(user), 2_000);
    assert!(was_told_gone(&evening, user, last, 60 * SECOND), "by message: the list was not read again");
}

/// friends-online.md 10.4: the 2,001st friend goes into the second group, which the connection did not take before; the device
/// learns of it from its list, takes it, and hears the friend. Then the friend is one no longer.
#[test]
fn the_2001st_friend_is_heard_and_can_leave_again() {
    let (graph, user) = popular(1_996..=1_999);
    let missing = 2_001 - graph.degree(user);
    let strangers = (0..USERS).filter(|other| *other != user && !graph.contains(user, *other));
    let new: Vec<u32> = strangers.take(missing as usize).collect();
    let last = *new.last().expect("two at the least");
    let mut lines: Vec<Line> = vec![(SECOND, user, Deed::Come)];
    for (n, other) in (0..).zip(&new) {
        lines.push((SECOND + n * 100 * MS, *other, Deed::Come));
        lines.push((6 * SECOND + n * 3 * SECOND, *other, Deed::Ask(user)));
        lines.push((8 * SECOND + n * 3 * SECOND, user, Deed::Accept(*other)));
    }
    let made: Vec<(u32, u32)> = new.iter().map(|other| pair(*other, user)).collect();
    lines.push((45 * SECOND, last, Deed::Leave));
    let evening = play_on(graph, quiet(), &lines, &made, &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    let [first, second] = groups(&evening, user);
    assert_eq!((first.len(), second), (2_000, BTreeSet::from([user_id(last)])));
    assert!(was_told_gone(&evening, user, last, 45 * SECOND));

    // The same, and the last one leaves for good: the pair is one that was never to be.
    let (graph, _) = popular(1_996..=1_999);
    lines.pop();
    lines.push((45 * SECOND, user, Deed::Remove(last)));
    let evening = play_on(graph, quiet(), &lines, &made[..made.len() - 1], &[pair(last, user)]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    let [first, second] = groups(&evening, user);
    assert_eq!((first.len(), second.len(), evening.screen_len(user)), (2_000, 0, 2_000));
}

/// `friends-heavy` for fewer users: some have several groups, new friends go beyond the first, and groups hold every friend
/// once.
#[test]
fn overflow_groups_hold_every_friend_once_while_people_come_and_go() {
    let smaller = [
        ("friends.users", "8000"),
        ("friends.degree", "10"),
        ("friends.degree_max", "7900"),
        ("friends.join_to_s", "11.0"),
        ("friends.from_s", "15.0"),
        ("friends.to_s", "40.0"),
        ("friends.deeds.leaves", "100"),
        ("friends.deeds.requests", "400"),
        ("friends.deeds.removals", "60"),
        ("bounds.converge_s", "40.0"),
    ];
    let outcome = run("friends-heavy", &smaller, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let met = |name: &str| outcome.properties.iter().find(|property| property.name == name).map(|p| p.times_checked);
    for name in ["a-user-had-several-groups", "a-new-friend-went-beyond-the-first-group"] {
        assert!(met(name).is_some_and(|checked| checked > 0), "{name}: {:?}", met(name));
    }
    assert!(counter(&outcome, "clients.regroups") > 0, "who comes with one group learns of the others");
}
