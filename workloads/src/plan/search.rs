//! The smallest configuration that keeps what is promised, at so many times the load.
//!
//! Every configuration meets the same seeds: the same people at the same moments (common random numbers), so two
//! configurations differ by themselves and not by luck. The steps:
//!
//! 1. The scenario's own configuration, enlarged where it is full, until the promise is kept: from it, the load that each
//!    station is offered (servers busy in its busiest second).
//! 2. The fewest shards whose busiest channel stays within its rate.
//! 3. Servers for all stations at once by square-root staffing (Halfin and Whitt): offered load `a` takes
//!    `a + beta sqrt(a)` servers, and the smallest `beta` of a grid that keeps the promise is found by halving.
//! 4. Each knob alone, the largest first, down as far as the promise allows: by a tenth of it, then by half of that.

use std::collections::BTreeMap;

use serde::Serialize;

use super::knob::{Config, Knob, Setting};
use super::lab::{Judgement, Lab, Promise, Trouble, mean_resources, means};
use super::load::{self, Ask, Demand};
use super::outlook;
use super::sample::{Resource, Sample};
use crate::certificate::{Certificate, Evidence};
use crate::cluster;
use crate::scenario::Scenario;

/// What is asked of a plan.
pub struct Question<'a> {
    pub scenario: &'a Scenario,
    /// What will come, without headroom.
    pub demand: Demand,
    pub promise: &'a dyn Promise,
    /// So many times the demand must be carried within the promise, at least 1.
    pub headroom: f64,
    /// The seeds, each once.
    pub seeds: Vec<u64>,
    /// Seconds of a window that are measured.
    pub window_s: f64,
}

/// A configuration under a load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// Why it was tried: `ample`, `shards`, `servers`, `one knob`, ….
    pub step: &'static str,
    pub config: Vec<Setting>,
    #[serde(skip)]
    pub of: Config,
    pub demand: Demand,
    /// Seeds that were run: few where these were enough to see that it fails.
    pub seeds: usize,
    pub meets: bool,
    pub judged: Vec<Judgement>,
    /// Of all resources, the fullest first.
    pub resources: Vec<Resource>,
    #[serde(skip)]
    pub means: BTreeMap<String, f64>,
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

impl Tried {
    /// The value of a metric, as a mean over seeds.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.means.get(name).copied()
    }
}

/// What cannot be had, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Infeasible {
    /// The station or channel that forbids it; `None` if no station does, but the way itself is too long.
    pub station: Option<String>,
    /// What forbids it, in a sentence.
    pub why: String,
    /// What would have to change.
    pub change: String,
}

/// What each kind of station is offered in its busiest second, by kind [servers].
type Offered = BTreeMap<String, f64>;

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Answer(Config),
    Nothing(Infeasible),
}

/// Seeds that are run before it is decided whether the others are worth it.
const SCREENING: usize = 2;
/// Values of beta: 0 is no slack at all, 4 more than anybody staffs.
const BETAS: [f64; 8] = [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0];
/// Rounds in which what is full is doubled: 2^12 is more than any range.
const ROUNDS_MAX: usize = 12;
/// A station whose busiest second is fuller than this may be what forbids the promise.
pub(super) const FULL: f64 = 0.8;

/// A search under way: what was asked, and what was tried so far.
pub struct Search<'a> {
    pub question: &'a Question<'a>,
    lab: &'a dyn Lab,
    /// Everything that was tried, in order.
    pub tried: Vec<Tried>,
}

impl<'a> Search<'a> {
    /// Nothing tried yet.
    pub fn new(question: &'a Question<'a>, lab: &'a dyn Lab) -> Self {
        Self { question, lab, tried: Vec::new() }
    }

    /// The load with headroom.
    fn heavy(&self) -> Demand {
        self.question.demand.times(self.question.headroom)
    }

    /// Tries a configuration under a load in a steady window.
    pub fn try_window(&mut self, step: &'static str, config: &Config, demand: Demand) -> Result<Tried, Trouble> {
        let known = |tried: &&Tried| tried.of == *config && tried.demand == demand && tried.step != WHOLE;
        if let Some(known) = self.tried.iter().find(known) {
            return Ok(known.clone());
        }
        let mut scenario = self.question.scenario.clone();
        config.apply(&mut scenario);
        let ask = load::window(&scenario, demand, self.question.window_s)?;
        self.try_ask(step, config, demand, &ask, &self.question.seeds)
    }

