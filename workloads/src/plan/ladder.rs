//! A configuration from little load to too much: where latency bends, and how much it carries within the promise.

use serde::Serialize;

use super::knee::knee;
use super::knob::{Config, Knob};
use super::lab::Trouble;
use super::sample::{NEVER_MS, Resource};
use super::search::{Look, Search, Tried, WHOLE};
use super::usl::Usl;

/// Rungs below and up to the load with headroom, as parts of the demand; above it, each a quarter more than the last.
const RUNGS: [f64; 7] = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0];
/// The ladder ends when so little of the load is done, or the latency is so many times its limit.
const DONE_LEAST: f64 = 0.9;
const TIMES_LIMIT: f64 = 10.0;
const RUNGS_MAX: usize = 16;
/// A found rate is known to this share of itself.
pub const RATE_ERROR: f64 = 0.02;

/// One load of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rung {
    pub rate_per_s: f64,
    /// Votes of the window that were counted, or jobs that were served, whenever their answer came [1/s]; of friends it is not
    /// known what was intended.
    pub goodput_per_s: Option<f64>,
    /// The first latency of the promise, or of the run.
    pub latency_ms: f64,
    pub p50_ms: f64,
    pub meets: bool,
    /// The fullest resource, and how full.
    pub fullest: String,
    pub utilisation: f64,
}

/// The ladder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ladder {
    /// What `latency_ms` is: `ack.p99_ms`.
    pub metric: String,
    pub rungs: Vec<Rung>,
    /// The rung at the knee, if the curve has one.
    pub knee: Option<usize>,
}

impl Ladder {
    /// The rung at the knee.
    pub fn bend(&self) -> Option<&Rung> {
        self.rungs.get(self.knee?)
    }
}

/// The most that a configuration carries within the promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaxRate {
    /// Of the knob that splits the load, or of the one station's servers.
    pub shards: u32,
    /// For people: `12 vote shards`.
    pub says: String,
    pub rate_per_s: f64,
    /// What forbids more: the fullest resource just above it.
    pub limited_by: String,
}

/// The latency that a plan speaks of: the first one that is promised, or the p99 of the first one there is.
pub fn main_latency(tried: &Tried) -> String {
    let promised = tried.judged.iter().find(|one| one.metric.ends_with("_ms"));
    let any = || tried.means.keys().find(|name| name.ends_with(".p99_ms")).cloned();
    promised.map(|one| one.metric.clone()).or_else(any).unwrap_or_default()
}

