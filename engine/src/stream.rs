//! Reliable ordered streams between two infrastructure nodes over a network that loses, repeats and reorders.
//!
//! An [`Outgoing`] end numbers items from 0, sends them in frames and keeps them until they are acknowledged; after a
//! retransmit timeout without progress it sends its whole window again, and waits twice as long the next time. An
//! [`Incoming`] end releases items in order, each once, and acknowledges cumulatively after a short delay. An idle
//! stream sends nothing.
//!
//! **When an end dies.**
//! - A sender whose log is durable calls [`Outgoing::reboot`]: numbers and unacknowledged items are still there, and
//!   all of them are sent again. A sender that lost its log makes a new one with a higher epoch, numbered from 0; the
//!   receiver drops what it had of the older epoch, and ignores frames of that one from then on.
//! - A receiver whose place is durable calls [`Incoming::reboot`]: it keeps its place and drops what came out of order
//!   (never acknowledged, so it comes again). A receiver that lost its place makes a new end, and takes its place from
//!   the `base` of the first frame it hears: what was acknowledged before the crash is the receiver's own durable
//!   business, what was not comes again. Only in this last case can an item be released twice, once on either side
//!   of the crash.

use std::collections::{BTreeMap, VecDeque};

use crate::contract::{MS, Nanos, NodeId, Outbox, SECOND};
use crate::message::{Msg, StreamFrame, StreamItem};
use crate::planted::{Bug, has};

/// How an [`Outgoing`] end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Most items in one frame, at least 1.
    pub frame_items_max: usize,
    /// Most items sent and not acknowledged, at least 1; the rest waits.
    pub window_items_max: usize,
    /// Wait without progress before the window is sent again; more than a round trip plus [`ACK_DELAY`].
    pub retransmit_after: Nanos,
    /// That wait doubles each time without progress, up to this.
    pub retransmit_after_max: Nanos,
}

impl StreamOptions {
    /// For links between regions: round trips up to 400 ms, and up to 65,536 items on their way.
    pub const fn wide_area() -> Self {
        Self {
            frame_items_max: 512,
            window_items_max: 65_536,
            retransmit_after: SECOND,
            retransmit_after_max: 8 * SECOND,
        }
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::wide_area()
    }
}

/// How long a receiver waits with an acknowledgement for more frames to come.
pub const ACK_DELAY: Nanos = 100 * MS;
/// After so many frames it waits no longer.
pub const ACK_FRAMES_MAX: u32 = 64;
/// How many frames that came too early a receiver keeps; it drops further ones, and they come again.
pub const EARLY_FRAMES_MAX: usize = 1_024;

/// The sending end.
#[derive(Debug)]
pub struct Outgoing {
    peer: NodeId,
    epoch: u64,
    options: StreamOptions,
    /// The number of `log[0]`: everything below is acknowledged.
    base: u64,
    /// Pushed and not acknowledged.
    log: VecDeque<StreamItem>,
    /// How many of `log` have been sent at least once since the start or the last reboot.
    sent: usize,
    /// When the window is sent again.
    retransmit_at: Option<Nanos>,
    retransmit_after: Nanos,
    /// Set when the window was full at the last flush: an acknowledgement then sends more without being asked.
    held_back: bool,
    /// There is room again for what was held back.
    send_at: Option<Nanos>,
}

impl Outgoing {
    /// An empty stream to `peer`. `epoch` must be higher than any that this node used to this peer for a log that it
    /// has lost: a boot count, or the time of the boot.
    pub fn new(peer: NodeId, epoch: u64, options: StreamOptions) -> Self {
        assert!(options.frame_items_max > 0 && options.window_items_max > 0, "a frame holds at least one item");
        Self {
            peer,
            epoch,
            options,
            base: 0,
            log: VecDeque::new(),
            sent: 0,
            retransmit_at: None,
            retransmit_after: options.retransmit_after,
            held_back: false,
            send_at: None,
        }
    }

    /// The node at the other end.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// Items not acknowledged yet, sent or not.
    pub fn pending(&self) -> usize {
        self.log.len()
    }

    /// Items not sent yet.
    pub fn unsent(&self) -> usize {
        self.log.len() - self.sent
    }

    /// Puts an item at the end; [`Outgoing::flush`] sends it.
    pub fn push(&mut self, item: StreamItem) {
        self.log.push_back(item);
    }

    /// Sends what has not been sent, as far as the window allows.
    pub fn flush(&mut self, now: Nanos, out: &mut Outbox) {
        self.send_at = None;
        let end = self.log.len().min(self.options.window_items_max);
        if end > self.sent {
            self.send_range(self.sent, end, out);
            self.sent = end;
            self.retransmit_at.get_or_insert(now + self.retransmit_after);
        }
        self.held_back = self.sent < self.log.len();
    }

