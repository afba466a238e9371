//! The plan at work: faults begin, end by themselves, and are healed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::vec::IntoIter;

use crate::contract::{NEVER, Nanos, NodeId, Payload, RegionId};
use crate::driver::{Driver, Status, lock};
use crate::fault::{Fault, FaultEntry, FaultWindow};
use crate::host::Cluster;
use crate::partition::{Rule, Rules, Verdict};
use crate::stream::{fold, fold_text};
use crate::trace::TraceRecord;

/// What the plan still has in store and what is in force.
pub(crate) struct Injector<M> {
    plan: std::iter::Peekable<IntoIter<FaultEntry<M>>>,
    /// By time, then in the order they were begun.
    ends: BTreeMap<(Nanos, u64), End<M>>,
    begun: u64,
    rules: Rules,
    windows: Vec<FaultWindow>,
    /// By node: until when it is down or paused, and the window of the fault that made it so.
    holds: BTreeMap<NodeId, Hold>,
    /// By node: the window of the clock fault in force.
    clocks: BTreeMap<NodeId, usize>,
    pub digest: u64,
}

/// How a fault ends.
enum End<M> {
    Restart(NodeId),
    Resume(NodeId),
    Lift { rule: u64, window: usize },
    Tell { node: NodeId, body: M, label: String, window: usize },
}

#[derive(Clone)]
struct Hold {
    until: Nanos,
    windows: Vec<usize>,
}

impl<M> Injector<M> {
    pub fn new(mut plan: Vec<FaultEntry<M>>) -> Self {
        plan.sort_by_key(|entry| entry.at);
        Self {
            plan: plan.into_iter().peekable(),
            ends: BTreeMap::new(),
            begun: 0,
            rules: Rules::default(),
            windows: Vec::new(),
            holds: BTreeMap::new(),
            clocks: BTreeMap::new(),
            digest: 0,
        }
    }

    /// When the next fault begins or ends.
    pub fn next_at(&mut self) -> Nanos {
        let ends = self.ends.first_key_value().map_or(NEVER, |((at, _), _)| *at);
        ends.min(self.plan.peek().map_or(NEVER, |entry| entry.at))
    }

    /// The run is over: what is still open ends with it.
    pub fn close(&mut self, now: Nanos) -> Vec<FaultWindow> {
        let mut windows = std::mem::take(&mut self.windows);
        for window in &mut windows {
            window.end = window.end.min(now);
        }
        windows
    }

    fn open(&mut self, kind: &'static str, what: String, start: Nanos) -> usize {
        self.windows.push(FaultWindow { kind, what, start, end: NEVER });
        self.windows.len() - 1
    }

    fn shut(&mut self, window: usize, now: Nanos) {
        self.windows[window].end = now;
    }

    fn end_at(&mut self, at: Nanos, end: End<M>) {
        self.begun += 1;
        self.ends.insert((at, self.begun), end);
    }

    fn release(&mut self, node: NodeId, now: Nanos) {
        for window in self.holds.remove(&node).map_or(Vec::new(), |hold| hold.windows) {
            self.shut(window, now);
        }
    }
}

impl<M: Payload> Driver<M> {
    /// Begins and ends what is due at [`Self::now`]: ends come first.
    pub(crate) fn inject(&mut self) {
        let now = self.now;
        while let Some(entry) = self.injector.ends.first_entry().filter(|entry| entry.key().0 <= now) {
            let end = entry.remove();
            self.end(end);
        }
        while let Some(entry) = self.injector.plan.next_if(|entry| entry.at <= now) {
            self.begin(entry.fault);
        }
    }

    fn log(&mut self, what: String) {
        let injector = &mut self.injector;
        injector.digest = fold_text(fold(injector.digest, self.now), &what);
        if self.tracing {
            self.record(TraceRecord { at: self.now, node: NodeId::WORLD, what: format!("fault {what}") });
        }
    }

