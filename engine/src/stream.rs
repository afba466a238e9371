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
            self.send_range(0, self.sent, out);
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
mod tests {
    use super::*;
    use crate::dice::{below, draw};

    const SENDER: NodeId = NodeId(1);
    const RECEIVER: NodeId = NodeId(2);

    fn item(number: i64) -> StreamItem {
        StreamItem::KvCounter { key: "k".into(), writer: 0, sum: number }
    }

    fn number(item: &StreamItem) -> i64 {
        match item {
            StreamItem::KvCounter { sum, .. } => *sum,
            other => panic!("not a test item: {other:?}"),
        }
    }

    /// Two ends and a network whose dice lose 30 %, repeat 20 % and delay each frame by 1 to 200 ms.
    struct Loop {
        now: Nanos,
        tx: Outgoing,
        rx: Incoming,
        /// By arrival time, then by order of sending.
        wire: BTreeMap<(Nanos, u64), StreamFrame>,
        seed: u64,
        draws: u64,
        received: Vec<i64>,
        frames: u64,
    }

    impl Loop {
        fn new(seed: u64) -> Self {
            let options = StreamOptions {
                frame_items_max: 7,
                window_items_max: 100,
                retransmit_after: 600 * MS,
                retransmit_after_max: 3 * SECOND,
            };
            Self {
                now: 0,
                tx: Outgoing::new(RECEIVER, 0, options),
                rx: Incoming::new(SENDER),
                wire: BTreeMap::new(),
                seed,
                draws: 0,
                received: Vec::new(),
                frames: 0,
            }
        }

        fn dice(&mut self, bound: u64) -> u64 {
            self.draws += 1;
            below(bound, draw(self.seed, self.draws))
        }

        fn carry(&mut self, out: &mut Outbox) {
            for send in out.drain_sends().collect::<Vec<_>>() {
                let Msg::Stream(frame) = send.msg else { panic!("only frames travel") };
                self.frames += 1;
                let copies = match self.dice(10) {
                    0..3 => 0,
                    3..5 => 2,
                    _ => 1,
                };
                for _ in 0..copies {
                    let at = self.now + (1 + self.dice(200)) * MS;
                    self.wire.insert((at, self.draws), (*frame).clone());
                }
            }
        }

        /// Runs until nothing is on the wire and nobody wants to be woken, or until `end`.
        fn run_until(&mut self, end: Nanos) {
            let mut out = Outbox::new(false);
            loop {
                let wake = earlier(self.tx.next_wake(), self.rx.next_wake());
                let arrival = self.wire.first_key_value().map(|(key, _)| key.0);
                let Some(at) = earlier(wake, arrival).filter(|at| *at <= end) else { break };
                self.now = self.now.max(at);
                if arrival == Some(at) {
                    let (_, frame) = self.wire.pop_first().expect("there is an arrival");
                    match frame {
                        StreamFrame::Data { epoch, base, first_seq, items } => {
                            let mut released = Vec::new();
                            self.rx.on_data(self.now, epoch, base, first_seq, items, &mut released);
                            self.received.extend(released.iter().map(number));
                        }
                        StreamFrame::Ack { epoch, next_seq } => self.tx.on_ack(self.now, epoch, next_seq),
                    }
                } else {
                    self.tx.on_wake(self.now, &mut out);
                    self.rx.on_wake(self.now, &mut out);
                }
                self.carry(&mut out);
            }
        }

        fn push(&mut self, numbers: std::ops::Range<i64>) {
            numbers.for_each(|n| self.tx.push(item(n)));
            let mut out = Outbox::new(false);
            self.tx.flush(self.now, &mut out);
            self.carry(&mut out);
        }
    }

    #[test]
    fn everything_arrives_in_order_exactly_once_over_a_bad_network() {
        for seed in 0..20 {
            let mut world = Loop::new(seed);
            for batch in 0..30 {
                world.push(batch * 20..(batch + 1) * 20);
                world.run_until(world.now + 50 * MS);
            }
            world.run_until(Nanos::MAX);
            assert_eq!(world.received, (0..600).collect::<Vec<_>>(), "seed {seed}");
            assert_eq!((world.tx.pending(), world.tx.next_wake(), world.rx.next_wake()), (0, None, None));
        }
    }

