//! Service level objectives: what a run must measure, as text: `ack.p99_ms<500,results.p99_ms<1000,lost==0`.
//!
//! A threshold is a [`metric`](crate::metric), a comparison and a number in the metric's own unit. A run that misses one
//! is violated; one that has no value for it (a latency that nobody waited for) is inconclusive.

mod parse;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metric::Measured;
use crate::outcome::{Outcome, Verdict};
use crate::scenario::Scenario;

pub use parse::{BadSlo, THRESHOLDS_MAX};

/// How a value is held against its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    #[serde(rename = "<")]
    Below,
    #[serde(rename = "<=")]
    AtMost,
    #[serde(rename = ">")]
    Above,
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = "!=")]
    Not,
}

impl Comparison {
    /// Each with its sign, the longer ones first.
    const SIGNS: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::Not),
        ("<", Self::Below),
        (">", Self::Above),
    ];

    /// `<`, `<=`, ….
    pub fn sign(self) -> &'static str {
        Self::SIGNS.iter().find(|(_, comparison)| *comparison == self).expect("every comparison has a sign").0
    }

    /// Whether `value` stands so to `limit`.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => value == limit,
            Self::Not => value != limit,
        }
    }
}

/// One objective. Shows as it is written: `ack.p99_ms < 500`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// A metric's name, in its canonical form.
    pub metric: String,
    pub comparison: Comparison,
    /// In the metric's unit; finite.
    pub limit: f64,
}

impl fmt::Display for Threshold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", self.metric, self.comparison.sign(), self.limit)
    }
}

/// A threshold and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub threshold: Threshold,
    /// `None`: there was nothing to measure.
    pub value: Option<f64>,
    /// Whether there is a value that keeps the threshold.
    pub met: bool,
}

impl Judged {
    /// Holds, violated, or inconclusive if there was nothing to measure.
    pub fn verdict(&self) -> Verdict {
        match (self.value, self.met) {
            (None, _) => Verdict::Inconclusive,
            (Some(_), true) => Verdict::Holds,
            (Some(_), false) => Verdict::Violated,
        }
    }
}

/// The worst of what was judged; nothing to judge holds.
pub fn verdict(judged: &[Judged]) -> Verdict {
    judged.iter().map(Judged::verdict).max().unwrap_or(Verdict::Holds)
}

/// Thresholds that must all be met. None at all is allowed: it is always met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slo {
    pub thresholds: Vec<Threshold>,
}

impl fmt::Display for Slo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.thresholds.iter().map(Threshold::to_string).collect();
        out.write_str(&all.join(", "))
    }
}

impl Slo {
    /// Reads thresholds with commas between them. Names are taken as they are: [`Slo::parse_for`] also looks whether there
    /// are such metrics.
    ///
    /// # Errors
    /// The column at which it goes wrong, and what would be right there.
    pub fn parse(text: &str) -> Result<Self, BadSlo> {
        Ok(Self { thresholds: parse::thresholds(text)?.into_iter().map(|(_, threshold)| threshold).collect() })
    }

    /// The same, for runs of `scenario`.
    ///
    /// # Errors
    /// Also a name that is no metric of such runs, with the names that are near.
    pub fn parse_for(text: &str, scenario: &Scenario) -> Result<Self, BadSlo> {
        let read = parse::thresholds(text)?;
        parse::check_names(text, &read, scenario)?;
        Ok(Self { thresholds: read.into_iter().map(|(_, threshold)| threshold).collect() })
    }

    /// Whether there is nothing to meet.
    pub fn is_empty(&self) -> bool {
        self.thresholds.is_empty()
    }

    /// Judges one run.
    pub fn judge(&self, outcome: &Outcome) -> Vec<Judged> {
        self.judge_measured(&Measured::of(outcome))
    }

    /// Judges what one run measured.
    pub fn judge_measured(&self, measured: &Measured) -> Vec<Judged> {
        self.judge_with(|metric| measured.get(metric))
    }

    /// Judges the mean over several runs: of those that have a value for the metric.
    pub fn judge_means(&self, runs: &[Measured]) -> Vec<Judged> {
        self.judge_with(|metric| {
            let values: Vec<f64> = runs.iter().filter_map(|run| run.get(metric)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        })
    }

    /// Judges whatever `value` says of each metric.
    pub fn judge_with(&self, value: impl Fn(&str) -> Option<f64>) -> Vec<Judged> {
        let judged = |threshold: &Threshold| {
            let value = value(&threshold.metric);
            let met = value.is_some_and(|value| threshold.comparison.holds(value, threshold.limit));
            Judged { threshold: threshold.clone(), value, met }
        };
        self.thresholds.iter().map(judged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(values: &[(&str, f64)]) -> Measured {
        Measured(values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    }

    #[test]
    fn every_comparison_is_judged_at_below_and_above_its_limit() {
        let met = |sign: &str| {
            let slo = Slo::parse(&format!("kv.gets {sign} 10")).unwrap();
            [9.0, 10.0, 11.0].map(|value| slo.judge_measured(&measured(&[("kv.gets", value)]))[0].met)
        };
        assert_eq!((met("<"), met("<=")), ([true, false, false], [true, true, false]));
        assert_eq!((met(">"), met(">=")), ([false, false, true], [false, true, true]));
        assert_eq!((met("=="), met("!=")), ([false, true, false], [true, false, true]));
    }

    #[test]
    fn what_was_never_measured_is_neither_met_nor_missed() {
        let slo = Slo::parse("ack.p99_ms<500,votes.lost==0").unwrap();
        let judged = slo.judge_measured(&Measured::default());
        assert_eq!(judged.iter().map(Judged::verdict).collect::<Vec<_>>(), [Verdict::Inconclusive, Verdict::Holds]);
        assert_eq!((judged[0].met, verdict(&judged)), (false, Verdict::Inconclusive));
        assert_eq!(verdict(&[]), Verdict::Holds);
    }

    #[test]
    fn seeds_are_judged_by_their_mean() {
        let slo = Slo::parse("ack.p99_ms<=500,kv.failed==0").unwrap();
        let runs = [("ack.p99_ms", 400.0), ("ack.p99_ms", 600.0)].map(|value| measured(&[value]));
        // (400 + 600) / 2 = 500; the third run has no such latency and is left out.
        let judged = slo.judge_means(&[runs[0].clone(), runs[1].clone(), Measured::default()]);
        assert_eq!((judged[0].value, judged[0].met), (Some(500.0), true));
        // One failure in one of two runs: 0.5 is not 0.
        let judged = slo.judge_means(&[measured(&[("kv.failed", 1.0)]), measured(&[("kv.failed", 0.0)])]);
        assert_eq!((judged[1].value, judged[1].met), (Some(0.5), false));
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let text = "ack.p99_ms < 500, lost == 0, stations.kv.utilisation <= 0.7";
        let slo = Slo::parse(text).unwrap();
        assert_eq!(slo.to_string(), text);
        assert_eq!(Slo::parse(&slo.to_string()).unwrap(), slo);
    }
}