    fn begin(&mut self, fault: Fault<M>) {
        let (kind, what, now) = (fault.kind(), fault.describe(), self.now);
        self.log(what.clone());
        match fault {
            Fault::Crash { node, down } => {
                let window = self.injector.open(kind, what, now);
                self.crash(node, down, window);
            }
            Fault::CrashRegion { region, down } => {
                let nodes: Vec<NodeId> = self.nodes_of(region).collect();
                for node in nodes {
                    let window = self.injector.open(kind, format!("{what}: node {}", node.0), now);
                    self.crash(node, down, window);
                }
            }
            Fault::Pause { node, for_ } => self.pause(node, for_, kind, what),
            Fault::Partition { a, b, direction, for_ } => {
                let window = self.injector.open(kind, what, now);
                let make = |id, regions: &[RegionId]| Rule::new(id, &a, &b, direction, Verdict::Drop, regions);
                self.install(make, for_, window);
            }
            Fault::Degrade { a, b, direction, degrade, for_ } => {
                let window = self.injector.open(kind, what, now);
                let verdict = Verdict::Degrade(degrade);
                let make = |id, regions: &[RegionId]| Rule::new(id, &a, &b, direction, verdict, regions);
                self.install(make, for_, window);
            }
            Fault::Clock { node, offset, drift_ppm } => {
                self.set_clock(node, offset, drift_ppm);
                if (offset, drift_ppm) != (0, 0) {
                    let window = self.injector.open(kind, what, now);
                    self.injector.clocks.insert(node, window);
                }
            }
            Fault::Tell { node, body, label, end } => {
                let window = self.injector.open(kind, what, now);
                self.tell(node, body);
                match end {
                    None => self.injector.shut(window, now),
                    Some((for_, body)) => {
                        let at = now.saturating_add(for_);
                        self.injector.end_at(at, End::Tell { node, body, label, window });
                    }
                }
            }
            Fault::HealAll => self.heal_all(),
        }
    }

    fn end(&mut self, end: End<M>) {
        let now = self.now;
        // A fault that was made longer meanwhile, or is over already, ends at another time.
        let over = |hold: Option<&Hold>| hold.is_some_and(|hold| hold.until <= now);
        match end {
            End::Restart(node) => {
                if self.status(node) == Status::Down && over(self.injector.holds.get(&node)) {
                    self.restart(node);
                }
            }
            End::Resume(node) => {
                if self.status(node) == Status::Paused && over(self.injector.holds.get(&node)) {
                    self.resume(node);
                }
            }
            End::Lift { rule, window } => {
                self.log(format!("end of {}", self.injector.windows[window].what));
                self.injector.rules.list.retain(|installed| installed.id != rule);
                self.spread_rules();
                self.injector.shut(window, now);
            }
            End::Tell { node, body, label, window } => {
                self.log(format!("end of tell node {} {label}", node.0));
                self.tell(node, body);
                self.injector.shut(window, now);
            }
        }
    }

    fn heal_all(&mut self) {
        // Nodes first, so that those that were down hear their tells end.
        for index in 0..self.regions.len() {
            let node = NodeId(index as u32);
            match self.status(node) {
                Status::Up => {}
                Status::Paused => self.resume(node),
                Status::Down => self.restart(node),
            }
            self.set_clock(node, 0, 0);
        }
        // The ends of crashes and pauses have come.
        for (_, end) in std::mem::take(&mut self.injector.ends) {
            if matches!(end, End::Lift { .. } | End::Tell { .. }) {
                self.end(end);
            }
        }
    }

    fn crash(&mut self, node: NodeId, down: Nanos, window: usize) {
        let (now, index) = (self.now, node.index());
        let until = now.saturating_add(down);
        if self.status(node) != Status::Down {
            self.injector.release(node, now);
            let mut guard = lock(&self.cluster);
            let Cluster { hosts, wire, .. } = &mut *guard;
            wire.status[index] = Status::Down;
            wire.next_local[index] = NEVER;
            if wire.wakers[index].take().is_none() {
                // It was restarted at this very instant, and nobody need wait for its task any more.
                wire.pending -= 1;
            }
            wire.dead_letters += wire.trays[index].len() as u64;
            wire.trays[index].clear();
            hosts[index].crash(now);
            drop(guard);
            self.madsim.kill(self.madsim_ids[index]);
        }
        let hold = self.injector.holds.entry(node).or_insert(Hold { until, windows: Vec::new() });
        hold.until = hold.until.max(until);
        hold.windows.push(window);
        self.injector.end_at(until, End::Restart(node));
    }

