//! Who is here, and when no longer.

mod asked;
mod model;
mod told;

use super::*;
use crate::contract::MS;
use crate::timetoken::EPOCH_UNIX_S;

const BROKER: NodeId = NodeId(3);
const EDGE: NodeId = NodeId(5);

fn node() -> Presence {
    Presence::new(BROKER, PresenceOptions::of(1))
}

/// Leaves are announced at once.
fn prompt() -> Presence {
    Presence::new(BROKER, PresenceOptions { debounce_s: 0, ..PresenceOptions::of(1) })
}

/// Interval mode from the third user on, leaves at once.
fn crowded() -> Presence {
    Presence::new(BROKER, PresenceOptions { announce_max: 2, debounce_s: 0, ..PresenceOptions::of(1) })
}

type Said = (Vec<String>, Option<Result<PresenceOk, ApiError>>);

/// What the broker is told and what the caller is answered, in this order or the test fails.
fn said(out: &mut Outbox) -> Said {
    let (mut events, mut answer) = (Vec::new(), None);
    for send in out.drain_sends() {
        match send.msg {
            Msg::PresenceEvent { payload, .. } => {
                assert_eq!((send.to, &answer), (BROKER, &None), "events reach observers before the call returns");
                serde_json::from_str::<Value>(&payload).expect("an event is JSON");
                events.push(payload.to_string());
            }
            Msg::PresenceAnswer { tag: 7, result } => {
                assert_eq!(send.to, EDGE);
                answer = Some(result);
            }
            other => panic!("{other:?}"),
        }
    }
    (events, answer)
}

fn ask(node: &mut Presence, now: Nanos, call: PresenceCall) -> Said {
    let mut out = Outbox::new(false);
    let msg = Msg::Presence { tag: 7, call: Box::new(call) };
    node.handle(now, Input::Message { from: EDGE, msg }, &mut out);
    said(&mut out)
}

fn events(node: &mut Presence, now: Nanos, call: PresenceCall) -> Vec<String> {
    ask(node, now, call).0
}

fn answer(node: &mut Presence, now: Nanos, call: PresenceCall) -> PresenceOk {
    ask(node, now, call).1.expect("an answer").expect("a good one")
}

/// Wakes the node whenever it asks, up to `until`: when it said what.
fn wake(node: &mut Presence, until: Nanos) -> Vec<(Nanos, String)> {
    let (mut heard, mut out) = (Vec::new(), Outbox::new(false));
    while let Some(at) = node.next_wake().filter(|at| *at <= until) {
        node.handle(at, Input::Wake, &mut out);
        heard.extend(said(&mut out).0.into_iter().map(|event| (at, event)));
    }
    heard
}

fn on(channels: &[&str]) -> crate::message::ChannelList {
    channels.iter().map(|channel| Channel::from(*channel)).collect()
}

fn subscribed(user: &str, channels: &[&str], timeout_s: u32) -> PresenceCall {
    PresenceCall::Subscribed { user: user.into(), channels: on(channels), timeout_s }
}

fn heartbeat(user: &str, channels: &[&str], timeout_s: u32) -> PresenceCall {
    PresenceCall::Heartbeat { user: user.into(), channels: on(channels), timeout_s }
}

fn leave(user: &str, channels: &[&str]) -> PresenceCall {
    PresenceCall::Leave { user: user.into(), channels: on(channels) }
}

fn set_state(user: &str, channels: &[&str], state: &str) -> PresenceCall {
    PresenceCall::SetState { user: user.into(), channels: on(channels), state: state.into() }
}

fn get_state(user: &str, channels: &[&str]) -> PresenceCall {
    PresenceCall::GetState { user: user.into(), channels: on(channels) }
}

fn here_now(channels: &[&str], limit: u32, offset: u32) -> PresenceCall {
    PresenceCall::HereNow { channels: on(channels).to_vec(), uuids: true, state: false, limit, offset }
}

