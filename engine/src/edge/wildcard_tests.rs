//! Wildcards: who may listen, what is refused, and what comes (platform.md 2.3, 2.5, 2.6).

use std::sync::Arc;

use super::tests::{BROKER, EDGE, POPULATION, SECRET, STORES, new_edge};
use super::*;
use crate::access::{Grant, Role, Verifier};
use crate::broker::{Broker, BrokerConfig, REPLICATION_FRAME};
use crate::contract::{MS, Send};
use crate::limits::SERVERLESS_2026_09;

/// One edge and its broker, with no way between them.
struct Pair {
    edge: Edge,
    broker: Broker,
    now: Nanos,
    heard: Vec<Msg>,
}

impl Pair {
    fn new() -> Self {
        let limits = &SERVERLESS_2026_09;
        let edge = new_edge(limits);
        let broker = Broker::new(BrokerConfig {
            region: 0,
            edges: vec![EDGE],
            workers: vec![],
            peers: vec![],
            history: STORES,
            bindings: vec![],
            limits,
            replication_frame: REPLICATION_FRAME,
        });
        let mut pair = Self { edge, broker, now: 0, heard: Vec::new() };
        for node in [EDGE, BROKER] {
            pair.run(vec![(node, Input::Start)]);
        }
        pair
    }

    /// Hands over the input and whatever comes of it, until nothing is said any more.
    fn run(&mut self, mut inputs: Vec<(NodeId, Input)>) {
        self.now += MS;
        while let Some((to, input)) = inputs.pop() {
            let mut out = Outbox::new(false);
            match to {
                EDGE => self.edge.handle(self.now, input, &mut out),
                BROKER => self.broker.handle(self.now, input, &mut out),
                _ => {}
            }
            for Send { to: next, msg, .. } in out.drain_sends() {
                match next {
                    POPULATION => self.heard.push(msg),
                    next => inputs.push((next, Input::Message { from: to, msg })),
                }
            }
        }
    }

    /// A client's call; what its user may do stands in the token.
    fn call(&mut self, client: Client, call: Call) -> Result<ApiOk, ApiError> {
        let all = Permissions::READ.and(Permissions::WRITE);
        let grant = Grant {
            ttl_minutes: 60,
            user: "u".into(),
            channels: [("a.x.*".into(), Permissions::default()), ("q.*".into(), all)].into_iter().collect(),
            patterns: [("a.*".into(), all)].into(),
            own: Arc::default(),
            role: Role::User,
            session: "s".into(),
        };
        let token = Some(Arc::new(Verifier::new(SECRET).sign(grant, 0)));
        let request = Request { client, tag: 7, client_ip: 1, token, call };
        self.run(vec![(EDGE, Input::Message { from: POPULATION, msg: Msg::Request(Box::new(request)) })]);
        let mut answers = self.heard.extract_if(.., |msg| matches!(msg, Msg::Answer { .. }));
        let Some(Msg::Answer { result, .. }) = answers.next() else { panic!("no answer") };
        result
    }

    fn subscribe(&mut self, client: Client, channels: &[&str], cursor: Timetoken) -> Result<ApiOk, ApiError> {
        let channels = channels.iter().map(|&channel| channel.into()).collect();
        self.call(client, Call::Subscribe { channels, cursor, with: None })
    }

    fn publish(&mut self, channel: &str) -> Timetoken {
        let call = Call::Publish { channel: channel.into(), payload: "1".into(), store: false };
        match self.call(0, call) {
            Ok(ApiOk::Sent(timetoken)) => timetoken,
            other => panic!("{other:?}"),
        }
    }

    /// The channels whose messages have come since the last asking, and for whom.
    fn delivered(&mut self) -> Vec<(String, Recipients)> {
        let told = |msg| match msg {
            Msg::Deliver(Delivery { to, envelope, .. }) => Some((envelope.channel.to_string(), to)),
            _ => None,
        };
        self.heard.drain(..).filter_map(told).collect()
    }
}

#[test]
fn wildcards_two_dots_deep_hear_what_is_below_them() {
    let mut pair = Pair::new();
    pair.subscribe(1, &["a.*"], Timetoken::ZERO).unwrap();
    pair.subscribe(2, &["a.b.*"], Timetoken::ZERO).unwrap();
    pair.subscribe(3, &["a.c"], Timetoken::ZERO).unwrap();
    pair.heard.clear();
    pair.publish("a.c");
    pair.publish("a.b.c");
    let one = Recipients::One;
    let named = |channel: &str, to| (channel.to_owned(), to);
    assert_eq!(
        pair.delivered(),
        [named("a.c", one(3)), named("a.c", one(1)), named("a.b.c", one(1)), named("a.b.c", one(2))]
    );
    // When the last listener leaves, the broker sends no more.
    pair.call(2, Call::Unsubscribe).unwrap();
    pair.call(1, Call::Unsubscribe).unwrap();
    let pushes = pair.edge.counts().pushes;
    pair.publish("a.b.c");
    assert_eq!((pair.delivered(), pair.edge.counts().pushes), (vec![], pushes));
}

