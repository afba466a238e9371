//! What happens when many friends lose their connections at once and come back at once: how long until all is done that this
//! made, and how much of it there is for each lost connection. Whether the system comes back at all under a load is the map's
//! question: see [`metastability`](super::metastability).
//!
//! Everybody of so many regions is cut off for longer than the presence timeout, so that all of them are told to be gone, and
//! then come back together. The same seed without the storm is the calm that it is held against: the same people do the
//! same things at the same moments (common random numbers), so what is more is the storm's.

use std::collections::BTreeMap;

use headcount_engine::contract::{Nanos, SECOND};
use serde::Serialize;

use super::lab::{Lab, Trouble};
use super::load::{self, Ask, Window, away_s, checked};
use super::metastability::{self, Map};
use super::sample::Sample;
use crate::scenario::{Deeds, Fault, FaultKind, Scenario};

/// When people begin to come and go.
const FROM: Nanos = 2 * SECOND;
/// How long after the storm is watched [s]: whoever has not come back by then does not.
pub const WATCHED_S: u32 = 300;
/// The shortest presence timeout there is; a cut lasts two seconds longer.
const TIMEOUT_S: u32 = 20;
/// Time for what the last change made.
const CONVERGE: Nanos = 10 * SECOND;
/// Of what is done after the storm, so much must be done for the storm to be over.
const DONE: f64 = 0.99;
/// Series of a run that a storm is judged by.
pub const SERIES: [&str; 8] = [
    "online",
    "presence_joins",
    "presence_leaves",
    "presence_timeouts",
    "status_published",
    "lists_loaded",
    "screens_changed",
    "client_errors",
];
/// Those of them that are work: their sum is what a storm makes. Lists are no part of it: clients read theirs now and then
/// anyway, and a storm only moves when.
const WORK: [&str; 4] = ["presence_joins", "presence_leaves", "presence_timeouts", "status_published"];

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct StormQuestion<'a> {
    pub scenario: &'a Scenario,
    pub users: u32,
    /// People who come or go a second, in the calm and on the map; nobody does besides the storms of the whole crowd.
    pub rate_per_s: f64,
    pub seed: u64,
}

/// One storm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Storm {
    /// Regions that were cut off, and the share of all people in them.
    pub regions: u32,
    pub share: f64,
    /// Connections that were lost.
    pub lost: f64,
    /// From the end of the cut until 99 % of the people are connected again; `None`: never in the time it was watched [s].
    pub back_s: Option<f64>,
    /// From the end of the cut until 99 % of all work that came after it was done; `None`: it still goes on when the watch
    /// ends [s].
    pub drain_s: Option<f64>,
    /// More than in the calm, for each lost connection.
    pub presence_events: f64,
    pub executions: f64,
    pub publishes: f64,
    pub kv_operations: f64,
    pub list_pages: f64,
    /// Presence events, executions and publishes together.
    pub amplification: f64,
    /// Presence events and published statuses of the busiest second after the cut [1/s].
    pub busiest_per_s: f64,
    /// Errors that clients met after the cut, for each lost connection.
    pub errors: f64,
    /// Work a second: presence events and published statuses.
    #[serde(skip)]
    pub work_per_s: Vec<f64>,
}

/// Publishes with channel groups and with an inbox for each friend (friends-online.md 11.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Told {
    /// Times that somebody came or went.
    pub changes: f64,
    /// Statuses published, one for all friends.
    pub groups: f64,
    /// Publishes if each friend had an inbox.
    pub inboxes: f64,
    /// Statuses that came to a friend's device: as many either way.
    pub deliveries: f64,
}

impl Told {
    fn of(calm: &Sample) -> Self {
        let count = |name: &str| calm.metric(name).unwrap_or(0.0);
        Self {
            changes: count("fanout.changes"),
            groups: count("functions.counter.status.published"),
            inboxes: count("fanout.inbox_publishes"),
            deliveries: count("status.told"),
        }
    }
}

