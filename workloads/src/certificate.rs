//! Why to believe a result: what was checked in the runs behind it and came out how, what was left out as warm-up, how sure
//! the figures are across seeds, and what is not modelled.
//!
//! A run leaves its [`Evidence`], a few numbers; a [`Certificate`] is made of one run's or of many.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::calibration::Calibrated;
use crate::interval::Interval;
use crate::outcome::Verdict;
use crate::run::Ended;

/// What no run shows, however it ends. The README has the same list.
pub const NOT_MODELLED: &[&str] = &[
    "TLS handshakes, HTTP and DNS; TCP's congestion control: a loss on the last mile costs a fixed retransmission.",
    "Your network: links are distributions of delay, loss and duplication, under presets for kinds of places unless you put \
     your own in the scenario.",
    "The processor time of a handler and the memory of a real process: service times are drawn from distributions, which \
     are orders of magnitude for planning unless you put your own in the scenario.",
    "Memory limits of Functions.",
    "Redundancy of the platform inside a region: a region has one broker, and the platform one presence node and one \
     channel registry.",
    "Contention for processors other than by stations.",
    "A connection's queue of 100 for what is heard through channel groups; for what a client listens to by name it is there.",
    "What a provider does beyond its documents, and how its hardware is laid out: limits come from the limits profile.",
    "Faults that the scenario does not name: what held was not broken in these runs, which is no proof for all.",
    "Bills: what is done is counted, and nothing is charged.",
];

/// A figure against what theory says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstTheory {
    /// `mean wait [ms]`.
    pub what: String,
    /// Kendall's notation: `M/M/3`.
    pub model: String,
    pub theory: f64,
    pub measured: f64,
    /// Of the interval around `measured`.
    pub half_width: f64,
    pub within: bool,
}

/// Where all messages of a run went. A copy made by the network counts as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conservation {
    pub sent: u64,
    /// Handed to a node, refused ones included.
    pub received: u64,
    /// By chance, by partitions, on full paths, to nodes that were down, in crashes.
    pub lost: u64,
    /// On the way or inside a station at the end: counted there, not reckoned.
    pub in_flight: u64,
}

impl Conservation {
    /// Messages that are nowhere, or of nowhere.
    pub fn unaccounted(&self) -> u64 {
        self.sent.abs_diff(self.received + self.lost + self.in_flight)
    }
}

/// What one run leaves for a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub seed: u64,
    /// Stations, and messages that were let in to them.
    pub stations: u64,
    pub station_messages: u64,
    /// Of all stations the one on which the two sides of Little's law are furthest apart: by so much of the integral.
    pub little_deviation_max: f64,
    pub conservation: Conservation,
    pub theory: Vec<AgainstTheory>,
    /// What of the run is measured by nobody.
    pub warm_up: String,
    /// Where its service times and latencies are from.
    pub calibration: Vec<Calibrated>,
}

impl Evidence {
    /// Of a run that has ended; its theory, warm-up and calibration are for whoever knows them to fill in.
    pub(crate) fn of(ended: &Ended, seed: u64) -> Self {
        let flows = || ended.finished.stations.iter().map(|station| &station.flow);
        let deviation = |flow: &headcount_sim::Flow| {
            flow.deviation_ns() as f64 / flow.inside_ns.max(flow.sojourn_ns_sum).max(1) as f64
        };
        let network = &ended.finished.network;
        Self {
            seed,
            stations: flows().count() as u64,
            station_messages: flows().map(|flow| flow.entered).sum(),
            little_deviation_max: flows().map(deviation).fold(0.0, f64::max),
            conservation: Conservation {
                sent: network.sent + network.duplicated,
                received: network.handled,
                lost: network.lost + network.cut + network.over_capacity + network.dead_letters + network.died,
                in_flight: network.in_flight,
            },
            ..Self::default()
        }
    }
}

/// One check over all runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// In kebab case: `littles-law`.
    pub name: &'static str,
    pub says: &'static str,
    pub verdict: Verdict,
    /// What was found, with its figures.
    pub found: String,
}