    /// Tries a configuration with everybody, with the first `seeds` seeds.
    pub fn try_whole(&mut self, config: &Config, seeds: usize) -> Result<Tried, Trouble> {
        let mut scenario = self.question.scenario.clone();
        config.apply(&mut scenario);
        let demand = self.question.demand;
        let ask = load::whole(&scenario, demand)?;
        let seeds = &self.question.seeds[..seeds.clamp(1, self.question.seeds.len())];
        self.try_ask(WHOLE, config, demand, &ask, seeds)
    }

    /// Runs one scenario with the first seed; it stands in no table of what was tried.
    pub(super) fn run_one(&self, ask: &Ask) -> Result<Sample, Trouble> {
        Ok(self.lab.run(&[(ask, self.question.seeds[0])])?.remove(0))
    }

    fn try_ask(
        &mut self,
        step: &'static str,
        config: &Config,
        demand: Demand,
        ask: &Ask,
        seeds: &[u64],
    ) -> Result<Tried, Trouble> {
        let before = self.tried.iter().filter(|tried| tried.step == step).count();
        self.lab.ahead(outlook::people_ahead(self.question, step, before));
        let mut samples: Vec<Sample> = Vec::new();
        let (first, rest) = seeds.split_at(SCREENING.min(seeds.len()));
        for seeds in [first, rest] {
            if seeds.is_empty() || self.judge(&samples).iter().any(Judgement::is_hopeless) {
                continue;
            }
            let asks: Vec<(&Ask, u64)> = seeds.iter().map(|seed| (ask, *seed)).collect();
            samples.extend(self.lab.run(&asks)?);
        }
        let judged = self.judge(&samples);
        let tried = Tried {
            step,
            config: config.settings(),
            of: config.clone(),
            demand,
            seeds: samples.len(),
            meets: judged.iter().all(|one| one.met),
            judged,
            resources: mean_resources(&samples),
            means: means(&samples),
            samples,
        };
        self.tried.push(tried.clone());
        Ok(tried)
    }

    /// Why to believe it: the checks of all that was tried, and how the figures of `answer` vary over its seeds.
    pub fn certificate(&self, answer: Option<&Tried>, warm_up: &str) -> Certificate {
        let evidence: Vec<&Evidence> =
            self.tried.iter().flat_map(|tried| &tried.samples).map(|sample| &sample.evidence).collect();
        let figures = answer.map_or(&[][..], |answer| &answer.samples).iter().map(|sample| &sample.metrics);
        Certificate::of(&evidence, &figures.collect::<Vec<_>>(), warm_up)
    }

    /// The promise, and what no promise has to say: a channel keeps within its rate.
    fn judge(&self, samples: &[Sample]) -> Vec<Judgement> {
        if samples.is_empty() {
            return Vec::new();
        }
        let means = means(samples);
        let mut judged = self.question.promise.judge(&|name| means.get(name).copied());
        let channels = mean_resources(samples).into_iter().filter(|resource| resource.kind.ends_with(" shards"));
        judged.extend(channels.map(|channel| Judgement {
            threshold: format!("{} within {}/s", channel.name, channel.capacity),
            metric: format!("{} utilisation", channel.name),
            value: channel.utilisation,
            limit: 1.0,
            met: channel.utilisation <= 1.0,
        }));
        judged
    }

    /// Finds the smallest configuration.
    pub fn run(&mut self) -> Result<Found, Trouble> {
        let (ample, offered) = match self.ample()? {
            Ok(found) => found,
            Err(nothing) => return Ok(Found::Nothing(nothing)),
        };
        let sharded = self.fewest_shards(&ample)?;
        let staffed = self.staffed(&sharded, &offered)?;
        Ok(Found::Answer(self.polished(staffed)?))
    }

