//! The auditor's work (voting.md 8.1, 3.1, 11.4; NFR-5): every counted vote can be found by session, user, request and
//! time, with its full provenance. And what an auditor's token does not open.

use std::sync::Arc;

use serde_json::json;

use super::bench::{BOTH, Bench, CONTROL_CHANNEL, SECRET, SESSION, SUBMIT_CHANNEL, plain};
use crate::access::{Permissions, Role, Token, Verifier};
use crate::auth::GrantRules;
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox};
use crate::message::{HttpRequest, Msg};
use crate::patterns::voting::audit::api::{self, Query, Row};
use crate::patterns::voting::audit::{AuditDb, QUERY_ROWS_MAX};
use crate::patterns::voting::grants::VotingGrants;
use crate::patterns::voting::message::{request_id, to_json};
use crate::patterns::voting::session::{SessionConfig, Status};
use crate::patterns::voting::{USER_AGENT, Variant};
use crate::timetoken::{iso8601, parse_iso8601};

/// What the database answers to this text and token, asked over HTTP at `now`: status and body.
fn asked_with(token: Option<Arc<Token>>, now: Nanos, audit: &mut AuditDb, path: &str, body: &str) -> (u16, String) {
    let mut out = Outbox::new(false);
    let request = HttpRequest { method: "POST", path: path.into(), body: body.into(), headers: vec![], token };
    let msg = Msg::Http { tag: 8, request: Box::new(request) };
    audit.handle(now, Input::Message { from: NodeId(77), msg }, &mut out);
    let send = out.drain_sends().next().expect("every call is answered");
    let Msg::HttpAnswer { tag: 8, status, body } = send.msg else { panic!("{:?}", send.msg) };
    (status, body.to_string())
}

/// A token of `auditor_1`, granted when the world began, for an hour.
fn auditors_token(session: &str, secret: u64) -> Arc<Token> {
    let rules = VotingGrants::new(session, &[1], 60, true).auditor("auditor_1");
    let grant = rules.grant(&"auditor_1".into(), Role::Auditor, &session.into()).expect("an auditor");
    Arc::new(Verifier::new(secret).sign(grant, 0))
}

/// The same of the bench's database, asked by an auditor.
fn asked(audit: &mut AuditDb, path: &str, body: &str) -> (u16, String) {
    asked_with(Some(auditors_token(SESSION, SECRET)), 1, audit, path, body)
}

fn rows(audit: &mut AuditDb, query: &Query) -> Vec<Row> {
    let (status, body) = asked(audit, api::QUERY, &to_json(query));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("rows are JSON")
}

fn users(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.user_id.as_str()).collect()
}

/// A session with three voters, one vote each.
fn three_votes(variant: Variant) -> Bench {
    let mut bench = Bench::open(variant);
    for (user, option) in [("user_1", "opt_1"), ("user_2", "opt_3"), ("user_3", "opt_1")] {
        assert_eq!(bench.vote(user, option, 7).ack()["status"], "accepted");
    }
    bench
}

/// From an acknowledgement to the row it stands for: every column of vote_audit is what happened.
#[test]
fn an_acknowledged_vote_is_traced_by_its_request_to_its_whole_provenance() {
    for variant in BOTH {
        let mut bench = three_votes(variant);
        let ack = bench.vote("user_9", "opt_2", 7).ack();
        let token = bench.token("user_9", Role::Participant);
        let found = rows(&mut bench.audit, &Query::Request(request_id("user_9", SESSION, 7)));
        let [row] = found.as_slice() else { panic!("{variant:?}: one row expected: {found:?}") };
        assert_eq!(ack["voteId"], row.vote_id, "{variant:?}");
        assert_eq!((&*row.session_id, &*row.user_id, &*row.option_id), (SESSION, "user_9", "opt_2"));
        assert_eq!(row.request_id, "req_user_9_abc123_7");
        // What the client said of its time, and when the database wrote it down.
        assert_eq!(row.client_ts, iso8601(crate::contract::SECOND));
        let written = bench.audit.ledger().log()[3].server_ts;
        assert_eq!(parse_iso8601(&row.server_ts), Some(written / MS * MS));
        // The bench's clients are at 10.0.0.7.
        assert_eq!((&*row.client_ip, &*row.user_agent), ("10.0.0.7", USER_AGENT));
        assert_eq!(row.token_id, format!("{:016x}", token.signature));
    }
}

#[test]
fn the_log_is_found_by_session_by_user_and_by_request_and_by_nothing_else() {
    for variant in BOTH {
        let mut bench = three_votes(variant);
        let audit = &mut bench.audit;
        let session = rows(audit, &Query::Session(SESSION.into()));
        assert_eq!(users(&session), ["user_1", "user_2", "user_3"], "{variant:?}: in the order of acceptance");
        assert_eq!(users(&rows(audit, &Query::User("user_2".into()))), ["user_2"]);
        assert_eq!(users(&rows(audit, &Query::Request("req_user_3_abc123_7".into()))), ["user_3"]);
        let others =
            [Query::User("user_".into()), Query::User("".into()), Query::Request("req_user_3_abc123_8".into())];
        for other in others {
            assert_eq!(rows(audit, &other), [], "{other:?}");
        }
        let ids: std::collections::BTreeSet<_> = session.iter().map(|row| &row.id).collect();
        assert_eq!(ids.len(), 3, "primary keys");
        assert_eq!(audit.counts().queries, 3 + 3);
    }
}

