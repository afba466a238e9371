//! Wrong clocks: offset, drift, a step back, and alarms by a wrong clock.

use headcount_sim::{Fault, FaultEntry, LinkModel, MS, SECOND};

use crate::support::{Bench, Number, Saw, numbers, scripted};

/// A clock 3 s ahead that gains 1,000 ppm from 1 s on shows, at 1 s + t: 4 s + 1.001 t.
#[test]
fn a_clock_can_be_ahead_and_drift() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    bench.ticker(to, 500 * MS, 6);
    let (offset, drift_ppm) = (3 * SECOND as i64, 1_000);
    bench.world.plan(vec![FaultEntry::new(SECOND, Fault::Clock { node: to, offset, drift_ppm })]);
    let nodes = scripted(bench.world.run(10 * SECOND));
    let shown: Vec<u64> = numbers(&nodes[0]).into_iter().map(|(at, _)| at).collect();
    // Arrivals at 501, 1001, 1501, ... ms of true time.
    let expected: Vec<u64> = (1..=6)
        .map(|n| match n * 500 * MS + MS {
            at if at < SECOND => at,
            at => at + 3 * SECOND + (at - SECOND) / 1_000,
        })
        .collect();
    assert_eq!(shown, expected);
}

/// A step back by 1 s at 2 s: the node sees 2 s until true time is 3 s, then time moves on. Never back.
#[test]
fn a_step_back_freezes_the_clock_until_time_has_caught_up() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    bench.ticker(to, 250 * MS, 20);
    let clock = Fault::Clock { node: to, offset: -(SECOND as i64), drift_ppm: 0 };
    bench.world.plan(vec![FaultEntry::new(2 * SECOND, clock)]);
    let nodes = scripted(bench.world.run(10 * SECOND));
    for (n, (shown, _)) in numbers(&nodes[0]).into_iter().enumerate() {
        let at = (n as u64 + 1) * 250 * MS + MS;
        let expected = if at < 2 * SECOND { at } else { (at - SECOND).max(2 * SECOND) };
        assert_eq!(shown, expected);
    }
}

/// An alarm at each whole second of a clock that gains 1 % (10,000 ppm): in 100 s of true time it shows 101 s, so 100 alarms
/// before 100 s, the n-th at n / 1.01 s, rounded up to the nanosecond.
#[test]
fn alarms_go_by_the_nodes_own_clock() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    let mut second = 0;
    let from = bench.node(move |_, saw, out, wake| {
        if saw == Saw::Wake {
            out.send(to, Number(second));
        }
        second += 1;
        *wake = Some(second * SECOND);
    });
    bench.world.plan(vec![FaultEntry::new(0, Fault::Clock { node: from, offset: 0, drift_ppm: 10_000 })]);
    let nodes = scripted(bench.world.run(100 * SECOND + 1));
    let times: Vec<u64> = numbers(&nodes[0]).into_iter().map(|(at, _)| at).collect();
    let expected: Vec<u64> = (1..=100).map(|n: u64| (n * SECOND * 100).div_ceil(101) + MS).collect();
    assert_eq!(times, expected);
    // A clock that gains 1 % skips one nanosecond in a hundred, so it may first show the one after.
    assert!(nodes[1].seen.iter().all(|(at, _)| at % SECOND <= 1));
}

/// An alarm set for 5 s; at 1 s the clock jumps 10 s ahead: it is past and rings at once, at 1 s of true time.
#[test]
fn a_jump_ahead_rings_the_alarms_it_passes() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    let from = bench.node(move |_, saw, out, wake| match saw {
        Saw::Start => *wake = Some(5 * SECOND),
        _ => out.send(to, Number(9)),
    });
    let clock = Fault::Clock { node: from, offset: 10 * SECOND as i64, drift_ppm: 0 };
    bench.world.plan(vec![FaultEntry::new(SECOND, clock)]);
    let nodes = scripted(bench.world.run(10 * SECOND));
    assert_eq!(numbers(&nodes[0]), [(SECOND + MS, 9)]);
    assert_eq!(nodes[1].seen[1], (11 * SECOND, Saw::Wake));
}

/// Healed at 2 s, a clock that was 1 s ahead shows 3 s until true time is 3 s.
#[test]
fn healing_slews_a_clock_forward_only() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.listener();
    bench.ticker(to, 250 * MS, 20);
    let clock = Fault::Clock { node: to, offset: SECOND as i64, drift_ppm: 0 };
    bench.world.plan(vec![FaultEntry::new(SECOND, clock), FaultEntry::heal_all(2 * SECOND)]);
    let nodes = scripted(bench.world.run(10 * SECOND));
    for (n, (shown, _)) in numbers(&nodes[0]).into_iter().enumerate() {
        let at = (n as u64 + 1) * 250 * MS + MS;
        let expected = match at {
            at if at < SECOND => at,
            at if at < 2 * SECOND => at + SECOND,
            at => at.max(3 * SECOND),
        };
        assert_eq!(shown, expected, "at {at}");
    }
}
