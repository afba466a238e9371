//! The hardened server, asked by hand: a fake edge answers each of its questions.

use std::sync::Arc;

use super::*;
use crate::access::Verifier;
use crate::auth::GrantRules;
use crate::contract::{Input, MINUTE, MS, Nanos, Node, NodeId, Outbox, SECOND};
use crate::message::{ApiOk, Call, Envelope, Kind, Msg};
use crate::patterns::Variant;
use crate::timetoken::Timetoken;

const AUTH: NodeId = NodeId(1);
const EDGE: NodeId = NodeId(2);

struct Bench {
    server: Server,
    now: Nanos,
    /// Tallies as they were published.
    tallies: Vec<Tally>,
    /// The cursors of its questions, and the tag of the one that waits for its answer.
    asked: Vec<u64>,
    waits: Option<u64>,
}

impl Bench {
    fn new() -> Self {
        let server = Server::new(ServerConfig {
            variant: Variant::Hardened,
            auth: AUTH,
            edges: vec![EDGE],
            poll: SECOND,
            queue_messages: 100,
            remembered: 5 * MINUTE,
        });
        let mut bench = Self { server, now: 0, tallies: Vec::new(), asked: Vec::new(), waits: None };
        bench.start();
        // The handshake.
        bench.turn(10, Vec::new(), 1);
        bench
    }

    fn start(&mut self) {
        self.input(Input::Start);
    }

    /// Hands the server something, and answers its logins and publishes.
    fn input(&mut self, input: Input) {
        let mut out = Outbox::new(false);
        self.server.handle(self.now, input, &mut out);
        let sends: Vec<Msg> = out.drain_sends().map(|send| send.msg).collect();
        for msg in sends {
            let (from, answer) = match msg {
                Msg::Login { client, tag, user, role, session } => {
                    let grant = rights(60).grant(&user, role, &session).expect("the server is known");
                    let token = Arc::new(Verifier::new(7).sign(grant, self.now));
                    (AUTH, Msg::LoggedIn { client, tag, result: Ok(token) })
                }
                Msg::Request(request) => match request.call {
                    Call::Subscribe { cursor, .. } => {
                        self.asked.push(cursor.0);
                        self.waits = Some(request.tag);
                        continue;
                    }
                    Call::Publish { payload, .. } => {
                        self.tallies.push(serde_json::from_str(&payload).expect("a tally"));
                        let result = Ok(ApiOk::Sent(Timetoken::at(self.now)));
                        (EDGE, Msg::Answer { client: 0, tag: request.tag, result })
                    }
                    call => panic!("{call:?}"),
                },
                msg => panic!("{msg:?}"),
            };
            self.input(Input::Message { from, msg: answer });
        }
    }

    /// Its next question, answered with these messages, this cursor and epoch.
    fn turn(&mut self, cursor: u64, messages: Vec<Arc<Envelope>>, epoch: u64) {
        if self.waits.is_none() {
            self.now = self.server.next_wake().unwrap_or(self.now).max(self.now);
            self.input(Input::Wake);
        }
        let tag = self.waits.take().expect("it asks when it wakes");
        let result = Ok(ApiOk::Subscribed { cursor: Timetoken(cursor), messages, missed: 0, epoch });
        self.now += MS;
        self.input(Input::Message { from: EDGE, msg: Msg::Answer { client: 0, tag, result } });
    }

    fn total(&self) -> u64 {
        self.server.books().tally("session0").total_votes
    }
}

fn vote(at: u64, user: &str, event: &str) -> Arc<Envelope> {
    let vote = Submission {
        kind: "vote.submit".into(),
        schema_version: "1.0".into(),
        event_id: event.into(),
        payload: Choice { option_id: "option_1".into() },
    };
    Arc::new(Envelope {
        channel: submit_channel(0).into(),
        timetoken: Timetoken(at),
        region: 0,
        publisher: user.into(),
        payload: serde_json::to_string(&vote).unwrap().into(),
        store: true,
        kind: Kind::Message,
    })
}

/// Two submissions of one user with two ids are one vote; what is said in another's name is the publisher's.
#[test]
fn a_vote_is_known_by_who_published_it() {
    let mut bench = Bench::new();
    bench.turn(30, vec![vote(11, "user_1", "a"), vote(12, "user_1", "b"), vote(13, "user_2", "a")], 1);
    assert_eq!((bench.total(), bench.server.books().duplicates), (2, 1));
    assert_eq!(bench.tallies.last().map(|tally| (tally.total_votes, tally.incomplete)), Some((2, false)));
}

/// It dies after an answer, and before one: it asks from where its books end, and takes each vote once.
#[test]
fn a_server_that_dies_goes_on_from_its_books() {
    let mut bench = Bench::new();
    bench.turn(30, vec![vote(11, "user_1", "a")], 1);
    bench.server.reboot(bench.now);
    bench.start();
    bench.turn(40, vec![vote(31, "user_2", "b")], 1);
    assert_eq!(bench.asked.last(), Some(&30), "the cursor that was stored with the first vote");
    assert_eq!((bench.total(), bench.server.books().caught_up), (2, 1));
    assert!(bench.server.books().gaps.is_empty(), "a crash within the queue's promise loses nothing");
}

/// An answer of 100 may have had older ones; an edge that began anew may have lost some; and 5 minutes are longer than the
/// platform remembers. 99 in time on the same connection are all there were.
#[test]
fn what_is_beyond_the_queue_is_said() {
    let many = |from: u64, n: u64| (from..from + n).map(|at| vote(at, &format!("user_{at}"), "e")).collect::<Vec<_>>();
    let mut bench = Bench::new();
    bench.turn(200, many(11, 99), 1);
    assert_eq!(bench.server.books().gaps.len(), 0);
    bench.turn(400, many(201, 100), 1);
    assert_eq!(bench.server.books().gaps.len(), 1);
    assert!(bench.tallies.last().is_some_and(|tally| tally.incomplete && tally.total_votes == 199));
    bench.turn(400, Vec::new(), 2);
    assert_eq!(bench.server.books().gaps.len(), 2);
    bench.now += 5 * MINUTE;
    bench.turn(400, Vec::new(), 2);
    assert_eq!(bench.server.books().gaps.len(), 3);
}

/// A tally that the platform did not take is published again, and all are every 5 s.
#[test]
fn a_tally_is_said_again() {
    let mut bench = Bench::new();
    bench.turn(30, vec![vote(11, "user_1", "a")], 1);
    let said = bench.tallies.len();
    (0..4).for_each(|_| bench.turn(30, Vec::new(), 1));
    assert!((said + 1..=said + 2).contains(&bench.tallies.len()), "in 4 s once or twice, and not at each question");
}
