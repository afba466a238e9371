use super::*;
use crate::access::{Grant, Role, Token, Verifier};
use crate::broker::{Broker, BrokerConfig};
use crate::contract::{MINUTE, Send};
use crate::limits::Limits;
use crate::limits::{DOCUMENTS_2026_01, UNLIMITED};
use crate::message::{Envelope, Publish};

pub(super) const BROKER: NodeId = NodeId(1);
pub(super) const STORES: NodeId = NodeId(2);
pub(super) const ACCESS: NodeId = NodeId(3);
pub(super) const EDGE: NodeId = NodeId(8);
pub(super) const POPULATION: NodeId = NodeId(9);
pub(super) const SECRET: u64 = 42;

/// An edge of one population, that has not started; without presence, and without channel groups.
pub(super) fn new_edge(limits: &'static Limits) -> Edge {
    Edge::new(EdgeConfig {
        broker: BROKER,
        access: ACCESS,
        app_context: STORES,
        history: STORES,
        populations: vec![POPULATION],
        round_trips: [].into(),
        registry: None,
        presence: None,
        verifier: Verifier::new(SECRET),
        limits,
    })
}

/// An edge that has started, and whose first words have been taken away.
pub(super) fn edge(limits: &'static Limits) -> Edge {
    let mut edge = new_edge(limits);
    step(&mut edge, 0, Input::Start);
    edge
}

pub(super) fn step(edge: &mut Edge, now: Nanos, input: Input) -> Vec<Send> {
    let mut out = Outbox::new(false);
    edge.handle(now, input, &mut out);
    out.drain_sends().collect()
}

fn from_broker(edge: &mut Edge, now: Nanos, msg: Msg) -> Vec<Send> {
    step(edge, now, Input::Message { from: BROKER, msg })
}

/// May read `in.a` and `in.b` and write `out.a`, for an hour from 0 on.
fn token_of(user: &str) -> Arc<Token> {
    let channels = [
        ("in.a".into(), Permissions::READ),
        ("in.b".into(), Permissions::READ),
        ("out.a".into(), Permissions::WRITE),
        (long_name().into(), Permissions::WRITE),
    ];
    let grant = Grant {
        ttl_minutes: 60,
        user: user.into(),
        channels: channels.into_iter().collect(),
        patterns: [].into(),
        own: Arc::default(),
        role: Role::Participant,
        session: "s".into(),
    };
    Arc::new(Verifier::new(SECRET).sign(grant, 0))
}

/// 92 characters, the longest name there may be (platform.md 2.6).
fn long_name() -> String {
    "n".repeat(92)
}

fn request(client: Client, token: Option<Arc<Token>>, call: Call) -> Msg {
    Msg::Request(Box::new(Request { client, tag: 70 + u64::from(client), client_ip: 0x0A00_0001, token, call }))
}

fn ask(edge: &mut Edge, now: Nanos, client: Client, token: &Arc<Token>, call: Call) -> Vec<Send> {
    let msg = request(client, Some(token.clone()), call);
    step(edge, now, Input::Message { from: POPULATION, msg })
}

fn publish(channel: &str, payload: &str) -> Call {
    Call::Publish { channel: channel.into(), payload: payload.into(), store: false }
}

fn subscribe(channels: &[&str], cursor: Timetoken) -> Call {
    Call::Subscribe { channels: channels.iter().map(|&channel| channel.into()).collect(), cursor, with: None }
}

/// The one thing said, an answer to the population.
fn answer(sends: Vec<Send>) -> Result<ApiOk, ApiError> {
    let [Send { to: POPULATION, msg: Msg::Answer { result, .. }, .. }] = sends.as_slice() else {
        panic!("one answer and nothing else expected: {sends:?}")
    };
    result.clone()
}

fn refusal(sends: Vec<Send>) -> ApiError {
    answer(sends).expect_err("a refusal")
}

/// Whether the call went on to the broker, unanswered so far.
fn passed(sends: &[Send]) -> bool {
    matches!(sends, [Send { to: BROKER, msg: Msg::Publish(_) | Msg::Attach(_), .. }])
}

