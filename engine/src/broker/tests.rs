use std::collections::VecDeque;

use super::*;
use crate::contract::Send;
use crate::limits::{DOCUMENTS_2026_01, SERVERLESS_2026_09};
use crate::message::ChannelList;

const EDGES: [NodeId; 3] = [NodeId(10), NodeId(11), NodeId(12)];
const WORKERS: [NodeId; 2] = [NodeId(20), NodeId(21)];
const HISTORY: NodeId = NodeId(30);
/// Whoever publishes: in life an edge or a worker, and to the broker nobody in particular.
const PUBLISHER: NodeId = NodeId(40);
/// The brokers' own addresses, where there are two.
const HERE: NodeId = NodeId(50);
const THERE: NodeId = NodeId(51);

const BEFORE: Binding = Binding { pattern: "f.*", trigger: Trigger::BeforePublish };
const AFTER: Binding = Binding { pattern: "f.*", trigger: Trigger::AfterPublish };

/// A broker that has started at 0, with one other region's broker beside it if `peers` says so.
fn broker(region: u8, peers: &[NodeId], bindings: &[Binding], limits: &'static Limits) -> Broker {
    let mut broker = Broker::new(BrokerConfig {
        region,
        edges: EDGES.into(),
        workers: WORKERS.into(),
        peers: peers.into(),
        history: HISTORY,
        bindings: bindings.into(),
        limits,
        replication_frame: REPLICATION_FRAME,
    });
    input(&mut broker, 0, Input::Start);
    for edge in EDGES {
        step(&mut broker, 0, edge, Msg::Detach { channels: ChannelList::new(), epoch: 1 });
    }
    broker
}

fn alone(bindings: &[Binding]) -> Broker {
    broker(0, &[], bindings, &SERVERLESS_2026_09)
}

fn input(broker: &mut Broker, now: Nanos, input: Input) -> Vec<Send> {
    let mut out = Outbox::new(false);
    broker.handle(now, input, &mut out);
    out.drain_sends().filter(|send| !matches!(send.msg, Msg::BrokerAlive { .. })).collect()
}

fn step(broker: &mut Broker, now: Nanos, from: NodeId, msg: Msg) -> Vec<Send> {
    input(broker, now, Input::Message { from, msg })
}

fn message(channel: &str, payload: &str) -> Publish {
    Publish {
        tag: 7,
        channel: channel.into(),
        payload: payload.into(),
        publisher: "u".into(),
        store: true,
        kind: Kind::Message,
        hops: 0,
        client_ip: 1,
        token: None,
    }
}

fn publish(broker: &mut Broker, now: Nanos, channel: &str, payload: &str) -> Vec<Send> {
    step(broker, now, PUBLISHER, Msg::Publish(Box::new(message(channel, payload))))
}

fn attach(
    broker: &mut Broker,
    now: Nanos,
    edge: NodeId,
    epoch: u64,
    channels: &[&str],
    cursor: Timetoken,
) -> Vec<Send> {
    let channels = channels.iter().map(|&channel| channel.into()).collect();
    step(
        broker,
        now,
        edge,
        Msg::Attach(Box::new(Attach { tag: 3, epoch, channels, cursor, cursor_region: None, also: Box::default() })),
    )
}

/// What the publisher was told, if it was.
fn told(sends: &[Send]) -> Option<Result<Timetoken, ApiError>> {
    sends.iter().find_map(|send| match &send.msg {
        Msg::Published { tag: 7, result } if send.to == PUBLISHER => Some(result.clone()),
        _ => None,
    })
}

/// Which edges got which payload, in the order of sending.
fn pushed(sends: &[Send]) -> Vec<(NodeId, String)> {
    let payload = |send: &Send| match &send.msg {
        Msg::Push { envelope, .. } => Some((send.to, envelope.payload.to_string())),
        _ => None,
    };
    sends.iter().filter_map(payload).collect()
}

fn invoked(sends: &[Send]) -> Vec<(NodeId, Invoke)> {
    let invoke = |send: &Send| match &send.msg {
        Msg::Invoke(invoke) => Some((send.to, Invoke::clone(invoke))),
        _ => None,
    };
    sends.iter().filter_map(invoke).collect()
}

