//! Friends online, run: one binary, a module for each part of friends-online.md 13 and for what this project adds.
//!
//! Every row of friends-online.md 13 and the test that holds it. Those of 13.1 step the handlers by hand and stand in the
//! engine, `patterns/friends/tests/`.
//!
//! | Row | Test |
//! |---|---|
//! | 13.1 Valid join event | `table_13_1::a_join_updates_the_status_and_is_published_once` |
//! | 13.1 Valid leave event | `table_13_1::a_leave_and_a_timeout_update_the_status_and_are_published` |
//! | 13.1 Debounced event | `table_13_1::a_second_event_within_five_seconds_updates_the_status_only`, `a_change_that_was_held_back_is_told_five_seconds_after_the_one_before` |
//! | 13.1 Flapping detection | `table_13_1::five_events_in_ten_seconds_are_suppressed_and_the_last_one_counts` |
//! | 13.1 Storm detection | `table_13_1::in_a_storm_events_update_the_status_only` |

mod determinism;
mod integration;
mod script;
mod seeds;

use headcount_workloads::outcome::{Outcome, PropertyResult, Verdict};
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

fn scenario(name: &str, overrides: &[(&str, &str)]) -> Scenario {
    let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Scenario::load(name, &overrides).unwrap_or_else(|bad| panic!("{bad}"))
}

/// A built-in scenario with these overrides, made ready.
fn prepared(name: &str, overrides: &[(&str, &str)]) -> Prepared {
    Prepared::new(scenario(name, overrides))
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
