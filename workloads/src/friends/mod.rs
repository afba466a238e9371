//! People with friends: all users of one region, one node. What they intend is a plan, what they see a record; the friends
//! on their screens, their connections and their wishes are here.
//!
//! - [`plan`]: what they intend, from the seed alone; [`record`]: what they saw, for the oracles;
//! - `connect`: tokens, connections, heartbeats; `travel`: to another region and home; `lists`: friend lists and what comes for users;
//!   `paging`: which pages of a list; [`screens`]: what is shown; `deeds`: friendships and mischief;
//! - [`build`]: the platform's side of it; [`oracle`]: the properties; [`judge`]: counters, latencies, series; `scale`: what the document counts.
//!
//! **The client** (both variants). It subscribes to its presence shard, the online count and its channel group, sends a
//! heartbeat each `timeout / 2 - 1`, and loads its whole friend list after every subscribe, as friends-online.md B.3 does, and
//! again from time to time: a message lost on the way is not lost for ever. The document's client asks for the pages one after the
//! other, ours for several side by side (`paging`). A status is shown if the number in its event id
//! is not older than what is shown. Wishes (to be friends, or no longer) are said again until the own list shows them.
//!
//! **Moves.** A device that moves stays a user of its home region's node: it goes on at an edge of another region, over the longer
//! link, from the cursor that it had (platform.md 2.1). What that edge does not find again is lost, and the list that it loads after
//! it makes up for that. It says no word at the edge it leaves, which goes on sending to nobody; presence hears of it from another
//! edge and sees neither a leave nor a join. Its polls take as long there as anybody's ([`crate::client::round_trips`]), not longer.
//!
//! **Frames.** Devices' timers lie on a grid ([`timers`]), so in a large world many users speak at one moment. What those of one
//! kind of access, wifi or cellular, say then to one edge has one last mile, drawn once, and travels as one frame; so does what
//! the platform makes of it. Each user's call is checked, counted and answered for itself, and costs stations a service of its
//! own; but at one moment all of a frame are fast or all are slow, a station hands them on when the last is done, and a network
//! that loses one loses all. Alone at its moment, a call is a message.

pub mod alerts;
pub mod build;
mod connect;
mod count;
mod deeds;
pub mod groups;
pub mod judge;
mod last_change;
mod lists;
pub mod oracle;
mod paging;
pub mod plan;
pub mod record;
mod scale;
pub mod screens;
pub(crate) mod timers;
mod travel;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_engine::access::Token;
use headcount_engine::contract::{Input, KEEPALIVE_PATIENCE, Nanos, Node, NodeId, Outbox, SECOND};
use headcount_engine::message::{Call, Delivery, Msg, Recipients, Request};
use headcount_engine::patterns::Variant;
use headcount_engine::patterns::friends::names;
use headcount_engine::timetoken::Timetoken;
use headcount_sim::CounterHash;
use rustc_hash::FxHashMap;

use self::paging::Load;
use self::plan::{Deed, Intentions, Plan};
use self::record::Record;
use self::screens::{Screens, conn};
use self::timers::Timers;
use crate::client::{Connection, EdgeLife, LastMiles};
use crate::crowd::plan::{place_of, user_at, user_id};
use crate::graph::walk::Legs;

/// Between two sayings of a wish.
const NUDGE: Nanos = 6 * SECOND;
/// With more users in the world than this, what comes to each user is counted and not noted one by one.
pub const NOTED_USERS_MAX: u32 = 10_000;

/// What these people are and whom they talk to.
#[derive(Clone, Debug)]
pub struct PeopleConfig {
    pub variant: Variant,
    pub region: u32,
    pub regions: u32,
    pub deployment: build::Deployment,
    /// Those of the home region; then, where somebody moves, those of the next region, and so on around.
    pub edges: Vec<NodeId>,
    /// How many of them each region has.
    pub edges_per_region: u32,
    pub auth: NodeId,
    pub presence_timeout_s: u32,
    pub reload: Nanos,
    pub reconnect_jitter: bool,
    /// Nobody wishes for anything any more after this, and pairs that were to part long ago have parted.
    pub settled: Nanos,
    pub last_miles: LastMiles,
    pub dice: CounterHash,
}

/// Half a million of them: no more than 48 bytes each.
#[derive(Debug)]
struct User {
    token: Option<Arc<Token>>,
    load: Option<Box<Load>>,
    connection: Connection,
    /// Wants to be online, and has a network.
    wanted: bool,
    reachable: bool,
    edge: u8,
    /// In which region it connects: so many on from home.
    abroad: u8,
    failures: u8,
    /// How many channel groups its connection takes.
    groups: u8,
    generation: u32,
    throws: u32,
    loads: u32,
    /// Whether presence has answered the last heartbeat, and when the next one is due.
    heard: bool,
    beat_due: Nanos,
}

const _: () = assert!(size_of::<User>() <= 48);

