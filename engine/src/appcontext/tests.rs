//! What each call answers, in a store that begins empty.

use super::*;
use crate::contract::NodeId;
use crate::message::Misbehaviour;

fn set(channel: &str, patch: &str, if_match: Option<Arc<str>>) -> ObjectsOp {
    ObjectsOp::SetChannel { channel: channel.into(), patch: patch.into(), if_match }
}

fn object(result: Result<ObjectsOk, ApiError>) -> Arc<Object> {
    match result {
        Ok(ObjectsOk::Object(object)) => object,
        other => panic!("{other:?}"),
    }
}

fn join(store: &mut AppContext, user: &str, channel: &str, custom: &str) -> Arc<Object> {
    let op = ObjectsOp::SetMembership { user: user.into(), channel: channel.into(), custom: custom.into() };
    object(store.apply(5, op))
}

#[test]
fn a_write_with_an_old_etag_is_refused_and_changes_nothing() {
    let mut store = AppContext::new(1);
    let first = object(store.apply(1, set("c", r#"{"name":"N","custom":{"a":1}}"#, None)));
    assert_eq!(&*first.body, r#"{"channel":"c","name":"N","custom":{"a":1}}"#);
    let second = object(store.apply(2, set("c", r#"{"custom":{"a":2}}"#, Some(first.etag.clone()))));
    let late = store.apply(3, set("c", r#"{"custom":{"a":3}}"#, Some(first.etag.clone()))).unwrap_err();
    assert_eq!(late.status, 412);
    assert!(late.body.contains("Channel to update has been modified after it was read."));
    assert_eq!(store.channel("c").unwrap().body, second.body);
    // The same content again has the same eTag.
    assert_eq!(object(store.apply(4, set("c", r#"{"custom":{"a":1}}"#, None))).etag, first.etag);
    assert_eq!(store.apply(5, set("gone", "{}", Some(first.etag.clone()))).unwrap_err().status, 412);
    assert_eq!(store.counts().conflicts, 2);
}

#[test]
fn what_is_not_there_is_404_and_what_is_no_json_is_400() {
    let mut store = AppContext::new(1);
    let status = |store: &mut AppContext, op| store.apply(0, op).unwrap_err().status;
    assert_eq!(status(&mut store, ObjectsOp::GetChannel { channel: "c".into() }), 404);
    assert_eq!(status(&mut store, ObjectsOp::DeleteUser { user: "u".into() }), 404);
    assert_eq!(status(&mut store, ObjectsOp::GetMembership { user: "u".into(), channel: "c".into() }), 404);
    assert_eq!(status(&mut store, set("c", "[1]", None)), 400);
    assert_eq!(status(&mut store, set("", "{}", None)), 400);
    let page = Some("%".into());
    assert_eq!(status(&mut store, ObjectsOp::ListMembers { channel: "c".into(), limit: 5, page, users: false }), 400);
    assert_eq!(store.memberships_len(), 0);
}

#[test]
fn reading_a_channel_hands_out_the_stored_text() {
    let mut store = AppContext::new(1);
    store.apply(0, set("c", "{}", None)).unwrap();
    let read = object(store.apply(0, ObjectsOp::GetChannel { channel: "c".into() }));
    assert!(Arc::ptr_eq(&read, &store.channel("c").unwrap()));
}

#[test]
fn a_membership_reads_as_the_document_shows_it() {
    // voting.md 5.3, in short.
    let mut store = AppContext::new(1);
    let written = join(&mut store, "user_456", "vote-control.abc123", r#"{"hasVoted":true}"#);
    assert_eq!(&*written.body, r#"{"channel":"vote-control.abc123","uuid":"user_456","custom":{"hasVoted":true}}"#);
    assert_eq!((&*written.id, written.updated), ("user_456/vote-control.abc123", 5));
    let again = join(&mut store, "user_456", "vote-control.abc123", r#"{"hasVoted":null,"ackReceived":true}"#);
    assert!(again.body.ends_with(r#""custom":{"ackReceived":true}}"#));
    assert_eq!(store.membership("user_456", "vote-control.abc123").unwrap().as_ref(), r#"{"ackReceived":true}"#);
    let odd = join(&mut store, "a\"b", "c", "{}");
    serde_json::from_str::<serde_json::Value>(&odd.body).expect("a name with a quote is escaped");
}

#[test]
fn members_come_in_pages_of_at_most_100_with_the_offset_as_cursor() {
    let mut store = AppContext::new(1);
    for n in 0..250 {
        join(&mut store, &format!("u{n:03}"), "c", "{}");
    }
    let (mut page, mut cursors, mut seen) = (None, Vec::new(), Vec::new());
    loop {
        let op = ObjectsOp::ListMembers { channel: "c".into(), limit: 1_000, page, users: false };
        let Ok(ObjectsOk::Page { items, next, total: 250 }) = store.apply(0, op) else { panic!() };
        seen.extend(items.iter().map(|item| item.id.clone()));
        cursors.push(items.len());
        page = next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((cursors, seen.len()), (vec![100, 100, 50], 250));
    assert!(seen.is_sorted());
    let op = ObjectsOp::ListMembers { channel: "c".into(), limit: 1, page: None, users: false };
    let Ok(ObjectsOk::Page { next, .. }) = store.apply(0, op) else { panic!() };
    assert_eq!(next.as_deref(), Some("MQ")); // platform.md 2.9: the cursor after one entry.
    let op = ObjectsOp::ListMemberships { user: "u007".into(), limit: 0, page: None };
    let Ok(ObjectsOk::Page { items, next: None, total: 1 }) = store.apply(0, op) else { panic!() };
    assert_eq!(&*items[0].id, "u007/c");
}

#[test]
fn misbehaviour_and_a_full_queue_answer_503_and_429() {
    let mut store = AppContext::new(1);
    let mut out = Outbox::new(false);
    let mut ask = |store: &mut AppContext, orders: Misbehaviour, overload: bool, channel: &str| {
        let from = NodeId(1);
        store.handle(0, Input::Message { from, msg: Msg::Misbehave(orders) }, &mut out);
        let msg = Msg::Objects { tag: 1, op: Box::new(set(channel, "{}", None)) };
        let input = if overload { Input::Overload { from, msg } } else { Input::Message { from, msg } };
        store.handle(0, input, &mut out);
        out.drain_sends().next().map(|send| match send.msg {
            Msg::ObjectsAnswer { result, .. } => result.map_or_else(|error| error.status, |_| 200),
            other => panic!("{other:?}"),
        })
    };
    let (all, none) = (1_000_000, Misbehaviour::default());
    assert_eq!(ask(&mut store, none, false, "a"), Some(200));
    assert_eq!(ask(&mut store, Misbehaviour { error_ppm: all, ..none }, false, "b"), Some(503));
    assert_eq!(ask(&mut store, Misbehaviour { error_after_effect_ppm: all, ..none }, false, "c"), Some(503));
    assert_eq!(ask(&mut store, Misbehaviour { silent_after_effect_ppm: all, ..none }, false, "d"), None);
    assert_eq!(ask(&mut store, Misbehaviour { throttle_ppm: all, ..none }, false, "e"), Some(429));
    assert_eq!(ask(&mut store, none, true, "f"), Some(503));
    let there = ["a", "b", "c", "d", "e", "f"].map(|channel| store.channel(channel).is_some());
    assert_eq!(there, [true, false, true, true, false, false]);
}
