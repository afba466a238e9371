//! What happens when many friends lose their connections at once and come back at once: how long until all is done that this
//! made, how much of it there is for each lost connection, and whether the system comes back at all once the trigger is gone.
//!
//! Everybody of so many regions is cut off for longer than the presence timeout, so that all of them are told to be gone, and
//! then come back together. The same seed without the storm is the calm that it is held against: the same people do the
//! same things at the same moments (common random numbers), so what is more is the storm's.

use std::collections::BTreeMap;

use headcount_engine::contract::{Nanos, SECOND};
use serde::Serialize;

use super::lab::{Lab, Trouble};
use super::load::{self, Ask, Window, checked};
use super::sample::{Sample, mean_over};
use crate::scenario::{Deeds, Fault, FaultKind, Scenario};

/// When people begin to come and go, and when the connections are lost.
const FROM: Nanos = 2 * SECOND;
const CUT: Nanos = 12 * SECOND;
/// How long after the storm is watched: whoever has not come back by then does not.
const WATCHED: Nanos = 60 * SECOND;
/// The shortest presence timeout there is; a cut lasts two seconds longer.
const TIMEOUT_S: u32 = 20;
/// Time for what the last change made.
const CONVERGE: Nanos = 10 * SECOND;
/// Of what is done after the storm, so much must be done for the storm to be over.
const DONE: f64 = 0.99;
/// What the end of the watch is judged by [s].
const LAST_S: f64 = 10.0;
/// Goodput that has come back is at least so much of the calm.
const BACK: f64 = 0.9;
/// Loads of the metastability map, as shares of what fills the fullest station.
pub const LOADS: [f64; 5] = [0.3, 0.5, 0.7, 0.85, 0.95];

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
    /// From the end of the cut until 99 % of all work that came after it was done [s].
    pub drain_s: f64,
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

/// One cell of the metastability map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    pub share: f64,
    /// Utilisation of the fullest station in the calm, as asked for and as measured.
    pub load: f64,
    pub utilisation: f64,
    /// Screens changed a second in the last ten seconds, with the storm long gone, and in the calm.
    pub goodput_per_s: f64,
    pub calm_per_s: f64,
    /// Errors a second that clients still meet then.
    pub errors_per_s: f64,
    /// Whether goodput came back.
    pub comes_back: bool,
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
    /// People of the map's small crowd: its stations have one server each, slowed down until the fullest is as full as asked for.
    pub map_users: u32,
    pub map: Vec<Cell>,
}

/// People of the small crowd.
const MAP_USERS: u32 = 2_000;

fn healed() -> Nanos {
    CUT + Nanos::from(TIMEOUT_S + 2) * SECOND
}

fn seconds(ns: Nanos) -> f64 {
    ns as f64 / 1e9
}

/// The scenario with so many regions cut off; none is the calm.
pub fn ask(question: &StormQuestion<'_>, regions: u32) -> Result<Ask, Trouble> {
    let mut scenario = load::with_friends(question.scenario, question.users);
    let friends = &mut scenario.friends;
    friends.presence_timeout_s = TIMEOUT_S;
    (friends.from, friends.to) = (FROM, healed() + WATCHED);
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
        scenario.faults.push(Fault { kind, at: CUT, lasts: healed() - CUT });
    }
    let window = Window { from_s: seconds(FROM), warm_up_s: 2.0, to_s: seconds(CUT) };
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
    let storm = |(cut, sample)| Storm::of(cut, regions, silence, sample);
    let storms = (1..).zip(stormy).map(storm).collect();
    let small = small(question);
    let map = map(&small, regions, lab)?;
    let (cut_s, healed_s) = (seconds(CUT), seconds(healed()));
    let in_step = in_step.map(|sample| Storm::of(regions, regions, silence, &sample));
    let told = Told::of(&calm);
    Ok(Storms { cut_s, healed_s, storms, in_step, told, map_users: small.users, map })
}

/// The small crowd: as many come and go of each thousand as in the whole.
fn small<'a>(question: &StormQuestion<'a>) -> StormQuestion<'a> {
    let users = question.users.min(MAP_USERS);
    let share = f64::from(users) / f64::from(question.users);
    StormQuestion { users, rate_per_s: (question.rate_per_s * share).max(20.0), ..*question }
}

