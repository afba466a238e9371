//! The host's client: creates, opens, closes and reveals one session, one step after the other, each asked for until
//! it is done.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Variant;
use super::message::{Announcement, Header};
use super::session::{SessionObject, SessionSpec, Status, results_payload, tally_with_total};
use super::shard;
use crate::access::{Role, Token};
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox, SECOND};
use crate::message::{ApiOk, Call, Delivery, Msg, ObjectsOp, Request};
use crate::timetoken::{Timetoken, iso8601};

/// A step that is not answered is asked for again after this long; a refused one after the backoff.
const PATIENCE: Nanos = 5 * SECOND;
const BACKOFF_MIN: Nanos = 500 * MS;
const BACKOFF_MAX: Nanos = 4 * SECOND;

/// When the host does what.
#[derive(Clone, Debug)]
pub struct HostConfig {
    pub variant: Variant,
    pub spec: SessionSpec,
    pub shard_count: u32,
    pub create_at: Nanos,
    pub open_at: Nanos,
    pub close_at: Nanos,
    pub reveal_at: Nanos,
    /// Adds shards while the vote is on: when, and how many there are then.
    pub reshard: Option<(Nanos, u32)>,
    pub auth: NodeId,
    /// Where to connect, nearest first; after a silence the next one is tried.
    pub edges: Vec<NodeId>,
}

/// What the host asks for.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Login,
    /// The session's whole object.
    Object,
    Subscribe,
    /// Part of the object.
    Patch(Status),
    Shards(u32),
    Announce(Status),
}

/// A step that was done, and when -- output.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// `created`, `opened`, `closed`, `revealed`, `resharded`
    pub what: &'static str,
    pub due: Nanos,
    /// When it was first asked for.
    pub asked: Nanos,
    pub done: Nanos,
}

/// The host node. All of it is durable: a host that restarts goes on where it was.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
    steps: Vec<(Nanos, Step)>,
    at: usize,
    token: Option<Arc<Token>>,
    edge: usize,
    /// The request under way, and when to give up on it.
    asked: Option<(u64, Nanos)>,
    first_asked: Option<Nanos>,
    retry_at: Nanos,
    backoff: Nanos,
    tags: u64,
    cursor: Timetoken,
    last_tally: Vec<(String, u64)>,
    done: Vec<Done>,
    refusals: u64,
}

impl Host {
    /// A host that has not started yet.
    pub fn new(config: HostConfig) -> Self {
        let mut steps = vec![(0, Step::Login), (config.create_at, Step::Object), (config.create_at, Step::Subscribe)];
        steps.push((config.create_at, Step::Announce(Status::Created)));
        let moves =
            [(config.open_at, Status::Open), (config.close_at, Status::Closed), (config.reveal_at, Status::Revealed)];
        for (at, to) in moves {
            if config.variant == Variant::Documented {
                steps.push((at, Step::Patch(to)));
            }
            steps.push((at, Step::Announce(to)));
        }
        if let Some((at, shards)) = config.reshard {
            let place = steps.iter().position(|(due, _)| *due > at).unwrap_or(steps.len());
            steps.insert(place, (at, Step::Shards(shards)));
        }
        let last_tally = config.spec.options.iter().map(|option| (option.id.clone(), 0)).collect();
        Self {
            config,
            steps,
            at: 0,
            token: None,
            edge: 0,
            asked: None,
            first_asked: None,
            retry_at: 0,
            backoff: BACKOFF_MIN,
            tags: 0,
            cursor: Timetoken::ZERO,
            last_tally,
            done: Vec::new(),
            refusals: 0,
        }
    }

    /// What was done so far, in order.
    pub fn done(&self) -> &[Done] {
        &self.done
    }

    /// What it still wants; `None` when all is done.
    pub fn pending(&self) -> Option<String> {
        self.steps.get(self.at).map(|(_, step)| format!("host: {step:?}"))
    }

