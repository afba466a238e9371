//! What may not pass: by the submit Function, by the lifecycle Function, at the edge.

use serde_json::json;

use super::bench::{BOTH, Bench, CONTROL_CHANNEL, HOST, SESSION, changed, plain, submit_text};
use crate::access::{Role, Verifier};
use crate::auth::GrantRules;
use crate::contract::{Input, Node, NodeId, Outbox, SECOND};
use crate::edge::{Edge, EdgeConfig};
use crate::limits::Limits;
use crate::message::{ApiOk, Call, InvokeOutcome, Msg, ObjectsOp, Request};
use crate::patterns::voting::Variant;
use crate::patterns::voting::grants::VotingGrants;
use crate::patterns::voting::message::SUBMIT_BYTES_MAX;
use crate::patterns::voting::session::Status;

/// Text that `user` publishes, refused by hardened with this status and word; nothing changes.
fn refused(user: &str, text: &str, status: u16, error: &str) {
    let mut bench = Bench::open(Variant::Hardened);
    let done = bench.submit(user, text);
    let (was, body) = done.aborted();
    assert_eq!(was, status, "{body}");
    assert!(body.starts_with(&format!("{{\"error\":\"{error}\"")), "{body}");
    assert!(bench.audit.ledger().decisions().is_empty() && bench.kv.is_empty(), "a refusal changes nothing");
    assert_eq!(bench.counts(), [0, 0, 0]);
}

#[test]
fn an_impostor_is_refused() {
    // mallory publishes, with a token of her own, a vote in the name of user_456.
    refused("mallory", &submit_text("user_456", "opt_1", 1), 403, "forbidden");
}

/// A finding on 7.1: who published is never compared with payload.userId.
#[test]
fn documented_counts_an_impostors_vote() {
    let mut bench = Bench::open(Variant::Documented);
    let done = bench.submit("mallory", &submit_text("user_456", "opt_1", 1));
    assert_eq!(done.ack()["status"], "accepted");
    assert_eq!(&*bench.audit.ledger().log()[0].user_id, "user_456");
    // And the real one is turned away.
    assert_eq!(bench.vote("user_456", "opt_2", 2).ack()["reason"], "already_voted");
}

#[test]
fn a_viewer_and_the_host_cannot_vote() {
    for role in [Role::Viewer, Role::Host, Role::Auditor] {
        let mut bench = Bench::open(Variant::Hardened);
        let token = bench.token("user_456", role);
        let text = submit_text("user_456", "opt_1", 1);
        let channel = super::bench::SUBMIT_CHANNEL;
        let outcome = bench.invoke(crate::message::Trigger::BeforePublish, channel, &text, "user_456", Some(token));
        assert!(matches!(outcome, InvokeOutcome::Abort { status: 403, .. }), "{role:?}");
    }
}

/// 6.4: a vote.submit is smaller than 1 KB. One byte less than 1,024 passes, 1,024 does not.
#[test]
fn an_oversized_vote_is_refused() {
    let sized = |bytes: usize| {
        let text = changed(&submit_text("user_456", "opt_1", 1), |message| {
            message.insert("note".into(), "".into());
        });
        changed(&text, |message| {
            message.insert("note".into(), "x".repeat(bytes - text.len()).into());
        })
    };
    assert_eq!(sized(SUBMIT_BYTES_MAX).len(), 1_024);
    refused("user_456", &sized(SUBMIT_BYTES_MAX), 400, "invalid_message");
    assert_eq!(Bench::open(Variant::Hardened).submit("user_456", &sized(1_023)).ack()["status"], "accepted");
}

#[test]
fn a_wrong_schema_version_is_refused() {
    for version in ["2.0.0", "1.0", ""] {
        let text = changed(&submit_text("user_456", "opt_1", 1), |message| {
            message.insert("schemaVersion".into(), version.into());
        });
        refused("user_456", &text, 400, "invalid_message");
    }
}