/// Every trigger at every load: a station of one server each, so much slower that the fullest one is as full as asked for.
fn map(question: &StormQuestion<'_>, regions: u32, lab: &dyn Lab) -> Result<Vec<Cell>, Trouble> {
    let base = slower(question.scenario, 1.0);
    let base = StormQuestion { scenario: &base, ..*question };
    let calm = lab.run(&[(&ask(&base, 0)?, question.seed)])?.remove(0);
    let full = fullest_station(&calm);
    if full <= 0.0 {
        return Ok(Vec::new());
    }
    let mut asks = Vec::new();
    for load in LOADS {
        let scenario = slower(question.scenario, load / full);
        let at = StormQuestion { scenario: &scenario, ..*question };
        for cut in 0..=regions {
            asks.push(ask(&at, cut)?);
        }
    }
    let samples = lab.run(&asks.iter().map(|ask| (ask, question.seed)).collect::<Vec<_>>())?;
    let rows = LOADS.iter().zip(samples.chunks(regions as usize + 1));
    Ok(rows
        .flat_map(|(load, row)| (1..row.len()).map(|cut| Cell::of(*load, cut, regions, &row[0], &row[cut])))
        .collect())
}

/// One server in each station, so many times slower.
fn slower(scenario: &Scenario, times: f64) -> Scenario {
    let mut scenario = scenario.clone();
    let stations = &mut scenario.stations;
    for station in [
        &mut stations.edge,
        &mut stations.broker,
        &mut stations.worker,
        &mut stations.kv,
        &mut stations.appcontext,
        &mut stations.auth,
        &mut stations.access,
    ] {
        station.servers = 1;
        station.service = station.service.stretched(times);
    }
    scenario
}

fn series<'a>(sample: &'a Sample, name: &str) -> &'a [f64] {
    sample.series.get(name).map_or(&[], Vec::as_slice)
}

/// Utilisation of the fullest station.
fn fullest_station(sample: &Sample) -> f64 {
    let stations = sample.resources.iter().filter(|one| !one.is_channel());
    stations.map(|one| one.utilisation).fold(0.0, f64::max)
}

/// Work by second.
fn work(sample: &Sample) -> Vec<f64> {
    let len = WORK.iter().map(|name| series(sample, name).len()).max().unwrap_or(0);
    let at = |second: usize| WORK.iter().filter_map(|name| series(sample, name).get(second)).sum();
    (0..len).map(at).collect()
}

/// Seconds from `from` until so much of what comes after it is done: whole seconds, at the end of the second in which it is.
fn done_after_s(values: &[f64], from: usize, share: f64) -> f64 {
    let after = values.get(from..).unwrap_or(&[]);
    let all: f64 = after.iter().sum();
    let mut sum = 0.0;
    let reached = after.iter().position(|value| {
        sum += value;
        sum >= share * all
    });
    if all > 0.0 { reached.map_or(after.len() as f64, |second| second as f64 + 1.0) } else { 0.0 }
}

impl Storm {
    fn of(cut: u32, regions: u32, calm: &Sample, stormy: &Sample) -> Self {
        let metric = |sample: &Sample, name: &str| sample.metric(name).unwrap_or(0.0);
        let more = |names: &[&str]| names.iter().map(|name| metric(stormy, name) - metric(calm, name)).sum::<f64>();
        let lost = more(&["clients.reconnects"]);
        let each = |names: &[&str]| if lost > 0.0 { more(names) / lost } else { 0.0 };
        let from = (healed() / SECOND) as usize;
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
            drain_s: done_after_s(&extra, from, DONE),
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

impl Cell {
    fn of(load: f64, cut: usize, regions: u32, calm: &Sample, stormy: &Sample) -> Self {
        let end_s = seconds(healed() + WATCHED);
        let last = |sample: &Sample, name: &str| {
            let values = series(sample, name);
            if values.is_empty() { 0.0 } else { mean_over(values, end_s - LAST_S, end_s) }
        };
        let (goodput_per_s, calm_per_s) = (last(stormy, "screens_changed"), last(calm, "screens_changed"));
        let online = last(stormy, "online") >= BACK * last(calm, "online");
        Self {
            share: cut as f64 / f64::from(regions),
            load,
            utilisation: fullest_station(calm),
            goodput_per_s,
            calm_per_s,
            errors_per_s: last(stormy, "client_errors"),
            comes_back: online && goodput_per_s >= BACK * calm_per_s,
        }
    }
}

/// The series that a storm is judged by, of a run that has them.
pub(super) fn kept(outcome: &crate::outcome::Outcome) -> BTreeMap<String, Vec<f64>> {
    if !outcome.series.iter().any(|series| series.name == "lists_loaded") {
        return BTreeMap::new();
    }
    let wanted = outcome.series.iter().filter(|series| SERIES.contains(&series.name.as_str()));
    wanted.map(|series| (series.name.clone(), series.values.clone())).collect()
}

#[cfg(test)]
#[path = "storm_tests.rs"]
mod tests;
