//! Where a plan's runs are made: as many threads as jobs; what comes back does not depend on how many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use headcount_workloads::plan::{Ask, Lab, Sample, Trouble};
use headcount_workloads::run::{Prepared, RunOptions};

use crate::terminal;

/// Threads, and a count of what they have done.
pub struct Bench {
    jobs: usize,
    quiet: bool,
    done: AtomicU64,
}

impl Bench {
    pub fn new(jobs: usize, quiet: bool) -> Self {
        Self { jobs, quiet, done: AtomicU64::new(0) }
    }

    fn one(&self, ask: &Ask, seed: u64) -> Result<Sample, Trouble> {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let outcome = Prepared::new(ask.scenario.clone()).run(seed, RunOptions::default());
            Sample::of(ask, &outcome)
        }));
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.quiet && done.is_multiple_of(10) {
            terminal::note(&format!("plan: {done} runs done"));
        }
        ran.map_err(|_| Trouble::Broken(format!("seed {seed} of {}: the simulation itself broke", ask.scenario.name)))
    }
}

impl Lab for Bench {
    fn run(&self, asks: &[(&Ask, u64)]) -> Result<Vec<Sample>, Trouble> {
        let next = AtomicUsize::new(0);
        let found: Vec<Mutex<Option<Result<Sample, Trouble>>>> = asks.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.min(asks.len()) {
                scope.spawn(|| {
                    while let Some((place, (ask, seed))) = {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        asks.get(place).map(|asked| (place, *asked))
                    } {
                        let sample = self.one(ask, seed);
                        *found[place].lock().expect("nobody panics with it") = Some(sample);
                    }
                });
            }
        });
        let all = found.into_iter().map(|one| one.into_inner().expect("nobody panics with it"));
        all.map(|one| one.expect("every ask was taken")).collect()
    }
}
