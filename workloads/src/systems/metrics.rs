//! Metrics by windows, a dashboard and alerts (functions-patterns.md, pattern 5).

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_engine::functions::{Function, Needs};
use headcount_engine::message::{Call, ChannelList};
use headcount_engine::patterns::metrics::{
    self, Alert, DASHBOARD, DASHBOARD_JOB, Dashboard, HIGH_ERROR_RATE, Metric, OPERATIONS, RANGE, Rules, stored_counts,
};
use headcount_engine::scheduler::Job;
use headcount_engine::timetoken::unix_ms;
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Fate;
use super::{Doing, System, ears, to_json};
use crate::crowd::plan::user_id;
use crate::scenario::{Scenario, Setting};

/// Analytics and monitoring.
pub struct Metrics;

/// Types of metrics, by the kinds of acts; the two kinds after them send any of these.
const TYPES: [&str; 4] = ["page_view", "request", "error", "performance"];
const LATE: u8 = 4;
const DOUBLE: u8 = 5;

impl System for Metrics {
    fn word(&self) -> &'static str {
        "metrics"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Pattern 5: windows of a minute, the dashboard every five minutes, an alert above 5 % of more than 100 requests.
            Setting { key: "window_s", default: 60, low: 1, high: 3_600 },
            Setting { key: "dashboard_every_ms", default: 300_000, low: 10, high: 3_600_000 },
            Setting { key: "alert_error_ppm", default: 50_000, low: 1, high: 100_000_000 },
            Setting { key: "alert_requests_min", default: 100, low: 0, high: 1_000_000 },
            Setting { key: "settle_ms", default: 5_000, low: 0, high: 3_600_000 },
            // Of all metrics so many are errors, and more while something is wrong.
            Setting { key: "error_ppm", default: 10_000, ..Setting::PPM },
            Setting { key: "incident_error_ppm", default: 500_000, ..Setting::PPM },
            Setting { key: "incident_from_s", default: 0, low: 0, high: 1_000_000 },
            Setting { key: "incident_to_s", default: 0, low: 0, high: 1_000_000 },
            Setting { key: "double_ppm", ..Setting::PPM },
            // Sent later than they happened, by up to so much.
            Setting { key: "late_ppm", ..Setting::PPM },
            Setting { key: "late_max_s", default: 30, low: 1, high: 3_600 },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        metrics::READINGS
    }

    fn remedy(&self) -> &'static str {
        "Each metric is a key of its own, by its own time: what comes late or twice is there once, in its window. The aggregator counts \
         keys, page by page; alerts are judged once a pass, and what was said is stored after it was said."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        metrics::functions(scenario.variant.in_engine(), rules(scenario))
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        metrics::needs(scenario.variant.in_engine())
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        vec![Job { name: DASHBOARD_JOB.into(), interval: scenario.system.get("dashboard_every_ms") * MS }]
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(metrics::rights(scenario.system.token_ttl_minutes))
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["page_view", "request", "error", "performance", "late", "double"]
    }

    /// `what` is which of the sender's metrics it is, times four, and its type; and when it happened [ms]. A metric that is sent
    /// twice is the same in both.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let get = |key| scenario.system.get(key);
        let incident = get("incident_from_s") * SECOND..get("incident_to_s") * SECOND;
        let mut metrics = vec![0u32; scenario.system.users as usize];
        let mut acts = Vec::new();
        for (at, user) in moments(scenario, dice) {
            let nth = &mut metrics[user as usize];
            *nth += 1;
            let late = dice.chance(get("late_ppm") as u32);
            let by = dice.between(1, get("late_max_s")) * SECOND;
            let happened = if late { at.saturating_sub(by) } else { at };
            let errors = if incident.contains(&happened) { get("incident_error_ppm") } else { get("error_ppm") };
            let kind = if dice.chance(errors as u32) { 2 } else { [0, 1, 1, 3][dice.below(4) as usize] };
            let what = [*nth * 4 + u32::from(kind), (happened / MS) as u32];
            acts.push(Act { at, user, kind: if late { LATE } else { kind }, what });
            let (double, soon) = (dice.chance(get("double_ppm") as u32), dice.between(5, 2_000) * MS);
            if double {
                acts.push(Act { at: at + soon, user, kind: DOUBLE, what });
            }
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["alerts.cleared", "alerts.fired", "metrics.alert_errors", "metrics.errors", "metrics.refused_for_their_time"]
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        ears::channels(scenario, user, &[DASHBOARD, "alerts.*"])
    }

    fn doing(&self, scenario: &Scenario, _: u32, act: &Act) -> Doing {
        let metric = metric(scenario, act);
        let channel = metrics::channel(&metric.kind).into();
        Doing::Api(Call::Publish { channel, payload: to_json(&metric), store: false })
    }

    fn properties(&self) -> &'static [Property] {
        &[COUNTED, DASHBOARD_EQUALS, NO_MORE, ALERTS_FIRE, ALERTS_ARE_TRUE]
    }
}

