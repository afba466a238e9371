//! Metrics counted by windows, a dashboard, and alerts (functions-patterns.md, pattern 5).
//!
//! [`documented`] counts what comes when it comes: a metric sent twice is two, a late one is in another window, and an average is
//! read and written back by several at once. [`hardened`] counts nothing while metrics come: each is a key of its own, by its
//! own time, and the aggregator counts keys.

pub mod documented;
pub mod hardened;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Variant;
use super::rights::Rights;
use crate::access::Permissions;
use crate::functions::{Function, Needs};

/// The aggregator's job.
pub const DASHBOARD_JOB: &str = "metrics-dashboard";
/// Where the dashboard and alerts are published.
pub const DASHBOARD: &str = "dashboard.metrics";
const ALERT_HIGH: &str = "alerts.high_priority";
const ALERT_MEDIUM: &str = "alerts.medium_priority";
/// Raw metrics live for an hour.
const RAW_TTL_MINUTES: u32 = 60;
/// Windows that the dashboard sums up.
pub const RANGE: u64 = 10;
/// A metric that is older than so many windows is refused by the hardened variant: it may still be counted for as long as
/// the dashboard shows its window, whatever has to be tried again in between.
pub const LATE_MAX: u64 = 6;
/// Operations whose times the dashboard shows.
pub const OPERATIONS: [&str; 3] = ["api_call", "database_query", "external_service"];

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "nobody-counts-requests",
        "Pattern 5 divides errors by requests_total, a counter that nothing increments: its error rate is 0 and its alert cannot \
         fire.",
        "Documented does so. Hardened counts metrics of the type request.",
    ),
    (
        "whose-time",
        "Pattern 5 puts a metric into the window in which it comes.",
        "Documented does so; the oracle asks for the window in which it happened, as hardened has it.",
    ),
    (
        "alerts-never-clear",
        "Pattern 5 publishes an alert at each error above the rate, and none when the rate is below it again.",
        "Documented does so. Hardened publishes one a window, and one when it is over.",
    ),
    (
        "thirty-four-operations",
        "Pattern 5's dashboard makes 34 KV calls and its handler up to seven; kvstore-module.md allows three operations in one \
         execution, the newest page 10 KV calls.",
        "Documented cannot run under those limits and says so. Hardened makes one call a metric, and ten in an aggregation \
         that goes on where the last one stopped.",
    ),
];

/// A metric as it is published on `metrics.{type}`. `id` is the sender's choice, the same at every attempt.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    pub id: String,
    pub user_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, by the sender's clock [ms since 1970].
    pub at: u64,
    /// Page, error or operation.
    pub what: String,
    /// Of a performance [ms].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
}

/// Where metrics of a type are published.
pub fn channel(kind: &str) -> String {
    format!("metrics.{kind}")
}

/// The dashboard as it is published: sums over its windows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// When it was summed up [ms since 1970]: the newest of its [`RANGE`] windows is that of this moment.
    pub timestamp: u64,
    pub time_range: String,
    pub metrics: Sums,
    /// By operation.
    pub performance: BTreeMap<String, Performance>,
    /// What has been alerted, said again with every dashboard: an alert that is lost on its way is not lost for long. The
    /// document's dashboards say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerted>,
}

/// What has been alerted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Alerted {
    /// Kinds of alerts that are not over.
    pub firing: BTreeSet<String>,
    /// Kinds and windows of those that there were in the dashboard's windows.
    pub fired: BTreeSet<(String, u64)>,
}

/// What a dashboard sums up.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sums {
    pub page_views: u64,
    pub errors: u64,
    pub requests: u64,
    /// Percent, with two digits.
    pub error_rate: String,
}

impl Sums {
    fn rated(mut self) -> Self {
        self.error_rate = rate(self.errors, self.requests);
        self
    }
}

/// Percent with two digits; 0 where nothing was requested.
fn rate(errors: u64, requests: u64) -> String {
    if requests == 0 { "0".into() } else { format!("{:.2}", errors as f64 / requests as f64 * 100.0) }
}

/// Times of an operation in a window [ms].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Performance {
    pub count: u64,
    pub total_time: u64,
    pub max_time: u64,
}

impl Performance {
    fn add(&mut self, duration: u64) {
        self.count += 1;
        self.total_time += duration;
        self.max_time = self.max_time.max(duration);
    }

    /// Whether the average is more than twice as high as it was before.
    fn is_worse_than_twice(&self, before: &Self) -> bool {
        before.count > 0 && self.total_time * before.count > 2 * before.total_time * self.count
    }
}

