//! Events: at once, after the debounce, in intervals.

use super::*;

#[test]
fn a_join_reads_as_recorded() {
    let said = events(&mut node(), 1_234 * MS, subscribed("user_\"1\"", &["c"], 300));
    // The world begins at 1,769,853,600 s; 1.234 s later it is 1,769,853,601 s, and 1,769,853,601,234 ms.
    assert_eq!(
        said,
        [
            r#"{"action":"join","uuid":"user_\"1\"","timestamp":1769853601,"occupancy":1,"precise_timestamp":1769853601234}"#
        ]
    );
}

#[test]
fn a_leave_is_announced_before_its_call_returns_when_there_is_no_debounce() {
    let mut node = prompt();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    events(&mut node, 1, subscribed("b", &["c"], 300));
    let (events, answer) = ask(&mut node, SECOND, leave("a", &["c", "other"]));
    assert_eq!((events, answer), (vec![event("leave", "a", SECOND, 1)], Some(Ok(PresenceOk::Done))));
    // Who is not there cannot leave.
    assert_eq!(ask(&mut node, SECOND, leave("a", &["c"])), (vec![], Some(Ok(PresenceOk::Done))));
    assert_eq!((node.counts().leaves, node.occupancy("c")), (1, 1));
}

#[test]
fn a_return_within_the_debounce_takes_the_leave_back_and_neither_is_announced() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    assert_eq!(events(&mut node, 10 * SECOND, leave("a", &["c"])), [""; 0]);
    assert_eq!(node.occupancy("c"), 0);
    assert_eq!(events(&mut node, 12 * SECOND - 1, subscribed("a", &["c"], 300)), [""; 0]);
    assert_eq!((node.occupancy("c"), node.counts().debounced), (1, 1));
    // The last heartbeat was at 12 s, and nothing is heard until 300 s later.
    let due = 312 * SECOND - 1;
    assert_eq!(wake(&mut node, 400 * SECOND), [(due, event("timeout", "a", due, 0))]);
}

#[test]
fn a_leave_is_announced_when_the_debounce_has_passed_with_its_own_time() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    events(&mut node, 10 * SECOND, leave("a", &["c"]));
    events(&mut node, 11 * SECOND, subscribed("b", &["c"], 300));
    // 10 s is when it left; 1 user is there when it is told.
    assert_eq!(wake(&mut node, 100 * SECOND), [(12 * SECOND, event("leave", "a", 10 * SECOND, 1))]);
    assert_eq!(events(&mut node, 101 * SECOND, heartbeat("a", &["c"], 20)), [event("join", "a", 101 * SECOND, 2)]);
    assert_eq!(node.counts().debounced, 0);
}

#[test]
fn only_the_last_of_many_leaves_is_announced() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    for second in [10, 11, 12] {
        events(&mut node, second * SECOND, leave("a", &["c"]));
        if second < 12 {
            events(&mut node, second * SECOND + SECOND / 2, subscribed("a", &["c"], 300));
        }
    }
    // Holds end at 12, 13 and 14 s; the user came back from the first two leaves.
    assert_eq!(wake(&mut node, 500 * SECOND), [(14 * SECOND, event("leave", "a", 12 * SECOND, 0))]);
    assert_eq!((node.counts().leaves, node.counts().debounced, node.counts().announce_events), (3, 2, 2));
}

