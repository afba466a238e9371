//! The smallest run that breaks a promise: first as few faults as possible, then as few users.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::survey::{Crew, First, Survey};
use super::{timeline, with};
use crate::run::{Prepared, RunOptions};
use crate::scenario::Scenario;

/// Seeds tried of each size: a promise that breaks in one run of nine is missed by so many in one case of twenty.
const SEEDS: u64 = 25;
/// Users tried, the fewest first.
const USERS: [u32; 10] = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20];

/// Keys and what they are set to.
type Overrides = Vec<(String, String)>;

/// A run that breaks a promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Smallest {
    pub users: u32,
    /// What had to go wrong: `nothing`, a kind of fault, or `any of …`.
    pub faults: String,
    pub seed: u64,
    /// What the scenario's keys are set to.
    pub overrides: Overrides,
    /// The command that shows it.
    pub command: String,
    /// How the promise is broken.
    pub reason: String,
    /// The run in ten lines at most.
    pub timeline: Vec<String>,
}

/// A search in one documented scenario. What is found of a size holds for every promise.
pub struct Search<'a> {
    name: &'a str,
    own: Scenario,
    crew: Crew<'a>,
    done: &'a AtomicU64,
    /// By what was set: what the seeds found; `None`: the scenario cannot be had so.
    seen: BTreeMap<Overrides, Option<Survey>>,
}

impl<'a> Search<'a> {
    pub fn new(name: &'a str, crew: Crew<'a>, done: &'a AtomicU64) -> Self {
        let own = with(name, &[]).expect("a built-in scenario is right");
        Self { name, own, crew, done, seen: BTreeMap::new() }
    }

    /// The first run with the fewest faults, and of those with the fewest users, that breaks the promise; `known` is one of the
    /// scenario as it is.
    pub fn smallest(&mut self, property: &str, known: Option<First>) -> Smallest {
        let mut best = (Overrides::new(), known.expect("it was broken"));
        let mut faults = Overrides::new();
        let mut words = "any of the swarm".to_string();
        for (kinds, said) in self.faults() {
            let set = vec![("swarm.kinds".to_string(), kinds)];
            if let Some(first) = self.first(&set, property) {
                (best, faults, words) = ((set.clone(), first), set, said);
                break;
            }
        }
        let own = users_of(&self.own);
        let mut users = own;
        for fewer in USERS.into_iter().take_while(|fewer| *fewer < own) {
            let set: Overrides = faults.iter().cloned().chain(crowd(&self.own, fewer)).collect();
            if let Some(first) = self.first(&set, property) {
                (best, users) = ((set, first), fewer);
                break;
            }
        }
        let (overrides, (seed, reason)) = best;
        let scenario = with(self.name, &overrides).expect("it ran before");
        let outcome = Prepared::new(scenario.clone()).run(seed, RunOptions { trace: true, ..RunOptions::default() });
        self.done.fetch_add(1, Ordering::Relaxed);
        let set = overrides.iter().map(|(key, value)| format!(" --set '{key}={value}'")).collect::<String>();
        let timeline = timeline::of(&outcome, &scenario, property, &reason);
        let command = format!("headcount run {} --seed {seed}{set}", self.name);
        Smallest { users, faults: words, seed, overrides, command, reason, timeline }
    }

    /// No faults; each kind alone.
    fn faults(&self) -> Vec<(String, String)> {
        let kinds = self.own.swarm.as_ref().map_or_else(Vec::new, |swarm| swarm.kinds.clone());
        let mut all = vec![("[]".to_string(), "nothing".to_string())];
        all.extend(kinds.into_iter().map(|kind| (format!("[{:?}]", kind.name()), kind.name().to_string())));
        all
    }

    fn first(&mut self, set: &Overrides, property: &str) -> Option<First> {
        let (name, crew, done) = (self.name, self.crew, self.done);
        let look = || with(name, set).map(|scenario| Survey::of(&Prepared::new(scenario), SEEDS, crew, done));
        self.seen.entry(set.clone()).or_insert_with(look).as_ref()?.first(property)
    }
}

/// How many users a scenario has.
fn users_of(scenario: &Scenario) -> u32 {
    match &*scenario.pattern {
        "voting" => scenario.crowd.users,
        "friends" => scenario.friends.users,
        _ => scenario.system.users,
    }
}

/// So many users, who do as much each as they do in the scenario.
fn crowd(scenario: &Scenario, users: u32) -> Overrides {
    let set = |key: &str, value: u32| (key.to_string(), value.to_string());
    match &*scenario.pattern {
        "voting" => vec![set("crowd.users", users)],
        "friends" => vec![
            set("friends.users", users),
            set("friends.degree", scenario.friends.degree.min(users.saturating_sub(1)).max(1)),
        ],
        _ => {
            let system = &scenario.system;
            let acts = (u64::from(system.acts) * u64::from(users)).div_ceil(u64::from(system.users)) as u32;
            vec![set("system.users", users), set("system.acts", acts.max(1))]
        }
    }
}
