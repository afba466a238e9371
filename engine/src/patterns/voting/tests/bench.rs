//! A worker with the stores it calls, stepped by hand: no world, no network, no chance. Each message takes 1 ms.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::access::{Role, Token, Verifier};
use crate::appcontext::AppContext;
use crate::auth::GrantRules;
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox, SECOND};
use crate::functions::{Function, Worker, WorkerConfig};
use crate::kvstore::{KvOptions, KvReplica};
use crate::limits::Limits;
use crate::message::{Invoke, InvokeOutcome, Msg, ObjectsOp, Publish, Trigger};
use crate::patterns::tests::bench::publish;
use crate::patterns::voting::audit::{self, AuditDb};
use crate::patterns::voting::grants::VotingGrants;
use crate::patterns::voting::message::{Announcement, SCHEMA_VERSION, Submit, SubmitPayload, request_id, to_json};
use crate::patterns::voting::session::{SessionConfig, SessionObject, SessionSpec, Status};
use crate::patterns::voting::{TALLY_JOB, Variant, documented, hardened, shard};
use crate::timetoken::{Timetoken, iso8601};

pub const SESSION: &str = "abc123";
pub const HOST: &str = "host_user_123";
pub const SUBMIT_CHANNEL: &str = "vote-submit.abc123";
pub const CONTROL_CHANNEL: &str = "vote-control.abc123";
/// The keyset's.
pub const SECRET: u64 = 42;
pub const BOTH: [Variant; 2] = [Variant::Documented, Variant::Hardened];

const BROKER: NodeId = NodeId(0);
const WORKER: NodeId = NodeId(1);
const KV: NodeId = NodeId(2);
const OBJECTS: NodeId = NodeId(3);
const AUDIT: NodeId = NodeId(4);
/// Longer than any answer of the stores, shorter than a handler may take.
const OP_TIMEOUT: Nanos = 2 * SECOND;

/// A host's choices that most tests want: change nothing, show all, once each.
pub fn plain() -> SessionConfig {
    SessionConfig { allow_change_vote: false, show_live_tally: true, anonymous_results: false, max_votes_per_user: 1 }
}

/// What a `vote.submit` came to.
#[derive(Debug)]
pub struct Submitted {
    pub outcome: InvokeOutcome,
    /// Every `vote.ack` published meanwhile: channel and text.
    pub acks: Vec<(String, String)>,
}

impl Submitted {
    /// The one acknowledgement's payload.
    pub fn ack(&self) -> Value {
        let [(_, text)] = self.acks.as_slice() else { panic!("one ack expected: {self:?}") };
        serde_json::from_str::<Value>(text).expect("an ack is JSON")["payload"].clone()
    }

    /// Status and body of a refused publish, with nothing published.
    pub fn aborted(&self) -> (u16, &str) {
        assert!(self.acks.is_empty(), "a refused publish acknowledges nothing: {self:?}");
        let InvokeOutcome::Abort { status, body } = &self.outcome else { panic!("an abort expected: {self:?}") };
        (*status, body)
    }
}

pub struct Bench {
    pub now: Nanos,
    pub variant: Variant,
    pub spec: SessionSpec,
    pub worker: Worker,
    pub kv: KvReplica,
    pub objects: AppContext,
    pub audit: AuditDb,
    /// What Functions published, oldest first.
    pub published: Vec<Publish>,
    /// Log lines of the Functions.
    pub notes: Vec<String>,
    grants: VotingGrants,
    verifier: Verifier,
    answers: Vec<(u64, InvokeOutcome)>,
    queue: VecDeque<(NodeId, NodeId, Msg)>,
    tags: u64,
}

impl Bench {
    /// A bench with the newest limits, three options, and an open session.
    pub fn open(variant: Variant) -> Self {
        Self::open_with(variant, plain(), 3, "serverless-2026-09")
    }

    /// The same, with the host's choices, so many options, and a limits profile.
    pub fn open_with(variant: Variant, config: SessionConfig, options: usize, limits: &str) -> Self {
        let mut bench = Self::created(variant, config, options, limits);
        bench.step_to(Status::Open);
        bench
    }

