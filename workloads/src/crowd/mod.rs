//! A crowd: all users of one region, one node. Users are rows of dense arrays, not tasks; a broadcast to all of them is
//! one message that is walked in memory.
//!
//! - [`plan`]: what they intend, from the seed alone; [`record`]: what they saw, for the oracles;
//! - `connect`: tokens, connections, reconnects; `ballot`: votes, retries, answers; `screen`: what is shown.
//!
//! A user's way to the point of presence (wifi or cellular) is drawn here: what a user sends leaves the PoP's side of
//! the network that much later, and what arrives is on its screen that much after it came to the PoP.

mod ballot;
mod connect;
pub mod plan;
pub mod record;
mod screen;

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use headcount_engine::access::Token;
use headcount_engine::contract::{Input, Nanos, Node, NodeId, Outbox, SECOND};
use headcount_engine::message::{Call, Channel, Delivery, Msg, Recipients, Request};
use headcount_engine::patterns::voting::session::SessionObject;
use headcount_engine::patterns::voting::{Variant, shard};
use headcount_engine::timetoken::Timetoken;
use headcount_sim::CounterHash;
use rustc_hash::FxHashMap;

use self::plan::{Action, Deed, Plan};
use self::record::{NONE, Record};
use crate::client::{AWAY, Connection, EdgeLife, LastMiles, WIFI};

/// A connected user who hears nothing for this long while a vote is on reads App Context.
const QUIET: Nanos = 10 * SECOND;

/// What a crowd is and whom it talks to.
#[derive(Clone, Debug)]
pub struct CrowdConfig {
    pub variant: Variant,
    /// This region's number, and how many there are.
    pub region: u32,
    pub regions: u32,
    pub users_in_all: u32,
    pub edges: Vec<NodeId>,
    pub auth: NodeId,
    pub session_id: String,
    pub host_id: String,
    /// Ids of the options, in order.
    pub option_ids: Vec<String>,
    pub ack_timeout: Nanos,
    pub retry: crate::scenario::Retry,
    /// Whether each client waits for a time of its own before it connects again, or all for the same.
    pub reconnect_jitter: bool,
    pub last_miles: LastMiles,
    /// For last miles, jitter and backoff.
    pub dice: CounterHash,
}

/// A user, but for what the walk over all users needs: one line of the cache, not a part of two.
#[derive(Debug)]
#[repr(align(64))]
struct User {
    token: Option<Arc<Token>>,
    cursor: Timetoken,
    /// Its votes, newest first.
    votes: u32,
    /// Counts connection attempts, so that what belongs to an old one is known.
    generation: u32,
    /// Throws of this user's dice so far.
    throws: u32,
    /// Shards the session had when this user last read App Context; 0: never read.
    shard_count: u16,
    connection: Connection,
    joined: bool,
    online: bool,
    /// Connection attempts without success.
    failures: u8,
    /// Counts readings of App Context; whether the latest is under way; if not, whether it went well.
    reading: u32,
    asking: bool,
    synced: bool,
    /// 0 created, 1 open, 2 closed, 3 revealed: the farthest it has seen, but for what its edge has sent to all since it
    /// connected (see [`Crowd::status`]).
    status: u8,
    edge: u8,
    /// How many messages for all the edge had sent when it connected.
    since: u32,
}

/// What a user does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    Reconnect { client: u32, generation: u32 },
    Resend { vote: u32, attempt: u16 },
    Sync { client: u32, reading: u32 },
}

/// What kind of call a tag belongs to: its top byte.
mod tag {
    pub const LOGIN: u64 = 1 << 56;
    pub const SUBSCRIBE: u64 = 2 << 56;
    pub const SYNC: u64 = 3 << 56;
    pub const VOTE: u64 = 4 << 56;
    pub const MISCHIEF: u64 = 5 << 56;
    pub const KIND: u64 = 0xff << 56;
}

/// An edge as this crowd knows it.
#[derive(Clone, Copy, Debug, Default)]
struct EdgeView {
    life: EdgeLife,
    /// When a message for all subscribers last came from it.
    news: Nanos,
    connected: u32,
    /// The cursor after the last message for all, and how many of those there were.
    cursor: Timetoken,
    heralds: u32,
    /// Which of them announced that the session is created, open, closed, revealed; 0: none yet.
    announced: [u32; 4],
}