/// What a user does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    Reconnect { client: u32, generation: u32 },
    Deadline { client: u32, generation: u32 },
    Heartbeat { client: u32, generation: u32 },
    Reload { client: u32, generation: u32 },
    LoadDeadline { client: u32, load: u32 },
    LoadAgain { client: u32, generation: u32 },
    Nudge { client: u32, about: u32 },
    Write { client: u32 },
}

/// The ways up of one moment: see the module's text.
#[derive(Debug, Default)]
struct WaysUp {
    at: Nanos,
    /// To whom, over wifi or not, and how long.
    ways: Vec<(NodeId, bool, Nanos)>,
}

impl WaysUp {
    /// A moment begins, unless it is the one that is under way.
    fn begin(&mut self, now: Nanos) {
        if self.at != now {
            self.at = now;
            self.ways.clear();
        }
    }

    /// The way to this node over this kind of access, if somebody has gone it at this moment.
    fn known(&self, to: NodeId, wifi: bool) -> Option<Nanos> {
        self.ways.iter().find(|way| (way.0, way.1) == (to, wifi)).map(|way| way.2)
    }
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
    pub const REGROUP: u64 = 9 << 56;
    pub const KIND: u64 = 0xff << 56;
}

/// The people node.
pub struct People {
    config: PeopleConfig,
    plan: Plan,
    world: Arc<Intentions>,
    next_action: usize,
    users: Vec<User>,
    edges: Vec<EdgeLife>,
    later: Timers<Later>,
    silence_check: Nanos,
    ways_up: WaysUp,
    screens: Screens,
    /// By client: the edge it is connected to.
    conn: Vec<u8>,
    /// By edge: how many are connected to it.
    connected: Vec<u32>,
    /// By edge: the newest cursor that came from it. No connection's own is newer.
    cursors: Vec<Timetoken>,
    /// By client, of those on their way to another region: the cursor that they go on from, and the region that gave it.
    travelling: BTreeMap<u32, (Timetoken, u8)>,
    /// By client and the other one: whom it wants as a friend or no longer, and what it says of it.
    wishes: BTreeMap<(u32, u32), Deed>,
    /// By client: the latest status message it wrote, until the store said yes.
    writing: BTreeMap<u32, u32>,
    /// By user: those clients whose friendship with it ends in this run.
    ended: FxHashMap<u32, Vec<u32>>,
    /// By user: the timetoken of the last status of it that came to this region.
    last_published: Vec<Nanos>,
    legs: Legs,
    /// Messages from edges so far: each is a number of its own.
    heard: u64,
    record: Record,
}

impl People {
    /// People who have not opened the app yet, or who all have it open ([`Intentions::online`]) with these tokens.
    pub fn new(config: PeopleConfig, plan: Plan, world: Arc<Intentions>, tokens: Vec<Arc<Token>>) -> Self {
        let (users, online, edges) = (plan.wifi.len(), world.online, config.edges_per_region as usize);
        assert!(!online || tokens.len() == users, "who is online has a token");
        let mut tokens = tokens.into_iter();
        // Who comes later does not know how many it has before its list is loaded.
        let groups_at_first = |client: usize| {
            let user = user_at(config.region, client as u32, config.regions);
            if online { names::groups_for(world.graph.degree(user) as usize) as u8 } else { 1 }
        };
        let user = |client: usize| User {
            token: tokens.next(),
            load: None,
            connection: if online { Connection::Connected } else { Connection::Absent },
            wanted: online,
            reachable: true,
            edge: (client % edges) as u8,
            abroad: 0,
            failures: 0,
            groups: groups_at_first(client),
            generation: 0,
            throws: 0,
            loads: 0,
            heard: online,
            beat_due: 0,
        };
        let mut ended: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for &(a, b) in &world.ended {
            for (one, other) in [(a, b), (b, a)] {
                let (of, client) = place_of(one, config.regions);
                if of == config.region {
                    ended.entry(other).or_default().push(client);
                }
            }
        }
        let edge_of = |client: usize| online.then_some((client % edges) as u8);
        let mut people = Self {
            users: (0..users).map(user).collect(),
            conn: (0..users).map(|client| conn(edge_of(client), plan.wifi[client])).collect(),
            connected: (0..config.edges.len())
                .map(|edge| if online && edge < edges { (users + edges - 1 - edge) / edges } else { 0 } as u32)
                .collect(),
            cursors: vec![Timetoken::ZERO; config.edges.len()],
            travelling: BTreeMap::new(),
            edges: vec![if online { EdgeLife::known(1) } else { EdgeLife::default() }; config.edges.len()],
            later: Timers::new(),
            silence_check: KEEPALIVE_PATIENCE,
            ways_up: WaysUp::default(),
            record: Record::default(),
            screens: Screens::new(world.clone(), config.region, users, online),
            wishes: BTreeMap::new(),
            writing: BTreeMap::new(),
            last_published: vec![0; world.graph.users() as usize],
            legs: Legs::new(),
            heard: 0,
            next_action: 0,
            ended,
            config,
            plan,
            world,
        };
        if online {
            people.begin_online();
        }
        people
    }