    /// A session that is created and not open.
    pub fn created(variant: Variant, config: SessionConfig, options: usize, limits: &str) -> Self {
        let limits = Limits::named(limits).expect("a known profile");
        let functions: Vec<Function> = match variant {
            Variant::Documented => documented::functions(SESSION),
            Variant::Hardened => hardened::functions(),
        };
        let labels: Vec<String> = (1..=options).map(|n| format!("Option {n}")).collect();
        let spec = SessionSpec {
            session_id: SESSION.into(),
            question: "What should we build next?".into(),
            options: SessionSpec::options_of(&labels),
            config,
            host_id: HOST.into(),
        };
        let worker = Worker::new(WorkerConfig {
            functions: functions.into(),
            kv: KV,
            broker: BROKER,
            app_context: OBJECTS,
            registry: None,
            presence: None,
            http: vec![(audit::api::BASE, AUDIT)],
            limits,
            secrets: Default::default(),
            concurrency: 8,
            prewarmed: 8,
            queue: 8,
            op_timeout: OP_TIMEOUT,
            seed: 7,
        });
        let mut bench = Self {
            now: SECOND,
            variant,
            worker,
            kv: KvReplica::new(KV, &[], KvOptions::of(limits, 1)),
            objects: AppContext::new(2),
            audit: AuditDb::new(Verifier::new(SECRET), 3),
            published: Vec::new(),
            notes: Vec::new(),
            // The last ones are entitled so that tests can see what even such tokens do not open.
            grants: VotingGrants::new(SESSION, &[1], 60, variant == Variant::Hardened)
                .host(HOST)
                .auditor("auditor_1")
                .host("other_host")
                .host("user_456")
                .auditor("user_456"),
            verifier: Verifier::new(SECRET),
            answers: Vec::new(),
            queue: VecDeque::new(),
            tags: 0,
            spec,
        };
        let object = SessionObject::new(&bench.spec, 1, iso8601(bench.now)).to_patch();
        bench.patch_object(object);
        bench.step_to(Status::Created);
        bench
    }

    /// The host's client writes App Context.
    fn patch_object(&mut self, patch: String) {
        let op = ObjectsOp::SetChannel { channel: CONTROL_CHANNEL.into(), patch: patch.into(), if_match: None };
        self.objects.apply(self.now, op).expect("the patch is an object");
    }

    /// The host takes the session a step further, as its variant does. Returns what everybody is told.
    pub fn step_to(&mut self, to: Status) -> Value {
        let (kind, payload) = match to {
            Status::Created => {
                let mut payload = Map::new();
                payload.insert("question".into(), self.spec.question.clone().into());
                payload.insert("options".into(), json!(self.spec.options));
                payload.insert("config".into(), json!(self.spec.config));
                ("vote.created", payload)
            }
            Status::Open => ("vote.opened", Map::new()),
            Status::Closed => ("vote.closed", Map::new()),
            Status::Revealed => ("vote.revealed", Map::new()),
        };
        if self.variant == Variant::Documented {
            self.patch_object(json!({ "custom": { "status": to } }).to_string());
        }
        let event_id = format!("evt_{SESSION}_{:03}", to as u8 + 1);
        let text = Announcement::new(kind, event_id, iso8601(self.now), SESSION, payload).to_json();
        match self.control(&text, HOST, Role::Host) {
            InvokeOutcome::Ok(payload) => serde_json::from_str(&payload).expect("an announcement is JSON"),
            InvokeOutcome::Abort { status, body } => panic!("the host was refused: {status} {body}"),
        }
    }

    /// A control message as this user in this role.
    pub fn control(&mut self, text: &str, user: &str, role: Role) -> InvokeOutcome {
        let token = self.token(user, role);
        self.invoke(Trigger::BeforePublish, CONTROL_CHANNEL, text, user, Some(token))
    }

    /// A genuine token.
    pub fn token(&self, user: &str, role: Role) -> Arc<Token> {
        let grant = self.grants.grant(&user.into(), role, &SESSION.into()).expect("the session is known");
        Arc::new(self.verifier.sign(grant, 0))
    }

    /// A well-formed vote of `user` for `option`; `stamp` makes the request.
    pub fn vote(&mut self, user: &str, option: &str, stamp: u64) -> Submitted {
        self.submit(user, &submit_text(user, option, stamp))
    }

    /// A publish of `user` on the submit channel, then what runs after it.
    pub fn submit(&mut self, user: &str, text: &str) -> Submitted {
        let outcome = self.submit_without_recorder(user, text);
        if let InvokeOutcome::Ok(payload) = &outcome.outcome {
            let token = self.token(user, Role::Participant);
            self.invoke(Trigger::AfterPublish, SUBMIT_CHANNEL, payload, user, Some(token));
        }
        outcome
    }

    /// The same, but the process that would run the Function after the publish dies first.
    pub fn submit_without_recorder(&mut self, user: &str, text: &str) -> Submitted {
        let before = self.published.len();
        let token = self.token(user, Role::Participant);
        let outcome = self.invoke(Trigger::BeforePublish, SUBMIT_CHANNEL, text, user, Some(token));
        let acks = self.published[before..].iter().filter(|publish| publish.payload.contains("\"vote.ack\""));
        let acks = acks.map(|publish| (publish.channel.to_string(), publish.payload.to_string())).collect();
        Submitted { outcome, acks }
    }

