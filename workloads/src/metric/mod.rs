//! What can be asked of a run by name: one registry for thresholds, plans and comparisons.
//!
//! | names | what |
//! |---|---|
//! | `votes.accepted`, `kv.gets`, `acts.post.refused_400`, … | counters, as in `run.json` |
//! | `ack.p99_ms`, `online.mean_ms`, `answer.p99_ms` of a system, … | latencies: `count`, `mean_ms`, `p50_ms`, `p90_ms`, `p99_ms`, `p999_ms`, `max_ms` |
//! | `kv.calls_per_accepted_vote`, … | the other figures |
//! | `stations.kv-us-east.utilisation`, … | a station; `stations.kv.utilisation`: the worst of a kind; `stations.utilisation`: of all |
//! | `lost`, `violated`, `inconclusive`, `messages`, `deliveries`, `virtual_s` | the run as a whole |

mod counters;
mod stations;
mod systems;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{Latency, Outcome, StationFigures, Verdict};
use crate::scenario::Scenario;

/// In which direction a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Latencies, utilisations, trouble, and what somebody pays for.
    Less,
    /// What the users came for.
    More,
    /// It only says what was done.
    Neither,
}

/// A metric's name, its unit (`ms`, `s`, `ratio`, `each` for a share of something; empty for a count), and what is better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: String,
    pub unit: &'static str,
    pub better: Better,
}

impl Metric {
    fn new(name: impl Into<String>, better: Better) -> Self {
        let name = name.into();
        Self { unit: unit(&name), name, better }
    }
}

/// The percentiles that a latency is known by: how their names end, and the quantile.
pub const PERCENTILES: [(&str, f64); 4] = [("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("p999_ms", 0.999)];

/// The latencies of a vote and of friends ([`Outcome::latencies`] says what they are).
const OF_VOTES: [&str; 3] = ["ack", "results", "staleness"];
const OF_FRIENDS: [&str; 5] = ["online", "offline", "notice", "load", "publish"];

/// Figures of a vote that are no latency.
const VOTE_FIGURES: [&str; 3] =
    ["kv.calls_per_accepted_vote", "executions_per_accepted_vote", "attempts_per_accepted_vote"];

/// What is said of every run as a whole.
const WHOLE: [(&str, Better); 5] = [
    ("deliveries", Better::Less),
    ("inconclusive", Better::Less),
    ("messages", Better::Less),
    ("violated", Better::Less),
    ("virtual_s", Better::Neither),
];

/// Accepted votes without a row in the audit log: `votes.lost` by its short name.
const LOST: &str = "lost";

pub(crate) use systems::offered as of_system;

/// Every metric that a run of this scenario can have, by name.
pub fn offered(scenario: &Scenario) -> Vec<Metric> {
    let mut all: Vec<Metric> = counted(counters::PLATFORM).chain(counted(&WHOLE)).collect();
    all.extend(scenario.patterns().iter().flat_map(|pattern| pattern.offered(scenario)));
    all.extend(stations::offered(scenario));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup();
    all
}

fn counted(names: &[(&str, Better)]) -> impl Iterator<Item = Metric> {
    names.iter().map(|(name, better)| Metric::new(*name, *better))
}

/// What a vote adds.
pub(crate) fn of_votes() -> Vec<Metric> {
    let mut all: Vec<Metric> = counted(counters::VOTING).collect();
    all.push(Metric::new(LOST, Better::Less));
    all.extend(VOTE_FIGURES.map(|name| Metric::new(name, Better::Less)));
    all.extend(OF_VOTES.into_iter().flat_map(of_latency));
    all.extend(counters::MISCHIEF.map(|what| Metric::new(format!("mischief.{what}.sent"), Better::Neither)));
    all.extend(counters::MISCHIEF.into_iter().flat_map(|what| answered("mischief", what)));
    all
}

/// What friends add.
pub(crate) fn of_friends() -> Vec<Metric> {
    let mut all: Vec<Metric> = counted(counters::FRIENDS).collect();
    all.extend(OF_FRIENDS.into_iter().flat_map(of_latency));
    all.push(Metric::new("channelgroup.size_mean".to_owned(), Better::Neither));
    all.extend(counters::FORGED.into_iter().flat_map(|what| answered("forged", what)));
    all
}

/// Figures of one station that are no latency.
const STATION_FIGURES: [(&str, Better); 7] = [
    ("station.queue_mean", Better::Less),
    ("station.sojourn_p99_ms", Better::Less),
    ("station.utilisation", Better::Less),
    ("station.utilisation_theory", Better::Neither),
    ("station.wait_interval_ms", Better::Less),
    ("station.wait_mean_ms", Better::Less),
    ("station.wait_theory_ms", Better::Neither),
];

/// What one station adds.
pub(crate) fn of_station() -> Vec<Metric> {
    counted(counters::STATION).chain(counted(&STATION_FIGURES)).chain(of_latency("sojourn")).collect()
}

fn of_latency(latency: &str) -> Vec<Metric> {
    let times = ["mean_ms", "max_ms"].into_iter().chain(PERCENTILES.map(|(word, _)| word));
    let times = times.map(|word| Metric::new(format!("{latency}.{word}"), Better::Less));
    times.chain([Metric::new(format!("{latency}.count"), Better::Neither)]).collect()
}

fn answered(family: &str, what: &str) -> Vec<Metric> {
    let metric = |status| Metric::new(format!("{family}.{what}.answered_{status}"), Better::Neither);
    counters::STATUSES.map(metric).to_vec()
}

/// The unit of a metric, which its name carries: as [`Metric::unit`].
pub fn unit(name: &str) -> &'static str {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last {
        _ if last.ends_with("_ms") => "ms",
        _ if last.ends_with("_s") => "s",
        _ if last.starts_with("utilisation") => "ratio",
        _ if last.contains("_per_") => "each",
        _ => "",
    }
}

