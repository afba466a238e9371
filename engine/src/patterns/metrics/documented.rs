//! The document's steps; whatever fails, the metric passes uncounted.

use serde_json::json;

use super::{
    ALERT_HIGH, ALERT_MEDIUM, DASHBOARD, DASHBOARD_JOB, DEGRADATION, Dashboard, HIGH_ERROR_RATE, Metric, OPERATIONS,
    Performance, RANGE, RAW_TTL_MINUTES, Rules, Sums,
};
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution, join_all};
use crate::message::Trigger;
use crate::timetoken::unix_ms;

/// What each handler needs: an error is stored, counted thrice, kept with its details, and compared by two counters.
pub(super) const NEEDS: [Needs; 2] = [
    Needs { handler: "metric", kv: 7, publishes: 1, hops: 1, ..Needs::NONE },
    // Three counters of each window, three operations, and the snapshot.
    Needs { handler: "dashboard", kv: 3 * RANGE as u32 + 4, publishes: 1, hops: 1, ..Needs::NONE },
];

pub(super) fn functions(rules: Rules) -> Vec<Function> {
    let metric = move |context, event| metric(context, event, rules);
    vec![
        Function::new("metric", "metrics.*", Trigger::BeforePublish, metric),
        Function::new("dashboard", DASHBOARD_JOB, Trigger::OnInterval, move |context, _| dashboard(context, rules)),
    ]
}

async fn metric(context: Context, event: Event, rules: Rules) -> Resolution {
    let Ok(metric) = serde_json::from_str::<Metric>(&event.payload) else { return Resolution::Ok(None) };
    let at = unix_ms(context.now());
    let window = rules.window(at);
    match count(&context, &metric, at, window, rules).await {
        Ok(()) => {
            let mut said = serde_json::to_value(&metric).expect("a metric serialises");
            said["processed"] = true.into();
            said["processedAt"] = at.into();
            said["timeWindow"] = window.into();
            Resolution::Ok(Some(said.to_string().into()))
        }
        Err(_) => {
            context.count("metrics.errors");
            Resolution::Ok(None)
        }
    }
}

async fn count(context: &Context, metric: &Metric, at: u64, window: u64, rules: Rules) -> Result<(), OpError> {
    let Metric { kind, what, user_id, .. } = metric;
    // A random suffix, as unlikely to come twice as the document's.
    let raw = format!("{kind}:{at}:{}", &context.uuid()[..9]);
    let text = serde_json::to_string(metric).expect("a metric serialises");
    context.kv_set(format!("raw_metric:{raw}"), &*text, Some(RAW_TTL_MINUTES)).await?;
    let mut counters = vec![format!("metric_count:{kind}:{window}")];
    match &**kind {
        "page_view" => {
            counters.extend([format!("page_views:{what}:{window}"), format!("user_page_views:{user_id}:{window}")]);
        }
        "error" => {
            counters.extend([format!("errors:{what}:{window}"), format!("errors_total:{window}")]);
            context.kv_set(format!("error_detail:{raw}"), text, Some(1_440)).await?;
        }
        "performance" => {
            let key = format!("performance:{what}:{window}");
            let mut times: Performance = context.kv_get_json(&*key).await?.unwrap_or_default();
            times.add(metric.duration.unwrap_or(0));
            let text = serde_json::to_string(&times).expect("numbers serialise");
            context.kv_set(key, text, Some(RAW_TTL_MINUTES)).await?;
        }
        _ => {}
    }
    let counted = join_all(counters.into_iter().map(|counter| context.kv_incr(counter, 1))).await;
    counted.into_iter().collect::<Result<Vec<_>, _>>()?;
    // Alerting that fails is logged and no more.
    if alert(context, metric, window, rules).await.is_err() {
        context.count("metrics.alert_errors");
    }
    Ok(())
}

async fn alert(context: &Context, metric: &Metric, window: u64, rules: Rules) -> Result<(), OpError> {
    if metric.kind == "error" {
        let errors = context.kv_counter(format!("errors_total:{window}")).await? as u64;
        let requests = context.kv_counter(format!("requests_total:{window}")).await? as u64;
        if rules.is_alarming(errors, requests) {
            let alert = json!({
                "type": HIGH_ERROR_RATE, "errorRate": super::rate(errors, requests), "errorCount": errors,
                "totalRequests": requests, "timeWindow": window, "timestamp": unix_ms(context.now()),
            });
            context.publish(ALERT_HIGH, alert.to_string(), true).await?;
        }
    }
    if metric.kind == "performance" {
        let times = |window: u64| context.kv_get_json::<Performance>(format!("performance:{}:{window}", metric.what));
        if let (Some(now), Some(before)) = (times(window).await?, times(window - 1).await?)
            && now.is_worse_than_twice(&before)
        {
            let alert = json!({
                "type": DEGRADATION, "operation": metric.what, "timeWindow": window,
                "currentAvg": now.total_time / now.count, "previousAvg": before.total_time / before.count,
                "timestamp": unix_ms(context.now()),
            });
            context.publish(ALERT_MEDIUM, alert.to_string(), true).await?;
        }
    }
    Ok(())
}

/// Sums up ten windows, one counter after the other.
async fn dashboard(context: Context, rules: Rules) -> Resolution {
    let summed = async {
        let timestamp = unix_ms(context.now());
        let current = rules.window(timestamp);
        let mut sums = Sums::default();
        for window in (0..RANGE).map(|back| current - back) {
            let counter = |name: &str| context.kv_counter(format!("{name}:{window}"));
            sums.page_views += counter("metric_count:page_view").await? as u64;
            sums.errors += counter("errors_total").await? as u64;
            sums.requests += counter("requests_total").await? as u64;
        }
        let mut dashboard = Dashboard {
            timestamp,
            time_range: "10_minutes".into(),
            metrics: sums.rated(),
            performance: Default::default(),
            alerts: None,
        };
        for operation in OPERATIONS {
            let key = format!("performance:{operation}:{}", current - 1);
            if let Some(times) = context.kv_get_json(key).await? {
                dashboard.performance.insert(operation.into(), times);
            }
        }
        let text = serde_json::to_string(&dashboard).expect("a dashboard serialises");
        context.publish(DASHBOARD, &*text, true).await?;
        context.kv_set(format!("dashboard_snapshot:{current}"), text, Some(1_440)).await
    };
    match summed.await {
        Ok(()) => Resolution::Ok(None),
        Err(_) => Resolution::refuse(500, "aggregation_failed"),
    }
}
