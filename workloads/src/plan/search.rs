//! The smallest configuration that keeps what is promised, at so many times the load.
//!
//! Every configuration meets the same seeds: the same people at the same moments (common random numbers), so two
//! configurations differ by themselves and not by luck. That is why a glance (few seeds, a short window) is enough to tell
//! a larger from a smaller one; what is answered in the end is looked at in full. The steps:
//!
//! 1. The scenario's own configuration, enlarged where it is full, until the promise is kept: from it, the load that each
//!    station is offered (servers busy, over the window and in its busiest second).
//! 2. The smaller ones ([`super::fewest`]): shards, servers of all stations at once, each knob alone.
//! 3. The full look: what misses then is enlarged by a little until it does not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::knob::{Config, Knob, Setting};
use super::lab::{Judgement, Lab, Promise, Trouble, mean_resources, means};
use super::load::{self, Ask, Demand};
use super::outlook;
use super::sample::{Resource, Sample};
use crate::certificate::{Certificate, Evidence};
use crate::scenario::{Fault, Scenario};

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
    /// What is broken while everybody is there, counted from the beginning of the load.
    pub faults: &'a [Fault],
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
    #[serde(skip)]
    pub look: Look,
    /// Seeds that were run: few in a glance, and where these were enough to see that it fails.
    pub seeds: usize,
    /// Seconds that were measured.
    pub window_s: f64,
    pub meets: bool,
    pub judged: Vec<Judgement>,
    /// Of all resources, the fullest first.
    pub resources: Vec<Resource>,
    #[serde(skip)]
    pub means: BTreeMap<String, f64>,
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

impl Question<'_> {
    /// How far a look goes: seeds, and seconds that are measured. One station is asked by all seeds: its jobs are cheap, and
    /// theory judges its answer.
    pub(super) fn extent(&self, demand: Demand, look: Look) -> (usize, f64) {
        let all = self.seeds.len();
        if look == Look::Full || self.scenario.is_station() {
            return (all, self.window_s);
        }
        let least_s = GLANCE_LEAST_S.min(self.window_s);
        (FEW.min(all), (VOTES_OF_GLANCE / demand.rate_per_s).clamp(least_s, self.window_s))
    }
}

impl Tried {
    /// How near it is to the fullest that anything may be: 1 is as full as it may be, and it grows with the load.
    pub(super) fn fill(&self) -> f64 {
        let full = self.judged.iter().filter(|one| one.metric.ends_with("utilisation"));
        full.map(|one| one.value / one.limit).fold(0.0, f64::max)
    }

    /// The value of a metric, as a mean over seeds.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.means.get(name).copied()
    }

    /// The most that any resource has, of those that turning `knob` makes fuller or emptier.
    pub(super) fn most_of(&self, knob: Knob, how_full: fn(&Resource) -> f64) -> f64 {
        let own = self.resources.iter().filter(|resource| knob_of(knob, &resource.kind));
        own.map(how_full).fold(0.0, f64::max)
    }

    /// Whether executions had to wait for others.
    pub(super) fn queued(&self) -> bool {
        self.metric("functions.queued").unwrap_or(0.0) > 0.0
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

/// What a kind of station is offered: servers that are busy on the busiest of its nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Busy {
    /// In the mean over the window.
    pub mean: f64,
    /// In its busiest second, when everybody logs in.
    pub peak: f64,
}

/// What is offered, by kind of station.
pub(super) type Offered = BTreeMap<String, Busy>;

/// How closely a configuration is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// With the first two seeds, in a window of at least a second: to tell a larger configuration from a smaller one.
    Glance,
    /// With every seed, in the whole window: what is answered.
    Full,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Answer(Config),
    Nothing(Infeasible),
}

