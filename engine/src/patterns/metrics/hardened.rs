//! The hardened metrics.
//!
//! **A metric is a key**, made of its window, kind, value, sender and id: whoever sends it again, and whatever doubles it, writes
//! the same key. Its window is that of its own time; one that is older than [`LATE_MAX`] windows is refused, and its sender
//! told so. A write that fails is the sender's to try again.
//!
//! **The aggregator counts keys**, newest window first, page by page, from one execution to the next, and publishes what a whole
//! pass has found. A pass is a count and not a step: what dies, runs twice or is published twice does no harm. What comes during
//! a pass is in the next.
//!
//! **Alerts** are judged once a pass, for each window that is over and settled: one alert for each alarming window, and one more
//! when the newest such window is not alarming. What has been said is stored with the aggregator's place, after it was
//! said: an alert may come twice, and none is forgotten. One that a network or a slow worker brings late is told from a new one
//! by its pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ALERT_HIGH, ALERT_MEDIUM, Alert, Alerted, DASHBOARD, DASHBOARD_JOB, DEGRADATION, Dashboard, HIGH_ERROR_RATE,
    LATE_MAX, Metric, OPERATIONS, Performance, RANGE, RAW_TTL_MINUTES, Rules, Sums,
};
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution};
use crate::message::Trigger;
use crate::timetoken::unix_ms;

/// Pages that one execution reads: with its place read and written, all KV calls that it may make.
const PAGES: u32 = 8;
/// Alerts of one execution: with the dashboard, all publishes that it may make.
const ALERTS: u32 = 9;
/// Where the aggregator keeps its place.
const PLACE_KEY: &str = "metrics_place";
/// Windows are numbered down from here in keys, so that the newest come first.
const LAST: u64 = 999_999_999_999;

/// What each handler needs.
pub(super) const NEEDS: [Needs; 2] = [
    Needs { handler: "metric", kv: 1, ..Needs::NONE },
    Needs { handler: "dashboard", kv: 2 + PAGES, publishes: 1 + ALERTS, hops: 1, ..Needs::NONE },
];

pub(super) fn functions(rules: Rules) -> Vec<Function> {
    let metric = move |context, event| metric(context, event, rules);
    vec![
        Function::new("metric", "metrics.*", Trigger::BeforePublish, metric),
        Function::new("dashboard", DASHBOARD_JOB, Trigger::OnInterval, move |context, _| dashboard(context, rules)),
    ]
}

/// A metric as its key has it.
pub(super) struct Stored<'a> {
    pub window: u64,
    pub kind: &'a str,
    pub what: &'a str,
    pub duration: u64,
}

/// Reads a key; `None`: it is no metric's.
pub(super) fn read_key(key: &str) -> Option<Stored<'_>> {
    let mut parts = key.strip_prefix("m:")?.split(':');
    let window = LAST.checked_sub(parts.next()?.parse().ok()?)?;
    Some(Stored { window, kind: parts.next()?, what: parts.next()?, duration: parts.next()?.parse().ok()? })
}

/// Keeps a metric, if it is its publisher's and not too old.
async fn metric(context: Context, event: Event, rules: Rules) -> Resolution {
    let is_word = |text: &str| {
        !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_valid = |metric: &Metric| {
        metric.user_id == *event.publisher
            && event.channel.strip_prefix("metrics.") == Some(&*metric.kind)
            && [&metric.id, &metric.kind, &metric.what].into_iter().all(|text| is_word(text))
    };
    let metric = match serde_json::from_str::<Metric>(&event.payload) {
        Ok(metric) if is_valid(&metric) => metric,
        _ => return Resolution::refuse(400, "invalid_metric"),
    };
    let (window, current) = (rules.window(metric.at), rules.window(unix_ms(context.now())));
    if window + LATE_MAX < current || window > current + LATE_MAX {
        context.count("metrics.refused_for_their_time");
        return Resolution::refuse(400, "too_late_or_too_early");
    }
    let Metric { id, user_id, kind, what, duration, .. } = metric;
    let key = format!("m:{:012}:{kind}:{what}:{}:{user_id}:{id}", LAST - window, duration.unwrap_or(0));
    match context.kv_set(key, "1", Some(RAW_TTL_MINUTES)).await {
        Ok(()) => Resolution::Ok(None),
        Err(_) => Resolution::refuse(503, "try_again"),
    }
}

/// What was counted in a window.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Counted {
    page_views: u64,
    errors: u64,
    requests: u64,
    performance: BTreeMap<String, Performance>,
}

/// A pass under way, and what has been alerted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Place {
    /// When it began [ms since 1970]; 0: the next execution begins one.
    began: u64,
    page: Option<Arc<str>>,
    windows: BTreeMap<u64, Counted>,
    /// Kinds have their operation, if it is about one.
    alerted: Alerted,
}

impl Place {
    /// Counts a page; whether the pass has come to its end.
    fn count(&mut self, keys: &[Arc<str>], oldest: u64) -> bool {
        for key in keys {
            let Some(stored) = read_key(key).filter(|stored| stored.window >= oldest) else { return true };
            let counted = self.windows.entry(stored.window).or_default();
            match stored.kind {
                "page_view" => counted.page_views += 1,
                "error" => counted.errors += 1,
                "request" => counted.requests += 1,
                "performance" => counted.performance.entry(stored.what.to_owned()).or_default().add(stored.duration),
                _ => {}
            }
        }
        false
    }

