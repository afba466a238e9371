//! What happens when many people lose their connections at once and come back at once: how long until all is done that this
//! made, and how much of it there is for each lost connection. Whether the system comes back at all under a load is the map's
//! question: see [`metastability`](super::metastability).
//!
//! Everybody of so many regions is cut off for long enough that it is noticed, and then comes back. The same seed without the
//! storm is the calm that it is held against: the same people do the same things at the same moments (common random numbers),
//! so what is more is the storm's.

mod friends;
pub(super) mod kind;
mod votes;

use headcount_engine::contract::SECOND;
use serde::Serialize;

use super::lab::{Lab, Trouble};
use super::metastability::{self, Map};
use super::sample::Sample;
use crate::scenario::Scenario;
use kind::{Counted, Kind, Times, ask, seconds};

pub use friends::Told;
pub use kind::{Says, StormQuestion};

/// Of what is done after the storm, so much must be done for the storm to be over.
const DONE: f64 = 0.99;

/// How storms of the scenario's pattern are made.
pub(super) fn kind_of(scenario: &Scenario) -> &'static Kind {
    if scenario.has_friends() { &friends::KIND } else { &votes::KIND }
}

/// So much more of something than in the calm, for each lost connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Count {
    /// `kv_operations`
    pub name: &'static str,
    /// `KV operations`
    #[serde(skip)]
    pub says: &'static str,
    pub each: f64,
    /// Whether the amplification adds it up.
    pub is_event: bool,
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
    /// What it made.
    pub counts: Vec<Count>,
    /// Events for each lost connection.
    pub amplification: f64,
    /// Work of the busiest second after the cut [1/s].
    pub busiest_per_s: f64,
    /// What went wrong for people after the cut, for each lost connection.
    pub trouble: f64,
    /// Work a second.
    #[serde(skip)]
    pub work_per_s: Vec<f64>,
}

/// All that is known of storms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Storms {
    #[serde(skip)]
    pub says: Says,
    /// Beginning and end of the cut, in virtual time [s].
    pub cut_s: f64,
    pub healed_s: f64,
    pub storms: Vec<Storm>,
    /// The largest of them once more, with clients that all wait for the same time before each try
    /// (`reconnect_jitter = false`); `None` if the scenario's own do.
    pub in_step: Option<Storm>,
    /// What telling friends took in the calm; `None` of anything else.
    pub told: Option<Told>,
    /// Where goodput comes back.
    pub map: Map,
}

/// Storms of one region and of all, and the map.
///
/// # Errors
/// A run broke.
pub fn storms(question: &StormQuestion<'_>, lab: &dyn Lab) -> Result<Storms, Trouble> {
    let kind = kind_of(question.scenario);
    let regions = question.scenario.topology.regions.len() as u32;
    let whole = (kind.whole)(question);
    // One region and all of them: sizes between them are the map's.
    let sizes: &[u32] = if regions > 1 { &[1, regions] } else { &[1] };
    let (calm, times) = ask(kind, &whole, 0)?;
    let mut asks = vec![calm];
    for cut in sizes {
        asks.push(ask(kind, &whole, *cut)?.0);
    }
    let mut in_step = question.scenario.clone();
    let has_jitter = std::mem::replace((kind.jitter)(&mut in_step), false);
    if has_jitter {
        asks.push(ask(kind, &StormQuestion { scenario: &in_step, ..whole }, regions)?.0);
    }
    let mut samples = lab.run(&asks.iter().map(|ask| (ask, question.seed)).collect::<Vec<_>>())?;
    let in_step = if has_jitter { samples.pop() } else { None };
    let (calm, stormy) = samples.split_first().expect("the calm is the first");
    let storm = |cut, sample: &Sample| Storm::of(kind, cut, regions, &times, calm, sample);
    Ok(Storms {
        says: kind.says,
        cut_s: seconds(times.cut),
        healed_s: seconds(times.healed),
        storms: sizes.iter().zip(stormy).map(|(cut, sample)| storm(*cut, sample)).collect(),
        in_step: in_step.map(|sample| storm(regions, &sample)),
        told: if question.scenario.has_friends() { Some(friends::told(question, lab)?) } else { None },
        map: metastability::map(question, kind, lab)?,
    })
}

/// People of all the runs that storms and their map take; no result depends on it.
pub fn people(question: &StormQuestion<'_>) -> u64 {
    let kind = kind_of(question.scenario);
    let regions = question.scenario.topology.regions.len();
    // The calm, one region, all of them, and clients in step; a friends' calm with people who come and go.
    let whole = 4 + u64::from(question.scenario.has_friends());
    let small = 1 + metastability::LOADS.len() * (regions + 1);
    whole * u64::from(question.users) + small as u64 * u64::from((kind.small)(question).users)
}

/// Work by second.
fn work(kind: &Kind, sample: &Sample) -> Vec<f64> {
    let len = kind.work.iter().map(|name| sample.series(name).len()).max().unwrap_or(0);
    let at = |second: usize| kind.work.iter().filter_map(|name| sample.series(name).get(second)).sum();
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
    fn of(kind: &Kind, cut: u32, regions: u32, times: &Times, calm: &Sample, stormy: &Sample) -> Self {
        let metric = |sample: &Sample, name: &str| sample.metric(name).unwrap_or(0.0);
        let more = |names: &[&str]| names.iter().map(|name| metric(stormy, name) - metric(calm, name)).sum::<f64>();
        let lost = more(&["clients.reconnects"]);
        let each = |count: f64| if lost > 0.0 { count / lost } else { 0.0 };
        let (from, to) = ((times.healed / SECOND) as usize, (times.watched / SECOND) as usize);
        // What the storm made and not what goes on anyway.
        let (with, without) = (work(kind, stormy), work(kind, calm));
        let extra: Vec<f64> = with.iter().zip(&without).map(|(with, without)| (with - without).max(0.0)).collect();
        let (online, usual) = (stormy.series("online"), calm.series("online"));
        let back = online.iter().zip(usual).skip(from).position(|(online, usual)| *online >= DONE * usual);
        let count = |counted: &Counted| {
            let Counted { name, says, metrics, is_event } = *counted;
            Count { name, says, each: each(more(metrics)), is_event }
        };
        let counts: Vec<Count> = kind.counts.iter().map(count).collect();
        let trouble = |sample: &Sample| sample.series(kind.trouble).iter().skip(from).sum::<f64>();
        Self {
            regions: cut,
            share: f64::from(cut) / f64::from(regions),
            lost,
            back_s: back.map(|second| second as f64 + 1.0),
            drain_s: done_after_s(&extra, from, to, DONE),
            amplification: counts.iter().filter(|count| count.is_event).map(|count| count.each).sum(),
            counts,
            busiest_per_s: with.iter().skip(from).copied().fold(0.0, f64::max),
            trouble: each(trouble(stormy)),
            work_per_s: with,
        }
    }
}

#[cfg(test)]
mod tests;
