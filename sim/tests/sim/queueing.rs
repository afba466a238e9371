//! Stations against queueing theory: the simulated mean wait is the formula's. Bounds: the mean wait of `n` customers is
//! correlated over about `2 / (1 - rho)^2` services, which for M/M/1 at rho = 0.8 and n = 1,000,000 gives a relative
//! standard error near 1 %; the seeds are fixed, so the tests do not flicker.

use headcount_sim::{LinkModel, MS, NodeSpec, SECOND, Sampler, StationReport, StationSpec, Stream, US, WorldBuilder};

use crate::support::{Bench, Number, Saw, Scripted, numbers, scripted};

/// Poisson arrivals at `rho` of the capacity of `servers` servers with 1 ms of service in the mean, 1,000,000 of them.
fn loaded(seed: u64, servers: u32, rho: f64, service: Sampler) -> StationReport {
    const ARRIVALS: u64 = 1_000_000;
    let mean_gap_ns = (MS as f64 / (rho * f64::from(servers))) as u64;
    let mut bench = Bench::new(seed, LinkModel::constant(4 * MS));
    let station = bench.node_in(bench.region, Some(StationSpec::new(servers, service)), |_, _, _, _| {});
    let mut stream = Stream::new(seed, "arrivals", 0);
    let gap = Sampler::exponential(mean_gap_ns).expect("a mean above 0");
    let mut left = ARRIVALS;
    // 1,000 arrivals at a time, held back until their time: fewer alarms.
    let mut next = 0;
    bench.node(move |now, _, out, wake| {
        for _ in 0..left.min(1_000) {
            next += gap.sample(stream.next_u64());
            out.send_after(next.saturating_sub(now), station, Number(0));
        }
        left -= left.min(1_000);
        *wake = (left > 0).then_some(next);
    });
    let mut stations = bench.world.run(ARRIVALS * mean_gap_ns * 2).stations;
    let report = stations.remove(0);
    assert_eq!((report.total.arrivals, report.total.served), (ARRIVALS, ARRIVALS));
    assert_eq!(report.flow.deviation_ns(), 0, "Little's law");
    let busy = report.total.busy_ns as f64 / (ARRIVALS * MS) as f64;
    assert!((busy - 1.0).abs() < 0.005, "the mean service is {busy} ms, should be 1");
    report
}

fn wait_ms(report: &StationReport) -> f64 {
    report.total.wait_ns_sum as f64 / report.total.begun as f64 / MS as f64
}

fn assert_within(value: f64, expected: f64, share: f64) {
    assert!((value / expected - 1.0).abs() < share, "{value} is not within {share} of {expected}");
}

fn exponential() -> Sampler {
    Sampler::exponential(MS).expect("a mean above 0")
}

/// M/M/1: W = rho / (1 - rho) services = 0.8 / 0.2 = 4 ms.
#[test]
fn one_exponential_server_waits_as_m_m_1() {
    assert_within(wait_ms(&loaded(1, 1, 0.8, exponential())), 4.0, 0.02);
}

/// M/D/1: half of it, W = rho / (2 (1 - rho)) = 2 ms.
#[test]
fn one_constant_server_waits_as_m_d_1() {
    assert_within(wait_ms(&loaded(2, 1, 0.8, Sampler::constant(MS))), 2.0, 0.02);
}

/// M/M/4 by Erlang C with a = 3.2: sum a^k/k! (k < 4) = 1 + 3.2 + 5.12 + 5.461333 = 14.781333; a^4/4! / (1 - 0.8) =
/// 4.369067 / 0.2 = 21.845333; C = 21.845333 / 36.626667 = 0.596432; W = C / (4 (1 - 0.8)) services = 0.745540 ms.
#[test]
fn four_exponential_servers_wait_as_m_m_c() {
    assert_within(wait_ms(&loaded(3, 4, 0.8, exponential())), 0.745_540, 0.02);
}

/// M/G/1 by Pollaczek and Khinchine, with lognormal services: W = rho (1 + cv^2) / (2 (1 - rho)) services. For cv = 0.5 at
/// rho = 0.8: 0.8 x 1.25 / 0.4 = 2.5 ms; for cv = 1 at rho = 0.7: 0.7 x 2 / 0.6 = 2.333333 ms.
#[test]
fn one_lognormal_server_waits_as_m_g_1() {
    for (rho, cv, wait) in [(0.8, 0.5, 2.5), (0.7, 1.0, 2.333_333)] {
        let service = Sampler::lognormal_cv(MS, cv).expect("above 0");
        assert_within(wait_ms(&loaded(4, 1, rho, service)), wait, 0.02);
    }
}