fn where_now(node: &mut Presence, now: Nanos, user: &str) -> Vec<String> {
    match answer(node, now, PresenceCall::WhereNow { user: user.into() }) {
        PresenceOk::WhereNow(channels) => channels.iter().map(|channel| channel.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

/// (occupancy, users) of one channel.
fn page(answer: PresenceOk) -> (u32, Vec<String>) {
    let PresenceOk::HereNow(here_now) = answer else { panic!("{answer:?}") };
    let [channel] = &here_now.channels[..] else { panic!("{here_now:?}") };
    assert_eq!(here_now.total_occupancy, channel.occupancy);
    (channel.occupancy, channel.users.iter().map(|(user, _)| user.to_string()).collect())
}

/// An event as it must read, at a moment of the world's clock.
fn event(action: &str, user: &str, at: Nanos, occupancy: u32) -> String {
    let ms = EPOCH_UNIX_S * 1_000 + at / MS;
    format!(
        r#"{{"action":"{action}","uuid":"{user}","timestamp":{},"occupancy":{occupancy},"precise_timestamp":{ms}}}"#,
        ms / 1_000
    )
}

fn interval(at: Nanos, occupancy: u32, lists: &str) -> String {
    format!(r#"{{"action":"interval","timestamp":{},"occupancy":{occupancy}{lists}}}"#, EPOCH_UNIX_S + at / SECOND)
}

#[test]
fn a_user_times_out_exactly_its_timeout_after_the_last_heartbeat() {
    for timeout_s in [20, 21, 57, 300, 320] {
        let (mut node, start) = (node(), 12_345_678_901);
        events(&mut node, start, subscribed("a", &["c"], timeout_s));
        let last = start + 7 * SECOND + 13;
        assert_eq!(events(&mut node, last, heartbeat("a", &["c"], timeout_s)), [""; 0]);
        let due = last + u64::from(timeout_s) * SECOND;
        assert_eq!(wake(&mut node, 2 * due), [(due, event("timeout", "a", due, 0))]);
        assert!(node.is_empty() && node.next_wake().is_none());
    }
}

#[test]
fn heartbeats_keep_a_user_there_for_hours_and_cost_few_wakes() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    let mut wakes = 0;
    for beat in 1..100 {
        // Client libraries send one every timeout / 2 - 1 = 149 s (platform.md 2.5).
        let now = beat * 149 * SECOND;
        while let Some(at) = node.next_wake().filter(|at| *at < now) {
            node.handle(at, Input::Wake, &mut Outbox::new(false));
            wakes += 1;
        }
        assert_eq!(ask(&mut node, now, heartbeat("a", &["c"], 300)), (vec![], Some(Ok(PresenceOk::Done))));
    }
    assert_eq!((node.occupancy("c"), node.counts().heartbeats, node.counts().joins), (1, 99, 1));
    // 99 x 149 = 14,751 s; a bucket is looked at 151 s after the last heartbeat at the earliest: 98 times at most.
    assert!((40..=98).contains(&wakes), "{wakes}");
}

#[test]
fn an_open_connection_without_heartbeats_keeps_nobody_there() {
    let mut node = prompt();
    events(&mut node, 0, subscribed("a", &["c"], 20));
    // New subscribes are heartbeats too, the connection that stays open after the last of them is none.
    assert_eq!(events(&mut node, 4 * SECOND, subscribed("a", &["c"], 20)), [""; 0]);
    assert_eq!(wake(&mut node, 24 * SECOND), [(24 * SECOND, event("timeout", "a", 24 * SECOND, 0))]);
    // And the next heartbeat brings the user back.
    assert_eq!(events(&mut node, 30 * SECOND, heartbeat("a", &["c"], 20)), [event("join", "a", 30 * SECOND, 1)]);
}

#[test]
fn a_heartbeat_at_the_very_deadline_comes_too_late_whether_or_not_the_wake_came_first() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 20));
    let at = 20 * SECOND;
    let both = [event("timeout", "a", at, 0), event("join", "a", at, 1)];
    assert_eq!(events(&mut node, at, heartbeat("a", &["c"], 20)), both);
}

#[test]
fn a_node_that_was_paused_tells_first_what_it_missed_in_order_of_time() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 40));
    events(&mut node, 1, subscribed("b", &["c"], 20));
    events(&mut node, 2, subscribed("d", &["c"], 300));
    events(&mut node, 3, leave("d", &["c"]));
    // d's leave was due at 2 s, b at 20 s, a at 40 s; the node hears its clock again at 60 s, with a's heartbeat.
    let now = 60 * SECOND;
    let wanted = [
        event("leave", "d", 3, 2),
        event("timeout", "b", now, 1),
        event("timeout", "a", now, 0),
        event("join", "a", now, 1),
    ];
    assert_eq!(events(&mut node, now, heartbeat("a", &["c"], 20)), wanted);
}

