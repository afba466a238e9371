//! The voting scenarios, run: one binary, a module for each part of voting.md 12 and for what this project adds.

mod burst_and_ramp;
mod chaos;
mod determinism;
mod integration;
mod load;
mod seeds;

use headcount_workloads::outcome::{Outcome, PropertyResult, Verdict};
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

/// A built-in scenario with these overrides, made ready.
fn prepared(name: &str, overrides: &[(&str, &str)]) -> Prepared {
    let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Prepared::new(Scenario::load(name, &overrides).unwrap_or_else(|bad| panic!("{bad}")))
}

/// One run of it.
fn run(name: &str, overrides: &[(&str, &str)], seed: u64) -> Outcome {
    prepared(name, overrides).run(seed, RunOptions::default())
}

/// The names and reasons of what was violated.
fn violated(properties: &[PropertyResult]) -> Vec<String> {
    let violated = properties.iter().filter(|property| property.verdict == Verdict::Violated);
    violated.map(|property| format!("{}: {}", property.name, property.reason.as_deref().unwrap_or(""))).collect()
}

fn counter(outcome: &Outcome, name: &str) -> u64 {
    outcome.counters.get(name).copied().unwrap_or(0)
}
