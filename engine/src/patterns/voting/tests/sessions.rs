//! What a host may choose, and what is revealed in the end.

use serde_json::{Value, json};

use super::bench::{Bench, SESSION, plain};
use crate::patterns::voting::Variant;
use crate::patterns::voting::session::{SessionConfig, SessionObject, Status};

const NEWEST: &str = "serverless-2026-09";

fn hardened(config: SessionConfig) -> Bench {
    Bench::open_with(Variant::Hardened, config, 3, NEWEST)
}

#[test]
fn anonymous_results_keep_the_option_out_of_the_membership() {
    let mut named = hardened(plain());
    named.vote("user_1", "opt_2", 1);
    assert_eq!(named.membership("user_1").expect("a membership")["votedOption"], "opt_2");

    let mut anonymous = hardened(SessionConfig { anonymous_results: true, ..plain() });
    anonymous.vote("user_1", "opt_2", 1);
    let membership = anonymous.membership("user_1").expect("a membership");
    assert_eq!(membership["hasVoted"], true);
    assert_eq!(membership.get("votedOption"), None, "App Context can be read by others");
    // The audit log alone knows.
    let row = &anonymous.audit.ledger().log()[0];
    assert_eq!(&**anonymous.audit.ledger().name(row.option), "opt_2");
}

/// A finding on 7.1: step 11 writes votedOption whatever the session says.
#[test]
fn documented_tells_who_voted_for_what_in_an_anonymous_session() {
    let config = SessionConfig { anonymous_results: true, ..plain() };
    let mut bench = Bench::open_with(Variant::Documented, config, 3, NEWEST);
    bench.vote("user_1", "opt_2", 1);
    assert_eq!(bench.membership("user_1").expect("a membership")["votedOption"], "opt_2");
}

/// [1, 0, 0] then [0, 1, 0]: one vote all the time, two rows in the log, the first of them replaced.
#[test]
fn allow_change_vote_moves_the_count() {
    let mut bench = hardened(SessionConfig { allow_change_vote: true, ..plain() });
    bench.vote("user_1", "opt_1", 1);
    assert_eq!(bench.counts(), [1, 0, 0]);
    let before = bench.tally().expect("a tally");
    assert_eq!(before["payload"]["total"], 1);
    assert_eq!(bench.vote("user_1", "opt_2", 2).ack()["status"], "accepted");
    assert_eq!(bench.counts(), [0, 1, 0]);
    let log = bench.audit.ledger().log();
    assert_eq!(log.iter().map(|row| row.replaced).collect::<Vec<_>>(), [true, false]);
    let after = bench.tally().expect("a tally");
    assert_eq!(after["payload"]["tally"], json!({"opt_1": 0, "opt_2": 1, "opt_3": 0}));
    assert_eq!(after["payload"]["delta"], json!({"opt_1": -1, "opt_2": 1, "opt_3": 0}));
    // The older request, asked again, changes nothing back.
    bench.vote("user_1", "opt_1", 1);
    assert_eq!(bench.counts(), [0, 1, 0]);
}

/// A finding on 7.1: allowChangeVote is never looked at.
#[test]
fn documented_rejects_a_changed_vote_though_the_host_allows_it() {
    let config = SessionConfig { allow_change_vote: true, ..plain() };
    let mut bench = Bench::open_with(Variant::Documented, config, 3, NEWEST);
    bench.vote("user_1", "opt_1", 1);
    assert_eq!(bench.vote("user_1", "opt_2", 2).ack()["reason"], "already_voted");
}

#[test]
fn max_votes_per_user_of_two_counts_two_and_rejects_the_third() {
    let mut bench = hardened(SessionConfig { max_votes_per_user: 2, ..plain() });
    let statuses: Vec<Value> = [(1, "opt_1"), (2, "opt_3"), (3, "opt_2")]
        .map(|(stamp, option)| bench.vote("user_1", option, stamp).ack()["status"].clone())
        .into();
    assert_eq!(statuses, ["accepted", "accepted", "rejected"]);
    assert_eq!(bench.counts(), [1, 0, 1]);
    assert_eq!(bench.audit.ledger().log().len(), 2);
}

