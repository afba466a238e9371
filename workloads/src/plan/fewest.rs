//! The fewest of everything that keeps the promise, from a configuration that has enough:
//!
//! 1. The fewest shards whose busiest channel stays within its rate.
//! 2. Servers for all stations at once by square-root staffing (Halfin and Whitt): offered load `a` takes
//!    `a + beta sqrt(a)` servers, and the smallest `beta` of a grid that keeps the promise is found by halving. No station
//!    has fewer than its load asks for by itself, whatever the promise says.
//! 3. Each knob alone, the largest first, between that and what it has, by halving.

use std::ops::Range;

use super::knob::{Config, Knob};
use super::lab::Trouble;
use super::ladder::main_latency;
use super::load::Demand;
use super::sample::Resource;
use super::search::{Busy, FULL, Found, Look, Offered, STEADY, Search, Tried};
use crate::cluster;

/// Values of beta: 0 is no slack at all, 4 more than anybody staffs.
const BETAS: [f64; 8] = [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0];
/// A number of servers is found to this part of itself, or to one; executions at once, which cost nothing while nobody
/// uses them, to a quarter.
const PART: u32 = 20;
const PART_OF_CONCURRENCY: u32 = 4;
/// Users of a presence shard (friends-online.md 11.3).
pub const USERS_PER_SHARD: u32 = 5_000;
/// How often the answer is enlarged by a little before it is given up.
const NUDGES_MAX: usize = 8;

impl Search<'_> {
    /// The scenario's own configuration, with shards for everybody: people do not come into a window, only what they do.
    pub(super) fn beginning(&self) -> Config {
        let own = Config::of(self.question.scenario);
        match own.shards() {
            Some((Knob::PresenceShards, shards)) => {
                let needed = self.heavy().users.div_ceil(USERS_PER_SHARD);
                own.with(Knob::PresenceShards, shards.max(needed))
            }
            _ => own,
        }
    }

    /// The fewest of everything, at a glance.
    pub(super) fn fewest(&mut self, ample: &Config, offered: &Offered) -> Result<Config, Trouble> {
        let sharded = self.fewest_shards(ample)?;
        let staffed = self.staffed(&sharded, offered)?;
        self.polished(staffed, offered)
    }

    /// Whether a configuration keeps the promise under the load with headroom, at a glance.
    fn keeps(&mut self, step: &'static str, config: &Config) -> Result<bool, Trouble> {
        Ok(self.try_window(step, config, self.heavy(), Look::Glance)?.meets)
    }

    /// The fewest shards that keep each channel within its rate, tried and not only reckoned.
    fn fewest_shards(&mut self, ample: &Config) -> Result<Config, Trouble> {
        let Some((knob, most)) = ample.shards() else { return Ok(ample.clone()) };
        let first = self.tried.last().and_then(|tried| {
            let channel = tried.resources.iter().find(|resource| resource.is_channel())?;
            Some(self.reckoned_shards(knob, channel.capacity, most))
        });
        for shards in first.unwrap_or(1)..most {
            let config = ample.with(knob, shards);
            if self.keeps("shards", &config)? {
                return Ok(config);
            }
        }
        Ok(ample.clone())
    }

    /// By the hash of the names alone: the fewest shards on which the fullest one has no more than `per_shard` a second.
    fn reckoned_shards(&self, knob: Knob, per_shard: f64, most: u32) -> u32 {
        let Demand { users, rate_per_s } = self.heavy();
        let least = ((rate_per_s / per_shard).ceil() as u32).clamp(1, most);
        if knob != Knob::VoteShards {
            return least.max(users.div_ceil(USERS_PER_SHARD)).min(most);
        }
        fewest_within(users, (rate_per_s, per_shard), least..most).unwrap_or(most)
    }

    /// What a knob cannot go below: servers that would be fuller than any may be, with this load.
    fn floor(&self, knob: Knob, offered: &Offered) -> u32 {
        let Some(Busy { mean, peak }) = knob.station().and_then(|kind| offered.get(kind)).copied() else { return 1 };
        if self.question.scenario.is_station() {
            return (mean.ceil() as u32).max(1);
        }
        // The busiest second leaves something free: one server more than are busy in it, if these are whole.
        ((mean / STEADY).ceil() as u32).max(peak.floor() as u32 + 1)
    }

    /// Servers by square-root staffing, with the smallest beta that keeps the promise.
    fn staffed(&mut self, config: &Config, offered: &Offered) -> Result<Config, Trouble> {
        let with = |search: &Self, beta: f64| {
            let servers = |knob: Knob, value: u32| match knob.station().and_then(|kind| offered.get(kind)) {
                Some(busy) => {
                    let staffed = (busy.peak + beta * libm::sqrt(busy.peak)).ceil() as u32;
                    staffed.max(search.floor(knob, offered)).min(value)
                }
                None => value,
            };
            Config(config.0.iter().map(|(knob, value)| (*knob, servers(*knob, *value))).collect())
        };
        // The smallest index that keeps it; the last but one stands for `config` itself.
        let (mut fails, mut keeps) = (-1, BETAS.len() as i32);
        while keeps - fails > 1 {
            let middle = (fails + keeps) / 2;
            let kept = self.keeps("servers", &with(self, BETAS[middle as usize]))?;
            if kept { keeps = middle } else { fails = middle }
        }
        Ok(BETAS.get(keeps as usize).map_or_else(|| config.clone(), |beta| with(self, *beta)))
    }

    /// Each knob alone, the largest first.
    fn polished(&mut self, mut config: Config, offered: &Offered) -> Result<Config, Trouble> {
        let mut knobs: Vec<(Knob, u32)> = config.0.iter().copied().filter(|(knob, _)| !knob.is_shards()).collect();
        knobs.sort_by_key(|(knob, value)| (std::cmp::Reverse(*value), *knob));
        for (knob, value) in knobs {
            config = if knob == Knob::Concurrency {
                let guess = self.at_once(&config);
                self.least(config, knob, (1, value), guess, PART_OF_CONCURRENCY)?
            } else {
                let floor = self.floor(knob, offered);
                self.least(config, knob, (floor, value), floor, PART)?
            };
        }
        Ok(config)
    }

    /// A guess at the executions at once of a worker, by Little's law: twice as many as there would be if each took as long
    /// as a vote waits for its answer.
    fn at_once(&self, config: &Config) -> u32 {
        let topology = &self.question.scenario.topology;
        let workers = topology.workers_per_region * topology.regions.len() as u32;
        let tried = self.tried.iter().rev().find(|tried| tried.meets && tried.of == *config);
        let mean_ms = tried.and_then(|tried| {
            let latency = main_latency(tried);
            tried.metric(&format!("{}.mean_ms", latency.split('.').next()?))
        });
        let waiting = self.heavy().rate_per_s * mean_ms.unwrap_or(1_000.0) / 1e3;
        (2.0 * waiting / f64::from(workers.max(1))).ceil() as u32
    }

    /// One knob between what it cannot go below and what keeps the promise, from a first guess: by doubling or halving until
    /// there is one of each, and then between these.
    fn least(
        &mut self,
        mut config: Config,
        knob: Knob,
        (floor, value): (u32, u32),
        guess: u32,
        part: u32,
    ) -> Result<Config, Trouble> {
        let (mut fails, mut keeps) = (floor.saturating_sub(1), value);
        let mut next = guess;
        while keeps > fails + (keeps / part).max(1) {
            let servers = next.clamp(fails + 1, keeps - 1);
            let smaller = config.with(knob, servers);
            if self.keeps("one knob", &smaller)? {
                (config, keeps) = (smaller, servers);
            } else {
                fails = servers;
            }
            next = if fails < floor {
                keeps / 2
            } else if keeps / 4 > fails {
                fails * 2
            } else {
                libm::sqrt(f64::from(fails) * f64::from(keeps)).round() as u32
            };
        }
        Ok(config)
    }

    /// The answer looked at in full: as it is, or enlarged by a little where a glance saw too much in it.
    pub(super) fn assured(&mut self, config: Config) -> Result<Found, Trouble> {
        let mut config = config;
        for nudge in 0.. {
            let tried = self.try_window("answer", &config, self.heavy(), Look::Full)?;
            if tried.meets {
                break;
            }
            let larger = nudged(&config, &tried);
            if nudge == NUDGES_MAX || larger == config {
                return Ok(Found::Nothing(self.why_not(&config, &tried)?));
            }
            config = larger;
        }
        Ok(Found::Answer(config))
    }
}