fn envelope(channel: &str) -> Arc<Envelope> {
    Arc::new(Envelope {
        channel: channel.into(),
        timetoken: Timetoken(5),
        region: 0,
        publisher: "p".into(),
        payload: "1".into(),
        store: false,
        kind: Kind::Message,
    })
}

// Tokens (voting.md 9.1: token expired, publish rejected with 403; platform.md 2.8).

/// Issued at 0 for 60 minutes: one nanosecond before their end it is good, at their end it is not.
#[test]
fn an_expired_token_is_refused_with_403() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    step(&mut edge, 60 * MINUTE - 1, Input::Wake);
    assert!(passed(&ask(&mut edge, 60 * MINUTE - 1, 0, &token, publish("out.a", "1"))));
    let late = refusal(ask(&mut edge, 60 * MINUTE, 0, &token, publish("out.a", "1")));
    assert_eq!((late.status, &late), (403, &ApiError::token_expired()));
    let late = refusal(ask(&mut edge, 60 * MINUTE, 0, &token, subscribe(&["in.a"], Timetoken::ZERO)));
    assert_eq!(late, ApiError::token_expired(), "whatever the call");
    assert_eq!((edge.counts().requests, edge.counts().forbidden), (3, 2));
}

#[test]
fn a_revoked_token_is_refused_with_403_and_others_are_not() {
    let (mut edge, revoked, other) = (edge(&DOCUMENTS_2026_01), token_of("u"), token_of("v"));
    assert!(passed(&ask(&mut edge, 1, 0, &revoked, publish("out.a", "1"))));
    let items = vec![StreamItem::Revoked { signature: revoked.signature }];
    let frame = StreamFrame::Data { epoch: 0, base: 0, first_seq: 0, items };
    // Only the access manager revokes.
    step(&mut edge, 2, Input::Message { from: STORES, msg: Msg::Stream(Box::new(frame.clone())) });
    assert!(passed(&ask(&mut edge, 2, 0, &revoked, publish("out.a", "1"))));
    step(&mut edge, 2, Input::Message { from: ACCESS, msg: Msg::Stream(Box::new(frame)) });
    let refused = refusal(ask(&mut edge, 3, 0, &revoked, publish("out.a", "1")));
    assert_eq!((refused.status, refused), (403, ApiError::token_revoked()));
    assert!(passed(&ask(&mut edge, 4, 1, &other, publish("out.a", "1"))));
    // It keeps what it was told: it will not be told again.
    edge.reboot(5);
    step(&mut edge, 5, Input::Start);
    assert_eq!(refusal(ask(&mut edge, 6, 0, &revoked, publish("out.a", "1"))), ApiError::token_revoked());
    assert!(passed(&ask(&mut edge, 6, 1, &other, publish("out.a", "1"))));
}

/// `a.*` and `a.b.*` are the deepest wildcards there are: a channel of two dots is the deepest to publish on. The refusal
/// is the name's, before the token's, and concerns no subscriber.
#[test]
fn a_publish_more_than_two_dots_deep_is_refused_with_400() {
    let (mut edge, token) = (edge(&UNLIMITED), token_of("u"));
    let refused = refusal(ask(&mut edge, 1, 0, &token, publish("out.a.b.c", "1")));
    assert_eq!((refused.status, refused), (400, ApiError::wildcard_too_deep(Timetoken::at(1))));
    let refused = refusal(ask(&mut edge, 1, 0, &token, publish("out.a.b", "1")));
    assert_eq!(refused, ApiError::forbidden(["out.a.b"]), "two dots are a name like any other");
    let refused = refusal(ask(&mut edge, 1, 0, &token, subscribe(&["out.a.b.c"], Timetoken::ZERO)));
    assert_eq!(refused, ApiError::forbidden(["out.a.b.c"]));
}

/// The refusal names the channels that the token does not open, and only those; a right to read is none to write.
#[test]
fn a_token_that_lacks_a_channel_is_refused_with_403_and_the_channels_it_lacks() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    let refused = refusal(ask(&mut edge, 1, 0, &token, subscribe(&["in.a", "in.x", "in.b", "out.a"], Timetoken(9))));
    assert_eq!((refused.status, refused), (403, ApiError::forbidden(["in.x", "out.a"])));
    let refused = refusal(ask(&mut edge, 2, 0, &token, publish("in.a", "1")));
    assert_eq!(refused, ApiError::forbidden(["in.a"]));
    // Nobody listens: the refused subscribe connected nothing.
    assert!(from_broker(&mut edge, 3, Msg::Push { envelope: envelope("in.a"), cursor: Timetoken(5) }).is_empty());
    assert_eq!(edge.counts().pushes, 0);
}

