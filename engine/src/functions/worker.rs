//! The worker: a process that runs handlers, many at once, in instances that start cold.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::context::{OpAnswer, OpRequest, Shared, Spent, poll_once};
use super::modules::Secrets;
use super::work::{Reply, Work};
use super::{Context, Event, Execution, Function, HttpResponse, Resolution};
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox};
use crate::dice;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::message::{InvokeOutcome, Msg, Publish, UserId};
use crate::per_second::PerSecond;
use crate::planted::{Bug, has};
use crate::slab::Slab;

/// A cold start takes 100 to 300 ms (platform.md 3.3, skills column).
const COLD_START_MIN: Nanos = 100 * MS;
const COLD_START_SPREAD: Nanos = 200 * MS;

/// What a worker runs, and whom its handlers can call.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    pub functions: Arc<[Function]>,
    pub kv: NodeId,
    /// Where the handlers' own publishes go: the region's broker.
    pub broker: NodeId,
    pub app_context: NodeId,
    /// Channel groups and presence; a keyset without them does not answer their calls.
    pub registry: Option<NodeId>,
    pub presence: Option<NodeId>,
    /// Outside services by path prefix; the first that fits gets the call.
    pub http: Vec<(&'static str, NodeId)>,
    pub limits: &'static Limits,
    /// What handlers find in the `vault`.
    pub secrets: Secrets,
    /// Executions at once [count]; more wait.
    pub concurrency: u32,
    /// Instances that are warm from the start [count].
    pub prewarmed: u32,
    /// Invocations that may wait for an instance [count]; more are refused.
    pub queue: u32,
    /// How long a call may go unanswered.
    pub op_timeout: Nanos,
    /// Seeds cold starts and UUIDs.
    pub seed: u64,
}

/// What a worker did -- output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    pub executions: u64,
    pub cold_starts: u64,
    pub queued: u64,
    pub refused: u64,
    /// Invocations not run because whoever made them waits no longer.
    pub expired: u64,
    pub handler_timeouts: u64,
    pub op_timeouts: u64,
    pub kv_ops: u64,
    pub publishes: u64,
    pub objects_ops: u64,
    pub groups_ops: u64,
    pub presence_calls: u64,
    pub xhr: u64,
    /// Most calls one execution made, by kind: KV, App Context, publish, xhr, all.
    pub most_ops: [u32; 5],
    /// The handlers' own counters.
    pub counters: BTreeMap<&'static str, u64>,
    /// The same, each execution's at its end.
    pub counters_per_second: BTreeMap<&'static str, PerSecond>,
    /// The handlers' own times: when an execution ended, and the time it noted.
    pub timings: BTreeMap<&'static str, Vec<(Nanos, Nanos)>>,
}

/// An execution under way.
struct Running {
    execution: Execution,
    shared: Arc<Mutex<Shared>>,
    caller: NodeId,
    tag: u64,
    reply: Reply,
    hops: u8,
    /// When a cold instance is up and the handler may begin; `None` once it has begun.
    starts: Option<Nanos>,
    payload: crate::message::Payload,
}

/// A call under way: whose, and where its answer goes. Executions are found by tag, so a late answer finds nobody.
#[derive(Clone, Copy, Debug)]
struct Call {
    running: u64,
    place: u32,
}

/// The function worker node. All of it is volatile: an execution dies with its worker.
pub struct Worker {
    config: WorkerConfig,
    /// In whose name Functions publish.
    publisher: UserId,
    counts: WorkerCounts,
    running: Slab<Running>,
    calls: Slab<Call>,
    waiting: VecDeque<Work>,
    /// Cold instances by when they will be up.
    starting: BTreeMap<(Nanos, u64), ()>,
    warm: u32,
    instances: u32,
    /// Durable, as a counter that makes dice and UUIDs differ from one execution to the next.
    executions: u64,
    tracing: bool,
}

