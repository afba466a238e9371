//! The loop that moves time: one stretch at a time, on a madsim runtime, on a thread of its own.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::contract::{NEVER, Nanos, NodeId, Payload, RegionId};
use crate::host::{Boot, Cluster, Host, Wire};
use crate::injector::Injector;
use crate::network::NetworkCounters;
use crate::station::Station;
use crate::stream::{Stream, fold};
use crate::trace::{TraceRecord, TraceTo};
use crate::wheel::Wheel;
use crate::world::{Finished, WorldBuilder};

/// A slot is at most `2^22` ns (4.2 ms) wide, even if the fastest link is slower.
const SLOT_SHIFT_MAX: u32 = 22;

/// When a node halts the world, it ends at the next multiple of this (about 4.2 ms): the widest slot there can be.
pub const HALT_GRAIN: Nanos = 1 << SLOT_SHIFT_MAX;

/// Nodes run on the world's thread, some of them deeply recursive. The memory is only taken when used.
const STACK_BYTES: usize = 64 << 20;

/// What the driver and the nodes' tasks share.
pub(crate) type Shared<T> = Arc<Mutex<T>>;

/// Locks what only one task at a time ever wants.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("after a panic the world does not go on")
}

/// What the plan has made of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Up,
    Paused,
    Down,
}

/// The driver's side of a world.
pub(crate) struct Driver<M> {
    pub cluster: Shared<Cluster<M>>,
    pub regions: Vec<RegionId>,
    /// The madsim nodes.
    pub madsim_ids: Vec<madsim::task::NodeId>,
    pub madsim: madsim::runtime::Handle,
    pub now: Nanos,
    pub tracing: bool,
    pub injector: Injector<M>,
    live: Arc<AtomicUsize>,
    trace: TraceTo,
    records: Vec<TraceRecord>,
    progress: Arc<AtomicU64>,
}

/// Runs a world that was checked.
pub(crate) fn run<M: Payload>(builder: WorldBuilder<M>, until: Nanos) -> Finished<M> {
    let seed = builder.seed;
    // Room above the end of the world for what is due later.
    let until = until.min(NEVER / 4);
    let names: Vec<String> = builder.nodes.iter().map(|(spec, _)| spec.name.clone()).collect();
    let topology = Arc::new(builder.topology());
    let tracing = !matches!(builder.trace, TraceTo::Off);
    let shift = topology.lookahead_ns().ilog2().min(SLOT_SHIFT_MAX);
    let regions = topology.regions.clone();
    let hosts: Vec<Host<M>> = (builder.nodes.into_iter().enumerate())
        .map(|(index, (spec, process))| {
            let id = NodeId(index as u32);
            let station = spec.station.map(|station| Station::new(station, Stream::new(seed, "service", index as u64)));
            Host::new(id, spec.name, process, station, Arc::clone(&topology), tracing)
        })
        .collect();
    let wire = Wire {
        wheel: Wheel::new(shift),
        shift,
        now: 0,
        window_end: 0,
        limit: 0,
        working: Vec::new(),
        carrier: None,
        status: vec![Status::Up; hosts.len()],
        dead_letters: 0,
        next_local: vec![0; hosts.len()],
        trays: hosts.iter().map(|_| Vec::new()).collect(),
        wakers: vec![None; hosts.len()],
        pending: hosts.len(),
        main: None,
        halt: NEVER,
        trace: Vec::new(),
    };
    let cluster = Arc::new(Mutex::new(Cluster { hosts, wire, living: None }));

    let (plan, trace, progress) = (builder.plan, builder.trace, builder.progress);
    let (thread_cluster, thread_progress) = (Arc::clone(&cluster), Arc::clone(&progress));
    let world = std::thread::Builder::new().name(format!("world {seed}")).stack_size(STACK_BYTES).spawn(move || {
        let runtime = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
        let live = Arc::new(AtomicUsize::new(0));
        let madsim_ids: Vec<_> = (names.iter().enumerate())
            .map(|(index, name)| {
                let (cluster, live) = (Arc::clone(&thread_cluster), Arc::clone(&live));
                let task = move || HostTask::new(index, Arc::clone(&cluster), Arc::clone(&live));
                runtime.create_node().name(name.as_str()).init(task).build().id()
            })
            .collect();
        let mut driver = Driver {
            cluster: thread_cluster,
            regions,
            madsim_ids,
            madsim: runtime.handle().clone(),
            now: 0,
            tracing,
            injector: Injector::new(plan),
            live,
            trace,
            records: Vec::new(),
            progress: thread_progress,
        };
        runtime.block_on(driver.drive(until))
    });
    match world.expect("the system gives a thread").join() {
        Ok(finished) => finished,
        Err(panic) => {
            let text = (panic.downcast_ref::<&str>().copied().map(str::to_owned))
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without a text".to_owned());
            let cluster = cluster.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let at = cluster.wire.now;
            let who = match cluster.living {
                Some(node) => format!("node {} \"{}\"", node.0, cluster.hosts[node.index()].name),
                None => "the world".to_owned(),
            };
            panic!("{who} panicked after {at} ns of virtual time (seed {seed}): {text}");
        }
    }
}

/// The one task of a madsim node: when it is woken its host lives through time, and carries the others through it.
struct HostTask<M> {
    index: usize,
    cluster: Shared<Cluster<M>>,
    live: Arc<AtomicUsize>,
    at_home: bool,
}

impl<M> HostTask<M> {
    fn new(index: usize, cluster: Shared<Cluster<M>>, live: Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self { index, cluster, live, at_home: false }
    }
}