#[test]
fn no_token_and_a_forged_one_are_refused_with_403() {
    let mut edge = edge(&DOCUMENTS_2026_01);
    let msg = request(0, None, publish("out.a", "1"));
    assert_eq!(refusal(step(&mut edge, 1, Input::Message { from: POPULATION, msg })).status, 403);
    let mut forged = Token::clone(&token_of("u"));
    forged.grant.ttl_minutes = 43_200;
    let refused = refusal(ask(&mut edge, 1, 0, &Arc::new(forged), publish("out.a", "1")));
    assert_eq!(refused, ApiError::token_invalid());
}

// Names and sizes (platform.md 2.6, 2.7).

#[test]
fn a_channel_name_is_at_most_92_characters_and_has_none_of_the_forbidden_ones() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    assert!(passed(&ask(&mut edge, 1, 0, &token, publish(&long_name(), "1"))));
    for name in [String::new(), long_name() + "n"] {
        let refused = refusal(ask(&mut edge, 1, 0, &token, publish(&name, "1")));
        assert_eq!(refused, ApiError::invalid_channel_length(Timetoken::at(1)), "{name:?}");
    }
    for forbidden in [',', ':', '*', '/', '\\', ' ', '\n'] {
        for call in [publish(&format!("a{forbidden}"), "1"), subscribe(&[&format!("a{forbidden}")], Timetoken::ZERO)] {
            let refused = refusal(ask(&mut edge, 1, 0, &token, call));
            assert_eq!(refused, ApiError::invalid_channel_character(Timetoken::at(1)), "{forbidden:?}");
        }
    }
    // 2 lengths, and 7 characters in 2 calls each.
    assert_eq!((edge.counts().refused, edge.counts().forbidden), (2 + 7 * 2, 0));
}

/// 32 KiB with the channel: a payload of 32,768 - 5 bytes on `out.a` passes, one byte more does not.
#[test]
fn a_message_above_32_kib_with_its_channel_is_refused_with_413() {
    let (mut limited, mut free, token) = (edge(&DOCUMENTS_2026_01), edge(&UNLIMITED), token_of("u"));
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert!(passed(&ask(&mut limited, 1, 0, &token, publish("out.a", &text(32_763)))));
    let refused = refusal(ask(&mut limited, 1, 0, &token, publish("out.a", &text(32_764))));
    assert_eq!((refused.status, refused), (413, ApiError::message_too_large(Timetoken::at(1))));
    assert!(passed(&ask(&mut free, 1, 0, &token, publish("out.a", &text(32_764)))), "a limit is the profile's");
}

#[test]
fn what_is_no_json_is_refused_with_400() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    for text in ["", "{", "vote", "1 2"] {
        let refused = refusal(ask(&mut edge, 1, 0, &token, publish("out.a", text)));
        assert_eq!(refused, ApiError::invalid_json(Timetoken::at(1)), "{text:?}");
    }
}

// Load.

/// A full queue refuses clients with 429; what the platform itself says passes.
#[test]
fn an_overloaded_edge_refuses_calls_with_429_and_goes_on_delivering() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    ask(&mut edge, 1, 0, &token, subscribe(&["in.a"], Timetoken::ZERO));
    let msg = request(1, Some(token), publish("out.a", "1"));
    let refused = refusal(step(&mut edge, 2, Input::Overload { from: POPULATION, msg }));
    assert_eq!((refused.status, refused), (429, ApiError::too_many_requests("Balancer")));
    let msg = Msg::Push { envelope: envelope("in.a"), cursor: Timetoken(5) };
    let sends = step(&mut edge, 3, Input::Overload { from: BROKER, msg });
    assert!(matches!(&sends[..], [Send { msg: Msg::Deliver(_), .. }]), "{sends:?}");
    assert_eq!((edge.counts().overloaded, edge.counts().requests), (1, 1));
}