/// Of intervals across seeds.
pub const CONFIDENCE: f64 = 0.95;

/// Why to believe a result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// Runs behind it, and their seeds, each once.
    pub runs: usize,
    pub seeds: Vec<u64>,
    pub checks: Vec<Check>,
    /// What was left out at the beginning, and why.
    pub warm_up: String,
    /// Service times and latencies by their origin.
    pub calibration: Vec<Calibrated>,
    /// With which probability an interval holds the true mean.
    pub confidence: f64,
    /// Figures with their means over seeds; none of one seed alone.
    pub intervals: BTreeMap<String, Interval>,
    pub not_modelled: &'static [&'static str],
}

impl Certificate {
    /// Of the runs that left `evidence`; `figures` are those of the runs that the result speaks of, one map a seed.
    pub fn of(evidence: &[&Evidence], figures: &[&BTreeMap<String, f64>], warm_up: &str) -> Self {
        let seeds: BTreeSet<u64> = evidence.iter().map(|one| one.seed).collect();
        let names = figures.first().into_iter().flat_map(|first| first.keys());
        let interval = |name: &String| {
            let values: Option<Vec<f64>> = figures.iter().map(|of_seed| of_seed.get(name).copied()).collect();
            Some((name.clone(), Interval::student_t(&values?, CONFIDENCE)?))
        };
        Self {
            runs: evidence.len(),
            seeds: seeds.into_iter().collect(),
            checks: vec![littles_law(evidence), conservation(evidence), theory(evidence)],
            warm_up: warm_up.to_owned(),
            // A search changes how many servers there are, not how long they take.
            calibration: evidence.first().map_or_else(Vec::new, |one| one.calibration.clone()),
            confidence: CONFIDENCE,
            intervals: names.filter_map(interval).collect(),
            not_modelled: NOT_MODELLED,
        }
    }

    /// Of one run.
    pub fn of_run(evidence: &Evidence) -> Self {
        Self::of(&[evidence], &[], &evidence.warm_up)
    }
}

fn verdict(checked: u64, wrong: bool) -> Verdict {
    match (wrong, checked) {
        (true, _) => Verdict::Violated,
        (false, 0) => Verdict::Inconclusive,
        (false, _) => Verdict::Holds,
    }
}

fn littles_law(evidence: &[&Evidence]) -> Check {
    let sum = |of: fn(&Evidence) -> u64| evidence.iter().map(|one| of(one)).sum::<u64>();
    let (stations, messages) = (sum(|one| one.stations), sum(|one| one.station_messages));
    let worst = evidence.iter().map(|one| one.little_deviation_max).fold(0.0, f64::max);
    Check {
        name: "littles-law",
        says: "on every station the number inside, integrated over time, is the sum of the times inside",
        verdict: verdict(messages, worst > 0.0),
        found: format!("largest deviation {worst} of the integral, {stations} stations, {messages} messages"),
    }
}

fn conservation(evidence: &[&Evidence]) -> Check {
    let sum = |of: fn(&Conservation) -> u64| evidence.iter().map(|one| of(&one.conservation)).sum::<u64>();
    let (sent, received) = (sum(|one| one.sent), sum(|one| one.received));
    let (lost, in_flight) = (sum(|one| one.lost), sum(|one| one.in_flight));
    let unaccounted = sum(Conservation::unaccounted);
    Check {
        name: "conservation",
        says: "every message that was sent was received, is known to be lost, or is in flight at the end",
        verdict: verdict(sent, unaccounted > 0),
        found: format!(
            "{sent} sent, {received} received, {lost} lost, {in_flight} in flight, {unaccounted} unaccounted for"
        ),
    }
}

