//! From an edge of one region to an edge of another, and home again.

use std::sync::Arc;

use headcount_engine::contract::{Nanos, Outbox};
use headcount_engine::message::Envelope;
use headcount_engine::timetoken::Timetoken;

use super::People;
use super::lists::News;
use crate::client::Connection;

impl People {
    /// So many regions on from home it is to this one.
    fn regions_on(&self, region: u32) -> u8 {
        ((region + self.config.regions - self.config.region) % self.config.regions) as u8
    }

    /// The region of an edge.
    fn region_of(&self, edge: u8) -> u8 {
        ((self.config.region + u32::from(edge) / self.config.edges_per_region) % self.config.regions) as u8
    }

    /// The edge that a user asks next: one of the region where it is, another one after each failure.
    pub(super) fn next_edge(&self, client: u32) -> u8 {
        let (user, edges) = (&self.users[client as usize], self.config.edges_per_region);
        (u32::from(user.abroad) * edges + (client + u32::from(user.failures)) % edges) as u8
    }

    /// The user connects in this region from now on. Whoever is connected goes on there, from its cursor; whoever is not comes
    /// there when it comes.
    pub(super) fn move_to(&mut self, now: Nanos, client: u32, region: u32, out: &mut Outbox) {
        let abroad = self.regions_on(region);
        let user = &mut self.users[client as usize];
        if std::mem::replace(&mut user.abroad, abroad) == abroad {
            return;
        }
        match user.connection {
            Connection::Connected => {
                let edge = user.edge;
                self.disconnect(now, client);
                let cursor = self.cursors[usize::from(edge)];
                self.travelling.insert(client, (cursor, self.region_of(edge)));
                self.connect(now, client, out);
            }
            // What is asked in the region that it leaves is not waited for.
            Connection::Subscribing => self.connect(now, client, out),
            Connection::Absent | Connection::LoggingIn | Connection::BackingOff => {}
        }
    }

    /// An edge gave this cursor.
    pub(super) fn reached(&mut self, edge: u8, cursor: Timetoken) {
        let known = &mut self.cursors[usize::from(edge)];
        *known = cursor.max(*known);
    }

    /// The user is connected; if it came from another region, this is what was found since its cursor.
    pub(super) fn arrived(&mut self, now: Nanos, client: u32, found: &[Arc<Envelope>]) {
        if self.travelling.remove(&client).is_none() {
            return;
        }
        self.record.region_moves += 1;
        self.record.caught_up += found.len() as u64;
        let edge = self.users[client as usize].edge;
        for envelope in found {
            // A count that was made on the way is old: the next one is shown.
            if let Some(news) = self.understand(envelope).filter(|news| !matches!(news, News::Count { .. })) {
                self.show_here(now, edge, client, news, envelope);
            }
        }
    }
}
