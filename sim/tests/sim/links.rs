//! Links lose, copy, reorder, fill and saturate as their models say.

use headcount_sim::{
    Degrade, Direction, Fault, FaultEntry, Group, LinkModel, MS, NetworkCounters, Place, SECOND, Sampler, US,
};

use crate::support::{Bench, Number, Saw, numbers, scripted};

/// 100,000 messages over one link, one each 10 us: what became of them, and their numbers and times at the receiver.
fn flood(link: LinkModel, plan: Vec<FaultEntry<Number>>) -> (NetworkCounters, Vec<(u64, u64)>) {
    let mut bench = Bench::new(3, link);
    let to = bench.listener();
    bench.ticker(to, 10 * US, FLOOD);
    bench.world.plan(plan);
    let finished = bench.world.run(10 * SECOND);
    (finished.network, numbers(&scripted(finished)[0]))
}
const FLOOD: u64 = 100_000;

/// p = 5 % of n = 100,000: sqrt(n p (1 - p)) = 69 expected deviation; five of them are 345.
fn is_five_percent(count: u64) -> bool {
    count.abs_diff(5_000) < 345
}

#[test]
fn loss_is_as_likely_as_stated() {
    let (counters, got) = flood(LinkModel { loss_ppm: 50_000, ..LinkModel::constant(MS) }, Vec::new());
    assert!(is_five_percent(counters.lost), "{}", counters.lost);
    assert_eq!(got.len() as u64 + counters.lost, FLOOD);
}

#[test]
fn duplicates_are_as_likely_as_stated() {
    let (counters, got) = flood(LinkModel { duplicate_ppm: 50_000, ..LinkModel::constant(MS) }, Vec::new());
    assert!(is_five_percent(counters.duplicated), "{}", counters.duplicated);
    assert_eq!(got.len() as u64, FLOOD + counters.duplicated);
}

/// Latency 1 ms and up to 1 ms more for those that leave the line: overtaken ones are those more than one interval late, so
/// about 99 % of 5 %; nobody else is out of order.
#[test]
fn reordering_is_as_likely_as_stated_and_moves_nobody_else() {
    let link = LinkModel { reorder_ppm: 50_000, reorder_extra_ns: MS, ..LinkModel::constant(MS) };
    let (counters, got) = flood(link, Vec::new());
    assert!(is_five_percent(counters.reordered), "{}", counters.reordered);
    let on_time = got.iter().filter(|(at, number)| *at == (number + 1) * 10 * US + MS).count() as u64;
    assert_eq!(on_time, FLOOD - counters.reordered);
    let (mut latest, mut overtaken) = (0, 0);
    for (_, number) in &got {
        overtaken += u64::from(*number < latest);
        latest = latest.max(*number);
    }
    assert!(overtaken > 4_500, "{overtaken}");
}

/// Exponential latencies of 5 ms in the mean, sent each 10 us: without the rule most would overtake.
#[test]
fn a_link_keeps_its_order() {
    let latency = Sampler::exponential(5 * MS).expect("a mean above 0");
    let (_, got) = flood(LinkModel { floor_ns: MS, ..LinkModel::new(latency) }, Vec::new());
    assert!(got.is_sorted() && got.iter().map(|(_, number)| *number).eq(0..FLOOD));
}

/// The same flaws from a fault, for the first half second only: 50,000 messages, so half as many; the deviation is
/// sqrt(50,000 * 0.05 * 0.95) = 49, five of them 244.
#[test]
fn a_degraded_link_is_bad_while_it_lasts() {
    let degrade = Degrade {
        loss_ppm: 50_000,
        duplicate_ppm: 50_000,
        reorder_ppm: 50_000,
        reorder_extra_ns: MS,
        ..Degrade::default()
    };
    let fault = Fault::Degrade { a: Group::All, b: Group::All, direction: Direction::AToB, degrade, for_: SECOND / 2 };
    let (counters, got) = flood(LinkModel::constant(MS), vec![FaultEntry::new(0, fault)]);
    // Only what is not lost can be copied or reordered: 95 % of 5 %.
    for (count, expected) in [(counters.lost, 2_500), (counters.duplicated, 2_375), (counters.reordered, 2_375)] {
        assert!(count.abs_diff(expected) < 244, "{counters:?}");
    }
    let late = got.iter().filter(|(at, number)| *at != (number + 1) * 10 * US + MS && *number >= FLOOD / 2).count();
    assert_eq!(late, 0, "after half a second the link is good");
}

