//! The network: which link joins two nodes, and what becomes of a message on it.
//!
//! A link's state belongs to its sender, so two nodes never touch the same one. Its random numbers do not come from a
//! shared generator: the `n`-th message of a link draws for each purpose (loss, latency, ...) the number of that link, that
//! `n` and that purpose, and only when it needs it. So turning loss on moves no latency, and another link's traffic moves nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use crate::contract::{NEVER, Nanos, NodeId, Payload, RegionId, SECOND};
use crate::link::{LinkModel, SharedLink};
use crate::partition::{Degrade, Rules, Verdict};
use crate::stream::{CounterHash, EntityHash, chance_from_bits};

/// A message under way.
pub(crate) struct Packet<M> {
    pub due: Nanos,
    /// The sender's own count of packets: with `due` and `from` it orders what arrives at the same time, whoever ran first.
    pub seq: u64,
    pub from: NodeId,
    pub to: NodeId,
    pub body: M,
}

/// What became of messages, over a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounters {
    /// Given to the network by nodes.
    pub sent: u64,
    /// Lost by chance, on a lossy link or by a degrading fault.
    pub lost: u64,
    /// Dropped by a partition.
    pub cut: u64,
    /// Dropped because the path was full.
    pub over_capacity: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Messages that left the line.
    pub reordered: u64,
    /// Arrived at a node that was down.
    pub dead_letters: u64,
    /// Handed to a node, refused ones included.
    pub handled: u64,
    /// Waited or were in service at a station that crashed.
    pub died: u64,
    /// Counted at the end: on the way, at a node that is paused, or inside a station.
    pub in_flight: u64,
}

/// Which link model joins which nodes. Fixed for a run.
pub(crate) struct Topology {
    pub regions: Vec<RegionId>,
    pub region_count: usize,
    /// By `from_region * region_count + to_region`.
    pub region_links: Vec<SharedLink>,
    pub node_links: BTreeMap<(NodeId, NodeId), SharedLink>,
    pub draws: CounterHash,
}

impl Topology {
    fn link(&self, from: NodeId, to: NodeId) -> &SharedLink {
        if !self.node_links.is_empty()
            && let Some(link) = self.node_links.get(&(from, to))
        {
            return link;
        }
        let (from, to) = (self.regions[from.index()], self.regions[to.index()]);
        &self.region_links[usize::from(from.0) * self.region_count + usize::from(to.0)]
    }

    /// The least time any message of this world takes: how far one node can run ahead of another.
    pub fn lookahead_ns(&self) -> Nanos {
        let links = self.region_links.iter().chain(self.node_links.values());
        links.map(|link| link.latency_ns_min()).min().unwrap_or(crate::contract::MS)
    }
}

/// What a message may draw, each a number of its own.
#[derive(Clone, Copy)]
enum Draw {
    Latency,
    Loss,
    Duplicate,
    DuplicateLatency,
    Reorder,
    ReorderExtra,
    FaultJitter,
    FaultLoss,
    FaultDuplicate,
    FaultReorder,
    FaultReorderExtra,
}

/// Numbers set aside for each message.
const DRAWS_PER_MESSAGE: u64 = 16;

/// One direction of one pair of nodes.
struct LinkState {
    model: SharedLink,
    draws: EntityHash,
    /// Messages so far.
    count: u64,
    /// When the last message in line arrives: none of the line behind it arrives sooner.
    line_due: Nanos,
    /// Until when the sending end is busy with earlier bytes.
    busy_until: Nanos,
    /// When each message under way arrives, on a path with a capacity.
    under_way: BinaryHeap<Reverse<Nanos>>,
}

/// The links that start at one node, made when first used.
pub(crate) struct Links {
    from: NodeId,
    /// Index into `states` by receiver; `u32::MAX` while there is none.
    by_receiver: Vec<u32>,
    states: Vec<LinkState>,
    seq: u64,
    pub counters: NetworkCounters,
}

impl Links {
    pub fn new(from: NodeId, nodes: usize) -> Self {
        Self {
            from,
            by_receiver: vec![u32::MAX; nodes],
            states: Vec::new(),
            seq: 0,
            counters: NetworkCounters::default(),
        }
    }

    /// Sends `body` at `now`; each copy that will arrive goes to `deliver`.
    #[inline]
    pub fn transmit<M: Payload>(
        &mut self,
        topology: &Topology,
        rules: &Rules,
        now: Nanos,
        to: NodeId,
        body: M,
        mut deliver: impl FnMut(Packet<M>),
    ) {
        self.counters.sent += 1;
        let from = self.from;
        let degrade = match rules.judge(from, to) {
            Verdict::Pass => None,
            Verdict::Drop => {
                self.counters.cut += 1;
                return;
            }
            Verdict::Degrade(degrade) => Some(degrade),
        };
        let link = self.state(topology, to);
        let fate = link.fate(now, &body, degrade.as_ref());
        let (due, copy_due) = match fate {
            Fate::Lost => {
                self.counters.lost += 1;
                return;
            }
            Fate::OverCapacity => {
                self.counters.over_capacity += 1;
                return;
            }
            Fate::Arrives { due, copy_due, reordered } => {
                self.counters.reordered += u64::from(reordered);
                (due, copy_due)
            }
        };
        self.seq += 1;
        let mut packet = Packet { due, seq: self.seq, from, to, body };
        if copy_due != NEVER {
            self.counters.duplicated += 1;
            self.seq += 1;
            // The copy has the lower number.
            let copy = Packet { due: copy_due, body: packet.body.clone(), ..packet };
            packet.seq = self.seq;
            deliver(copy);
        }
        deliver(packet);
    }

