//! What more people take: the answer for more and for fewer of them, everybody to the last vote.
//!
//! The rate grows with the people, so that they vote for as long; so do servers and executions at once, and there are as many
//! shards as the rate needs. A vote has at most 32 (voting.md 4.3): beyond what these carry the rate stays, and people vote for
//! longer.

use serde::Serialize;

use super::fewest::fullest_share;
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
    // More shards do not always carry more: some numbers of them split the names less evenly.
    let carried = (1..=Knob::VoteShards.max()).map(|shards| (shards, SHARD_RATE_PER_S / fullest_share(users, shards)));
    let carried: Vec<(u32, f64)> = carried.collect();
    let most_per_s = carried.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let rate_per_s = (question.demand.rate_per_s * times).min(most_per_s);
    let fits = carried.iter().find(|(_, rate)| *rate >= rate_per_s);
    let shards = fits.expect("one of them carries the most").0;
    let enlarged = |value: u32| (f64::from(value) * times).ceil() as u32;
    let config = answer.0.iter().fold(answer.clone(), |config, (knob, value)| match knob {
        Knob::VoteShards => config.with(*knob, shards),
        _ => config.with(*knob, enlarged(*value)),
    });
    let mut scenario = question.scenario.clone();
    config.apply(&mut scenario);
    let demand = Demand { users, rate_per_s };
    Ok(Stage { demand, shards, ask: load::whole(&scenario, demand)? })
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
