//! Signals, fires and App Context's events at the broker (platform.md 2.1, 2.2, 2.4, 3.1).

use super::*;
use crate::contract::Send;
use crate::limits::{DOCUMENTS_2026_01, SERVERLESS_2026_09};

const EDGE: NodeId = NodeId(10);
const WORKER: NodeId = NodeId(20);
const HISTORY: NodeId = NodeId(30);
const PUBLISHER: NodeId = NodeId(40);
const PEER: NodeId = NodeId(50);

/// A broker with a peer, all four Functions on `f.*`, and an edge that listens to `a` and `f.a`.
fn broker(limits: &'static Limits) -> Broker {
    let triggers = [Trigger::BeforePublish, Trigger::AfterPublish, Trigger::BeforeSignal, Trigger::AfterSignal];
    let mut broker = Broker::new(BrokerConfig {
        region: 0,
        edges: vec![EDGE],
        workers: vec![WORKER],
        peers: vec![PEER],
        history: HISTORY,
        bindings: triggers.map(|trigger| Binding { pattern: "f.*", trigger }).into(),
        limits,
        replication_frame: 0,
    });
    step(&mut broker, 0, Input::Start);
    let channels = ["a".into(), "f.a".into()].into_iter().collect();
    let attach =
        Attach { tag: 1, epoch: 1, channels, cursor: Timetoken::ZERO, cursor_region: None, also: Box::default() };
    step(&mut broker, 0, Input::Message { from: EDGE, msg: Msg::Attach(Box::new(attach)) });
    broker
}

fn step(broker: &mut Broker, now: Nanos, input: Input) -> Vec<Send> {
    let mut out = Outbox::new(false);
    broker.handle(now, input, &mut out);
    out.drain_sends().filter(|send| !matches!(send.msg, Msg::BrokerAlive { .. })).collect()
}

fn say(broker: &mut Broker, now: Nanos, channel: &str, kind: Kind, payload: &str) -> Vec<Send> {
    let publish = Publish {
        tag: 7,
        channel: channel.into(),
        payload: payload.into(),
        publisher: "u".into(),
        store: kind == Kind::Message,
        kind,
        hops: 0,
        client_ip: 1,
        token: None,
    };
    step(broker, now, Input::Message { from: PUBLISHER, msg: Msg::Publish(Box::new(publish)) })
}

fn answer(sends: &[Send]) -> Result<Timetoken, ApiError> {
    let answers = sends.iter().filter_map(|send| match &send.msg {
        Msg::Published { tag: 7, result } => Some(result.clone()),
        _ => None,
    });
    let [answer] = answers.collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{sends:?}"));
    answer
}

fn to(sends: &[Send]) -> Vec<NodeId> {
    sends.iter().map(|send| send.to).collect()
}

/// What the worker is asked to run.
fn asked(sends: &[Send]) -> Vec<(Trigger, u64)> {
    let asked = |send: &Send| match &send.msg {
        Msg::Invoke(invoke) => Some((invoke.trigger, invoke.tag)),
        _ => None,
    };
    sends.iter().filter_map(asked).collect()
}

fn goes_on(broker: &mut Broker, now: Nanos, tag: u64) -> Vec<Send> {
    let msg = Msg::Invoked { tag, outcome: InvokeOutcome::Ok("1".into()) };
    step(broker, now, Input::Message { from: WORKER, msg })
}

/// A message goes to its publisher, the edge, the peer and the history; a fire to its publisher alone.
#[test]
fn a_fire_is_not_delivered_not_stored_and_not_replicated() {
    let mut broker = broker(&SERVERLESS_2026_09);
    let said = say(&mut broker, 1_000, "a", Kind::Message, "1");
    assert_eq!(to(&said), [PUBLISHER, EDGE, HISTORY, PEER]);
    let fired = say(&mut broker, 2_000, "a", Kind::Fire, "2");
    assert_eq!(to(&fired), [PUBLISHER]);
    assert!(answer(&fired).unwrap() > answer(&said).unwrap(), "it has a timetoken as a publish has");
    assert_eq!((broker.counts().published, broker.counts().fired), (1, 1));
    let channels = ["a".into()].into_iter().collect();
    let attach = Attach { tag: 1, epoch: 1, channels, cursor: Timetoken(1), cursor_region: None, also: Box::default() };
    let sends = step(&mut broker, 3_000, Input::Message { from: EDGE, msg: Msg::Attach(Box::new(attach)) });
    let Some(Msg::Attached { messages, .. }) = sends.first().map(|send| &send.msg) else { panic!("{sends:?}") };
    assert_eq!(messages.len(), 1, "no cursor finds it either");
}

