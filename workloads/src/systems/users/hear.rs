//! What users hear: a broadcast is one message for all who are connected to an edge.

use std::sync::Arc;

use headcount_engine::contract::{Nanos, NodeId};
use headcount_engine::message::{Delivery, Envelope, Recipients};
use headcount_engine::timetoken::Timetoken;

use super::Users;
use crate::client::Connection;
use crate::systems::record::{Heard, NOTED_USERS_MAX};

/// Last miles drawn for a broadcast's latency: each stands for an equal share of those who hear it.
const DRAWS: u32 = 8;

impl Users {
    fn is_at(&self, client: u32, edge: usize) -> bool {
        let user = &self.users[client as usize];
        user.connection == Connection::Connected && usize::from(user.edge) == edge && self.listens(client)
    }

    pub(super) fn deliver(&mut self, now: Nanos, from: NodeId, delivery: Delivery) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from) else { return };
        let Delivery { to, envelope, cursor } = delivery;
        match to {
            Recipients::One(client) => self.deliver_one(now, edge, client, envelope, cursor),
            Recipients::These(clients) => {
                for &client in &*clients {
                    self.deliver_one(now, edge, client, envelope.clone(), cursor);
                }
            }
            // These users are in no channel group.
            Recipients::Members(_) => {}
            Recipients::Subscribers => {
                self.edges[edge].cursor = self.edges[edge].cursor.max(cursor);
                let message = self.message(now, envelope);
                if self.notes_each() {
                    for client in 0..self.users.len() as u32 {
                        if self.is_at(client, edge) {
                            self.note(now, message, client);
                        }
                    }
                    return;
                }
                let listeners = self.edges[edge].listeners;
                self.count(now, message, listeners);
                if listeners > 0 {
                    for draw in 0..DRAWS.min(listeners) {
                        let client = draw * (self.users.len() as u32 / DRAWS.min(listeners));
                        self.shown(now, message, client, listeners / DRAWS.min(listeners));
                    }
                }
            }
        }
    }

    fn deliver_one(&mut self, now: Nanos, edge: usize, client: u32, envelope: Arc<Envelope>, cursor: Timetoken) {
        if self.is_at(client, edge) {
            let user = &mut self.users[client as usize];
            user.cursor = user.cursor.max(cursor);
            self.hear_one(now, client, envelope);
        }
    }

    /// What waited for one user's poll.
    pub(super) fn polled(
        &mut self,
        now: Nanos,
        from: NodeId,
        client: u32,
        messages: Vec<Arc<Envelope>>,
        cursor: Timetoken,
    ) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from) else { return };
        for envelope in messages {
            self.deliver_one(now, edge, client, envelope, cursor);
        }
    }

    /// One user hears a message.
    pub(super) fn hear_one(&mut self, now: Nanos, client: u32, envelope: Arc<Envelope>) {
        let message = self.message(now, envelope);
        self.note(now, message, client);
    }

    fn note(&mut self, now: Nanos, message: u32, client: u32) {
        self.count(now, message, 1);
        self.shown(now, message, client, 1);
        if self.notes_each() {
            self.record.told.push((client, message));
        }
    }

    fn notes_each(&self) -> bool {
        self.plan.joins.len() as u32 <= NOTED_USERS_MAX
    }

    fn count(&mut self, now: Nanos, message: u32, listeners: u32) {
        self.record.heard[message as usize].deliveries += listeners;
        self.record.second(now).deliveries += u64::from(listeners);
    }

    /// The effect of an act is on so many screens, a last mile later.
    fn shown(&mut self, now: Nanos, message: u32, client: u32, screens: u32) {
        if let Some(act) = self.record.heard[message as usize].shows {
            let after = self.last_mile(client);
            let micros = (now + after).saturating_sub(self.plan.acts[act as usize].at) / 1_000;
            self.record.effects.second(now).record_many(micros, screens);
        }
    }

    /// The message's place among those heard.
    fn message(&mut self, now: Nanos, envelope: Arc<Envelope>) -> u32 {
        let next = self.record.heard.len() as u32;
        let message = *self.known.entry((envelope.region, envelope.timetoken)).or_insert(next);
        if message == next {
            let acts = self.plan.acts.len() as u32;
            let shows = self.config.system.shows(&envelope).filter(|act| *act < acts);
            self.record.heard.push(Heard { envelope, at: now, deliveries: 0, shows });
        }
        message
    }
}
