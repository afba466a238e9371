//! `run.json`: the run for programs. Everything but the last two fields is the same for the same seed.

use headcount_workloads::certificate::Certificate;
use headcount_workloads::outcome::{Latency, Outcome};
use headcount_workloads::slo::Judged;
use serde_json::{Map, Value, json};

use crate::host::HostFigures;
use crate::latency_files::quantile_ms;

/// Version of the format: raised when a field changes its meaning or goes, not when one is added.
pub const FORMAT_VERSION: u32 = 1;

/// The fields that belong to the machine and not to the run. They stand last, in this order.
pub const MACHINE_FIELDS: [&str; 2] = ["wall_s", "peak_rss_bytes"];

/// The whole file as a value, fields in the order in which they are written.
pub fn value(outcome: &Outcome, host: &HostFigures) -> Value {
    let mut run = Map::new();
    let mut put = |name: &str, value: Value| run.insert(name.to_string(), value);
    put("format_version", json!(FORMAT_VERSION));
    put("written_by", json!("headcount"));
    put("scenario", json!(outcome.scenario));
    put("pattern", json!(outcome.pattern));
    put("variant", json!(outcome.variant));
    put("limits_profile", json!(outcome.limits_profile));
    let limits =
        outcome.limits.iter().map(|(field, value, source)| json!({ "field": field, "value": value, "source": source }));
    put("limits", limits.collect());
    put("seed", json!(outcome.seed));
    // Many readers keep numbers as f64, which cannot tell seeds above 2^53 apart.
    put("seed_hex", json!(format!("{:#018x}", outcome.seed)));
    put("digest", json!(format!("{:016x}", outcome.digest)));
    put("verdict", json!(outcome.verdict));
    put("expected", json!(outcome.expected));
    put("properties", json!(outcome.properties));
    put("thresholds", outcome.thresholds.iter().map(threshold_value).collect());
    put("counters", json!(outcome.counters));
    put("figures", json!(outcome.figures));
    put(
        "latencies",
        outcome.latencies.iter().map(|latency| (latency.name.to_string(), latency_value(latency))).collect(),
    );
    let results = outcome.results.iter().map(|(option, votes)| json!({ "option": option, "votes": votes }));
    put("results", results.collect());
    put("readings", json!(outcome.readings));
    put("faults", json!(outcome.faults));
    put("milestones", json!(outcome.milestones));
    put("alerts", json!(outcome.alerts));
    put("stations", json!(outcome.stations));
    put("certificate", json!(Certificate::of_run(&outcome.evidence)));
    put("notes", json!(outcome.notes));
    put("scenario_toml", json!(outcome.scenario_toml));
    put("virtual_s", json!(outcome.virtual_s));
    put("messages", json!(outcome.messages));
    put("deliveries", json!(outcome.deliveries));
    put(MACHINE_FIELDS[0], json!(host.wall_s));
    put(MACHINE_FIELDS[1], json!(host.peak_rss_bytes));
    Value::Object(run)
}

/// The file's text: indented, one final line feed.
pub fn text(outcome: &Outcome, host: &HostFigures) -> String {
    let mut text = serde_json::to_string_pretty(&value(outcome, host)).expect("a tree of plain values");
    text.push('\n');
    text
}

/// Takes the machine's fields out, so that two runs can be compared whole.
pub fn strip_machine_fields(run: &mut Value) {
    if let Some(fields) = run.as_object_mut() {
        fields.retain(|name, _| !MACHINE_FIELDS.contains(&name.as_str()));
    }
}

/// Whether `text` is a `run.json` that Headcount wrote, of any format version.
pub fn is_ours(text: &str) -> bool {
    serde_json::from_str::<Value>(text)
        .is_ok_and(|run| run["written_by"] == "headcount" && run["format_version"].is_u64())
}

/// A threshold with what was measured: `value` is `null` where there was nothing to measure.
fn threshold_value(judged: &Judged) -> Value {
    let threshold = &judged.threshold;
    json!({
        "threshold": threshold.to_string(),
        "metric": threshold.metric,
        "comparison": threshold.comparison,
        "limit": threshold.limit,
        "value": judged.value,
        "verdict": judged.verdict(),
    })
}

