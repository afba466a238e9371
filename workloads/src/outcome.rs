//! What a run found: the only thing that `reports` sees of it. Plain data, no clock, no path.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::slo::Judged;

/// How a run, or one property of it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Checked, met its situation, kept.
    Holds,
    /// Never met its situation: nothing can be said.
    Inconclusive,
    /// Broken; the reason says by what.
    Violated,
}

/// What kind of claim a property makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PropertyKind {
    /// Must hold at every check.
    Always,
    /// Must be seen at least once, or its `always` says nothing.
    Sometimes,
    /// Must come true within a bound once faults have healed.
    Eventually,
}

/// One property's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertyResult {
    /// The fact it claims, in kebab case: `one-counted-vote-per-user`.
    pub name: &'static str,
    pub kind: PropertyKind,
    pub verdict: Verdict,
    /// The promise it checks, with the document's id: `FR-5, NFR-3`.
    pub promise: &'static str,
    /// How often it was checked (`sometimes`: how often it was seen).
    pub times_checked: u64,
    /// Why it is not `holds`: the first counter-example, or what was never met.
    pub reason: Option<String>,
}

/// A place where a document's numbers cannot all hold, and how it was read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reading {
    pub id: &'static str,
    /// What the document says, and where.
    pub document: &'static str,
    /// The reading taken, and why.
    pub reading: &'static str,
}

/// When a fault was on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// `partition`, `crash`, `kv_errors`, …
    pub kind: String,
    /// What it did to whom: `partition eu-west | us-east`.
    pub label: String,
    pub from_s: f64,
    pub to_s: f64,
}

/// A moment of the run to mark in a plot: `opened`, `closed`, `revealed`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Milestone {
    pub label: String,
    pub at_s: f64,
}

/// One column of `timeseries.csv`: a value for each virtual second from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// `votes_submitted`, `ack_p99_ms`, `shard_03_submits`, `util_kv_us-east`: snake case, unit last.
    pub name: String,
    /// `1/s`, `ms`, `ratio`.
    pub unit: &'static str,
    /// What plot it belongs to: `votes`, `outcomes`, `shards`, `tally`, `utilisation`, `online`, ….
    pub group: &'static str,
    /// NaN where there is nothing to say (a percentile of an empty second): an empty field in the CSV.
    pub values: Vec<f64>,
}

/// One latency, whole and by second.
#[derive(Clone, Debug)]
pub struct Latency {
    /// `ack`, `results`, `staleness`.
    pub name: &'static str,
    /// For people: `submit to acknowledgement, from the intended start`.
    pub title: &'static str,
    /// In microseconds.
    pub histogram: Histogram<u64>,
    /// A histogram for each virtual second, in microseconds; `None` where nothing was recorded.
    pub by_second: Vec<Option<Histogram<u64>>>,
}

/// A station's figures over the whole run. What an older file does not have reads as nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StationFigures {
    pub node: String,
    pub kind: String,
    pub region: String,
    pub servers: u32,
    /// Share of server time spent serving, 0 to 1.
    pub utilisation: f64,
    /// The busiest second.
    pub utilisation_peak: f64,
    pub arrivals: u64,
    pub refused: u64,
    pub wait_mean_ms: f64,
    pub service_mean_ms: f64,
    /// Of those whose service ended: from arrival to the end of service.
    pub sojourn_mean_ms: f64,
    /// Messages that waited, averaged over time: its integral, not made of waits.
    pub queue_mean: f64,
    pub queue_max: u64,
    /// What a crash found waiting or in service, and what was so at the end.
    pub lost_to_crashes: u64,
    pub left: u64,
    /// Little's law: how far time integral and summed times are apart, as a share of the integral; in whole nanoseconds
    /// they are equal, so that this is 0 unless the station counts wrong.
    pub little_deviation: f64,
}

/// Something that the people on duty would be called for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// In kebab case: `publish-errors-high`.
    pub name: &'static str,
    /// When it goes off.
    pub condition: &'static str,
    /// What to do then.
    pub advice: &'static str,
    /// What was measured in this run.
    pub measured: String,
    /// Whether it went off.
    pub fired: bool,
}

/// Everything a run found.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub scenario: String,
    /// The scenario as it was run: every key, defaults filled in, as TOML.
    pub scenario_toml: String,
    pub pattern: String,
    /// `documented` or `hardened`; empty where there is but one.
    pub variant: String,
    pub limits_profile: String,
    /// Every number of that profile: field, value, and the document it was read in.
    pub limits: Vec<(String, String, String)>,
    pub seed: u64,
    pub digest: u64,
    pub verdict: Verdict,
    /// What the scenario says the verdict should be.
    pub expected: Verdict,
    pub properties: Vec<PropertyResult>,
    /// The scenario's thresholds, judged.
    pub thresholds: Vec<Judged>,
    /// Exact counts: `votes.submitted`, `votes.rejected.already_voted`, `kv.get`, ….
    pub counters: BTreeMap<String, u64>,
    /// Derived figures: `ack.p99_ms`, `staleness.p99_ms`, ….
    pub figures: BTreeMap<String, f64>,
    pub readings: Vec<Reading>,
    pub faults: Vec<FaultWindow>,
    pub milestones: Vec<Milestone>,
    /// The pattern's own alerts, whether they went off or not.
    pub alerts: Vec<Alert>,
    pub stations: Vec<StationFigures>,
    pub series: Vec<Series>,
    pub latencies: Vec<Latency>,
    /// The final result as revealed: option id and count, in the session's order.
    pub results: Vec<(String, u64)>,
    /// Whether client messages that were planted to be refused (and the like) are worth a line for people.
    pub notes: Vec<String>,
    pub virtual_s: f64,
    pub messages: u64,
    pub deliveries: u64,
    /// What a certificate is made of.
    pub evidence: crate::certificate::Evidence,
    /// The full trace, when it was asked for: a line an event.
    pub trace: Option<Vec<String>>,
}