/// Asked at 1 s, given up 15 s later (platform.md 2.4); the answer that comes after finds nobody.
#[test]
fn a_call_that_nobody_answers_gets_503_after_15_seconds() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    let sends = ask(&mut edge, SECOND, 0, &token, publish("out.a", "1"));
    let Msg::Publish(asked) = &sends[0].msg else { panic!("{sends:?}") };
    let tag = asked.tag;
    let answers = |sends: Vec<Send>| sends.into_iter().filter(|send| matches!(send.msg, Msg::Answer { .. }));
    assert_eq!(answers(step(&mut edge, 16 * SECOND - 1, Input::Wake)).count(), 0);
    assert_eq!(edge.next_wake(), Some(16 * SECOND));
    let given_up = refusal(answers(step(&mut edge, 16 * SECOND, Input::Wake)).collect());
    assert_eq!(given_up, ApiError::service_unavailable("Balancer"));
    assert!(from_broker(&mut edge, 16 * SECOND + 1, Msg::Published { tag, result: Ok(Timetoken(1)) }).is_empty());
}

// Connections and epochs.

fn attach_tag(sends: &[Send]) -> u64 {
    let attach = sends.iter().find_map(|send| match &send.msg {
        Msg::Attach(attach) => Some(attach.tag),
        _ => None,
    });
    attach.expect("the broker is asked")
}

fn epoch_said(sends: &[Send]) -> Option<u64> {
    sends.iter().find_map(|send| match send.msg {
        Msg::EdgeAlive { epoch } => Some(epoch),
        _ => None,
    })
}

fn attached(tag: u64) -> Msg {
    Msg::Attached { tag, cursor: Timetoken(5), messages: Vec::new(), missed: 0 }
}

/// The broker restarts between a subscribe and its answer: the connection is gone before it came, and the client must
/// not believe in it.
#[test]
fn a_connection_of_an_earlier_epoch_is_not_acknowledged() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    from_broker(&mut edge, 1, Msg::BrokerAlive { epoch: 1 });
    let old = attach_tag(&ask(&mut edge, 2, 0, &token, subscribe(&["in.a"], Timetoken::ZERO)));
    assert_eq!(epoch_said(&from_broker(&mut edge, 3, Msg::BrokerAlive { epoch: 2 })), Some(2));
    assert_eq!(refusal(from_broker(&mut edge, 4, attached(old))), ApiError::service_unavailable("Balancer"));
    assert!(from_broker(&mut edge, 5, Msg::Push { envelope: envelope("in.a"), cursor: Timetoken(5) }).is_empty());
    // Asked again in the new epoch, it is.
    let new = attach_tag(&ask(&mut edge, 6, 0, &token, subscribe(&["in.a"], Timetoken::ZERO)));
    let answer = answer(from_broker(&mut edge, 7, attached(new)));
    assert!(matches!(answer, Ok(ApiOk::Subscribed { epoch: 2, .. })), "{answer:?}");
}

#[test]
fn a_restarted_edge_knows_no_connection_and_says_a_new_epoch() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    let old = attach_tag(&ask(&mut edge, 2, 0, &token, subscribe(&["in.a"], Timetoken::ZERO)));
    edge.reboot(3);
    let sends = step(&mut edge, 3, Input::Start);
    assert_eq!(epoch_said(&sends), Some(2), "the first was 1");
    assert!(sends.iter().any(|send| matches!(send.msg, Msg::Detach { epoch: 2, .. })), "the broker is told");
    assert!(from_broker(&mut edge, 4, attached(old)).is_empty(), "nobody waits for it any more");
    assert!(from_broker(&mut edge, 5, Msg::Push { envelope: envelope("in.a"), cursor: Timetoken(5) }).is_empty());
}

