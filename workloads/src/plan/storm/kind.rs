//! How storms of a pattern are made, and what they are judged by.

use headcount_engine::contract::Nanos;

use crate::plan::lab::Trouble;
use crate::plan::load::{Ask, Window, checked};
use crate::scenario::{Fault, FaultKind, Scenario};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct StormQuestion<'a> {
    pub scenario: &'a Scenario,
    pub users: u32,
    /// Votes a second, or people who come or go a second.
    pub rate_per_s: f64,
    pub seed: u64,
}

/// What a pattern's storms are made of, and what they are judged by.
pub struct Kind {
    pub says: Says,
    /// Series whose sum is the work that a storm makes.
    pub work: &'static [&'static str],
    /// Series that says how well it goes: what people wait for.
    pub goodput: &'static str,
    /// Series of what goes wrong for people.
    pub trouble: &'static str,
    /// What is counted for each lost connection.
    pub counts: &'static [Counted],
    /// The scenario with nobody cut off.
    pub calm: fn(&StormQuestion<'_>) -> Result<(Scenario, Times), Trouble>,
    /// What whole storms ask, and what the map asks of its small crowd.
    pub whole: for<'a> fn(&StormQuestion<'a>) -> StormQuestion<'a>,
    pub small: for<'a> fn(&StormQuestion<'a>) -> StormQuestion<'a>,
    /// Lets so many people in at the pace of servers that are slow.
    pub unhurried: fn(&mut Scenario, u32),
    /// Whether clients draw how long they wait before they connect again.
    pub jitter: fn(&mut Scenario) -> &mut bool,
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
pub struct Counted {
    pub name: &'static str,
    pub says: &'static str,
    /// Metrics whose sum it is.
    pub metrics: &'static [&'static str],
    /// Whether it is one of the events that the amplification adds up.
    pub is_event: bool,
}

/// When the connections are lost and come back, and what is watched: whole seconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When people begin to do what they do.
    pub from: Nanos,
    pub cut: Nanos,
    pub healed: Nanos,
    pub watched: Nanos,
}

pub fn seconds(ns: Nanos) -> f64 {
    ns as f64 / 1e9
}

/// The scenario with so many regions cut off; none is the calm.
///
/// # Errors
/// A scenario of so many people is none.
pub fn ask(kind: &Kind, question: &StormQuestion<'_>, regions: u32) -> Result<(Ask, Times), Trouble> {
    let (mut scenario, times) = (kind.calm)(question)?;
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