/// From inclusive, to exclusive: a range that begins with the second vote's moment and ends with the third's has the
/// second alone, so that ranges laid end to end have every vote once.
#[test]
fn a_time_range_has_its_beginning_and_not_its_end() {
    for variant in BOTH {
        let mut bench = three_votes(variant);
        let at: Vec<u64> = bench.audit.ledger().log().iter().map(|row| row.server_ts).collect();
        let audit = &mut bench.audit;
        let mut range = |from, to| rows(audit, &Query::Range { from, to }).into_iter().map(|row| row.user_id).collect();
        let mut found: Vec<String> = range(at[1], at[2]);
        assert_eq!(found, ["user_2"], "{variant:?}");
        found = range(at[1], at[2] + 1);
        assert_eq!(found, ["user_2", "user_3"]);
        found = range(0, at[0]);
        assert!(found.is_empty());
        found = range(at[2], at[0]);
        assert!(found.is_empty(), "a range that ends before it begins");
        // End to end.
        let mut all: Vec<String> = range(0, at[1]);
        all.extend::<Vec<String>>(range(at[1], u64::MAX));
        assert_eq!(all, ["user_1", "user_2", "user_3"]);
    }
}

/// Immutable, append-only: a changed vote leaves the old row where it was, and both are found.
#[test]
fn a_changed_vote_is_found_with_what_it_was_before() {
    let config = SessionConfig { allow_change_vote: true, ..plain() };
    let mut bench = Bench::open_with(Variant::Hardened, config, 3, "serverless-2026-09");
    bench.vote("user_1", "opt_1", 1);
    let before = rows(&mut bench.audit, &Query::User("user_1".into()));
    bench.vote("user_1", "opt_2", 2);
    let after = rows(&mut bench.audit, &Query::User("user_1".into()));
    assert_eq!(after[0], before[0], "the old row is untouched");
    assert_eq!(after.iter().map(|row| &*row.option_id).collect::<Vec<_>>(), ["opt_1", "opt_2"]);
}

/// anonymousResults hides who voted for what from the participants, not from the auditor (retention: audit required).
#[test]
fn an_anonymous_session_is_audited_by_name() {
    let config = SessionConfig { anonymous_results: true, ..plain() };
    let mut bench = Bench::open_with(Variant::Hardened, config, 3, "serverless-2026-09");
    bench.vote("user_1", "opt_1", 1);
    let found = rows(&mut bench.audit, &Query::Session(SESSION.into()));
    assert_eq!((users(&found), &*found[0].option_id), (vec!["user_1"], "opt_1"));
}

/// NFR-5, the auditor's sum: the rows of a session, counted anew, are the results that were revealed.
#[test]
fn the_rows_of_a_session_add_up_to_what_was_revealed() {
    for variant in BOTH {
        let mut bench = three_votes(variant);
        // Neither a repeated nor a refused vote adds a row.
        bench.vote("user_1", "opt_1", 7);
        bench.vote("user_2", "opt_1", 8);
        bench.step_to(Status::Closed);
        bench.vote("user_4", "opt_1", 9);
        let found = rows(&mut bench.audit, &Query::Session(SESSION.into()));
        let count = |option: &str| found.iter().filter(|row| row.option_id == option).count() as u64;
        assert_eq!(["opt_1", "opt_2", "opt_3"].map(count), [2, 0, 1], "{variant:?}");
        // The documented host counts for itself; the hardened one says what the database has.
        if variant == Variant::Hardened {
            let revealed = bench.step_to(Status::Revealed)["payload"]["results"].clone();
            let revealed = ["opt_1", "opt_2", "opt_3"].map(|option| revealed[option]["count"].as_u64());
            assert_eq!(revealed, [Some(2), Some(0), Some(1)]);
        }
    }
}

#[test]
fn the_log_is_there_after_a_crash() {
    for variant in BOTH {
        let mut bench = three_votes(variant);
        let before = rows(&mut bench.audit, &Query::Session(SESSION.into()));
        bench.audit.reboot(bench.now);
        assert_eq!(rows(&mut bench.audit, &Query::Session(SESSION.into())), before, "{variant:?}");
    }
}

/// 1,001 votes: a query returns the 1,000 oldest; the range behind the last of them has the other one.
#[test]
fn a_query_returns_at_most_1000_rows_and_a_range_has_the_rest() {
    let mut bench = Bench::open(Variant::Hardened);
    for user in 0..=QUERY_ROWS_MAX {
        bench.submit_without_recorder(
            &format!("user_{user}"),
            &super::bench::submit_text(&format!("user_{user}"), "opt_1", 1),
        );
    }
    let found = rows(&mut bench.audit, &Query::Session(SESSION.into()));
    assert_eq!((found.len(), found[999].user_id.as_str()), (1_000, "user_999"));
    // A row shows its time to the millisecond; votes on the bench are more than one apart.
    let from = parse_iso8601(&found[999].server_ts).expect("a timestamp") + MS;
    assert_eq!(users(&rows(&mut bench.audit, &Query::Range { from, to: u64::MAX })), ["user_1000"]);
}

