//! voting.md 12.1, row by row, for both variants.

use serde_json::Value;

use super::bench::{BOTH, Bench, SUBMIT_CHANNEL, changed, plain, submit_text};
use crate::message::InvokeOutcome;
use crate::patterns::voting::Variant;
use crate::patterns::voting::message::reason;
use crate::patterns::voting::session::Status;

#[test]
fn valid_vote_submit_is_accepted_and_acknowledged() {
    for variant in BOTH {
        let mut bench = Bench::open(variant);
        let done = bench.vote("user_456", "opt_2", 1_706_698_523);
        assert!(matches!(done.outcome, InvokeOutcome::Ok(_)), "{variant:?}");
        assert_eq!(done.acks[0].0, bench.ack_channel("user_456"));
        let ack = done.ack();
        assert_eq!(ack["status"], "accepted");
        assert_eq!(ack["requestId"], "req_user_456_abc123_1706698523");
        assert_eq!(ack["userId"], "user_456");
        assert!(ack["voteId"].as_str().is_some_and(|id| id.starts_with("vote_")));
        // The audit log has the row with the same id, and the membership says that the user has voted.
        assert_eq!(bench.audit.ledger().log().len(), 1, "{variant:?}");
        let row = &bench.audit.ledger().log()[0];
        assert_eq!(&**bench.audit.ledger().name(row.option), "opt_2");
        assert_eq!(bench.audit.ledger().vote_id(0).as_str(), ack["voteId"]);
        assert_eq!(bench.membership("user_456").expect("a membership")["hasVoted"], true);
    }
}