    /// A configuration that keeps the promise, and what each station is offered in its busiest second [servers].
    fn ample(&mut self) -> Result<Result<(Config, Offered), Infeasible>, Trouble> {
        let mut config = Config::of(self.question.scenario);
        for _ in 0..ROUNDS_MAX {
            let tried = self.try_window("ample", &config, self.heavy())?;
            if tried.meets {
                let mut offered = Offered::new();
                for resource in &tried.resources {
                    let busy = offered.entry(resource.kind.clone()).or_default();
                    *busy = busy.max(resource.peak * resource.capacity);
                }
                return Ok(Ok((config, offered)));
            }
            let larger = enlarged(&config, &tried);
            if larger == config {
                return Ok(Err(self.why_not(&config, &tried)?));
            }
            config = larger;
        }
        let tried = self.try_window("ample", &config, self.heavy())?;
        Ok(Err(self.why_not(&config, &tried)?))
    }

    /// Which station forbids it, and what would have to change.
    fn why_not(&mut self, config: &Config, tried: &Tried) -> Result<Infeasible, Trouble> {
        let missed = missed(tried);
        let full = tried.resources.iter().find(|resource| resource.peak.max(resource.utilisation) > FULL);
        if let Some(full) = full {
            let knob = config.0.iter().find(|(knob, _)| knob_of(*knob, &full.kind));
            let most = knob.map_or_else(String::new, |(knob, value)| format!(" with {}", knob.says(*value)));
            let rate = self.heavy().rate_per_s / full.utilisation.max(full.peak);
            return Ok(Infeasible {
                station: Some(full.name.clone()),
                why: format!("{} forbids it: {:.0} % full{most}, and {missed}", full.name, full.utilisation * 100.0),
                change: format!(
                    "ask for at most about {:.0}/s with this headroom, lower --headroom, or make one {} carry more",
                    rate / self.question.headroom,
                    full.kind
                ),
            });
        }
        // Nobody is full: what does it take with hardly any load?
        let calm = self.question.demand.at(self.question.demand.rate_per_s / 20.0);
        let calm = self.try_window("calm", config, calm)?;
        let floor: Vec<String> = calm
            .judged
            .iter()
            .filter(|one| !one.met)
            .map(|one| format!("{} is {} with a twentieth of the load", one.metric, shown(one.value)))
            .collect();
        let fullest = tried.resources.first().map_or_else(String::new, |fullest| {
            format!("the fullest is {} at {:.0} %", fullest.name, fullest.utilisation * 100.0)
        });
        Ok(Infeasible {
            station: None,
            why: format!("no station forbids it ({fullest}), but the way itself: {missed}; {}", floor.join(", ")),
            change: "raise the threshold above what links and service times take by themselves, or bring the regions, \
                     the stores or the tally's interval nearer"
                .into(),
        })
    }

