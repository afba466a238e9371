//! Streams are independent of each other; swarms draw plans from them.

use headcount_sim::{
    CounterHash, Fault, FaultEntry, MS, NodeId, RegionId, SECOND, Stream, SwarmKind, SwarmWindow, draw_plan,
};

use crate::support::Number;

/// The derivation is pinned: were it another, every seed ever written down would mean another run.
#[test]
fn the_first_numbers_of_streams_are_what_they_were() {
    let first = |seed, purpose, entity| format!("{:016x}", Stream::new(seed, purpose, entity).next_u64());
    let pinned = [first(0, "", 0), first(1, "links", 0), first(1, "links", 1), first(1, "links of", 0)];
    assert_eq!(pinned, ["5efa488808f10b79", "07960007d9fb714b", "6bcf62ebc811f5ca", "197ba8b2a4f5bef9"]);
    let hash = CounterHash::new(&mut Stream::new(1, "hash", 0));
    assert_eq!(format!("{:016x}", hash.hash(5, 6)), "2fefd9326f7880cb");
    assert_eq!(hash.hash(5, 6), hash.entity(5).hash(6));
}

/// A draw more in one stream moves no other one.
#[test]
fn a_new_draw_in_one_stream_moves_no_other() {
    let others = |extra: usize| {
        let mut streams: Vec<Stream> = (0..4).map(|entity| Stream::new(9, "user", entity)).collect();
        for _ in 0..extra {
            streams[0].next_u64();
        }
        streams.iter_mut().skip(1).map(|stream| (0..8).map(|_| stream.next_u64()).collect()).collect::<Vec<Vec<u64>>>()
    };
    assert_eq!(others(0), others(1_000));
    let distinct: std::collections::BTreeSet<u64> = others(0).into_iter().flatten().collect();
    assert_eq!(distinct.len(), 24, "and they are different streams");
}

/// 60,000 throws of a die: each face 10,000 times, deviation sqrt(60,000 * 1/6 * 5/6) = 91, five of them 456. For streams and
/// for the counter hash over consecutive entities and counters.
#[test]
fn draws_are_even() {
    let mut stream = Stream::new(4, "die", 0);
    let hash = CounterHash::new(&mut stream);
    let mut counts = [[0u64; 6]; 3];
    for n in 0..60_000 {
        counts[0][stream.below(6) as usize] += 1;
        counts[1][(hash.hash(n, 0) % 6) as usize] += 1;
        counts[2][(hash.hash(7, n) % 6) as usize] += 1;
    }
    assert!(counts.as_flattened().iter().all(|count| count.abs_diff(10_000) < 456), "{counts:?}");
    let mut cards: Vec<u32> = (0..52).collect();
    stream.shuffle(&mut cards);
    assert!(!cards.is_sorted());
    cards.sort_unstable();
    assert!(cards.into_iter().eq(0..52));
    assert_eq!(stream.pick::<u8>(&[]), None);
    assert_eq!(stream.between(5, 4), 5);
}

fn kinds() -> Vec<SwarmKind<Number>> {
    let nodes: Vec<NodeId> = (0..5).map(NodeId).collect();
    let regions = vec![RegionId(0), RegionId(1), RegionId(2)];
    vec![
        SwarmKind::crash(nodes.clone(), 5),
        SwarmKind::crash_region(regions.clone(), 1),
        SwarmKind::pause(nodes.clone(), 5),
        SwarmKind::partition(nodes.clone(), 3),
        SwarmKind::one_way_partition(nodes.clone(), 3),
        SwarmKind::region_partition(regions, 2),
        SwarmKind::degrade(nodes.clone(), 3),
        SwarmKind::clock(nodes, 2, 1_000),
    ]
}

const WINDOW: SwarmWindow = SwarmWindow { start: 10 * SECOND, end: 40 * SECOND };

fn length(fault: &Fault<Number>) -> u64 {
    match fault {
        Fault::Crash { down, .. } | Fault::CrashRegion { down, .. } => *down,
        Fault::Pause { for_, .. } | Fault::Partition { for_, .. } | Fault::Degrade { for_, .. } => *for_,
        Fault::Clock { .. } | Fault::Tell { .. } | Fault::HealAll => 0,
    }
}

/// 400 seeds, 8 kinds: each kind in 200 of them, deviation 10, five of them 50. All events lie in the window.
#[test]
fn a_swarm_takes_each_kind_half_the_time_and_stays_in_its_window() {
    let kinds = kinds();
    let mut taken = vec![0u64; kinds.len()];
    for seed in 0..400 {
        let swarm = draw_plan(seed, &kinds, WINDOW);
        for (kind, count) in kinds.iter().zip(&mut taken) {
            *count += u64::from(swarm.kinds.contains(&kind.name));
        }
        assert_eq!(swarm.plan.is_empty(), swarm.kinds.is_empty());
        assert!(swarm.plan.iter().all(|entry| entry.at >= WINDOW.start));
        assert!(swarm.plan.iter().all(|entry| entry.at + length(&entry.fault) <= WINDOW.end));
        assert!(
            swarm.plan.iter().all(|entry| matches!(entry.fault, Fault::Clock { .. }) || length(&entry.fault) >= MS)
        );
    }
    assert!(taken.iter().all(|count| count.abs_diff(200) < 50), "{taken:?}");
}

/// Another kind in the list moves no event of the others, and the same seed draws the same plan.
#[test]
fn a_swarm_kind_added_moves_no_other() {
    let describe = |plan: &[FaultEntry<Number>], kind: &str| -> Vec<String> {
        let of_kind = plan.iter().filter(|entry| entry.fault.kind() == kind);
        of_kind.map(|entry| format!("{} {}", entry.at, entry.fault.describe())).collect()
    };
    let mut differing = 0;
    for seed in 0..50 {
        let (few, many) = (draw_plan(seed, &kinds()[..3], WINDOW), draw_plan(seed, &kinds(), WINDOW));
        for kind in ["crash", "crash_region", "pause"] {
            assert_eq!(describe(&few.plan, kind), describe(&many.plan, kind));
        }
        differing += u64::from(few.plan.len() < many.plan.len());
    }
    // 5 more kinds at 1/2: in 1 of 32 seeds none of them is in.
    assert!(differing > 40, "{differing}");
}
