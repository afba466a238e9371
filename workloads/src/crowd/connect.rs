//! Tokens and connections: log in, subscribe from the cursor, read App Context; after a loss wait a little, longer each
//! time and each user differently, and do it again.

use std::cmp::Reverse;
use std::sync::Arc;

use headcount_engine::access::Role;
use headcount_engine::contract::{Nanos, NodeId, Outbox};
use headcount_engine::message::{ApiOk, Call, ChannelList, Msg, ObjectsOk, ObjectsOp};
use headcount_engine::patterns::voting::session::SessionObject;
use headcount_engine::patterns::voting::{Variant, shard};

use super::record::LateSync;
use super::{Crowd, EdgeView, Later, QUIET, tag};
use crate::client::{self, AWAY, CALL_PATIENCE, Connection, Subscribed, WIFI};

impl Crowd {
    /// Takes the next step to a connection.
    pub(super) fn connect(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if !user.joined || !user.online {
            return;
        }
        user.generation += 1;
        let generation = user.generation;
        self.waits.push_back((now + CALL_PATIENCE, client, generation));
        if user.token.is_none() {
            user.connection = Connection::LoggingIn;
            self.log_in(client, out);
        } else {
            user.connection = Connection::Subscribing;
            // Another edge after each failure.
            user.edge = ((client + u32::from(user.failures)) % self.config.edges.len() as u32) as u8;
            let cursor = user.cursor;
            let channels = self.channels(client);
            self.call(
                client,
                tag::SUBSCRIBE | u64::from(generation),
                Call::Subscribe { channels, cursor, with: None },
                out,
            );
        }
    }

    fn log_in(&mut self, client: u32, out: &mut Outbox) {
        self.record.logins += 1;
        let role = if self.plan.viewer[client as usize] { Role::Viewer } else { Role::Participant };
        let (user, session) = (self.user_id(client).into(), self.config.session_id.as_str().into());
        let tag = tag::LOGIN | u64::from(self.users[client as usize].generation);
        let after = self.last_mile(client);
        out.send_after(after, self.config.auth, Msg::Login { client, tag, user, role, session });
    }

    fn channels(&self, client: u32) -> ChannelList {
        let mut channels = ChannelList::from_iter([self.control.clone(), self.results.clone()]);
        if self.config.variant == Variant::Hardened && !self.plan.viewer[client as usize] {
            let own = shard::private_results_channel(&self.config.session_id, &self.user_id(client));
            // The token has the name already, and keeps it as long as it lasts.
            let token = self.users[client as usize].token.as_ref();
            let named = token.and_then(|token| token.grant.channels.iter().find(|(name, _)| **name == *own));
            channels.push(named.map_or_else(|| own.into(), |(name, _)| name.clone()));
        }
        channels
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
        let (cursor, messages, missed) = match Subscribed::of(msg, self.edges[user.edge as usize].life.announced()) {
            Subscribed::There { cursor, messages, missed } => (cursor, messages, missed),
            Subscribed::TokenRefused => {
                self.expire(client);
                return self.back_off(now, client);
            }
            Subscribed::NotThere => return self.back_off(now, client),
        };
        user.connection = Connection::Connected;
        user.failures = 0;
        user.cursor = cursor;
        let (edge, status) = (user.edge, user.status);
        user.since = self.edges[edge as usize].heralds;
        self.conn[client as usize] = self.conn[client as usize] & WIFI | edge;
        self.edges[edge as usize].connected += 1;
        self.online += 1;
        self.record.missed_messages += u64::from(missed);
        self.record.catch_up_messages += messages.len() as u64;
        self.count_deliveries(now, messages.len() as u64);
        for envelope in messages {
            self.show_one(now, client, &envelope, out);
        }
        if status < 3 || self.users[client as usize].shard_count == 0 {
            self.sync(now, client, out);
        }
        self.send_waiting(now, client, out);
    }

    /// Reads the session's object, as every late joiner does (voting.md 5.4, FR-7).
    pub(super) fn sync(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        user.reading += 1;
        user.asking = true;
        let reading = user.reading;
        self.syncs.push_back((now + CALL_PATIENCE, client, reading));
        let op = ObjectsOp::GetChannel { channel: self.control.clone() };
        self.call(client, tag::SYNC | u64::from(reading), Call::Objects(Box::new(op)), out);
    }

    /// A reading failed, or was not answered in time: asks again later.
    pub(super) fn sync_later(&mut self, now: Nanos, client: u32) {
        let wait = QUIET + self.throw(client) % QUIET;
        let user = &mut self.users[client as usize];
        user.synced = false;
        self.later.push(Reverse((now + wait, Later::Sync { client, reading: user.reading })));
    }

    /// The time to ask again has come: reads if there is still something to learn. Who has come to hear again, while the
    /// vote is open, learns the rest by message.
    pub(super) fn sync_now(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let (status, user) = (self.status(client), &mut self.users[client as usize]);
        if user.shard_count > 0 && status == 1 && now <= self.edges[user.edge as usize].news + QUIET {
            user.synced = true;
        } else if status < 3 || user.shard_count == 0 {
            self.record.polls += 1;
            self.sync(now, client, out);
        }
    }

    /// The session's object, as a client reads it out of an answer.
    fn session_of(&mut self, ok: &ApiOk) -> Option<Arc<SessionObject>> {
        let ApiOk::Objects(ObjectsOk::Object(object)) = ok else { return None };
        if let Some((body, session)) = &self.object
            && *body == object.body
        {
            return Some(session.clone());
        }
        let session = Arc::new(SessionObject::from_body(&object.body)?);
        self.object = Some((object.body.clone(), session.clone()));
        Some(session)
    }