    /// The peer has everything below `next_seq` of `epoch`.
    pub fn on_ack(&mut self, now: Nanos, epoch: u64, next_seq: u64) {
        // Late acknowledgements, of another epoch or of something older, say nothing new.
        if epoch != self.epoch || next_seq <= self.base || next_seq > self.base + self.log.len() as u64 {
            return;
        }
        let done = (next_seq - self.base) as usize;
        self.log.drain(..done);
        self.base = next_seq;
        // After a reboot the peer may acknowledge what this life has not sent.
        self.sent = self.sent.saturating_sub(done);
        self.retransmit_after = self.options.retransmit_after;
        self.retransmit_at = (self.sent > 0).then_some(now + self.retransmit_after);
        if self.held_back && self.unsent() > 0 {
            self.send_at = Some(now);
        }
        if self.log.is_empty() {
            // A long partition may have made it large.
            self.log.shrink_to(1_024);
        }
    }

    /// Sends again what is due.
    pub fn on_wake(&mut self, now: Nanos, out: &mut Outbox) {
        if self.retransmit_at.is_some_and(|at| at <= now) {
            self.send_range(0, if has(Bug::StreamSendsOnce) { 0 } else { self.sent }, out);
            self.retransmit_after = (self.retransmit_after * 2).min(self.options.retransmit_after_max);
            self.retransmit_at = Some(now + self.retransmit_after);
        }
        if self.send_at.is_some_and(|at| at <= now) {
            self.flush(now, out);
        }
    }

    /// When [`Outgoing::on_wake`] has something to do.
    pub fn next_wake(&self) -> Option<Nanos> {
        earlier(self.retransmit_at, self.send_at)
    }

    /// The node died with its log kept: everything unacknowledged counts as unsent. The owner flushes.
    pub fn reboot(&mut self) {
        self.sent = 0;
        self.retransmit_at = None;
        self.retransmit_after = self.options.retransmit_after;
        self.held_back = false;
        self.send_at = None;
    }

    fn send_range(&self, from: usize, to: usize, out: &mut Outbox) {
        for start in (from..to).step_by(self.options.frame_items_max) {
            let end = (start + self.options.frame_items_max).min(to);
            let frame = StreamFrame::Data {
                epoch: self.epoch,
                base: self.base,
                first_seq: self.base + start as u64,
                items: self.log.range(start..end).cloned().collect(),
            };
            out.send(self.peer, Msg::Stream(Box::new(frame)));
        }
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct Incoming {
    peer: NodeId,
    /// The epoch being received and the number of the next item to release; `None`: nothing heard yet.
    place: Option<(u64, u64)>,
    /// Frames that came too early, by the number of their first item.
    early: BTreeMap<u64, Vec<StreamItem>>,
    unacked_frames: u32,
    ack_at: Option<Nanos>,
}

impl Incoming {
    /// An end that has heard nothing from `peer` yet.
    pub fn new(peer: NodeId) -> Self {
        Self { peer, place: None, early: BTreeMap::new(), unacked_frames: 0, ack_at: None }
    }

    /// A data frame has come: what can be released, in order, is appended to `released`.
    pub fn on_data(
        &mut self,
        now: Nanos,
        epoch: u64,
        base: u64,
        first_seq: u64,
        items: Vec<StreamItem>,
        released: &mut Vec<StreamItem>,
    ) {
        let mut next = match self.place {
            Some((current, _)) if epoch < current => return,
            Some((current, next)) if epoch == current => next,
            _ => {
                self.early.clear();
                0
            }
        };
        // Only an end that lost its place can be behind `base`.
        next = next.max(base);
        if first_seq > next {
            if self.early.len() < EARLY_FRAMES_MAX || self.early.contains_key(&first_seq) {
                let kept = self.early.entry(first_seq).or_default();
                if kept.len() < items.len() {
                    *kept = items;
                }
            }
        } else {
            release(&mut next, first_seq, items, released);
        }
        while let Some(entry) = self.early.first_entry() {
            if *entry.key() > next {
                break;
            }
            let (first_seq, items) = entry.remove_entry();
            release(&mut next, first_seq, items, released);
        }
        self.place = Some((epoch, next));
        self.unacked_frames += 1;
        if self.unacked_frames >= ACK_FRAMES_MAX {
            self.ack_at = Some(now);
        } else {
            self.ack_at.get_or_insert(now + ACK_DELAY);
        }
    }

    /// Acknowledges what is due.
    pub fn on_wake(&mut self, now: Nanos, out: &mut Outbox) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_at = None;
            self.unacked_frames = 0;
            if let Some((epoch, next_seq)) = self.place {
                out.send(self.peer, Msg::Stream(Box::new(StreamFrame::Ack { epoch, next_seq })));
            }
        }
    }

    /// When [`Incoming::on_wake`] has something to do.
    pub fn next_wake(&self) -> Option<Nanos> {
        self.ack_at
    }

    /// The node died with its place kept beside what it had released.
    pub fn reboot(&mut self) {
        self.early.clear();
        self.unacked_frames = 0;
        self.ack_at = None;
    }
}

/// Releases those of `items` that are new.
fn release(next: &mut u64, first_seq: u64, items: Vec<StreamItem>, released: &mut Vec<StreamItem>) {
    let known = (*next - first_seq) as usize;
    if known < items.len() {
        *next = first_seq + items.len() as u64;
        released.extend(items.into_iter().skip(known));
    }
}

/// The earlier of two times that may not come.
pub fn earlier(a: Option<Nanos>, b: Option<Nanos>) -> Option<Nanos> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests;
