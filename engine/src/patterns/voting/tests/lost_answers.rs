//! Stores that err, before and after the effect, and answers that are lost (voting.md 9.1).

use super::bench::{Bench, submit_text};
use crate::contract::{Input, Node, NodeId, Outbox};
use crate::message::{Misbehaviour, Msg};
use crate::patterns::voting::Variant;

fn tell(node: &mut dyn Node, how: Misbehaviour) {
    node.handle(0, Input::Message { from: NodeId(99), msg: Msg::Misbehave(how) }, &mut Outbox::default());
}

const ALWAYS: u32 = 1_000_000;

fn errors() -> Misbehaviour {
    Misbehaviour { error_ppm: ALWAYS, ..Misbehaviour::default() }
}

/// 9.1: without the KV store dedupe cannot be checked: reject, with an alert; and when it is back, the same request works.
#[test]
fn hardened_fails_closed_while_kv_errs_and_recovers() {
    let mut bench = Bench::open(Variant::Hardened);
    tell(&mut bench.kv, errors());
    let done = bench.vote("user_1", "opt_1", 1);
    assert_eq!(done.aborted(), (503, r#"{"error":"unavailable","details":"alert.dedupe_unavailable"}"#));
    assert_eq!(bench.worker.counts().counters["alert.dedupe_unavailable"], 1);
    assert!(bench.audit.ledger().decisions().is_empty(), "nothing was decided");
    tell(&mut bench.kv, Misbehaviour::default());
    assert_eq!(bench.vote("user_1", "opt_1", 1).ack()["status"], "accepted");
}

/// The database decides and its answer is an error, or is lost: the client is told 503, asks again, and learns what was
/// decided. One row, one count.
#[test]
fn hardened_finds_a_decision_whose_answer_was_lost() {
    let lost = [
        Misbehaviour { error_after_effect_ppm: ALWAYS, ..Misbehaviour::default() },
        Misbehaviour { silent_after_effect_ppm: ALWAYS, ..Misbehaviour::default() },
    ];
    for how in lost {
        let mut bench = Bench::open(Variant::Hardened);
        tell(&mut bench.audit, how);
        let done = bench.vote("user_1", "opt_1", 1);
        assert_eq!(done.aborted().0, 503);
        assert_eq!(bench.counts(), [1, 0, 0], "it took effect");
        tell(&mut bench.audit, Misbehaviour::default());
        let again = bench.vote("user_1", "opt_1", 1).ack();
        assert_eq!((&again["status"], &again["requestId"]), (&"accepted".into(), &"req_user_1_abc123_1".into()));
        assert_eq!(bench.counts(), [1, 0, 0]);
        assert_eq!(bench.audit.ledger().log().len(), 1);
    }
}

/// A finding on 7.1: step 12 does not wait for the audit log, so an accepted vote may never be in it (against FR-8).
#[test]
fn documented_acknowledges_a_vote_that_the_audit_log_refused() {
    let mut bench = Bench::open(Variant::Documented);
    tell(&mut bench.audit, errors());
    assert_eq!(bench.vote("user_1", "opt_1", 1).ack()["status"], "accepted");
    assert!(bench.audit.ledger().log().is_empty());
}

/// A finding on 7.1: the vote key is written before the answer is cached. When that second write errs after the first
/// took effect, the retry is told `already_voted`, and the vote is in no tally.
#[test]
fn documented_loses_a_vote_between_its_writes() {
    let mut bench = Bench::open(Variant::Documented);
    let text = submit_text("user_1", "opt_1", 1);
    // Every write takes effect and is answered with an error; reads err too, so the first read must be let through:
    // the vote key alone is put there, as a crash after step 8 leaves it.
    let record = r#"{"voteId":"vote_1"}"#;
    let set = crate::message::KvOp::Set { key: "vote:abc123:user_1".into(), value: record.into(), ttl_minutes: None };
    let msg = Msg::Kv { tag: 0, op: set };
    bench.kv.handle(bench.now, Input::Message { from: NodeId(1), msg }, &mut Outbox::default());
    let again = bench.submit("user_1", &text).ack();
    assert_eq!((&again["reason"], &again["existingVoteId"]), (&"already_voted".into(), &"vote_1".into()));
    assert_eq!(bench.tally().expect("a tally")["payload"]["total"], 0);
    assert!(bench.audit.ledger().log().is_empty());
}

/// The recorder writes copies: without them every answer stays right.
#[test]
fn hardened_needs_neither_its_cache_nor_app_context_to_answer() {
    let mut bench = Bench::open(Variant::Hardened);
    tell(&mut bench.objects, errors());
    let first = bench.vote("user_1", "opt_1", 1);
    assert_eq!(first.ack()["status"], "accepted");
    assert_eq!(bench.worker.counts().counters["recorder.membership_failures"], 1);
    assert_eq!(bench.vote("user_1", "opt_1", 1).acks, first.acks);
    assert_eq!(bench.counts(), [1, 0, 0]);
}