/// The name under which a metric is kept: `ack.p99_9_ms` and `ack.p99.9_ms` are `ack.p999_ms`.
pub fn canonical(name: &str) -> String {
    let latency = [".p99_9_ms", ".p99.9_ms"].into_iter().find_map(|word| name.strip_suffix(word));
    latency.map_or_else(|| name.to_owned(), |latency| format!("{latency}.p999_ms"))
}

/// Every metric that one run has a value for, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Measured(pub BTreeMap<String, f64>);

/// What metrics are made of: of a run that has just ended, or of its `run.json`.
pub struct Parts<'a> {
    pub counters: &'a BTreeMap<String, u64>,
    pub figures: &'a BTreeMap<String, f64>,
    /// Name, count and mean [ms] of each latency.
    pub latencies: Vec<(&'a str, u64, Option<f64>)>,
    pub stations: &'a [StationFigures],
    /// Of every property.
    pub verdicts: Vec<Verdict>,
    pub deliveries: u64,
    pub messages: u64,
    pub virtual_s: f64,
}

impl Measured {
    /// Of a run that has ended.
    pub fn of(outcome: &Outcome) -> Self {
        let latency = |latency: &'_ Latency| {
            let histogram = &latency.histogram;
            (latency.name, histogram.len(), (!histogram.is_empty()).then(|| histogram.mean() / 1_000.0))
        };
        Self::of_parts(&Parts {
            counters: &outcome.counters,
            figures: &outcome.figures,
            latencies: outcome.latencies.iter().map(latency).collect(),
            stations: &outcome.stations,
            verdicts: outcome.properties.iter().map(|property| property.verdict).collect(),
            deliveries: outcome.deliveries,
            messages: outcome.messages,
            virtual_s: outcome.virtual_s,
        })
    }

    /// Of a run by its parts.
    pub fn of_parts(parts: &Parts<'_>) -> Self {
        let mut all: BTreeMap<String, f64> =
            parts.counters.iter().map(|(name, count)| (name.clone(), *count as f64)).collect();
        all.extend(parts.figures.clone());
        for (name, count, mean_ms) in &parts.latencies {
            all.insert(format!("{name}.count"), *count as f64);
            all.extend(mean_ms.map(|mean| (format!("{name}.mean_ms"), mean)));
        }
        stations::measured(parts.stations, &mut all);
        let with = |verdict| parts.verdicts.iter().filter(|one| **one == verdict).count() as f64;
        let whole = [
            ("deliveries", parts.deliveries as f64),
            ("inconclusive", with(Verdict::Inconclusive)),
            ("messages", parts.messages as f64),
            ("violated", with(Verdict::Violated)),
            ("virtual_s", parts.virtual_s),
        ];
        all.extend(whole.map(|(name, value)| (name.to_owned(), value)));
        if let Some(lost) = parts.counters.get("votes.lost") {
            all.insert(LOST.to_owned(), *lost as f64);
        }
        all.retain(|_, value| value.is_finite());
        Self(all)
    }

    /// The value of a metric; `None` if the run says nothing of it: a latency that nobody waited for. A counter that never
    /// went up is 0.
    pub fn get(&self, name: &str) -> Option<f64> {
        let name = canonical(name);
        let counted = || counters::is_counter(&name).then_some(0.0);
        self.0.get(&name).copied().or_else(counted)
    }
}