impl<M> Drop for HostTask<M> {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M: Payload> Future for HostTask<M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let index = this.index;
        let cluster = &mut *lock(&this.cluster);
        if !this.at_home {
            this.at_home = true;
            cluster.wire.wakers[index] = Some(context.waker().clone());
            cluster.wire.done();
        } else if cluster.wire.carrier == Some(index) {
            cluster.wire.carrier = None;
            cluster.carry();
            cluster.wire.done();
        }
        Poll::Pending
    }
}

impl<M: Payload> Driver<M> {
    async fn drive(&mut self, until: Nanos) -> Finished<M> {
        self.settle().await;
        let mut until = until;
        loop {
            let fault_at = self.injector.next_at();
            if self.open(until.min(fault_at)) {
                self.settle().await;
                let halt = self.close();
                if halt != NEVER {
                    until = until.min((halt / HALT_GRAIN + 1) * HALT_GRAIN);
                }
            } else if fault_at < until {
                self.now = fault_at.max(self.now);
                self.inject();
                self.settle().await;
            } else {
                break;
            }
        }
        let halted = lock(&self.cluster).wire.halt != NEVER;
        self.now = until;
        self.keep_clock(until);
        self.progress.store(until, Ordering::Relaxed);
        self.end_tasks().await;
        self.finish(until, halted)
    }

    /// Opens a stretch of time in which the plan does nothing, up to `limit`, and wakes the task that carries it; false if
    /// nothing happens before `limit`.
    fn open(&mut self, limit: Nanos) -> bool {
        let wire = &mut lock(&self.cluster).wire;
        wire.now = self.now;
        wire.limit = limit;
        if !wire.open_next() {
            return false;
        }
        let carrier = *wire.working.first().expect("a window opens for somebody");
        wire.carrier = Some(carrier);
        wire.pending = 1;
        wire.wakers[carrier].as_ref().expect("a node that is up has a task").wake_by_ref();
        true
    }

    /// After a stretch: writes its trace, in an order that does not tell who ran first; says when a node halted.
    fn close(&mut self) -> Nanos {
        let mut guard = lock(&self.cluster);
        let (now, halt, mut records) = (guard.wire.now, guard.wire.halt, std::mem::take(&mut guard.wire.trace));
        drop(guard);
        self.now = now;
        self.keep_clock(now);
        self.progress.store(now, Ordering::Relaxed);
        // Stable: what one node did at one instant stays in its order.
        records.sort_by_key(|record| (record.at, record.node));
        for record in records {
            self.record(record);
        }
        halt
    }

    /// Waits until no task has anything left to do.
    async fn settle(&self) {
        poll_fn(|context| {
            let wire = &mut lock(&self.cluster).wire;
            if wire.pending == 0 {
                return Poll::Ready(());
            }
            if !wire.main.as_ref().is_some_and(|main| main.will_wake(context.waker())) {
                wire.main = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Moves madsim's clock, for whoever reads it. madsim itself adds some ns for each task it polls.
    fn keep_clock(&mut self, now: Nanos) {
        let shown = madsim::time::TimeHandle::current();
        let behind = Duration::from_nanos(now).saturating_sub(shown.elapsed());
        if !behind.is_zero() {
            shown.advance(behind);
        }
    }

    /// Ends the tasks, for a task that never ends is never freed.
    async fn end_tasks(&mut self) {
        lock(&self.cluster).wire.wakers.fill(None);
        for id in &self.madsim_ids {
            self.madsim.kill(*id);
        }
        let live = Arc::clone(&self.live);
        poll_fn(|context| match live.load(Ordering::Relaxed) {
            0 => Poll::Ready(()),
            _ => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
        lock(&self.cluster).wire.main = None;
    }

    fn finish(&mut self, until: Nanos, halted: bool) -> Finished<M> {
        let faults = self.injector.close(until);
        let (mut digest, mut messages) = (self.injector.digest, 0);
        let Cluster { hosts, wire, .. } = &mut *lock(&self.cluster);
        let on_the_way = wire.wheel.len() + wire.trays.iter().map(Vec::len).sum::<usize>();
        let (dead_letters, in_flight) = (wire.dead_letters, on_the_way as u64);
        let mut network = NetworkCounters { dead_letters, in_flight, ..NetworkCounters::default() };
        let mut nodes = Vec::with_capacity(hosts.len());
        let mut stations = Vec::new();
        for host in hosts {
            digest = fold(digest, host.digest);
            messages += host.messages;
            network += host.links.counters;
            network.handled += host.messages - host.told_here;
            network.died += host.station.as_ref().map_or(0, Station::died);
            network.in_flight += host.station.as_ref().map_or(0, Station::holds);
            stations.extend(host.station.as_mut().map(|station| station.report(host.id, &host.name, until)));
            nodes.push(host.process.take().expect("a process is at home between windows"));
        }
        let trace = matches!(self.trace, TraceTo::Memory).then(|| std::mem::take(&mut self.records));
        Finished { digest, messages, virtual_ns: until, halted, nodes, stations, network, faults, trace }
    }

    /// Writes a record of the trace.
    pub(crate) fn record(&mut self, record: TraceRecord) {
        match &mut self.trace {
            TraceTo::Off => {}
            TraceTo::Memory => self.records.push(record),
            TraceTo::Sink(sink) => sink(&record),
        }
    }

    /// The process of a node comes up (again) at `now`, in the window that starts there.
    pub(crate) fn boot(&mut self, node: NodeId) {
        let index = node.index();
        let mut guard = lock(&self.cluster);
        let Cluster { hosts, wire, .. } = &mut *guard;
        wire.status[index] = Status::Up;
        hosts[index].boot = Boot::Again;
        hosts[index].not_before = self.now;
        wire.next_local[index] = self.now;
        wire.pending += 1;
        drop(guard);
        self.madsim.restart(self.madsim_ids[index]);
    }
}