#[test]
fn a_wake_too_early_or_twice_does_nothing() {
    let (mut node, mut out) = (node(), Outbox::new(false));
    events(&mut node, 0, subscribed("a", &["c"], 20));
    let due = 20 * SECOND;
    for (at, heard) in [(1, 0), (due - 1, 0), (due, 1), (due, 0), (due + 1, 0)] {
        node.handle(at, Input::Wake, &mut out);
        assert_eq!(out.drain_sends().count(), heard, "{at}");
    }
}

#[test]
fn timeouts_are_taken_between_20_and_320_seconds() {
    for (asked_s, taken_s) in [(0, 20), (8, 20), (20, 20), (320, 320), (321, 320), (u32::MAX, 320)] {
        let mut node = node();
        events(&mut node, 5, heartbeat("a", &["c"], asked_s));
        let due = 5 + taken_s * SECOND;
        assert_eq!(wake(&mut node, 2 * due), [(due, event("timeout", "a", due, 0))], "{asked_s}");
    }
}

#[test]
fn a_shorter_timeout_brings_the_deadline_nearer() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    events(&mut node, SECOND, heartbeat("a", &["c"], 20));
    assert_eq!(wake(&mut node, 400 * SECOND), [(21 * SECOND, event("timeout", "a", 21 * SECOND, 0))]);
    // A key with timeouts below a bucket's width of 2^30 ns: the third bucket is from 2.147 to 3.221 s. It is open when a
    // heartbeat at 2.150 s brings the deadline from 3.200 to 3.150 s.
    let options = PresenceOptions { timeout_min_s: 1, ..PresenceOptions::of(1) };
    let mut node = Presence::new(BROKER, options);
    for (ms, timeout_s) in [(200, 3), (2_150, 1)] {
        wake(&mut node, ms * MS);
        events(&mut node, ms * MS, heartbeat("a", &["c"], timeout_s));
    }
    assert_eq!(wake(&mut node, 9 * SECOND), [(3_150 * MS, event("timeout", "a", 3_150 * MS, 0))]);
}

#[test]
fn two_devices_of_a_user_are_one_occupant_with_the_timeout_last_heard() {
    let mut node = prompt();
    assert_eq!(events(&mut node, 0, subscribed("a", &["c"], 300)).len(), 1);
    assert_eq!(events(&mut node, SECOND, subscribed("a", &["c"], 20)), [""; 0]);
    assert_eq!(node.occupancy("c"), 1);
    assert_eq!(wake(&mut node, 300 * SECOND), [(21 * SECOND, event("timeout", "a", 21 * SECOND, 0))]);
    // One device's leave is the user's: the other brings it back with its next heartbeat.
    events(&mut node, 400 * SECOND, subscribed("a", &["c"], 300));
    assert_eq!(events(&mut node, 401 * SECOND, leave("a", &["c"])).len(), 1);
    assert_eq!(events(&mut node, 405 * SECOND, heartbeat("a", &["c"], 20)), [event("join", "a", 405 * SECOND, 1)]);
}

#[test]
fn after_a_crash_nobody_is_there_until_the_next_heartbeat() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    events(&mut node, 0, subscribed("b", &["c"], 300));
    events(&mut node, 0, set_state("a", &["c"], "{}"));
    events(&mut node, SECOND, leave("b", &["c"]));
    node.reboot(2 * SECOND);
    assert!(node.is_empty() && node.next_wake().is_none());
    assert_eq!(events(&mut node, 149 * SECOND, heartbeat("a", &["c"], 300)), [event("join", "a", 149 * SECOND, 1)]);
    assert_eq!(answer(&mut node, 149 * SECOND, get_state("a", &["c"])), PresenceOk::State(vec![]));
    // b's leave was never told, and nobody will hear of it. The counts are the run's, not the process's.
    assert_eq!(wake(&mut node, 200 * SECOND), []);
    assert_eq!((node.counts().joins, node.counts().leaves), (3, 1));
}

