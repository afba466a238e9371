//! A worker with the stores it calls, stepped by hand: no world, no network, no chance. Each message takes 1 ms. Presence
//! and the channel registry are plain sets here, which always know the truth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::appcontext::AppContext;
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox, SECOND};
use crate::error::ApiError;
use crate::functions::{Worker, WorkerConfig};
use crate::kvstore::{KvOptions, KvReplica};
use crate::limits::Limits;
use crate::message::{
    GroupsOk, GroupsOp, HereNow, Invoke, Msg, ObjectsOp, Occupancy, PresenceCall, PresenceOk, Publish, Trigger,
};
use crate::patterns::Variant;
use crate::patterns::friends::message::kind;
use crate::patterns::friends::names::{self, GROUP_CHANNELS_MAX};
use crate::patterns::friends::profile::Profile;
use crate::patterns::friends::{COUNT_JOB, documented, hardened};
use crate::patterns::tests::bench::publish;
use crate::timetoken::{Timetoken, iso8601, unix_ms};

pub const BOTH: [Variant; 2] = [Variant::Documented, Variant::Hardened];
pub const SHARDS: u32 = 10;

const BROKER: NodeId = NodeId(0);
const WORKER: NodeId = NodeId(1);
const KV: NodeId = NodeId(2);
const OBJECTS: NodeId = NodeId(3);
const REGISTRY: NodeId = NodeId(4);
const PRESENCE: NodeId = NodeId(5);

pub struct Bench {
    pub now: Nanos,
    pub worker: Worker,
    pub kv: KvReplica,
    pub objects: AppContext,
    /// Who is on which presence channel.
    pub present: BTreeMap<String, BTreeSet<String>>,
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// What Functions published where somebody may listen, oldest first, with when.
    pub published: Vec<(Nanos, Publish)>,
    /// The worker dies when it has sent so many messages; `None`: it lives.
    pub dies_after: Option<u32>,
    /// Calls to these nodes fail with the platform's error.
    pub broken: BTreeSet<u32>,
    queue: VecDeque<(NodeId, NodeId, Msg)>,
    functions: Vec<(&'static str, Trigger)>,
}

/// The nodes that can be broken.
pub mod node {
    pub const KV: u32 = 2;
    pub const OBJECTS: u32 = 3;
    pub const REGISTRY: u32 = 4;
    pub const PRESENCE: u32 = 5;
}

impl Bench {
    /// A keyset with these Functions, the newest limits, and nobody in it.
    pub fn new(variant: Variant) -> Self {
        let limits = Limits::named("serverless-2026-09").expect("a known profile");
        let functions = match variant {
            Variant::Documented => documented::functions(SHARDS),
            Variant::Hardened => hardened::functions(SHARDS),
        };
        let bound = functions.iter().map(|function| (function.pattern, function.trigger)).collect();
        let worker = Worker::new(WorkerConfig {
            functions: functions.into(),
            kv: KV,
            broker: BROKER,
            app_context: OBJECTS,
            registry: Some(REGISTRY),
            presence: Some(PRESENCE),
            http: vec![],
            limits,
            secrets: Default::default(),
            concurrency: 8,
            prewarmed: 8,
            queue: 100,
            op_timeout: 2 * SECOND,
            seed: 7,
        });
        Self {
            now: SECOND,
            worker,
            kv: KvReplica::new(KV, &[], KvOptions::of(limits, 1)),
            objects: AppContext::new(2),
            present: BTreeMap::new(),
            groups: BTreeMap::new(),
            published: Vec::new(),
            dies_after: None,
            broken: BTreeSet::new(),
            queue: VecDeque::new(),
            functions: bound,
        }
    }

    /// Registers users, as the customer's server does: an object, an empty list.
    pub fn register(&mut self, users: &[&str]) {
        for user in users {
            let profile = Profile::new(format!("Name of {user}"), names::shard_of(user, SHARDS), iso8601(self.now));
            self.patch_user(user, &profile.to_patch());
        }
    }

    /// Writes a user's object.
    pub fn patch_user(&mut self, user: &str, patch: &str) {
        let op = ObjectsOp::SetUser { user: (*user).into(), patch: patch.into(), if_match: None };
        self.objects.apply(self.now, op).expect("the patch is an object");
    }

    /// The user's object.
    pub fn profile(&self, user: &str) -> Profile {
        Profile::from_body(&self.objects.user(user).expect("the user is registered").body).expect("it reads")
    }

    /// Two users who have long been friends.
    pub fn befriend(&mut self, one: &str, other: &str) {
        for (owner, friend) in [(one, other), (other, one)] {
            self.groups.entry(names::group(owner)).or_default().insert(names::status_channel(friend));
            let op = ObjectsOp::SetMembership {
                user: (*friend).into(),
                channel: names::list_channel(owner).into(),
                custom: r#"{"status":"accepted"}"#.into(),
            };
            self.objects.apply(self.now, op).expect("a membership");
            let count = self.profile(owner).custom.friend_count + 1;
            self.patch_user(owner, &json!({ "custom": { "friendCount": count } }).to_string());
        }
    }