#[test]
fn a_query_that_is_none_is_a_bad_request() {
    let mut audit = AuditDb::new(Verifier::new(SECRET), 1);
    let not_queries =
        ["", "null", "{}", r#"{"everything":true}"#, r#"{"range":{"from":-1,"to":5}}"#, r#"{"session":7}"#];
    for text in not_queries {
        assert_eq!(asked(&mut audit, api::QUERY, text).0, 400, "{text:?}");
    }
    assert_eq!(audit.counts().queries, 0);
    assert_eq!(asked(&mut audit, api::QUERY, &json!({ "user": "nobody" }).to_string()), (200, "[]".to_owned()));
    assert_eq!(asked(&mut audit, "/audit/delete", "{}").0, 404, "append-only: there is no such call");
}

/// voting.md 8.1: "Read audit logs, verify votes" is the auditor's alone. Nobody without a token, in another role, of
/// another session, past the hour or of a forger's making gets a row; each reads the platform's own 403.
#[test]
fn only_a_genuine_auditor_of_the_session_in_time_gets_rows() {
    let mut bench = three_votes(Variant::Hardened);
    let query = to_json(&Query::User("user_1".into()));
    let participant = bench.token("user_1", Role::Participant);
    let host = bench.token(super::bench::HOST, Role::Host);
    // A participant who writes `auditor` into its token cannot sign it.
    let mut promoted = (*participant).clone();
    promoted.grant.role = Role::Auditor;
    let good = auditors_token(SESSION, SECRET);
    let hour = good.expires();
    let askers = [
        (None, 1, "Forbidden"),
        (Some(participant), 1, "Forbidden"),
        (Some(host), 1, "Forbidden"),
        (Some(promoted.into()), 1, "Invalid token"),
        (Some(auditors_token(SESSION, SECRET + 1)), 1, "Invalid token"),
        (Some(good.clone()), hour, "Token is expired."),
    ];
    for (token, now, message) in askers {
        // A database of its own for each: its time never goes back.
        let mut audit = AuditDb::new(Verifier::new(SECRET), 1);
        let (status, body) = asked_with(token, now, &mut audit, api::QUERY, &query);
        let said: serde_json::Value = serde_json::from_str(&body).expect("a refusal is JSON");
        assert_eq!((status, &said["message"], &said["service"]), (403, &json!(message), &json!("Access Manager")));
        assert_eq!((audit.counts().queries, audit.counts().queries_refused), (0, 1));
    }
    // The auditor of another session does not see this one, by whatever it asks; nor can it name it.
    let stranger = auditors_token("other", SECRET);
    let (status, body) = asked_with(Some(stranger.clone()), 1, &mut bench.audit, api::QUERY, &query);
    assert_eq!((status, &*body), (200, "[]"));
    let whole = to_json(&Query::Session(SESSION.into()));
    assert_eq!(asked_with(Some(stranger), 1, &mut bench.audit, api::QUERY, &whole).0, 403);
    // A moment before the hour is over.
    assert_eq!(asked_with(Some(good), hour - 1, &mut bench.audit, api::QUERY, &query).0, 200);
}

/// An auditor reads what all may read and writes nothing: verification is not taking part.
#[test]
fn an_auditors_token_reads_the_session_and_writes_nothing() {
    for variant in BOTH {
        let bench = Bench::open(variant);
        let token = bench.token("auditor_1", Role::Auditor);
        for channel in [CONTROL_CHANNEL, "vote-results.abc123"] {
            assert!(token.allows(channel, Permissions::READ), "{variant:?} {channel}");
        }
        let own = bench.ack_channel("user_1");
        for channel in [CONTROL_CHANNEL, SUBMIT_CHANNEL, "vote-results.abc123", "vote-submit.abc123-shard-0", &own] {
            assert!(!token.allows(channel, Permissions::WRITE), "{variant:?} {channel}");
            assert!(!token.allows(channel, Permissions::UPDATE), "{variant:?} {channel}");
        }
        if variant == Variant::Hardened {
            assert!(!token.allows(&own, Permissions::READ), "other people's acknowledgements");
        }
    }
}

/// No deployed Function asks the log on anybody's behalf: whatever participants and hosts publish in a whole session,
/// no row leaves the database. Rows are for those who reach it directly.
#[test]
fn no_function_gives_the_log_away() {
    for variant in BOTH {
        let mut bench = three_votes(variant);
        for query in [Query::Session(SESSION.into()), Query::User("user_1".into())] {
            assert_eq!(bench.submit("user_5", &to_json(&query)).aborted().0, 400, "{variant:?}: not a vote");
        }
        bench.tally();
        bench.step_to(Status::Closed);
        bench.step_to(Status::Revealed);
        assert_eq!(bench.audit.counts().queries, 0, "{variant:?}");
    }
}