#[test]
fn overload_and_misbehaviour_are_answered_in_the_platforms_words() {
    let mut node = node();
    let busy = Some(Err(ApiError::too_many_requests("Presence")));
    let away = Some(Err(ApiError::service_unavailable("Presence")));
    for (call, wanted) in [(heartbeat("a", &["c"], 20), busy.clone()), (subscribed("a", &["c"], 20), None)] {
        let mut out = Outbox::new(false);
        let msg = Msg::Presence { tag: 7, call: Box::new(call) };
        node.handle(0, Input::Overload { from: EDGE, msg }, &mut out);
        assert_eq!(said(&mut out), (vec![], wanted));
    }
    let (all, none) = (1_000_000, Misbehaviour::default());
    for (orders, wanted, effect) in [
        (Misbehaviour { error_ppm: all, ..none }, away.clone(), 0),
        (Misbehaviour { throttle_ppm: all, ..none }, busy, 0),
        (Misbehaviour { error_after_effect_ppm: all, ..none }, away, 1),
        (Misbehaviour { silent_after_effect_ppm: all, ..none }, None, 1),
        (none, Some(Ok(PresenceOk::Done)), 1),
    ] {
        node.reboot(0);
        node.handle(0, Input::Message { from: EDGE, msg: Msg::Misbehave(orders) }, &mut Outbox::new(false));
        assert_eq!(ask(&mut node, 0, heartbeat("a", &["c"], 20)).1, wanted, "{orders:?}");
        assert_eq!(node.occupancy("c"), effect, "{orders:?}");
    }
    let counts = node.counts();
    assert_eq!((counts.throttled, counts.failed, counts.unanswered, counts.heartbeats), (3, 2, 1, 3));
    // A new process behaves, and answers are held back for as long as the orders say.
    let orders = Misbehaviour { delay: 5, ..none };
    let mut out = Outbox::new(false);
    node.handle(0, Input::Message { from: EDGE, msg: Msg::Misbehave(orders) }, &mut out);
    let msg = Msg::Presence { tag: 7, call: Box::new(heartbeat("a", &["c"], 20)) };
    node.handle(0, Input::Message { from: EDGE, msg }, &mut out);
    assert_eq!(out.drain_sends().map(|send| send.after).collect::<Vec<_>>(), [5]);
}

#[test]
fn every_channel_has_one_owner_and_owners_share_the_channels() {
    // 1,000 channels over 4 nodes: 250 each, standard deviation sqrt(1000 x 0.25 x 0.75) = 14, so 70 is five of them.
    let mut shares = [0_i32; 4];
    (0..1_000).for_each(|n| shares[owner(&format!("presence.shard-{n}"), 4)] += 1);
    assert!(shares.iter().all(|share| (share - 250).abs() < 70), "{shares:?}");
    assert_eq!(owner("presence.shard-0", 1), 0);
    // Portable: these were computed once, and any other machine must find them too.
    assert_eq!([0, 1, 2, 42].map(|n| owner(&format!("presence.shard-{n}"), 100)), [30, 92, 89, 37]);
}

#[test]
fn a_user_on_a_channel_takes_less_than_100_bytes() {
    assert_eq!(size_of::<rows::Row>(), 48);
    // 20 channels of 2,500 users, each with its user: the tables may be half empty after growing.
    let mut node = node();
    for user in 0..50_000_u64 {
        let channel = format!("presence.shard-{}", user % 20);
        let now = user * MS;
        events(&mut node, now, subscribed(&format!("user_{user:06}"), &[&*channel], 300));
    }
    assert_eq!(node.len(), 50_000);
    let bytes = node.memory_bytes() / node.len();
    assert!(bytes < 100, "{bytes}");
    // When all are gone, what is kept is places to use again.
    wake(&mut node, 400 * SECOND);
    assert!(node.is_empty());
    let before = node.memory_bytes();
    for user in 0..50_000_u64 {
        events(&mut node, 500 * SECOND + user, subscribed(&format!("other_{user:06}"), &["c"], 300));
    }
    assert!(node.memory_bytes() < before * 5 / 4, "{} {before}", node.memory_bytes());
}