    fn restart(&mut self, node: NodeId) {
        self.log(format!("restart node {}", node.0));
        self.injector.release(node, self.now);
        self.boot(node);
    }

    fn pause(&mut self, node: NodeId, for_: Nanos, kind: &'static str, what: String) {
        let (now, index) = (self.now, node.index());
        if self.status(node) == Status::Down {
            return;
        }
        let window = self.injector.open(kind, what, now);
        let until = now.saturating_add(for_);
        if self.status(node) == Status::Up {
            let mut guard = lock(&self.cluster);
            guard.wire.status[index] = Status::Paused;
            guard.wire.next_local[index] = NEVER;
            let at_home = guard.wire.wakers[index].is_some();
            drop(guard);
            // A task that was restarted at this very instant must still come home, so that nobody waits for it.
            if at_home {
                self.madsim.pause(self.madsim_ids[index]);
            }
        }
        let hold = self.injector.holds.entry(node).or_insert(Hold { until, windows: Vec::new() });
        hold.until = hold.until.max(until);
        hold.windows.push(window);
        self.injector.end_at(until, End::Resume(node));
    }

    fn resume(&mut self, node: NodeId) {
        let (now, index) = (self.now, node.index());
        self.log(format!("resume node {}", node.0));
        self.injector.release(node, now);
        self.madsim.resume(self.madsim_ids[index]);
        let mut guard = lock(&self.cluster);
        guard.wire.status[index] = Status::Up;
        guard.hosts[index].not_before = now;
        // It looks through what waited, in the window that starts now.
        guard.wire.next_local[index] = now;
    }

    fn install(&mut self, make: impl Fn(u64, &[RegionId]) -> Rule, for_: Nanos, window: usize) {
        let id = self.injector.begun;
        let rule = make(id, &self.regions);
        self.injector.rules.list.push(rule);
        let at = self.now.saturating_add(for_);
        self.injector.end_at(at, End::Lift { rule: id, window });
        self.spread_rules();
    }

    fn spread_rules(&mut self) {
        let rules = Arc::new(self.injector.rules.clone());
        for host in &mut lock(&self.cluster).hosts {
            host.rules = Arc::clone(&rules);
        }
    }

    fn set_clock(&mut self, node: NodeId, offset_ns: i64, drift_ppm: i32) {
        let index = node.index();
        if let Some(window) = self.injector.clocks.remove(&node) {
            self.injector.shut(window, self.now);
        } else if (offset_ns, drift_ppm) == (0, 0) {
            // It was right and stays right.
            return;
        }
        let mut guard = lock(&self.cluster);
        let Cluster { hosts, wire, .. } = &mut *guard;
        let host = &mut hosts[index];
        host.set_clock(self.now, offset_ns, drift_ppm, wire.status[index] != Status::Down);
        if wire.status[index] == Status::Up {
            wire.next_local[index] = host.next_own().min(wire.next_local[index]);
        }
    }

    fn tell(&mut self, node: NodeId, body: M) {
        let index = node.index();
        let Cluster { hosts, wire, .. } = &mut *lock(&self.cluster);
        if wire.status[index] == Status::Down {
            wire.dead_letters += 1;
            return;
        }
        hosts[index].told.push((self.now, body));
        if wire.status[index] == Status::Up {
            wire.next_local[index] = self.now;
        }
    }

    fn status(&self, node: NodeId) -> Status {
        lock(&self.cluster).wire.status[node.index()]
    }

    fn nodes_of(&self, region: RegionId) -> impl Iterator<Item = NodeId> + '_ {
        let nodes = self.regions.iter().enumerate();
        nodes.filter(move |(_, of)| **of == region).map(|(node, _)| NodeId(node as u32))
    }
}
