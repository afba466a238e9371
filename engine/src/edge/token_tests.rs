//! Connections end with their tokens.

use std::sync::Arc;

use super::tests::{ACCESS, POPULATION, SECRET, step};
use super::*;
use crate::access::{Grant, Permissions, Role, Token, Verifier};
use crate::contract::{MINUTE, Send};
use crate::limits::SERVERLESS_2026_09;

fn edge() -> Edge {
    super::tests::edge(&SERVERLESS_2026_09)
}

fn token(user: &str, ttl_minutes: u32, issued: Nanos) -> Arc<Token> {
    let grant = Grant {
        ttl_minutes,
        user: user.into(),
        channels: [("a".into(), Permissions::READ)].into_iter().collect(),
        patterns: [].into(),
        own: Arc::default(),
        role: Role::User,
        session: "s".into(),
    };
    Arc::new(Verifier::new(SECRET).sign(grant, issued))
}

fn subscribe(edge: &mut Edge, now: Nanos, client: Client, token: &Arc<Token>) {
    let call = Call::Subscribe { channels: ["a".into()].into_iter().collect(), cursor: Timetoken(1), with: None };
    let request = Request { client, tag: 7, client_ip: 1, token: Some(token.clone()), call };
    let sends = step(edge, now, Input::Message { from: POPULATION, msg: Msg::Request(Box::new(request)) });
    assert!(sends.iter().any(|send| matches!(send.msg, Msg::Attach(_))), "{sends:?}");
}

/// What a wake tells of ended connections, and whether the broker is told that nobody listens.
fn ended(sends: &[Send]) -> (Vec<(Client, u64, ApiError)>, bool) {
    let of = |send: &Send| match &send.msg {
        Msg::Ended { client, signature, error } if send.to == POPULATION => Some((*client, *signature, error.clone())),
        _ => None,
    };
    (sends.iter().filter_map(of).collect(), sends.iter().any(|send| matches!(send.msg, Msg::Detach { .. })))
}

fn revoke(edge: &mut Edge, now: Nanos, token: &Token) -> Vec<Send> {
    let items = vec![StreamItem::Revoked { signature: token.signature }];
    let frame = StreamFrame::Data { epoch: 0, base: 0, first_seq: 0, items };
    step(edge, now, Input::Message { from: ACCESS, msg: Msg::Stream(Box::new(frame)) })
}

/// Two tokens, of one minute and of two: at the keepalive after a minute the first connection ends, and nobody else's.
#[test]
fn a_connection_ends_with_its_token_at_the_next_keepalive() {
    let (mut edge, short, long) = (edge(), token("u", 1, 0), token("v", 2, 0));
    subscribe(&mut edge, 1, 0, &short);
    subscribe(&mut edge, 1, 1, &long);
    assert_eq!(ended(&step(&mut edge, MINUTE - 1, Input::Wake)).0, []);
    let (told, silent) = ended(&step(&mut edge, MINUTE + KEEPALIVE, Input::Wake));
    assert_eq!(told, [(0, short.signature, ApiError::token_expired())]);
    assert!(!silent, "the other one listens to the same channel");
    assert_eq!((edge.connections.connected(POPULATION), edge.counts().forbidden), (1, 1));
    let (told, silent) = ended(&step(&mut edge, 2 * MINUTE + KEEPALIVE, Input::Wake));
    assert_eq!((told.len(), silent, edge.connections.connected(POPULATION)), (1, true, 0));
    assert_eq!(ended(&step(&mut edge, 3 * MINUTE, Input::Wake)), (vec![], false), "it is told once");
}

#[test]
fn who_has_subscribed_again_with_a_newer_token_stays() {
    let (mut edge, old) = (edge(), token("u", 1, 0));
    let new = token("u", 5, 30 * SECOND);
    subscribe(&mut edge, 1, 0, &old);
    subscribe(&mut edge, 30 * SECOND, 0, &new);
    assert_eq!(ended(&step(&mut edge, 2 * MINUTE, Input::Wake)).0, []);
    assert_eq!(edge.connections.connected(POPULATION), 1);
}

#[test]
fn a_revoked_tokens_connection_ends_too() {
    let (mut edge, good, bad) = (edge(), token("u", 60, 0), token("v", 60, 0));
    subscribe(&mut edge, 1, 0, &good);
    subscribe(&mut edge, 1, 1, &bad);
    let mut sends = revoke(&mut edge, SECOND, &bad);
    sends.extend(step(&mut edge, SECOND + KEEPALIVE, Input::Wake));
    assert_eq!(ended(&sends).0, [(1, bad.signature, ApiError::token_revoked())]);
    assert_eq!(edge.connections.connected(POPULATION), 1);
}