/// The crowd node.
pub struct Crowd {
    config: CrowdConfig,
    plan: Plan,
    next_action: usize,
    users: Vec<User>,
    /// For the walk: edge number, or [`AWAY`], with the [`WIFI`] bit.
    conn: Vec<u8>,
    edges: Vec<EdgeView>,
    control: Channel,
    results: Channel,
    /// Connection attempts by when they are given up; likewise readings of App Context and acks. Each kind has one
    /// patience, so they come in order.
    waits: VecDeque<(Nanos, u32, u32)>,
    syncs: VecDeque<(Nanos, u32, u32)>,
    acks: VecDeque<(Nanos, u32, u16)>,
    later: BinaryHeap<Reverse<(Nanos, Later)>>,
    quiet_check: Nanos,
    /// The session's object as it was last read, and what it says: thousands read the same one.
    object: Option<(Arc<str>, Arc<SessionObject>)>,
    /// Whose acknowledgements stood in the queues of many, by timetoken and region; [`NONE`]: anything else.
    addressees: FxHashMap<(Timetoken, u8), u32>,
    record: Record,
    online: u32,
}

impl Crowd {
    /// A crowd that has not started yet.
    pub fn new(config: CrowdConfig, plan: Plan) -> Self {
        let users = plan.wifi.len();
        let user = |_| User {
            token: None,
            cursor: Timetoken::ZERO,
            votes: NONE,
            generation: 0,
            throws: 0,
            shard_count: 0,
            connection: Connection::Absent,
            joined: false,
            online: true,
            failures: 0,
            reading: 0,
            asking: false,
            synced: false,
            status: 0,
            edge: 0,
            since: 0,
        };
        Self {
            conn: plan.wifi.iter().map(|wifi| if *wifi { AWAY | WIFI } else { AWAY }).collect(),
            users: (0..users).map(user).collect(),
            edges: vec![EdgeView::default(); config.edges.len()],
            control: shard::control_channel(&config.session_id).into(),
            results: shard::results_channel(&config.session_id).into(),
            waits: VecDeque::new(),
            syncs: VecDeque::new(),
            acks: VecDeque::new(),
            later: BinaryHeap::new(),
            quiet_check: QUIET,
            object: None,
            addressees: FxHashMap::default(),
            record: Record::default(),
            online: 0,
            next_action: 0,
            plan,
            config,
        }
    }

    /// What it saw.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What it intended.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What has not come true yet, one line a kind; empty when everybody is where they should be.
    pub fn pending(&self) -> Vec<String> {
        let mut pending = Vec::new();
        let open = self.record.votes.iter().filter(|vote| vote.fate == record::Fate::Open);
        let (count, first) = (open.clone().count(), open.clone().next());
        if let Some(vote) = first {
            let id = self.user_id(vote.client);
            pending.push(format!("{count} votes without a final answer, first {id}'s {:?}", vote.kind));
        }
        let wanting = || (0..self.users.len() as u32).filter(|&client| self.wants_connection(client));
        let away = wanting().filter(|&client| self.users[client as usize].connection != Connection::Connected).count();
        if away > 0 {
            pending.push(format!("{away} users not connected"));
        }
        let unaware = wanting().filter(|&client| self.status(client) < 3).count();
        if unaware > 0 {
            pending.push(format!("{unaware} users do not know the results"));
        }
        pending
    }

    /// For each user, whether it has no network now.
    pub fn unreachable(&self) -> Vec<bool> {
        self.users.iter().map(|user| !user.online).collect()
    }

    fn user_id(&self, client: u32) -> String {
        plan::user_id(plan::user_at(self.config.region, client, self.config.regions))
    }

    fn wants_connection(&self, client: u32) -> bool {
        let user = &self.users[client as usize];
        user.joined && user.online
    }

