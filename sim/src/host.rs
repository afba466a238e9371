//! One node as the world hosts it, and how it lives through one window of time: in exact order it takes what the network
//! brings, what its station has done, what it held back itself, and the times it wanted to be woken.

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::task::Waker;

use crate::clock::Clock;
use crate::contract::{Input, NEVER, Nanos, NodeId, Outbox, Payload, Process};
use crate::driver::Status;
use crate::network::{Links, Packet, Topology};
use crate::partition::Rules;
use crate::station::Station;
use crate::stream::fold;
use crate::trace::TraceRecord;
use crate::wheel::Wheel;

/// How often a node may be woken at one instant before the world gives up on it.
const WAKES_AT_ONE_INSTANT_MAX: u32 = 10_000;

/// What is in the digest of a node for each kind of input.
const START: u64 = 1 << 32;
const WAKE: u64 = 2 << 32;
const MESSAGE: u64 = 3 << 32;
const OVERLOAD: u64 = 4 << 32;

/// All nodes and what they share, under one lock: the driver's between windows, each node's in turn within one.
pub(crate) struct Cluster<M> {
    pub hosts: Vec<Host<M>>,
    pub wire: Wire<M>,
    /// Who is living through a window just now: after a panic, the node that panicked.
    pub living: Option<NodeId>,
}

/// What all nodes share.
pub(crate) struct Wire<M> {
    pub wheel: Wheel<M>,
    /// A window is at most `2^shift` ns wide.
    pub shift: u32,
    /// The start of the window that is being lived through; between windows, the end of the last one.
    pub now: Nanos,
    pub window_end: Nanos,
    /// Up to when windows may be opened: the plan's next fault, or the end of the world.
    pub limit: Nanos,
    /// The nodes that have something to do in this window. Empty between windows: a buffer.
    pub working: Vec<usize>,
    /// Whose task has been woken to carry a stretch of time.
    pub carrier: Option<usize>,
    /// By node: what the plan has made of it.
    pub status: Vec<Status>,
    /// Messages that came to nodes that were down.
    pub dead_letters: u64,
    /// When each node next has something to do by itself; [`NEVER`] while it is down or paused.
    pub next_local: Vec<Nanos>,
    /// By node: what has come to it and what it has not yet taken. Side by side and not in the hosts, for the driver hands
    /// out a window's mail node by node.
    pub trays: Vec<Vec<Packet<M>>>,
    /// By node: its madsim task, while there is one.
    pub wakers: Vec<Option<Waker>>,
    /// Tasks that have been started or woken and have not yet done what for.
    pub pending: usize,
    pub main: Option<Waker>,
    /// The first time a node asked to end the world.
    pub halt: Nanos,
    /// This stretch's records, in the order the hosts ran.
    pub trace: Vec<TraceRecord>,
}

impl<M> Wire<M> {
    /// One task has done what it was woken for.
    pub fn done(&mut self) {
        self.pending -= 1;
        if self.pending == 0
            && let Some(main) = &self.main
        {
            main.wake_by_ref();
        }
    }
}

/// What a process is about to be told first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    No,
    First,
    Again,
}

/// A message held back by its sender.
struct Held<M> {
    leaves: Nanos,
    order: u64,
    to: NodeId,
    body: M,
}

impl<M> PartialEq for Held<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.leaves, self.order) == (other.leaves, other.order)
    }
}
impl<M> Eq for Held<M> {}
impl<M> PartialOrd for Held<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
/// The heap's greatest is the first to leave.
impl<M> Ord for Held<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.leaves, other.order).cmp(&(self.leaves, self.order))
    }
}

/// A node and all that the world keeps for it.
pub(crate) struct Host<M> {
    pub id: NodeId,
    pub name: String,
    pub process: Option<Box<dyn Process<M>>>,
    /// No earlier than this may anything happen: the end of its last pause or crash.
    pub not_before: Nanos,
    pub boot: Boot,
    /// Empty between windows, when its mail is in [`Wire::trays`]: a buffer.
    inbox: Vec<Packet<M>>,
    pub told: Vec<(Nanos, M)>,
    pub station: Option<Station<M>>,
    pub clock: Clock,
    pub rules: Arc<Rules>,
    pub topology: Arc<Topology>,
    pub links: Links,
    pub digest: u64,
    pub messages: u64,
    /// Of these, what the plan told it: no network carried that.
    pub told_here: u64,
    outbox: Outbox<M>,
    held: BinaryHeap<Held<M>>,
    held_count: u64,
    wake_at: Nanos,
    woken_at: Nanos,
    wakes_here: u32,
    lookahead_ns: Nanos,
}