/// All that is known of storms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Storms {
    /// Beginning and end of the cut, in virtual time [s].
    pub cut_s: f64,
    pub healed_s: f64,
    pub storms: Vec<Storm>,
    /// The largest of them once more, with clients that all wait for the same time before each try
    /// (`friends.reconnect_jitter = false`); `None` if the scenario's own do.
    pub in_step: Option<Storm>,
    /// What telling friends took in the calm.
    pub told: Told,
    /// Where goodput comes back.
    pub map: Map,
}

/// When the connections are lost and come back, and until when that is watched: whole seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub cut: Nanos,
    pub healed: Nanos,
    pub watched: Nanos,
    /// Until when people come and go. Later than the watch: near its end nobody leaves who would not be back by then.
    to: Nanos,
}

impl Times {
    pub fn of(scenario: &Scenario) -> Self {
        // From then on as many come as go.
        let steady = (away_s(scenario).1.ceil() as Nanos + 1) * SECOND;
        let cut = FROM + steady.max(10 * SECOND);
        let healed = cut + Nanos::from(TIMEOUT_S + 2) * SECOND;
        let watched = healed + Nanos::from(WATCHED_S) * SECOND;
        Self { cut, healed, watched, to: watched + steady }
    }
}

pub(super) fn seconds(ns: Nanos) -> f64 {
    ns as f64 / 1e9
}

/// The scenario with so many regions cut off; none is the calm.
pub fn ask(question: &StormQuestion<'_>, regions: u32) -> Result<Ask, Trouble> {
    let mut scenario = load::with_friends(question.scenario, question.users);
    let friends = &mut scenario.friends;
    friends.presence_timeout_s = TIMEOUT_S;
    let times = Times::of(question.scenario);
    (friends.from, friends.to) = (FROM, times.to);
    let coming_and_going = question.rate_per_s * seconds(friends.to - friends.from);
    // Each who leaves comes back.
    friends.deeds = Deeds { leaves: (coming_and_going / 2.0) as u32, ..Deeds::default() };
    scenario.heal = scenario.friends.to;
    scenario.bounds.converge = CONVERGE;
    scenario.end = scenario.friends.to + CONVERGE;
    if regions > 0 {
        let nodes = scenario.nodes();
        let named = |kinds: &[&str]| -> Vec<String> {
            nodes.iter().filter(|node| kinds.contains(&node.kind.word())).map(|node| node.name.clone()).collect()
        };
        let (mut a, b) = (named(&["people"]), named(&["edge", "auth"]));
        a.truncate(regions as usize);
        let kind = FaultKind::Partition { a, b, one_way: false };
        scenario.faults.push(Fault { kind, at: times.cut, lasts: times.healed - times.cut });
    }
    let (from_s, warm_up_s) = (seconds(FROM), seconds(times.cut - FROM));
    let window = Window { from_s, warm_up_s, to_s: seconds(times.watched) };
    Ok(checked(scenario, window)?)
}

/// Storms of one region to all of them, and the map.
pub fn storms(question: &StormQuestion<'_>, lab: &dyn Lab) -> Result<Storms, Trouble> {
    let regions = question.scenario.topology.regions.len() as u32;
    // Whoever is cut off does nothing else meanwhile: only where nobody does is the difference the storm's.
    let quiet = StormQuestion { rate_per_s: 0.0, ..*question };
    let mut asks = vec![ask(question, 0)?];
    for cut in 0..=regions {
        asks.push(ask(&quiet, cut)?);
    }
    let mut in_step = question.scenario.clone();
    in_step.friends.reconnect_jitter = false;
    let has_jitter = question.scenario.friends.reconnect_jitter;
    if has_jitter {
        asks.push(ask(&StormQuestion { scenario: &in_step, ..quiet }, regions)?);
    }
    let mut samples = lab.run(&asks.iter().map(|ask| (ask, question.seed)).collect::<Vec<_>>())?;
    let in_step = if has_jitter { samples.pop() } else { None };
    let calm = samples.remove(0);
    let (silence, stormy) = samples.split_first().expect("nothing at all is the first");
    let times = Times::of(question.scenario);
    let storm = |cut, sample: &Sample| Storm::of(cut, regions, &times, silence, sample);
    let storms = (1..).zip(stormy).map(|(cut, sample)| storm(cut, sample)).collect();
    let in_step = in_step.map(|sample| storm(regions, &sample));
    let map = metastability::map(question, lab)?;
    let (cut_s, healed_s) = (seconds(times.cut), seconds(times.healed));
    let told = Told::of(&calm);
    Ok(Storms { cut_s, healed_s, storms, in_step, told, map })
}

