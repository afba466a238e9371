//! What one delivery to a friend costs: rows of random publishers, each friend checked (is it at this edge?), its last
//! mile drawn and counted, its screen's bit set; beside it a bare loop over the same rows that only sums who is online.
//! `cargo bench -p headcount-benches --bench fanout`
//!
//! Three quarters of all friends are online, all at one edge of their region; every publisher's status goes to all
//! regions, slice by slice. The bare loop reads a row in one go and a bit for each friend. Both must find the same
//! number of friends online. A delivery is a friend reached; the walk's cost of looking at those who are away is in it.
//!
//! Bias: publishers are drawn at random, so every row comes from main memory, which is what a crowd of that size does;
//! a crowd whose popular users publish more would be served faster. Turning positions into a report's latencies is not in it.

mod rounds;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use headcount_sim::Stream;
use headcount_workloads::graph::walk::{AWAY, Legs, Status, WIFI, Walked, show};
use headcount_workloads::graph::{Degrees, Graph, GraphOptions};

const REGIONS: u32 = 4;
const EDGE: u8 = 0;
/// Publishers in one turn: ten million friends of 500 each.
const PUBLISHERS: usize = 20_000;

/// (users, friends of each).
type Size = (u32, u32);

/// friends-online.md 1: 500,000 users with 500 friends each; a fifth of it stays in better caches.
const SIZES: [Size; 2] = [(100_000, 500), (500_000, 500)];
/// Without `--bench` only to see that it works.
const SMALL: [Size; 1] = [(2_000, 50)];

/// A graph, who of it is online, and what their screens say.
struct Town {
    graph: Graph,
    /// By region, then by number in the region.
    conn: Vec<Vec<u8>>,
    /// By user: for the bare loop.
    online: Vec<u64>,
    views: Vec<u64>,
    publishers: Vec<u32>,
    legs: Legs,
    publications: u64,
    built: Duration,
}

impl Town {
    fn new((users, friends): Size) -> Self {
        let started = Instant::now();
        let options = GraphOptions { users, regions: REGIONS, degrees: Degrees::Constant(friends), seed: 1 };
        let graph = Graph::build(&options).expect("the sizes are possible");
        let built = started.elapsed();
        let mut conn = vec![Vec::new(); REGIONS as usize];
        let mut online = vec![0; users as usize / 64 + 1];
        let mut stream = Stream::new(1, "who is online", 0);
        for user in 0..users {
            let there = stream.below(4) < 3;
            online[user as usize / 64] |= u64::from(there) << (user % 64);
            let access = if stream.below(2) == 0 { WIFI } else { 0 };
            conn[(user % REGIONS) as usize].push(access | if there { EDGE } else { AWAY });
        }
        let mut stream = Stream::new(1, "publishers", 0);
        Self {
            views: vec![0; graph.edges() as usize / 64 + 1],
            publishers: (0..PUBLISHERS).map(|_| stream.below(u64::from(users)) as u32).collect(),
            legs: Legs::new(),
            publications: 0,
            graph,
            conn,
            online,
            built,
        }
    }

    /// Friends looked at in one turn.
    fn looked_at(&self) -> u64 {
        self.publishers.iter().map(|user| u64::from(self.graph.degree(*user))).sum()
    }

    /// Every publisher changes its status; how many friends that reaches.
    fn walked(&mut self) -> u64 {
        let mut delivered = 0;
        // Each turn the other way round, so that every bit changes.
        let online = (self.publications / PUBLISHERS as u64).is_multiple_of(2);
        for &user in &self.publishers {
            let status = Status { edge: EDGE, online, salt: self.publications };
            for region in 0..REGIONS {
                let (friends, conn) = (self.graph.slice(user, region), &self.conn[region as usize]);
                let Walked { delivered: reached, .. } =
                    show(friends, friends.start(), conn, status, &mut self.views, &mut self.legs);
                delivered += u64::from(reached);
            }
            self.publications += 1;
        }
        delivered
    }

    /// The bare loop: how many friends are online.
    fn summed(&mut self) -> u64 {
        let row = |user: &u32| -> u64 {
            let friends = self.graph.row(*user).users();
            friends.map(|friend| self.online[friend as usize / 64] >> (friend % 64) & 1).sum()
        };
        self.publishers.iter().map(row).sum()
    }
}

type Way = (&'static str, fn(&mut Town) -> u64);

const WALK: Way = ("checked deliveries", Town::walked);
const BARE: Way = ("bare loop", Town::summed);

/// One turn, and that it reached as many friends as it must.
fn verified((name, way): Way, town: &mut Town, deliveries: u64) {
    assert_eq!(black_box(way(town)), deliveries, "{name}: each friend online is reached exactly once");
}

fn fanout(criterion: &mut Criterion, town: &mut Town, (users, friends): Size) {
    let deliveries = town.summed();
    let mut group = criterion.benchmark_group(format!("fanout/{users} users with {friends} friends"));
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(deliveries));
    for way in [WALK, BARE] {
        group.bench_function(BenchmarkId::from_parameter(way.0), |bencher| {
            bencher.iter(|| verified(way, town, deliveries));
        });
    }
    group.finish();
}

/// A line of the closing table: both ways in turn, `rounds` times, medians.
fn line(town: &mut Town, (users, friends): Size, rounds: usize) -> String {
    let (deliveries, looked_at) = (town.summed(), town.looked_at());
    let ways = [WALK, BARE];
    let [walk, bare] = rounds::medians(rounds, |way| verified(ways[way], town, deliveries));
    let mirrored = Instant::now();
    let mirror = town.graph.mirror();
    let mirrored = mirrored.elapsed();
    format!(
        "{users:>7} x {friends:<4}  {:>7.2}  {:>7.2}  {:>7.2}  {:>7.2}  {:>5.2}x  {:>6.2}  {:>5.0}  {:>6.2}  {:>5.0}",
        walk / deliveries as f64,
        bare / deliveries as f64,
        walk / looked_at as f64,
        bare / looked_at as f64,
        walk / bare,
        town.built.as_secs_f64(),
        town.graph.bytes() as f64 / 1e6,
        mirrored.as_secs_f64(),
        mirror.bytes() as f64 / 1e6,
    )
}

fn main() {
    let measuring = rounds::measuring();
    let (sizes, rounds) = if measuring { (&SIZES[..], 11) } else { (&SMALL[..], 1) };
    let mut criterion = Criterion::default().configure_from_args();
    let mut lines = Vec::new();
    for &size in sizes {
        let mut town = Town::new(size);
        fanout(&mut criterion, &mut town, size);
        lines.push(line(&mut town, size, rounds));
    }
    criterion.final_summary();
    if measuring {
        println!("\nmedian of {rounds} rounds in turn; wanted: at most 5 ns a delivery and 4 times the bare loop");
        println!("                ns a delivery     ns a friend                 graph          mirror");
        println!("                 walk     bare     walk     bare   ratio   built s     MB       s     MB");
        lines.iter().for_each(|line| println!("{line}"));
    }
}
