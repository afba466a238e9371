//! People with friends: all users of one region, one node. What they intend is a plan, what they see a record; the friends
//! on their screens, their connections and their wishes are here.
//!
//! - [`plan`]: what they intend, from the seed alone; [`record`]: what they saw, for the oracles;
//! - `connect`: tokens, connections, heartbeats; `lists`: what is on the screens; `deeds`: friendships and mischief;
//! - [`build`]: the platform's side of it; [`oracle`]: the properties; [`judge`]: counters, latencies, series.
//!
//! **The client** (both variants). It subscribes to its presence shard, the online count and its channel group, sends a
//! heartbeat each `timeout / 2 - 1`, and loads its whole friend list after every subscribe, as friends-online.md B.3 does, and
//! again from time to time: a message lost on the way is not lost for ever. A status is shown if the number in its event id
//! is not older than what is shown. Wishes (to be friends, or no longer) are said again until the own list shows them.

pub mod build;
mod connect;
mod deeds;
pub mod judge;
mod lists;
pub mod oracle;
pub mod plan;
pub mod record;

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use headcount_engine::access::Token;
use headcount_engine::contract::{Input, KEEPALIVE_PATIENCE, Nanos, Node, NodeId, Outbox, SECOND};
use headcount_engine::message::{Call, Delivery, Msg, Recipients, Request};
use headcount_engine::patterns::Variant;
use headcount_sim::CounterHash;

use self::plan::{Deed, Plan};
use self::record::{Record, Shown};
use crate::client::{EdgeLife, LastMiles};
use crate::crowd::plan::{user_at, user_id};

/// Between two sayings of a wish.
const NUDGE: Nanos = 6 * SECOND;

/// What these people are and whom they talk to.
#[derive(Clone, Debug)]
pub struct PeopleConfig {
    pub variant: Variant,
    pub region: u32,
    pub regions: u32,
    pub shards: u32,
    pub edges: Vec<NodeId>,
    pub auth: NodeId,
    pub presence_timeout_s: u32,
    pub reload: Nanos,
    /// Nobody wishes for anything any more after this, and pairs that were to part long ago have parted.
    pub settled: Nanos,
    pub dice: CounterHash,
}

/// Where a user's connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Absent,
    LoggingIn,
    Subscribing,
    Connected,
    BackingOff,
}

/// A load of the friend list under way.
#[derive(Clone, Debug)]
struct Load {
    number: u32,
    asked: Nanos,
    page: Option<Arc<str>>,
    seen: BTreeMap<u32, Shown>,
    /// Statuses that came meanwhile, of whomever: who is on the list is known when it is there.
    heard: BTreeMap<u32, Shown>,
}

#[derive(Debug)]
struct User {
    token: Option<Arc<Token>>,
    connection: Connection,
    /// Wants to be online, and has a network.
    wanted: bool,
    reachable: bool,
    edge: u8,
    generation: u32,
    failures: u8,
    throws: u32,
    loads: u32,
    load: Option<Load>,
    /// Friends on the screen.
    screen: BTreeMap<u32, Shown>,
    /// Whom it wants as a friend (true) or no longer (false), and what it says of it.
    wishes: BTreeMap<u32, Deed>,
    /// The latest status message it wrote, until the store said yes.
    writing: Option<u32>,
}

/// What a user does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    Reconnect { client: u32, generation: u32 },
    Deadline { client: u32, generation: u32 },
    Heartbeat { client: u32, generation: u32 },
    Reload { client: u32, generation: u32 },
    LoadDeadline { client: u32, load: u32 },
    Nudge { client: u32, about: u32 },
    Write { client: u32 },
}

/// What kind of call a tag belongs to: its top byte.
mod tag {
    pub const LOGIN: u64 = 1 << 56;
    pub const SUBSCRIBE: u64 = 2 << 56;
    pub const LOAD: u64 = 3 << 56;
    pub const SAY: u64 = 4 << 56;
    pub const WRITE: u64 = 5 << 56;
    pub const FORGE: u64 = 6 << 56;
    pub const HEARTBEAT: u64 = 7 << 56;
    pub const READ: u64 = 8 << 56;
    pub const KIND: u64 = 0xff << 56;
}