impl Worker {
    /// A worker that has not started yet. Its On Request Functions must have passed [`super::check_routes`].
    pub fn new(config: WorkerConfig) -> Self {
        assert_eq!(super::check_routes(&config.functions), Ok(()), "routes are checked before they are deployed");
        Self {
            publisher: "functions".into(),
            counts: WorkerCounts::default(),
            running: Slab::new(config.limits.handler_time()),
            calls: Slab::new(config.op_timeout),
            waiting: VecDeque::new(),
            starting: BTreeMap::new(),
            warm: config.prewarmed.min(config.concurrency),
            instances: config.prewarmed.min(config.concurrency),
            executions: 0,
            tracing: false,
            config,
        }
    }

    /// What it did so far.
    pub fn counts(&self) -> &WorkerCounts {
        &self.counts
    }

    /// What executions find in the vault from now on.
    pub fn set_secrets(&mut self, secrets: Secrets) {
        self.config.secrets = secrets;
    }

    fn take(&mut self, now: Nanos, work: Work, out: &mut Outbox) {
        if self.warm == 0 && self.instances >= self.config.concurrency {
            if self.waiting.len() < self.config.queue as usize {
                self.counts.queued += 1;
                self.waiting.push_back(work);
            } else {
                self.counts.refused += 1;
                work.refuse(ApiError::too_many_requests("Functions"), out);
            }
            return;
        }
        self.begin(now, work, out);
    }

    /// Takes an instance, warm if there is one, and starts the handler in it.
    fn begin(&mut self, now: Nanos, work: Work, out: &mut Outbox) {
        let Work { caller, tag, reply, trigger, publish, request, .. } = work;
        let Some(function) = self.config.functions.iter().find(|f| f.matches(trigger, &publish.channel)) else {
            // Bound at the broker, and not deployed here: the message goes on untouched.
            match reply {
                Reply::Http => reply.refuse(caller, tag, ApiError::no_such_endpoint(), out),
                reply => reply.send(caller, tag, InvokeOutcome::Ok(publish.payload), out),
            }
            return;
        };
        self.executions += 1;
        self.counts.executions += 1;
        let starts = if self.warm > 0 {
            self.warm -= 1;
            None
        } else {
            self.instances += 1;
            self.counts.cold_starts += 1;
            Some(now + COLD_START_MIN + dice::draw(self.config.seed, self.executions) % COLD_START_SPREAD)
        };
        let Publish { channel, payload, publisher, hops, client_ip, token, .. } = publish;
        let shared = Arc::new(Mutex::new(Shared {
            now,
            requests: Default::default(),
            answers: Default::default(),
            spent: Spent::default(),
            counters: Default::default(),
            timings: Default::default(),
            logs: self.tracing.then(Vec::new),
            limits: self.config.limits,
            secrets: self.config.secrets.clone(),
            uuid_seed: dice::draw(self.config.seed ^ 0x7575_6964, self.executions),
            uuids: 0,
        }));
        let event = Event { trigger, channel, payload: payload.clone(), publisher, client_ip, token, request };
        let execution = (function.run)(Context { shared: shared.clone() }, event);
        let running = Running { execution, shared, caller, tag, reply, hops, starts, payload };
        let id = self.running.insert(now, running);
        match starts {
            None => self.advance(now, id, out),
            Some(at) => {
                self.starting.insert((at, id), ());
            }
        }
    }

    /// Polls a handler, sends what it asks for, and ends it if it is done.
    fn advance(&mut self, now: Nanos, id: u64, out: &mut Outbox) {
        let Some(running) = self.running.get_mut(id) else { return };
        if running.starts.is_some() {
            return;
        }
        running.shared.lock().expect("no handler holds it now").now = now;
        let polled = poll_once(&mut running.execution);
        let mut shared = running.shared.lock().expect("no handler holds it now");
        let hops = running.hops;
        for (place, request) in shared.requests.drain(..) {
            let call = self.calls.insert(now, Call { running: id, place });
            send_call(&self.config, &self.publisher, &mut self.counts, call, hops, request, out);
        }
        if let Some(logs) = &mut shared.logs {
            for line in logs.drain(..) {
                out.note(|| line);
            }
        }
        drop(shared);
        if let Poll::Ready(resolution) = polled {
            self.end(now, id, resolution, out);
        }
    }