/// FR-6: the vote is in the next tally, of 1 = 0 + 1 + 0 votes.
#[test]
fn a_valid_vote_is_in_the_next_tally() {
    for variant in BOTH {
        let mut bench = Bench::open(variant);
        bench.vote("user_456", "opt_2", 1);
        let tally = bench.tally().expect("an open session's tally is published");
        assert_eq!(tally["payload"]["tally"].to_string(), r#"{"opt_1":0,"opt_2":1,"opt_3":0}"#, "{variant:?}");
        assert_eq!(tally["payload"]["total"], 1);
    }
}

#[test]
fn missing_request_id_is_a_validation_error() {
    for variant in BOTH {
        let mut bench = Bench::open(variant);
        let text = changed(&submit_text("user_456", "opt_2", 1), |message| {
            message.remove("requestId");
        });
        let done = bench.submit("user_456", &text);
        let (status, body) = done.aborted();
        assert_eq!(status, 400, "{variant:?}");
        assert_eq!(body, r#"{"error":"invalid_message","details":"Missing required fields"}"#);
        assert!(bench.audit.ledger().log().is_empty() && bench.kv.is_empty(), "nothing changed");
    }
}

#[test]
fn invalid_option_id_is_rejected_with_invalid_option() {
    for variant in BOTH {
        let mut bench = Bench::open(variant);
        let ack = bench.vote("user_456", "opt_4", 1).ack();
        assert_eq!(
            (&ack["status"], &ack["reason"]),
            (&"rejected".into(), &reason::INVALID_OPTION.into()),
            "{variant:?}"
        );
        assert_eq!(ack["voteId"], Value::Null);
        assert!(bench.audit.ledger().log().is_empty());
        // Rejected, not used up: the user can still vote for an option that is there.
        assert_eq!(bench.vote("user_456", "opt_1", 2).ack()["status"], "accepted");
    }
}

#[test]
fn a_session_that_is_not_open_rejects_with_session_not_open() {
    for variant in BOTH {
        let mut bench = Bench::created(variant, plain(), 3, "serverless-2026-09");
        let before = bench.vote("user_1", "opt_1", 1).ack();
        assert_eq!((&before["status"], &before["reason"]), (&"rejected".into(), &reason::SESSION_NOT_OPEN.into()));
        for status in [Status::Open, Status::Closed, Status::Revealed] {
            bench.step_to(status);
            if status == Status::Open {
                continue;
            }
            let after = bench.vote("user_2", "opt_1", status as u64).ack();
            assert_eq!(after["reason"], reason::SESSION_NOT_OPEN, "{variant:?} {status:?}");
        }
        assert!(bench.audit.ledger().log().is_empty());
    }
}

#[test]
fn a_duplicate_vote_is_rejected_with_already_voted_and_the_existing_vote() {
    for variant in BOTH {
        let mut bench = Bench::open(variant);
        let first = bench.vote("user_456", "opt_2", 1).ack();
        // Another request, another option; then the same option.
        for (stamp, option) in [(2, "opt_1"), (3, "opt_2")] {
            let again = bench.vote("user_456", option, stamp).ack();
            assert_eq!((&again["status"], &again["reason"]), (&"rejected".into(), &reason::ALREADY_VOTED.into()));
            assert_eq!(again["existingVoteId"], first["voteId"], "{variant:?}");
        }
        assert_eq!(bench.audit.ledger().log().len(), 1);
        // Somebody else is somebody else.
        assert_eq!(bench.vote("user_457", "opt_1", 4).ack()["status"], "accepted");
    }
}

#[test]
fn hardened_answers_an_idempotent_retry_with_the_same_bytes() {
    let mut bench = Bench::open(Variant::Hardened);
    let text = submit_text("user_456", "opt_2", 1);
    let first = bench.submit("user_456", &text);
    bench.now += crate::contract::MINUTE;
    let again = bench.submit("user_456", &text);
    assert_eq!(first.acks, again.acks, "channel and text, byte for byte");
    // So with a rejection: the answer stays the answer, though the vote would be rejected otherwise now.
    let late = submit_text("user_456", "opt_9", 2);
    let rejected = bench.submit("user_456", &late);
    bench.step_to(Status::Closed);
    assert_eq!(rejected.acks, bench.submit("user_456", &late).acks);
    assert_eq!(bench.audit.ledger().log().len(), 1);
}

/// The retry found the cache on the way, or it did not: the answer is the same, since the database knows it.
#[test]
fn hardened_answers_a_retry_alike_when_the_cache_was_never_filled() {
    let mut bench = Bench::open(Variant::Hardened);
    let text = submit_text("user_456", "opt_2", 1);
    let first = bench.submit_without_recorder("user_456", &text);
    assert_eq!(bench.processed("user_456", 1), None);
    let again = bench.submit("user_456", &text);
    assert_eq!(first.acks, again.acks);
    assert!(bench.processed("user_456", 1).is_some(), "the retry fills the cache");
    assert_eq!((bench.audit.counts().casts, bench.audit.counts().repeated), (2, 1));
}

/// A finding on 7.1: step 2 publishes what step 9 cached, and step 9 caches voteId and status only. The retry's ack
/// says `accepted`, and not to whom or to what: on a channel that everybody reads, nobody can tell whose it is.
#[test]
fn documented_cached_ack_lacks_request_and_user() {
    let mut bench = Bench::open(Variant::Documented);
    let text = submit_text("user_456", "opt_2", 1);
    let first = bench.submit("user_456", &text).ack();
    let again = bench.submit("user_456", &text).ack();
    assert_eq!((&again["status"], &again["voteId"]), (&first["status"], &first["voteId"]));
    assert_eq!((&again["requestId"], &again["userId"]), (&Value::Null, &Value::Null));
    assert_ne!(first, again, "12.1 asks for the same ack both times");
    assert_eq!(bench.audit.ledger().log().len(), 1);
}

/// A finding on 7.1: rejections are not remembered, so the same request is answered otherwise once the session opens.
#[test]
fn documented_answers_a_rejected_request_otherwise_later() {
    let mut bench = Bench::created(Variant::Documented, plain(), 3, "serverless-2026-09");
    let text = submit_text("user_456", "opt_2", 1);
    assert_eq!(bench.submit("user_456", &text).ack()["status"], "rejected");
    bench.step_to(Status::Open);
    assert_eq!(bench.submit("user_456", &text).ack()["status"], "accepted");
}

/// Hardened has everybody's own results channel; documented shows each ack to all.
#[test]
fn acks_go_where_the_variant_says() {
    let hardened = Bench::open(Variant::Hardened).ack_channel("user_1");
    let documented = Bench::open(Variant::Documented).ack_channel("user_1");
    assert_eq!((&*hardened, &*documented), ("vote-results.abc123-user_1", "vote-results.abc123"));
    assert!(![hardened, documented].contains(&SUBMIT_CHANNEL.to_owned()), "participants cannot read submit channels");
}