/// Seeds of a glance, and those that are run before it is decided whether the others are worth it.
pub(super) const FEW: usize = 2;
/// Votes of one seed that a glance wants to see: the slowest hundredth is then two hundred votes.
const VOTES_OF_GLANCE: f64 = 20_000.0;
/// The shortest window [s]: a second is as fine as series are.
const GLANCE_LEAST_S: f64 = 1.0;
/// No station may be fuller than this over the window: a window of two seconds cannot show a queue that grows slowly, and
/// what is fuller may be one that never ends.
pub(super) const STEADY: f64 = 0.95;
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
    pub(super) fn heavy(&self) -> Demand {
        self.question.demand.times(self.question.headroom)
    }

    /// Tries a configuration under a load in a steady window, looking as closely as asked, or more closely where that is
    /// known.
    pub fn try_window(
        &mut self,
        step: &'static str,
        config: &Config,
        demand: Demand,
        look: Look,
    ) -> Result<Tried, Trouble> {
        let extent = self.question.extent(demand, look);
        let known = |tried: &&Tried| {
            let same = tried.of == *config && tried.demand == demand && tried.step != WHOLE;
            same && (tried.look == Look::Full || self.question.extent(demand, tried.look) == extent)
        };
        if let Some(known) = self.tried.iter().find(known) {
            return Ok(known.clone());
        }
        let (seeds, seconds) = extent;
        let ask = load::window(&config.applied(self.question.scenario), demand, seconds)?;
        let seeds = &self.question.seeds[..seeds];
        self.try_ask(step, (config, demand, look), &ask, seeds)
    }

    /// Tries a configuration with everybody, with the first `seeds` seeds.
    pub fn try_whole(&mut self, config: &Config, seeds: usize) -> Result<Tried, Trouble> {
        let demand = self.question.demand;
        let whole = load::whole(&config.applied(self.question.scenario), demand)?;
        let ask = load::under(whole, self.question.faults)?;
        let seeds = &self.question.seeds[..seeds.clamp(1, self.question.seeds.len())];
        self.try_ask(WHOLE, (config, demand, Look::Full), &ask, seeds)
    }

    /// Runs one scenario with the first seed; it stands in no table of what was tried.
    pub(super) fn run_one(&self, ask: &Ask) -> Result<Sample, Trouble> {
        self.lab.run_one(ask, self.question.seeds[0])
    }

    fn try_ask(
        &mut self,
        step: &'static str,
        (config, demand, look): (&Config, Demand, Look),
        ask: &Ask,
        seeds: &[u64],
    ) -> Result<Tried, Trouble> {
        let before = self.tried.iter().filter(|tried| tried.step == step).count();
        self.lab.ahead(outlook::people_ahead(self.question, step, before));
        let mut samples: Vec<Sample> = Vec::new();
        let (first, rest) = seeds.split_at(FEW.min(seeds.len()));
        for seeds in [first, rest] {
            if seeds.is_empty() || self.judge(step, &samples).iter().any(Judgement::is_hopeless) {
                continue;
            }
            let asks: Vec<(&Ask, u64)> = seeds.iter().map(|seed| (ask, *seed)).collect();
            samples.extend(self.lab.run(&asks)?);
        }
        let judged = self.judge(step, &samples);
        let tried = Tried {
            step,
            config: config.settings(),
            of: config.clone(),
            demand,
            look,
            seeds: samples.len(),
            window_s: ask.window.measured_s(),
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

    /// The promise, and what no promise has to say: a channel keeps within its rate, and no station is so full that its
    /// queue may grow for ever.
    fn judge(&self, step: &str, samples: &[Sample]) -> Vec<Judgement> {
        if samples.is_empty() {
            return Vec::new();
        }
        let means = means(samples);
        let mut judged = self.question.promise.judge(&|name| means.get(name).copied());
        let (channels, stations): (Vec<_>, Vec<_>) =
            mean_resources(samples).into_iter().partition(Resource::is_channel);
        let full = |threshold: String, name: &str, value: f64, limit: f64, met: bool| Judgement {
            threshold,
            metric: format!("{name} utilisation"),
            value,
            limit,
            met,
        };
        judged.extend(channels.iter().map(|channel| {
            let within = format!("{} within {}/s", channel.name, channel.capacity);
            full(within, &channel.name, channel.utilisation, 1.0, channel.utilisation <= 1.0)
        }));
        // One station alone is held to theory, which knows how long its queue is at any load.
        // What waited for a fault to end fills its station for as long as it takes.
        let is_broken = step == WHOLE && !self.question.faults.is_empty();
        if !stations.is_empty() && !self.question.scenario.is_station() && !is_broken {
            let most = |of: fn(&Resource) -> f64| stations.iter().map(of).fold(0.0, f64::max);
            let (mean, peak) = (most(|one| one.utilisation), most(|one| one.peak));
            let steady = format!("each station at most {:.0} % full", STEADY * 100.0);
            judged.push(full(steady, "fullest station's", mean, STEADY, mean <= STEADY));
            let second = "no station full for a whole second".to_string();
            judged.push(full(second, "fullest second's", peak, 1.0, peak < 1.0));
        }
        judged
    }

    /// Finds the smallest configuration.
    pub fn run(&mut self) -> Result<Found, Trouble> {
        let (ample, offered) = match self.ample()? {
            Ok(found) => found,
            Err(nothing) => return Ok(Found::Nothing(nothing)),
        };
        let smallest = self.fewest(&ample, &offered)?;
        self.assured(smallest)
    }

    /// A configuration that keeps the promise, and what each station is offered in its busiest second [servers].
    fn ample(&mut self) -> Result<Result<(Config, Offered), Infeasible>, Trouble> {
        let mut config = self.beginning();
        for _ in 0..ROUNDS_MAX {
            let tried = self.try_window("ample", &config, self.heavy(), Look::Glance)?;
            if tried.meets {
                let mut offered = Offered::new();
                for resource in &tried.resources {
                    let busy = offered.entry(resource.kind.clone()).or_default();
                    busy.mean = busy.mean.max(resource.utilisation * resource.capacity);
                    busy.peak = busy.peak.max(resource.peak * resource.capacity);
                }
                return Ok(Ok((config, offered)));
            }
            let larger = enlarged(&config, &tried);
            if larger == config {
                return Ok(Err(self.why_not(&config, &tried)?));
            }
            config = larger;
        }
        let tried = self.try_window("ample", &config, self.heavy(), Look::Glance)?;
        Ok(Err(self.why_not(&config, &tried)?))
    }

    /// Which station forbids it, and what would have to change.
    pub(super) fn why_not(&mut self, config: &Config, tried: &Tried) -> Result<Infeasible, Trouble> {
        let missed = missed(tried);
        let full = tried.resources.iter().find(|resource| resource.busiest() > FULL);
        if let Some(full) = full {
            let knob = config.0.iter().find(|(knob, _)| knob_of(*knob, &full.kind));
            let most = knob.map_or_else(String::new, |(knob, value)| format!(" with {}", knob.says(*value)));
            let rate = self.heavy().rate_per_s / full.busiest();
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
        let calm = self.try_window("calm", config, calm, Look::Glance)?;
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
    let queued = tried.queued();
    for (knob, value) in &config.0 {
        let full =
            tried.most_of(*knob, |resource| if resource.is_channel() { resource.utilisation } else { resource.peak });
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