#[test]
fn a_request_id_of_another_form_or_another_user_is_refused() {
    for id in ["r1", "req_user_457_abc123_1", "req_user_456_abc124_1", "req_user_456_abc123_", "req_user_456_abc123_x1"]
    {
        let text = changed(&submit_text("user_456", "opt_1", 1), |message| {
            message.insert("requestId".into(), id.into());
        });
        refused("user_456", &text, 400, "invalid_message");
    }
}

#[test]
fn a_session_that_is_not_the_channels_is_refused() {
    let text = changed(&submit_text("user_456", "opt_1", 1), |message| {
        message.insert("sessionId".into(), "other".into());
        message.insert("requestId".into(), "req_user_456_other_1".into());
    });
    refused("user_456", &text, 400, "invalid_message");
}

/// Only the submit Function may say what was decided: a client's own `decision` is no decision.
#[test]
fn a_decision_that_the_client_brings_along_is_refused() {
    let text = changed(&submit_text("user_456", "opt_1", 1), |message| {
        let decision = json!({"status": "accepted", "vote_id": "vote_x", "number": 0, "ts": "", "anonymous": false});
        message.insert("decision".into(), decision);
    });
    refused("user_456", &text, 400, "invalid_message");
}

#[test]
fn text_that_is_no_vote_is_refused_by_both() {
    for variant in BOTH {
        for text in ["null", "[]", "\"vote.submit\"", "{}", r#"{"type":"vote.submit","payload":7}"#] {
            let mut bench = Bench::open(variant);
            let done = bench.submit("user_456", text);
            assert_eq!(done.aborted().0, 400, "{variant:?} {text}");
        }
    }
}

#[test]
fn only_the_sessions_host_moves_it() {
    let mut bench = Bench::open(Variant::Hardened);
    let close =
        r#"{"type":"vote.closed","schemaVersion":"1.0.0","eventId":"e","ts":"","sessionId":"abc123","payload":{}}"#;
    // A participant's role is not enough; another host is not this session's host.
    for (user, role) in [("user_456", Role::Participant), ("other_host", Role::Host)] {
        let outcome = bench.control(close, user, role);
        assert!(matches!(outcome, InvokeOutcome::Abort { status: 403, .. }), "{user}: {outcome:?}");
    }
    assert_eq!(bench.audit.ledger().session(SESSION).map(|session| session.status), Some(Status::Open));
    assert!(matches!(bench.control(close, HOST, Role::Host), InvokeOutcome::Ok(_)));
}

#[test]
fn a_session_takes_one_step_at_a_time_and_none_back() {
    let mut bench = Bench::created(Variant::Hardened, plain(), 3, "serverless-2026-09");
    let message = |kind: &str| {
        format!(
            r#"{{"type":"{kind}","schemaVersion":"1.0.0","eventId":"e","ts":"","sessionId":"abc123","payload":{{}}}}"#
        )
    };
    let mut asked = |kind: &str| match bench.control(&message(kind), HOST, Role::Host) {
        InvokeOutcome::Ok(_) => 200,
        InvokeOutcome::Abort { status, .. } => status,
    };
    // From created straight to closed or revealed: no. A step that was taken is done already, also when it is asked for
    // again late: that is answered, and changes nothing.
    assert_eq!([asked("vote.closed"), asked("vote.revealed")], [409, 409]);
    assert_eq!([asked("vote.opened"), asked("vote.opened")], [200, 200]);
    assert_eq!([asked("vote.closed"), asked("vote.opened")], [200, 200]);
    assert_eq!([asked("vote.revealed"), asked("vote.closed")], [200, 200]);
    assert_eq!(bench.audit.ledger().session(SESSION).map(|session| session.status), Some(Status::Revealed));
}