/// The people node.
pub struct People {
    config: PeopleConfig,
    plan: Plan,
    next_action: usize,
    users: Vec<User>,
    edges: Vec<EdgeLife>,
    later: BinaryHeap<Reverse<(Nanos, Later)>>,
    silence_check: Nanos,
    last_miles: LastMiles,
    /// Final friendships, both ways: who may be on whose screen.
    friends: Vec<BTreeSet<u32>>,
    ended: Vec<BTreeSet<u32>>,
    record: Record,
}

impl People {
    /// People who have not opened the app yet; `friends` are each one's when all is done, `ended` those of before.
    pub fn new(config: PeopleConfig, plan: Plan, friends: Vec<BTreeSet<u32>>, ended: Vec<BTreeSet<u32>>) -> Self {
        let users = plan.wifi.len();
        let user = || User {
            token: None,
            connection: Connection::Absent,
            wanted: false,
            reachable: true,
            edge: 0,
            generation: 0,
            failures: 0,
            throws: 0,
            loads: 0,
            load: None,
            screen: BTreeMap::new(),
            wishes: BTreeMap::new(),
            writing: None,
        };
        Self {
            users: (0..users).map(|_| user()).collect(),
            edges: vec![EdgeLife::default(); config.edges.len()],
            later: BinaryHeap::new(),
            silence_check: KEEPALIVE_PATIENCE,
            last_miles: LastMiles::new(),
            record: Record { online: vec![Vec::new(); users], ..Record::default() },
            next_action: 0,
            friends,
            ended,
            config,
            plan,
        }
    }

    /// What they saw.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What is on each user's screen now.
    pub fn screens(&self) -> impl Iterator<Item = &BTreeMap<u32, Shown>> {
        self.users.iter().map(|user| &user.screen)
    }