/// An alert as it is published.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// `high_error_rate` or `performance_degradation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it begins or is over; the document's only begin.
    #[serde(default)]
    pub cleared: bool,
    pub time_window: u64,
    #[serde(default)]
    pub error_count: u64,
    #[serde(default)]
    pub total_requests: u64,
    /// Of the pass that says so [ms since 1970]: a network may double an alert and bring it late, and who hears it goes by this.
    pub timestamp: u64,
}

/// The word of the alert about errors.
pub const HIGH_ERROR_RATE: &str = "high_error_rate";
const DEGRADATION: &str = "performance_degradation";

/// What is counted and from when on it is alarming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Length of a window [ms]; the document has 60,000.
    pub window_ms: u64,
    /// The error rate [ppm] above which there is an alert, where there were more requests than so many; the document has
    /// 50,000 and 100.
    pub error_ppm: u64,
    pub requests_min: u64,
    /// A window is judged so long after its end [ms].
    pub settle_ms: u64,
}

impl Rules {
    /// The window of a moment [ms since 1970].
    pub fn window(&self, at_ms: u64) -> u64 {
        at_ms / self.window_ms
    }

    /// Whether so many errors of so many requests in a window are an alert.
    pub fn is_alarming(&self, errors: u64, requests: u64) -> bool {
        requests > self.requests_min && errors * 1_000_000 > requests * self.error_ppm
    }
}

/// How many metrics of each window and kind are counted by what is stored: counters by their values, keys one each. Times of
/// an operation are a kind of their own, `performance:{operation}`.
pub fn stored_counts(
    keys: impl Iterator<Item = (String, Option<String>)>,
    counters: impl Iterator<Item = (String, i64)>,
) -> BTreeMap<(u64, String), u64> {
    let mut counts: BTreeMap<(u64, String), u64> = BTreeMap::new();
    for (key, value) in keys {
        if let Some(stored) = hardened::read_key(&key) {
            *counts.entry((stored.window, stored.kind.to_owned())).or_default() += 1;
            if stored.kind == "performance" {
                *counts.entry((stored.window, format!("performance:{}", stored.what))).or_default() += 1;
            }
        } else if let Some((operation, window)) =
            key.strip_prefix("performance:").and_then(|rest| rest.rsplit_once(':'))
        {
            let times: Performance = value.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            let window = window.parse().unwrap_or(0);
            *counts.entry((window, format!("performance:{operation}"))).or_default() += times.count;
        }
    }
    for (key, value) in counters {
        if let Some((kind, window)) = key.strip_prefix("metric_count:").and_then(|rest| rest.rsplit_once(':')) {
            *counts.entry((window.parse().unwrap_or(0), kind.to_owned())).or_default() += value.max(0) as u64;
        }
    }
    counts
}

/// What a user's token opens: metrics to write, dashboard and alerts to read.
pub fn rights(ttl_minutes: u32) -> Rights {
    let (read, write) = (Permissions::READ, Permissions::WRITE);
    Rights::new("metrics", ttl_minutes, &[("metrics.*", write), (DASHBOARD, read), ("alerts.*", read)], &[])
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    match variant {
        Variant::Documented => documented::NEEDS.to_vec(),
        Variant::Hardened => hardened::NEEDS.to_vec(),
    }
}

/// The Functions to deploy.
pub fn functions(variant: Variant, rules: Rules) -> Vec<Function> {
    match variant {
        Variant::Documented => documented::functions(rules),
        Variant::Hardened => hardened::functions(rules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_is_worse_when_it_is_more_than_twice_as_high() {
        // 100 ms on average before; 200 is twice, 201 is more.
        let before = Performance { count: 4, total_time: 400, max_time: 200 };
        let now = |total_time| Performance { count: 2, total_time, max_time: 300 };
        assert_eq!([400, 402].map(|total| now(total).is_worse_than_twice(&before)), [false, true]);
        assert!(!now(402).is_worse_than_twice(&Performance::default()), "nothing to compare with");
    }

    #[test]
    fn an_alert_needs_more_than_the_least_requests_and_more_than_the_rate() {
        let rules = Rules { window_ms: 60_000, error_ppm: 50_000, requests_min: 100, settle_ms: 0 };
        // 5 % of 120 are 6.
        assert_eq!(
            [(6, 120), (7, 120), (50, 100), (0, 0)].map(|(e, r)| rules.is_alarming(e, r)),
            [false, true, false, false]
        );
    }
}