pub(super) fn series<'a>(sample: &'a Sample, name: &str) -> &'a [f64] {
    sample.series.get(name).map_or(&[], Vec::as_slice)
}

/// Work by second.
fn work(sample: &Sample) -> Vec<f64> {
    let len = WORK.iter().map(|name| series(sample, name).len()).max().unwrap_or(0);
    let at = |second: usize| WORK.iter().filter_map(|name| series(sample, name).get(second)).sum();
    (0..len).map(at).collect()
}

/// Seconds from `from` until so much of what comes after it, and before `to`, is done: whole seconds, at the end of the second
/// in which it is. `None` if that is in the last tenth: nobody has seen the end of it.
fn done_after_s(values: &[f64], from: usize, to: usize, share: f64) -> Option<f64> {
    let after = values.get(from..to.min(values.len())).unwrap_or(&[]);
    let all: f64 = after.iter().sum();
    let mut sum = 0.0;
    let reached = after.iter().position(|value| {
        sum += value;
        sum >= share * all
    });
    match reached {
        Some(second) if all > 0.0 => Some(second as f64 + 1.0).filter(|done| *done <= 0.9 * after.len() as f64),
        _ => Some(0.0),
    }
}

impl Storm {
    fn of(cut: u32, regions: u32, times: &Times, calm: &Sample, stormy: &Sample) -> Self {
        let metric = |sample: &Sample, name: &str| sample.metric(name).unwrap_or(0.0);
        let more = |names: &[&str]| names.iter().map(|name| metric(stormy, name) - metric(calm, name)).sum::<f64>();
        let lost = more(&["clients.reconnects"]);
        let each = |names: &[&str]| if lost > 0.0 { more(names) / lost } else { 0.0 };
        let (from, to) = ((times.healed / SECOND) as usize, (times.watched / SECOND) as usize);
        // What the storm made and not what goes on anyway.
        let (with, without) = (work(stormy), work(calm));
        let extra: Vec<f64> = with.iter().zip(&without).map(|(with, without)| (with - without).max(0.0)).collect();
        let (online, usual) = (series(stormy, "online"), series(calm, "online"));
        let back = online.iter().zip(usual).skip(from).position(|(online, usual)| *online >= DONE * usual);
        let presence = ["presence.joins", "presence.leaves", "presence.timeouts"];
        let (presence_events, executions, publishes) =
            (each(&presence), each(&["functions.executions"]), each(&["broker.published"]));
        Self {
            regions: cut,
            share: f64::from(cut) / f64::from(regions),
            lost,
            back_s: back.map(|second| second as f64 + 1.0),
            drain_s: done_after_s(&extra, from, to, DONE),
            presence_events,
            executions,
            publishes,
            kv_operations: each(&["functions.kv_calls"]),
            list_pages: each(&["clients.pages_loaded"]),
            amplification: presence_events + executions + publishes,
            busiest_per_s: with.iter().skip(from).copied().fold(0.0, f64::max),
            errors: if lost > 0.0 {
                series(stormy, "client_errors").iter().skip(from).sum::<f64>() / lost
            } else {
                0.0
            },
            work_per_s: with,
        }
    }
}

/// The series that a storm is judged by.
pub(super) fn kept(outcome: &crate::outcome::Outcome) -> BTreeMap<String, Vec<f64>> {
    let wanted = outcome.series.iter().filter(|series| SERIES.contains(&series.name.as_str()));
    wanted.map(|series| (series.name.clone(), series.values.clone())).collect()
}

#[cfg(test)]
#[path = "storm_tests.rs"]
mod tests;