    /// The user joins, leaves or times out, and the Function hears of it.
    pub fn presence(&mut self, user: &str, action: &str) {
        let event = self.moves(user, action);
        self.deliver(user, &event);
    }

    /// The same, but no Function hears of it yet: the event.
    pub fn moves(&mut self, user: &str, action: &str) -> String {
        let channel = names::presence_channel(names::shard_of(user, SHARDS));
        let here = self.present.entry(channel).or_default();
        if action == "join" {
            here.insert(user.to_owned());
        } else {
            here.remove(user);
        }
        let (s, ms) = (unix_ms(self.now) / 1_000, unix_ms(self.now));
        json!({ "action": action, "uuid": user, "timestamp": s, "occupancy": here.len(), "precise_timestamp": ms })
            .to_string()
    }

    /// The Function gets a presence event.
    pub fn deliver(&mut self, user: &str, event: &str) {
        let channel = names::presence_channel(names::shard_of(user, SHARDS));
        self.invoke(Trigger::AfterPresence, &channel, event, user);
    }

    /// A run of a job.
    pub fn job(&mut self, name: &str) {
        self.invoke(Trigger::OnInterval, name, "null", "scheduler");
    }

    /// The sweeps, once a second, for so many seconds.
    pub fn sweep(&mut self, seconds: u32) {
        for second in 0..seconds {
            self.now += SECOND;
            self.job(hardened::SWEEP_JOB);
            if u64::from(second) % hardened::RECONCILE_INTERVAL_S == 0 {
                hardened::reconcile_jobs(SHARDS).for_each(|name| self.job(&name));
            }
        }
    }

    /// The count, once; what was told.
    pub fn count(&mut self) -> Option<Value> {
        let before = self.published.len();
        self.job(COUNT_JOB);
        let told = self.published[before..].iter().find(|(_, publish)| *publish.channel == *names::GLOBAL);
        told.map(|(_, publish)| serde_json::from_str(&publish.payload).expect("a count is JSON"))
    }

    /// A user writes on its own requests or management channel.
    pub fn says(&mut self, user: &str, kind: &str, a: &str, b: &str) {
        let channel = match kind {
            kind::REMOVE => names::management_channel(user),
            _ => names::requests_channel(user),
        };
        let text = json!({
            "type": kind, "schemaVersion": "1.0.0", "eventId": format!("evt_{kind}_{a}_{b}"),
            "ts": iso8601(self.now), "payload": { "userA": a, "userB": b },
        });
        self.invoke(Trigger::AfterPublish, &channel, &text.to_string(), user);
    }

    /// Everything told on this user's status channel: when, and the message.
    pub fn told(&self, user: &str) -> Vec<(Nanos, Value)> {
        self.told_on(&names::status_channel(user))
    }

    /// Everything told on a channel.
    pub fn told_on(&self, channel: &str) -> Vec<(Nanos, Value)> {
        let on = self.published.iter().filter(|(_, publish)| *publish.channel == *channel);
        on.map(|(at, publish)| (*at, serde_json::from_str(&publish.payload).expect("messages are JSON"))).collect()
    }

    /// What a friend who listens from the beginning sees of this user now.
    pub fn seen(&self, user: &str) -> bool {
        self.told(user).last().is_some_and(|(_, message)| message["type"] == kind::ONLINE)
    }

    /// Whether these two are friends by every store: groups and lists of both; `None` if the stores differ.
    pub fn friends(&self, one: &str, other: &str) -> Option<bool> {
        let mut answers = BTreeSet::new();
        for (owner, friend) in [(one, other), (other, one)] {
            answers.insert(self.objects.membership(friend, &names::list_channel(owner)).is_some());
            let parts = (0..10).filter(|part| {
                let group = self.groups.get(&names::group_part(owner, *part));
                group.is_some_and(|group| group.contains(&names::status_channel(friend)))
            });
            match parts.count() {
                0 => answers.insert(false),
                1 => answers.insert(true),
                _ => return None,
            };
        }
        if answers.len() == 1 { answers.pop_first() } else { None }
    }

    /// Invokes the Function for this trigger and channel, and steps every node until nothing is under way any more, what
    /// fires of the Function set off included.
    pub fn invoke(&mut self, trigger: Trigger, channel: &str, payload: &str, publisher: &str) {
        self.start(trigger, publish(channel, payload, publisher));
        self.run();
    }

    /// Invokes without stepping.
    pub fn start(&mut self, trigger: Trigger, publish: Publish) {
        let invoke = Invoke { tag: 0, trigger, publish, answer: false };
        self.queue.push_back((BROKER, WORKER, Msg::Invoke(Box::new(invoke))));
    }