    /// How often the platform said no.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Asks for the current step, if it is time.
    fn go_on(&mut self, now: Nanos, out: &mut Outbox) {
        if self.asked.is_some_and(|(_, until)| now >= until) {
            // Silence: perhaps this edge is cut off, so the next one is asked.
            self.asked = None;
            self.edge = (self.edge + 1) % self.config.edges.len();
        }
        let Some((due, step)) = self.steps.get(self.at) else { return };
        if self.asked.is_some() || now < (*due).max(self.retry_at) {
            return;
        }
        self.tags += 1;
        self.asked = Some((self.tags, now + PATIENCE));
        self.first_asked.get_or_insert(now);
        let session: Arc<str> = self.config.spec.session_id.as_str().into();
        let user: Arc<str> = self.config.spec.host_id.as_str().into();
        if self.token.is_none() || *step == Step::Login {
            let msg = Msg::Login { client: 0, tag: self.tags, user, role: Role::Host, session };
            out.send(self.config.auth, msg);
            return;
        }
        let call = self.call(now, step.clone());
        out.note(|| format!("HOST step={:?}", self.steps[self.at].1));
        let token = self.token.clone();
        let request = Request { client: 0, tag: self.tags, client_ip: 0x0A00_0001, token, call };
        out.send(self.config.edges[self.edge], Msg::Request(Box::new(request)));
    }

    fn call(&self, now: Nanos, step: Step) -> Call {
        let spec = &self.config.spec;
        let control: Arc<str> = shard::control_channel(&spec.session_id).into();
        let set = |patch: String| {
            Call::Objects(Box::new(ObjectsOp::SetChannel {
                channel: control.clone(),
                patch: patch.into(),
                if_match: None,
            }))
        };
        match step {
            Step::Login => unreachable!("logging in is no call of the platform"),
            Step::Object => {
                // The document's object has no status before `created` was announced; hardened lets the Function say so.
                set(SessionObject::new(spec, self.config.shard_count, iso8601(now)).to_patch())
            }
            Step::Subscribe => Call::Subscribe {
                with: None,
                channels: [control.clone(), shard::results_channel(&spec.session_id).into()].into_iter().collect(),
                cursor: self.cursor,
            },
            Step::Shards(shards) => set(json!({ "custom": { "shardCount": shards } }).to_string()),
            Step::Patch(to) => {
                let mut custom = json!({ "status": to, time_field(to): iso8601(now) });
                if to == Status::Revealed {
                    custom["tally"] = Value::Object(tally_with_total(&self.last_tally));
                }
                set(json!({ "custom": custom }).to_string())
            }
            Step::Announce(to) => {
                Call::Publish { channel: control.clone(), payload: self.announcement(now, to).into(), store: true }
            }
        }
    }

    fn announcement(&self, now: Nanos, to: Status) -> String {
        let spec = &self.config.spec;
        let ts = iso8601(now);
        let total = self.last_tally.iter().map(|(_, n)| n).sum::<u64>();
        let (kind, payload) = match to {
            Status::Created => {
                let mut payload = Map::new();
                payload.insert("question".into(), spec.question.clone().into());
                payload.insert("options".into(), json!(spec.options));
                payload.insert("config".into(), json!(spec.config));
                payload.insert("hostId".into(), spec.host_id.clone().into());
                ("vote.created", payload)
            }
            Status::Open => (
                "vote.opened",
                Map::from_iter([("openedAt".into(), ts.clone().into()), ("closesAt".into(), Value::Null)]),
            ),
            Status::Closed => (
                "vote.closed",
                Map::from_iter([("closedAt".into(), ts.clone().into()), ("totalVotes".into(), total.into())]),
            ),
            Status::Revealed => ("vote.revealed", results_payload(&self.last_tally)),
        };
        let event_id = format!("evt_{}_{:03}", spec.session_id, to as u8 + 1);
        Announcement::new(kind, event_id, ts, &spec.session_id, payload).to_json()
    }