fn stored(sends: &[Send]) -> Vec<String> {
    let payload = |send: &Send| match &send.msg {
        Msg::HistoryAppend(envelope) if send.to == HISTORY => Some(envelope.payload.to_string()),
        _ => None,
    };
    sends.iter().filter_map(payload).collect()
}

// Timetokens.

/// Three messages in one instant, one a tick later, one after the clock went back by a second, one after a restart:
/// each gets a greater timetoken than all before it.
#[test]
fn timetokens_grow_strictly_whatever_the_clock_does() {
    let mut broker = alone(&[]);
    let second = 1_000_000_000;
    let mut given = Vec::new();
    for (now, channel) in [(second, "a"), (second, "a"), (second, "b"), (second + 100, "a"), (0, "a")] {
        given.push(told(&publish(&mut broker, now, channel, "1")).expect("an answer").expect("a timetoken"));
    }
    broker.reboot(0);
    input(&mut broker, 0, Input::Start);
    given.push(told(&publish(&mut broker, 0, "a", "1")).expect("an answer").expect("a timetoken"));
    assert_eq!(given[0], Timetoken::at(second), "the moment of the publish");
    assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
}

// Delivery.

/// platform.md 2.2: what the publisher is told is what the subscribers read.
#[test]
fn a_message_goes_to_every_edge_that_listens_and_to_no_other() {
    let mut broker = alone(&[]);
    attach(&mut broker, 1, EDGES[0], 1, &["a", "b"], Timetoken::ZERO);
    attach(&mut broker, 1, EDGES[2], 1, &["a"], Timetoken::ZERO);
    let sends = publish(&mut broker, 2, "a", "1");
    assert_eq!(pushed(&sends), [(EDGES[0], "1".to_owned()), (EDGES[2], "1".to_owned())]);
    let timetoken = told(&sends).expect("an answer").expect("a timetoken");
    assert!(sends.iter().all(|send| match &send.msg {
        Msg::Push { envelope, .. } => envelope.timetoken == timetoken,
        _ => true,
    }));
    assert_eq!(pushed(&publish(&mut broker, 3, "b", "2")), [(EDGES[0], "2".to_owned())]);
    assert_eq!(pushed(&publish(&mut broker, 4, "c", "3")), []);
    step(&mut broker, 5, EDGES[0], Msg::Detach { channels: ["a".into()].into_iter().collect(), epoch: 1 });
    assert_eq!(pushed(&publish(&mut broker, 6, "a", "4")), [(EDGES[2], "4".to_owned())]);
}

/// The newer epoch ends what the edge asked for in the older; what still arrives of the older is not even answered.
#[test]
fn a_new_epoch_of_an_edge_ends_what_it_asked_for_before() {
    let mut broker = alone(&[]);
    attach(&mut broker, 1, EDGES[0], 1, &["a"], Timetoken::ZERO);
    attach(&mut broker, 2, EDGES[0], 2, &["b"], Timetoken::ZERO);
    assert_eq!(pushed(&publish(&mut broker, 3, "a", "1")), []);
    assert!(attach(&mut broker, 4, EDGES[0], 1, &["a"], Timetoken::ZERO).is_empty(), "late, of the old epoch");
    step(&mut broker, 5, EDGES[0], Msg::Detach { channels: ["b".into()].into_iter().collect(), epoch: 1 });
    assert_eq!(pushed(&publish(&mut broker, 6, "a", "2")), []);
    assert_eq!(pushed(&publish(&mut broker, 7, "b", "3")), [(EDGES[0], "3".to_owned())]);
}

/// Between a cursor and now the region's log keeps everything: caught up on or pushed, nothing is missing or double.
#[test]
fn a_cursor_catches_up_out_of_the_regions_log_and_goes_on_with_pushes() {
    let mut broker = alone(&[]);
    let cursor = |sends: Vec<Send>| match sends.as_slice() {
        [Send { msg: Msg::Attached { tag: 3, cursor, messages, missed: 0 }, .. }] => {
            (*cursor, messages.iter().map(|message| message.payload.to_string()).collect::<Vec<_>>())
        }
        other => panic!("one answer expected: {other:?}"),
    };
    publish(&mut broker, 1_000, "a", "before");
    let (start, messages) = cursor(attach(&mut broker, 2_000, EDGES[0], 1, &["a"], Timetoken::ZERO));
    assert!(messages.is_empty(), "a handshake");
    step(&mut broker, 3_000, EDGES[0], Msg::Detach { channels: ["a".into()].into_iter().collect(), epoch: 1 });
    publish(&mut broker, 4_000, "a", "1");
    publish(&mut broker, 5_000, "other", "2");
    publish(&mut broker, 6_000, "a", "3");
    let (end, messages) = cursor(attach(&mut broker, 7_000, EDGES[0], 1, &["a"], start));
    assert_eq!(messages, ["1", "3"]);
    assert_eq!(cursor(attach(&mut broker, 8_000, EDGES[1], 1, &["a"], end)), (end, vec![]), "the cursor has all of it");
    assert_eq!(pushed(&publish(&mut broker, 9_000, "a", "4")).len(), 2);
}