    fn state(&mut self, topology: &Topology, to: NodeId) -> &mut LinkState {
        let slot = &mut self.by_receiver[to.index()];
        if *slot == u32::MAX {
            *slot = self.states.len() as u32;
            self.states.push(LinkState {
                model: Arc::clone(topology.link(self.from, to)),
                draws: topology.draws.entity((u64::from(self.from.0) << 32) | u64::from(to.0)),
                count: 0,
                line_due: 0,
                busy_until: 0,
                under_way: BinaryHeap::new(),
            });
        }
        &mut self.states[*slot as usize]
    }
}

enum Fate {
    Lost,
    OverCapacity,
    /// `copy_due` is [`NEVER`] if there is no copy.
    Arrives {
        due: Nanos,
        copy_due: Nanos,
        reordered: bool,
    },
}

impl LinkState {
    #[inline]
    fn fate<M: Payload>(&mut self, now: Nanos, body: &M, degrade: Option<&Degrade>) -> Fate {
        let Self { model, draws, count, line_due, busy_until, under_way } = self;
        let model: &LinkModel = model;
        let first = count.wrapping_mul(DRAWS_PER_MESSAGE);
        let bits = |what: Draw| draws.hash(first.wrapping_add(what as u64));
        let happens = |what: Draw, ppm: u32| ppm > 0 && chance_from_bits(bits(what), ppm);
        let latency = |what: Draw| {
            let ns = model.latency.as_constant().unwrap_or_else(|| model.latency.sample(bits(what)));
            ns.max(model.floor_ns).max(crate::link::LATENCY_NS_MIN)
        };
        *count += 1;

        // A full path drops before the bytes go out, a lossy one after.
        if let Some(capacity) = model.capacity_messages {
            while under_way.peek().is_some_and(|due| due.0 <= now) {
                under_way.pop();
            }
            if under_way.len() >= capacity as usize {
                return Fate::OverCapacity;
            }
        }
        let mut departs = now;
        if let Some(bytes_per_s) = model.bytes_per_s {
            let ns = u128::from(body.wire_bytes()) * u128::from(SECOND) / u128::from(bytes_per_s.max(1));
            departs = now.max(*busy_until).saturating_add(ns as Nanos);
            *busy_until = departs;
        }
        if happens(Draw::Loss, model.loss_ppm) {
            return Fate::Lost;
        }
        let mut due = departs.saturating_add(latency(Draw::Latency));
        let mut duplicated = happens(Draw::Duplicate, model.duplicate_ppm);
        let mut late = 0;
        if happens(Draw::Reorder, model.reorder_ppm) {
            late = 1 + below(bits(Draw::ReorderExtra), model.reorder_extra_ns);
        }
        if let Some(worse) = degrade {
            if happens(Draw::FaultLoss, worse.loss_ppm) {
                return Fate::Lost;
            }
            due = due.saturating_add(worse.extra_ns);
            if worse.jitter_ns > 0 {
                due = due.saturating_add(below(bits(Draw::FaultJitter), worse.jitter_ns + 1));
            }
            duplicated |= happens(Draw::FaultDuplicate, worse.duplicate_ppm);
            if happens(Draw::FaultReorder, worse.reorder_ppm) {
                late = late.max(1 + below(bits(Draw::FaultReorderExtra), worse.reorder_extra_ns));
            }
        }
        let reordered = late > 0;
        if reordered {
            due = due.saturating_add(late);
        } else {
            due = due.max(*line_due);
            *line_due = due;
        }
        let copy_due = match duplicated {
            true => departs.saturating_add(latency(Draw::DuplicateLatency)).max(due),
            false => NEVER,
        };
        if model.capacity_messages.is_some() {
            under_way.push(Reverse(due));
        }
        Fate::Arrives { due, copy_due, reordered }
    }
}

/// A number in `0..n` from 64 random bits (0 if `n` is 0); its bias, below n / 2^64, is beyond what any run can see.
fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

impl std::ops::AddAssign for NetworkCounters {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.cut += other.cut;
        self.over_capacity += other.over_capacity;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.dead_letters += other.dead_letters;
        self.handled += other.handled;
        self.died += other.died;
        self.in_flight += other.in_flight;
    }
}
