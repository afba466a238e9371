//! What users of a system intend: drawn from the seed alone, so that the same crowd comes under any fault plan.

use std::collections::BTreeMap;

use headcount_engine::contract::Nanos;
use headcount_sim::Stream;

use super::System;
use crate::crowd::plan::{place_of, user_at};
use crate::scenario::Scenario;

/// One thing that a user intends. Its number is its place in [`Plan::acts`]: the same in every region, and in request ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// When the user wants it: latency counts from here [ns].
    pub at: Nanos,
    pub user: u32,
    /// Index into [`System::kinds`].
    pub kind: u8,
    /// What the system makes of it.
    pub what: [u32; 2],
}

/// A user closes the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    pub user: u32,
    /// When [ns], and when the user opens it again; `None`: never, and what it wanted is given up.
    pub from: Nanos,
    pub to: Option<Nanos>,
    /// Whether it says goodbye, or just falls silent.
    pub says_so: bool,
}

/// Everything that users intend.
#[derive(Debug)]
pub struct Plan {
    /// In order of time.
    pub acts: Vec<Act>,
    /// By user: when it opens the app [ns].
    pub joins: Vec<Nanos>,
    /// By user.
    pub wifi: Vec<bool>,
    pub regions: u32,
    pub absences: Vec<Absence>,
    /// By act: the one from whose answer it is made.
    pub made_from: BTreeMap<u32, u32>,
}

impl Plan {
    /// Draws it.
    pub fn draw(system: &dyn System, scenario: &Scenario, seed: u64) -> Self {
        let table = &scenario.system;
        let mut joins = Stream::new(seed, "system.joins", 0);
        let mut wifi = Stream::new(seed, "system.wifi", 0);
        let mut acts = system.plan(scenario, &mut Stream::new(seed, "system.acts", 0));
        acts.sort_unstable();
        Self {
            made_from: made_from(system, &acts),
            absences: system.absences(scenario, &mut Stream::new(seed, "system.absences", 0)),
            acts,
            joins: (0..table.users).map(|_| joins.between(table.join_from, table.join_to)).collect(),
            wifi: (0..table.users).map(|_| wifi.chance(table.wifi_ppm)).collect(),
            regions: scenario.topology.regions.len() as u32,
        }
    }

    /// The numbers of a region's acts, in order of time.
    pub fn of_region(&self, region: u32) -> Vec<u32> {
        let here = |number: &u32| place_of(self.acts[*number as usize].user, self.regions).0 == region;
        (0..self.acts.len() as u32).filter(here).collect()
    }

    /// A region's users, client by client.
    pub fn users_of(&self, region: u32) -> impl Iterator<Item = u32> + '_ {
        let users = self.joins.len() as u32;
        (0..).map(move |client| user_at(region, client, self.regions)).take_while(move |user| *user < users)
    }
}

/// Of each act that is made from an answer, the same user's act that brings about what it needs.
fn made_from(system: &dyn System, acts: &[Act]) -> BTreeMap<u32, u32> {
    let numbered = || (0..).zip(acts);
    let brought: BTreeMap<(u32, u32), u32> =
        numbered().filter_map(|(number, act)| Some(((act.user, system.brings(act)?), number))).collect();
    let source = |act: &Act| {
        let what = system.made_from(act)?;
        Some(*brought.get(&(act.user, what)).expect("what an act is made from is brought about by another one"))
    };
    numbered().filter_map(|(number, act)| Some((number, source(act)?))).collect()
}

/// Who wants something when: `acts` moments at random in the table's time, the users dealt out so that each has its share.
pub fn moments(scenario: &Scenario, dice: &mut Stream) -> Vec<(Nanos, u32)> {
    let table = &scenario.system;
    let mut turn: Vec<u32> = (0..table.users).collect();
    let mut moments = Vec::with_capacity(table.acts as usize);
    for n in 0..table.acts as usize {
        let place = n % turn.len();
        if place == 0 {
            dice.shuffle(&mut turn);
        }
        moments.push((dice.between(table.from, table.to), turn[place]));
    }
    moments
}