    /// The farthest status this user has seen: on its own, or with everybody who is connected to its edge. What went to
    /// all is noted once an edge, not once a user: half a million rows are not touched each second.
    fn status(&self, client: u32) -> u8 {
        let user = &self.users[client as usize];
        let edge = self.conn[client as usize] & AWAY;
        let Some(view) = self.edges.get(edge as usize) else { return user.status };
        let heard = view.announced.iter().rposition(|herald| *herald > user.since);
        user.status.max(heard.unwrap_or(0) as u8)
    }

    /// The user's own row gets what it heard with all others, before it leaves its edge.
    fn keep_what_was_heard(&mut self, client: u32) {
        let status = self.status(client);
        let edge = self.conn[client as usize] & AWAY;
        let user = &mut self.users[client as usize];
        user.status = status;
        if let Some(view) = self.edges.get(edge as usize) {
            user.cursor = user.cursor.max(view.cursor);
        }
    }

    /// 64 random bits for this user.
    fn throw(&mut self, client: u32) -> u64 {
        let user = &mut self.users[client as usize];
        user.throws += 1;
        self.config.dice.hash(u64::from(client), u64::from(user.throws))
    }

    /// One way over the user's last mile.
    fn last_mile(&mut self, client: u32) -> Nanos {
        let bits = self.throw(client);
        self.config.last_miles.draw(self.plan.wifi[client as usize], bits)
    }

    /// A call of this user to its edge, over its last mile. Nothing leaves without network.
    fn call(&mut self, client: u32, tag: u64, call: Call, out: &mut Outbox) {
        let user = &self.users[client as usize];
        if !user.online {
            return;
        }
        let user_number = plan::user_at(self.config.region, client, self.config.regions);
        let edge = self.config.edges[user.edge as usize];
        let token = user.token.clone();
        let after = self.last_mile(client);
        let request = Request { client, tag, client_ip: 0x0A00_0000 | user_number, token, call };
        out.send_after(after, edge, Msg::Request(Box::new(request)));
    }

    fn act(&mut self, now: Nanos, action: Action, out: &mut Outbox) {
        match action.deed {
            Deed::Join => {
                self.users[action.client as usize].joined = true;
                self.connect(now, action.client, out);
            }
            Deed::GoOffline => self.go_offline(action.client),
            Deed::GoOnline => self.go_online(now, action.client, out),
            Deed::Vote(kind) => self.cast(now, action.client, kind, action.choice, out),
            Deed::Mischief(mischief) => self.do_mischief(now, action.client, mischief, action.choice, out),
        }
    }

    fn answer(&mut self, now: Nanos, client: u32, tag: u64, msg: Msg, out: &mut Outbox) {
        if !self.users[client as usize].online {
            return;
        }
        match tag & tag::KIND {
            tag::LOGIN => self.logged_in(now, client, tag as u32, msg, out),
            tag::SUBSCRIBE => self.subscribed(now, client, tag as u32, msg, out),
            tag::SYNC => self.synced(now, client, tag as u32, msg, out),
            tag::VOTE => self.vote_published(now, tag as u32, (tag >> 32 & 0xffff) as u16, msg, out),
            tag::MISCHIEF => self.mischief_answered(tag as u8, msg),
            _ => {}
        }
    }