fn rules(scenario: &Scenario) -> Rules {
    let get = |key| scenario.system.get(key);
    Rules {
        window_ms: get("window_s") * 1_000,
        error_ppm: get("alert_error_ppm"),
        requests_min: get("alert_requests_min"),
        settle_ms: get("settle_ms"),
    }
}

fn metric(scenario: &Scenario, act: &Act) -> Metric {
    let [number, happened_ms] = act.what;
    let (kind, nth) = (TYPES[(number % 4) as usize], number / 4);
    let get = |key| scenario.system.get(key) * 1_000;
    let slow = (get("incident_from_s")..get("incident_to_s")).contains(&u64::from(happened_ms));
    Metric {
        id: nth.to_string(),
        user_id: user_id(act.user),
        kind: kind.into(),
        at: unix_ms(Nanos::from(happened_ms) * MS),
        what: match kind {
            "performance" => OPERATIONS[nth as usize % OPERATIONS.len()].into(),
            "error" => "timeout".into(),
            _ => "home".into(),
        },
        duration: (kind == "performance").then_some(if slow { 400 } else { 50 } + u64::from(nth * 37 % 100)),
    }
}

/// How many metrics there are at least and at most: accepted, and sent.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    accepted: u64,
    sent: u64,
}

impl Truth {
    fn allows(&self, count: u64) -> bool {
        (self.accepted..=self.sent).contains(&count)
    }
}

/// By window and kind, as the users know it; those that left by `until`.
fn truth(seen: &Seen<'_>, until: Nanos) -> BTreeMap<(u64, String), Truth> {
    // By sender and metric: what it is, and whether it was accepted.
    let mut known: BTreeMap<(u32, u32), (Metric, bool)> = BTreeMap::new();
    for (_, act, done) in seen.acts().filter(|(_, _, done)| done.attempts > 0 && done.first_sent <= until) {
        let known = known.entry((act.user, act.what[0])).or_insert_with(|| (metric(seen.scenario, act), false));
        known.1 |= done.fate == Fate::Accepted;
    }
    let mut truth: BTreeMap<(u64, String), Truth> = BTreeMap::new();
    let rules = rules(seen.scenario);
    for (metric, accepted) in known.into_values() {
        let window = rules.window(metric.at);
        let mut count = |kind: String| {
            let truth = truth.entry((window, kind)).or_default();
            truth.sent += 1;
            truth.accepted += u64::from(accepted);
        };
        if metric.kind == "performance" {
            count(format!("performance:{}", metric.what));
        }
        count(metric.kind);
    }
    truth
}