/// The fewest of these vote shards on which the fullest one has no more than `per_shard` of `rate_per_s`.
pub(super) fn fewest_within(users: u32, (rate_per_s, per_shard): (f64, f64), mut shards: Range<u32>) -> Option<u32> {
    shards.find(|shards| fullest_share(users, *shards) * rate_per_s <= per_shard)
}

/// Share of all users who are on the fullest of so many vote shards, by the hash of their names.
pub(super) fn fullest_share(users: u32, shards: u32) -> f64 {
    let mut users_on = vec![0u32; shards as usize];
    (0..users).for_each(|user| users_on[cluster::shard_of(user, shards) as usize] += 1);
    f64::from(users_on.into_iter().max().unwrap_or(0)) / f64::from(users.max(1))
}

/// A twentieth more, or one, of what is fuller than it may be; if nothing is, of all that is nearly full.
fn nudged(config: &Config, tried: &Tried) -> Config {
    let fill = |knob: Knob| tried.most_of(knob, Resource::of_most);
    let over = config.0.iter().any(|(knob, _)| fill(*knob) >= 1.0);
    let limit = if over { 1.0 } else { FULL };
    let nudge = |config: Config, (knob, value): &(Knob, u32)| {
        let waited = *knob == Knob::Concurrency && !over;
        if fill(*knob) >= limit || waited { config.with(*knob, value + value.div_ceil(PART)) } else { config }
    };
    config.0.iter().fold(config.clone(), nudge)
}