/// The metrics of `offered` whose names are most like `name`, the most alike first, at most five.
pub fn near<'m>(name: &str, offered: &'m [Metric]) -> Vec<&'m str> {
    let name = name.to_lowercase();
    let likeness = |metric: &&Metric| {
        let contains = metric.name.contains(&name) || name.len() > 2 && metric.name.ends_with(&name);
        strsim::jaro_winkler(&name, &metric.name) + if contains { 0.5 } else { 0.0 }
    };
    let mut ranked: Vec<(f64, &str)> = offered.iter().map(|metric| (likeness(&metric), metric.name.as_str())).collect();
    ranked.retain(|(likeness, _)| *likeness >= 0.8);
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    ranked.into_iter().take(5).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{RunOptions, run};

    fn scenario(name: &str) -> Scenario {
        Scenario::load(name, &[]).unwrap()
    }

    #[test]
    fn whatever_a_run_says_is_offered_before_it() {
        let flagships = ["voting-small", "voting-documented", "friends-small", "friends-documented", "station"];
        let systems = crate::systems::SYSTEMS.iter().map(|system| format!("{}-small", system.word()));
        for name in flagships.into_iter().map(str::to_owned).chain(systems) {
            let scenario = scenario(&name);
            let offered = offered(&scenario);
            for seed in 1..=3 {
                let measured = Measured::of(&run(&scenario, seed, RunOptions::default()));
                for name in measured.0.keys() {
                    assert!(offered.iter().any(|metric| metric.name == *name), "{name} is not in the registry");
                }
            }
        }
    }

    #[test]
    fn names_are_offered_once_and_carry_their_unit() {
        for entry in crate::catalogue::all() {
            let offered = offered(&scenario(entry.name));
            assert!(offered.windows(2).all(|pair| pair[0].name < pair[1].name), "{}", entry.name);
        }
        let of = ["ack.p99_ms", "virtual_s", "stations.kv.utilisation_peak", "kv.calls_per_accepted_vote", "kv.gets"];
        assert_eq!(of.map(unit), ["ms", "s", "ratio", "each", ""]);
    }

    #[test]
    fn a_pattern_offers_what_it_has_and_nothing_else() {
        let has = |scenario: &Scenario, name: &str| offered(scenario).iter().any(|metric| metric.name == name);
        let (vote, friends) = (scenario("voting-small"), scenario("friends-small"));
        for name in ["lost", "ack.p99_ms", "stations.audit.utilisation", "mischief.malformed.sent"] {
            assert!(has(&vote, name) && !has(&friends, name), "{name}");
        }
        assert!(has(&friends, "online.p99_ms") && !has(&vote, "online.p99_ms"));
        let evening = scenario("evening");
        assert!(has(&evening, "lost") && has(&evening, "online.p99_ms"));
    }

    #[test]
    fn what_never_went_up_is_nought_and_what_nobody_waited_for_is_nothing() {
        let measured = Measured::default();
        assert_eq!(measured.get("votes.unanswered"), Some(0.0));
        assert_eq!(measured.get("ack.p99_ms"), None);
        let measured = Measured([("ack.p999_ms".to_owned(), 7.0)].into());
        assert_eq!((measured.get("ack.p99_9_ms"), measured.get("ack.p99.9_ms")), (Some(7.0), Some(7.0)));
    }

    #[test]
    fn a_misspelt_name_is_answered_with_those_that_are_near() {
        let offered = offered(&scenario("voting-small"));
        assert_eq!(near("ack.p99", &offered)[..2], ["ack.p99_ms", "ack.p999_ms"]);
        assert_eq!(near("votes.acepted", &offered)[0], "votes.accepted");
        assert!(near("p99_ms", &offered).contains(&"results.p99_ms"));
        assert!(near("zzz", &offered).is_empty());
    }
}