fn theory(evidence: &[&Evidence]) -> Check {
    let all: Vec<&AgainstTheory> = evidence.iter().flat_map(|one| &one.theory).collect();
    let off = |one: &AgainstTheory| (one.measured / one.theory - 1.0).abs();
    let worst = all.iter().max_by(|one, other| off(one).total_cmp(&off(other)));
    let found = worst.map_or_else(
        || "no formula is known for what ran, or too little of it ran".to_owned(),
        |worst| {
            let AgainstTheory { what, model, theory, measured, half_width, .. } = worst;
            format!(
                "{} figures; furthest off: {model}, {what} {measured:.6} within {half_width:.6}, theory {theory:.6}",
                all.len()
            )
        },
    );
    Check {
        name: "queueing-theory",
        says: "where there is an exact formula, what was measured lies within its interval of it",
        verdict: verdict(all.len() as u64, all.iter().any(|one| !one.within)),
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{RunOptions, run};
    use crate::scenario::Scenario;

    fn evidence(name: &str, seed: u64) -> Evidence {
        run(&Scenario::load(name, &[]).unwrap(), seed, RunOptions::default()).evidence
    }

    /// Under a swarm of faults (copies, losses, partitions, crashes, pauses) messages still add up, one by one.
    #[test]
    fn nothing_is_lost_without_a_trace_and_littles_law_holds() {
        let mut all = Vec::new();
        for name in ["voting-small", "friends-small"] {
            all.extend((1..=12).map(|seed| evidence(name, seed)));
        }
        for one in &all {
            assert_eq!(one.conservation.unaccounted(), 0, "{one:?}");
        }
        let sum = |of: fn(&Conservation) -> u64| all.iter().map(|one| of(&one.conservation)).sum::<u64>();
        assert!(sum(|one| one.lost) > 100, "the swarm loses some: {}", sum(|one| one.lost));
        let certificate = Certificate::of(&all.iter().collect::<Vec<_>>(), &[], "none");
        let verdicts: Vec<Verdict> = certificate.checks.iter().map(|check| check.verdict).collect();
        assert_eq!(verdicts, [Verdict::Holds, Verdict::Holds, Verdict::Inconclusive]);
        assert_eq!((certificate.runs, certificate.seeds.len()), (24, 12));
    }

    #[test]
    fn what_is_wrong_is_said_to_be() {
        let good = Evidence { stations: 1, station_messages: 10, ..Evidence::default() };
        let sent = Conservation { sent: 10, received: 7, lost: 1, in_flight: 1 };
        let theory = AgainstTheory {
            what: "mean wait [ms]".into(),
            model: "M/M/1".into(),
            theory: 4.0,
            measured: 5.0,
            half_width: 0.1,
            within: false,
        };
        let bad = Evidence { little_deviation_max: 1e-9, conservation: sent, theory: vec![theory], ..good.clone() };
        let certificate = Certificate::of(&[&good, &bad], &[], "");
        assert!(certificate.checks.iter().all(|check| check.verdict == Verdict::Violated), "{certificate:?}");
        // 10 - 7 - 1 - 1 = 1.
        assert!(certificate.checks[1].found.ends_with(" 1 unaccounted for"));
    }

    #[test]
    fn intervals_are_over_seeds_and_of_what_every_seed_has() {
        let (one, other) = ([("a".to_owned(), 1.0), ("b".to_owned(), 5.0)].into(), [("a".to_owned(), 3.0)].into());
        let certificate = Certificate::of(&[], &[&one, &other], "");
        assert_eq!(certificate.intervals.keys().collect::<Vec<_>>(), ["a"]);
        // Mean 2, error 1, t(0.975; 1) = 12.706205.
        assert!((certificate.intervals["a"].half_width - 12.706_205).abs() < 1e-5);
        assert!(Certificate::of(&[], &[&one], "").intervals.is_empty());
    }

    #[test]
    fn the_readme_has_the_same_list() {
        let readme = include_str!("../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
        for item in NOT_MODELLED {
            assert!(readme.contains(item), "{item}");
        }
        let (_, after) = include_str!("../../README.md").split_once("## What is not modelled\n").unwrap();
        let bullets = after.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("- ")).count();
        assert_eq!(bullets, NOT_MODELLED.len());
    }
}