    /// The last miles of everybody's users.
    pub fn last_miles(&self) -> &LastMiles {
        &self.config.last_miles
    }

    /// What they saw.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What is on the screens now.
    pub fn screens(&self) -> &Screens {
        &self.screens
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
        if let Some(((client, about), deed)) = self.wishes.first_key_value() {
            let (who, about, wishes) = (self.id(*client), user_id(*about), self.wishes.len());
            pending.push(format!("{wishes} wishes not fulfilled, first {who}'s {deed:?} of {about}"));
        }
        if !self.writing.is_empty() {
            pending.push(format!("{} status messages not written", self.writing.len()));
        }
        pending
    }

    /// Users who have no network.
    pub fn gone(&self) -> u64 {
        self.users.iter().filter(|user| !user.reachable).count() as u64
    }

    /// Whether each delivery is noted, not only counted.
    pub(super) fn notes_each(&self) -> bool {
        self.world.graph.users() <= NOTED_USERS_MAX
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
        self.config.last_miles.draw(self.plan.wifi[client as usize], bits)
    }

    fn after(&mut self, at: Nanos, later: Later) {
        self.later.set(at, later);
    }

    /// One way over the last mile of what this user says now to a node of the platform.
    fn way_up(&mut self, client: u32, to: NodeId) -> Nanos {
        let wifi = self.plan.wifi[client as usize];
        if let Some(way) = self.ways_up.known(to, wifi) {
            return way;
        }
        let way = self.last_mile(client);
        self.ways_up.ways.push((to, wifi, way));
        way
    }

    /// A call of this user to its edge. Nothing leaves without network.
    fn call(&mut self, client: u32, tag: u64, call: Call, out: &mut Outbox) {
        let user = &self.users[client as usize];
        if !user.reachable {
            return;
        }
        let edge = self.config.edges[user.edge as usize];
        let (token, client_ip) = (user.token.clone(), 0x0B00_0000 | self.number(client));
        let after = self.way_up(client, edge);
        out.send_after(after, edge, Msg::Request(Box::new(Request { client, tag, client_ip, token, call })));
    }

    fn answer(&mut self, now: Nanos, client: u32, tag: u64, msg: Msg, out: &mut Outbox) {
        if !self.users[client as usize].reachable {
            return;
        }
        match tag & tag::KIND {
            tag::LOGIN => self.logged_in(now, client, tag as u32, msg, out),
            tag::SUBSCRIBE => self.subscribed(now, client, tag as u32, msg, out),
            tag::REGROUP => self.regrouped(now, client, tag, &msg, out),
            tag::LOAD => self.loaded(now, client, tag, msg, out),
            tag::READ => self.read(client, tag as u32, &msg, out),
            tag::WRITE => self.written(now, client, tag as u32, &msg, out),
            tag::FORGE => self.forged(tag as u8, &msg),
            tag::HEARTBEAT => self.beaten(now, client, &msg, out),
            tag::SAY => self.refused(now, client, &msg, out),
            _ => {}
        }
    }

    fn later_is_now(&mut self, now: Nanos, later: Later, out: &mut Outbox) {
        match later {
            Later::Reconnect { client, generation } => {
                let user = &self.users[client as usize];
                if user.generation == generation && user.connection == Connection::BackingOff {
                    self.connect(now, client, out);
                }
            }
            Later::Deadline { client, generation } => {
                let user = &self.users[client as usize];
                let waits = user.connection.is_under_way();
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
            Later::LoadAgain { client, generation } => {
                let user = &self.users[client as usize];
                if user.generation == generation && user.connection == Connection::Connected {
                    self.load_once(now, client, out);
                }
            }
            Later::LoadDeadline { client, load } => self.load_is_late(now, client, load, out),
            Later::Nudge { client, about } => self.nudge(now, client, about, out),
            Later::Write { client } => self.write(now, client, out),
        }
    }

    fn due(&mut self, now: Nanos, out: &mut Outbox) {
        while let Some(&action) = self.plan.actions.get(self.next_action).filter(|action| action.at <= now) {
            self.next_action += 1;
            self.act(now, action.client, action.deed, out);
        }
        while let Some(due) = self.later.take_due(now) {
            due.into_iter().for_each(|later| self.later_is_now(now, later, out));
        }
        if now >= self.silence_check {
            self.silence_check = now + KEEPALIVE_PATIENCE;
            self.look_for_silence(now);
        }
    }
}

impl Node for People {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        self.ways_up.begin(now);
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
                Msg::Ended { client, signature, .. } => self.ended(now, from, client, signature, out),
                Msg::EdgeAlive { epoch } => self.edge_alive(now, from, epoch),
                _ => {}
            }
        }
        self.due(now, out);
    }

    fn next_wake(&self) -> Option<Nanos> {
        let action = self.plan.actions.get(self.next_action).map(|action| action.at);
        [action, self.later.next(), Some(self.silence_check)].into_iter().flatten().min()
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