/// The broker speaks every 2 s. 5 s of silence are borne, a nanosecond more is not: a push may have been missed.
#[test]
fn a_broker_that_was_silent_for_longer_than_five_seconds_starts_a_new_epoch() {
    let mut edge = edge(&DOCUMENTS_2026_01);
    let epoch = |edge: &mut Edge, now| {
        from_broker(edge, now, Msg::BrokerAlive { epoch: 1 });
        edge.epoch
    };
    assert_eq!(epoch(&mut edge, SECOND), 1);
    assert_eq!(epoch(&mut edge, 6 * SECOND), 1);
    assert_eq!(epoch(&mut edge, 11 * SECOND + 1), 2);
}

/// One listener is addressed alone, two and more as all; the broker is told when the last one leaves, not before.
#[test]
fn a_message_goes_to_its_one_listener_or_to_all_and_the_channel_ends_with_the_last() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    let push = || Msg::Push { envelope: envelope("in.a"), cursor: Timetoken(5) };
    let to = |sends: Vec<Send>| match sends.as_slice() {
        [Send { to: POPULATION, msg: Msg::Deliver(Delivery { to, .. }), .. }] => to.clone(),
        other => panic!("one delivery expected: {other:?}"),
    };
    ask(&mut edge, 1, 3, &token, subscribe(&["in.a"], Timetoken::ZERO));
    assert!(matches!(to(from_broker(&mut edge, 2, push())), Recipients::One(3)));
    ask(&mut edge, 3, 4, &token, subscribe(&["in.a", "in.b"], Timetoken::ZERO));
    assert!(matches!(to(from_broker(&mut edge, 4, push())), Recipients::Subscribers));
    assert!(matches!(answer(ask(&mut edge, 5, 3, &token, Call::Unsubscribe)), Ok(ApiOk::Unsubscribed)));
    let sends = ask(&mut edge, 6, 4, &token, Call::Unsubscribe);
    let Msg::Detach { channels, epoch: 1 } = &sends[0].msg else { panic!("{sends:?}") };
    assert_eq!(channels.as_slice(), ["in.a".into(), "in.b".into()]);
    assert!(from_broker(&mut edge, 7, push()).is_empty());
}

/// 130 messages while a client was away, for a queue of 100 (platform.md 2.4): 100 come, the 30 oldest are missed.
#[test]
fn a_catch_up_hands_over_100_messages_and_says_how_many_were_missed() {
    let (mut edge, token) = (edge(&DOCUMENTS_2026_01), token_of("u"));
    let mut broker = Broker::new(BrokerConfig {
        region: 0,
        edges: vec![EDGE],
        workers: vec![],
        peers: vec![],
        history: STORES,
        bindings: vec![],
        limits: &DOCUMENTS_2026_01,
        replication_frame: 0,
    });
    let mut at_broker = |now, from, msg| {
        let mut out = Outbox::new(false);
        broker.handle(now, Input::Message { from, msg }, &mut out);
        out.drain_sends().map(|send| send.msg).collect::<Vec<_>>()
    };
    at_broker(0, EDGE, Msg::Detach { channels: ChannelList::new(), epoch: 1 });
    for n in 0..130_u64 {
        let publish = Publish {
            tag: n,
            channel: if n % 2 == 0 { "in.a" } else { "in.b" }.into(),
            payload: n.to_string().into(),
            publisher: "p".into(),
            store: false,
            kind: Kind::Message,
            hops: 0,
            client_ip: 0,
            token: None,
        };
        at_broker(1_000 * (n + 1), NodeId(7), Msg::Publish(Box::new(publish)));
    }
    let mut sends = ask(&mut edge, SECOND, 0, &token, subscribe(&["in.a", "in.b"], Timetoken::at(0)));
    let said = at_broker(SECOND, EDGE, sends.remove(0).msg);
    let attached = said.into_iter().find(|msg| matches!(msg, Msg::Attached { .. })).expect("the broker answers");
    let Ok(ApiOk::Subscribed { cursor, messages, missed, .. }) = answer(from_broker(&mut edge, SECOND, attached))
    else {
        panic!("the subscribe is answered")
    };
    assert_eq!((messages.len(), missed), (100, 30));
    let numbers: Vec<u64> = messages.iter().map(|message| message.payload.parse().expect("a number")).collect();
    assert_eq!(numbers, (30..130).collect::<Vec<_>>(), "oldest first, over both channels");
    assert_eq!(cursor, messages[99].timetoken);
}
