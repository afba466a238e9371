//! The platform's nodes stepped by hand, by criterion's clock: no world, no network, no waiting in queues.
//!
//! Each service holds 100,000 voters' traces first; then what 10,000 more of them need is timed. So criterion's `time` is
//! that of the whole batch, and its `thrpt` counts the operations. Messages are made before and results are checked after
//! the clock runs; handing a message over, asking for the next wake and taking the answers away is in the time, as any
//! host of a node has to do it.
//!
//! Bias: voters come one after the other, so caches are warmer than between the messages of a whole cluster. The texts
//! that KV and App Context keep are those of the table of voters: they neither allocate nor free them, except under the
//! Functions. The allocator is the system's; the command has a faster one of its own.

pub mod members;
pub mod replica;
pub mod voters;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use headcount_engine::contract::{Input, Nanos, Node, NodeId, Outbox, SECOND, Send, US};
use headcount_engine::limits::{Limits, SERVERLESS_2026_09};
use headcount_engine::message::Msg;

/// Voters who are there before the clock runs.
pub const HELD: usize = 100_000;
/// Operations in a batch.
pub const BATCH: usize = 10_000;
/// Between two operations: 10,000 a second, as the flagship's burst has them.
pub const PACE: Nanos = 100 * US;

pub const LIMITS: &Limits = &SERVERLESS_2026_09;

pub const BROKER: NodeId = NodeId(0);
pub const WORKER: NodeId = NodeId(1);
pub const KV: NodeId = NodeId(2);
pub const PEER: NodeId = NodeId(3);
pub const OBJECTS: NodeId = NodeId(4);
pub const AUDIT: NodeId = NodeId(5);

pub type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Times `work` alone; each time it gets something `prepare`d, and what it returns is `check`ed.
pub fn measure<T, U>(
    group: &mut Group<'_>,
    name: &str,
    elements: usize,
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(T) -> U,
    check: impl Fn(U),
) {
    group.throughput(Throughput::Elements(elements as u64));
    let mut once = || {
        let input = black_box(prepare());
        let started = Instant::now();
        let output = black_box(work(input));
        let spent = started.elapsed();
        check(output);
        spent
    };
    group.bench_function(name, |bencher| bencher.iter_custom(|times| (0..times).map(|_| once()).sum()));
}

/// Does for a node what its host does: hands something over, wakes it if it is due, and takes away what it says.
pub fn step(node: &mut dyn Node, now: Nanos, input: Input, out: &mut Outbox, carry: impl FnMut(Send)) {
    node.handle(now, input, out);
    while node.next_wake().is_some_and(|at| at <= now) {
        node.handle(now, Input::Wake, out);
    }
    out.drain_sends().for_each(carry);
}

pub fn said(from: NodeId, msg: Msg) -> Input {
    Input::Message { from, msg }
}

/// When the batch begins: a second after the last of those held.
pub const LATER: Nanos = HELD as u64 * PACE + SECOND;

/// Criterion as all of these benches want it: a batch is long enough that ten of them say all.
pub fn criterion() -> Criterion {
    if cfg!(debug_assertions) {
        eprintln!("note: without optimisation these figures say nothing");
    }
    let (warm_up, measurement) = (Duration::from_millis(100), Duration::from_secs(1));
    let criterion = Criterion::default().sample_size(10).warm_up_time(warm_up).measurement_time(measurement);
    criterion.configure_from_args()
}
