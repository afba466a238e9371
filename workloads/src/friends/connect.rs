//! Tokens, connections and heartbeats.

use headcount_engine::access::Role;
use headcount_engine::contract::{Nanos, NodeId, Outbox, SECOND};
use headcount_engine::message::{ApiOk, Call, ChannelList, Msg, SubscribeWith};
use headcount_engine::patterns::friends::grants::SESSION;
use headcount_engine::patterns::friends::names::GROUPS_MAX;
use headcount_engine::timetoken::Timetoken;

use super::groups::groups_of;
use super::{Later, People, conn, tag, timers};
use crate::client::{self, CALL_PATIENCE, Connection, Subscribed, heartbeat_interval};

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
            let after = self.way_up(client, self.config.auth);
            out.send_after(after, self.config.auth, Msg::Login { client, tag, user, role: Role::User, session });
            return;
        }
        let edge = self.next_edge(client);
        let user = &mut self.users[client as usize];
        user.connection = Connection::Subscribing;
        user.edge = edge;
        // As many groups as it had when it last loaded its list.
        let groups = usize::from(user.groups);
        self.subscribe(client, groups, tag::SUBSCRIBE | u64::from(generation), out);
    }

    /// Subscribes to the user's channels and to so many of its groups. The list is loaded anew after it: what was said meanwhile
    /// need not be caught up with, but by who comes from another region with a cursor.
    fn subscribe(&mut self, client: u32, groups: usize, tag: u64, out: &mut Outbox) {
        let id = self.id(client);
        let channels = self.config.deployment.channels(self.config.variant, &id);
        let from = self.travelling.get(&client);
        let with = SubscribeWith {
            groups: groups_of(&id, groups),
            timeout_s: self.config.presence_timeout_s,
            cursor_region: from.map(|(_, region)| *region),
        };
        let cursor = from.map_or(Timetoken::ZERO, |(cursor, _)| *cursor);
        let call = Call::Subscribe { channels, cursor, with: Some(Box::new(with)) };
        self.call(client, tag, call, out);
    }

    /// The list says that there are more groups than the connection takes: it takes so many from now on. If no answer comes,
    /// the list says so once more.
    pub(super) fn regroup(&mut self, now: Nanos, client: u32, groups: usize, out: &mut Outbox) {
        self.record.regroups += 1;
        let generation = self.users[client as usize].generation;
        let tag = tag::REGROUP | (groups as u64) << 32 | u64::from(generation);
        self.subscribe(client, groups.min(GROUPS_MAX), tag, out);
        self.after(now + CALL_PATIENCE, Later::LoadAgain { client, generation });
    }

    /// The connection takes more groups.
    pub(super) fn regrouped(&mut self, now: Nanos, client: u32, tag: u64, msg: &Msg, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if user.generation != tag as u32 || user.connection != Connection::Connected {
            return;
        }
        let announced = self.edges[user.edge as usize].announced();
        match msg {
            Msg::Answer { result: Ok(ApiOk::Subscribed { epoch, .. }), .. } if *epoch >= announced => {
                user.groups = ((tag & !tag::KIND) >> 32) as u8;
                self.load_once(now, client, out);
            }
            _ => self.refused(now, client, msg, out),
        }
    }

    fn presence_channels(&self, client: u32) -> ChannelList {
        std::iter::once(self.config.deployment.presence_channel(&self.id(client))).collect()
    }

    /// Everybody has been connected since some time ago; heartbeats come at any moment of their interval.
    pub(super) fn begin_online(&mut self) {
        for client in 0..self.users.len() as u32 {
            let at = first_heartbeat(self.number(client), self.config.presence_timeout_s);
            self.after(at, Later::Heartbeat { client, generation: 0 });
            let at = self.throw(client) % self.config.reload;
            self.after(at, Later::Reload { client, generation: 0 });
        }
    }

    /// The connection is there.
    fn join(&mut self, now: Nanos, client: u32) {
        let user = &mut self.users[client as usize];
        user.connection = Connection::Connected;
        user.failures = 0;
        self.connected[usize::from(user.edge)] += 1;
        self.conn[client as usize] = conn(Some(user.edge), self.plan.wifi[client as usize]);
        self.record.moves.push((now, client, true));
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
        let edge = user.edge;
        let found = match Subscribed::of(msg, self.edges[edge as usize].announced()) {
            Subscribed::There { cursor, messages, missed } => {
                self.record.missed_messages += u64::from(missed);
                self.reached(edge, cursor);
                messages
            }
            Subscribed::TokenRefused => {
                user.token = None;
                return self.back_off(now, client);
            }
            Subscribed::NotThere => return self.back_off(now, client),
        };
        self.join(now, client);
        self.arrived(now, client, &found);
        self.load(now, client, out);
        self.schedule_heartbeat(now, client);
    }

    /// The next heartbeat is due an interval from now; sooner, if presence does not answer this one. A subscribe it never
    /// answers: should it be lost on the way, the user is not there before the first heartbeat.
    fn schedule_heartbeat(&mut self, now: Nanos, client: u32) {
        let interval = heartbeat_interval(self.config.presence_timeout_s);
        let user = &mut self.users[client as usize];
        (user.heard, user.beat_due) = (false, now + interval);
        let generation = user.generation;
        self.after(now + interval.min(CALL_PATIENCE), Later::Heartbeat { client, generation });
    }

    pub(super) fn heartbeat(&mut self, now: Nanos, client: u32, generation: u32, out: &mut Outbox) {
        let user = &self.users[client as usize];
        if user.generation != generation || user.connection != Connection::Connected {
            return;
        }
        if user.heard && now < user.beat_due {
            return self.after(user.beat_due, Later::Heartbeat { client, generation });
        }
        self.record.heartbeats += 1;
        let call =
            Call::Heartbeat { channels: self.presence_channels(client), timeout_s: self.config.presence_timeout_s };
        self.call(client, tag::HEARTBEAT, call, out);
        self.schedule_heartbeat(now, client);
    }

    /// A heartbeat is answered.
    pub(super) fn beaten(&mut self, now: Nanos, client: u32, msg: &Msg, out: &mut Outbox) {
        if matches!(msg, Msg::Answer { result: Ok(_), .. }) {
            self.users[client as usize].heard = true;
        }
        self.refused(now, client, msg, out);
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

    /// The connection ended with its token: a new token, and the list once more.
    pub(super) fn ended(&mut self, now: Nanos, from: NodeId, client: u32, signature: u64, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        let connected = user.connection == Connection::Connected && self.config.edges[usize::from(user.edge)] == from;
        if connected && user.token.as_ref().is_some_and(|token| token.signature == signature) {
            user.token = None;
            self.disconnect(now, client);
            self.connect(now, client, out);
        }
    }

    /// Tries again after a wait.
    pub(super) fn back_off(&mut self, now: Nanos, client: u32) {
        let bits = self.throw(client);
        let user = &mut self.users[client as usize];
        if !user.wanted || !user.reachable {
            return;
        }
        let wait = client::wait(self.config.reconnect_jitter, user.failures, bits);
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
            self.connected[usize::from(user.edge)] -= 1;
            self.conn[client as usize] = conn(None, self.plan.wifi[client as usize]);
            self.record.moves.push((now, client, false));
        }
        user.connection = Connection::Absent;
        user.generation += 1;
        user.load = None;
        self.travelling.remove(&client);
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

/// When a user who is online from the beginning sends its first heartbeat: the users are spread evenly over the interval.
pub(super) fn first_heartbeat(user: u32, timeout_s: u32) -> Nanos {
    // The golden ratio's multiples are spread as evenly as can be.
    let turn = u64::from(user.wrapping_mul(0x9E37_79B9));
    ((u128::from(heartbeat_interval(timeout_s)) * u128::from(turn)) >> 32) as Nanos
}

/// When the presence of such a user ends if it sends none.
pub(super) fn first_deadline(user: u32, timeout_s: u32) -> Nanos {
    // The heartbeat before the first one of the run was sent at a timer's moment too.
    timers::moment(first_heartbeat(user, timeout_s)) + Nanos::from(timeout_s) * SECOND - heartbeat_interval(timeout_s)
}