    pub(super) fn synced(&mut self, now: Nanos, client: u32, reading: u32, msg: Msg, out: &mut Outbox) {
        let Msg::Answer { result, .. } = msg else { return };
        let user = &mut self.users[client as usize];
        if !user.asking || user.reading != reading {
            return;
        }
        user.asking = false;
        user.synced = result.is_ok();
        match result {
            Ok(ok) => {
                let Some(session) = self.session_of(&ok) else { return };
                let user = &mut self.users[client as usize];
                let first = user.shard_count == 0;
                user.shard_count = session.shard_count as u16;
                let total = session.tally.get("total").and_then(serde_json::Value::as_u64).unwrap_or(0);
                let status = session.status as u8;
                self.advance(client, status);
                if status == 3 {
                    let count = |id: &String| session.tally.get(id).and_then(serde_json::Value::as_u64).unwrap_or(0);
                    let counts: Vec<u64> = self.config.option_ids.iter().map(count).collect();
                    self.note_results(counts);
                }
                if first && self.plan.late[client as usize] && self.record.late_syncs.len() < 10_000 {
                    self.record.late_syncs.push(LateSync { answered: now, status, total });
                }
                // What it wanted to vote meanwhile: it knows its shard now.
                self.send_waiting(now, client, out);
            }
            Err(error) => {
                if error.status == 403 {
                    self.expire(client);
                    self.disconnect(client);
                    self.back_off(now, client);
                } else {
                    // Not there yet, or away.
                    self.sync_later(now, client);
                }
            }
        }
    }

    /// The token was refused: the next step is a new one (voting.md 9.1).
    pub(super) fn expire(&mut self, client: u32) {
        if self.users[client as usize].token.take().is_some() {
            self.record.expired_tokens += 1;
            self.record.token_refreshes += 1;
        }
    }

    /// The connection ended with its token: a new token, and on from the cursor.
    pub(super) fn ended(&mut self, now: Nanos, from: NodeId, client: u32, signature: u64) {
        let user = &self.users[client as usize];
        let connected = self.conn[client as usize] & AWAY;
        let same_edge = self.config.edges.get(usize::from(connected)) == Some(&from);
        if same_edge && user.token.as_ref().is_some_and(|token| token.signature == signature) {
            self.expire(client);
            self.disconnect(client);
            self.back_off(now, client);
        }
    }

    /// Whether this reading of App Context still waits for its answer.
    pub(super) fn waits_for_sync(&self, client: u32, reading: u32) -> bool {
        let user = &self.users[client as usize];
        user.asking && user.reading == reading && user.connection == Connection::Connected
    }

    /// Whether this attempt still waits for its answer.
    pub(super) fn waits_for(&self, client: u32, generation: u32) -> bool {
        let user = &self.users[client as usize];
        user.generation == generation && user.connection.is_under_way()
    }

    /// Tries again after a wait.
    pub(super) fn back_off(&mut self, now: Nanos, client: u32) {
        let bits = self.throw(client);
        let user = &mut self.users[client as usize];
        if !user.joined || !user.online {
            return;
        }
        let wait = client::wait(self.config.reconnect_jitter, user.failures, bits);
        user.failures = user.failures.saturating_add(1);
        user.connection = Connection::BackingOff;
        user.generation += 1;
        let generation = user.generation;
        self.later.push(Reverse((now + wait, Later::Reconnect { client, generation })));
    }

    /// The user's connection is gone.
    pub(super) fn disconnect(&mut self, client: u32) {
        self.keep_what_was_heard(client);
        let conn = &mut self.conn[client as usize];
        if *conn & AWAY != AWAY {
            self.edges[(*conn & AWAY) as usize].connected -= 1;
            self.online -= 1;
            *conn |= AWAY;
        }
    }

    pub(super) fn go_offline(&mut self, client: u32) {
        self.disconnect(client);
        let user = &mut self.users[client as usize];
        user.online = false;
        user.connection = Connection::Absent;
        user.generation += 1;
    }

    pub(super) fn go_online(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        self.users[client as usize].online = true;
        self.record.reconnects += u64::from(self.users[client as usize].joined);
        self.connect(now, client, out);
    }

    /// An edge says that it lives.
    pub(super) fn edge_alive(&mut self, now: Nanos, from: NodeId, epoch: u64) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from) else { return };
        if self.edges[edge].life.hear(now, epoch) {
            self.lose_edge(now, edge);
        }
    }

    fn lose_edge(&mut self, now: Nanos, edge: usize) {
        if self.edges[edge].connected == 0 {
            return;
        }
        for client in 0..self.users.len() as u32 {
            if self.conn[client as usize] & AWAY == edge as u8 {
                self.record.reconnects += 1;
                self.disconnect(client);
                self.back_off(now, client);
            }
        }
    }

    /// Edges that have been silent for too long are lost; users of edges without news read App Context.
    pub(super) fn look_for_silence(&mut self, now: Nanos) {
        for edge in 0..self.edges.len() {
            let EdgeView { life, news, connected, .. } = self.edges[edge];
            if connected == 0 {
                continue;
            }
            if life.is_silent(now) {
                self.lose_edge(now, edge);
            } else if now > news + QUIET {
                for client in 0..self.users.len() as u32 {
                    let user = &self.users[client as usize];
                    let status = self.status(client);
                    let curious = status < 3 && (status > 0 || user.shard_count == 0);
                    // One whose last reading failed asks again by itself.
                    if self.conn[client as usize] & AWAY == edge as u8 && curious && user.synced && !user.asking {
                        let reading = user.reading;
                        let wait = self.throw(client) % QUIET;
                        self.later.push(Reverse((now + wait, Later::Sync { client, reading })));
                    }
                }
            }
        }
    }
}
