//! What more people take: the answer for more and for fewer of them, everybody to the last vote.
//!
//! The rate grows with the people, so that they vote for as long; so do servers and executions at once, and there are as many
//! shards as the rate needs. A vote has at most 32 (voting.md 4.3): beyond what these carry the rate stays, and people vote for
//! longer.

use serde::Serialize;

use super::fewest::{fewest_within, fullest_share};
use super::knob::{Config, Knob};
use super::lab::Trouble;
use super::load::{self, Ask, Demand};
use super::sample::SHARD_RATE_PER_S;
use super::search::Question;
use crate::bill::Bill;

/// Numbers of people.
pub const USERS: [u32; 6] = [50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000];

/// One number of people, before its run.
#[derive(Clone, Debug)]
pub struct Stage {
    pub demand: Demand,
    pub shards: u32,
    pub ask: Ask,
}

/// What they took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grown {
    pub users: u32,
    pub rate_per_s: f64,
    pub shards: u32,
    pub bill: Bill,
    /// What the platform's nodes told each other.
    pub messages: f64,
}

/// The answer's configuration for so many people.
///
/// # Errors
/// A scenario of so many people is none.
pub fn stage(question: &Question<'_>, answer: &Config, users: u32) -> Result<Stage, Trouble> {
    let times = f64::from(users) / f64::from(question.demand.users);
    let (rate_per_s, shards) = carried(users, question.demand.rate_per_s * times);
    let enlarged = |value: u32| (f64::from(value) * times).ceil() as u32;
    let config = answer.0.iter().fold(answer.clone(), |config, (knob, value)| match knob {
        Knob::VoteShards => config.with(*knob, shards),
        _ => config.with(*knob, enlarged(*value)),
    });
    let demand = Demand { users, rate_per_s };
    Ok(Stage { demand, shards, ask: load::whole(&config.applied(question.scenario), demand)? })
}

/// The rate at which so many people vote if they wish to vote at `rate_per_s`, and the fewest shards that carry it.
fn carried(users: u32, rate_per_s: f64) -> (f64, u32) {
    let most = Knob::VoteShards.max();
    // Fewer than this would be too few however evenly they split the names.
    let least = ((rate_per_s / SHARD_RATE_PER_S).ceil() as u32).max(1);
    if let Some(shards) = fewest_within(users, (rate_per_s, SHARD_RATE_PER_S), least..most + 1) {
        return (rate_per_s, shards);
    }
    // More shards do not always carry more: some numbers of them split the names less evenly.
    let all = (1..=most).rev().map(|shards| (SHARD_RATE_PER_S / fullest_share(users, shards), shards));
    all.max_by(|one, other| one.0.total_cmp(&other.0)).expect("there is one shard at least")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::slo::Slo;

    #[test]
    fn shards_and_servers_grow_with_people_until_there_are_no_more_shards() {
        let scenario = Scenario::load("voting-500k", &[]).unwrap();
        let (promise, demand) = (Slo::default(), Demand { users: 50_000, rate_per_s: 10_000.0 });
        let (seeds, headroom, window_s) = (vec![1], 2.0, 2.0);
        let question =
            Question { scenario: &scenario, demand, promise: &promise, headroom, seeds, window_s, faults: &[] };
        let kv = Knob::Servers(3);
        let answer = Config::of(&scenario).with(kv, 5);
        let at = |users: u32| stage(&question, &answer, users).unwrap();
        let (small, large) = (at(5_000), at(200_000));
        // A tenth of the people vote at 1,000/s: as much as one shard carries. A tenth of five servers is one.
        assert_eq!((small.demand.rate_per_s, small.shards, kv.get(&small.ask.scenario)), (1_000.0, 1, 1));
        // Four times the people would vote at 40,000/s, and 32 shards carry at most 32,000/s.
        let (rate_per_s, shards) = (large.demand.rate_per_s, large.shards);
        assert!((20_000.0..32_000.0).contains(&rate_per_s) && (20..=32).contains(&shards), "{rate_per_s} {shards}");
        assert_eq!((kv.get(&large.ask.scenario), large.ask.people()), (20, 200_000));
    }
}