impl Search<'_> {
    /// Climbs.
    pub fn ladder(&mut self, config: &Config) -> Result<Ladder, Trouble> {
        let demand = self.question.demand;
        let mut rungs: Vec<Rung> = Vec::new();
        let mut metric = String::new();
        let mut factor = 0.0;
        while rungs.len() < RUNGS_MAX {
            factor = RUNGS.get(rungs.len()).copied().unwrap_or(factor * 1.25);
            let tried = self.try_window("ladder", config, demand.times(factor), Look::Glance)?;
            metric = main_latency(&tried);
            let rung = self.rung(&tried, &metric);
            let limit = tried.judged.iter().find(|one| one.metric == metric).map_or(f64::INFINITY, |one| one.limit);
            let is_done = rung.goodput_per_s.is_none_or(|done| done >= DONE_LEAST * rung.rate_per_s);
            let is_answered = rung.latency_ms <= TIMES_LIMIT * limit;
            let ends = !is_done || !is_answered;
            rungs.push(rung);
            if ends && factor > self.question.headroom {
                break;
            }
        }
        let curve: Vec<(f64, f64)> =
            rungs.iter().map(|rung| (rung.rate_per_s, rung.latency_ms.min(NEVER_MS))).collect();
        Ok(Ladder { metric, knee: knee(&curve), rungs })
    }

    fn rung(&self, tried: &Tried, metric: &str) -> Rung {
        let done = tried.samples.iter().map(|sample| {
            // All that was accepted, as the window's share of all that was intended: answers may come after it.
            let share = |(done, of): (&str, &str)| Some(sample.metric(done)? / sample.metric(of)?.max(1.0));
            [("votes.accepted", "votes.intended"), ("station.served", "station.jobs")].into_iter().find_map(share)
        });
        let done = done.sum::<Option<f64>>().map(|done| done / tried.samples.len() as f64);
        let fullest = tried.resources.first();
        let p50 = metric.rsplit_once('.').map(|(name, _)| format!("{name}.p50_ms"));
        Rung {
            rate_per_s: tried.demand.rate_per_s,
            goodput_per_s: done.map(|done| tried.demand.rate_per_s * done),
            latency_ms: tried.metric(metric).unwrap_or(f64::NAN),
            p50_ms: p50.and_then(|name| tried.metric(&name)).unwrap_or(f64::NAN),
            meets: tried.meets,
            fullest: fullest.map(|one| one.name.clone()).unwrap_or_default(),
            utilisation: fullest.map_or(0.0, |one| one.utilisation),
        }
    }

    /// The most that a configuration carries within the promise, to [`RATE_ERROR`]; people grow with the rate.
    pub fn max_rate(&mut self, config: &Config) -> Result<MaxRate, Trouble> {
        let demand = self.question.demand;
        let at = |factor: f64| demand.times(factor);
        let (mut keeps, mut fails) = (0.0, f64::INFINITY);
        let mut factor = self.first_guess(config);
        let mut limited_by = String::new();
        for _ in 0..24 {
            let tried = self.try_window("max rate", config, at(factor), Look::Glance)?;
            let fullest = tried.resources.first().map(|one| (one.name.clone(), one.utilisation));
            if tried.meets {
                keeps = factor;
            } else {
                fails = factor;
                limited_by = fullest.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
            }
            if fails.is_finite() && fails - keeps <= RATE_ERROR * fails {
                break;
            }
            let fill = tried.fill();
            factor = match (keeps > 0.0, fails.is_finite()) {
                // The fullest resource says how far it still is; never more than four times at once.
                (true, false) => keeps * (1.0 / fill.max(0.25)).max(1.0 + 2.0 * RATE_ERROR),
                (false, true) => fails * (1.0 / fill.max(1.0)).clamp(0.5, 1.0 - 2.0 * RATE_ERROR),
                _ => (keeps + fails) / 2.0,
            };
        }
        let scales = config.scales();
        let shards = scales.map_or(1, |(_, count)| count);
        let says = scales.map_or_else(String::new, |(knob, count)| knob.says(count));
        Ok(MaxRate { shards, says, rate_per_s: demand.rate_per_s * keeps, limited_by })
    }

    /// Where the fullest resource would be as full as it may be: stations by what was tried with the same servers, channels
    /// by what was tried with any number of shards.
    fn first_guess(&self, config: &Config) -> f64 {
        let rate = |tried: &Tried| tried.demand.rate_per_s / self.question.demand.rate_per_s;
        let windows = || self.tried.iter().filter(|tried| tried.step != WHOLE);
        let known = windows().filter(|tried| tried.of == *config && tried.meets);
        if let Some(nearest) = known.max_by(|one, other| rate(one).total_cmp(&rate(other))) {
            return rate(nearest);
        }
        let servers = |of: &Config| -> Vec<(Knob, u32)> {
            of.0.iter().copied().filter(|(knob, _)| knob.station().is_some()).collect()
        };
        let same = windows().filter(|tried| tried.meets && servers(&tried.of) == servers(config));
        let stations = same.map(|tried| {
            let full = tried.resources.iter().filter(|one| !one.is_channel());
            rate(tried) / full.map(Resource::of_most).fold(0.25, f64::max)
        });
        let stations = stations.reduce(f64::max);
        let Some((_, shards)) = config.shards() else { return stations.unwrap_or(1.0) };
        let mut channels = windows().filter_map(|tried| {
            let channel = tried.resources.iter().find(|one| one.is_channel())?;
            let (_, of) = tried.of.shards()?;
            Some(rate(tried) / channel.utilisation * f64::from(shards) / f64::from(of))
        });
        channels.next_back().into_iter().chain(stations).reduce(f64::min).unwrap_or(1.0) * (1.0 - RATE_ERROR)
    }

    /// The most for each of several numbers of shards, all else as in `config`, and the law that they follow.
    pub fn scaling(&mut self, config: &Config) -> Result<(Vec<MaxRate>, Option<Usl>), Trouble> {
        let Some((knob, shards)) = config.scales() else { return Ok((Vec::new(), None)) };
        let mut counts = vec![shards];
        counts.extend([1, 2, 4, 8, 16, 32, 64, 128].into_iter().filter(|count| worth(knob, *count, shards)));
        counts.sort_unstable();
        counts.dedup();
        let mut found = Vec::new();
        for count in counts {
            found.push(self.max_rate(&config.with(knob, count))?);
        }
        let points: Vec<(f64, f64)> = found.iter().map(|one| (f64::from(one.shards), one.rate_per_s)).collect();
        Ok((found, Usl::fit(&points)))
    }
}

/// Up to one and a half times the answer: beyond, other stations are what is measured.
fn worth(knob: Knob, count: u32, shards: u32) -> bool {
    count <= knob.max() && f64::from(count) <= 1.5 * f64::from(shards)
}