    fn deliver(&mut self, now: Nanos, from: NodeId, delivery: Delivery, out: &mut Outbox) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from) else { return };
        let Delivery { to, envelope, cursor } = delivery;
        match to {
            Recipients::One(client) => {
                if self.conn[client as usize] & AWAY == edge as u8 {
                    let user = &mut self.users[client as usize];
                    user.cursor = user.cursor.max(cursor);
                    self.count_deliveries(now, 1);
                    self.show_one(now, client, &envelope, out);
                }
            }
            Recipients::These(clients) => {
                for &client in &*clients {
                    let to = Recipients::One(client);
                    self.deliver(now, from, Delivery { to, envelope: envelope.clone(), cursor }, out);
                }
            }
            // Voters are in no channel group.
            Recipients::Members(_) => {}
            Recipients::Subscribers => {
                self.edges[edge].news = now;
                self.show_all(now, edge, &envelope, cursor, out);
            }
        }
    }

    /// What waited for one user's poll.
    fn polled(&mut self, now: Nanos, from: NodeId, msg: Msg, out: &mut Outbox) {
        let Msg::Polled { client, messages, cursor, missed } = msg else { return };
        let edge = self.config.edges.iter().position(|edge| *edge == from);
        if edge.is_none_or(|edge| self.conn[client as usize] & AWAY != edge as u8) {
            return;
        }
        self.record.missed_messages += u64::from(missed);
        let user = &mut self.users[client as usize];
        user.cursor = user.cursor.max(cursor);
        self.count_deliveries(now, messages.len() as u64);
        for envelope in messages {
            if self.is_for(client, &envelope) {
                self.show_one(now, client, &envelope, out);
            }
        }
    }

    fn count_deliveries(&mut self, now: Nanos, count: u64) {
        self.record.deliveries += count;
        self.record.second(now).deliveries += count;
    }

    fn due(&mut self, now: Nanos, out: &mut Outbox) {
        while let Some(&action) = self.plan.actions.get(self.next_action).filter(|action| action.at <= now) {
            self.next_action += 1;
            self.act(now, action, out);
        }
        while let Some(&(deadline, client, generation)) = self.waits.front() {
            let waits = self.waits_for(client, generation);
            if waits && deadline > now {
                break;
            }
            self.waits.pop_front();
            if waits {
                self.back_off(now, client);
            }
        }
        while let Some(&(deadline, client, reading)) = self.syncs.front() {
            let waits = self.waits_for_sync(client, reading);
            if waits && deadline > now {
                break;
            }
            self.syncs.pop_front();
            if waits && self.users[client as usize].shard_count == 0 {
                self.sync(now, client, out);
            } else if waits {
                self.users[client as usize].asking = false;
                self.sync_later(now, client);
            }
        }
        while let Some(&(deadline, vote, attempt)) = self.acks.front() {
            let waits = self.awaits_ack(vote, attempt);
            if waits && deadline > now {
                break;
            }
            self.acks.pop_front();
            if waits {
                self.record.second(now).timeouts += 1;
                self.resend_later(now, vote);
                if attempt % 3 == 0 {
                    // Three in a row without an answer: perhaps the connection is dead and nobody said so.
                    let client = self.record.votes[vote as usize].client;
                    self.disconnect(client);
                    self.connect(now, client, out);
                }
            }
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
                Later::Resend { vote, attempt } => self.resend(now, vote, attempt, out),
                Later::Sync { client, reading } => {
                    let user = &self.users[client as usize];
                    if user.reading == reading && !user.asking && user.connection == Connection::Connected {
                        self.sync_now(now, client, out);
                    }
                }
            }
        }
        if now >= self.quiet_check {
            self.look_for_silence(now);
            self.quiet_check = now + QUIET;
        }
    }
}

impl Node for Crowd {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        if let Input::Message { from, msg } = input {
            match msg {
                Msg::Deliver(delivery) => self.deliver(now, from, delivery, out),
                Msg::Polled { .. } => self.polled(now, from, msg, out),
                Msg::Answer { client, tag, .. } | Msg::LoggedIn { client, tag, .. } => {
                    self.answer(now, client, tag, msg, out);
                }
                Msg::Ended { client, signature, .. } => self.ended(now, from, client, signature),
                Msg::EdgeAlive { epoch } => self.edge_alive(now, from, epoch),
                _ => {}
            }
        }
        self.due(now, out);
        let online = self.online;
        let second = self.record.second(now);
        second.online = online;
        second.notes += 1;
    }

    fn next_wake(&self) -> Option<Nanos> {
        let action = self.plan.actions.get(self.next_action).map(|action| action.at);
        let wait = self.waits.front().map(|(at, _, _)| *at);
        let sync = self.syncs.front().map(|(at, _, _)| *at);
        let ack = self.acks.front().map(|(at, _, _)| *at);
        let later = self.later.peek().map(|Reverse((at, _))| *at);
        [action, wait, sync, ack, later, Some(self.quiet_check)].into_iter().flatten().min()
    }

    /// A crowd is many devices and never dies as one.
    fn reboot(&mut self, _now: Nanos) {}

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