    fn end(&mut self, now: Nanos, id: u64, resolution: Resolution, out: &mut Outbox) {
        let Some(running) = self.running.remove(id) else { return };
        self.settle(now, &running);
        let outcome = match resolution {
            // A response that nobody sent has no body.
            Resolution::Ok(None) if running.reply == Reply::Http => InvokeOutcome::Ok("".into()),
            Resolution::Ok(payload) => InvokeOutcome::Ok(payload.unwrap_or(running.payload)),
            Resolution::Abort { .. } if has(Bug::WorkerLosesAbortions) => InvokeOutcome::Ok(running.payload),
            Resolution::Abort { status, body } => InvokeOutcome::Abort { status, body },
        };
        running.reply.send(running.caller, running.tag, outcome, out);
        // Whoever waits for an instance gets it when everything of this moment is done: see `due`.
        self.warm += 1;
    }

    /// Takes an ended execution's counters.
    fn settle(&mut self, now: Nanos, running: &Running) {
        let mut shared = running.shared.lock().expect("no handler holds it now");
        for (counter, by) in shared.counters.drain(..) {
            *self.counts.counters.entry(counter).or_default() += by;
            self.counts.counters_per_second.entry(counter).or_default().add(now, by as u32);
        }
        for (metric, time) in shared.timings.drain(..) {
            self.counts.timings.entry(metric).or_default().push((now, time));
        }
        let Spent { kv, pubnub, publish, xhr, all, .. } = shared.spent;
        for (most, spent) in self.counts.most_ops.iter_mut().zip([kv, pubnub, publish, xhr, all]) {
            *most = spent.max(*most);
        }
    }

    fn answered(&mut self, now: Nanos, tag: u64, answer: OpAnswer, out: &mut Outbox) {
        let Some(Call { running, place }) = self.calls.remove(tag) else { return };
        let Some(execution) = self.running.get_mut(running) else { return };
        execution.shared.lock().expect("no handler holds it now").answers[place as usize] = Some(answer);
        self.advance(now, running, out);
    }

    fn due(&mut self, now: Nanos, out: &mut Outbox) {
        while let Some((_, running)) = self.running.pop_expired(now) {
            // The platform kills it: what it had not awaited is not done, and the publisher gets an error.
            self.counts.handler_timeouts += 1;
            self.settle(now, &running);
            running.reply.refuse(running.caller, running.tag, ApiError::function_timeout(), out);
            self.instances -= 1;
        }
        while let Some(((at, id), ())) = self.starting.first_key_value().map(|(k, v)| (*k, *v)) {
            if at > now {
                break;
            }
            self.starting.remove(&(at, id));
            if let Some(running) = self.running.get_mut(id) {
                running.starts = None;
                self.advance(now, id, out);
            }
        }
        while let Some((_, Call { running, place })) = self.calls.pop_expired(now) {
            if let Some(execution) = self.running.get_mut(running) {
                self.counts.op_timeouts += 1;
                execution.shared.lock().expect("no handler holds it now").answers[place as usize] =
                    Some(OpAnswer::Timeout);
                self.advance(now, running, out);
            }
        }
        // A loop: handlers that end at once may be many, and those without a Function here take no instance at all.
        while (self.warm > 0 || self.instances < self.config.concurrency)
            && let Some(work) = self.waiting.pop_front()
        {
            // Who published waits no longer than a handler may take: what comes of it now would be nobody's. The sources name
            // no age for the queue, so this is the profile's handler time.
            if work.reply != Reply::Nobody && now > work.since + self.config.limits.handler_time() {
                self.counts.expired += 1;
                work.refuse(ApiError::function_timeout(), out);
            } else {
                self.begin(now, work, out);
            }
        }
    }
}

