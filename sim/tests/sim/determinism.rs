//! The same seed gives the same run: twice, on any thread, however time is cut.

use std::sync::{Arc, Mutex};

use headcount_sim::{
    Direction, Fault, FaultEntry, Finished, Group, LinkModel, MS, NodeId, RegionId, SECOND, Sampler, StationSpec,
    Stream, SwarmKind, SwarmWindow, TraceRecord, TraceTo, draw_plan, first_difference,
};

use crate::support::{Bench, Number, Saw};

/// One fault of most kinds.
fn usual_plan() -> Vec<FaultEntry<Number>> {
    let (node, for_) = (NodeId(4), 100 * MS);
    let (a, b) = (Group::node(NodeId(1)), Group::AllBut(vec![NodeId(1)]));
    vec![
        FaultEntry::new(150 * MS + 1, Fault::Crash { node: NodeId(3), down: 77_777_777 }),
        FaultEntry::new(200 * MS, Fault::Pause { node, for_ }),
        FaultEntry::new(333 * MS, Fault::Partition { a, b, direction: Direction::AToB, for_ }),
        FaultEntry::new(400 * MS, Fault::Clock { node: NodeId(5), offset: -20_000_000, drift_ppm: 300 }),
        FaultEntry::heal_all(700 * MS),
    ]
}

fn busy_world(seed: u64, lookahead: Option<u64>, tracing: bool) -> Finished<Number> {
    busy_world_with(seed, lookahead, tracing, usual_plan())
}

/// A world with a little of everything: 12 nodes that pass messages on, stations, alarms, all kinds of faults.
fn busy_world_with(
    seed: u64,
    lookahead: Option<u64>,
    tracing: bool,
    plan: Vec<FaultEntry<Number>>,
) -> Finished<Number> {
    const NODES: u64 = 12;
    let latency = Sampler::exponential(3 * MS).expect("a mean above 0").shifted(2 * MS);
    let link = LinkModel {
        loss_ppm: 1_000,
        duplicate_ppm: 1_000,
        reorder_ppm: 10_000,
        reorder_extra_ns: 5 * MS,
        ..LinkModel::new(latency)
    };
    let mut bench = Bench::new(seed, link);
    for index in 0..NODES {
        let mut stream = Stream::new(seed, "passer", index);
        let station = (index % 3 == 0).then(|| StationSpec {
            queue: Some(20),
            ..StationSpec::new(2, Sampler::exponential(MS / 4).expect("a mean above 0"))
        });
        bench.node_in(bench.region, station, move |now, saw, out, wake| {
            let mut pass = |number| {
                let to = NodeId(stream.below(NODES) as u32);
                match stream.below(4) {
                    0 => out.send_after(stream.below(10 * MS), to, Number(number)),
                    _ => out.send(to, Number(number)),
                }
            };
            match saw {
                Saw::Start => (0..20).for_each(&mut pass),
                Saw::Number { number, .. } | Saw::Overload(number) => pass(number + 1),
                Saw::Wake => pass(0),
                Saw::Reboot => {}
            }
            if wake.is_none_or(|wake| wake <= now) {
                *wake = Some(now + 40 * MS);
            }
        });
    }
    if let Some(lookahead) = lookahead {
        // A link nobody uses: it only makes the slots narrower.
        let idle = bench.listener();
        bench.world.node_link(idle, idle, LinkModel::constant(lookahead));
    } else {
        bench.listener();
    }
    bench.world.trace(tracing).plan(plan);
    bench.world.run(SECOND)
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let first = busy_world(1, None, true);
    let second = busy_world(1, None, true);
    let (trace, again) = (first.trace.expect("wanted"), second.trace.expect("wanted"));
    if let Some(difference) = first_difference(&trace, &again) {
        panic!("{difference}");
    }
    assert_eq!(first.digest, second.digest);
    assert!(first.messages > 10_000, "{} messages are too few to show anything", first.messages);
    assert_eq!(first.network, second.network);
    assert_eq!(first.stations, second.stations);
    assert_eq!(first.faults, second.faults);
}

/// The value itself: equal in the dev and the release profile and on every machine. It changes when the model does.
#[test]
fn the_digest_of_seed_1_is_what_it_was() {
    assert_eq!(format!("{:016x}", busy_world(1, None, false).digest), "6736dc252edbe4b6");
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(busy_world(1, None, false).digest, busy_world(2, None, false).digest);
}

#[test]
fn runs_beside_each_other_do_not_touch() {
    let alone = busy_world(1, None, false).digest;
    let beside: Vec<_> = (0..4).map(|_| std::thread::spawn(|| busy_world(1, None, false).digest)).collect();
    for run in beside {
        assert_eq!(run.join().expect("no panic"), alone);
    }
}

/// 2 ms links make slots of 2^20 ns; an idle link of 0.1 ms or 0.011 ms makes them 2^16 or 2^13 ns, with other windows, other
/// batches and another order of hosts. The run is the same.
#[test]
fn the_width_of_slots_changes_nothing() {
    let wide = busy_world(1, None, true);
    for lookahead in [100_000, 11_000] {
        let narrow = busy_world(1, Some(lookahead), true);
        let (left, right) = (wide.trace.as_ref().expect("wanted"), narrow.trace.as_ref().expect("wanted"));
        if let Some(difference) = first_difference(left, right) {
            panic!("{difference}");
        }
        assert_eq!(wide.digest, narrow.digest);
    }
}

