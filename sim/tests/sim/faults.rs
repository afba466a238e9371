//! Crashes, pauses, partitions, tells and healing do what they say, when they say it.

use headcount_sim::{
    Degrade, Direction, Fault, FaultEntry, Group, LinkModel, MS, NodeId, SECOND, Sampler, StationSpec,
};

use crate::support::{Bench, Number, Saw, numbers, scripted};

fn at(ms: u64, fault: Fault<Number>) -> FaultEntry<Number> {
    FaultEntry::new(ms * MS, fault)
}

/// One number each 10 ms, 1 ms on the way: number n arrives at 10 (n + 1) + 1 ms. Down from 45 to 78 ms: those that
/// arrive at 51, 61, 71 ms (numbers 4, 5, 6) are lost.
#[test]
fn a_crash_loses_what_is_volatile_and_what_arrives_meanwhile() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    bench.ticker(to, 10 * MS, 10);
    bench.world.plan(vec![at(45, Fault::Crash { node: to, down: 33 * MS })]);
    let finished = bench.world.run(SECOND);
    assert_eq!(finished.network.dead_letters, 3);
    assert_eq!((finished.faults[0].start, finished.faults[0].end), (45 * MS, 78 * MS));
    let nodes = scripted(finished);
    let got: Vec<u64> = numbers(&nodes[0]).into_iter().map(|(_, number)| number).collect();
    assert_eq!(got, [0, 1, 2, 3, 7, 8, 9]);
    assert_eq!(nodes[0].volatile, 3, "only what came after the reboot");
    let reboot = nodes[0].seen.iter().position(|(_, saw)| *saw == Saw::Reboot).expect("it rebooted");
    assert_eq!(nodes[0].seen[reboot..reboot + 2], [(78 * MS, Saw::Reboot), (78 * MS, Saw::Start)]);
}

/// What a node holds back dies with it; its alarm too.
#[test]
fn a_crash_loses_what_was_held_back() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    let from = bench.node(move |now, saw, out, wake| {
        if saw == Saw::Start && now == 0 {
            out.send_after(20 * MS, to, Number(1));
            *wake = Some(30 * MS);
        }
    });
    bench.world.plan(vec![at(10, Fault::Crash { node: from, down: MS })]);
    let nodes = scripted(bench.world.run(SECOND));
    assert_eq!(numbers(&nodes[0]), []);
    assert!(nodes[1].seen.iter().all(|(_, saw)| *saw != Saw::Wake));
}

/// Overlapping crashes: down from 10 ms to max(10 + 20, 15 + 50) = 65 ms, and up once.
#[test]
fn a_longer_crash_wins_over_a_shorter_one() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let node = bench.listener();
    bench.world.plan(vec![at(10, Fault::Crash { node, down: 20 * MS }), at(15, Fault::Crash { node, down: 50 * MS })]);
    let nodes = scripted(bench.world.run(SECOND));
    assert_eq!(nodes[0].seen, [(0, Saw::Start), (65 * MS, Saw::Reboot), (65 * MS, Saw::Start)]);
}

/// Crashed, healed and crashed again at one instant: the driver must not wait for a task that never ran.
#[test]
fn faults_of_one_instant_happen_in_the_order_of_the_plan() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let node = bench.listener();
    bench.world.plan(vec![
        at(10, Fault::Crash { node, down: 20 * MS }),
        FaultEntry::heal_all(10 * MS),
        at(10, Fault::Crash { node, down: 7 * MS }),
        at(17, Fault::Crash { node, down: 0 }),
    ]);
    let nodes = scripted(bench.world.run(SECOND));
    let starts: Vec<u64> = nodes[0].seen.iter().filter(|(_, saw)| *saw == Saw::Start).map(|(at, _)| *at).collect();
    assert_eq!(starts, [0, 17 * MS]);
}

