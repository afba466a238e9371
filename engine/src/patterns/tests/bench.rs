//! A bench for handlers: workers with clocks of their own on one KV store, one App Context and one outside service, where a test
//! decides which call is carried next, in every order if it wants.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::{Role, Token};
use crate::appcontext::AppContext;
use crate::auth::GrantRules;
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox, Send};
use crate::functions::{Function, Secrets, Worker, WorkerConfig};
use crate::kvstore::{KvOptions, KvReplica};
use crate::limits::SERVERLESS_2026_09;
use crate::message::{HttpRequest, Invoke, InvokeOutcome, Kind, KvOp, Msg, PresenceCall, PresenceOk, Publish, Trigger};
use crate::outside::{Outside, Service};

const BROKER: NodeId = NodeId(0);
const KV: NodeId = NodeId(1);
const OBJECTS: NodeId = NodeId(2);
const HTTP: NodeId = NodeId(3);
const PRESENCE: NodeId = NodeId(4);
const CALLER: NodeId = NodeId(5);

/// How an execution ended: what it lets pass or answers, or the status and body of its refusal.
pub type End = Result<String, (u16, String)>;

/// The nodes, the calls on their way, and how executions ended, by tag.
pub struct Bench {
    workers: Vec<(Worker, Nanos)>,
    pub kv: KvReplica,
    pub objects: AppContext,
    http: Option<Outside>,
    /// Whom presence has on a channel: user and channel.
    pub here: BTreeSet<(String, String)>,
    /// Calls that were made and not carried, with the worker that made them.
    pending: Vec<(usize, Send)>,
    ends: Vec<(u64, End)>,
    /// What users' tokens open, and the session under which they log in.
    rights: Option<(Box<dyn GrantRules>, Arc<str>)>,
}

impl Bench {
    /// A worker for each of these clocks; all deploy the same Functions.
    pub fn new(functions: impl Fn() -> Vec<Function>, clocks: &[Nanos]) -> Self {
        let worker = |(n, clock): (usize, &Nanos)| {
            let config = WorkerConfig {
                functions: functions().into(),
                kv: KV,
                broker: BROKER,
                app_context: OBJECTS,
                registry: None,
                presence: Some(PRESENCE),
                http: vec![("http", HTTP)],
                limits: &SERVERLESS_2026_09,
                secrets: Default::default(),
                concurrency: 100,
                prewarmed: 100,
                queue: 0,
                op_timeout: u64::MAX / 2,
                seed: n as u64,
            };
            (Worker::new(config), *clock)
        };
        Self {
            workers: clocks.iter().enumerate().map(worker).collect(),
            kv: KvReplica::new(KV, &[], KvOptions::of(&SERVERLESS_2026_09, 7)),
            objects: AppContext::new(7),
            http: None,
            here: BTreeSet::new(),
            pending: Vec::new(),
            ends: Vec::new(),
            rights: None,
        }
    }

    /// With these secrets in the vault.
    pub fn with_secrets(mut self, secrets: &Secrets) -> Self {
        self.workers.iter_mut().for_each(|(worker, _)| worker.set_secrets(secrets.clone()));
        self
    }

    /// With users' tokens by these rules for who logs in under `session`.
    pub fn with_rights(mut self, rights: impl GrantRules + 'static, session: &str) -> Self {
        self.rights = Some((Box::new(rights), session.into()));
        self
    }

    /// With this outside service at every address.
    pub fn with_service(mut self, service: impl Service) -> Self {
        self.http = Some(Outside::new(Box::new(service), 7));
        self
    }