const COUNTED: Property = Property {
    name: "a-metric-counts-once-in-its-window",
    promise: "functions-patterns.md 5: aggregated metrics, 1-minute windows",
    says: "after healing, each window of each type counts every accepted metric that happened in it, and none twice or from another",
    check: |seen, checks| {
        let truth = truth(seen, Nanos::MAX);
        let (mut checked, mut wrong) = (0, None);
        for kv in &seen.kv {
            let keys = kv.keys_now(seen.scenario.end).into_iter();
            let keys = keys.map(|key| {
                let is_counted = key.starts_with("performance:");
                let value = is_counted.then(|| kv.get_now(&key, seen.scenario.end)).flatten();
                (key.to_string(), value.map(|value| value.to_string()))
            });
            let counters = kv.counter_keys().into_iter().map(|key| (key.to_string(), kv.counter(&key)));
            let counts = stored_counts(keys, counters);
            for key in truth.keys().chain(counts.keys()).collect::<BTreeSet<_>>() {
                checked += 1;
                let (truth, count) =
                    (truth.get(key).copied().unwrap_or_default(), counts.get(key).copied().unwrap_or(0));
                if !truth.allows(count) {
                    let (window, kind) = key;
                    wrong.get_or_insert_with(|| format!("{kind} in window {window} is stored as {count}: {truth:?}"));
                }
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-metric-was-accepted", truth.values().map(|truth| truth.accepted).sum());
        let answered = |kind| seen.answered(kind).count() as u64;
        if seen.scenario.system.get("double_ppm") > 0 {
            checks.sometimes("a-metric-was-sent-twice", answered(DOUBLE));
        }
        if seen.scenario.system.get("late_ppm") > 0 {
            checks.sometimes("a-metric-was-late", answered(LATE));
        }
    },
};

/// Dashboards that came to somebody, and when.
fn dashboards<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (Nanos, Dashboard)> + 'a {
    seen.read().map(|(heard, dashboard)| (heard.at, dashboard))
}

/// What a dashboard should sum up, beside what it says: page views, errors, requests.
fn sums(
    truth: &BTreeMap<(u64, String), Truth>,
    dashboard: &Dashboard,
    rules: Rules,
) -> [(Truth, u64, &'static str); 3] {
    let current = rules.window(dashboard.timestamp);
    let range = (current + 1).saturating_sub(RANGE)..=current;
    let of = |kind: &str| {
        let mut sum = Truth::default();
        for (_, truth) in truth.iter().filter(|((window, known), _)| known == kind && range.contains(window)) {
            sum.accepted += truth.accepted;
            sum.sent += truth.sent;
        }
        sum
    };
    let said = &dashboard.metrics;
    [
        (of("page_view"), said.page_views, "page views"),
        (of("error"), said.errors, "errors"),
        (of("request"), said.requests, "requests"),
    ]
}

const DASHBOARD_EQUALS: Property = Property {
    name: "the-dashboard-equals-the-raw-events",
    promise: "functions-patterns.md 5: metrics dashboard aggregator",
    says: "after healing, the last dashboard sums up what was accepted in its ten windows, and its error rate is that of its sums",
    check: |seen, checks| {
        let (rules, truth) = (rules(seen.scenario), truth(seen, Nanos::MAX));
        let last = dashboards(seen).map(|(_, dashboard)| dashboard).max_by_key(|dashboard| dashboard.timestamp);
        let mut wrong = last.is_none().then(|| "nobody saw a dashboard".to_owned());
        let mut shown = 0;
        if let Some(dashboard) = &last {
            for (truth, said, what) in sums(&truth, dashboard, rules) {
                shown += said;
                if !truth.allows(said) {
                    wrong.get_or_insert_with(|| format!("the last dashboard shows {said} {what}: {truth:?}"));
                }
            }
            let (errors, requests) = (dashboard.metrics.errors as f64, dashboard.metrics.requests as f64);
            let rate: f64 = dashboard.metrics.error_rate.parse().unwrap_or(f64::NAN);
            let right = if requests > 0.0 { errors / requests * 100.0 } else { 0.0 };
            // Two digits are shown.
            if (rate - right).abs() > 0.006 || rate.is_nan() {
                wrong.get_or_insert_with(|| format!("{errors} errors of {requests} requests are said to be {rate} %"));
            }
        }
        checks.eventually(u64::from(last.is_some()), wrong);
        checks.sometimes("the-last-dashboard-showed-something", shown);
    },
};

const NO_MORE: Property = Property {
    name: "a-dashboard-shows-no-more-than-was-sent",
    promise: "functions-patterns.md 5: metrics dashboard aggregator",
    says: "no dashboard sums up more than had been sent of its ten windows by then",
    check: |seen, checks| {
        let rules = rules(seen.scenario);
        let (mut checked, mut wrong) = (0, None);
        // Each moment has its own truth: as many are looked at as tell something.
        let mut seen_at: Vec<(Nanos, Dashboard)> = dashboards(seen).collect();
        seen_at.sort_by_key(|(at, _)| *at);
        let step = seen_at.len().div_ceil(DASHBOARDS_MAX).max(1);
        for (at, dashboard) in seen_at.iter().step_by(step) {
            let truth = truth(seen, *at);
            for (truth, said, what) in sums(&truth, dashboard, rules) {
                checked += 1;
                if said > truth.sent {
                    wrong.get_or_insert_with(|| {
                        format!("a dashboard of {} shows {said} {what}; {} were sent", dashboard.timestamp, truth.sent)
                    });
                }
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-dashboard-was-seen", seen_at.len() as u64);
    },
};

/// Dashboards of a run that are looked at one by one.
const DASHBOARDS_MAX: usize = 10;

/// Alerts about errors that came to somebody, in the order that they say themselves.
fn alerts(seen: &Seen<'_>) -> Vec<Alert> {
    let alerts = seen.read().map(|(_, alert)| alert).filter(|alert: &Alert| alert.kind == HIGH_ERROR_RATE);
    let mut alerts: Vec<Alert> = alerts.collect();
    // What began is said before what is over.
    alerts.sort_by_key(|alert| (alert.timestamp, alert.cleared));
    alerts
}

const ALERTS_FIRE: Property = Property {
    name: "alerts-fire-and-clear",
    promise: "functions-patterns.md 5: real-time alerting",
    says: "after healing, there was an alert for each window in which so many errors were accepted, and the last word is that \
           it is over",
    check: |seen, checks| {
        let (rules, truth) = (rules(seen.scenario), truth(seen, Nanos::MAX));
        let alerts = alerts(seen);
        let mut fired: BTreeSet<u64> =
            alerts.iter().filter(|alert| !alert.cleared).map(|alert| alert.time_window).collect();
        let mut last = alerts.last().map(|alert| (alert.timestamp, alert.cleared));
        // Dashboards say again what was lost.
        for (_, dashboard) in dashboards(seen) {
            let Some(alerted) = &dashboard.alerts else { continue };
            let windows = alerted.fired.iter().filter(|(kind, _)| kind == HIGH_ERROR_RATE).map(|(_, window)| *window);
            fired.extend(windows);
            last = last.max(Some((dashboard.timestamp, !alerted.firing.contains(HIGH_ERROR_RATE))));
        }
        let missed = seen.queues_ran_over();
        let (mut checked, mut alarming, mut wrong) = (0, 0, None);
        for window in truth.keys().map(|(window, _)| *window).collect::<BTreeSet<_>>() {
            let of = |kind: &str| truth.get(&(window, kind.to_owned())).copied().unwrap_or_default();
            let (errors, requests) = (of("error"), of("request"));
            checked += 1;
            // Whatever of the rest came or not, it is alarming.
            let is_alarming =
                requests.accepted > rules.requests_min && rules.is_alarming(errors.accepted, requests.sent);
            alarming += u64::from(is_alarming);
            if is_alarming && !fired.contains(&window) && !missed {
                wrong.get_or_insert_with(|| format!("{errors:?} of {requests:?} in window {window}, and no alert"));
            }
        }
        if last.is_some_and(|(_, is_over)| !is_over) && !missed {
            wrong.get_or_insert_with(|| "the last alert is not over".to_owned());
        }
        checks.eventually(checked, wrong);
        if seen.scenario.system.get("incident_to_s") > 0 {
            checks.sometimes("a-window-was-alarming", alarming);
        }
    },
};

const ALERTS_ARE_TRUE: Property = Property {
    name: "an-alert-says-what-was-sent",
    promise: "functions-patterns.md 5: real-time alerting",
    says: "an alert's own numbers are alarming, and no more than what was sent; none is said to be over that is alarming",
    check: |seen, checks| {
        let (rules, truth) = (rules(seen.scenario), truth(seen, Nanos::MAX));
        let alerts = alerts(seen);
        let mut wrong = None;
        for alert in &alerts {
            let sent = |kind: &str| truth.get(&(alert.time_window, kind.to_owned())).map_or(0, |truth| truth.sent);
            let is_alarming = rules.is_alarming(alert.error_count, alert.total_requests);
            let too_many = alert.error_count > sent("error") || alert.total_requests > sent("request");
            if is_alarming == alert.cleared || too_many {
                wrong.get_or_insert_with(|| format!("{alert:?}"));
            }
        }
        checks.always(alerts.len() as u64, wrong);
        if seen.scenario.system.get("incident_to_s") > 0 && seen.scenario.variant == crate::scenario::Variant::Hardened
        {
            checks.sometimes("an-alert-fired", alerts.iter().filter(|alert| !alert.cleared).count() as u64);
            checks.sometimes("an-alert-was-cleared", alerts.iter().filter(|alert| alert.cleared).count() as u64);
        }
    },
};