/// The log and the listeners are volatile (the broker says a new epoch); a message of before is gone for cursors.
#[test]
fn a_restarted_broker_says_a_new_epoch_and_has_forgotten_messages_and_listeners() {
    let mut broker = alone(&[]);
    let (start, mut out) = (Timetoken::at(1), Outbox::new(false));
    attach(&mut broker, 1, EDGES[0], 1, &["a"], Timetoken::ZERO);
    publish(&mut broker, 1_000, "a", "1");
    broker.reboot(2_000);
    broker.handle(2_000, Input::Start, &mut out);
    let epochs: Vec<_> =
        out.drain_sends().map(|send| (send.to, matches!(send.msg, Msg::BrokerAlive { epoch: 2 }))).collect();
    assert_eq!(epochs, EDGES.map(|edge| (edge, true)));
    assert_eq!(pushed(&publish(&mut broker, 3_000, "a", "2")), []);
    let sends = attach(&mut broker, 4_000, EDGES[0], 2, &["a"], start);
    let [Send { msg: Msg::Attached { messages, .. }, .. }] = &sends[..] else { panic!("{sends:?}") };
    assert_eq!(messages.iter().map(|message| &*message.payload).collect::<Vec<_>>(), ["2"]);
}

#[test]
fn history_gets_what_is_to_be_stored_and_nothing_else() {
    let mut broker = alone(&[]);
    assert_eq!(stored(&publish(&mut broker, 1, "a", "1")), ["1"]);
    let fire = Publish { store: false, ..message("a", "2") };
    assert!(stored(&step(&mut broker, 2, PUBLISHER, Msg::Publish(Box::new(fire)))).is_empty());
}

// The other region.

/// Carries frames between two brokers until both have nothing more to say; returns what the edges got of the second.
fn replicate(here: &mut Broker, there: &mut Broker, now: Nanos, first: Vec<Send>) -> Vec<(NodeId, String)> {
    let mut queue: VecDeque<(NodeId, Send)> = first.into_iter().map(|send| (HERE, send)).collect();
    let mut seen = Vec::new();
    while let Some((from, send)) = queue.pop_front() {
        let (name, node) = match send.to {
            HERE => (HERE, &mut *here),
            THERE => (THERE, &mut *there),
            _ => continue,
        };
        let mut sends = step(node, now, from, send.msg);
        if name == THERE {
            seen.extend(pushed(&sends));
            assert!(invoked(&sends).is_empty() && stored(&sends).is_empty(), "done where it was published: {sends:?}");
        }
        queue.extend(sends.drain(..).map(|send| (name, send)));
    }
    seen
}

/// A frame leaves 20 ms after the first message in it; Functions and history are the publisher's region's.
#[test]
fn a_message_reaches_the_other_regions_listeners_and_sets_off_no_function_there() {
    let mut here = broker(0, &[THERE], &[AFTER], &SERVERLESS_2026_09);
    let mut there = broker(1, &[HERE], &[BEFORE, AFTER], &SERVERLESS_2026_09);
    attach(&mut there, 1, EDGES[1], 1, &["f.a"], Timetoken::ZERO);
    let at = 1_000_000;
    assert_eq!(invoked(&publish(&mut here, at, "f.a", "1")).len(), 1);
    publish(&mut here, at + 5 * MS, "f.a", "2");
    assert_eq!(here.next_wake(), Some(at + 20 * MS));
    let frame = input(&mut here, at + 20 * MS, Input::Wake);
    assert_eq!(frame.len(), 1, "both in one: {frame:?}");
    let seen = replicate(&mut here, &mut there, at + 60 * MS, frame);
    assert_eq!(seen, [(EDGES[1], "1".to_owned()), (EDGES[1], "2".to_owned())]);
    assert_eq!(there.counts().replicated_in, 2);
}

