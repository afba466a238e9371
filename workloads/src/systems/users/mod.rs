//! The users of a system: all of one region, one node, dense rows. They log in, subscribe, come back after a loss, do what
//! the plan says until it is answered, and note what they hear.

mod acts;
mod connect;
mod hear;
pub mod rules;
mod tokens;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_engine::access::Token;
use headcount_engine::contract::{Input, KEEPALIVE_PATIENCE, Nanos, Node, NodeId, Outbox};
use headcount_engine::message::{Call, Msg, Request};
use headcount_engine::timetoken::Timetoken;
use headcount_sim::CounterHash;
use rustc_hash::FxHashMap;

use super::System;
use super::plan::{Absence, Plan};
use super::record::{Fate, Record};
use crate::client::{Connection, EdgeLife, LastMiles};
use crate::crowd::plan::{place_of, user_at, user_id};
use crate::friends::timers::Timers;
use crate::scenario::Scenario;
use rules::ClientRules;

/// What these users are and whom they talk to.
pub struct UsersConfig {
    pub system: &'static dyn System,
    pub scenario: Arc<Scenario>,
    pub region: u32,
    pub edges: Vec<NodeId>,
    pub auth: NodeId,
    /// Where On Request Functions of this region are called; workers take turns.
    pub endpoints: Vec<NodeId>,
    /// Outside services by the base of their addresses.
    pub services: Vec<(&'static str, NodeId)>,
    pub last_miles: LastMiles,
    pub dice: CounterHash,
}

/// A hundred thousand of them: no more than 32 bytes each.
#[derive(Debug)]
struct User {
    token: Option<Arc<Token>>,
    cursor: Timetoken,
    generation: u32,
    throws: u32,
    connection: Connection,
    joined: bool,
    edge: u8,
    failures: u8,
    /// Its token was refused, and it has asked for a new one.
    renewing: bool,
    /// It has a new token, and has not heard from the edge since.
    resubscribing: bool,
    /// It has said goodbye, or is about to.
    leaving: bool,
    /// It has given up, or closed the app for good.
    gone: bool,
}

const _: () = assert!(size_of::<User>() <= 32);

/// What clients know of an edge.
#[derive(Clone, Copy, Debug, Default)]
struct EdgeView {
    life: EdgeLife,
    connected: u32,
    /// Of those, who have subscribed to something.
    listeners: u32,
    /// After the last message that everybody connected to it heard.
    cursor: Timetoken,
}

/// What a user does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Later {
    Join {
        client: u32,
    },
    /// The user closes the app.
    Close {
        client: u32,
        says_so: bool,
        for_good: bool,
    },
    Reconnect {
        client: u32,
        generation: u32,
    },
    Deadline {
        client: u32,
        generation: u32,
    },
    Heartbeat {
        client: u32,
        generation: u32,
    },
    /// The token of this signature is to be refreshed.
    Refresh {
        client: u32,
        signature: u64,
    },
    /// The edge has not answered to the new token.
    Resubscribe {
        client: u32,
        generation: u32,
    },
    /// The answer to an attempt at an act is overdue.
    Overdue {
        place: u32,
        attempt: u16,
    },
    Again {
        place: u32,
        attempt: u16,
    },
}

/// What kind of call a tag belongs to: its top byte.
mod tag {
    pub const LOGIN: u64 = 1 << 56;
    pub const SUBSCRIBE: u64 = 2 << 56;
    pub const HEARTBEAT: u64 = 3 << 56;
    pub const ACT: u64 = 4 << 56;
    pub const REFRESH: u64 = 5 << 56;
    pub const RESUBSCRIBE: u64 = 6 << 56;
    pub const CLOSE: u64 = 7 << 56;
    pub const KIND: u64 = 0xff << 56;
}

/// The users node.
pub struct Users {
    config: UsersConfig,
    rules: ClientRules,
    plan: Arc<Plan>,
    next_act: usize,
    users: Vec<User>,
    edges: Vec<EdgeView>,
    later: Timers<Later>,
    silence_check: Nanos,
    /// By client: the acts, by place, that wait for its connection.
    waiting: BTreeMap<u32, Vec<u32>>,
    /// By region and timetoken: which of the messages heard.
    known: FxHashMap<(u8, Timetoken), u32>,
    turn: usize,
    /// By client: the token before the last refresh, or that of the goodbye.
    old_tokens: BTreeMap<u32, Arc<Token>>,
    record: Record,
}

impl Users {
    /// Users who have not opened the app yet.
    pub fn new(config: UsersConfig, plan: Arc<Plan>) -> Self {
        let numbers = plan.of_region(config.region);
        let done = vec![Default::default(); numbers.len()];
        let mut later = Timers::new();
        let mut users = Vec::new();
        for (client, user) in plan.users_of(config.region).enumerate() {
            later.set(plan.joins[user as usize], Later::Join { client: client as u32 });
            users.push(User {
                token: None,
                cursor: Timetoken::ZERO,
                generation: 0,
                throws: 0,
                connection: Connection::Absent,
                joined: false,
                edge: 0,
                failures: 0,
                renewing: false,
                resubscribing: false,
                leaving: false,
                gone: false,
            });
        }
        let (regions, here) = (plan.regions, config.region);
        let ours = plan.absences.iter().filter(|absence| place_of(absence.user, regions).0 == here);
        for Absence { user, from, to, says_so } in ours.copied() {
            let (_, client) = place_of(user, regions);
            later.set(from, Later::Close { client, says_so, for_good: to.is_none() });
            if let Some(to) = to {
                later.set(to, Later::Join { client });
            }
        }
        Self {
            rules: config.system.client(&config.scenario),
            next_act: 0,
            users,
            edges: vec![EdgeView::default(); config.edges.len()],
            later,
            silence_check: KEEPALIVE_PATIENCE,
            waiting: BTreeMap::new(),
            known: FxHashMap::default(),
            turn: 0,
            old_tokens: BTreeMap::new(),
            record: Record { numbers, done, ..Record::default() },
            config,
            plan,
        }
    }