#[test]
fn above_the_line_a_channel_speaks_every_interval_and_below_it_at_once_again() {
    let mut node = crowded();
    let t = |second: u64| second * SECOND;
    assert_eq!(events(&mut node, t(0), subscribed("a", &["c"], 300)).len(), 1);
    assert_eq!(events(&mut node, t(1), subscribed("b", &["c"], 300)).len(), 1);
    // The third is one too many for announcements: intervals of 10 s from here, 2 s, on.
    assert_eq!(events(&mut node, t(2), subscribed("d", &["c"], 20)), [""; 0]);
    assert_eq!(events(&mut node, t(3), subscribed("e", &["c"], 300)), [""; 0]);
    assert_eq!(wake(&mut node, t(12)), [(t(12), interval(t(12), 4, r#","join":["d","e"]"#))]);
    // d's only heartbeat was at 2 s, so it times out at 22 s: just when an interval ends, so it is of the next one.
    assert_eq!(wake(&mut node, t(22)), []);
    assert_eq!(node.occupancy("c"), 3);
    assert_eq!(wake(&mut node, t(32)), [(t(32), interval(t(32), 3, r#","timeout":["d"]"#))]);
    // Nothing changes, nothing is said; then somebody comes at 45 s, and the interval ends at 52 s.
    assert_eq!(wake(&mut node, t(44)), []);
    assert_eq!(events(&mut node, t(45), subscribed("f", &["c"], 300)), [""; 0]);
    assert_eq!(wake(&mut node, t(52)), [(t(52), interval(t(52), 4, r#","join":["f"]"#))]);
    // Two go: 4, 3, 2 users, and with 2 there is room for announcements, after all has been told.
    assert_eq!(events(&mut node, t(53), leave("a", &["c"])), [""; 0]);
    assert_eq!(events(&mut node, t(54), leave("b", &["c"])), [interval(t(54), 2, r#","leave":["a","b"]"#)]);
    assert_eq!(events(&mut node, t(55), leave("e", &["c"])), [event("leave", "e", t(55), 1)]);
    // The interval that would have ended at 62 s says nothing.
    assert_eq!(wake(&mut node, t(100)), []);
    assert_eq!((node.counts().announce_events, node.counts().interval_events), (3, 4));
}

#[test]
fn an_interval_tells_the_difference_and_not_the_way() {
    let mut node = crowded();
    for user in ["a", "b", "d", "e"] {
        events(&mut node, 0, subscribed(user, &["c"], 300));
    }
    wake(&mut node, 10 * SECOND);
    // e goes and comes back; f comes and goes: nobody's presence differs at 20 s.
    for call in [leave("e", &["c"]), subscribed("f", &["c"], 300), subscribed("e", &["c"], 300), leave("f", &["c"])] {
        assert_eq!(events(&mut node, 11 * SECOND, call), [""; 0]);
    }
    assert_eq!(wake(&mut node, 20 * SECOND), []);
    assert_eq!((node.len(), node.counts().joins, node.counts().leaves), (4, 6, 2));
}

#[test]
fn a_leave_shortly_before_the_end_of_an_interval_waits_for_the_next_one() {
    let mut node = Presence::new(BROKER, PresenceOptions { announce_max: 0, ..PresenceOptions::of(1) });
    for user in ["a", "b", "d"] {
        events(&mut node, 0, subscribed(user, &["c"], 300));
    }
    events(&mut node, 9 * SECOND, leave("a", &["c"]));
    events(&mut node, 9 * SECOND, leave("b", &["c"]));
    assert_eq!(wake(&mut node, 10 * SECOND), [(10 * SECOND, interval(10 * SECOND, 1, r#","join":["d"]"#))]);
    // Neither a nor b had been announced when they left, so nothing is held, and nobody hears of them. Now d leaves just
    // before the interval ends at 20 s: held for 2 s, it is told by the next event, at 30 s.
    events(&mut node, 11 * SECOND, subscribed("a", &["c"], 300));
    wake(&mut node, 20 * SECOND - 1);
    events(&mut node, 20 * SECOND - 1, leave("d", &["c"]));
    assert_eq!(wake(&mut node, 20 * SECOND), [(20 * SECOND, interval(20 * SECOND, 1, r#","join":["a"]"#))]);
    assert_eq!(wake(&mut node, 40 * SECOND), [(30 * SECOND, interval(30 * SECOND, 1, r#","leave":["d"]"#))]);
}

#[test]
fn without_deltas_an_interval_is_a_number_and_too_long_lists_ask_for_a_refresh() {
    let options = PresenceOptions { announce_max: 2, ..PresenceOptions::of(1) };
    for (options, tail, refreshes) in [
        (PresenceOptions { deltas: false, ..options }, "", 0),
        // 2,000 joins of 13 bytes and a comma: "user_000000", is 14, so 28,000 bytes fit and 20,000 do not hold them.
        (PresenceOptions { deltas_bytes_max: 20_000, ..options }, r#","here_now_refresh":true"#, 1),
    ] {
        let mut node = Presence::new(BROKER, options);
        for user in 0..2_002 {
            events(&mut node, 0, subscribed(&format!("user_{user:06}"), &["c"], 300));
        }
        let heard = wake(&mut node, 10 * SECOND);
        assert_eq!(heard, [(10 * SECOND, interval(10 * SECOND, 2_002, tail))]);
        assert_eq!(node.counts().refreshes, refreshes);
    }
    let mut node = Presence::new(BROKER, options);
    (0..2_002).for_each(|user| drop(events(&mut node, 0, subscribed(&format!("user_{user:06}"), &["c"], 300))));
    // 2,000 users of 14 bytes each, the last without a comma, behind a head that the empty event shows.
    let head = interval(10 * SECOND, 2_002, r#","join":[]"#).len();
    assert_eq!(wake(&mut node, 10 * SECOND)[0].1.len(), head + 2_000 * 14 - 1);
}

/// What was sent is counted in the second of its sending, by kind and by channel: a leave that the debounce held is counted
/// when it is told.
#[test]
fn events_are_counted_by_second_kind_and_channel() {
    let mut node = Presence::new(BROKER, PresenceOptions { announce_max: 2, ..PresenceOptions::of(1) });
    events(&mut node, SECOND, subscribed("a", &["c"], 300));
    events(&mut node, SECOND + 1, subscribed("b", &["c", "d"], 300));
    events(&mut node, 3 * SECOND, leave("a", &["c"]));
    wake(&mut node, 6 * SECOND);
    // The third user of c: from now on an event each 10 s.
    events(&mut node, 6 * SECOND, subscribed("a", &["c"], 300));
    events(&mut node, 7 * SECOND, subscribed("x", &["c"], 300));
    wake(&mut node, 20 * SECOND);
    let seconds = |counted: &crate::per_second::PerSecond| {
        let mut seconds = [0.0; 20];
        counted.add_to(&mut seconds);
        (0..20).filter(|second| seconds[*second] > 0.0).map(|second| (second, seconds[second])).collect::<Vec<_>>()
    };
    let activity = node.activity();
    // At 1 s: a on c, b on c and d. At 3 s the leave begins to wait for 2 s.
    assert_eq!(seconds(&activity.joins), [(1, 3.0), (6, 1.0)]);
    assert_eq!(seconds(&activity.leaves), [(5, 1.0)]);
    assert_eq!(seconds(&activity.intervals), [(17, 1.0)]);
    assert_eq!((activity.timeouts.total(), activity.state_changes.total()), (0, 0));
    assert_eq!(seconds(activity.on("c").unwrap()), [(1, 2.0), (5, 1.0), (6, 1.0), (17, 1.0)]);
    assert_eq!(seconds(activity.on("d").unwrap()), [(1, 1.0)]);
    assert!(activity.on("e").is_none());
    // A crash forgets who is here, and not what was said.
    node.reboot(20 * SECOND);
    assert_eq!(node.activity().joins.total(), 4);
}
