//! friends-online.md 13.1 row by row, and what the two variants do differently.

use super::bench::{BOTH, Bench, SHARDS, node};
use crate::contract::SECOND;
use crate::patterns::Variant;
use crate::patterns::friends::message::kind;
use crate::patterns::friends::names;

const A: &str = "user_000001";
const B: &str = "user_000002";

fn bench(variant: Variant) -> Bench {
    let mut bench = Bench::new(variant);
    bench.register(&[A, B]);
    bench.befriend(A, B);
    bench
}

#[test]
fn a_join_updates_the_status_and_is_published_once() {
    for variant in BOTH {
        let mut bench = bench(variant);
        bench.presence(A, "join");
        assert!(bench.profile(A).custom.online);
        assert_eq!(bench.profile(A).custom.last_seen, bench.profile(A).custom.last_online);
        let told = bench.told(A);
        assert_eq!(told.len(), 1, "{variant:?}");
        assert_eq!(told[0].1["type"], kind::ONLINE);
        assert_eq!(told[0].1["payload"]["userId"], A);
        assert_eq!(told[0].1["payload"]["name"], "Name of user_000001");
        assert!(told[0].1["eventId"].as_str().unwrap().starts_with("evt_online_user_000001_"));
    }
}

#[test]
fn a_leave_and_a_timeout_update_the_status_and_are_published() {
    for (variant, action) in BOTH.into_iter().flat_map(|variant| [(variant, "leave"), (variant, "timeout")]) {
        let mut bench = bench(variant);
        bench.presence(A, "join");
        bench.now += 6 * SECOND;
        bench.presence(A, action);
        let custom = bench.profile(A).custom;
        assert!(!custom.online && custom.last_offline == custom.last_seen && custom.last_online != custom.last_seen);
        assert_eq!(bench.told(A).len(), 2, "{variant:?} {action}");
        assert_eq!(bench.told(A)[1].1["type"], kind::OFFLINE);
    }
}

#[test]
fn a_second_event_within_five_seconds_updates_the_status_only() {
    for variant in BOTH {
        let mut bench = bench(variant);
        bench.presence(A, "join");
        bench.now += 3 * SECOND;
        bench.presence(A, "leave");
        assert!(!bench.profile(A).custom.online);
        assert_eq!(bench.told(A).len(), 1, "{variant:?}");
        // And then: the document's change is never told, so A stays online on every friend's screen.
        bench.sweep(20);
        assert_eq!(bench.seen(A), variant == Variant::Documented);
    }
}

#[test]
fn a_change_that_was_held_back_is_told_five_seconds_after_the_one_before() {
    let mut bench = bench(Variant::Hardened);
    bench.presence(A, "join");
    bench.now += SECOND;
    bench.presence(A, "leave");
    bench.sweep(20);
    let told = bench.told(A);
    assert_eq!(told.len(), 2);
    let gap_ms = (told[1].0 - told[0].0) / 1_000_000;
    // The debounce of 5 s, and at most two rounds of the sweep.
    assert!((5_000..7_100).contains(&gap_ms), "{gap_ms}");
    assert_eq!(bench.profile(A).custom.status_pending, Some(false));
}

#[test]
fn five_events_in_ten_seconds_are_suppressed_and_the_last_one_counts() {
    for (variant, last) in BOTH.into_iter().flat_map(|variant| [(variant, true), (variant, false)]) {
        let mut bench = bench(variant);
        for n in 0..5 {
            // Joins and leaves in turn, ending with the last.
            bench.presence(A, if (n % 2 == 0) == last { "join" } else { "leave" });
            bench.now += 2 * SECOND;
        }
        assert!(bench.told(A).len() < 4, "{variant:?}");
        for pair in bench.told(A).windows(2) {
            assert!(pair[1].0 - pair[0].0 >= 5 * SECOND, "{variant:?}: never two within the debounce");
        }
        assert_eq!(bench.profile(A).custom.online, last);
        bench.sweep(20);
        if variant == Variant::Hardened {
            assert_eq!(bench.seen(A), last);
        }
    }
}

