//! What one message costs the world: nodes pass messages on at random, so many at once. Prints ns per message, by number
//! of nodes and of messages in flight. `cargo run --release -p headcount-sim --example pace [seconds of virtual time]`
//!
//! It measures hosting, links and wheel, not a model: the nodes do next to nothing.

use std::time::Instant;

use headcount_sim::{
    Input, LinkModel, MS, Nanos, NodeId, NodeSpec, Outbox, Payload, Process, SECOND, Sampler, Stream, US, WorldBuilder,
};

#[derive(Clone)]
struct Parcel {
    number: u64,
    _rest: [u64; 4],
}

impl Payload for Parcel {
    fn wire_bytes(&self) -> u32 {
        100
    }
    fn kind(&self) -> &'static str {
        "parcel"
    }
    fn fingerprint(&self) -> u64 {
        self.number
    }
    fn describe(&self) -> String {
        self.number.to_string()
    }
}

struct Passer {
    nodes: u64,
    own: u64,
    state: u64,
}

impl Passer {
    fn pass(&mut self, out: &mut Outbox<Parcel>, number: u64) {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number | 1);
        let to = ((u128::from(self.state) * u128::from(self.nodes)) >> 64) as u32;
        out.send(NodeId(to), Parcel { number: number + 1, _rest: [0; 4] });
    }
}

impl Process<Parcel> for Passer {
    fn handle(&mut self, _now: Nanos, input: Input<Parcel>, out: &mut Outbox<Parcel>) {
        match input {
            Input::Start => (0..self.own).for_each(|number| self.pass(out, number)),
            Input::Message { body, .. } => self.pass(out, body.number),
            Input::Overload { .. } | Input::Wake => {}
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

/// What one event costs when each message is a madsim task that sleeps: 10,000 of them, 1 to 10 ms at a time.
fn sleeping_tasks_ns(rounds: u64) -> f64 {
    const TASKS: u64 = 10_000;
    let run = move || {
        let runtime = madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default());
        let started = Instant::now();
        runtime.block_on(async move {
            let tasks = (0..TASKS).map(|task| {
                madsim::task::spawn(async move {
                    let mut stream = Stream::new(1, "sleep", task);
                    for _ in 0..rounds {
                        madsim::time::sleep(std::time::Duration::from_nanos(stream.between(MS, 10 * MS))).await;
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.expect("no task panics");
            }
        });
        started.elapsed().as_nanos() as f64 / (TASKS * rounds) as f64
    };
    // On a thread of its own, because madsim's state is the thread's.
    std::thread::spawn(run).join().expect("no panic")
}

fn main() {
    if cfg!(debug_assertions) {
        eprintln!("note: without --release this says nothing");
    }
    let seconds: f64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let exponential = Sampler::exponential(4 * MS).expect("a mean above 0").shifted(550 * US);
    let started = Instant::now();
    const WORLDS: u32 = 500;
    for seed in 0..WORLDS {
        let mut world = WorldBuilder::new(u64::from(seed));
        let region = world.region("one");
        for node in 0..64 {
            let spec = NodeSpec { name: format!("passer {node}"), region, kind: "passer", station: None };
            world.node(spec, Box::new(Passer { nodes: 64, own: 1, state: node }));
        }
        world.run(MS);
    }
    println!(
        "a world of 64 nodes and 1 ms, from nothing to nothing: {:.1} us",
        started.elapsed().as_micros() as f64 / f64::from(WORLDS)
    );
    println!("10000 madsim tasks sleeping, for comparison: {:.1} ns/event", sleeping_tasks_ns(50));
    println!("nodes  in flight  latency                   messages  ns/message  digest");
    for (nodes, in_flight, share) in
        [(64, 500_000, 0.1), (64, 10_000, 1.0), (64, 1_000, 5.0), (64, 100, 20.0), (16, 10_000, 1.0)]
    {
        for (name, latency) in [
            ("0.55 + exp(4) ms", exponential.clone()),
            ("uniform 0.55 to 9.5 ms", Sampler::uniform(550 * US, 9_500 * US).expect("it rises")),
        ] {
            let mut world = WorldBuilder::new(1);
            let region = world.region("one");
            world.links(region, region, LinkModel::new(latency));
            let mut stream = Stream::new(1, "pace", 0);
            for node in 0..nodes {
                let own = in_flight / nodes + u64::from(node < in_flight % nodes);
                let spec = NodeSpec { name: format!("passer {node}"), region, kind: "passer", station: None };
                world.node(spec, Box::new(Passer { nodes, own, state: stream.next_u64() }));
            }
            let started = Instant::now();
            let finished = world.run((seconds * share * SECOND as f64) as Nanos);
            let ns = started.elapsed().as_nanos() as f64 / finished.messages as f64;
            let (messages, digest) = (finished.messages, finished.digest);
            println!("{nodes:>5} {in_flight:>10}  {name:<24} {messages:>9} {ns:>11.1}  {digest:016x}");
        }
    }
}
