//! What hosting one message costs, three ways in the same run: in a headcount-sim world, as a madsim task that sleeps,
//! and over madsim's `Endpoint`. `cargo bench -p headcount-benches --bench host`
//!
//! The same job each time: so many messages in flight, each handed on a fixed number of times, each hop 1 to 2 ms of
//! virtual time, uniform (madsim cannot sleep for less than 1 ms). 64 nodes pass them on, or nobody in the second way. Making the
//! runtime, the nodes or tasks, and taking all down is part of the time.
//!
//! Bias: the sleeping tasks pass nothing on; they are only a timer and a wake. The handlers do next to nothing, so this is
//! the price of hosting alone. The closing table is measured in turns in one process, so that a machine that gets
//! slower does so for all three; it prints the medians.

mod court;
mod rounds;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use headcount_sim::{Input, LinkModel, MS, Nanos, NodeId, NodeSpec, Outbox, Process, Sampler, Stream, WorldBuilder};
use madsim::net::{Endpoint, NetSim};
use madsim::runtime::{Handle, Runtime};

use court::{Ball, address, on_fresh_thread};

const NODES: u64 = 64;
const LATENCY_NS_MIN: Nanos = MS;
const LATENCY_NS_MAX: Nanos = 2 * MS;

/// How much is done: `in_flight * hops` messages.
#[derive(Clone, Copy)]
struct Job {
    in_flight: u64,
    hops: u64,
}

impl Job {
    fn messages(self) -> u64 {
        self.in_flight * self.hops
    }

    /// How many of the messages begin at this node.
    fn share(self, node: u64) -> u64 {
        self.in_flight / NODES + u64::from(node < self.in_flight % NODES)
    }
}

/// Between 100,000 and 1,500,000 messages a time, so that the start does not weigh.
const FEW: Job = Job { in_flight: 100, hops: 1_000 };
const MANY: Job = Job { in_flight: 10_000, hops: 30 };
const CROWD: Job = Job { in_flight: 500_000, hops: 3 };

struct Player {
    own: u64,
    hops: u64,
    stream: Stream,
}

impl Player {
    fn throw(&mut self, hops_left: u64, out: &mut Outbox<Ball>) {
        let to = NodeId(self.stream.below(NODES) as u32);
        out.send(to, Ball::new(hops_left));
    }
}

