//! What the hardened variant costs: the same people, from the same seeds, without a fault, with the one and with the other logic.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::survey::{Crew, each};
use super::with;
use crate::outcome::Outcome;
use crate::run::{Prepared, RunOptions};

/// Seeds whose counts are added up.
const SEEDS: u64 = 10;

/// Counters that are paid for, and what they are called.
const KINDS: [(&str, &str); 5] = [
    ("functions.executions", "executions of Functions"),
    ("functions.kv_calls", "KV calls"),
    ("functions.objects_calls", "App Context calls of Functions"),
    ("functions.publishes", "publishes of Functions"),
    ("functions.xhr_calls", "calls of outside services"),
];

/// One kind of what is paid for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    pub what: String,
    pub documented: f64,
    pub hardened: f64,
}

/// All kinds that either variant had any of, and latencies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    pub seeds: u64,
    pub costs: Vec<Cost>,
}

/// The price of one documented scenario's hardened twin.
pub fn of(documented: &str, crew: Crew<'_>, done: &AtomicU64) -> Price {
    let sum = |variant: &str| {
        let set =
            [("swarm.kinds", "[]"), ("variant", variant)].map(|(key, value)| (key.to_string(), value.to_string()));
        let prepared = Prepared::new(with(documented, &set).expect("every scenario runs in both variants"));
        let found = each(1..=SEEDS, crew, |seed| {
            done.fetch_add(1, Ordering::Relaxed);
            prepared.run(seed, RunOptions::default())
        });
        found.collect::<Vec<Outcome>>()
    };
    let (theirs, ours) = (sum("documented"), sum("hardened"));
    let counted = |outcomes: &[Outcome], name: &str| {
        outcomes.iter().map(|outcome| outcome.counters.get(name).copied().unwrap_or(0)).sum::<u64>() as f64
    };
    let mut costs: Vec<Cost> = KINDS
        .iter()
        .map(|(name, what)| Cost {
            what: (*what).to_string(),
            documented: counted(&theirs, name),
            hardened: counted(&ours, name),
        })
        .filter(|cost| cost.documented + cost.hardened > 0.0)
        .collect();
    let first = theirs.first().into_iter().flat_map(|outcome| &outcome.latencies);
    costs.extend(first.map(|latency| Cost {
        what: format!("{}, mean in ms", latency.title),
        documented: mean_ms(&theirs, latency.name),
        hardened: mean_ms(&ours, latency.name),
    }));
    Price { seeds: SEEDS, costs }
}

/// The mean of one latency over all seeds, to the microsecond.
fn mean_ms(outcomes: &[Outcome], name: &str) -> f64 {
    let latencies = outcomes.iter().flat_map(|outcome| &outcome.latencies).filter(|latency| latency.name == name);
    let (mut sum_us, mut count) = (0, 0);
    for value in latencies.flat_map(|latency| latency.histogram.iter_recorded()) {
        sum_us += value.value_iterated_to() * value.count_at_value();
        count += value.count_at_value();
    }
    sum_us.checked_div(count).map_or(0.0, |us| us as f64 / 1_000.0)
}
