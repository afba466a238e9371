//! Our world and its peers at the same two loads: bare madsim, turmoil, nexosim.
//! `cargo bench -p headcount-benches --bench peers`
//!
//! - **Ping-pong**: 64 actors in 32 pairs; each throws so many balls, and whoever gets one throws it back, so many times. Every
//!   throw takes 1 ms of virtual time.
//! - **Timers**: so many timers, each armed again as soon as it has fired, 1 to 8 ms ahead, so many times. All four draw the same
//!   delays, in whole milliseconds, for two of them know no finer ones.
//!
//! Each peer does it as its own documentation would: an actor is a node (madsim, turmoil: a host with a UDP socket) or a
//! model (nexosim: a ball is an event that its thrower schedules 1 ms ahead). A timer is a node of its own in our world, a model
//! of its own in nexosim, and a sleeping task in the two others, which have no smaller thing to wake. Making all of
//! that and taking it down is part of the time. Every way must say how much it handled, and how much virtual time that took.
//!
//! One thread for each: nexosim would take all cores, and is told not to. It keeps no network, no faults and no digest, which
//! the others do in part and our world does whole; its time is exact, as ours is, while madsim's and turmoil's is not.
//!
//! Bias: all that is due comes at the same instants, which suits whoever takes a batch at a time: our world and turmoil. The
//! handlers do next to nothing: this is the price of hosting alone. With more hosts turmoil would be slower than it is here, for it
//! keeps a link for each two of them.

#[allow(dead_code, reason = "each bench takes its part")]
mod court;
#[path = "peers/on_madsim.rs"]
mod on_madsim;
#[path = "peers/on_nexosim.rs"]
mod on_nexosim;
#[path = "peers/on_turmoil.rs"]
mod on_turmoil;
#[path = "peers/on_world.rs"]
mod on_world;
mod rounds;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use headcount_engine::dice;

/// So many balls between all actors together, each thrown so often.
#[derive(Clone, Copy)]
struct PingPong {
    balls: u64,
    hops: u64,
}

/// How many actors play; the one opposite `actor` is `actor ^ 1`.
const ACTORS: u64 = 64;

impl PingPong {
    /// How many balls begin with each actor.
    fn share(self) -> u64 {
        self.balls / ACTORS
    }
}

/// So many timers, each armed so often.
#[derive(Clone, Copy)]
struct Timers {
    timers: u64,
    arms: u64,
}

impl Timers {
    /// How far ahead a timer is armed the n-th time.
    fn delay_ms(timer: u64, n: u64) -> u64 {
        1 + dice::draw(timer, n) % 8
    }

    /// When the last timer fires for the last time.
    fn last_ms(self) -> u64 {
        let whole = |timer| (0..self.arms).map(|n| Self::delay_ms(timer, n)).sum();
        (0..self.timers).map(whole).max().unwrap_or(0)
    }
}

/// What a way of doing it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    /// Balls caught, or timers fired.
    handled: u64,
    /// When the last of it was, in virtual time.
    virtual_ms: u64,
}

const NAMES: [&str; 4] = ["headcount-sim", "madsim", "turmoil", "nexosim"];
const PING_PONG: [fn(PingPong) -> Done; 4] =
    [on_world::ping_pong, on_madsim::ping_pong, on_turmoil::ping_pong, on_nexosim::ping_pong];
const TIMERS: [fn(Timers) -> Done; 4] = [on_world::timers, on_madsim::timers, on_turmoil::timers, on_nexosim::timers];

/// A load, what it must come to, and the ways to do it.
struct Load {
    name: String,
    wanted: Done,
    ways: [Box<dyn Fn() -> Done>; 4],
}

impl Load {
    fn ping_pong(load: PingPong) -> Self {
        Self {
            name: format!("ping-pong, {} balls", load.balls),
            wanted: Done { handled: load.balls * load.hops, virtual_ms: load.hops },
            ways: PING_PONG.map(|way| Box::new(move || way(load)) as Box<_>),
        }
    }

    fn timers(load: Timers) -> Self {
        Self {
            name: format!("{} timers", load.timers),
            wanted: Done { handled: load.timers * load.arms, virtual_ms: load.last_ms() },
            ways: TIMERS.map(|way| Box::new(move || way(load)) as Box<_>),
        }
    }

    /// Does it one way. Everything must be handled exactly once and nothing early; where time is exact nothing late either.
    /// (madsim draws a pause around each send and each receive, and no pause is shorter than 1 ms: a hop takes 3 ms, and a
    /// player with many balls throws one a millisecond. turmoil may take a tick more.)
    fn verified(&self, way: usize) {
        let (done, name) = (black_box(self.ways[way]()), NAMES[way]);
        assert_eq!(done.handled, self.wanted.handled, "{name}, {}", self.name);
        let late = matches!(name, "madsim" | "turmoil") && done.virtual_ms > self.wanted.virtual_ms;
        assert!(late || done.virtual_ms == self.wanted.virtual_ms, "{name}, {}: {done:?}", self.name);
    }

    fn bench(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(format!("peers/{}", self.name));
        group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Elements(self.wanted.handled));
        for (way, name) in NAMES.into_iter().enumerate() {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| bencher.iter(|| self.verified(way)));
        }
        group.finish();
    }

    /// A line of the closing table.
    fn line(&self, rounds: usize) -> String {
        let ns = rounds::medians::<4>(rounds, |way| self.verified(way)).map(|ns| ns / self.wanted.handled as f64);
        let [ours, madsim, turmoil, nexosim] = ns;
        format!(
            "{:<24}  {ours:>13.0}  {madsim:>7.0}  {turmoil:>7.0}  {nexosim:>7.0}  {:>5.1}x  {:>6.1}x  {:>6.1}x",
            self.name,
            madsim / ours,
            turmoil / ours,
            nexosim / ours
        )
    }
}

fn main() {
    let measuring = rounds::measuring();
    let mut criterion = Criterion::default().configure_from_args();
    // From 32,000 to 500,000 messages or timers a time; without `--bench` only to see that it works.
    let loads = if measuring {
        vec![
            Load::ping_pong(PingPong { balls: ACTORS, hops: 500 }),
            Load::ping_pong(PingPong { balls: 150 * ACTORS, hops: 20 }),
            Load::timers(Timers { timers: 100, arms: 1_000 }),
            Load::timers(Timers { timers: 10_000, arms: 50 }),
        ]
    } else {
        vec![Load::ping_pong(PingPong { balls: 2 * ACTORS, hops: 5 }), Load::timers(Timers { timers: 20, arms: 5 })]
    };
    loads.iter().for_each(|load| load.bench(&mut criterion));
    criterion.final_summary();
    if measuring {
        const ROUNDS: usize = 5;
        println!("\nns a message or timer, median of {ROUNDS} rounds in turn, and how many times ours");
        println!("{:<24}  headcount-sim   madsim  turmoil  nexosim  madsim  turmoil  nexosim", "");
        loads.iter().for_each(|load| println!("{}", load.line(ROUNDS)));
    }
}
