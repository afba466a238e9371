//! Tokens, connections and heartbeats.

use headcount_engine::access::Role;
use headcount_engine::contract::{Nanos, NodeId, Outbox};
use headcount_engine::message::{Call, ChannelList, Msg, SubscribeWith};
use headcount_engine::timetoken::Timetoken;

use super::{Later, Users, tag};
use crate::client::{CALL_PATIENCE, Connection, Subscribed, heartbeat_interval};
use crate::crowd::plan::user_id;
use crate::systems::record::{Fate, Outage};

impl Users {
    /// Takes the next step to a connection.
    pub(super) fn connect(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let number = self.user_of(client);
        let user = &mut self.users[client as usize];
        if user.leaving {
            return;
        }
        user.generation += 1;
        let generation = user.generation;
        self.later.set(now + CALL_PATIENCE, Later::Deadline { client, generation });
        let user = &mut self.users[client as usize];
        if user.token.is_none() {
            user.connection = Connection::LoggingIn;
            self.record.logins += 1;
            let (name, session) = (user_id(number).into(), self.config.system.word().into());
            let (tag, after) = (tag::LOGIN | u64::from(generation), self.last_mile(client));
            let login = Msg::Login { client, tag, user: name, role: Role::User, session };
            return out.send_after(after, self.config.auth, login);
        }
        let channels = self.config.system.channels(&self.config.scenario, number);
        if channels.is_empty() {
            return self.connected(now, client, out);
        }
        user.connection = Connection::Subscribing;
        // Another edge after each failure.
        user.edge = ((client + u32::from(user.failures)) % self.config.edges.len() as u32) as u8;
        let cursor = user.cursor;
        let call = self.subscription(channels, cursor);
        self.call(client, tag::SUBSCRIBE | u64::from(generation), call, out);
    }

    /// A subscribe, with presence where the system has it.
    pub(super) fn subscription(&self, channels: ChannelList, cursor: Timetoken) -> Call {
        let timeout_s = self.config.system.presence_timeout_s(&self.config.scenario);
        let with = (timeout_s > 0).then(|| Box::new(SubscribeWith { timeout_s, ..SubscribeWith::default() }));
        Call::Subscribe { channels, cursor, with }
    }

    pub(super) fn logged_in(&mut self, now: Nanos, client: u32, generation: u32, msg: Msg, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if user.generation != generation || user.connection != Connection::LoggingIn {
            return;
        }
        match msg {
            Msg::LoggedIn { result: Ok(token), .. } => {
                user.renewing = false;
                self.take_token(now, client, token);
                self.connect(now, client, out);
            }
            _ if user.renewing && !self.rules.tries_refresh_again => self.stand_still(client),
            _ => self.back_off(now, client),
        }
    }

    pub(super) fn subscribed(&mut self, now: Nanos, client: u32, generation: u32, msg: Msg, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if user.generation != generation || user.connection != Connection::Subscribing {
            return;
        }
        match Subscribed::of(msg, self.edges[usize::from(user.edge)].life.announced()) {
            Subscribed::There { cursor, messages, missed } => {
                user.cursor = cursor;
                self.record.missed_messages += u64::from(missed);
                self.record.catch_up_messages += messages.len() as u64;
                self.connected(now, client, out);
                messages.into_iter().for_each(|envelope| self.hear_one(now, client, envelope));
            }
            Subscribed::TokenRefused => self.renew_token(now, client),
            Subscribed::NotThere => self.back_off(now, client),
        }
    }

    /// The connection is there: what waited for it is done.
    fn connected(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        user.connection = Connection::Connected;
        (user.failures, user.resubscribing) = (0, false);
        let edge = &mut self.edges[usize::from(user.edge)];
        edge.connected += 1;
        edge.listeners += u32::from(user.cursor > Timetoken::ZERO);
        self.record.second(now).moves += 1;
        self.note_back(now, client, false);
        self.schedule_heartbeat(now, client);
        for place in self.waiting.remove(&client).unwrap_or_default() {
            self.attempt(now, place, out);
        }
    }

    fn schedule_heartbeat(&mut self, now: Nanos, client: u32) {
        let timeout_s = self.config.system.presence_timeout_s(&self.config.scenario);
        if timeout_s > 0 {
            let generation = self.users[client as usize].generation;
            let at = now + heartbeat_interval(timeout_s);
            self.later.set(at, Later::Heartbeat { client, generation });
        }
    }

    pub(super) fn heartbeat(&mut self, now: Nanos, client: u32, generation: u32, out: &mut Outbox) {
        let user = &self.users[client as usize];
        if user.generation == generation && user.connection == Connection::Connected {
            let channels = self.config.system.channels(&self.config.scenario, self.user_of(client));
            let timeout_s = self.config.system.presence_timeout_s(&self.config.scenario);
            self.call(client, tag::HEARTBEAT, Call::Heartbeat { channels, timeout_s }, out);
            self.schedule_heartbeat(now, client);
        }
    }

    /// A heartbeat that is refused with 403 means a new token.
    pub(super) fn beaten(&mut self, now: Nanos, client: u32, msg: &Msg) {
        if let Msg::Answer { result: Err(error), .. } = msg
            && error.status == 403
        {
            self.renew_token(now, client);
        }
    }

