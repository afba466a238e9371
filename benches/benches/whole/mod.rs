//! Whole runs, as `headcount run` does them but for its files: from the drawing of the crowd to the verdict. Wall times by
//! criterion's clock, and beside them what does not depend on the machine ([`exact`]).
//!
//! Bias: the scenario's tables are made once; the world's memory is taken apart inside the time, which the command leaves to
//! the end of its process. The allocator is the system's; the command has a faster one of its own.

pub mod exact;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use headcount_workloads::metric::Measured;
use headcount_workloads::outcome::{Outcome, Verdict};
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

const SEED: u64 = 1;

/// Runs `scenario` with so many `users` and these overrides, ten times by the clock, and reports what `watch` makes of it.
pub fn end_to_end<const N: usize>(
    group: &str,
    scenario: &str,
    users: u32,
    overrides: &[(&str, u32)],
    watch: impl Fn(&Outcome) -> [(&'static str, &'static str, f64); N],
) {
    let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let prepared = Prepared::new(Scenario::load(scenario, &overrides).expect("the overrides fit the scenario"));
    let run = || prepared.run(SEED, RunOptions::default());
    let first = run();
    assert_ne!(first.verdict, Verdict::Violated, "{:?}", first.properties);
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut wall = criterion.benchmark_group(group);
    wall.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(first.messages));
    wall.bench_function(BenchmarkId::new("run", users), |bencher| {
        bencher.iter_custom(|times| {
            let once = || {
                let started = Instant::now();
                let outcome = run();
                let spent = started.elapsed();
                assert_eq!(outcome.digest, first.digest, "the same seed is the same run");
                spent
            };
            (0..times).map(|_| once()).sum()
        });
    });
    wall.finish();
    for (name, unit, value) in watch(&first) {
        exact::report(group, name, users, value, unit);
    }
}

/// A metric that the run has.
pub fn of(outcome: &Outcome, name: &str) -> f64 {
    Measured::of(outcome).get(name).unwrap_or_else(|| panic!("the run has no {name}"))
}