    /// For each user, whether it is connected now.
    pub fn connected(&self) -> impl Iterator<Item = bool> + '_ {
        self.users.iter().map(|user| user.connection == Connection::Connected)
    }

    /// What has not come true yet, one line a kind.
    pub fn pending(&self) -> Vec<String> {
        let mut pending = Vec::new();
        let away = |user: &&User| user.wanted && user.reachable && user.connection != Connection::Connected;
        let away = self.users.iter().filter(away).count();
        if away > 0 {
            pending.push(format!("{away} users not connected"));
        }
        let wishes: usize = self.users.iter().map(|user| user.wishes.len()).sum();
        if wishes > 0 {
            let (client, user) = self.users.iter().enumerate().find(|(_, user)| !user.wishes.is_empty()).expect("one");
            let (about, deed) = user.wishes.first_key_value().expect("one");
            let about = user_id(*about);
            pending
                .push(format!("{wishes} wishes not fulfilled, first {}'s {deed:?} of {about}", self.id(client as u32)));
        }
        let unwritten = self.users.iter().filter(|user| user.writing.is_some()).count();
        if unwritten > 0 {
            pending.push(format!("{unwritten} status messages not written"));
        }
        pending
    }

    fn number(&self, client: u32) -> u32 {
        user_at(self.config.region, client, self.config.regions)
    }

    fn id(&self, client: u32) -> String {
        user_id(self.number(client))
    }

    fn throw(&mut self, client: u32) -> u64 {
        let user = &mut self.users[client as usize];
        user.throws += 1;
        self.config.dice.hash(u64::from(client), u64::from(user.throws))
    }

    /// One way over the user's last mile.
    fn last_mile(&mut self, client: u32) -> Nanos {
        let bits = self.throw(client);
        self.last_miles.draw(self.plan.wifi[client as usize], bits)
    }

    fn after(&mut self, at: Nanos, later: Later) {
        self.later.push(Reverse((at, later)));
    }

    /// A call of this user to its edge. Nothing leaves without network.
    fn call(&mut self, client: u32, tag: u64, call: Call, out: &mut Outbox) {
        let user = &self.users[client as usize];
        if !user.reachable {
            return;
        }
        let edge = self.config.edges[user.edge as usize];
        let (token, client_ip) = (user.token.clone(), 0x0B00_0000 | self.number(client));
        let after = self.last_mile(client);
        out.send_after(after, edge, Msg::Request(Box::new(Request { client, tag, client_ip, token, call })));
    }

    fn answer(&mut self, now: Nanos, client: u32, tag: u64, msg: Msg, out: &mut Outbox) {
        if !self.users[client as usize].reachable {
            return;
        }
        match tag & tag::KIND {
            tag::LOGIN => self.logged_in(now, client, tag as u32, msg, out),
            tag::SUBSCRIBE => self.subscribed(now, client, tag as u32, msg, out),
            tag::LOAD => self.loaded(now, client, tag as u32, msg, out),
            tag::READ => self.read(client, tag as u32, &msg, out),
            tag::WRITE => self.written(now, client, tag as u32, &msg, out),
            tag::FORGE => self.forged(tag as u8, &msg),
            tag::HEARTBEAT | tag::SAY => self.refused(now, client, &msg, out),
            _ => {}
        }
    }

    fn deliver(&mut self, now: Nanos, from: NodeId, delivery: &Delivery) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from) else { return };
        let here = |user: &User| user.connection == Connection::Connected && user.edge as usize == edge;
        match &delivery.to {
            Recipients::One(client) => {
                if here(&self.users[*client as usize]) {
                    self.show(now, *client, &delivery.envelope);
                }
            }
            Recipients::These(clients) => {
                for &client in &**clients {
                    if here(&self.users[client as usize]) {
                        self.show(now, client, &delivery.envelope);
                    }
                }
            }
            Recipients::Subscribers => {
                for client in 0..self.users.len() as u32 {
                    if here(&self.users[client as usize]) {
                        self.show(now, client, &delivery.envelope);
                    }
                }
            }
        }
    }

    fn due(&mut self, now: Nanos, out: &mut Outbox) {
        while let Some(&action) = self.plan.actions.get(self.next_action).filter(|action| action.at <= now) {
            self.next_action += 1;
            self.act(now, action.client, action.deed, out);
        }
        while let Some(&Reverse((at, later))) = self.later.peek() {
            if at > now {
                break;
            }
            self.later.pop();
            match later {
                Later::Reconnect { client, generation } => {
                    let user = &self.users[client as usize];
                    if user.generation == generation && user.connection == Connection::BackingOff {
                        self.connect(now, client, out);
                    }
                }
                Later::Deadline { client, generation } => {
                    let user = &self.users[client as usize];
                    let waits = matches!(user.connection, Connection::LoggingIn | Connection::Subscribing);
                    if user.generation == generation && waits {
                        self.back_off(now, client);
                    }
                }
                Later::Heartbeat { client, generation } => self.heartbeat(now, client, generation, out),
                Later::Reload { client, generation } => {
                    let user = &self.users[client as usize];
                    if user.generation == generation && user.connection == Connection::Connected {
                        self.load(now, client, out);
                    }
                }
                Later::LoadDeadline { client, load } => {
                    let user = &self.users[client as usize];
                    let waits = user.load.as_ref().is_some_and(|under_way| under_way.number == load);
                    if waits && user.connection == Connection::Connected {
                        self.load(now, client, out);
                    }
                }
                Later::Nudge { client, about } => self.nudge(now, client, about, out),
                Later::Write { client } => self.write(now, client, out),
            }
        }
        if now >= self.silence_check {
            self.silence_check = now + KEEPALIVE_PATIENCE;
            self.look_for_silence(now);
        }
    }
}

impl Node for People {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        if let Input::Message { from, msg } = input {
            match msg {
                Msg::Deliver(delivery) => self.deliver(now, from, &delivery),
                Msg::Polled { client, messages, cursor, missed } => {
                    self.record.missed_messages += u64::from(missed);
                    for envelope in messages {
                        self.deliver(now, from, &Delivery { to: Recipients::One(client), envelope, cursor });
                    }
                }
                Msg::Answer { client, tag, .. } | Msg::LoggedIn { client, tag, .. } => {
                    self.answer(now, client, tag, msg, out);
                }
                Msg::EdgeAlive { epoch } => self.edge_alive(now, from, epoch),
                _ => {}
            }
        }
        self.due(now, out);
    }

    fn next_wake(&self) -> Option<Nanos> {
        let action = self.plan.actions.get(self.next_action).map(|action| action.at);
        let later = self.later.peek().map(|Reverse((at, _))| *at);
        [action, later, Some(self.silence_check)].into_iter().flatten().min()
    }

    /// People are many devices and never die as one.
    fn reboot(&mut self, _now: Nanos) {}

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