    fn succeeded(&mut self, now: Nanos, out: &mut Outbox) {
        let (due, step) = &self.steps[self.at];
        let what = match step {
            Step::Announce(Status::Created) => Some("created"),
            Step::Announce(Status::Open) => Some("opened"),
            Step::Announce(Status::Closed) => Some("closed"),
            Step::Announce(Status::Revealed) => Some("revealed"),
            Step::Shards(_) => Some("resharded"),
            _ => None,
        };
        if let Some(what) = what {
            let asked = self.first_asked.unwrap_or(now);
            self.done.push(Done { what, due: *due, asked, done: now });
        }
        self.asked = None;
        self.first_asked = None;
        self.backoff = BACKOFF_MIN;
        self.retry_at = 0;
        self.at += 1;
        self.go_on(now, out);
    }

    fn refused(&mut self, now: Nanos) {
        self.refusals += 1;
        self.asked = None;
        self.retry_at = now + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    fn answer(&mut self, now: Nanos, tag: u64, msg: Msg, out: &mut Outbox) {
        if self.asked.is_none_or(|(asked, _)| asked != tag) {
            return;
        }
        match msg {
            Msg::LoggedIn { result: Ok(token), .. } => {
                self.token = Some(token);
                if self.steps[self.at].1 == Step::Login {
                    self.succeeded(now, out);
                } else {
                    self.asked = None;
                    self.go_on(now, out);
                }
            }
            Msg::Answer { result: Ok(ok), .. } => {
                if let ApiOk::Subscribed { cursor, messages, .. } = ok {
                    self.cursor = cursor;
                    messages.iter().for_each(|envelope| self.read(&envelope.payload));
                }
                self.succeeded(now, out);
            }
            Msg::Answer { result: Err(error), .. } => {
                if error.status == 403 {
                    self.token = None;
                }
                self.refused(now);
            }
            _ => self.refused(now),
        }
    }

    /// The connection ended with its token: after the step under way, if there is one, it subscribes again from its cursor,
    /// with a new token.
    fn ended(&mut self, now: Nanos, signature: u64) {
        if self.token.as_ref().is_some_and(|token| token.signature == signature) {
            self.token = None;
            let place = self.at + usize::from(self.asked.is_some());
            self.steps.insert(place, (now, Step::Subscribe));
        }
    }

    /// The documented host knows the count only from what it sees.
    fn read(&mut self, payload: &str) {
        if !serde_json::from_str::<Header<'_>>(payload).is_ok_and(|header| header.kind == "vote.tally") {
            return;
        }
        let Ok(tally) = serde_json::from_str::<Announcement>(payload) else { return };
        let Some(counts) = tally.payload.get("tally").and_then(Value::as_object) else { return };
        for (id, count) in &mut self.last_tally {
            *count = counts.get(id).and_then(Value::as_u64).unwrap_or(*count);
        }
    }
}

fn time_field(status: Status) -> &'static str {
    match status {
        Status::Created => "createdAt",
        Status::Open => "openedAt",
        Status::Closed => "closedAt",
        Status::Revealed => "revealedAt",
    }
}

impl Node for Host {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        if let Input::Message { msg, .. } = input {
            match msg {
                Msg::LoggedIn { tag, .. } | Msg::Answer { tag, .. } => self.answer(now, tag, msg, out),
                Msg::Deliver(Delivery { envelope, cursor, .. }) => {
                    self.cursor = cursor;
                    self.read(&envelope.payload);
                }
                Msg::Ended { signature, .. } => self.ended(now, signature),
                Msg::Polled { messages, cursor, .. } => {
                    self.cursor = cursor;
                    messages.iter().for_each(|envelope| self.read(&envelope.payload));
                }
                _ => {}
            }
        }
        self.go_on(now, out);
    }

    fn next_wake(&self) -> Option<Nanos> {
        match self.asked {
            Some((_, until)) => Some(until),
            None => self.steps.get(self.at).map(|(due, _)| (*due).max(self.retry_at)),
        }
    }

    fn reboot(&mut self, _now: Nanos) {
        self.asked = None;
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
