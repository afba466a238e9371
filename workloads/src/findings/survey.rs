//! Many seeds of one scenario, promise by promise.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::outcome::{PropertyKind, Verdict};
use crate::run::Prepared;

/// What broke a promise first: the seed, and why.
pub type First = (u64, String);

/// What seeds 1 and up found.
pub struct Survey {
    /// By promise, in the order of the oracles: in how many seeds it was broken, and in which first.
    rows: Vec<(&'static str, u64, Option<First>)>,
}

impl Survey {
    /// Runs every seed; what comes out does not depend on who ran which.
    pub fn of(prepared: &Prepared, seeds: u64, crew: Crew<'_>, done: &AtomicU64) -> Self {
        let mut survey = Self { rows: Vec::new() };
        let found = each(1..=seeds, crew, |seed| {
            let found = prepared.check(seed).properties;
            done.fetch_add(1, Ordering::Relaxed);
            found
        });
        for (seed, properties) in (1..).zip(found) {
            for result in properties.into_iter().filter(|result| result.kind != PropertyKind::Sometimes) {
                let at = survey.rows.iter().position(|(name, ..)| *name == result.name).unwrap_or_else(|| {
                    survey.rows.push((result.name, 0, None));
                    survey.rows.len() - 1
                });
                let (_, broken_in, first) = &mut survey.rows[at];
                if result.verdict == Verdict::Violated {
                    *broken_in += 1;
                    first.get_or_insert((seed, result.reason.unwrap_or_default()));
                }
            }
        }
        survey
    }

    /// Every promise, and in how many seeds it was broken.
    pub fn promises(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rows.iter().map(|(name, broken_in, _)| (*name, *broken_in))
    }

    /// In how many seeds a promise was broken.
    pub fn broken_in(&self, property: &str) -> u64 {
        self.row(property).map_or(0, |(_, broken_in, _)| *broken_in)
    }

    /// What broke it first.
    pub fn first(&self, property: &str) -> Option<First> {
        self.row(property).and_then(|(.., first)| first.clone())
    }

    fn row(&self, property: &str) -> Option<&(&'static str, u64, Option<First>)> {
        self.rows.iter().find(|(name, ..)| *name == property)
    }
}

/// Who runs seeds: calls the closure with each of them once, in any order and by as many threads as there are. Threads are
/// nothing for a world's nodes, so whoever asks for findings brings them.
pub type Crew<'a> = &'a dyn Fn(RangeInclusive<u64>, &(dyn Fn(u64) + Sync));

/// What `work` makes of each seed, in their order.
pub fn each<T: Send>(
    seeds: RangeInclusive<u64>,
    crew: Crew<'_>,
    work: impl Fn(u64) -> T + Sync,
) -> impl Iterator<Item = T> {
    let found = Mutex::new(BTreeMap::new());
    crew(seeds, &|seed| {
        let one = work(seed);
        found.lock().expect("nobody panicked with it").insert(seed, one);
    });
    found.into_inner().expect("nobody panicked with it").into_values()
}
