//! Where a plan's runs are made: whoever has threads and a place to keep results. A plan only says what it wants to know.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::load::Ask;
use super::sample::{NEVER_MS, Resource, Sample};
use crate::slo::Slo;

/// Runs scenarios.
pub trait Lab {
    /// Runs each of these with its seed, as many at a time as there are jobs, and gives what each found in the same order. The
    /// same ask and seed always give the same sample.
    ///
    /// # Errors
    /// A run broke.
    fn run(&self, asks: &[(&Ask, u64)]) -> Result<Vec<Sample>, Trouble>;

    /// One run alone.
    ///
    /// # Errors
    /// It broke.
    fn run_one(&self, ask: &Ask, seed: u64) -> Result<Sample, Trouble> {
        Ok(self.run(&[(ask, seed)])?.remove(0))
    }

    /// Hears, before each try, how many people the runs still to come have together: an estimate, for whoever shows how
    /// long it takes.
    fn ahead(&self, _people: u64) {}
}

/// Why a plan cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A scenario that the plan put together is not one: what the user asked for is out of range.
    Input(String),
    /// A run panicked: the simulation itself is broken.
    Broken(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(why) | Self::Broken(why) => out.write_str(why),
        }
    }
}

impl From<crate::scenario::BadInput> for Trouble {
    fn from(bad: crate::scenario::BadInput) -> Self {
        Self::Input(bad.to_string())
    }
}

/// One threshold, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// `ack.p99_ms < 500`.
    pub threshold: String,
    /// What is judged: `ack.p99_ms`.
    pub metric: String,
    /// The mean over the seeds.
    pub value: f64,
    pub limit: f64,
    pub met: bool,
}

impl Judgement {
    /// Missed by so much that more seeds would not change it: a tenth.
    pub fn is_hopeless(&self) -> bool {
        !self.met && (self.value - self.limit).abs() > 0.1 * self.limit.abs().max(0.1)
    }
}

/// What must be kept.
pub trait Promise {
    /// Judges values by name; a metric without a value is not met.
    fn judge(&self, value: &dyn Fn(&str) -> Option<f64>) -> Vec<Judgement>;
}

impl Promise for Slo {
    fn judge(&self, value: &dyn Fn(&str) -> Option<f64>) -> Vec<Judgement> {
        let judgement = |judged: crate::slo::Judged| Judgement {
            threshold: judged.threshold.to_string(),
            value: judged.value.unwrap_or(NEVER_MS),
            limit: judged.threshold.limit,
            met: judged.met,
            metric: judged.threshold.metric,
        };
        self.judge_with(value).into_iter().map(judgement).collect()
    }
}

/// The mean of every metric over seeds; a metric that some seed does not have is left out.
pub fn means(samples: &[Sample]) -> BTreeMap<String, f64> {
    let Some((first, rest)) = samples.split_first() else { return BTreeMap::new() };
    let mean = |name: &String, value: f64| {
        let sum = rest.iter().try_fold(value, |sum, sample| Some(sum + sample.metric(name)?))?;
        Some((name.clone(), sum / samples.len() as f64))
    };
    first.metrics.iter().filter_map(|(name, value)| mean(name, *value)).collect()
}

/// The mean utilisation of every resource over seeds, the fullest first.
pub fn mean_resources(samples: &[Sample]) -> Vec<Resource> {
    let Some((first, rest)) = samples.split_first() else { return Vec::new() };
    let mut all = first.resources.clone();
    for resource in &mut all {
        for other in rest.iter().flat_map(|sample| &sample.resources).filter(|other| other.name == resource.name) {
            resource.utilisation += other.utilisation;
            resource.peak += other.peak;
        }
        resource.utilisation /= samples.len() as f64;
        resource.peak /= samples.len() as f64;
    }
    all.sort_by(|one, other| other.utilisation.total_cmp(&one.utilisation).then(one.name.cmp(&other.name)));
    all
}
