//! What an edge asks its broker for on nobody's behalf: channels that come through groups. It is asked again until the broker
//! says yes, for no client waits for the answer and would ask again.

use crate::contract::{Nanos, NodeId, Outbox, SECOND};
use crate::message::{Attach, ChannelList, Msg};
use crate::timetoken::Timetoken;

/// Between two askings.
const AGAIN: Nanos = SECOND;
/// The bit that tells the tags of standing requests from those of clients' calls.
const OWN: u64 = 1 << 63;

/// Requests that have not been answered.
#[derive(Debug, Default)]
pub struct Standing {
    asked: Vec<(u64, Nanos, ChannelList)>,
    next: u64,
}

impl Standing {
    /// Whether an answer with this tag is for a standing request.
    pub fn is_own(tag: u64) -> bool {
        tag & OWN != 0
    }

    /// The edge begins anew, and asks for nothing yet. Late answers to what it asked before are nobody's: tags go on.
    pub fn clear(&mut self) {
        self.asked.clear();
    }

    /// These channels shall come here from now on.
    pub fn want(&mut self, now: Nanos, channels: ChannelList) {
        if !channels.is_empty() {
            self.asked.push((OWN | self.next, now, channels));
            self.next += 1;
        }
    }

    /// Whether everything asked for comes.
    pub fn is_served(&self) -> bool {
        self.asked.is_empty()
    }

    /// The broker said yes.
    pub fn served(&mut self, tag: u64) {
        self.asked.retain(|(asked, ..)| *asked != tag);
    }

    /// Asks for what is due.
    pub fn on_wake(&mut self, now: Nanos, epoch: u64, broker: NodeId, out: &mut Outbox) {
        for (tag, due, channels) in self.asked.iter_mut().filter(|(_, due, _)| *due <= now) {
            let (tag, channels) = (*tag, channels.clone());
            let attach =
                Attach { tag, epoch, channels, cursor: Timetoken::ZERO, cursor_region: None, also: Box::default() };
            out.send(broker, Msg::Attach(Box::new(attach)));
            *due = now + AGAIN;
        }
    }

    /// When [`Standing::on_wake`] has something to do.
    pub fn next_wake(&self) -> Option<Nanos> {
        self.asked.iter().map(|(_, due, _)| *due).min()
    }
}
