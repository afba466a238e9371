//! What a plan keeps of a run: its metrics over the window, and how busy everything was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::load::{Ask, Window};
use super::search::STEADY;
use crate::certificate::Evidence;
use crate::metric::{Measured, PERCENTILES};
use crate::outcome::{FaultWindow, Latency, Outcome};
use crate::scenario::Scenario;

/// Stands for a latency of what was never answered [ms]: eleven days. A percentile that falls among the unanswered is no
/// number, and must fail every limit.
pub const NEVER_MS: f64 = 1e9;

/// Submissions a second on one submit channel (voting.md 10.4), which counts where the limits profile names no rate of its own.
pub const SHARD_RATE_PER_S: f64 = 1_000.0;
/// Presence events a second of one shard above which statuses are held back (friends-online.md 10.2).
pub const STORM_RATE_PER_S: f64 = 100.0;

/// Series of a run that plots and storms look at.
const SERIES: [&str; 10] = [
    "online",
    "votes_submitted",
    "votes_resent",
    "acks_accepted",
    "presence_joins",
    "presence_leaves",
    "presence_timeouts",
    "status_published",
    "screens_changed",
    "client_errors",
];

/// Something that can be full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// `kv eu-west`, `audit`, `vote shards`.
    pub name: String,
    /// `kv`, `vote shards`.
    pub kind: String,
    /// What there is of it: servers of a node, or events a second of a channel.
    pub capacity: f64,
    /// Share of it in use: the mean over the window, of the busiest node or channel of the name.
    pub utilisation: f64,
    /// The same in its busiest second, whenever that was.
    pub peak: f64,
}

impl Resource {
    /// Whether it is a channel, and not a station with servers.
    pub fn is_channel(&self) -> bool {
        self.kind.ends_with(" shards")
    }

    /// How full it is in its busiest second, which may be no part of the window.
    pub(super) fn busiest(&self) -> f64 {
        self.peak.max(self.utilisation)
    }

    /// How full it is, as a share of the fullest that it may be.
    pub(super) fn of_most(&self) -> f64 {
        if self.is_channel() { self.utilisation } else { (self.utilisation / STEADY).max(self.peak) }
    }
}

/// A run, as far as a plan looks at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub seed: u64,
    /// The run's own digest.
    pub digest: u64,
    /// Every metric of the run; latencies are those of the window.
    pub metrics: BTreeMap<String, f64>,
    pub resources: Vec<Resource>,
    /// For the plan's certificate.
    pub evidence: Evidence,
    /// Load of each shard by virtual second [1/s].
    pub shards_per_s: Vec<Vec<f64>>,
    /// When something was broken.
    pub faults: Vec<FaultWindow>,
    pub virtual_s: f64,
    /// Those of [`SERIES`] that the pattern has, by virtual second.
    pub series: BTreeMap<String, Vec<f64>>,
}

impl Sample {
    /// Looks at a run.
    pub fn of(ask: &Ask, outcome: &Outcome) -> Self {
        let wanted = outcome.series.iter().filter(|series| SERIES.contains(&series.name.as_str()));
        let shards = outcome.series.iter().filter(|series| series.group == "shards");
        Self {
            seed: outcome.seed,
            digest: outcome.digest,
            metrics: metrics(outcome, &ask.window),
            resources: resources(&ask.scenario, &ask.window, outcome),
            evidence: outcome.evidence.clone(),
            shards_per_s: shards.map(|series| series.values.clone()).collect(),
            faults: outcome.faults.clone(),
            virtual_s: outcome.virtual_s,
            series: wanted.map(|series| (series.name.clone(), series.values.clone())).collect(),
        }
    }

