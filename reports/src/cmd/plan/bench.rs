//! Where a plan's runs are made: as many threads as jobs; what comes back does not depend on how many, nor on which of them
//! were made before and kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headcount_reports::jobs;
use headcount_reports::kept::Kept;
use headcount_workloads::plan::{Ask, Lab, Sample, Trouble};
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Threads, results that are kept, and a count of what was done.
pub struct Bench {
    jobs: usize,
    kept: Kept,
    /// People of the runs that were made here, and how many there will be in all.
    pub people_done: Arc<AtomicU64>,
    pub people_total: Arc<AtomicU64>,
    /// People of the steps that come after the one under way.
    people_later: AtomicU64,
    /// Runs that were made, and those that were kept from before.
    pub runs_made: AtomicU64,
    pub runs_kept: AtomicU64,
}

impl Bench {
    /// Nothing done yet.
    pub fn new(jobs: usize, kept: Kept) -> Self {
        let none = || Arc::new(AtomicU64::new(0));
        Self {
            jobs,
            kept,
            people_done: none(),
            people_total: none(),
            people_later: AtomicU64::new(0),
            runs_made: AtomicU64::new(0),
            runs_kept: AtomicU64::new(0),
        }
    }

    /// A step of so many people begins, and so many more come in the steps after it.
    pub fn step(&self, people: u64, later: u64) {
        self.people_later.store(later, Ordering::Relaxed);
        self.ahead(people);
    }

    /// Whether some result could not be kept.
    pub fn could_not_keep(&self) -> bool {
        self.kept.has_failed()
    }

    /// What `make` finds in a run of a scenario, unless it is kept from before.
    pub fn kept_or<T: Serialize + DeserializeOwned>(
        &self,
        looked_at: &str,
        scenario: &Scenario,
        seed: u64,
        make: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        if let Some(found) = self.kept.get(looked_at, scenario, seed) {
            self.runs_kept.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        let found = make()?;
        self.runs_made.fetch_add(1, Ordering::Relaxed);
        Ok(self.kept.put(looked_at, scenario, seed, found))
    }

    fn one(&self, ask: &Ask, seed: u64) -> Result<Sample, Trouble> {
        self.kept_or(&format!("sample of a plan over {:?}", ask.window), &ask.scenario, seed, || {
            let ran = catch_unwind(AssertUnwindSafe(|| {
                let outcome = Prepared::new(ask.scenario.clone()).run(seed, RunOptions::default());
                Sample::of(ask, &outcome)
            }));
            self.people_done.fetch_add(u64::from(ask.people()), Ordering::Relaxed);
            let broken = format!("seed {seed} of {}: the simulation itself broke", ask.scenario.name);
            ran.map_err(|_| Trouble::Broken(broken))
        })
    }
}

impl Lab for Bench {
    fn run(&self, asks: &[(&Ask, u64)]) -> Result<Vec<Sample>, Trouble> {
        jobs::in_order(self.jobs, asks, |(ask, seed)| self.one(ask, *seed)).into_iter().collect()
    }

    fn ahead(&self, people: u64) {
        let (done, later) = (self.people_done.load(Ordering::Relaxed), self.people_later.load(Ordering::Relaxed));
        self.people_total.store(done + people + later, Ordering::Relaxed);
    }
}