    /// One run of the broadcaster; returns the tally it published, if it did.
    pub fn tally(&mut self) -> Option<Value> {
        let before = self.published.len();
        self.invoke(Trigger::OnInterval, TALLY_JOB, "null", "scheduler", None);
        let published = self.published[before..].iter().find(|publish| publish.payload.contains("\"vote.tally\""));
        published.map(|publish| serde_json::from_str(&publish.payload).expect("a tally is JSON"))
    }

    /// Invokes the Function for this trigger and channel and steps every node until it has ended.
    pub fn invoke(
        &mut self,
        trigger: Trigger,
        channel: &str,
        payload: &str,
        publisher: &str,
        token: Option<Arc<Token>>,
    ) -> InvokeOutcome {
        self.tags += 1;
        let tag = self.tags;
        let publish = Publish { client_ip: 0x0A00_0007, token, ..publish(channel, payload, publisher) };
        let invoke = Invoke { tag, trigger, publish, answer: true };
        self.queue.push_back((BROKER, WORKER, Msg::Invoke(Box::new(invoke))));
        loop {
            while let Some((from, to, msg)) = self.queue.pop_front() {
                self.now += MS;
                self.step(to, Input::Message { from, msg });
            }
            if let Some(place) = self.answers.iter().position(|(answered, _)| *answered == tag) {
                return self.answers.remove(place).1;
            }
            self.now = self.worker.next_wake().expect("an execution under way has a deadline").max(self.now);
            self.step(WORKER, Input::Wake);
        }
    }

    fn step(&mut self, at: NodeId, input: Input) {
        let mut out = Outbox::new(true);
        let node: &mut dyn Node = match at {
            WORKER => &mut self.worker,
            KV => &mut self.kv,
            OBJECTS => &mut self.objects,
            AUDIT => &mut self.audit,
            // The broker's part: everything is published, and an execution's end is noted.
            _ => {
                match input {
                    Input::Message { from, msg: Msg::Publish(publish) } => {
                        let result = Ok(Timetoken::at(self.now));
                        self.queue.push_back((BROKER, from, Msg::Published { tag: publish.tag, result }));
                        self.published.push(*publish);
                    }
                    Input::Message { msg: Msg::Invoked { tag, outcome }, .. } => self.answers.push((tag, outcome)),
                    input => panic!("no Function says this to a broker: {input:?}"),
                }
                return;
            }
        };
        node.handle(self.now, input, &mut out);
        self.notes.extend(out.drain_notes());
        for send in out.drain_sends() {
            self.now += send.after;
            self.queue.push_back((at, send.to, send.msg));
        }
    }

    /// Counts per option, as the audit database has them.
    pub fn counts(&self) -> Vec<u64> {
        self.audit.ledger().session(SESSION).expect("the session is in the database").counts()
    }

    /// The user's membership of the session's channel.
    pub fn membership(&self, user: &str) -> Option<Value> {
        let custom = self.objects.membership(user, CONTROL_CHANNEL)?;
        Some(serde_json::from_str(&custom).expect("a membership is JSON"))
    }

    /// The submit Function's KV entry for a request.
    pub fn processed(&self, user: &str, stamp: u64) -> Option<Arc<str>> {
        self.kv.get_now(&format!("processed:{}", request_id(user, SESSION, stamp)), self.now)
    }

    /// Where this variant acknowledges this user's votes.
    pub fn ack_channel(&self, user: &str) -> String {
        match self.variant {
            Variant::Documented => shard::results_channel(SESSION),
            Variant::Hardened => shard::private_results_channel(SESSION, user),
        }
    }
}

/// A `vote.submit` as a client writes it (voting.md 6.2).
pub fn submit_text(user: &str, option: &str, stamp: u64) -> String {
    to_json(&Submit {
        kind: "vote.submit".into(),
        schema_version: SCHEMA_VERSION.into(),
        request_id: request_id(user, SESSION, stamp).into(),
        ts: iso8601(SECOND).into(),
        session_id: SESSION.into(),
        payload: SubmitPayload { option_id: option.into(), user_id: user.into() },
        decision: None,
    })
}

/// The same message with its fields changed.
pub fn changed(text: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let mut message: Map<String, Value> = serde_json::from_str(text).expect("the message is an object");
    change(&mut message);
    Value::Object(message).to_string()
}