/// Little's law on the second's rows: mean queue = arrival rate * mean wait, and utilisation is rho.
#[test]
fn seconds_add_up_to_the_whole() {
    let report = loaded(1, 1, 0.5, exponential());
    let sum = |of: fn(&headcount_sim::StationSecond) -> u64| report.seconds.iter().map(of).sum::<u64>();
    assert_eq!(sum(|second| second.arrivals), report.total.arrivals);
    assert_eq!(sum(|second| second.busy_ns), report.total.busy_ns);
    assert!(report.seconds.iter().all(|second| second.busy_ns <= SECOND));
    let whole = &report.seconds[..report.seconds.len() - 1];
    let busy = whole.iter().map(|second| second.busy_ns).sum::<u64>() as f64 / (whole.len() as u64 * SECOND) as f64;
    assert_within(busy, 0.5, 0.01);
}

/// Little's law to the nanosecond, in the queue and in the station, whatever happens to it: 20 s of a station with bounds
/// that is crashed and paused while it serves, and that still has work at the end.
#[test]
fn littles_law_holds_to_the_nanosecond_through_crashes_and_pauses() {
    let mut bench = Bench::new(5, LinkModel::constant(MS));
    let service = Sampler::exponential(10 * MS).expect("a mean above 0");
    let spec = StationSpec { queue: Some(50), rate_per_s: Some(300.0), ..StationSpec::new(2, service) };
    let to = bench.node_in(bench.region, Some(spec), |_, _, _, _| {});
    // 250 a second for 200 that two servers of 10 ms can do.
    bench.ticker(to, 4 * MS, 5_000);
    bench.world.plan(vec![
        headcount_sim::FaultEntry::new(3 * SECOND, headcount_sim::Fault::Crash { node: to, down: SECOND }),
        headcount_sim::FaultEntry::new(7 * SECOND, headcount_sim::Fault::Pause { node: to, for_: 500 * MS }),
        headcount_sim::FaultEntry::new(9 * SECOND, headcount_sim::Fault::Pause { node: to, for_: 2 * SECOND }),
        headcount_sim::FaultEntry::new(10 * SECOND, headcount_sim::Fault::Crash { node: to, down: 10 * MS }),
    ]);
    let mut finished = bench.world.run(15 * SECOND);
    let (report, network) = (finished.stations.remove(0), finished.network);
    // Every message is somewhere: refused ones were handled too.
    let ended = network.handled + network.dead_letters + network.died + network.in_flight;
    assert_eq!((network.sent, network.died, network.in_flight), (ended, report.lost_to_crashes, report.left));
    let (flow, total) = (report.flow, report.total);
    assert!(report.lost_to_crashes > 50 && report.left > 10 && total.refused > 100, "{report:?}");
    assert_eq!(flow.deviation_ns(), 0, "{flow:?}");
    assert_eq!(flow.entered, total.served + report.lost_to_crashes + report.left);
    // It is no identity of zeros: 15 s with up to 50 in the queue.
    assert!(flow.waiting_ns > u128::from(10 * 15 * SECOND) && flow.inside_ns > flow.waiting_ns, "{flow:?}");
}

/// Five of 10 ms that come at 1 ms to one server: 4, 3, 2, 1 and 0 of them wait for 10 ms each, 100 ms in all, and with the
/// five services it is 150 ms.
#[test]
fn the_integral_of_the_queue_is_kept_by_itself() {
    let run = |until| {
        let mut bench = Bench::new(1, LinkModel::constant(MS));
        let to = bench.node_in(bench.region, Some(StationSpec::new(1, Sampler::constant(10 * MS))), |_, _, _, _| {});
        bench.node(move |_, saw, out, _| {
            if saw == Saw::Start {
                (0..5).for_each(|n| out.send(to, Number(n)));
            }
        });
        bench.world.run(until).stations.remove(0)
    };
    let whole = run(SECOND);
    assert_eq!((whole.flow.waiting_ns, whole.flow.wait_ns_sum), (100_000_000, 100_000_000));
    assert_eq!((whole.flow.inside_ns, whole.served_ns_sum), (150_000_000, 150_000_000));
    assert_eq!((whole.total.queue_ns, whole.left), (100_000_000, 0));
    // At 26 ms: 4 x 10 + 3 x 10 + 2 x 5 = 80 ms of queue; begun are three with 0 + 10 + 20, and two wait for 25 each.
    let cut = run(26 * MS);
    assert_eq!(
        (cut.flow.waiting_ns, cut.flow.wait_ns_sum, cut.total.wait_ns_sum),
        (80_000_000, 80_000_000, 30_000_000)
    );
    assert_eq!((cut.left, cut.total.served, cut.flow.inside_ns), (3, 2, 105_000_000));
    assert_eq!(cut.flow.deviation_ns(), 0);
}

