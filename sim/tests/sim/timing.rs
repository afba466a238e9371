//! Time is exact to the nanosecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headcount_sim::{HALT_GRAIN, LinkModel, MS, NodeId, SECOND, Sampler, StationSpec, WorldError};

use crate::support::{Bench, Number, Saw, numbers, scripted};

/// 1.234567 ms one way: the n-th arrival of a ping-pong comes at n * 1,234,567 ns, to the nanosecond.
#[test]
fn a_ping_pong_arrives_exactly() {
    const ONE_WAY: u64 = 1_234_567;
    let mut bench = Bench::new(1, LinkModel::constant(ONE_WAY));
    bench.node(|_, saw, out, _| match saw {
        Saw::Start => out.send(NodeId(1), Number(1)),
        Saw::Number { number, .. } => out.send(NodeId(1), Number(number + 1)),
        _ => {}
    });
    bench.node(|_, saw, out, _| {
        if let Saw::Number { number, .. } = saw {
            out.send(NodeId(0), Number(number + 1));
        }
    });
    let finished = bench.world.run(SECOND);
    // floor((10^9 - 1) / 1,234,567) = 810 arrivals before the end, which itself does not belong to the run.
    assert_eq!(finished.messages, 810);
    assert_eq!(finished.virtual_ns, SECOND);
    let nodes = scripted(finished);
    for (at, number) in numbers(&nodes[0]).into_iter().chain(numbers(&nodes[1])) {
        assert_eq!(at, number * ONE_WAY);
    }
}

/// Wakes come at the nanosecond asked for, many within one slot too, and never before time.
#[test]
fn wakes_come_exactly_when_asked_for() {
    let mut bench = Bench::new(1, LinkModel::constant(100 * MS));
    bench.node(|now, _, _, wake| *wake = Some(now + 777));
    let nodes = scripted(bench.world.run(MS));
    // Start at 0 and then each 777 ns: floor(999,999 / 777) = 1,287 wakes.
    assert_eq!(nodes[0].seen.len(), 1_288);
    assert!(nodes[0].seen.iter().enumerate().all(|(n, (at, _))| *at == n as u64 * 777));
}

/// Held back for 3.5 ms, then 1 ms on the way; sent at 0. A message sent at once at 4 ms arrives after it, at 5 ms.
#[test]
fn a_message_is_held_back_as_long_as_its_sender_says() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    bench.node(move |now, saw, out, wake| match saw {
        Saw::Start => {
            out.send_after(7 * MS / 2, to, Number(1));
            *wake = Some(now + 4 * MS);
        }
        _ => out.send(to, Number(2)),
    });
    let nodes = scripted(bench.world.run(SECOND));
    assert_eq!(numbers(&nodes[0]), [(9 * MS / 2, 1), (5 * MS, 2)]);
}

/// Messages far beyond the ring of the wheel (0.01 ms links make slots of 8,192 ns, so the ring spans 17 ms) arrive too.
#[test]
fn far_messages_arrive_exactly() {
    let mut bench = Bench::new(1, LinkModel::constant(10_000));
    let to = bench.listener();
    let from = bench.node(move |_, saw, out, _| {
        if saw == Saw::Start {
            out.send(to, Number(7));
        }
    });
    bench.world.node_link(from, to, LinkModel::constant(3_600 * SECOND + 1));
    let nodes = scripted(bench.world.run(4_000 * SECOND));
    assert_eq!(numbers(&nodes[0]), [(3_600 * SECOND + 1, 7)]);
}

/// Halting at 10 ms ends the world at the next multiple of 2^22 ns: 3 * 4,194,304 ns.
#[test]
fn a_halt_ends_the_world_at_the_next_grain() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    bench.node(|now, saw, out, wake| {
        *wake = Some(now + 10 * MS);
        if saw == Saw::Wake {
            out.halt();
        }
    });
    let finished = bench.world.run(SECOND);
    assert!(finished.halted);
    assert_eq!(finished.virtual_ns, 3 * HALT_GRAIN);
}

#[test]
fn progress_is_published() {
    let progress = Arc::new(AtomicU64::new(0));
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    bench.listener();
    bench.world.progress(Arc::clone(&progress));
    bench.world.run(5 * SECOND);
    assert_eq!(progress.load(Ordering::Relaxed), 5 * SECOND);
}

#[test]
#[should_panic(expected = "node 1 \"node 0\" panicked after")]
fn a_panic_names_the_node() {
    let mut bench = Bench::new(77, LinkModel::constant(MS));
    let to = bench.node(|_, _, _, _| {});
    bench.node(move |_, saw, out, _| {
        out.send(to, Number(0));
        assert!(saw != Saw::Start, "this process is broken");
    });
    bench.world.run(SECOND);
}

#[test]
fn a_panic_names_the_seed_and_the_reason() {
    let broken = || {
        let mut bench = Bench::new(77, LinkModel::constant(MS));
        bench.node(|now, _, _, wake| {
            *wake = Some(now);
        });
        bench.world.run(SECOND);
    };
    let panic = std::panic::catch_unwind(broken).expect_err("a node that is woken for ever at one instant");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(text.contains("seed 77") && text.contains("does not move on"), "{text}");
}

#[test]
#[should_panic(expected = "it sent a message to node 9, which there is not")]
fn a_message_to_nobody_is_a_broken_node() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    bench.node(|_, _, out, _| out.send(NodeId(9), Number(0)));
    bench.world.run(SECOND);
}

#[test]
fn impossible_worlds_are_refused() {
    let empty = Bench::new(1, LinkModel::constant(MS));
    assert_eq!(empty.world.check(), Err(WorldError::Empty));

    let mut apart = Bench::new(1, LinkModel::constant(MS));
    let there = apart.world.region("there");
    apart.listener();
    assert_eq!(apart.world.check(), Ok(()), "nobody stands there yet");
    apart.node_in(there, None, |_, _, _, _| {});
    let error = apart.world.check().expect_err("no link");
    assert_eq!(error.to_string(), "no link from region here to region there");

    assert_eq!((apart.world.nodes_in(there), apart.world.nodes_of_kind("scripted").len()), (vec![NodeId(1)], 2));

    let mut idle = Bench::new(1, LinkModel::constant(MS));
    let none = StationSpec::new(0, Sampler::constant(MS));
    idle.node_in(idle.region, Some(none), |_, _, _, _| {});
    assert_eq!(idle.world.check(), Err(WorldError::BadStation { node: "node 0".to_owned() }));

    let mut planned = Bench::new(1, LinkModel::constant(MS));
    planned.listener();
    let fault = headcount_sim::Fault::Crash { node: NodeId(5), down: 1 };
    planned.world.plan(vec![headcount_sim::FaultEntry::new(0, fault)]);
    let of = "crash node 5 down 1 ns".to_owned();
    assert_eq!(planned.world.check(), Err(WorldError::UnknownNode { node: NodeId(5), of }));
}
