//! The auditor at its desk, with a real audit database and an auth server that the test plays. A message takes 1 ms.

use headcount_engine::access::{Grant, Permissions, Verifier};
use headcount_engine::contract::{MINUTE, MS, SECOND};
use headcount_engine::patterns::voting::audit::AuditDb;
use headcount_engine::patterns::voting::audit::api::{CastVote, Lifecycle};
use headcount_engine::patterns::voting::session::{SessionConfig, SessionSpec, Status};
use headcount_sim::Stream;

use super::*;
use crate::scenario::Auditor as Habits;

const DESK: NodeId = NodeId(0);
const AUTH: NodeId = NodeId(1);
const AUDIT: NodeId = NodeId(2);
const SESSION: &str = "abc123";

struct Desk {
    now: Nanos,
    auditor: Auditor,
    audit: AuditDb,
    verifier: Verifier,
    /// Minutes that each token lives.
    ttl_minutes: u32,
    /// How many of the next calls of the database get no answer.
    silent: u32,
    /// How many rows each page had, as the database answered.
    pages: Vec<usize>,
}

impl Desk {
    /// A session with so many votes, ten in a millisecond, and an auditor who asks once a second for so long.
    fn with(votes: u32, questions: u64, ttl_minutes: u32) -> Self {
        let verifier = Verifier::new(7);
        let config = AuditorConfig {
            auth: AUTH,
            audit: AUDIT,
            session_id: SESSION.into(),
            users: votes.max(1),
            from: SECOND,
            until: SECOND + questions * SECOND,
            habits: Habits { every: SECOND, span: SECOND, pages_max: 100 },
            dice: CounterHash::new(&mut Stream::new(1, "test", 0)),
        };
        let mut desk = Self {
            now: 0,
            auditor: Auditor::new(config),
            audit: AuditDb::new(verifier, 1),
            verifier,
            ttl_minutes,
            silent: 0,
            pages: Vec::new(),
        };
        let config = SessionConfig {
            allow_change_vote: false,
            show_live_tally: true,
            anonymous_results: false,
            max_votes_per_user: 1,
        };
        let options = SessionSpec::options_of(&["A".to_owned(), "B".to_owned()]);
        let spec =
            SessionSpec { session_id: SESSION.into(), question: "?".into(), options, config, host_id: "host_1".into() };
        for (to, spec) in [(Status::Created, Some(spec)), (Status::Open, None)] {
            let lifecycle = Lifecycle { session_id: SESSION.into(), to, host_id: "host_1".into(), spec };
            desk.store(api::LIFECYCLE, to_json(&lifecycle));
        }
        for user in 0..votes {
            desk.now = u64::from(user) * MS / 10;
            let vote = CastVote {
                session_id: SESSION.into(),
                user_id: plan::user_id(user).into(),
                option_id: "opt_1".into(),
                request_id: format!("req_{}_{SESSION}_{}", plan::user_id(user), 1_000 + user).into(),
                client_ts: "t".into(),
                client_ip: 0,
                user_agent: "".into(),
                token_id: 1,
                shard: 0,
            };
            desk.store(api::CAST, to_json(&vote));
        }
        desk
    }

    /// A Function's own call of the database, which needs no token.
    fn store(&mut self, path: &str, body: String) {
        let request = HttpRequest::new("POST", path, body);
        let mut out = Outbox::new(false);
        let msg = Msg::Http { tag: 0, request: Box::new(request) };
        self.audit.handle(self.now, Input::Message { from: NodeId(9), msg }, &mut out);
        let send = out.drain_sends().next().expect("an answer");
        assert!(matches!(send.msg, Msg::HttpAnswer { status: 200, .. }), "{:?}", send.msg);
    }

    /// Lets the auditor do all its work.
    fn run(&mut self) {
        while let Some(at) = self.auditor.next_wake() {
            assert!(at < 10 * MINUTE, "it never ends");
            self.now = at.max(self.now);
            let mut input = Some(Input::Wake);
            while let Some(next) = input.take() {
                let mut out = Outbox::new(false);
                self.auditor.handle(self.now, next, &mut out);
                self.now += MS;
                let send = out.drain_sends().next();
                input = send.and_then(|send| self.answer(send.msg)).map(|msg| Input::Message { from: AUDIT, msg });
            }
        }
    }

