//! What happens when many people lose their connections at once and come back at once: how long until all is done that this
//! made, and how much of it there is for each lost connection. Whether the system comes back at all under a load is the map's
//! question: see [`metastability`](super::metastability).
//!
//! Everybody of so many regions is cut off for long enough that it is noticed, and then comes back. The same seed without the
//! storm is the calm that it is held against: the same people do the same things at the same moments (common random numbers),
//! so what is more is the storm's.

mod friends;
mod votes;

use headcount_engine::contract::{Nanos, SECOND};
use serde::Serialize;

use super::lab::{Lab, Trouble};
use super::load::{Ask, Window, checked};
use super::metastability::{self, Map};
use super::sample::Sample;
use crate::scenario::{Fault, FaultKind, Scenario};

pub use friends::Told;

/// Time for what the last change made.
const CONVERGE: Nanos = 10 * SECOND;
/// Of what is done after the storm, so much must be done for the storm to be over.
const DONE: f64 = 0.99;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct StormQuestion<'a> {
    pub scenario: &'a Scenario,
    pub users: u32,
    /// Votes a second, or people who come or go a second.
    pub rate_per_s: f64,
    pub seed: u64,
}

impl StormQuestion<'_> {
    fn kind(&self) -> &'static Kind {
        if self.scenario.has_friends() { FRIENDS } else { VOTES }
    }
}

pub(super) static FRIENDS: &Kind = &friends::KIND;
static VOTES: &Kind = &votes::KIND;

/// What a pattern's storms are made of, and what they are judged by.
pub(super) struct Kind {
    pub says: Says,
    /// Series whose sum is the work that a storm makes.
    work: &'static [&'static str],
    /// Series that says how well it goes: what people wait for.
    pub goodput: &'static str,
    /// Series of what goes wrong for people.
    pub trouble: &'static str,
    /// What is counted for each lost connection.
    counts: &'static [Counted],
    /// The scenario with nobody cut off.
    calm: fn(&StormQuestion<'_>) -> Result<(Scenario, Times), Trouble>,
    /// What whole storms ask, and what the map asks of its small crowd.
    whole: for<'a> fn(&StormQuestion<'a>) -> StormQuestion<'a>,
    pub small: for<'a> fn(&StormQuestion<'a>) -> StormQuestion<'a>,
    /// Lets so many people in at the pace of servers that are slow.
    pub unhurried: fn(&mut Scenario, u32),
    /// Whether clients draw how long they wait before they connect again.
    jitter: fn(&mut Scenario) -> &mut bool,
}

/// The same in words, for the page, and how long storms are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Says {
    /// `presence events and published statuses`
    pub work: &'static str,
    /// `screens changed`
    pub goodput: &'static str,
    /// `errors`
    pub trouble: &'static str,
    /// How long after the cut is watched [s]: whoever has not come back by then does not.
    pub watched_s: u32,
    /// The scenario's key for jitter.
    pub jitter_key: &'static str,
}

/// Something that is counted for each lost connection.
struct Counted {
    name: &'static str,
    says: &'static str,
    /// Metrics whose sum it is.
    metrics: &'static [&'static str],
    /// Whether it is one of the events that the amplification adds up.
    is_event: bool,
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

/// When the connections are lost and come back, and what is watched: whole seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When people begin to do what they do.
    from: Nanos,
    pub cut: Nanos,
    pub healed: Nanos,
    pub watched: Nanos,
}

pub(super) fn seconds(ns: Nanos) -> f64 {
    ns as f64 / 1e9
}

/// The scenario with so many regions cut off; none is the calm.
pub(super) fn ask(question: &StormQuestion<'_>, regions: u32) -> Result<(Ask, Times), Trouble> {
    let (mut scenario, times) = (question.kind().calm)(question)?;
    if regions > 0 {
        let nodes = scenario.nodes();
        let named = |kinds: &[&str]| -> Vec<String> {
            nodes.iter().filter(|node| kinds.contains(&node.kind.word())).map(|node| node.name.clone()).collect()
        };
        let (mut a, b) = (named(&["people", "crowd"]), named(&["edge", "auth"]));
        a.truncate(regions as usize);
        let kind = FaultKind::Partition { a, b, one_way: false };
        scenario.faults.push(Fault { kind, at: times.cut, lasts: times.healed - times.cut });
    }
    let (from_s, warm_up_s) = (seconds(times.from), seconds(times.cut - times.from));
    let window = Window { from_s, warm_up_s, to_s: seconds(times.watched) };
    Ok((checked(scenario, window)?, times))
}

/// Storms of one region and of all, and the map.
///
/// # Errors
/// A run broke.
pub fn storms(question: &StormQuestion<'_>, lab: &dyn Lab) -> Result<Storms, Trouble> {
    let kind = question.kind();
    let regions = question.scenario.topology.regions.len() as u32;
    let whole = (kind.whole)(question);
    // One region and all of them: sizes between them are the map's.
    let sizes: &[u32] = if regions > 1 { &[1, regions] } else { &[1] };
    let (calm, times) = ask(&whole, 0)?;
    let mut asks = vec![calm];
    for cut in sizes {
        asks.push(ask(&whole, *cut)?.0);
    }
    let mut in_step = question.scenario.clone();
    let has_jitter = std::mem::replace((kind.jitter)(&mut in_step), false);
    if has_jitter {
        asks.push(ask(&StormQuestion { scenario: &in_step, ..whole }, regions)?.0);
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