/// One server of 10 ms, two places: of five that arrive at 1 ms, one is served at once, two wait, two are refused at
/// 1 ms. Served at 11, 21, 31 ms.
#[test]
fn a_full_queue_refuses_at_once() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let spec = StationSpec { queue: Some(2), ..StationSpec::new(1, Sampler::constant(10 * MS)) };
    let to = bench.node_in(bench.region, Some(spec), |_, _, _, _| {});
    bench.node(move |_, saw, out, _| {
        if saw == Saw::Start {
            (0..5).for_each(|n| out.send(to, Number(n)));
        }
    });
    let finished = bench.world.run(SECOND);
    let total = finished.stations[0].total;
    assert_eq!((total.arrivals, total.refused, total.served, total.queue_max), (5, 2, 3, 2));
    assert_eq!((total.wait_ns_sum, total.wait_ns_max, total.busy_ns), (30 * MS, 20 * MS, 30 * MS));
    let nodes = scripted(finished);
    assert_eq!(numbers(&nodes[0]), [(11 * MS, 0), (21 * MS, 1), (31 * MS, 2)]);
    let refused: Vec<_> = nodes[0].seen.iter().filter(|(_, saw)| matches!(saw, Saw::Overload(_))).collect();
    assert_eq!(refused, [&(MS, Saw::Overload(3)), &(MS, Saw::Overload(4))]);
}

/// 100 a second, bucket of 100: of 1,000 in the first second (one each ms, from 2 ms on) the bucket gives its 100 and
/// what comes meanwhile, 99 or 100; the rest is refused.
#[test]
fn a_rate_limit_refuses_what_is_above() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let spec = StationSpec { rate_per_s: Some(100.0), ..StationSpec::new(1, Sampler::constant(US)) };
    let to = bench.node_in(bench.region, Some(spec), |_, _, _, _| {});
    bench.ticker(to, MS, 1_000);
    let total = bench.world.run(10 * SECOND).stations[0].total;
    assert!((199..=200).contains(&total.served), "{total:?}");
    assert_eq!(total.served + total.refused, 1_000);
}

/// A crash at 15 ms finds one in service (since 11 ms) and one waiting: both are lost, and busy time is 10 + 4 ms.
#[test]
fn a_crash_empties_a_station() {
    let mut world = WorldBuilder::<Number>::new(1);
    let region = world.region("here");
    world.links(region, region, LinkModel::constant(MS));
    let mut bench = Bench { world, region };
    let to = bench.node_in(region, Some(StationSpec::new(1, Sampler::constant(10 * MS))), |_, _, _, _| {});
    bench.node(move |_, saw, out, _| {
        if saw == Saw::Start {
            (0..3).for_each(|n| out.send(to, Number(n)));
        }
    });
    let fault = headcount_sim::Fault::Crash { node: to, down: MS };
    bench.world.plan(vec![headcount_sim::FaultEntry::new(15 * MS, fault)]);
    let finished = bench.world.run(SECOND);
    let report = &finished.stations[0];
    assert_eq!((report.lost_to_crashes, report.total.busy_ns, report.total.served), (2, 14 * MS, 1));
    assert_eq!(numbers(&scripted(finished)[0]), [(11 * MS, 0)]);
}

/// A station that is paused from 15 ms to 40 ms in its second service ends it at 40 ms, and the third at 50 ms.
#[test]
fn a_pause_holds_a_station_up() {
    let mut bench = Bench::new(1, LinkModel::constant(MS));
    let to = bench.node_in(bench.region, Some(StationSpec::new(1, Sampler::constant(10 * MS))), |_, _, _, _| {});
    bench.node(move |_, saw, out, _| {
        if saw == Saw::Start {
            (0..3).for_each(|n| out.send(to, Number(n)));
        }
    });
    let fault = headcount_sim::Fault::Pause { node: to, for_: 25 * MS };
    bench.world.plan(vec![headcount_sim::FaultEntry::new(15 * MS, fault)]);
    assert_eq!(numbers(&scripted(bench.world.run(SECOND))[0]), [(11 * MS, 0), (40 * MS, 1), (50 * MS, 2)]);
}

/// The spec and the process a node was given are all it needs: names reach the reports.
#[test]
fn reports_carry_the_nodes_names() {
    let mut world = WorldBuilder::<Number>::new(1);
    let region = world.region("here");
    let station = Some(StationSpec::new(3, Sampler::constant(MS)));
    let spec = NodeSpec { name: "vote server".to_owned(), region, kind: "server", station };
    let process: Box<Scripted> = Box::new(Scripted::new(|_, _, _, _| {}));
    world.node(spec, process);
    let report = &world.run(SECOND).stations[0];
    assert_eq!((report.name.as_str(), report.servers, report.node.0), ("vote server", 3, 0));
}