    /// Steps every node until nothing is under way.
    pub fn run(&mut self) {
        loop {
            while let Some((from, to, msg)) = self.queue.pop_front() {
                self.now += MS;
                self.step(to, Input::Message { from, msg });
            }
            match self.worker.next_wake() {
                Some(wake) if wake < self.now + 60 * SECOND => {
                    self.now = wake.max(self.now);
                    self.step(WORKER, Input::Wake);
                }
                _ => return,
            }
        }
    }

    fn step(&mut self, at: NodeId, input: Input) {
        let mut out = Outbox::new(false);
        let node: &mut dyn Node = match at {
            WORKER => &mut self.worker,
            KV if !self.broken.contains(&at.0) => &mut self.kv,
            OBJECTS if !self.broken.contains(&at.0) => &mut self.objects,
            _ => return self.serve(at, input),
        };
        node.handle(self.now, input, &mut out);
        for send in out.drain_sends() {
            if at == WORKER && self.dies_after == Some(0) {
                // The process dies: what it has not sent is never sent, and nobody waits for answers.
                self.dies_after = None;
                self.queue.retain(|(_, to, _)| *to != WORKER);
                self.worker.reboot(self.now);
                self.worker.handle(self.now, Input::Start, &mut Outbox::new(false));
                return;
            }
            if at == WORKER
                && let Some(left) = &mut self.dies_after
            {
                *left -= 1;
            }
            self.now += send.after;
            self.queue.push_back((at, send.to, send.msg));
        }
    }

    /// The parts that are no nodes here: broker, registry, presence, and whoever is broken.
    fn serve(&mut self, at: NodeId, input: Input) {
        let Input::Message { from, msg } = input else { return };
        let broken = self.broken.contains(&at.0);
        let away = || ApiError::service_unavailable("Balancer");
        let answer = match msg {
            Msg::Publish(publish) => {
                let result = Ok(Timetoken::at(self.now));
                self.queue.push_back((BROKER, from, Msg::Published { tag: publish.tag, result }));
                let bound = self.functions.iter().any(|(pattern, trigger)| {
                    *trigger == Trigger::AfterPublish && publish.channel.starts_with(pattern.trim_end_matches('*'))
                });
                if bound {
                    self.start(Trigger::AfterPublish, (*publish).clone());
                } else {
                    self.published.push((self.now, *publish));
                }
                return;
            }
            Msg::Kv { tag, .. } => Msg::KvAnswer { tag, result: Err(crate::message::KvError::Unavailable) },
            Msg::Objects { tag, .. } => Msg::ObjectsAnswer { tag, result: Err(away()) },
            Msg::Groups { tag, op } => {
                let result = if broken { Err(away()) } else { self.groups_op(*op) };
                Msg::GroupsAnswer { tag, result }
            }
            Msg::Presence { tag, call } => {
                let result = if broken { Err(away()) } else { Ok(self.asked(*call)) };
                Msg::PresenceAnswer { tag, result }
            }
            _ => return,
        };
        self.queue.push_back((at, from, answer));
    }

    fn groups_op(&mut self, op: GroupsOp) -> Result<GroupsOk, ApiError> {
        match op {
            GroupsOp::Add { group, channels } => {
                let group = self.groups.entry(group.to_string()).or_default();
                let mut after = group.clone();
                after.extend(channels.iter().map(|channel| channel.to_string()));
                if after.len() > GROUP_CHANNELS_MAX {
                    return Err(ApiError::new(400, "group is full"));
                }
                *group = after;
            }
            GroupsOp::Remove { group, channels } => {
                if let Some(group) = self.groups.get_mut(&*group) {
                    channels.iter().for_each(|channel| _ = group.remove(&**channel));
                }
            }
            op => panic!("no handler asks this: {op:?}"),
        }
        Ok(GroupsOk::Done)
    }

    fn asked(&self, call: PresenceCall) -> PresenceOk {
        match call {
            PresenceCall::WhereNow { user } => PresenceOk::WhereNow(
                self.present.iter().filter(|(_, here)| here.contains(&*user)).map(|(at, _)| (&**at).into()).collect(),
            ),
            PresenceCall::HereNow { channels, limit, offset, .. } => {
                let nobody = BTreeSet::new();
                let occupancy = |channel: &Arc<str>| {
                    let here = self.present.get(&**channel).unwrap_or(&nobody);
                    let page = here.iter().skip(offset as usize).take(limit as usize);
                    let users = page.map(|user| ((&**user).into(), None)).collect();
                    Occupancy { channel: channel.clone(), occupancy: here.len() as u32, users }
                };
                let channels: Vec<Occupancy> = channels.iter().map(occupancy).collect();
                let total_occupancy = channels.iter().map(|channel| channel.occupancy).sum();
                PresenceOk::HereNow(Arc::new(HereNow { total_occupancy, channels }))
            }
            call => panic!("no handler asks this: {call:?}"),
        }
    }
}