impl<M: Payload> Host<M> {
    pub fn new(
        id: NodeId,
        name: String,
        process: Box<dyn Process<M>>,
        station: Option<Station<M>>,
        topology: Arc<Topology>,
        tracing: bool,
    ) -> Self {
        let nodes = topology.regions.len();
        Self {
            id,
            name,
            process: Some(process),
            not_before: 0,
            boot: Boot::First,
            inbox: Vec::new(),
            told: Vec::new(),
            station,
            clock: Clock::new(),
            rules: Arc::default(),
            lookahead_ns: topology.lookahead_ns(),
            topology,
            links: Links::new(id, nodes),
            digest: 0,
            messages: 0,
            told_here: 0,
            outbox: Outbox::new(tracing),
            held: BinaryHeap::new(),
            held_count: 0,
            wake_at: NEVER,
            woken_at: NEVER,
            wakes_here: 0,
        }
    }

    /// Lives through the window that ends at `end`.
    pub fn live(&mut self, end: Nanos, wire: &mut Wire<M>) {
        let mut inbox = std::mem::take(&mut self.inbox);
        std::mem::swap(&mut inbox, &mut wire.trays[self.id.index()]);
        if inbox.len() > 1 {
            inbox.sort_unstable_by_key(|packet| (packet.due, packet.from, packet.seq));
        }
        let mut process = self.process.take().expect("a process is at home between windows");
        self.begin(&mut *process, wire);
        let mut mail = inbox.drain(..);
        loop {
            // Not peekable(), which would move each packet once more.
            let mail_at = mail.as_slice().first().map_or(NEVER, |packet| packet.due);
            let done_at = self.station.as_ref().map_or(NEVER, Station::next_done);
            let leaves_at = self.held.peek().map_or(NEVER, |held| held.leaves);
            let own = done_at.min(leaves_at).min(self.wake_at);
            // At one instant: what leaves, what is done, what arrives, and last the alarm.
            if mail_at < own || (mail_at == own && mail_at < leaves_at && mail_at < done_at) {
                if mail_at >= end {
                    break;
                }
                let packet = mail.next().expect("it was just seen");
                self.arrive(&mut *process, packet, wire);
            } else if own.max(self.not_before) >= end {
                break;
            } else if leaves_at == own {
                let held = self.held.pop().expect("it was just seen");
                let now = held.leaves.max(self.not_before);
                self.transmit(now, held.to, held.body, wire);
            } else if done_at == own {
                let now = done_at.max(self.not_before);
                let station = self.station.as_mut().expect("it was just asked");
                let packet = station.complete(now).expect("it was just seen");
                self.message(&mut *process, now, MESSAGE, packet.from, packet.body, wire);
            } else {
                self.wake(&mut *process, wire);
            }
        }
        drop(mail);
        self.inbox = inbox;
        self.process = Some(process);
        wire.next_local[self.id.index()] = self.next_own();
    }

    /// What comes first in a window: a start, and what the plan has to tell.
    fn begin(&mut self, process: &mut dyn Process<M>, wire: &mut Wire<M>) {
        let boot = std::mem::replace(&mut self.boot, Boot::No);
        if boot != Boot::No {
            let now = self.not_before;
            if boot == Boot::Again {
                let local = self.clock.show(now);
                process.reboot(local);
            }
            self.handle(process, now, START, NodeId::WORLD, 0, Input::Start, wire);
        }
        for (at, body) in std::mem::take(&mut self.told) {
            let now = at.max(self.not_before);
            self.told_here += 1;
            self.message(process, now, MESSAGE, NodeId::WORLD, body, wire);
        }
    }

    /// When it next has something to do by itself.
    pub fn next_own(&self) -> Nanos {
        let done_at = self.station.as_ref().map_or(NEVER, Station::next_done);
        let leaves_at = self.held.peek().map_or(NEVER, |held| held.leaves);
        done_at.min(leaves_at).min(self.wake_at).max(self.not_before)
    }

    fn arrive(&mut self, process: &mut dyn Process<M>, packet: Packet<M>, wire: &mut Wire<M>) {
        let now = packet.due.max(self.not_before);
        match &mut self.station {
            None => self.message(process, now, MESSAGE, packet.from, packet.body, wire),
            Some(station) => {
                if let Some(refused) = station.arrive(now, packet) {
                    self.message(process, now, OVERLOAD, refused.from, refused.body, wire);
                }
            }
        }
    }