    /// A metric's value.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).copied()
    }

    /// One of [`SERIES`]; empty if the pattern has none of the name.
    pub fn series(&self, name: &str) -> &[f64] {
        self.series.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The mean of a series over the seconds that are measured; a second at either end counts for its part.
pub fn mean_over(values: &[f64], from_s: f64, to_s: f64) -> f64 {
    let share = |second: usize| ((second as f64 + 1.0).min(to_s) - (second as f64).max(from_s)).max(0.0);
    let sum: f64 = values.iter().enumerate().map(|(second, value)| value * share(second)).sum();
    sum / (to_s - from_s)
}

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// Figures and counters by name, latencies of the window in the place of those of the whole run.
fn metrics(outcome: &Outcome, window: &Window) -> BTreeMap<String, f64> {
    let mut metrics = Measured::of(outcome).0;
    let counter = |name: &str| outcome.counters.get(name).copied().unwrap_or(0);
    let unanswered: u64 =
        ["votes.unanswered", "votes.given_up", "votes.refused"].iter().map(|name| counter(name)).sum();
    metrics.insert("unanswered".into(), unanswered as f64);
    for latency in &outcome.latencies {
        let missing = match latency.name {
            "ack" => unanswered,
            "sojourn" => counter("station.left"),
            _ => 0,
        };
        metrics.extend(percentiles(latency, window.from_s + window.warm_up_s, missing));
    }
    metrics
}

/// Of what ended after the warm-up. `missing` were never answered: they are slower than all.
fn percentiles(latency: &Latency, from_s: f64, missing: u64) -> Vec<(String, f64)> {
    let seconds = latency.by_second.iter().skip(from_s.ceil() as usize).flatten();
    let mut all = hdrhistogram::Histogram::<u64>::new(2).expect("two digits are possible");
    seconds.for_each(|second| all.add(second).expect("the histogram grows"));
    let answered = all.len();
    if answered + missing == 0 {
        return Vec::new();
    }
    let of = |quantile: f64| {
        let rank = quantile * (answered + missing) as f64;
        if rank > answered as f64 {
            return NEVER_MS;
        }
        all.value_at_quantile((rank / answered as f64).min(1.0)) as f64 / 1_000.0
    };
    let words = PERCENTILES.into_iter().chain([("max_ms", 1.0)]);
    let mut found: Vec<(String, f64)> =
        words.map(|(word, quantile)| (format!("{}.{word}", latency.name), of(quantile))).collect();
    let mean = if missing > 0 && answered == 0 { NEVER_MS } else { all.mean() / 1_000.0 };
    found.push((format!("{}.mean_ms", latency.name), mean));
    found
}

fn resources(scenario: &Scenario, window: &Window, outcome: &Outcome) -> Vec<Resource> {
    let (from_s, to_s) = (window.from_s + window.warm_up_s, window.to_s);
    let mut found: Vec<Resource> = Vec::new();
    let mut add = |new: Resource| match found.iter_mut().find(|known| known.name == new.name) {
        Some(known) => {
            known.utilisation = known.utilisation.max(new.utilisation);
            known.peak = known.peak.max(new.peak);
        }
        None => found.push(new),
    };
    for station in &outcome.stations {
        let name = format!("util_{}", station.node);
        let Some(series) = outcome.series.iter().find(|series| series.name == name) else { continue };
        // Several nodes of a kind in a region stand together; a node that is there once needs no region.
        let alone = station.node == station.kind;
        add(Resource {
            name: if alone { station.kind.clone() } else { format!("{} {}", station.kind, station.region) },
            kind: station.kind.clone(),
            capacity: f64::from(station.servers),
            utilisation: mean_over(&series.values, from_s, to_s),
            peak: highest(&series.values),
        });
    }
    if let Some((name, capacity)) = channels(scenario) {
        for series in outcome.series.iter().filter(|series| series.group == "shards") {
            add(Resource {
                name: name.into(),
                kind: name.into(),
                capacity,
                utilisation: mean_over(&series.values, from_s, to_s) / capacity,
                peak: highest(&series.values) / capacity,
            });
        }
    }
    found
}

/// What a shard's channel can take: name, and events a second.
pub(super) fn channels(scenario: &Scenario) -> Option<(&'static str, f64)> {
    let limits = headcount_engine::limits::Limits::named(&scenario.limits)?;
    if limits.name == "unlimited" {
        return None;
    }
    if scenario.has_votes() {
        return Some(("vote shards", limits.publishes_per_channel_per_s.value.map_or(SHARD_RATE_PER_S, f64::from)));
    }
    Some(("presence shards", STORM_RATE_PER_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(name: &'static str, seconds: &[&[u64]]) -> Latency {
        let mut whole = hdrhistogram::Histogram::new(3).unwrap();
        let by_second = seconds.iter().map(|values| {
            let mut one = hdrhistogram::Histogram::new(2).unwrap();
            values.iter().for_each(|ms| {
                one.record(ms * 1_000).unwrap();
                whole.record(ms * 1_000).unwrap();
            });
            (!values.is_empty()).then_some(one)
        });
        let by_second = by_second.collect();
        Latency { name, title: "t", histogram: whole, by_second }
    }

    fn of(found: &[(String, f64)], name: &str) -> f64 {
        found.iter().find(|(known, _)| known == name).unwrap().1
    }

    #[test]
    fn a_warm_up_is_left_out_and_late_answers_are_not() {
        let latency = latency("ack", &[&[900], &[100, 100], &[], &[200]]);
        let found = percentiles(&latency, 1.0, 0);
        // Of 100, 100 and 200 the middle one is 100 and the last one 200, to two digits.
        assert!((of(&found, "ack.p50_ms") - 100.0).abs() <= 1.0 && (of(&found, "ack.max_ms") - 200.0).abs() <= 2.0);
    }

    #[test]
    fn who_was_never_answered_is_slower_than_all() {
        let answers = [100; 98];
        let latency = latency("ack", &[&answers]);
        // 2 of 100 have no answer: the 99th of 100 is one of them, the 90th is not.
        let found = percentiles(&latency, 0.0, 2);
        assert_eq!(of(&found, "ack.p99_ms"), NEVER_MS);
        assert!((of(&found, "ack.p90_ms") - 100.0).abs() <= 1.0);
        assert_eq!(of(&percentiles(&self::latency("ack", &[]), 0.0, 1), "ack.p50_ms"), NEVER_MS);
    }

    #[test]
    fn a_mean_counts_parts_of_seconds() {
        // Half of 2 and the whole of 4 in 1.5 s: (1 + 4) / 1.5.
        assert!((mean_over(&[2.0, 4.0, 100.0], 0.5, 2.0) - 5.0 / 1.5).abs() < 1e-12);
    }
}