fn send_call(
    config: &WorkerConfig,
    publisher: &UserId,
    counts: &mut WorkerCounts,
    tag: u64,
    hops: u8,
    request: OpRequest,
    out: &mut Outbox,
) {
    match request {
        OpRequest::Kv(op) => {
            counts.kv_ops += 1;
            out.send(config.kv, Msg::Kv { tag, op });
        }
        OpRequest::Publish { channel, payload, store, kind } => {
            counts.publishes += 1;
            let (publisher, hops) = (publisher.clone(), hops + 1);
            let publish = Publish { tag, channel, payload, publisher, store, kind, hops, client_ip: 0, token: None };
            out.send(config.broker, Msg::Publish(Box::new(publish)));
        }
        OpRequest::Objects(op) => {
            counts.objects_ops += 1;
            out.send(config.app_context, Msg::Objects { tag, op });
        }
        OpRequest::Groups(op) => {
            counts.groups_ops += 1;
            if let Some(registry) = config.registry {
                out.send(registry, Msg::Groups { tag, op });
            }
        }
        OpRequest::Presence(call) => {
            counts.presence_calls += 1;
            if let Some(presence) = config.presence {
                out.send(presence, Msg::Presence { tag, call });
            }
        }
        OpRequest::Http(request) => {
            counts.xhr += 1;
            // An unknown host does not answer; the call times out as it would outside.
            if let Some(&(_, node)) = config.http.iter().find(|(prefix, _)| request.path.starts_with(prefix)) {
                out.send(node, Msg::Http { tag, request });
            }
        }
    }
}

impl Node for Worker {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        self.tracing = out.is_tracing();
        match input {
            Input::Start | Input::Wake => {}
            Input::Overload { from, msg } => match msg {
                Msg::Invoke(invoke) => {
                    self.counts.refused += 1;
                    Work::invoked(now, from, *invoke).refuse(ApiError::too_many_requests("Functions"), out);
                }
                Msg::Http { tag, .. } => {
                    self.counts.refused += 1;
                    Reply::Http.refuse(from, tag, ApiError::too_many_requests("Functions"), out);
                }
                msg => return self.handle(now, Input::Message { from, msg }, out),
            },
            Input::Message { from, msg } => match msg {
                Msg::Invoke(invoke) => self.take(now, Work::invoked(now, from, *invoke), out),
                Msg::Http { tag, request } => self.take(now, Work::requested(now, from, tag, *request), out),
                Msg::KvAnswer { tag, result } => self.answered(now, tag, OpAnswer::Kv(result), out),
                Msg::Published { tag, result } => self.answered(now, tag, OpAnswer::Published(result), out),
                Msg::ObjectsAnswer { tag, result } => self.answered(now, tag, OpAnswer::Objects(result), out),
                Msg::GroupsAnswer { tag, result } => self.answered(now, tag, OpAnswer::Groups(result), out),
                Msg::PresenceAnswer { tag, result } => self.answered(now, tag, OpAnswer::Presence(result), out),
                Msg::HttpAnswer { tag, status, body } => {
                    self.answered(now, tag, OpAnswer::Http(HttpResponse { status, body }), out);
                }
                _ => {}
            },
        }
        self.due(now, out);
    }

    fn next_wake(&self) -> Option<Nanos> {
        let starting = self.starting.first_key_value().map(|((at, _), ())| *at);
        [self.running.next_deadline(), self.calls.next_deadline(), starting].into_iter().flatten().min()
    }

    fn reboot(&mut self, _now: Nanos) {
        self.running.clear();
        self.calls.clear();
        self.waiting.clear();
        self.starting.clear();
        // A new process: nothing is warm.
        self.warm = 0;
        self.instances = 0;
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