    /// The fewest shards that keep each channel within its rate, tried and not only reckoned.
    fn fewest_shards(&mut self, ample: &Config) -> Result<Config, Trouble> {
        let Some((knob, most)) = ample.shards() else { return Ok(ample.clone()) };
        let first = self.tried.last().and_then(|tried| {
            let channel = tried.resources.iter().find(|resource| resource.kind.ends_with(" shards"))?;
            Some(self.reckoned_shards(knob, channel.capacity, most))
        });
        for shards in first.unwrap_or(1)..most {
            let config = ample.with(knob, shards);
            if self.try_window("shards", &config, self.heavy())?.meets {
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
            return least;
        }
        let within = |shards: &u32| {
            let mut users_on = vec![0u32; *shards as usize];
            (0..users).for_each(|user| users_on[cluster::shard_of(user, *shards) as usize] += 1);
            let fullest = users_on.into_iter().max().unwrap_or(0);
            f64::from(fullest) / f64::from(users.max(1)) * rate_per_s <= per_shard
        };
        (least..most).find(within).unwrap_or(most)
    }

    /// Servers by square-root staffing, with the smallest beta that keeps the promise.
    fn staffed(&mut self, config: &Config, offered: &Offered) -> Result<Config, Trouble> {
        let with = |beta: f64| {
            let servers = |knob: Knob, value: u32| match knob.station().and_then(|kind| offered.get(kind)) {
                Some(busy) => ((busy + beta * libm::sqrt(*busy)).ceil() as u32).clamp(1, value),
                None => value,
            };
            Config(config.0.iter().map(|(knob, value)| (*knob, servers(*knob, *value))).collect())
        };
        // The smallest index that keeps it; the last but one stands for `config` itself.
        let (mut fails, mut keeps) = (-1, BETAS.len() as i32);
        while keeps - fails > 1 {
            let middle = (fails + keeps) / 2;
            let kept = self.try_window("servers", &with(BETAS[middle as usize]), self.heavy())?.meets;
            if kept { keeps = middle } else { fails = middle }
        }
        Ok(BETAS.get(keeps as usize).map_or_else(|| config.clone(), |beta| with(*beta)))
    }

    /// Each knob alone, the largest first, a tenth and then a twentieth down, as long as the promise is kept.
    fn polished(&mut self, mut config: Config) -> Result<Config, Trouble> {
        let mut knobs: Vec<(Knob, u32)> = config.0.iter().copied().filter(|(knob, _)| !knob.is_shards()).collect();
        knobs.sort_by_key(|(knob, value)| (std::cmp::Reverse(*value), *knob));
        for (knob, value) in knobs.into_iter().filter(|(_, value)| *value > 1) {
            if knob == Knob::Concurrency {
                config = self.fewest_instances(config, value)?;
                continue;
            }
            let mut step = (value / 10).max(1);
            let mut least = value;
            while step >= 1 && least > step {
                let smaller = config.with(knob, least - step);
                if self.try_window("one knob", &smaller, self.heavy())?.meets {
                    (config, least) = (smaller, least - step);
                    if step == 1 {
                        continue;
                    }
                }
                step /= 2;
            }
        }
        Ok(config)
    }

    /// Executions at once: halved as long as the promise is kept; then a quarter more than what failed, if that is enough.
    fn fewest_instances(&mut self, mut config: Config, mut value: u32) -> Result<Config, Trouble> {
        while value > 1 {
            let smaller = config.with(Knob::Concurrency, value / 2);
            if !self.try_window("one knob", &smaller, self.heavy())?.meets {
                let between = config.with(Knob::Concurrency, (value / 2 + value / 4).max(1));
                return Ok(if self.try_window("one knob", &between, self.heavy())?.meets { between } else { config });
            }
            (config, value) = (smaller, value / 2);
        }
        Ok(config)
    }
}

/// The step of a run of everybody.
pub const WHOLE: &str = "everybody";

/// Whether turning `knob` changes how full resources of `kind` are.
pub(super) fn knob_of(knob: Knob, kind: &str) -> bool {
    knob.station() == Some(kind) || knob.is_shards() && kind.ends_with(" shards")
}

/// What is full, doubled; shards by as much as the fullest channel is over.
fn enlarged(config: &Config, tried: &Tried) -> Config {
    let mut larger = config.clone();
    let queued = tried.metric("functions.queued").unwrap_or(0.0) > 0.0;
    for (knob, value) in &config.0 {
        let full = tried.resources.iter().filter(|resource| knob_of(*knob, &resource.kind));
        let full = full.map(|resource| if knob.is_shards() { resource.utilisation } else { resource.peak });
        let full = full.fold(0.0, f64::max);
        if knob.is_shards() && full > 1.0 {
            larger = larger.with(*knob, (f64::from(*value) * full * 1.1).ceil() as u32);
        } else if !knob.is_shards() && full > FULL || *knob == Knob::Concurrency && queued {
            larger = larger.with(*knob, value.saturating_mul(2));
        }
    }
    larger
}

/// The thresholds that were missed, each with what it is.
pub(super) fn missed(tried: &Tried) -> String {
    let missed = tried.judged.iter().filter(|one| !one.met);
    missed.map(|one| format!("{} (it is {})", one.threshold, shown(one.value))).collect::<Vec<_>>().join(", ")
}

/// A value for a sentence.
fn shown(value: f64) -> String {
    if value >= super::sample::NEVER_MS {
        "never".into()
    } else {
        format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').into()
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
