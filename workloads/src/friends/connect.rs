//! Tokens, connections and heartbeats.

use headcount_engine::access::Role;
use headcount_engine::contract::{Nanos, NodeId, Outbox, SECOND};
use headcount_engine::message::{ApiOk, Call, ChannelList, Msg, SubscribeWith};
use headcount_engine::patterns::Variant;
use headcount_engine::patterns::friends::grants::SESSION;
use headcount_engine::patterns::friends::names;
use headcount_engine::timetoken::Timetoken;

use super::{Connection, Later, People, tag};
use crate::client::{CALL_PATIENCE, backoff};

impl People {
    /// Takes the next step to a connection.
    pub(super) fn connect(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if !user.wanted || !user.reachable {
            return;
        }
        user.generation += 1;
        let generation = user.generation;
        self.after(now + CALL_PATIENCE, Later::Deadline { client, generation });
        if self.users[client as usize].token.is_none() {
            self.users[client as usize].connection = Connection::LoggingIn;
            self.record.logins += 1;
            let (user, session) = (self.id(client).into(), SESSION.into());
            let tag = tag::LOGIN | u64::from(generation);
            let after = self.last_mile(client);
            out.send_after(after, self.config.auth, Msg::Login { client, tag, user, role: Role::User, session });
            return;
        }
        let edges = self.config.edges.len() as u32;
        let user = &mut self.users[client as usize];
        user.connection = Connection::Subscribing;
        // Another edge after each failure.
        user.edge = ((client + u32::from(user.failures)) % edges) as u8;
        let id = self.id(client);
        let mut channels = self.presence_channels(client);
        channels.push(names::GLOBAL.into());
        if self.config.variant == Variant::Hardened {
            channels.push(names::news_channel(&id).into());
        }
        // A user cannot know how many groups it has: it asks for as many as its friends on the screen may need.
        let friends = self.users[client as usize].screen.len();
        let groups = (0..names::groups_for(friends + 1)).map(|part| names::group_part(&id, part).into()).collect();
        let with = Some(Box::new(SubscribeWith { groups, timeout_s: self.config.presence_timeout_s }));
        // The list is loaded anew: what was said meanwhile need not be caught up with.
        let call = Call::Subscribe { channels, cursor: Timetoken::ZERO, with };
        self.call(client, tag::SUBSCRIBE | u64::from(generation), call, out);
    }

    fn presence_channels(&self, client: u32) -> ChannelList {
        let shard = names::shard_of(&self.id(client), self.config.shards);
        std::iter::once(names::presence_channel(shard).into()).collect()
    }

    pub(super) fn logged_in(&mut self, now: Nanos, client: u32, generation: u32, msg: Msg, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if user.generation != generation || user.connection != Connection::LoggingIn {
            return;
        }
        match msg {
            Msg::LoggedIn { result: Ok(token), .. } => {
                user.token = Some(token);
                self.connect(now, client, out);
            }
            _ => self.back_off(now, client),
        }
    }

    pub(super) fn subscribed(&mut self, now: Nanos, client: u32, generation: u32, msg: Msg, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if user.generation != generation || user.connection != Connection::Subscribing {
            return;
        }
        let announced = self.edges[user.edge as usize].epoch.unwrap_or(0);
        match msg {
            Msg::Answer { result: Ok(ApiOk::Subscribed { epoch, missed, .. }), .. } if epoch >= announced => {
                self.record.missed_messages += u64::from(missed);
            }
            Msg::Answer { result: Err(error), .. } => {
                if error.status == 403 {
                    user.token = None;
                }
                return self.back_off(now, client);
            }
            // A connection of an epoch that is over: it is gone before it came.
            _ => return self.back_off(now, client),
        }
        user.connection = Connection::Connected;
        user.failures = 0;
        self.record.online[client as usize].push((now, true));
        self.load(now, client, out);
        self.schedule_heartbeat(now, client);
    }

    fn schedule_heartbeat(&mut self, now: Nanos, client: u32) {
        let generation = self.users[client as usize].generation;
        // timeout / 2 - 1, as every client library has it (platform.md 2.5).
        let interval = Nanos::from(self.config.presence_timeout_s / 2 - 1) * SECOND;
        self.after(now + interval, Later::Heartbeat { client, generation });
    }

    pub(super) fn heartbeat(&mut self, now: Nanos, client: u32, generation: u32, out: &mut Outbox) {
        let user = &self.users[client as usize];
        if user.generation != generation || user.connection != Connection::Connected {
            return;
        }
        self.record.heartbeats += 1;
        let call =
            Call::Heartbeat { channels: self.presence_channels(client), timeout_s: self.config.presence_timeout_s };
        self.call(client, tag::HEARTBEAT, call, out);
        self.schedule_heartbeat(now, client);
    }

    /// A refusal with 403 means a new token.
    pub(super) fn refused(&mut self, now: Nanos, client: u32, msg: &Msg, out: &mut Outbox) {
        if let Msg::Answer { result: Err(error), .. } = msg {
            self.record.second(now).errors += 1;
            if error.status == 403 {
                self.users[client as usize].token = None;
                self.disconnect(now, client);
                self.connect(now, client, out);
            }
        }
    }

    /// Tries again after a wait.
    pub(super) fn back_off(&mut self, now: Nanos, client: u32) {
        let bits = self.throw(client);
        let user = &mut self.users[client as usize];
        if !user.wanted || !user.reachable {
            return;
        }
        let wait = backoff(user.failures, bits);
        user.failures = user.failures.saturating_add(1);
        user.connection = Connection::BackingOff;
        user.generation += 1;
        let generation = user.generation;
        self.after(now + wait, Later::Reconnect { client, generation });
    }

    /// The user's connection is gone.
    pub(super) fn disconnect(&mut self, now: Nanos, client: u32) {
        let user = &mut self.users[client as usize];
        if user.connection == Connection::Connected {
            self.record.online[client as usize].push((now, false));
        }
        user.connection = Connection::Absent;
        user.generation += 1;
        user.load = None;
    }

    /// An edge says that it lives.
    pub(super) fn edge_alive(&mut self, now: Nanos, from: NodeId, epoch: u64) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from) else { return };
        if self.edges[edge].hear(now, epoch) {
            self.lose_edge(now, edge);
        }
    }

    /// Edges that have been silent for too long are lost.
    pub(super) fn look_for_silence(&mut self, now: Nanos) {
        for edge in 0..self.edges.len() {
            if self.edges[edge].is_silent(now) {
                self.lose_edge(now, edge);
            }
        }
    }

    fn lose_edge(&mut self, now: Nanos, edge: usize) {
        for client in 0..self.users.len() as u32 {
            let user = &self.users[client as usize];
            if user.connection == Connection::Connected && user.edge as usize == edge {
                self.record.reconnects += 1;
                self.disconnect(now, client);
                self.back_off(now, client);
            }
        }
    }
}