/// Up again at 17 ms and paused at once: it boots when the pause ends, at 20 ms. Crashed in the pause of another such boot, at
/// 42 ms, it boots at 50 ms.
#[test]
fn a_node_paused_as_it_comes_up_boots_after_the_pause() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let node = bench.listener();
    bench.world.plan(vec![
        at(10, Fault::Crash { node, down: 7 * MS }),
        at(17, Fault::Pause { node, for_: 3 * MS }),
        at(30, Fault::Crash { node, down: 10 * MS }),
        at(40, Fault::Pause { node, for_: 30 * MS }),
        at(42, Fault::Crash { node, down: 8 * MS }),
    ]);
    let nodes = scripted(bench.world.run(SECOND));
    let starts: Vec<u64> = nodes[0].seen.iter().filter(|(_, saw)| *saw == Saw::Start).map(|(at, _)| at / MS).collect();
    assert_eq!(starts, [0, 20, 50]);
}

/// Paused from 45 to 78 ms: numbers 4, 5, 6 wait and are handled at 78 ms, in order; nothing is lost.
#[test]
fn a_pause_delays_and_loses_nothing() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    bench.ticker(to, 10 * MS, 10);
    bench.world.plan(vec![at(45, Fault::Pause { node: to, for_: 33 * MS })]);
    let nodes = scripted(bench.world.run(SECOND));
    let expected: Vec<(u64, u64)> = (0..10)
        .map(|n| match n {
            4..=6 => (78 * MS, n),
            _ => (10 * (n + 1) * MS + MS, n),
        })
        .collect();
    assert_eq!(numbers(&nodes[0]), expected);
}

/// A paused ticker misses its alarm at 50 ms and hears it at 78 ms; the next comes 10 ms after that.
#[test]
fn a_pause_delays_alarms() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    let from = bench.ticker(to, 10 * MS, 6);
    bench.world.plan(vec![at(45, Fault::Pause { node: from, for_: 33 * MS })]);
    let nodes = scripted(bench.world.run(SECOND));
    let times: Vec<u64> = numbers(&nodes[0]).iter().map(|(at, _)| at / MS).collect();
    assert_eq!(times, [11, 21, 31, 41, 79, 89]);
}

/// Both ways cut from 45 to 78 ms. Judged when sent: 50, 60, 70 are lost each way; what was sent at 40 ms is under way for
/// 8 ms and arrives at 48 ms, during the partition.
#[test]
fn a_partition_cuts_what_is_sent_during_it_both_ways() {
    let run = |direction| {
        let mut bench = Bench::new(1, LinkModel::constant(8 * MS));
        let (left, right) = (NodeId(0), NodeId(1));
        bench.ticker(right, 10 * MS, 10);
        bench.ticker(left, 10 * MS, 10);
        let (a, b) = (Group::node(left), Group::node(right));
        bench.world.plan(vec![at(45, Fault::Partition { a, b, direction, for_: 33 * MS })]);
        let finished = bench.world.run(SECOND);
        let cut = finished.network.cut;
        let nodes = scripted(finished);
        let times = |node: usize| numbers(&nodes[node]).iter().map(|(at, _)| at / MS).collect::<Vec<u64>>();
        (cut, times(0), times(1))
    };
    let all = [18, 28, 38, 48, 58, 68, 78, 88, 98, 108];
    let some = [18, 28, 38, 48, 88, 98, 108];
    assert_eq!(run(Direction::Both), (6, some.to_vec(), some.to_vec()));
    assert_eq!(run(Direction::AToB), (3, all.to_vec(), some.to_vec()), "half open: the left one still hears");
}

/// A rule between regions cuts exactly what crosses; the first rule that matches decides.
#[test]
fn rules_match_regions_and_the_first_one_decides() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let there = bench.world.region("there");
    bench.world.links(bench.region, there, LinkModel::constant(MS));
    let (here, far) = (NodeId(0), NodeId(1));
    bench.listener();
    bench.node_in(there, None, |_, _, _, _| {});
    for to in [here, far] {
        bench.ticker(to, 10 * MS, 3);
    }
    let slow = Degrade { extra_ns: 5 * MS, ..Degrade::default() };
    let (a, b, for_) = (Group::region(bench.region), Group::region(there), SECOND);
    let direction = Direction::Both;
    bench.world.plan(vec![
        at(15, Fault::Degrade { a: a.clone(), b: b.clone(), direction, degrade: slow, for_: 10 * MS }),
        at(16, Fault::Partition { a, b, direction, for_ }),
    ]);
    let nodes = scripted(bench.world.run(SECOND));
    // At 20 ms the older rule (slow) decides, at 30 ms only the partition is left.
    assert_eq!(numbers(&nodes[1]), [(11 * MS, 0), (26 * MS, 1)]);
    assert_eq!(numbers(&nodes[0]).len(), 3, "within the region nothing is cut");
}