#[test]
fn a_fire_sets_off_the_functions_of_a_publish() {
    let mut broker = broker(&SERVERLESS_2026_09);
    let sends = say(&mut broker, 1_000, "f.a", Kind::Fire, "1");
    let [(Trigger::BeforePublish, tag)] = asked(&sends)[..] else { panic!("{sends:?}") };
    let sends = goes_on(&mut broker, 2_000, tag);
    assert_eq!(to(&sends), [PUBLISHER, WORKER]);
    assert_eq!(asked(&sends), [(Trigger::AfterPublish, 0)]);
}

#[test]
fn a_signal_has_functions_of_its_own_and_is_delivered_as_one_and_not_stored() {
    let mut broker = broker(&SERVERLESS_2026_09);
    let sends = say(&mut broker, 1_000, "f.a", Kind::Signal, "1");
    let [(Trigger::BeforeSignal, tag)] = asked(&sends)[..] else { panic!("{sends:?}") };
    let sends = goes_on(&mut broker, 2_000, tag);
    assert_eq!(to(&sends), [PUBLISHER, EDGE, WORKER, PEER]);
    assert_eq!(asked(&sends), [(Trigger::AfterSignal, 0)]);
    let Some(Msg::Push { envelope, .. }) = sends.iter().map(|send| &send.msg).nth(1) else { panic!("{sends:?}") };
    assert_eq!(envelope.kind, Kind::Signal);
}

/// A JSON string of 62 letters is 64 bytes with its quotes; one of 63 is one too many.
#[test]
fn a_signal_has_64_bytes() {
    let mut broker = broker(&SERVERLESS_2026_09);
    let text = |letters| format!("\"{}\"", "s".repeat(letters));
    assert!(answer(&say(&mut broker, 1_000, "a", Kind::Signal, &text(62))).is_ok());
    let refused = answer(&say(&mut broker, 2_000, "a", Kind::Signal, &text(63))).unwrap_err();
    assert_eq!(refused, ApiError::signal_too_large(Timetoken::at(2_000)));
    assert!(answer(&say(&mut broker, 3_000, "a", Kind::Fire, &text(63))).is_ok());
}

/// 1,000 a second of each: the next message is one too many, and the next signal is not.
#[test]
fn signals_have_a_quota_of_their_own() {
    let mut broker = broker(&DOCUMENTS_2026_01);
    for _ in 0..1_000 {
        assert!(answer(&say(&mut broker, 1_000, "a", Kind::Message, "1")).is_ok());
    }
    for kind in [Kind::Message, Kind::Fire] {
        assert_eq!(answer(&say(&mut broker, 1_000, "a", kind, "1")).unwrap_err().status, 429);
    }
    assert!(answer(&say(&mut broker, 1_000, "a", Kind::Signal, "1")).is_ok());
}

#[test]
fn a_cursor_gets_the_last_signal_of_each_channel_and_every_message() {
    let mut broker = broker(&SERVERLESS_2026_09);
    for (at, channel, kind) in [
        (1, "a", Kind::Signal),
        (2, "b", Kind::Signal),
        (3, "a", Kind::Message),
        (4, "a", Kind::Signal),
        (5, "a", Kind::Message),
    ] {
        say(&mut broker, 1_000 * at, channel, kind, &at.to_string());
    }
    let channels = ["a".into(), "b".into()].into_iter().collect();
    let attach = Attach { tag: 1, epoch: 1, channels, cursor: Timetoken(1), cursor_region: None, also: Box::default() };
    let sends = step(&mut broker, 9_000, Input::Message { from: EDGE, msg: Msg::Attach(Box::new(attach)) });
    let Some(Msg::Attached { messages, missed, .. }) = sends.first().map(|send| &send.msg) else { panic!("{sends:?}") };
    assert_eq!(messages.iter().map(|message| &*message.payload).collect::<Vec<_>>(), ["2", "3", "4", "5"]);
    assert_eq!(*missed, 0, "what is not kept is not missed");
}

#[test]
fn an_event_of_app_context_is_delivered_everywhere_as_one_and_sets_off_no_function() {
    let mut broker = broker(&SERVERLESS_2026_09);
    let msg = Msg::ObjectsEvent { channel: "f.a".into(), payload: "{}".into() };
    let sends = step(&mut broker, 1_000, Input::Message { from: HISTORY, msg });
    assert_eq!(to(&sends), [EDGE, PEER]);
    let Some(Msg::Push { envelope, .. }) = sends.first().map(|send| &send.msg) else { panic!("{sends:?}") };
    assert_eq!((envelope.kind, &*envelope.publisher), (Kind::Objects, ""));
}