    fn dashboard(&self, rules: Rules) -> Dashboard {
        let current = rules.window(self.began);
        let mut metrics = Sums::default();
        for counted in self.windows.range((current + 1).saturating_sub(RANGE)..=current).map(|(_, counted)| counted) {
            metrics.page_views += counted.page_views;
            metrics.errors += counted.errors;
            metrics.requests += counted.requests;
        }
        let before = self.windows.get(&(current - 1));
        let times = |operation: &str| Some((operation.to_owned(), *before?.performance.get(operation)?));
        Dashboard {
            timestamp: self.began,
            time_range: "10_minutes".into(),
            metrics: metrics.rated(),
            performance: OPERATIONS.into_iter().filter_map(times).collect(),
            alerts: Some(self.alerted.clone()),
        }
    }

    /// What is alarming in a window: kinds of alerts, with the operation if they have one.
    fn alarming(&self, window: u64, rules: Rules) -> BTreeSet<String> {
        let Some(counted) = self.windows.get(&window) else { return BTreeSet::new() };
        let high = rules.is_alarming(counted.errors, counted.requests).then(|| HIGH_ERROR_RATE.to_owned());
        let before = |operation: &str| self.windows.get(&(window - 1))?.performance.get(operation);
        let is_worse = |(operation, times): &(&String, &Performance)| {
            before(operation).is_some_and(|before| times.is_worse_than_twice(before))
        };
        let worse = counted.performance.iter().filter(is_worse);
        high.into_iter().chain(worse.map(|(operation, _)| format!("{DEGRADATION}:{operation}"))).collect()
    }

    /// The newest window that is over and settled.
    fn settled(&self, rules: Rules) -> u64 {
        rules.window(self.began.saturating_sub(rules.settle_ms)).saturating_sub(1)
    }

    /// The alerts to publish now: what began and has not been said, and what is over.
    fn alerts(&self, rules: Rules) -> Vec<(String, u64, bool)> {
        let settled = self.settled(rules);
        let mut alerts = Vec::new();
        for window in settled.saturating_sub(RANGE)..=settled {
            let new = self.alarming(window, rules).into_iter().map(|kind| (kind, window));
            alerts.extend(
                new.filter(|alert| !self.alerted.fired.contains(alert)).map(|(kind, window)| (kind, window, false)),
            );
        }
        let now = self.alarming(settled, rules);
        let said: BTreeSet<String> =
            alerts.iter().map(|(kind, ..)| kind.clone()).chain(self.alerted.firing.iter().cloned()).collect();
        alerts.extend(said.into_iter().filter(|kind| !now.contains(kind)).map(|kind| (kind, settled, true)));
        alerts
    }

    fn said(&mut self, (kind, window, cleared): (String, u64, bool)) {
        if cleared {
            self.alerted.firing.remove(&kind);
        } else {
            self.alerted.firing.insert(kind.clone());
            self.alerted.fired.insert((kind, window));
        }
    }
}

/// Goes on counting where the last execution stopped; at the end of a pass, publishes.
async fn dashboard(context: Context, rules: Rules) -> Resolution {
    let counted = async {
        let mut place: Place = context.kv_get_json(PLACE_KEY).await?.unwrap_or_default();
        if place.began == 0 {
            place.began = unix_ms(context.now());
        }
        // Two windows more than are shown: one to compare with, and one for clocks that are ahead.
        let oldest = rules.window(place.began).saturating_sub(RANGE + 2);
        for _ in 0..PAGES {
            let (keys, next) = context.kv_keys(place.page.take()).await?;
            let is_over = place.count(&keys, oldest);
            place.page = next.filter(|_| !is_over);
            if place.page.is_none() {
                publish(&context, &mut place, rules).await?;
                place.alerted.fired.retain(|(_, window)| *window >= oldest);
                place = Place { alerted: place.alerted, ..Place::default() };
                break;
            }
        }
        let text = serde_json::to_string(&place).expect("a place serialises");
        context.kv_set(PLACE_KEY, text, Some(RAW_TTL_MINUTES)).await
    };
    match counted.await {
        Ok(()) => Resolution::Ok(None),
        Err(_) => Resolution::refuse(500, "aggregation_failed"),
    }
}

/// The alerts, then the dashboard, which says them again; those for which there is no room are the next pass's.
async fn publish(context: &Context, place: &mut Place, rules: Rules) -> Result<(), OpError> {
    for (kind, window, cleared) in place.alerts(rules).into_iter().take(ALERTS as usize) {
        let counted = place.windows.get(&window).cloned().unwrap_or_default();
        let alert = Alert {
            kind: kind.clone(),
            cleared,
            time_window: window,
            error_count: counted.errors,
            total_requests: counted.requests,
            timestamp: place.began,
        };
        let text = serde_json::to_string(&alert).expect("an alert serialises");
        let channel = if kind == HIGH_ERROR_RATE { ALERT_HIGH } else { ALERT_MEDIUM };
        context.publish(channel, text, true).await?;
        place.said((kind, window, cleared));
        context.count(if cleared { "alerts.cleared" } else { "alerts.fired" });
    }
    let text = serde_json::to_string(&place.dashboard(rules)).expect("a dashboard serialises");
    context.publish(DASHBOARD, text, true).await.map(|_| ())
}
