//! A plan's result as data: what was asked and what came out. Its page, its plots and its tables are made of it.

#[cfg(test)]
pub mod fixture;

use headcount_workloads::bill::Prices;
use headcount_workloads::certificate::CONFIDENCE;
use headcount_workloads::interval::Interval;
use headcount_workloads::plan::cost::Cost;
use headcount_workloads::plan::growth::Grown;
use headcount_workloads::plan::ladder::{Ladder, MaxRate};
use headcount_workloads::plan::storm::Storms;
use headcount_workloads::plan::{Config, Demand, Infeasible, Resource, Setting, Tried, Usl};

use crate::number::duration_ms;

/// What a plan was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The scenario's name or file, as it was given.
    pub scenario: String,
    /// Nobody where the scenario is one station.
    pub demand: Demand,
    /// So many times the demand must be carried.
    pub headroom: f64,
    /// The SLO as text.
    pub slo: String,
    /// How many seeds every configuration meets.
    pub seeds: u64,
    /// What the scenario has before a plan turns anything.
    pub own: Vec<Setting>,
    /// The file of faults that everybody meets, as it was given.
    pub fault_plan: Option<String>,
    /// The command line that makes the plan again.
    pub repeat: String,
}

/// A plan that has an answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub config: Config,
    /// The answer under the load itself, and with headroom.
    pub at_load: Tried,
    pub with_headroom: Tried,
    /// Everybody, to the last vote.
    pub everybody: Tried,
    pub ladder: Ladder,
    pub scaling: Vec<MaxRate>,
    pub usl: Option<Usl>,
    /// Of a vote.
    pub cost: Option<Cost>,
}

impl Answer {
    /// All that can be full, with the load and with headroom, the fullest first.
    pub fn resources(&self) -> Vec<(&Resource, Option<&Resource>)> {
        let heavy = |name: &str| self.with_headroom.resources.iter().find(|heavy| heavy.name == name);
        self.at_load.resources.iter().map(|one| (one, heavy(&one.name))).collect()
    }

    /// The latency that the plan speaks of: `310 ms ± 9.1 ms`, the mean over the seeds and its interval, if there is more
    /// than one seed.
    pub fn latency(&self) -> Option<String> {
        let metric = &self.ladder.metric;
        let mean = self.at_load.metric(metric)?;
        let values: Option<Vec<f64>> = self.at_load.samples.iter().map(|sample| sample.metric(metric)).collect();
        let interval = Interval::student_t(&values?, CONFIDENCE);
        let beside = interval.map_or_else(String::new, |interval| format!(" ± {}", duration_ms(interval.half_width)));
        Some(duration_ms(mean) + &beside)
    }

    /// The limit of that latency, if the SLO has one [ms].
    pub fn latency_limit(&self) -> Option<f64> {
        self.at_load.judged.iter().find(|one| one.metric == self.ladder.metric).map(|one| one.limit)
    }

    /// The most that the answer's own number of shards carries [1/s], and what forbids more.
    pub fn max_rate(&self) -> Option<&MaxRate> {
        let (_, shards) = self.config.scales()?;
        self.scaling.iter().find(|one| one.shards == shards)
    }
}

/// All that a page, a plot or a table of a plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub asked: &'a Asked,
    pub found: Result<&'a Answer, &'a Infeasible>,
    /// Everything that was tried, in order.
    pub tried: &'a [Tried],
    /// The user's prices, if there are any.
    pub prices: Option<&'a Prices>,
    /// Storms of the answer's configuration, of friends.
    pub storms: Option<&'a Storms>,
    /// What other numbers of people take, if it was asked.
    pub grown: &'a [Grown],
}