// Limits.

/// platform.md 3.3: 3 hops, the fourth is dropped in silence. A client's publish is hop 0.
#[test]
fn the_fourth_hop_is_dropped_in_silence() {
    let mut broker = alone(&[AFTER]);
    attach(&mut broker, 1, EDGES[0], 1, &["f.a"], Timetoken::ZERO);
    for hops in 0..=4 {
        let hop = Publish { hops, ..message("f.a", "1") };
        let sends = step(&mut broker, 2, PUBLISHER, Msg::Publish(Box::new(hop)));
        assert!(matches!(told(&sends), Some(Ok(_))), "the publisher is told that it was sent");
        let goes_on = usize::from(hops <= 3);
        assert_eq!((pushed(&sends).len(), invoked(&sends).len(), stored(&sends).len()), (goes_on, goes_on, goes_on));
    }
    assert_eq!((broker.counts().hops_exceeded, broker.counts().published), (1, 4));
}

/// voting.md 10.4: 1,000 submissions a second and shard. A second's worth at once, then one a millisecond; another
/// channel has its own; what Functions publish is not counted.
#[test]
fn a_channel_takes_1000_publishes_a_second_and_refuses_more_with_429() {
    let mut broker = broker(0, &[], &[], &DOCUMENTS_2026_01);
    let status = |sends: Vec<Send>| told(&sends).expect("an answer").map_or_else(|error| error.status, |_| 200);
    let taken = (0..1_010).filter(|_| status(publish(&mut broker, 5, "a", "1")) == 200).count();
    assert_eq!((taken, broker.counts().rate_limited), (1_000, 10));
    assert_eq!(status(publish(&mut broker, 5, "b", "1")), 200);
    let own = Publish { hops: 1, ..message("a", "1") };
    assert_eq!(status(step(&mut broker, 5, PUBLISHER, Msg::Publish(Box::new(own)))), 200);
    assert_eq!(status(publish(&mut broker, 5 + MS - 1, "a", "1")), 429);
    assert_eq!(status(publish(&mut broker, 5 + MS, "a", "1")), 200);
    assert_eq!(told(&publish(&mut broker, 5 + MS, "a", "1")), Some(Err(ApiError::too_many_requests("Publish"))));
}

#[test]
fn an_overloaded_broker_refuses_publishes_with_429_and_still_answers_subscribers() {
    let mut broker = alone(&[]);
    let msg = Msg::Publish(Box::new(message("a", "1")));
    let sends = input(&mut broker, 1, Input::Overload { from: PUBLISHER, msg });
    assert_eq!(told(&sends), Some(Err(ApiError::too_many_requests("Publish"))));
    assert_eq!(broker.counts().published, 0);
    let attach = Attach {
        tag: 3,
        epoch: 1,
        channels: ["a".into()].into_iter().collect(),
        cursor: Timetoken::ZERO,
        cursor_region: None,
        also: Box::default(),
    };
    let sends = input(&mut broker, 2, Input::Overload { from: EDGES[0], msg: Msg::Attach(Box::new(attach)) });
    assert!(matches!(sends[..], [Send { msg: Msg::Attached { .. }, .. }]));
}

// Functions (platform.md 3.1: a Before Publish holds delivery and the publisher's timetoken until it resolves).

/// One publish to `f.a` that waits for its Before Publish: the invocation's tag.
fn held(broker: &mut Broker, now: Nanos) -> u64 {
    let sends = publish(broker, now, "f.a", "\"as sent\"");
    let [(_, Invoke { tag, trigger: Trigger::BeforePublish, answer: true, .. })] = &invoked(&sends)[..] else {
        panic!("one invocation expected: {sends:?}")
    };
    assert_eq!((told(&sends), pushed(&sends), stored(&sends)), (None, vec![], vec![]), "held until it resolves");
    *tag
}

fn listened() -> Broker {
    let mut broker = alone(&[BEFORE, AFTER]);
    attach(&mut broker, 1, EDGES[0], 1, &["f.a"], Timetoken::ZERO);
    broker
}