/// Figures of one latency in milliseconds; `null` where nothing was recorded.
fn latency_value(latency: &Latency) -> Value {
    let histogram = &latency.histogram;
    let recorded = !histogram.is_empty();
    json!({
        "title": latency.title,
        "count": histogram.len(),
        "mean_ms": recorded.then(|| histogram.mean() / 1000.0),
        "p50_ms": quantile_ms(histogram, 0.50),
        "p90_ms": quantile_ms(histogram, 0.90),
        "p99_ms": quantile_ms(histogram, 0.99),
        "p99_9_ms": quantile_ms(histogram, 0.999),
        "max_ms": quantile_ms(histogram, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const HOST: HostFigures = HostFigures { wall_s: 1.5, peak_rss_bytes: Some(7) };

    fn names(run: &Value) -> Vec<&str> {
        run.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_machine_fields_stand_last_and_alone_differ() {
        let outcome = fixture::outcome();
        let mut one = value(&outcome, &HOST);
        let mut other = value(&outcome, &HostFigures { wall_s: 99.0, peak_rss_bytes: None });
        assert_eq!(names(&one)[names(&one).len() - 2..], MACHINE_FIELDS);
        assert_ne!(one, other);
        strip_machine_fields(&mut one);
        strip_machine_fields(&mut other);
        assert_eq!(one, other);
        assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
        assert!(!names(&one).iter().any(|name| MACHINE_FIELDS.contains(name)));
    }

    #[test]
    fn every_field_is_there_with_its_type() {
        let run: Value = serde_json::from_str(&text(&fixture::violated(), &HOST)).unwrap();
        assert_eq!(run["format_version"], 1);
        assert_eq!(run["seed"], json!(u64::MAX));
        assert_eq!(run["seed_hex"], "0xffffffffffffffff");
        assert_eq!(run["digest"], "00c0ffee01234567");
        assert_eq!((&run["verdict"], &run["expected"]), (&json!("violated"), &json!("violated")));
        let property = &run["properties"][0];
        assert_eq!(property["kind"], "always");
        assert_eq!(property["verdict"], "violated");
        assert_eq!(property["promise"], "FR-5, NFR-3");
        assert_eq!(property["times_checked"], 498_765);
        assert!(property["reason"].as_str().unwrap().starts_with("user 17"));
        assert_eq!(run["properties"][1]["reason"], Value::Null);
        assert_eq!(run["results"][0], json!({ "option": "red", "votes": 201_345 }));
        assert_eq!(run["counters"]["votes.submitted"], 512_345);
        let missed = json!({
            "threshold": "ack.p99_ms < 500", "metric": "ack.p99_ms", "comparison": "<", "limit": 500.0, "value": 8400.0,
            "verdict": "violated"
        });
        assert_eq!((&run["thresholds"][0], &run["thresholds"][1]["verdict"]), (&missed, &json!("holds")));
        assert_eq!(run["faults"].as_array().unwrap().len(), 21);
        let limit = json!({ "field": "ops_per_execution", "value": "3", "source": "functions-patterns.md 1" });
        assert_eq!(run["limits"], json!([limit]));
        for name in ["readings", "milestones", "stations", "notes"] {
            assert!(!run[name].as_array().unwrap().is_empty(), "{name}");
        }
        assert_eq!((&run["virtual_s"], &run["messages"]), (&json!(660.0), &json!(12_345_678)));
        assert_eq!((&run["wall_s"], &run["peak_rss_bytes"]), (&json!(1.5), &json!(7)));
    }

    #[test]
    fn latencies_are_in_milliseconds_and_in_order() {
        let outcome = fixture::outcome();
        let run = value(&outcome, &HOST);
        let ack = &run["latencies"]["ack"];
        // 590 seconds of votes (10..600) with 40 samples each.
        assert_eq!(ack["count"], 590 * 40);
        let figures: Vec<f64> = ["p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms"]
            .iter()
            .map(|name| ack[name].as_f64().unwrap())
            .collect();
        assert!(figures.is_sorted());
        assert_eq!(figures[4], outcome.latencies[0].histogram.max() as f64 / 1000.0);
    }

    #[test]
    fn what_was_never_recorded_and_what_is_no_number_is_null() {
        let mut outcome = fixture::outcome();
        outcome.latencies[0].histogram.reset();
        outcome.figures.insert("nothing".into(), f64::NAN);
        let run = value(&outcome, &HOST);
        assert_eq!(run["latencies"]["ack"]["p99_ms"], Value::Null);
        assert_eq!(run["figures"]["nothing"], Value::Null);
    }

    #[test]
    fn only_our_own_file_is_ours() {
        assert!(is_ours(&text(&fixture::outcome(), &HOST)));
        for other in ["", "{}", "[1]", "{\"format_version\": 1}", "{\"written_by\": \"headcount\"}"] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
