//! Two runs, or two sets of seeds, side by side: what is the same, what got better or worse, and how sure that is.
//!
//! The same seed brings the same people at the same moments, so runs are compared seed by seed: a paired difference has none
//! of the noise between seeds. Counters are exact, and of the same seed and inputs everything is the same to the last digit.
//!
//! | room | idea |
//! |---|---|
//! | [`side`] | runs made, kept or read from folders |
//! | [`change`] | one metric: paired differences, Student's t |
//! | [`inputs`] | the keys in which the scenarios differ |
//! | [`text`] | the terminal's answer |
//! | [`files`] | `compare.json` and its tables |
//! | [`page`], [`plots`] | `report.html` |

pub mod change;
pub mod files;
pub mod inputs;
pub mod page;
pub mod plots;
pub mod side;
pub mod text;

use std::collections::BTreeMap;

use headcount_workloads::metric::{self, Better, Metric};
use headcount_workloads::scenario::Scenario;

pub use change::{Change, Compared};
pub use inputs::InputDifference;
pub use side::{OneRun, Side};

/// What a comparison must keep: nothing may get worse by more.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// As a share: 0.05 is 5 %.
    pub limit: f64,
    /// Metrics that are judged; none: all that can be better or worse.
    pub only: Vec<String>,
}

/// The answer as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every run and every metric is the same to the last digit.
    Same,
    /// Something differs, and nobody asked by how much it may.
    Different,
    /// Nothing got worse by more than the gate allows.
    Within,
    /// Something did.
    Beyond,
}

/// Two sides, compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub a: Side,
    pub b: Side,
    /// Seeds that both have, in order; at least one.
    pub seeds: Vec<u64>,
    /// Seeds that only one side has: left out.
    pub left_out: usize,
    /// Seeds whose runs went the very same way.
    pub same_digests: usize,
    pub inputs: Vec<InputDifference>,
    /// Every metric of either side, by name.
    pub metrics: Vec<Compared>,
    pub gate: Option<Gate>,
}

impl Comparison {
    /// Compares the seeds that both sides have.
    ///
    /// # Errors
    /// No seed is on both sides, or the gate names what no run has: in one line.
    pub fn of(a: Side, b: Side, gate: Option<Gate>) -> Result<Self, String> {
        let seeds: Vec<u64> = a.runs.keys().filter(|seed| b.runs.contains_key(seed)).copied().collect();
        if seeds.is_empty() {
            return Err(format!(
                "{} has {} and {} has {}: name runs with seeds that both have",
                a.label,
                seeds_said(&a),
                b.label,
                seeds_said(&b)
            ));
        }
        let offered = offered(&a, &b);
        let mut names: Vec<&String> =
            seeds.iter().flat_map(|seed| [&a.runs[seed], &b.runs[seed]]).flat_map(|run| run.metrics.0.keys()).collect();
        names.sort();
        names.dedup();
        if let Some(gate) = &gate {
            check_names(gate, &names, &offered)?;
        }
        let compared = |name: &String| {
            let values = seeds.iter().map(|seed| (a.runs[seed].metrics.get(name), b.runs[seed].metrics.get(name)));
            let unknown = || Metric { name: name.clone(), unit: metric::unit(name), better: Better::Neither };
            Compared::of(offered.get(name).cloned().unwrap_or_else(unknown), values.collect())
        };
        let metrics = names.into_iter().map(compared).collect();
        let same_digests = seeds.iter().filter(|seed| a.runs[seed].digest == b.runs[seed].digest).count();
        let inputs = inputs::differences(&a.scenario_toml, &b.scenario_toml);
        let left_out = a.runs.len() + b.runs.len() - 2 * seeds.len();
        Ok(Self { a, b, seeds, left_out, same_digests, inputs, metrics, gate })
    }

