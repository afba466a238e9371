//! What tests of runs have in common: built-in scenarios with overrides, and what came of them.

use headcount_workloads::outcome::{Outcome, PropertyResult, Verdict};
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

/// A built-in scenario with these overrides.
pub fn scenario(name: &str, overrides: &[(&str, &str)]) -> Scenario {
    let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Scenario::load(name, &overrides).unwrap_or_else(|bad| panic!("{bad}"))
}

/// A built-in scenario with these overrides, made ready.
pub fn prepared(name: &str, overrides: &[(&str, &str)]) -> Prepared {
    Prepared::new(scenario(name, overrides))
}

/// One run of it, in which Little's law holds on every station to the nanosecond.
pub fn run(name: &str, overrides: &[(&str, &str)], seed: u64) -> Outcome {
    let outcome = prepared(name, overrides).run(seed, RunOptions::default());
    assert!(
        outcome.stations.iter().all(|station| station.sojourn_mean_ms >= station.wait_mean_ms),
        "a sojourn is a wait and more"
    );
    for station in &outcome.stations {
        assert_eq!(station.little_deviation, 0.0, "{station:?}");
    }
    outcome
}

/// The names and reasons of what was violated.
pub fn violated(properties: &[PropertyResult]) -> Vec<String> {
    let violated = properties.iter().filter(|property| property.verdict == Verdict::Violated);
    violated.map(|property| format!("{}: {}", property.name, property.reason.as_deref().unwrap_or(""))).collect()
}

/// A counter of a run; 0 if it has none of that name.
pub fn counter(outcome: &Outcome, name: &str) -> u64 {
    outcome.counters.get(name).copied().unwrap_or(0)
}