impl Process<Ball> for Player {
    fn handle(&mut self, _now: Nanos, input: Input<Ball>, out: &mut Outbox<Ball>) {
        match input {
            Input::Start => (0..self.own).for_each(|_| self.throw(self.hops - 1, out)),
            Input::Message { body, .. } if body.hops_left > 0 => self.throw(body.hops_left - 1, out),
            Input::Message { .. } | Input::Overload { .. } | Input::Wake => {}
        }
    }
    fn next_wake(&self) -> Option<Nanos> {
        None
    }
    fn reboot(&mut self, _now: Nanos) {}
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

/// (a) Nodes of a world. Returns the messages handled.
fn world(job: Job) -> u64 {
    let mut world = WorldBuilder::new(1);
    let region = world.region("court");
    let latency = Sampler::uniform(LATENCY_NS_MIN, LATENCY_NS_MAX).expect("it rises");
    world.links(region, region, LinkModel::new(latency));
    for node in 0..NODES {
        let spec = NodeSpec { name: format!("player {node}"), region, kind: "player", station: None };
        let stream = Stream::new(1, "throws", node);
        world.node(spec, Box::new(Player { own: job.share(node), hops: job.hops, stream }));
    }
    // A message that is never faster than another sent before it is late by no more than the slowest.
    world.run((job.hops + 1) * LATENCY_NS_MAX).messages
}

/// (b) One madsim task for each message in flight, which sleeps for each hop. Returns the sleeps.
fn sleeping_tasks(job: Job) -> u64 {
    on_fresh_thread(move || {
        Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(async move {
            let sleeper = |task| async move {
                let mut stream = Stream::new(1, "sleeps", task);
                let mut slept = 0;
                for _ in 0..job.hops {
                    let ns = stream.between(LATENCY_NS_MIN, LATENCY_NS_MAX);
                    madsim::time::sleep(Duration::from_nanos(ns)).await;
                    slept += 1;
                }
                slept
            };
            let tasks: Vec<_> = (0..job.in_flight).map(|task| madsim::task::spawn(sleeper(task))).collect();
            let mut slept = 0;
            for task in tasks {
                slept += task.await.expect("no task panics");
            }
            slept
        })
    })
}

/// (c) madsim nodes that send to each other's `Endpoint`. Returns the messages received.
fn endpoints(job: Job) -> u64 {
    on_fresh_thread(move || {
        let mut config = madsim::Config::default();
        config.net.send_latency = Duration::from_nanos(LATENCY_NS_MIN)..Duration::from_nanos(LATENCY_NS_MAX);
        let runtime = Runtime::with_seed_and_config(1, config);
        let handle = runtime.handle();
        let received = Arc::new(AtomicU64::new(0));
        for index in 0..NODES {
            let node = handle.create_node().name(format!("player {index}")).ip(address(index).ip()).build();
            node.spawn(endpoint_player(job, index, received.clone()));
        }
        runtime.block_on(async move {
            assert_eq!(Handle::current().seed(), 1);
            while received.load(Ordering::Relaxed) < job.messages() {
                madsim::time::sleep(Duration::from_millis(1)).await;
            }
            // Long enough for any message too many to show.
            madsim::time::sleep(Duration::from_millis(10)).await;
            let sent = madsim::plugin::simulator::<NetSim>().stat().msg_count;
            assert_eq!(sent, job.messages(), "madsim's own count");
            received.load(Ordering::Relaxed)
        })
    })
}

async fn endpoint_player(job: Job, index: u64, received: Arc<AtomicU64>) {
    let endpoint = Endpoint::bind(address(index)).await.expect("the address is its own");
    // All have bound before the first message comes.
    madsim::time::sleep(Duration::from_millis(5)).await;
    let mut stream = Stream::new(1, "throws", index);
    for _ in 0..job.share(index) {
        let to = address(stream.below(NODES));
        endpoint.send_to_raw(to, 0, Box::new(Ball::new(job.hops - 1))).await.expect("it goes");
    }
    loop {
        let (ball, _) = endpoint.recv_from_raw(0).await.expect("the socket is open");
        received.fetch_add(1, Ordering::Relaxed);
        if let Some(ball) = ball.downcast::<Ball>().expect("only balls are thrown").next() {
            let to = address(stream.below(NODES));
            endpoint.send_to_raw(to, 0, Box::new(ball)).await.expect("it goes");
        }
    }
}

/// A way of doing the job, by name; it returns how many messages were handled.
type Way = (&'static str, fn(Job) -> u64);

const WORLD: Way = ("headcount-sim world", world);
const TASKS: Way = ("madsim sleeping tasks", sleeping_tasks);
const ENDPOINTS: Way = ("madsim Endpoint", endpoints);

fn verified((name, way): Way, job: Job) {
    assert_eq!(black_box(way(job)), job.messages(), "{name}: each message is handled exactly once");
}

fn host(criterion: &mut Criterion) {
    // 500,000 messages in flight over `Endpoint` take minutes, and say nothing that 10,000 do not.
    let jobs: [(Job, &[Way]); 3] =
        [(FEW, &[WORLD, TASKS, ENDPOINTS]), (MANY, &[WORLD, TASKS, ENDPOINTS]), (CROWD, &[WORLD, TASKS])];
    for (job, ways) in jobs {
        let mut group = criterion.benchmark_group(format!("host/{} in flight", job.in_flight));
        group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Elements(job.messages()));
        for &(name, way) in ways {
            group.bench_with_input(BenchmarkId::from_parameter(name), &job, |bencher, &job| {
                bencher.iter(|| verified((name, way), job));
            });
        }
        group.finish();
    }
}

/// The table at the end: all ways in turn, `rounds` times.
fn table(rounds: usize) {
    println!("\nns per message, median of {rounds} rounds in turn");
    println!(
        "{:>9}  {:>10}  {:>14}  {:>10}  {:>12}  {:>15}",
        "in flight", "world", "sleeping tasks", "Endpoint", "tasks:world", "Endpoint:world"
    );
    for job in [FEW, MANY] {
        let ways = [WORLD, TASKS, ENDPOINTS];
        let ns = rounds::medians::<3>(rounds, |way| verified(ways[way], job));
        let [world, tasks, endpoints] = ns.map(|ns| ns / job.messages() as f64);
        println!(
            "{:>9}  {world:>10.1}  {tasks:>14.1}  {endpoints:>10.1}  {:>11.1}x  {:>14.1}x",
            job.in_flight,
            tasks / world,
            endpoints / world
        );
    }
}

fn main() {
    let measuring = rounds::measuring();
    let mut criterion = Criterion::default().configure_from_args();
    host(&mut criterion);
    criterion.final_summary();
    if measuring {
        table(5);
    }
}