/// Live, and through a cursor: channel and wildcard are two subscriptions, and each brings the message.
#[test]
fn a_message_that_matches_two_subscriptions_is_delivered_twice() {
    let mut pair = Pair::new();
    let Ok(ApiOk::Subscribed { cursor, .. }) = pair.subscribe(1, &["a.c", "a.*"], Timetoken::ZERO) else { panic!() };
    pair.heard.clear();
    let sent = pair.publish("a.c");
    let copy = ("a.c".to_owned(), Recipients::One(1));
    assert_eq!(pair.delivered(), [copy.clone(), copy]);
    let Ok(ApiOk::Subscribed { cursor: next, messages, .. }) = pair.subscribe(2, &["a.c", "a.*"], cursor) else {
        panic!()
    };
    assert_eq!((messages.len(), next), (2, sent));
    assert_eq!(messages[0], messages[1]);
}

#[test]
fn deeper_wildcards_and_other_stars_are_refused() {
    let mut pair = Pair::new();
    let mut refusal = |name: &str| pair.subscribe(1, &[name], Timetoken::ZERO).unwrap_err();
    for name in ["a.b.c.*", "a.b.c.*-pnpres"] {
        assert!(refusal(name).body.contains("Wildcard maximum depth exceeded"), "{name}");
    }
    for name in ["a*", "*.a", "*", "a.*.b", "a.*.*"] {
        assert!(refusal(name).body.contains("Invalid Character in Channel Name"), "{name}");
    }
}

/// The pattern `a.*` reads the wildcards below it; the wildcard's own name decides where the token has it.
#[test]
fn a_wildcard_needs_a_right_to_read_it() {
    let mut pair = Pair::new();
    for (name, may) in
        [("a.*", true), ("a.b.*", true), ("a.*-pnpres", true), ("q.*", true), ("a.x.*", false), ("b.*", false)]
    {
        let result = pair.subscribe(1, &[name], Timetoken::ZERO);
        assert_eq!(result.is_ok(), may, "{name}");
        assert!(result.err().is_none_or(|error| error == ApiError::forbidden([name])), "{name}");
    }
    // Only a listener's name: nobody publishes to one.
    let call = Call::Publish { channel: "a.*".into(), payload: "1".into(), store: false };
    assert!(pair.call(1, call).unwrap_err().body.contains("Invalid Character"));
}

#[test]
fn presence_events_of_all_channels_come_on_the_wildcards_pnpres() {
    let mut pair = Pair::new();
    pair.subscribe(1, &["a.*"], Timetoken::ZERO).unwrap();
    pair.subscribe(2, &["a.*-pnpres"], Timetoken::ZERO).unwrap();
    pair.heard.clear();
    let msg = Msg::PresenceEvent { channel: "a.c".into(), payload: "{}".into() };
    pair.run(vec![(BROKER, Input::Message { from: STORES, msg })]);
    assert_eq!(pair.delivered(), [("a.c-pnpres".to_owned(), Recipients::One(2))]);
}

/// What a signal is for whom it reaches is the broker's; the edge looks at its size.
#[test]
fn signals_and_fires_need_what_a_publish_needs_and_a_signal_is_small() {
    let mut pair = Pair::new();
    pair.subscribe(1, &["a.c"], Timetoken::ZERO).unwrap();
    pair.heard.clear();
    let signal = |channel: &str, payload: &str| Call::Signal { channel: channel.into(), payload: payload.into() };
    let fire = |channel: &str| Call::Fire { channel: channel.into(), payload: "1".into() };
    assert!(matches!(pair.call(1, signal("a.c", "1")), Ok(ApiOk::Sent(_))));
    assert!(matches!(pair.call(1, fire("a.c")), Ok(ApiOk::Sent(_))));
    assert_eq!(pair.delivered(), [("a.c".to_owned(), Recipients::One(1))], "the signal");
    for refused in [pair.call(1, signal("b.c", "1")), pair.call(1, fire("b.c"))] {
        assert_eq!(refused.unwrap_err(), ApiError::forbidden(["b.c"]));
    }
    let long = pair.call(1, signal("a.c", &format!("\"{}\"", "s".repeat(63)))).unwrap_err();
    assert!(long.status == 400 && long.body.contains("Signal size too large"));
    assert!(pair.call(1, signal("a.c", "no json")).unwrap_err().body.contains("Invalid JSON"));
}