    /// The outside service.
    pub fn service<T: 'static>(&self) -> &T {
        self.http.as_ref().and_then(Outside::service).expect("the test has this service")
    }

    /// Moves every clock on.
    pub fn wait(&mut self, time: Nanos) {
        self.workers.iter_mut().for_each(|(_, clock)| *clock += time);
        let now = self.now();
        self.kv.handle(now, Input::Wake, &mut Outbox::default());
    }

    /// The first worker's clock; stores have the same.
    fn now(&self) -> Nanos {
        self.workers[0].1
    }

    fn hand(&mut self, worker: usize, msg: Msg, from: NodeId) {
        let (node, clock) = &mut self.workers[worker];
        let mut out = Outbox::default();
        node.handle(*clock, Input::Message { from, msg }, &mut out);
        // A cold instance is waited for.
        if let Some(up) = node.next_wake().filter(|up| *up <= *clock + 300 * MS) {
            *clock = up;
            node.handle(up, Input::Wake, &mut out);
        }
        for send in out.drain_sends() {
            match send.msg {
                Msg::Invoked { tag, outcome: InvokeOutcome::Ok(payload) } => {
                    self.ends.push((tag, Ok(payload.to_string())))
                }
                Msg::Invoked { tag, outcome: InvokeOutcome::Abort { status, body } } => {
                    self.ends.push((tag, Err((status, body.to_string()))));
                }
                Msg::HttpAnswer { tag, status, body } if send.to == CALLER => {
                    let body = body.to_string();
                    self.ends.push((tag, if status == 200 { Ok(body) } else { Err((status, body)) }));
                }
                msg => self.pending.push((worker, Send { msg, ..send })),
            }
        }
    }

    /// Puts a value into the store.
    pub fn set(&mut self, key: &str, value: &str) {
        let op = KvOp::Set { key: key.into(), value: value.into(), ttl_minutes: None };
        let input = Input::Message { from: BROKER, msg: Msg::Kv { tag: 0, op } };
        self.kv.handle(self.workers[0].1, input, &mut Outbox::default());
    }

    /// Sets a handler of channels off.
    pub fn invoke(&mut self, worker: usize, tag: u64, trigger: Trigger, channel: &str, publisher: &str, payload: &str) {
        let publish = publish(channel, payload, publisher);
        self.hand(worker, Msg::Invoke(Box::new(Invoke { tag, trigger, publish, answer: true })), BROKER);
    }

    /// A user with a token calls an On Request Function.
    pub fn request(&mut self, worker: usize, tag: u64, user: &str, mut request: HttpRequest) {
        let (rights, session) = self.rights.as_ref().expect("who calls has a token by some rules");
        let grant = rights.grant(&user.into(), Role::User, session).expect("users of the pattern have tokens");
        request.token = Some(Token { grant, issued: 0, signature: 0 }.into());
        self.hand(worker, Msg::Http { tag, request: Box::new(request) }, CALLER);
    }

    /// How many calls are on their way.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Carries one of the calls on their way, and its answer back.
    pub fn carry(&mut self, which: usize) {
        let (worker, send) = self.pending.remove(which);
        let mut out = Outbox::default();
        let now = self.now();
        if let Msg::Presence { tag, call } = &send.msg {
            let PresenceCall::WhereNow { user } = &**call else {
                panic!("the bench is asked where a user is, and no more")
            };
            let channels =
                self.here.iter().filter(|(here, _)| **here == **user).map(|(_, at)| (&**at).into()).collect();
            let result = Ok(PresenceOk::WhereNow(channels));
            return self.hand(worker, Msg::PresenceAnswer { tag: *tag, result }, PRESENCE);
        }
        let input = Input::Message { from: CALLER, msg: send.msg };
        match send.to {
            KV => self.kv.handle(now, input, &mut out),
            OBJECTS => self.objects.handle(now, input, &mut out),
            HTTP => self.http.as_mut().expect("the test has a service").handle(now, input, &mut out),
            other => panic!("the bench has no node {other:?}"),
        }
        let answers: Vec<Send> = out.drain_sends().filter(|answer| answer.to == CALLER).collect();
        answers.into_iter().for_each(|answer| self.hand(worker, answer.msg, send.to));
    }

    /// Carries calls, oldest first, until there are none.
    pub fn finish(&mut self) {
        while !self.pending.is_empty() {
            self.carry(0);
        }
    }

    /// The worker dies: its executions and its calls with it.
    pub fn kill(&mut self, worker: usize) {
        let (node, clock) = &mut self.workers[worker];
        node.reboot(*clock);
        self.pending.retain(|(of, _)| *of != worker);
    }

    /// How the execution with this tag ended, if it has.
    pub fn end(&self, tag: u64) -> Option<&End> {
        self.ends.iter().find(|(of, _)| *of == tag).map(|(_, end)| end)
    }

    /// How many executions let their message pass, or answered 200.
    pub fn passed(&self) -> usize {
        self.ends.iter().filter(|(_, end)| end.is_ok()).count()
    }
}

/// A publish as a Function gets it.
pub fn publish(channel: &str, payload: &str, publisher: &str) -> Publish {
    Publish {
        tag: 0,
        channel: channel.into(),
        payload: payload.into(),
        publisher: publisher.into(),
        store: false,
        kind: Kind::Message,
        hops: 0,
        client_ip: 0,
        token: None,
    }
}

/// Runs what `start` sets off to its end in every order in which its calls can be carried, and shows `check` each end. Returns
/// how many orders there were.
pub fn in_every_order(start: impl Fn() -> Bench, mut check: impl FnMut(&mut Bench)) -> usize {
    let (mut choices, mut orders): (Vec<(usize, usize)>, usize) = (Vec::new(), 0);
    loop {
        let mut bench = start();
        let mut step = 0;
        while bench.pending() > 0 {
            if step == choices.len() {
                choices.push((0, bench.pending()));
            }
            bench.carry(choices[step].0);
            step += 1;
        }
        check(&mut bench);
        orders += 1;
        // The next order: the last choice that has another one left takes it, and what came after it begins anew.
        while let Some((chosen, of)) = choices.pop() {
            if chosen + 1 < of {
                choices.push((chosen + 1, of));
                break;
            }
        }
        if choices.is_empty() {
            return orders;
        }
    }
}

/// A time of day to start at: in the middle of any span of up to a day.
pub const NOON: Nanos = 43_200_000 * MS;