/// What `vote.revealed` says after these votes, one user each.
fn revealed(votes: &[&str]) -> Value {
    let mut bench = hardened(plain());
    for (user, option) in votes.iter().enumerate() {
        bench.vote(&format!("user_{user}"), option, 1);
    }
    bench.step_to(Status::Closed);
    bench.step_to(Status::Revealed)["payload"].clone()
}

/// 2 and 2 of 5 votes are 40 % each, and nobody has won.
#[test]
fn a_tie_is_revealed_without_a_winner() {
    let payload = revealed(&["opt_1", "opt_1", "opt_3", "opt_3", "opt_2"]);
    assert_eq!(payload["totalVotes"], 5);
    assert_eq!(payload["winner"], Value::Null);
    assert_eq!(payload["results"]["opt_1"], json!({"count": 2, "percentage": 40.0}));
    assert_eq!(payload["results"]["opt_3"], json!({"count": 2, "percentage": 40.0}));
}

#[test]
fn zero_votes_are_revealed_as_zeros_without_a_winner() {
    let payload = revealed(&[]);
    assert_eq!((&payload["totalVotes"], &payload["winner"]), (&0.into(), &Value::Null));
    for option in ["opt_1", "opt_2", "opt_3"] {
        assert_eq!(payload["results"][option], json!({"count": 0, "percentage": 0.0}));
    }
}

#[test]
fn a_single_voter_reveals_a_hundred_percent() {
    let payload = revealed(&["opt_2"]);
    assert_eq!((&payload["totalVotes"], &payload["winner"]), (&1.into(), &"opt_2".into()));
    assert_eq!(payload["results"]["opt_2"]["percentage"], 100.0);
}

/// The host's client sends totals of its own; what is delivered has the database's.
#[test]
fn what_the_host_claims_is_replaced_by_what_was_counted() {
    let mut bench = hardened(plain());
    bench.vote("user_1", "opt_2", 1);
    let closed = r#"{"type":"vote.closed","schemaVersion":"1.0.0","eventId":"e","ts":"2000-01-01T00:00:00.000Z","sessionId":"abc123","payload":{"closedAt":"2000-01-01T00:00:00.000Z","totalVotes":999}}"#;
    let crate::message::InvokeOutcome::Ok(text) = bench.control(closed, "host_user_123", crate::access::Role::Host)
    else {
        panic!("the host may close")
    };
    let message: Value = serde_json::from_str(&text).expect("an announcement is JSON");
    assert_eq!(message["payload"]["totalVotes"], 1);
    assert_ne!(message["payload"]["closedAt"], "2000-01-01T00:00:00.000Z");
    // And late joiners read the same out of App Context.
    let object = bench.objects.channel("vote-control.abc123").expect("the session's object");
    assert_eq!(SessionObject::from_body(&object.body).map(|object| object.status), Some(Status::Closed));
}

/// Without a live tally nothing is said before the reveal, to nobody.
#[test]
fn a_hidden_tally_is_hidden_until_it_is_revealed() {
    let mut bench = hardened(SessionConfig { show_live_tally: false, ..plain() });
    bench.vote("user_1", "opt_2", 1);
    assert_eq!(bench.tally(), None);
    let shown = |bench: &Bench| {
        let object = bench.objects.channel("vote-control.abc123").expect("the session's object");
        SessionObject::from_body(&object.body).expect("it reads").tally["total"].clone()
    };
    assert_eq!(shown(&bench), 0);
    assert_eq!(bench.step_to(Status::Closed)["payload"]["totalVotes"], Value::Null);
    assert_eq!(shown(&bench), 0);
    bench.step_to(Status::Revealed);
    assert_eq!(shown(&bench), 1);
    assert_eq!(bench.tally().expect("the final tally")["payload"]["total"], 1);
    assert_eq!(bench.audit.ledger().session(SESSION).map(|session| session.status), Some(Status::Revealed));
}
