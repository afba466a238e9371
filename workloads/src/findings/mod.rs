//! What the documents' own logic keeps and breaks: each documented variant against its properties over the same seeds, the
//! smallest run that breaks each promise, what the hardened variant does instead, and what that costs.
//!
//! | file | idea |
//! |---|---|
//! | `survey` | many seeds of one scenario, promise by promise |
//! | `smallest` | fewer faults, fewer users, until a promise is no longer broken |
//! | `timeline` | such a run in ten lines |
//! | `price` | the same people with the one and with the other logic |
//!
//! Everything follows from the seeds: the same binary finds the same, whoever runs the seeds.

mod price;
mod smallest;
mod survey;
mod timeline;

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

pub use self::price::{Cost, Price};
pub use self::smallest::Smallest;
pub use self::survey::Crew;

use self::smallest::Search;
use self::survey::Survey;
use crate::catalogue;
use crate::outcome::Reading;
use crate::run::{Prepared, RunOptions};
use crate::scenario::Scenario;

/// The seeds of a page: 1 up to this.
pub const SEEDS: u64 = 100;

/// What a scenario of a documented variant is called, and what that of the hardened one.
const DOCUMENTED: &str = "-documented";
const HARDENED: &str = "-small";

/// What was found of one system.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its pattern: `voting`.
    pub system: String,
    /// Its scenarios.
    pub documented: String,
    pub hardened: String,
    pub promises: Vec<Promise>,
    /// What the hardened variant does instead.
    pub remedy: &'static str,
    pub price: Price,
    /// Where its document contradicts itself or the platform.
    pub readings: Vec<Reading>,
}

impl Finding {
    /// Promises that the documented variant breaks.
    pub fn broken(&self) -> usize {
        self.promises.iter().filter(|promise| promise.broken_in > 0).count()
    }

    /// Promises that the hardened variant breaks.
    pub fn hardened_broken(&self) -> usize {
        self.promises.iter().filter(|promise| promise.hardened_broken_in > 0).count()
    }
}

/// One promise.
#[derive(Clone, Debug, Serialize)]
pub struct Promise {
    /// The property that checks it: `one-counted-vote-per-user`.
    pub property: &'static str,
    /// What it says, and which promise of which document that is.
    pub says: String,
    /// Seeds in which the documented variant broke it, of how many.
    pub broken_in: u64,
    pub seeds: u64,
    /// Likewise of the hardened variant.
    pub hardened_broken_in: u64,
    /// The smallest run of the documented variant that breaks it.
    pub smallest: Option<Smallest>,
}

/// The systems that have a documented variant, in the order of the catalogue.
pub fn systems() -> Vec<&'static str> {
    catalogue::all().iter().filter_map(|entry| entry.name.strip_suffix(DOCUMENTED)).collect()
}

/// What there is to say of a system (of [`systems`]) over so many seeds; `done` counts runs.
///
/// # Panics
/// A built-in scenario is missing or wrong.
pub fn of(system: &str, seeds: u64, crew: Crew<'_>, done: &AtomicU64) -> Finding {
    let (documented, hardened) = (format!("{system}{DOCUMENTED}"), format!("{system}{HARDENED}"));
    let look = |name: &str| Survey::of(&Prepared::new(built_in(name)), seeds, crew, done);
    let (theirs, ours) = (look(&documented), look(&hardened));
    let says = catalogue::properties();
    let mut search = Search::new(&documented, crew, done);
    let promises = theirs.promises().map(|(property, broken_in)| Promise {
        property,
        says: says.iter().find(|(name, _)| *name == property).map_or_else(String::new, |(_, says)| says.clone()),
        broken_in,
        seeds,
        hardened_broken_in: ours.broken_in(property),
        smallest: (broken_in > 0).then(|| search.smallest(property, theirs.first(property))),
    });
    let promises = promises.collect();
    let outcome = Prepared::new(built_in(&documented)).run(1, RunOptions::default());
    done.fetch_add(1, Ordering::Relaxed);
    Finding {
        promises,
        remedy: remedy(&built_in(&documented)),
        price: price::of(&documented, crew, done),
        readings: outcome.readings,
        system: outcome.pattern,
        documented,
        hardened,
    }
}

/// What a scenario's patterns do instead in their hardened variants.
fn remedy(scenario: &Scenario) -> &'static str {
    scenario.patterns().iter().map(|pattern| pattern.remedy(scenario)).find(|remedy| !remedy.is_empty()).unwrap_or("")
}

fn built_in(name: &str) -> Scenario {
    with(name, &[]).unwrap_or_else(|| panic!("the built-in scenario {name} is right"))
}

/// A built-in scenario with some keys set otherwise; `None`: it cannot be had so.
fn with(name: &str, overrides: &[(String, String)]) -> Option<Scenario> {
    Scenario::load(name, overrides).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_system_has_a_hardened_one_and_words_for_what_it_does_instead() {
        let systems = systems();
        assert!(systems.contains(&"voting") && systems.contains(&"friends") && systems.len() > 4);
        for system in systems {
            let (documented, hardened) =
                (built_in(&format!("{system}{DOCUMENTED}")), built_in(&format!("{system}{HARDENED}")));
            assert_eq!(documented.pattern, hardened.pattern);
            assert!(!remedy(&documented).is_empty(), "{system}: say what it does instead (System::remedy)");
        }
    }

    /// Two systems, few seeds: whatever is said to be broken breaks again when the command is followed, with no more users than
    /// the scenario has.
    #[test]
    fn the_smallest_run_breaks_its_promise_again() {
        for system in ["counter", "ratelimit"] {
            let finding = of(system, 10, &|seeds, work| seeds.for_each(work), &AtomicU64::new(0));
            assert!(finding.promises.iter().any(|promise| promise.broken_in > 0), "{system}");
            assert!(finding.promises.iter().all(|promise| promise.hardened_broken_in == 0), "{system}");
            for promise in &finding.promises {
                let Some(smallest) = &promise.smallest else { continue };
                let scenario = with(&finding.documented, &smallest.overrides).expect("it ran before");
                let found = Prepared::new(scenario).check(smallest.seed);
                let again = found.properties.iter().find(|result| result.name == promise.property).unwrap();
                assert_eq!(again.reason.as_deref(), Some(&*smallest.reason));
                assert!((1..=10).contains(&smallest.timeline.len()), "{:?}", smallest.timeline);
            }
        }
    }
}
