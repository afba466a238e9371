//! What an edge holds of the channel registry: all groups, as far as it has heard.

use std::sync::Arc;

use super::{Change, Groups, Provision};
use crate::contract::{Nanos, NodeId, Outbox};
use crate::message::{Channel, StreamFrame, StreamItem};
use crate::stream::Incoming;

/// A copy of the registry's groups, following its stream. Durable: the registry does not send again what was
/// acknowledged, so groups and the place in the stream outlive the edge's process.
///
/// The edge that holds it hands on the registry's frames ([`Replica::frame`]), wakes it ([`Replica::on_wake`]), and tells it
/// when it comes up again ([`Replica::reboot`]).
#[derive(Debug)]
pub struct Replica {
    registry: NodeId,
    groups: Groups,
    incoming: Incoming,
    released: Vec<StreamItem>,
}

impl Replica {
    /// A copy that starts from the same provision as the registry at `registry`.
    pub fn new(registry: NodeId, provision: Option<Arc<dyn Provision>>) -> Self {
        Self { registry, groups: Groups::new(provision), incoming: Incoming::new(registry), released: Vec::new() }
    }

    /// The groups as known here. Numbers of names that the provision does not know are this replica's own.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The number of a group that a client subscribes to, even if the registry has not spoken of it yet.
    pub fn intern_group(&mut self, name: &Arc<str>) -> u32 {
        self.groups.intern_group(name)
    }

    /// The number of a channel that somebody publishes on, even if no group has it yet.
    pub fn intern_channel(&mut self, name: &Channel) -> u32 {
        self.groups.intern_channel(name)
    }

    /// A stream frame has come. What it changes here is appended to `changed`, in the registry's order; frames of
    /// others than the registry change nothing.
    pub fn frame(&mut self, now: Nanos, from: NodeId, frame: StreamFrame, changed: &mut Vec<Change>) {
        let StreamFrame::Data { epoch, base, first_seq, items } = frame else { return };
        if from != self.registry {
            return;
        }
        let mut released = std::mem::take(&mut self.released);
        self.incoming.on_data(now, epoch, base, first_seq, items, &mut released);
        for item in released.drain(..) {
            if let StreamItem::Group { group, channel, present } = item {
                changed.extend(self.groups.set(&group, &channel, present));
            }
        }
        self.released = released;
    }

    /// Acknowledges what is due.
    pub fn on_wake(&mut self, now: Nanos, out: &mut Outbox) {
        self.incoming.on_wake(now, out);
    }

    /// When [`Replica::on_wake`] has something to do.
    pub fn next_wake(&self) -> Option<Nanos> {
        self.incoming.next_wake()
    }

    /// The edge's process died and comes up again.
    pub fn reboot(&mut self) {
        self.incoming.reboot();
    }
}
