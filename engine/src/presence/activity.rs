//! What was said, second by second: output, for whoever looks at a run.

use std::collections::BTreeMap;

use super::event::Action;
use crate::contract::Nanos;
use crate::message::Channel;
use crate::per_second::PerSecond;

/// Events that were sent since the run began, by kind (friends-online.md 12.2, `presence.events`) and by channel.
#[derive(Debug, Default)]
pub struct Activity {
    pub joins: PerSecond,
    pub leaves: PerSecond,
    pub timeouts: PerSecond,
    pub state_changes: PerSecond,
    /// Each of everything that changed in an interval.
    pub intervals: PerSecond,
    channels: BTreeMap<Channel, PerSecond>,
}

impl Activity {
    /// An event goes out on `channel`: of one user, or (`None`) of an interval.
    pub(super) fn note(&mut self, now: Nanos, channel: &Channel, action: Option<Action>) {
        let of_kind = match action {
            Some(Action::Join) => &mut self.joins,
            Some(Action::Leave) => &mut self.leaves,
            Some(Action::Timeout) => &mut self.timeouts,
            Some(Action::StateChange) => &mut self.state_changes,
            None => &mut self.intervals,
        };
        of_kind.add(now, 1);
        match self.channels.get_mut(channel) {
            Some(events) => events.add(now, 1),
            None => self.channels.entry(channel.clone()).or_default().add(now, 1),
        }
    }

    /// Events on a channel; `None` if it never had one.
    pub fn on(&self, channel: &str) -> Option<&PerSecond> {
        self.channels.get(channel)
    }
}