/// An edge with a participant's token: what it answers, and whether anything went on to the broker.
fn at_the_edge(role: Role, call: Call) -> (Result<ApiOk, (u16, String)>, usize) {
    let verifier = Verifier::new(42);
    let (population, broker) = (NodeId(9), NodeId(1));
    let mut edge = Edge::new(EdgeConfig {
        access: NodeId(90),
        broker,
        app_context: NodeId(2),
        history: NodeId(3),
        populations: vec![population],
        round_trips: [].into(),
        registry: None,
        presence: None,
        verifier,
        limits: Limits::named("serverless-2026-09").expect("a known profile"),
    });
    let mut out = Outbox::default();
    edge.handle(SECOND, Input::Start, &mut out);
    out.drain_sends();
    let grants = VotingGrants::new(SESSION, &[1], 60, true);
    let grant = grants.grant(&"user_456".into(), role, &SESSION.into()).expect("the session is known");
    let token = Some(std::sync::Arc::new(verifier.sign(grant, 0)));
    let request = Request { client: 0, tag: 5, client_ip: 1, token, call };
    edge.handle(SECOND, Input::Message { from: population, msg: Msg::Request(Box::new(request)) }, &mut out);
    let mut answer = None;
    let mut passed = 0;
    for send in out.drain_sends() {
        match send.msg {
            Msg::Answer { result, .. } => answer = Some(result),
            _ => passed += 1,
        }
    }
    let answer = answer.unwrap_or(Ok(ApiOk::Unsubscribed));
    (answer.map_err(|error| (error.status, error.body.to_string())), passed)
}

#[test]
fn only_the_session_s_host_and_auditors_get_their_tokens() {
    let grants = VotingGrants::new(SESSION, &[1], 60, true).host(HOST).auditor("auditor_1");
    let may = |user: &str, role| grants.grant(&user.into(), role, &SESSION.into()).is_some();
    assert!(may(HOST, Role::Host) && may("auditor_1", Role::Auditor));
    assert!(!may("user_456", Role::Host) && !may("user_456", Role::Auditor) && !may("auditor_1", Role::Host));
    assert!(may("user_456", Role::Participant) && may("user_456", Role::Viewer));
    assert!(grants.grant(&HOST.into(), Role::Host, &"another".into()).is_none(), "and only for their session");
}

fn publish(channel: &str) -> Call {
    Call::Publish { channel: channel.into(), payload: "{}".into(), store: false }
}

#[test]
fn a_participants_forged_tally_is_refused_at_the_edge_in_the_platforms_words() {
    let (answer, passed) = at_the_edge(Role::Participant, publish("vote-results.abc123"));
    let body = r#"{"message":"Forbidden","payload":{"channels":["vote-results.abc123"]},"error":true,"service":"Access Manager","status":403}"#;
    assert_eq!(answer.err(), Some((403, body.to_owned())));
    assert_eq!(passed, 0, "the broker hears nothing of it");
}

#[test]
fn a_participants_host_command_is_refused_at_the_edge_in_the_platforms_words() {
    let (answer, passed) = at_the_edge(Role::Participant, publish(CONTROL_CHANNEL));
    let body = r#"{"message":"Forbidden","payload":{"channels":["vote-control.abc123"]},"error":true,"service":"Access Manager","status":403}"#;
    assert_eq!((answer.err(), passed), (Some((403, body.to_owned())), 0));
    // Nor may it write the object behind the host's back.
    let patch = r#"{"custom":{"status":"closed"}}"#.into();
    let op = ObjectsOp::SetChannel { channel: CONTROL_CHANNEL.into(), patch, if_match: None };
    let (answer, passed) = at_the_edge(Role::Participant, Call::Objects(Box::new(op)));
    assert_eq!((answer.err(), passed), (Some((403, body.to_owned())), 0));
}

#[test]
fn a_viewers_vote_and_another_users_acks_are_refused_at_the_edge() {
    let (answer, passed) = at_the_edge(Role::Viewer, publish("vote-submit.abc123"));
    assert_eq!((answer.err().map(|(status, _)| status), passed), (Some(403), 0));
    let channels = ["vote-results.abc123-user_457".into()].into_iter().collect();
    let (answer, passed) = at_the_edge(
        Role::Participant,
        Call::Subscribe { channels, cursor: crate::timetoken::Timetoken::ZERO, with: None },
    );
    assert_eq!((answer.err().map(|(status, _)| status), passed), (Some(403), 0));
}

#[test]
fn a_participants_own_vote_passes_the_edge() {
    let (answer, passed) = at_the_edge(Role::Participant, publish("vote-submit.abc123"));
    assert_eq!((answer.is_ok(), passed), (true, 1));
}