/// The same under 24 drawn plans of overlapping crashes, pauses, partitions, bad links and wrong clocks: also a hunt for
/// what stands still or panics.
#[test]
fn the_width_of_slots_changes_nothing_under_a_swarm_of_faults() {
    let nodes: Vec<NodeId> = (0..12).map(NodeId).collect();
    let kinds = vec![
        SwarmKind::crash(nodes.clone(), 12),
        SwarmKind::crash_region(vec![RegionId(0)], 2),
        SwarmKind::pause(nodes.clone(), 12),
        SwarmKind::partition(nodes.clone(), 4),
        SwarmKind::one_way_partition(nodes.clone(), 4),
        SwarmKind::degrade(nodes.clone(), 4),
        SwarmKind::clock(nodes, 6, 100),
    ];
    let window = SwarmWindow { start: 0, end: 900 * MS };
    let mut faults = 0;
    for seed in 0..24 {
        let plan = || {
            let mut plan = draw_plan(seed, &kinds, window).plan;
            plan.push(FaultEntry::heal_all(900 * MS));
            plan
        };
        let (wide, narrow) =
            (busy_world_with(seed, None, false, plan()), busy_world_with(seed, Some(100_000), false, plan()));
        assert_eq!(wide.digest, narrow.digest, "seed {seed}");
        assert_eq!(wide.faults, narrow.faults, "seed {seed}");
        assert_eq!(wide.network, narrow.network, "seed {seed}");
        assert!(wide.faults.iter().all(|fault| fault.start <= fault.end && fault.end <= 900 * MS));
        faults += wide.faults.len();
    }
    // 7 kinds at 1/2, with 6.5, 1.5, 6.5, 2.5, 2.5, 2.5 and 3.5 events in the mean: 12.75 a plan, 306 in all.
    assert!(faults > 200, "{faults}");
}

/// A sink is shown the same records as the memory keeps, in the order of time, as lines that carry time, node and event.
#[test]
fn a_sink_sees_the_same_trace() {
    let run = |trace: TraceTo| {
        let mut bench = Bench::new(1, LinkModel::constant(MS));
        let to = bench.listener();
        bench.ticker(to, 3 * MS, 2);
        bench.world.trace(trace).plan(vec![FaultEntry::new(5 * MS, Fault::Crash { node: to, down: MS })]);
        bench.world.run(8 * MS).trace
    };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let write = move |record: &TraceRecord| sink.lock().expect("no panic").push(record.to_string());
    assert_eq!(run(TraceTo::Sink(Box::new(write))), None);
    let kept: Vec<String> = run(TraceTo::Memory).expect("wanted").iter().map(TraceRecord::to_string).collect();
    assert_eq!(*lines.lock().expect("no panic"), kept);
    let expected = [
        "0.000000000 node 0 start",
        "0.000000000 node 1 start",
        "0.003000000 node 1 wake",
        "0.004000000 node 0 <- 1 number 0",
        "0.005000000 world fault crash node 0 down 1000000 ns",
        "0.006000000 world fault restart node 0",
        "0.006000000 node 0 start",
        "0.006000000 node 1 wake",
        "0.007000000 node 0 <- 1 number 1",
    ];
    assert_eq!(kept, expected);
}

/// Writing a trace changes nothing either.
#[test]
fn a_trace_changes_nothing() {
    assert_eq!(busy_world(1, None, false).digest, busy_world(1, None, true).digest);
}

/// One message more at the end of one run: the difference is found at that record, and shown with what came before.
#[test]
fn the_first_difference_is_found_and_shown() {
    let run = |odd: u64| {
        let mut bench = Bench::new(1, LinkModel::constant(MS));
        let to = bench.node(|_, saw, out, _| out.note(|| format!("saw {saw:?}")));
        let mut sent = 0;
        bench.node(move |now, _, out, wake| {
            out.send(to, Number(if sent == 50 { odd } else { sent }));
            sent += 1;
            *wake = Some(now + MS);
        });
        bench.world.trace(true);
        bench.world.run(100 * MS).trace.expect("wanted")
    };
    let (left, right) = (run(7), run(8));
    assert_eq!(first_difference(&left, &left), None);
    let difference = first_difference(&left, &right).expect("they differ");
    assert_eq!((difference.before.len(), difference.left.len(), difference.right.len()), (5, 3, 3));
    let shown = difference.to_string();
    // The 51st message is sent at 50 ms and arrives at 51 ms.
    assert!(shown.contains("-   0.051000000 node 0 <- 1 number 7\n"), "{shown}");
    assert!(shown.contains("+   0.051000000 node 0 <- 1 number 8\n"), "{shown}");
    let cut = first_difference(&left, &left[..10]).expect("one ends");
    assert!(cut.to_string().ends_with("+   (ends)\n"), "{cut}");
}