/// Turning loss on moves no latency of those that arrive: both runs draw the same number for the same message.
#[test]
fn loss_moves_no_latency() {
    let link = LinkModel::new(Sampler::uniform(MS, MS + 5 * US).expect("it rises"));
    let (_, whole) = flood(link.clone(), Vec::new());
    let (_, lossy) = flood(LinkModel { loss_ppm: 200_000, ..link }, Vec::new());
    assert!(lossy.len() < 82_000);
    let mut whole = whole.into_iter();
    assert!(lossy.iter().all(|arrival| whole.any(|other| other == *arrival)), "each arrival is one of the whole run's");
}

/// 1,000 bytes at 10 MB/s take 100 us each. Ten sent at once leave at 0.1, 0.2, ... 1.0 ms and arrive 1 ms later.
#[test]
fn bandwidth_spaces_messages_out() {
    let mut bench = Bench::new(1, LinkModel { bytes_per_s: Some(10_000_000), ..LinkModel::constant(MS) });
    let to = bench.listener();
    bench.node(move |_, saw, out, _| {
        if saw == Saw::Start {
            (0..10).for_each(|n| out.send(to, Number(n)));
        }
    });
    let nodes = scripted(bench.world.run(SECOND));
    let expected: Vec<(u64, u64)> = (0..10).map(|n| (MS + (n + 1) * 100 * US, n)).collect();
    assert_eq!(numbers(&nodes[0]), expected);
}

/// Three may be under way: of five sent at once two are dropped; when the first ones have arrived there is room again.
#[test]
fn a_full_path_drops() {
    let mut bench = Bench::new(1, LinkModel { capacity_messages: Some(3), ..LinkModel::constant(MS) });
    let to = bench.listener();
    bench.node(move |now, saw, out, wake| {
        (0..5).for_each(|n| out.send(to, Number(n)));
        if saw == Saw::Start {
            *wake = Some(now + MS);
        }
    });
    let finished = bench.world.run(SECOND);
    assert_eq!(finished.network.over_capacity, 4);
    let got: Vec<u64> = numbers(&scripted(finished)[0]).into_iter().map(|(_, number)| number).collect();
    assert_eq!(got, [0, 1, 2, 0, 1, 2]);
}

/// Half of a ping of 148 ms, and 2 % more in the mean.
#[test]
fn presets_have_the_latencies_they_state() {
    let link = LinkModel::cross_region(Place::UsEast, Place::ApNortheast);
    assert_eq!(link.latency_ns_min(), 74 * MS);
    assert!((link.latency.mean_ns() / (74.0 * 1.02 * MS as f64) - 1.0).abs() < 1e-6);
    for (link, min_us, p99_us) in [
        (LinkModel::same_zone(), 300, 1_500),
        (LinkModel::same_region(), 550, 2_500),
        (LinkModel::wifi(), 3_000, 63_000),
        (LinkModel::cellular(), 15_000, 215_000),
    ] {
        assert_eq!(link.latency_ns_min(), min_us * US);
        assert!((link.latency.quantile_ns(0.99) as f64 / (p99_us * US) as f64 - 1.0).abs() < 0.001);
    }
    let pairs = Place::ALL.iter().flat_map(|a| Place::ALL.iter().map(move |b| (*a, *b)));
    assert!(pairs.into_iter().all(|(a, b)| a.ping_ms(b) == b.ping_ms(a)));
    assert!(Place::ALL.into_iter().all(|place| Place::named(place.name()) == Some(place)));
}