#[test]
fn in_a_storm_events_update_the_status_only() {
    for variant in BOTH {
        let mut bench = Bench::new(variant);
        // Two hundred users of one shard, each with a friend.
        let users: Vec<String> =
            (0..).map(|n| format!("user_{n:06}")).filter(|u| names::shard_of(u, SHARDS) == 3).take(200).collect();
        let users: Vec<&str> = users.iter().map(|user| &**user).collect();
        bench.register(&users);
        bench.register(&[A]);
        users.iter().for_each(|user| bench.befriend(user, A));
        // All join within a second of the workers' clock: each event is handled at the same time.
        let second = bench.now;
        for user in &users {
            bench.now = second;
            bench.presence(user, "join");
        }
        let told = users.iter().filter(|user| bench.seen(user)).count();
        // The threshold is 100 events a second and shard.
        assert_eq!(told, 100, "{variant:?}");
        assert!(users.iter().all(|user| bench.profile(user).custom.online), "{variant:?}");
        bench.now = second + SECOND;
        // Eight a second come out of the sweep: 100 in 13 s.
        bench.sweep(16);
        let told = users.iter().filter(|user| bench.seen(user)).count();
        assert_eq!(told, if variant == Variant::Hardened { 200 } else { 100 }, "{variant:?}");
        assert!(users.iter().all(|user| bench.told(user).len() <= 1), "{variant:?}: once each");
    }
}

#[test]
fn a_user_without_friends_is_not_published() {
    let mut bench = Bench::new(Variant::Hardened);
    bench.register(&[A]);
    bench.presence(A, "join");
    assert!(bench.profile(A).custom.online && bench.told(A).is_empty());
    bench.sweep(3);
    assert!(bench.told(A).is_empty());
}

#[test]
fn events_out_of_order_leave_the_truth() {
    let mut bench = bench(Variant::Hardened);
    let join = bench.moves(A, "join");
    let leave = bench.moves(A, "leave");
    bench.deliver(A, &leave);
    bench.deliver(A, &join);
    bench.sweep(20);
    assert!(!bench.profile(A).custom.online && !bench.seen(A));
    // The document's handler believes whatever comes last.
    let mut bench = self::bench(Variant::Documented);
    let join = bench.moves(A, "join");
    let leave = bench.moves(A, "leave");
    bench.deliver(A, &leave);
    bench.deliver(A, &join);
    assert!(bench.profile(A).custom.online);
}

#[test]
fn a_worker_that_dies_at_any_step_leaves_nothing_untold() {
    // Settling sends at most: read, where-now, storm, write, publish, write.
    for step in 0..7 {
        let mut bench = bench(Variant::Hardened);
        bench.dies_after = Some(step);
        bench.presence(A, "join");
        bench.dies_after = None;
        bench.sweep(40);
        assert!(bench.profile(A).custom.online && bench.seen(A), "died after {step} messages");
        let told = bench.told(A);
        for pair in told.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= 5 * SECOND, "step {step}");
            assert_eq!(pair[0].1["eventId"], pair[1].1["eventId"], "step {step}: the same change, told again");
        }
    }
}

#[test]
fn a_store_that_is_away_delays_and_loses_nothing() {
    for broken in [node::KV, node::OBJECTS, node::PRESENCE] {
        let mut bench = bench(Variant::Hardened);
        bench.broken.insert(broken);
        bench.presence(A, "join");
        // Without KV no storm is counted; nothing else is missing.
        assert_eq!(bench.seen(A), broken == node::KV, "{broken}");
        bench.broken.clear();
        bench.sweep(30);
        assert!(bench.seen(A), "{broken}");
    }
}

#[test]
fn the_count_adds_all_shards_up_and_says_how_many_answered() {
    for variant in BOTH {
        let mut bench = Bench::new(variant);
        let users: Vec<String> = (0..57).map(|n| format!("user_{n:06}")).collect();
        let users: Vec<&str> = users.iter().map(|user| &**user).collect();
        bench.register(&users);
        users.iter().for_each(|user| _ = bench.moves(user, "join"));
        let Some(count) = bench.count() else {
            // Ten shards are ten calls, and the publish is one too many.
            assert_eq!(variant, Variant::Documented);
            continue;
        };
        assert_eq!((&count["payload"]["onlineCount"], &count["payload"]["shardsCounted"]), (&57.into(), &10.into()));
        assert_eq!((&count["payload"]["deltaFromLast"], &count["payload"]["peakToday"]), (&0.into(), &57.into()));
        users[..7].iter().for_each(|user| _ = bench.moves(user, "leave"));
        let count = bench.count().expect("a count");
        assert_eq!((&count["payload"]["deltaFromLast"], &count["payload"]["peakToday"]), (&(-7).into(), &57.into()));
        bench.broken.insert(node::PRESENCE);
        assert!(bench.count().is_none(), "nothing is known, nothing is said");
    }
}