    #[test]
    fn a_clean_exchange_costs_one_frame_and_one_acknowledgement_and_then_silence() {
        let (mut tx, mut rx) = (Outgoing::new(RECEIVER, 0, StreamOptions::wide_area()), Incoming::new(SENDER));
        let (mut out, mut released) = (Outbox::new(false), Vec::new());
        (0..3).for_each(|n| tx.push(item(n)));
        tx.flush(0, &mut out);
        let sends: Vec<_> = out.drain_sends().collect();
        assert_eq!(sends.len(), 1);
        let Msg::Stream(frame) = &sends[0].msg else { panic!() };
        let StreamFrame::Data { epoch, base, first_seq, items } = (**frame).clone() else { panic!() };
        rx.on_data(10 * MS, epoch, base, first_seq, items, &mut released);
        assert_eq!(rx.next_wake(), Some(110 * MS));
        rx.on_wake(109 * MS, &mut out);
        assert_eq!(out.drain_sends().count(), 0);
        rx.on_wake(110 * MS, &mut out);
        assert_eq!(out.drain_sends().count(), 1);
        tx.on_ack(120 * MS, 0, 3);
        assert_eq!((tx.pending(), tx.next_wake(), rx.next_wake()), (0, None, None));
    }

    #[test]
    fn the_64th_frame_is_acknowledged_at_once() {
        let mut rx = Incoming::new(SENDER);
        let mut released = Vec::new();
        for seq in 0..63 {
            rx.on_data(5, 0, 0, seq, vec![item(0)], &mut released);
        }
        assert_eq!(rx.next_wake(), Some(5 + ACK_DELAY));
        rx.on_data(6, 0, 0, 63, vec![item(0)], &mut released);
        assert_eq!(rx.next_wake(), Some(6));
    }

    #[test]
    fn the_wait_doubles_up_to_its_cap() {
        let mut tx = Outgoing::new(RECEIVER, 0, StreamOptions::wide_area());
        let mut out = Outbox::new(false);
        tx.push(item(0));
        tx.flush(0, &mut out);
        let mut wakes_s = Vec::new();
        while wakes_s.len() < 6 {
            let at = tx.next_wake().expect("unacknowledged");
            wakes_s.push(at / SECOND);
            tx.on_wake(at, &mut out);
        }
        // 1, then +2, +4, +8, +8, +8.
        assert_eq!(wakes_s, [1, 3, 7, 15, 23, 31]);
        assert_eq!(out.drain_sends().count(), 7);
    }

    #[test]
    fn both_ends_with_durable_places_may_die_at_any_time_and_nothing_is_lost_or_repeated() {
        for seed in 100..120 {
            let mut world = Loop::new(seed);
            for batch in 0..30 {
                world.push(batch * 20..(batch + 1) * 20);
                world.run_until(world.now + 100 * MS);
                match world.dice(4) {
                    0 => world.tx.reboot(),
                    1 => world.rx.reboot(),
                    _ => (),
                }
            }
            world.push(600..601);
            world.run_until(Nanos::MAX);
            assert_eq!(world.received, (0..601).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    #[test]
    fn a_receiver_that_lost_its_place_goes_on_from_what_was_acknowledged() {
        for seed in 200..220 {
            let mut world = Loop::new(seed);
            world.push(0..60);
            world.run_until(300 * MS);
            let before = std::mem::take(&mut world.received);
            world.rx = Incoming::new(SENDER);
            world.push(60..200);
            world.run_until(Nanos::MAX);
            // In order without a gap from no later than the end of what the first life released.
            let first = world.received[0];
            assert!(first <= before.len() as i64, "seed {seed}");
            let mut after = world.received.clone();
            // A stale frame may be released first; what follows starts at the sender's base again.
            after.dedup();
            assert_eq!(*after.last().unwrap(), 199);
            let mut all: Vec<i64> = before.into_iter().chain(after).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all, (0..200).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    #[test]
    fn a_new_epoch_starts_from_0_and_frames_of_the_old_one_are_ignored() {
        let mut rx = Incoming::new(SENDER);
        let mut released = Vec::new();
        rx.on_data(0, 1, 0, 0, vec![item(10), item(11)], &mut released);
        rx.on_data(0, 1, 0, 5, vec![item(99)], &mut released);
        rx.on_data(0, 2, 0, 0, vec![item(20)], &mut released);
        rx.on_data(0, 1, 0, 2, vec![item(12)], &mut released);
        rx.on_data(0, 2, 0, 1, vec![item(21)], &mut released);
        assert_eq!(released.iter().map(number).collect::<Vec<_>>(), [10, 11, 20, 21]);
        let mut tx = Outgoing::new(RECEIVER, 2, StreamOptions::wide_area());
        tx.push(item(1));
        tx.flush(0, &mut Outbox::new(false));
        tx.on_ack(1, 1, 1);
        assert_eq!(tx.pending(), 1);
    }
}