    /// The answer.
    pub fn answer(&self) -> Answer {
        let is_same = self.same_digests == self.seeds.len() && self.is_equal();
        match &self.gate {
            _ if is_same => Answer::Same,
            None => Answer::Different,
            Some(_) if self.failing().next().is_some() => Answer::Beyond,
            Some(_) => Answer::Within,
        }
    }

    /// Whether every metric is equal; the runs need not be the same for that.
    pub fn is_equal(&self) -> bool {
        self.with(Change::Same).count() == self.metrics.len()
    }

    /// Metrics with this change, those that changed most first; single stations after what users and operators see.
    pub fn with(&self, change: Change) -> impl Iterator<Item = &Compared> {
        let mut all: Vec<&Compared> = self.metrics.iter().filter(|metric| metric.change() == change).collect();
        let size = |one: &Compared| one.relative().map_or(f64::INFINITY, f64::abs);
        let inner = |one: &Compared| one.metric.name.starts_with("stations.");
        all.sort_by(|one, other| {
            let by_size = size(other).total_cmp(&size(one));
            inner(one).cmp(&inner(other)).then(by_size).then(one.metric.name.cmp(&other.metric.name))
        });
        all.into_iter()
    }

    /// Metrics that got worse by more than the gate allows, the worst first.
    pub fn failing(&self) -> impl Iterator<Item = &Compared> {
        let fails = |one: &Compared| self.gate.as_ref().is_some_and(|gate| gate.judges(one) && one.fails(gate.limit));
        // A broken promise of one seed in many may be no clear change on average.
        let of = [Change::Worse, Change::Unclear].into_iter().flat_map(|change| self.with(change));
        of.filter(move |one| fails(one)).collect::<Vec<_>>().into_iter()
    }

    /// One line on what the two have to do with each other.
    pub fn inputs_said(&self) -> String {
        if self.a.scenario != self.b.scenario {
            return format!("two different scenarios, {} and {}", self.a.scenario, self.b.scenario);
        }
        match self.inputs.len() {
            0 if self.same_digests == self.seeds.len() => {
                "the same scenario, and every run went the same way".to_string()
            }
            0 => "the same scenario, run by different programs".to_string(),
            1 => "the same scenario but for one key".to_string(),
            keys => format!("the same scenario but for {keys} keys"),
        }
    }
}

impl Gate {
    fn judges(&self, one: &Compared) -> bool {
        self.only.is_empty() || self.only.contains(&one.metric.name)
    }
}