/// Delivered, stored and handed to the After Publish is what the Before Publish made of it.
#[test]
fn before_publish_may_change_a_message() {
    let mut broker = listened();
    let tag = held(&mut broker, 2);
    let outcome = InvokeOutcome::Ok("\"changed\"".into());
    let sends = step(&mut broker, 3, WORKERS[0], Msg::Invoked { tag, outcome });
    assert!(matches!(told(&sends), Some(Ok(_))));
    assert_eq!(pushed(&sends), [(EDGES[0], "\"changed\"".to_owned())]);
    assert_eq!(stored(&sends), ["\"changed\""]);
    assert_eq!(&*invoked(&sends)[0].1.publish.payload, "\"changed\"");
}

#[test]
fn before_publish_may_refuse_a_message_and_then_nothing_of_it_happens() {
    let mut broker = listened();
    let tag = held(&mut broker, 2);
    let outcome = InvokeOutcome::Abort { status: 422, body: "{\"error\":\"no\"}".into() };
    let sends = step(&mut broker, 3, WORKERS[0], Msg::Invoked { tag, outcome });
    assert_eq!(told(&sends), Some(Err(ApiError::new(422, "{\"error\":\"no\"}"))));
    assert_eq!(sends.len(), 1, "no delivery, no history, no After Publish: {sends:?}");
    assert_eq!((broker.counts().aborted, broker.counts().published), (1, 0));
}

#[test]
fn after_publish_runs_once_and_a_repeated_answer_delivers_nothing_again() {
    let mut broker = listened();
    let tag = held(&mut broker, 2);
    let again = || Msg::Invoked { tag, outcome: InvokeOutcome::Ok("1".into()) };
    let sends = step(&mut broker, 3, WORKERS[0], again());
    let [(_, Invoke { trigger: Trigger::AfterPublish, answer: false, .. })] = &invoked(&sends)[..] else {
        panic!("one After Publish, whose end nobody waits for: {sends:?}")
    };
    assert!(step(&mut broker, 4, WORKERS[0], again()).is_empty());
    assert_eq!(broker.counts().published, 1);
}

/// A handler may take 10 s, and a second is for the way: 11 s after the publish the publisher reads 504, and the
/// answer that comes after finds nothing to deliver.
#[test]
fn a_publish_whose_function_never_answers_gets_504_and_is_never_delivered() {
    let mut broker = listened();
    let tag = held(&mut broker, SECOND);
    assert!(input(&mut broker, 12 * SECOND - 1, Input::Wake).is_empty());
    let sends = input(&mut broker, 12 * SECOND, Input::Wake);
    assert_eq!(told(&sends), Some(Err(ApiError::function_timeout())));
    assert_eq!(ApiError::function_timeout().status, 504);
    let late = Msg::Invoked { tag, outcome: InvokeOutcome::Ok("1".into()) };
    assert!(step(&mut broker, 12 * SECOND + 1, WORKERS[0], late).is_empty());
    assert_eq!((broker.counts().function_timeouts, broker.counts().published), (1, 0));
}

#[test]
fn a_held_publish_dies_with_its_broker() {
    let mut broker = listened();
    let tag = held(&mut broker, 2);
    broker.reboot(3);
    input(&mut broker, 3, Input::Start);
    assert!(step(&mut broker, 4, WORKERS[0], Msg::Invoked { tag, outcome: InvokeOutcome::Ok("1".into()) }).is_empty());
    assert_eq!(broker.counts().published, 0);
}

#[test]
fn workers_take_turns() {
    let mut broker = alone(&[BEFORE]);
    let mut worker = |now| invoked(&publish(&mut broker, now, "f.a", "1"))[0].0;
    assert_eq!([worker(1), worker(2), worker(3)], [WORKERS[0], WORKERS[1], WORKERS[0]]);
}

#[test]
fn a_function_is_bound_to_an_exact_name_or_to_a_prefix() {
    let exact = Binding { pattern: "f.a", trigger: Trigger::BeforePublish };
    assert!(exact.matches("f.a") && !exact.matches("f.ab") && !exact.matches("f"));
    assert!(BEFORE.matches("f.a") && BEFORE.matches("f.a-shard-1") && !BEFORE.matches("g.a") && !BEFORE.matches("f"));
}