/// A tell passes network and station, and its end is told too; a node that is down hears nothing.
#[test]
fn a_tell_reaches_the_node_itself_and_ends() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let slow = StationSpec::new(1, Sampler::constant(SECOND));
    let node = bench.node_in(bench.region, Some(slow), |_, _, _, _| {});
    let tell = |number, end| Fault::Tell { node, body: Number(number), label: format!("number {number}"), end };
    bench.world.plan(vec![
        at(3, tell(1, Some((4 * MS, Number(2))))),
        at(9, Fault::Crash { node, down: 2 * MS }),
        at(10, tell(3, None)),
        at(20, tell(4, Some((SECOND, Number(5))))),
        at(25, Fault::Crash { node, down: SECOND }),
        FaultEntry::heal_all(30 * MS),
    ]);
    let finished = bench.world.run(2 * SECOND);
    assert_eq!(finished.network.dead_letters, 1);
    let nodes = scripted(finished);
    assert_eq!(numbers(&nodes[0]), [(3 * MS, 1), (7 * MS, 2), (20 * MS, 4), (30 * MS, 5)]);
}

/// At 50 ms everything is healed: the crashed node is up, the paused one runs, the cut link carries, each once.
#[test]
fn healing_ends_every_fault() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let (crashed, paused, cut) = (bench.listener(), bench.listener(), bench.listener());
    for to in [crashed, paused, cut] {
        bench.ticker(to, 10 * MS, 9);
    }
    let for_ = 10 * SECOND;
    let (a, b) = (Group::node(cut), Group::AllBut(vec![cut]));
    bench.world.plan(vec![
        at(15, Fault::Crash { node: crashed, down: for_ }),
        at(15, Fault::Pause { node: paused, for_ }),
        at(15, Fault::Partition { a, b, direction: Direction::Both, for_ }),
        at(15, Fault::Clock { node: cut, offset: 1_000_000_000, drift_ppm: 100 }),
        FaultEntry::heal_all(50 * MS),
    ]);
    let finished = bench.world.run(SECOND);
    assert!(finished.faults.iter().all(|window| (window.start, window.end) == (15 * MS, 50 * MS)));
    assert_eq!(finished.faults.len(), 4);
    let nodes = scripted(finished);
    let got = |node: usize| numbers(&nodes[node]).iter().map(|(_, number)| *number).collect::<Vec<u64>>();
    // Number n is sent at 10 (n + 1) ms. Sent from 50 ms on, after the healing of that instant: 4 and later.
    assert_eq!(got(0), [0, 4, 5, 6, 7, 8]);
    assert_eq!(got(1), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(got(2), [0, 4, 5, 6, 7, 8]);
}

/// A whole region dies at once.
#[test]
fn a_region_crashes_as_one() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    for _ in 0..3 {
        bench.listener();
    }
    let there = bench.world.region("there");
    bench.world.links(bench.region, there, LinkModel::constant(MS));
    bench.node_in(there, None, |_, _, _, _| {});
    bench.world.plan(vec![at(5, Fault::CrashRegion { region: bench.region, down: 2 * MS })]);
    let nodes = scripted(bench.world.run(SECOND));
    for (index, node) in nodes.iter().enumerate() {
        let reboots = node.seen.iter().filter(|(at, saw)| (*at, *saw) == (7 * MS, Saw::Reboot)).count();
        assert_eq!(reboots, usize::from(index < 3));
    }
}
