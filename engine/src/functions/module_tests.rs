//! Awaiting several calls at once, the vault, hashes, and calls that nobody awaits.

use super::tests::{before, ended, input, invoke, kv_calls, worker};
use super::*;
use crate::contract::{Input, NodeId, SECOND};
use crate::limits::{DOCUMENTS_2026_01, SERVERLESS_2026_09};
use crate::message::{KvOk, KvOp, Msg};

const KV: NodeId = NodeId(2);

fn value(text: &str) -> Result<KvOk, crate::message::KvError> {
    Ok(KvOk::Value(Some(text.into())))
}

#[test]
fn calls_joined_leave_together_and_come_back_in_order() {
    let functions = before(|context, _| async move {
        let texts = join_all(["a", "b", "c"].map(|key| context.kv_get(key))).await;
        let texts: Vec<String> = texts.into_iter().map(|text| text.unwrap().unwrap().to_string()).collect();
        Resolution::Ok(Some(texts.concat().into()))
    });
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), functions);
    let tags = kv_calls(&invoke(&mut worker, SECOND, 7));
    assert_eq!(tags.len(), 3, "all at once");
    // Answered last to first: the results stand in the order of the calls all the same.
    for (tag, text) in [(tags[2], "3"), (tags[0], "1")] {
        let msg = Msg::KvAnswer { tag, result: value(text) };
        assert_eq!(ended(&input(&mut worker, SECOND, Input::Message { from: KV, msg })), []);
    }
    let msg = Msg::KvAnswer { tag: tags[1], result: value("2") };
    assert_eq!(ended(&input(&mut worker, SECOND, Input::Message { from: KV, msg })), [(7, Ok("123".to_owned()))]);
}

#[test]
fn one_call_joined_that_is_over_the_budget_keeps_nothing_from_the_others() {
    let functions = before(|context, _| async move {
        let (counter, others) = join(context.kv_incr("n", 1), join_all((0..3).map(|_| context.kv_get("k")))).await;
        let refused = others.iter().filter(|other| matches!(other, Err(OpError::Budget { limit: 3, .. }))).count();
        Resolution::Ok(Some(format!("{counter:?} {refused}").into()))
    });
    // Three operations of any kind: the fourth is refused at once, the others are awaited.
    let mut worker = worker(&DOCUMENTS_2026_01, (1, 1, 0), functions);
    let tags = kv_calls(&invoke(&mut worker, SECOND, 7));
    assert_eq!(tags.len(), 3);
    let mut last = Vec::new();
    for (place, tag) in tags.into_iter().enumerate() {
        let result = if place == 0 { Ok(KvOk::Counter(5)) } else { value("v") };
        last = ended(&input(&mut worker, SECOND, Input::Message { from: KV, msg: Msg::KvAnswer { tag, result } }));
    }
    assert_eq!(last, [(7, Ok("Ok(5) 1".to_owned()))]);
}

#[test]
fn a_secret_is_read_by_its_name_at_most_ten_times_an_execution() {
    let functions = before(|context, _| async move {
        let mut read = Vec::new();
        for _ in 0..10 {
            read.push(context.vault("key").await.unwrap());
        }
        assert_eq!(context.vault("other").await, Err(OpError::Budget { what: "vault reads", limit: 10 }));
        Resolution::Ok(read.pop().unwrap())
    });
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), functions);
    worker.set_secrets([("key", "s3cret".into())].into());
    assert_eq!(ended(&invoke(&mut worker, SECOND, 7)), [(7, Ok("s3cret".to_owned()))]);
}

/// NIST's own example: the hash of `abc`.
#[test]
fn sha256_is_the_standards() {
    let functions = before(|context, _| async move { Resolution::Ok(Some(context.sha256("abc").await.into())) });
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), functions);
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(ended(&invoke(&mut worker, SECOND, 7)), [(7, Ok(hash.to_owned()))]);
}

#[test]
fn a_call_that_nobody_awaits_leaves_and_the_execution_ends() {
    let functions = before(|context, _| async move {
        context.kv_and_forget(KvOp::Incr { key: "n".into(), by: 1 }).unwrap();
        Resolution::Ok(None)
    });
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), functions);
    let sends = invoke(&mut worker, SECOND, 7);
    assert_eq!((kv_calls(&sends).len(), ended(&sends).len()), (1, 1));
}