/// `seed 7`, `seeds 1 to 5`, `seeds 1, 4, 9`.
pub fn seeds_said(side: &Side) -> String {
    let seeds: Vec<u64> = side.runs.keys().copied().collect();
    match seeds[..] {
        [] => "no seed".to_string(),
        [one] => format!("seed {one}"),
        [first, .., last] if last - first == seeds.len() as u64 - 1 => format!("seeds {first} to {last}"),
        _ if seeds.len() > 8 => format!("{} seeds", seeds.len()),
        _ => format!("seeds {}", seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// What is known of the metrics of both. A scenario of another version may not be read any more: then the other side's
/// names are known.
fn offered(a: &Side, b: &Side) -> BTreeMap<String, Metric> {
    let scenario = |side: &Side| Scenario::parse("run.json", &side.scenario_toml, &[]).ok();
    let all = [a, b].into_iter().filter_map(scenario).flat_map(|scenario| metric::offered(&scenario));
    all.map(|metric| (metric.name.clone(), metric)).collect()
}

fn check_names(gate: &Gate, names: &[&String], offered: &BTreeMap<String, Metric>) -> Result<(), String> {
    for name in &gate.only {
        match offered.get(name) {
            Some(metric) if metric.better == Better::Neither => {
                return Err(format!("--metric {name}: is neither better nor worse when it changes; name one that is"));
            }
            Some(_) => {}
            None if names.contains(&name) => {}
            None => {
                let all: Vec<Metric> = offered.values().cloned().collect();
                let near = metric::near(name, &all);
                let right = if near.is_empty() {
                    "must be as in ack.p99_ms".to_string()
                } else {
                    format!("near it are {}", near.join(", "))
                };
                return Err(format!("--metric {name}: is no metric of these runs; {right}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use headcount_workloads::metric::Measured;

    /// Runs of `voting-small` with these p99 and counts of KV reads, a seed each from 1.
    pub fn side(label: &str, runs: &[(f64, f64)]) -> Side {
        let scenario = Scenario::load("voting-small", &[]).unwrap();
        let one = |(index, (p99, gets)): (usize, &(f64, f64))| {
            let metrics = BTreeMap::from([("ack.p99_ms".to_string(), *p99), ("kv.gets".to_string(), *gets)]);
            (
                index as u64 + 1,
                OneRun { digest: format!("{:016x}", p99.to_bits() ^ gets.to_bits()), metrics: Measured(metrics) },
            )
        };
        Side::made(label, &scenario, runs.iter().enumerate().map(one).collect())
    }

    pub fn gate(limit: f64) -> Option<Gate> {
        Some(Gate { limit, only: Vec::new() })
    }

    const BASE: [(f64, f64); 3] = [(100.0, 50.0), (200.0, 60.0), (300.0, 70.0)];
    const SLOWER: [(f64, f64); 3] = [(130.0, 50.0), (231.0, 60.0), (332.0, 70.0)];

    #[test]
    fn the_same_runs_are_the_same_with_and_without_a_gate() {
        for gate in [None, gate(0.0)] {
            let same = Comparison::of(side("a", &BASE), side("b", &BASE), gate).unwrap();
            assert_eq!((same.answer(), same.same_digests), (Answer::Same, 3));
            assert!(same.inputs_said().ends_with("every run went the same way"));
        }
    }

    #[test]
    fn a_gate_lets_through_what_is_within_it() {
        // 31 of 200 is 15.5 %; sure is 31 - 2.48 = 28.5: 14.3 %.
        let answer = |gate| Comparison::of(side("a", &BASE), side("b", &SLOWER), gate).unwrap().answer();
        assert_eq!(
            (answer(None), answer(gate(0.05)), answer(gate(0.15))),
            (Answer::Different, Answer::Beyond, Answer::Within)
        );
        let only = |name: &str| Some(Gate { limit: 0.05, only: vec![name.to_string()] });
        assert_eq!((answer(only("kv.gets")), answer(only("ack.p99_ms"))), (Answer::Within, Answer::Beyond));
        let back = Comparison::of(side("a", &SLOWER), side("b", &BASE), gate(0.0)).unwrap();
        assert_eq!((back.answer(), back.with(Change::Better).count()), (Answer::Within, 1));
    }

    #[test]
    fn seeds_that_only_one_side_has_are_left_out_and_none_at_all_is_refused() {
        let mut b = side("b", &BASE);
        let run = b.runs.remove(&1).unwrap();
        b.runs.insert(9, run);
        let some = Comparison::of(side("a", &BASE), b.clone(), None).unwrap();
        assert_eq!((some.seeds.as_slice(), some.left_out), (&[2, 3][..], 2));
        b.runs.retain(|seed, _| *seed == 9);
        let refused = Comparison::of(side("a", &BASE), b, None).unwrap_err();
        assert_eq!(refused, "a has seeds 1 to 3 and b has seed 9: name runs with seeds that both have");
    }

    #[test]
    fn a_gate_on_what_is_no_metric_is_answered_with_those_near_it() {
        let refused = |name: &str| {
            let gate = Gate { limit: 0.05, only: vec![name.to_string()] };
            Comparison::of(side("a", &BASE), side("b", &BASE), Some(gate)).unwrap_err()
        };
        assert!(
            refused("ack.p99").starts_with("--metric ack.p99: is no metric of these runs; near it are ack.p99_ms,")
        );
        assert!(refused("virtual_s").contains("neither better nor worse"));
    }
}