    /// The token is no good: a new one, and on from the cursor.
    pub(super) fn renew_token(&mut self, now: Nanos, client: u32) {
        let user = &mut self.users[client as usize];
        if !user.leaving {
            (user.token, user.renewing) = (None, true);
        }
        self.disconnect(now, client);
        self.back_off(now, client);
    }

    /// The connection ended with its token.
    pub(super) fn ended(&mut self, now: Nanos, from: NodeId, client: u32, signature: u64) {
        let user = &self.users[client as usize];
        let connected = user.connection == Connection::Connected && self.config.edges[usize::from(user.edge)] == from;
        if connected && user.token.as_ref().is_some_and(|token| token.signature == signature) {
            self.renew_token(now, client);
        }
    }

    /// A call to connect has not been answered.
    pub(super) fn silent(&mut self, now: Nanos, client: u32) {
        let user = &self.users[client as usize];
        let rules = &self.rules;
        match user.connection {
            Connection::LoggingIn if user.renewing && !rules.tries_refresh_again => self.stand_still(client),
            Connection::Subscribing if !rules.minds_silence => self.stand_still(client),
            _ => self.back_off(now, client),
        }
    }

    /// Does nothing more of itself.
    fn stand_still(&mut self, client: u32) {
        let user = &mut self.users[client as usize];
        user.connection = Connection::Absent;
        user.generation += 1;
    }

    /// Says that it has given up.
    fn give_up(&mut self, now: Nanos, client: u32) {
        self.stand_still(client);
        self.users[client as usize].gone = true;
        self.note_back(now, client, true);
        for place in self.waiting.remove(&client).unwrap_or_default() {
            self.settle(now, place, Fate::GaveUp);
        }
    }

    /// From now on it is without a connection.
    pub(super) fn note_away(&mut self, now: Nanos, client: u32) {
        if self.rules.attempts_max.is_some() {
            self.record.away.entry(client).or_insert(now);
        }
    }

    fn note_back(&mut self, now: Nanos, client: u32, gave_up: bool) {
        if let Some(from) = self.record.away.remove(&client) {
            self.record.outages.push(Outage { client, from, to: now, gave_up });
        }
    }

    /// Tries again after a wait, or gives up.
    pub(super) fn back_off(&mut self, now: Nanos, client: u32) {
        let failures = self.users[client as usize].failures;
        if self.users[client as usize].leaving {
            return self.stand_still(client);
        }
        if self.rules.attempts_max.is_some_and(|max| failures >= max) {
            return self.give_up(now, client);
        }
        let bits = self.throw(client);
        let user = &mut self.users[client as usize];
        let wait = self.rules.wait(user.failures, bits);
        user.failures = user.failures.saturating_add(1);
        user.connection = Connection::BackingOff;
        user.generation += 1;
        let generation = user.generation;
        self.later.set(now + wait, Later::Reconnect { client, generation });
    }

    /// The user's connection is gone; it keeps its place in what it heard.
    pub(super) fn disconnect(&mut self, now: Nanos, client: u32) {
        let user = &mut self.users[client as usize];
        if user.connection == Connection::Connected {
            let edge = &mut self.edges[usize::from(user.edge)];
            edge.connected -= 1;
            if user.cursor > Timetoken::ZERO {
                edge.listeners -= 1;
                user.cursor = user.cursor.max(edge.cursor);
            }
            self.record.second(now).moves -= 1;
            self.note_away(now, client);
        }
        let user = &mut self.users[client as usize];
        user.connection = Connection::Absent;
        user.generation += 1;
    }

    /// The user closes the app.
    pub(super) fn close(&mut self, now: Nanos, client: u32, says_so: bool, for_good: bool, out: &mut Outbox) {
        if says_so && self.users[client as usize].connection == Connection::Connected {
            self.call(client, tag::CLOSE, Call::Unsubscribe, out);
        }
        self.disconnect(now, client);
        let user = &mut self.users[client as usize];
        (user.joined, user.gone) = (false, for_good);
        if for_good {
            // What waited for the connection learns that there will be none.
            for place in self.waiting.remove(&client).unwrap_or_default() {
                self.attempt(now, place, out);
            }
        }
    }

    /// An edge says that it lives.
    pub(super) fn edge_alive(&mut self, now: Nanos, from: NodeId, epoch: u64) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from) else { return };
        if self.edges[edge].life.hear(now, epoch) {
            self.lose_edge(now, edge);
        }
    }

    /// Edges that have been silent for too long are lost.
    pub(super) fn look_for_silence(&mut self, now: Nanos) {
        for edge in 0..self.edges.len() {
            if self.edges[edge].life.is_silent(now) {
                self.lose_edge(now, edge);
            }
        }
    }

    fn lose_edge(&mut self, now: Nanos, edge: usize) {
        if self.edges[edge].connected == 0 {
            return;
        }
        for client in 0..self.users.len() as u32 {
            let user = &self.users[client as usize];
            if user.connection == Connection::Connected && usize::from(user.edge) == edge {
                self.record.reconnects += 1;
                self.disconnect(now, client);
                self.back_off(now, client);
            }
        }
    }
}