    /// What they saw.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What has not come true yet, one line a kind.
    pub fn pending(&self) -> Vec<String> {
        let mut pending = Vec::new();
        let is_away = |user: &&User| user.joined && !user.gone && user.connection != Connection::Connected;
        let away = self.users.iter().filter(is_away).count();
        if away > 0 {
            pending.push(format!("{away} users not connected"));
        }
        let mut open = self.record.done.iter().enumerate().filter(|(_, done)| done.fate == Fate::Open);
        if let Some((place, _)) = open.next() {
            let act = &self.plan.acts[self.record.numbers[place] as usize];
            let kind = self.config.system.kinds()[usize::from(act.kind)];
            pending.push(format!("{} acts not answered, first {}'s {kind}", open.count() + 1, user_id(act.user)));
        }
        pending
    }

    /// Who has subscribed has a place in what is heard.
    fn listens(&self, client: u32) -> bool {
        self.users[client as usize].cursor > Timetoken::ZERO
    }

    fn user_of(&self, client: u32) -> u32 {
        user_at(self.config.region, client, self.plan.regions)
    }

    fn throw(&mut self, client: u32) -> u64 {
        let user = &mut self.users[client as usize];
        user.throws += 1;
        self.config.dice.hash(u64::from(client), u64::from(user.throws))
    }

    /// One way over the user's last mile.
    fn last_mile(&mut self, client: u32) -> Nanos {
        let bits = self.throw(client);
        let wifi = self.plan.wifi[self.user_of(client) as usize];
        self.config.last_miles.draw(wifi, bits)
    }

    /// A call of this user to its edge.
    fn call(&mut self, client: u32, tag: u64, call: Call, out: &mut Outbox) {
        let token = self.users[client as usize].token.clone();
        self.call_with(client, tag, token, call, out);
    }

    fn call_with(&mut self, client: u32, tag: u64, token: Option<Arc<Token>>, call: Call, out: &mut Outbox) {
        let edge = self.config.edges[usize::from(self.users[client as usize].edge)];
        let (after, client_ip) = (self.last_mile(client), 0x0C00_0000 | self.user_of(client));
        out.send_after(after, edge, Msg::Request(Box::new(Request { client, tag, client_ip, token, call })));
    }

    fn later_is_now(&mut self, now: Nanos, later: Later, out: &mut Outbox) {
        match later {
            Later::Join { client } => {
                self.users[client as usize].joined = true;
                self.note_away(now, client);
                self.connect(now, client, out);
            }
            Later::Close { client, says_so, for_good } => self.close(now, client, says_so, for_good, out),
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
                    self.silent(now, client);
                }
            }
            Later::Refresh { client, signature } => self.refresh(now, client, signature, out),
            Later::Resubscribe { client, generation } => self.not_resubscribed(now, client, generation, out),
            Later::Heartbeat { client, generation } => self.heartbeat(now, client, generation, out),
            Later::Overdue { place, attempt } => self.overdue(now, place, attempt, out),
            Later::Again { place, attempt } => self.again(now, place, attempt, out),
        }
    }

    fn due(&mut self, now: Nanos, out: &mut Outbox) {
        while let Some(&number) = self.record.numbers.get(self.next_act) {
            if self.plan.acts[number as usize].at > now {
                break;
            }
            let place = self.next_act as u32;
            self.next_act += 1;
            self.attempt(now, place, out);
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

impl Node for Users {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        if let Input::Message { from, msg } = input {
            match msg {
                Msg::Deliver(delivery) => self.deliver(now, from, delivery),
                Msg::Polled { client, messages, cursor, missed } => {
                    self.record.missed_messages += u64::from(missed);
                    self.polled(now, from, client, messages, cursor);
                }
                Msg::Answer { client, tag, .. } | Msg::LoggedIn { client, tag, .. } => match tag & tag::KIND {
                    tag::LOGIN => self.logged_in(now, client, tag as u32, msg, out),
                    tag::SUBSCRIBE => self.subscribed(now, client, tag as u32, msg, out),
                    tag::HEARTBEAT => self.beaten(now, client, &msg),
                    tag::REFRESH => self.refreshed(now, client, msg, out),
                    tag::RESUBSCRIBE => self.resubscribed(now, client, tag as u32, msg),
                    tag::ACT => self.answered(now, tag as u32, msg),
                    _ => {}
                },
                Msg::HttpAnswer { tag, .. } if tag & tag::KIND == tag::ACT => self.answered(now, tag as u32, msg),
                Msg::LoggedOut { tag, .. } if tag & tag::KIND == tag::ACT => self.answered(now, tag as u32, msg),
                Msg::Ended { client, signature, .. } => self.ended(now, from, client, signature),
                Msg::EdgeAlive { epoch } => self.edge_alive(now, from, epoch),
                _ => {}
            }
        }
        self.due(now, out);
    }

    fn next_wake(&self) -> Option<Nanos> {
        let act = self.record.numbers.get(self.next_act).map(|number| self.plan.acts[*number as usize].at);
        [act, self.later.next(), Some(self.silence_check)].into_iter().flatten().min()
    }

    /// Users are many devices and never die as one.
    fn reboot(&mut self, _now: Nanos) {}

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
