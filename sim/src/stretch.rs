//! A stretch of time: window after window, in which the plan does nothing. One node's task carries it for all of them.
//!
//! Waking a task and letting madsim poll it costs as much as two messages, and a window as narrow as the fastest link
//! seldom holds two of one node. So the tasks do not each wake for each window: the first node that has something to do is
//! woken, and lives through the windows with all the others, until a fault begins or ends, a node halts the world, or
//! [`STRETCH`] is over. Who carries changes nothing: each node has its own events in exact order, whoever calls it.

use crate::contract::{NEVER, Nanos, Payload};
use crate::driver::Status;
use crate::host::{Cluster, Wire};

/// About 34 ms: madsim's clock, which no node reads, is behind the world's by at most this and a window, and the tasks take
/// turns at least this often.
pub(crate) const STRETCH: Nanos = 1 << 25;

impl<M: Payload> Cluster<M> {
    /// Lives through the window that was opened and those after it.
    pub fn carry(&mut self) {
        let Self { hosts, wire, living } = self;
        let over = wire.now + STRETCH;
        loop {
            let end = wire.window_end;
            let mut working = std::mem::take(&mut wire.working);
            for index in working.drain(..) {
                let host = &mut hosts[index];
                *living = Some(host.id);
                host.live(end, wire);
            }
            *living = None;
            wire.working = working;
            wire.now = end;
            if end >= over || wire.halt != NEVER || !wire.open_next() {
                return;
            }
        }
    }
}

impl<M> Wire<M> {
    /// Opens the next window before the limit in which a node has something to do, if there is one.
    pub fn open_next(&mut self) -> bool {
        // Windows in which all that comes comes to nodes that are down or paused are over at once.
        while self.working.is_empty() {
            let local = self.next_local.iter().copied().min().unwrap_or(NEVER);
            let slot = self.wheel.first().unwrap_or(NEVER).min(local >> self.shift);
            if slot > self.limit >> self.shift {
                return false;
            }
            let start = (slot << self.shift).max(self.now);
            if start >= self.limit {
                return false;
            }
            self.wheel.advance(slot);
            let end = ((slot + 1) << self.shift).min(self.limit);
            self.open(end);
            self.now = if self.working.is_empty() { end } else { start };
        }
        true
    }

    /// Gives each node what is due before `end`, and finds those that have something to do.
    fn open(&mut self, end: Nanos) {
        self.window_end = end;
        let mut due = self.wheel.take(end);
        for packet in due.drain(..) {
            let to = packet.to.index();
            match self.status[to] {
                Status::Up => {
                    // A node that is up has an empty tray between windows.
                    if self.trays[to].is_empty() && self.next_local[to] >= end {
                        self.working.push(to);
                    }
                    self.trays[to].push(packet);
                }
                // What waits here is older than what comes once it is up again, and it sorts its mail.
                Status::Paused => self.trays[to].push(packet),
                Status::Down => self.dead_letters += 1,
            }
        }
        self.wheel.recycle(due);
        let alarmed = self.next_local.iter().enumerate().filter(|(_, local)| **local < end);
        self.working.extend(alarmed.map(|(index, _)| index));
    }
}