    fn answer(&mut self, msg: Msg) -> Option<Msg> {
        match msg {
            Msg::Login { client, tag, user, role, session } => {
                let channels = [("vote-control.abc123".into(), Permissions::READ)].into_iter().collect();
                let (patterns, own) = ([].into(), Arc::default());
                let grant = Grant { ttl_minutes: self.ttl_minutes, user, channels, patterns, own, role, session };
                Some(Msg::LoggedIn { client, tag, result: Ok(Arc::new(self.verifier.sign(grant, self.now))) })
            }
            Msg::Http { .. } if self.silent > 0 => {
                self.silent -= 1;
                None
            }
            msg => {
                let mut out = Outbox::new(false);
                self.audit.handle(self.now, Input::Message { from: DESK, msg }, &mut out);
                let answer = out.drain_sends().next().expect("an answer").msg;
                if let Msg::HttpAnswer { status: 200, body, .. } = &answer {
                    self.pages.push(body.matches("\"vote_id\":").count());
                }
                Some(answer)
            }
        }
    }
}

/// 2,500 votes at ten a millisecond: 1,000 rows end with the tenth of a millisecond's ten, so the next page begins with
/// those ten again: 1,000 + 1,000 + 520 rows, of which 20 are told twice and noted once.
#[test]
fn a_long_answer_is_read_page_by_page_and_each_row_once() {
    let mut desk = Desk::with(2_500, 1, 60);
    desk.run();
    let whole = Query::Session(SESSION.into());
    let record = desk.auditor.record();
    let [answer] = record.answers.as_slice() else { panic!("one answer") };
    assert_eq!(answer.query, whole, "the last question, and here the only one, is for the whole session");
    let numbers: Vec<u32> = answer.rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (0..2_500).collect::<Vec<_>>());
    assert_eq!((answer.pages, answer.complete), (3, true));
    assert_eq!(desk.pages, [1_000, 1_000, 520]);
    // What a row says is what was cast.
    let row = answer.rows[1_234];
    assert_eq!((row.user, row.stamp, row.option), (Some(1_234), 2_234, 0));
    assert_eq!(desk.auditor.pending(), None);
}

/// Eight questions in a row, and the one that is the last: six of the auditor's, and three of people who may not ask, each
/// of whom is refused.
#[test]
fn who_may_not_ask_is_refused_and_noted() {
    let mut desk = Desk::with(3, 9, 60);
    desk.run();
    let record = desk.auditor.record();
    assert_eq!(record.answers.len(), 6);
    let refused = [Intruder::Stranger, Intruder::Participant, Intruder::Forger].map(|who| ((who, 403), 1));
    assert_eq!(record.intruders, BTreeMap::from(refused));
    assert_eq!((record.retries, record.refused, record.logins), (0, 0, 2), "one login for each of the two people");
}

/// A token lives for a minute, and 121 questions take two: the auditor's is refused once or twice and each time replaced,
/// and so is the curious participant's; that its token is past its time is no answer to what it asked.
#[test]
fn a_token_past_its_time_is_replaced_and_the_question_asked_again() {
    let mut desk = Desk::with(3, 121, 1);
    desk.run();
    let record = desk.auditor.record();
    // 121 questions are 15 rounds of 5 and 3, and the last.
    assert_eq!((record.answers.len(), record.intruders.values().sum::<u64>()), (15 * 5 + 1, 15 * 3));
    assert!(record.intruders.keys().all(|(_, status)| *status == 403), "{:?}", record.intruders);
    assert!((2..=4).contains(&record.refused), "{}", record.refused);
    assert_eq!(record.logins, 2 + record.refused);
    assert_eq!(desk.auditor.pending(), None);
}

/// Three calls without an answer are 3 x 10 s of patience and up to 1, 2 and 4 s of backoff; then the same question is
/// answered, and what was asked before stays unanswered meanwhile.
#[test]
fn silence_is_waited_out_and_the_question_asked_again() {
    let mut desk = Desk::with(3, 1, 60);
    desk.silent = 3;
    desk.run();
    let record = desk.auditor.record();
    assert_eq!((record.retries, record.unanswered), (3, 0));
    assert!((31 * SECOND..40 * SECOND).contains(&desk.now), "{}", desk.now);
}

#[test]
fn an_answer_that_is_no_list_of_rows_is_evidence() {
    assert!(told::read("[]", 0).is_some_and(|page| page.rows.is_empty() && page.picked.is_none()));
    for text in ["", "{}", "[{}]", r#"[{"id":"7"}]"#, "[null]"] {
        assert!(told::read(text, 0).is_none(), "{text}");
    }
}