    fn message(
        &mut self,
        process: &mut dyn Process<M>,
        now: Nanos,
        class: u64,
        from: NodeId,
        body: M,
        wire: &mut Wire<M>,
    ) {
        self.messages += 1;
        let fingerprint = body.fingerprint();
        if self.outbox.is_tracing() {
            let refused = if class == OVERLOAD { "overload " } else { "" };
            let sender = match from {
                NodeId::WORLD => "world".to_owned(),
                NodeId(node) => node.to_string(),
            };
            let what = format!("{refused}<- {sender} {} {}", body.kind(), body.describe());
            wire.trace.push(TraceRecord { at: now, node: self.id, what });
        }
        let input = match class {
            OVERLOAD => Input::Overload { from, body },
            _ => Input::Message { from, body },
        };
        self.handle(process, now, class, from, fingerprint, input, wire);
    }

    fn wake(&mut self, process: &mut dyn Process<M>, wire: &mut Wire<M>) {
        let now = self.wake_at.max(self.not_before);
        self.wakes_here = if now == self.woken_at { self.wakes_here + 1 } else { 0 };
        self.woken_at = now;
        assert!(
            self.wakes_here < WAKES_AT_ONE_INSTANT_MAX,
            "it wants to be woken again and again at {now} ns: next_wake() does not move on"
        );
        self.handle(process, now, WAKE, NodeId::WORLD, 0, Input::Wake, wire);
    }

    #[inline(always)] // Else the input is copied once more right after it is made: 5 of 80 ns a message.
    #[allow(clippy::too_many_arguments)] // One call site's worth of context, on the hot path.
    fn handle(
        &mut self,
        process: &mut dyn Process<M>,
        now: Nanos,
        class: u64,
        from: NodeId,
        fingerprint: u64,
        input: Input<M>,
        wire: &mut Wire<M>,
    ) {
        self.digest = fold(fold(fold(self.digest, now), class | u64::from(from.0)), fingerprint);
        if self.outbox.is_tracing() && class <= WAKE {
            let what = if class == START { "start" } else { "wake" };
            wire.trace.push(TraceRecord { at: now, node: self.id, what: what.to_owned() });
        }
        let local = self.clock.show(now);
        process.handle(local, input, &mut self.outbox);
        self.wake_at = process.next_wake().map_or(NEVER, |wake| self.clock.when(now, wake));
        if !self.outbox.sends.is_empty() {
            let mut sends = std::mem::take(&mut self.outbox.sends);
            for sending in sends.drain(..) {
                if sending.after == 0 {
                    self.transmit(now, sending.to, sending.body, wire);
                } else {
                    self.held_count += 1;
                    let leaves = now.saturating_add(sending.after);
                    self.held.push(Held { leaves, order: self.held_count, to: sending.to, body: sending.body });
                }
            }
            self.outbox.sends = sends;
        }
        for note in self.outbox.notes.drain(..) {
            wire.trace.push(TraceRecord { at: now, node: self.id, what: format!("note {note}") });
        }
        if std::mem::take(&mut self.outbox.halt) {
            wire.halt = wire.halt.min(now);
        }
    }

    fn transmit(&mut self, now: Nanos, to: NodeId, body: M, wire: &mut Wire<M>) {
        assert!(to.index() < self.topology.regions.len(), "it sent a message to node {}, which there is not", to.0);
        let (wheel, lookahead_ns) = (&mut wire.wheel, self.lookahead_ns);
        self.links.transmit(&self.topology, &self.rules, now, to, body, |packet| {
            assert!(packet.due >= now + lookahead_ns, "no message is faster than the fastest link");
            wheel.push(packet);
        });
    }

    /// The process dies at `now`: all that was in its memory is gone.
    pub fn crash(&mut self, now: Nanos) {
        self.told.clear();
        self.held.clear();
        self.outbox = Outbox::new(self.outbox.is_tracing());
        self.wake_at = NEVER;
        self.boot = Boot::No;
        self.clock.forget();
        if let Some(station) = &mut self.station {
            station.crash(now);
        }
    }

    /// The clock is set at `now`: the alarm of a running process moves with it.
    pub fn set_clock(&mut self, now: Nanos, offset_ns: i64, drift_ppm: i32, running: bool) {
        self.clock.set(now, offset_ns, drift_ppm);
        let process = self.process.as_ref().expect("a process is at home between windows");
        let wake = process.next_wake().filter(|_| running);
        self.wake_at = wake.map_or(NEVER, |wake| self.clock.when(now, wake));
    }
}
