//! friends-online.md 13.3: the document's rates for fewer seconds and people, without faults.

use std::collections::BTreeMap;

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_workloads::friends::plan::Deed;
use headcount_workloads::graph::{Degrees, Graph, GraphOptions};
use headcount_workloads::scenario::{Scenario, Variant};

use super::script::{Evening, Line, friends_of, play, play_on};
use super::{counter, run, scenario, violated};

/// Sustained load: 100 status changes a second, here for 10 s after as many who come. Nobody is back or gone again within
/// the debounce, and the notices are with the friends within 500 ms at p99.
#[test]
fn a_hundred_changes_a_second_are_told_within_half_a_second() {
    let sustained = scenario(
        "friends-calm",
        &[
            ("friends.users", "1000"),
            ("friends.degree", "10"),
            ("friends.join_to_s", "11.0"),
            ("friends.from_s", "11.0"),
            ("friends.to_s", "28.0"),
            ("bounds.converge_s", "20.0"),
        ],
    );
    // From 1 s on one comes each 10 ms; from 17 s on one leaves each 10 ms, and from 22.5 s on one of them is back each
    // 10 ms, 5.5 s after leaving.
    let mut lines: Vec<Line> = (0..1_000).map(|user| (SECOND + at(user), user, Deed::Come)).collect();
    for user in 0..500 {
        lines.push((17 * SECOND + at(user), user, Deed::Leave));
        lines.push((22_500 * MS + at(user), user, Deed::Come));
    }
    let evening = play(sustained, &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    assert_eq!(evening.counter("status.published"), 2_000, "1,000 + 500 + 500, each told, none twice");
    let mut gaps = gaps(&evening);
    gaps.sort_unstable();
    // Of those who come first half of the 10 friends are there, later three quarters at the least: 5,000 + 7,500.
    assert!((11_500..15_000).contains(&gaps.len()), "{}", gaps.len());
    let p99 = gaps[(gaps.len() * 99).div_ceil(100) - 1];
    assert!(p99 < 500 * MS, "p99 {} ms", p99 / MS);
}

/// Lists of different lengths: half of all have more than 10 friends, and the most popular one asks for 150 of 300.
#[test]
fn views_are_true_whether_one_has_few_friends_or_many() {
    let uneven = [
        ("friends.users", "300"),
        ("friends.degree", "10"),
        ("friends.degree_max", "150"),
        ("friends.join_to_s", "11.0"),
        ("friends.from_s", "12.0"),
        ("friends.to_s", "40.0"),
        ("friends.deeds.leaves", "200"),
        ("bounds.converge_s", "20.0"),
    ];
    let graph = headcount_workloads::friends::plan::graph(&scenario("friends-calm", &uneven), 1);
    let mut degrees: Vec<u32> = (0..300).map(|user| graph.degree(user)).collect();
    degrees.sort_unstable();
    // Friends drawn twice are dropped, most of all where there are many: 140 at least are left of 150.
    assert!(degrees[299] > 100 && degrees[299] <= 150, "{}", degrees[299]);
    assert!((8..=11).contains(&degrees[150]), "{}", degrees[150]);
    assert_eq!(violated(&run("friends-calm", &uneven, 1).properties), Vec::<String>::new());
}

/// The n-th of a hundred a second.
fn at(n: u32) -> Nanos {
    Nanos::from(n) * 10 * MS
}

/// From each move that a user made to each friend's screen that showed it.
fn gaps(evening: &Evening) -> Vec<Nanos> {
    let seen = evening.seen();
    let regions = seen.people.len() as u32;
    let since = |user: u32, online: bool, shown: Nanos| -> Option<Nanos> {
        let (region, client) = headcount_workloads::crowd::plan::place_of(user, regions);
        let moves = seen.people[region as usize].record().moves_of(client);
        let (at, now) = moves.iter().rev().find(|(at, _)| *at <= shown)?;
        (*now == online).then_some(*at)
    };
    let told = evening.told();
    told.iter().filter_map(|told| Some(told.shown - since(told.of, told.online, told.shown)?)).collect()
}

/// Whoever was connected a second before a friend came is told of it, and within `within`. How many notices that were.
fn all_are_told_within(evening: &Evening, scenario: &Scenario, came: Nanos, within: Nanos) -> usize {
    let mut told: BTreeMap<(u32, u32), Nanos> = BTreeMap::new();
    for notice in evening.told().iter().filter(|told| told.online && told.published >= came) {
        told.entry((notice.of, notice.viewer)).or_insert(notice.shown);
    }
    let mut notices = 0;
    for user in 0..scenario.friends.users {
        let connected = evening.connected(user);
        if connected < came {
            continue;
        }
        for friend in friends_of(scenario, user) {
            if evening.connected(friend) + SECOND < connected {
                let shown = told.get(&(user, friend)).unwrap_or_else(|| panic!("{friend} was not told of {user}"));
                assert!(*shown < connected + within, "{friend} was told of {user} after {} ns", shown - connected);
                notices += 1;
            }
        }
    }
    notices
}

fn crowd(users: &str, degree: &str) -> Scenario {
    let overrides = [
        ("friends.users", users),
        ("friends.degree", degree),
        ("friends.join_to_s", "11.0"),
        ("friends.from_s", "11.0"),
        ("friends.to_s", "30.0"),
        ("friends.reload_s", "3600.0"),
        ("bounds.converge_s", "20.0"),
    ];
    scenario("friends-calm", &overrides)
}

/// Spike: 1,000 users connect in 10 s, here 400 in 4 s, to 200 who are there; all notifications are delivered within 5 s.
#[test]
fn a_spike_of_users_is_told_to_all_friends_within_five_seconds() {
    let crowd = crowd("600", "20");
    let mut lines: Vec<Line> = (400..600).map(|user| (SECOND + at(user - 400), user, Deed::Come)).collect();
    lines.extend((0..400).map(|user| (10 * SECOND + at(user), user, Deed::Come)));
    let evening = play(crowd.clone(), &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    let notices = all_are_told_within(&evening, &crowd, 10 * SECOND, 5 * SECOND);
    // Of 20 friends a third is there from the beginning; of the rest, 2/3, those who came a second before: at a moment
    // drawn from 4 s, (3/4)^2 / 2 of pairs are 1 s apart in this order. A few friendships were drawn twice.
    // 400 x 20 x (1/3 + 2/3 x 9/32) = 4,167.
    assert!((3_700..4_400).contains(&notices), "{notices}");
}

/// Friend list scale: 100 users with 2,000 friends each connect; here 20 with about 130 (2,600 notices in a moment), all
/// within 2 s.
#[test]
fn many_users_with_long_lists_are_told_to_all_friends_within_two_seconds() {
    let crowd = crowd("320", "150");
    let mut lines: Vec<Line> = (20..320).map(|user| (SECOND + at(user), user, Deed::Come)).collect();
    lines.extend((0..20).map(|user| (15 * SECOND, user, Deed::Come)));
    let evening = play(crowd.clone(), &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    let notices = all_are_told_within(&evening, &crowd, 15 * SECOND, 2 * SECOND);
    assert!(notices > 20 * 100, "{notices}");
}

/// NFR-3, 3 s for up to 2,000 friends, from the region that is farthest from the store: a page takes some 0.2 s from there. The
/// document's client asks for twenty pages one after the other, 4 s; ours for the first one and then six at a time, five times
/// 0.2 s. The most popular of 6,000 asks for 4,200, of whom half are drawn twice.
#[test]
fn a_list_of_two_thousand_friends_is_loaded_within_three_seconds_from_afar() {
    let popular = |graph: &Graph| (0..6_000).max_by_key(|user| graph.degree(*user)).expect("users");
    let degrees = Degrees::HeavyTailed { median: 6, max: 4_200 };
    let graph = |seed| Graph::build(&GraphOptions { users: 6_000, regions: 4, degrees, seed }).expect("a small graph");
    // Region 3 is ap-northeast.
    let far = || (1..).map(graph).find(|graph| popular(graph) % 4 == 3).expect("one of a few");
    let (user, friends) = (popular(&far()), far().degree(popular(&far())));
    assert!((1_800..=2_000).contains(&friends), "{friends}");
    let took = |variant: &str| {
        let mut crowd = crowd("6000", "6");
        crowd.variant = if variant == "documented" { Variant::Documented } else { Variant::Hardened };
        let evening = play_on(far(), crowd, &[(SECOND, user, Deed::Come)], &[], &[]);
        assert_eq!(evening.screen_len(user), friends as usize);
        evening.load_times().first().copied().expect("the list was loaded")
    };
    let (documented, hardened) = (took("documented"), took("hardened"));
    assert!(documented > 3 * SECOND && hardened < 3 * SECOND / 2, "{} and {} ms", documented / MS, hardened / MS);
}

/// Soak: normal load for 24 hours, here for 20 minutes of a small crowd: one change each two seconds. Latency at the end is
/// what it was at the beginning, and what is stored does not grow with the time.
#[test]
fn a_long_evening_ends_as_it_began() {
    let evening = |to: &str, leaves: &str| {
        let overrides = [
            ("friends.users", "40"),
            ("friends.degree", "6"),
            ("friends.join_to_s", "9.0"),
            ("friends.from_s", "10.0"),
            ("friends.to_s", to),
            ("friends.deeds.leaves", leaves),
            ("friends.deeds.requests", "0"),
            ("friends.deeds.removals", "0"),
            ("bounds.converge_s", "20.0"),
        ];
        run("friends-calm", &overrides, 1)
    };
    // 300 leaves and returns in 1,200 s, and 75 in a quarter of it.
    let (long, short) = (evening("1210.0", "300"), evening("310.0", "75"));
    assert_eq!((violated(&long.properties), violated(&short.properties)), (Vec::new(), Vec::new()));
    assert!(counter(&long, "status.told") > 3 * counter(&short, "status.told"), "four times the changes");
    for figure in ["online.p50_ms", "offline.p50_ms"] {
        let (long, short) = (long.figures[figure], short.figures[figure]);
        assert!((long - short).abs() < 0.2 * short, "{figure}: {long} after 20 minutes, {short} after 5");
    }
    // In each of four regions the count's two keys and what is left of the walk of each of twenty shards, however long it was.
    for outcome in [&long, &short] {
        let keys = counter(outcome, "kv.keys");
        assert!((4 * 2..=4 * (2 + 20)).contains(&keys), "{keys} keys: what has a life is gone after it");
    }
    // Storms are counted by shard and second, and the platform's counters have no life: what is stored grows with the
    // changes, by one a region for each reason to look at a user, and with nothing else.
    let looks = counter(&long, "presence.joins") + counter(&long, "presence.leaves");
    let looks = looks + counter(&long, "functions.counter.sweep.fires");
    assert!(counter(&long, "kv.counters") <= 4 * looks, "{} of 4 x {looks}", counter(&long, "kv.counters"));
}

/// What the debounce held back is the sweep's, eight users a second: 80 who leave and are back 2 s later, all at once, are
/// online for all their friends 5 s after they were told gone and 80 / 8 = 10 s of sweeping later, give or take 3 s.
#[test]
fn many_changes_held_back_at_once_are_all_told_in_the_end() {
    let crowd = crowd("160", "10");
    let mut lines: Vec<Line> = (0..160).map(|user| (SECOND + at(user), user, Deed::Come)).collect();
    for user in 0..80 {
        lines.push((15 * SECOND, user, Deed::Leave));
        lines.push((17 * SECOND, user, Deed::Come));
    }
    let evening = play(crowd, &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    assert_eq!(evening.counter("status.published"), 160 + 80 + 80, "each change, once");
    let last = evening.told().iter().map(|told| told.shown).max().expect("somebody was told");
    assert!((20 * SECOND..(15 + 5 + 10 + 3) * SECOND).contains(&last), "the last one at {} ms", last / MS);
}
