//! A comparison for programs: `compare.json`, a table of metrics and one of every seed.

use serde_json::{Value, json};

use super::text::answer_said;
use super::{Answer, Change, Compared, Comparison, Side};
use crate::table::{csv_text, or_empty, row};

/// Version of `compare.json`: raised when a field changes its meaning or goes.
pub const FORMAT_VERSION: u32 = 1;

/// The whole comparison. Nothing of the machine is in it: the same inputs give the same bytes.
pub fn json(comparison: &Comparison) -> String {
    let answer = match comparison.answer() {
        Answer::Same => "same",
        Answer::Different => "different",
        Answer::Within => "within",
        Answer::Beyond => "beyond",
    };
    let gate = comparison.gate.as_ref();
    let all = json!({
        "format_version": FORMAT_VERSION,
        "written_by": "headcount",
        "answer": answer,
        "said": answer_said(comparison),
        "fail_over": gate.map(|gate| gate.limit),
        "judged": gate.map(|gate| &gate.only),
        "beyond": comparison.failing().map(|one| &one.metric.name).collect::<Vec<_>>(),
        "a": side(&comparison.a),
        "b": side(&comparison.b),
        "seeds": comparison.seeds,
        "left_out": comparison.left_out,
        "same_digests": comparison.same_digests,
        "inputs": comparison.inputs,
        "confidence": super::change::CONFIDENCE,
        "metrics": comparison.metrics.iter().map(metric).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

fn side(side: &Side) -> Value {
    let runs = side.runs.iter().map(|(seed, run)| json!({ "seed": seed, "digest": run.digest }));
    json!({
        "named": side.label,
        "scenario": side.scenario,
        "pattern": side.pattern,
        "variant": side.variant,
        "read_from_folders": side.is_read,
        "runs": runs.collect::<Vec<_>>(),
    })
}

fn metric(one: &Compared) -> Value {
    json!({
        "name": one.metric.name,
        "unit": one.metric.unit,
        "better": one.metric.better,
        "change": one.change(),
        "mean_a": one.mean_a,
        "mean_b": one.mean_b,
        "pairs": one.pairs,
        "equal": one.equal,
        "difference": (one.pairs > 0).then(|| one.difference()),
        "half_width": one.half_width,
        "relative": one.relative(),
        "relative_half_width": one.relative_half_width(),
    })
}

/// `compare.csv`: a row for each metric.
pub fn metrics_csv(comparison: &Comparison) -> String {
    let head =
        ["metric", "unit", "change", "mean_a", "mean_b", "pairs", "equal", "difference", "half_width", "relative"];
    let rows = comparison.metrics.iter().map(|one| {
        let difference = (one.pairs > 0).then(|| one.difference());
        row(&[
            &one.metric.name,
            &one.metric.unit,
            &change_word(one.change()),
            &or_empty(one.mean_a),
            &or_empty(one.mean_b),
            &one.pairs,
            &one.equal,
            &or_empty(difference),
            &or_empty(one.half_width),
            &or_empty(one.relative()),
        ])
    });
    csv_text(head, rows)
}

/// `differences.csv`: a row for each metric and seed in which they differ.
pub fn differences_csv(comparison: &Comparison) -> String {
    let mut rows = Vec::new();
    for one in &comparison.metrics {
        for (seed, (a, b)) in comparison.seeds.iter().zip(&one.values).filter(|(_, (a, b))| a != b) {
            let difference = a.zip(*b).map(|(a, b)| b - a);
            rows.push(row(&[&one.metric.name, seed, &or_empty(*a), &or_empty(*b), &or_empty(difference)]));
        }
    }
    csv_text(["metric", "seed", "a", "b", "difference"], rows)
}

/// One word for a change.
pub fn change_word(change: Change) -> &'static str {
    match change {
        Change::Worse => "worse",
        Change::Better => "better",
        Change::Moved => "moved",
        Change::Unclear => "unclear",
        Change::Same => "same",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gate, side};
    use super::*;

    #[test]
    fn tables_and_json_say_the_same() {
        let (a, b) = (side("a", &[(100.0, 5.0), (200.0, 5.0)]), side("b", &[(150.0, 5.0), (250.0, 5.0)]));
        let comparison = Comparison::of(a, b, gate(0.05)).unwrap();
        let value: Value = serde_json::from_str(&json(&comparison)).unwrap();
        assert_eq!((&value["answer"], &value["beyond"]), (&json!("beyond"), &json!(["ack.p99_ms"])));
        assert_eq!((&value["seeds"], &value["metrics"][1]["change"]), (&json!([1, 2]), &json!("same")));
        assert_eq!(
            metrics_csv(&comparison).lines().nth(1),
            Some("ack.p99_ms,ms,worse,150,200,2,0,50,0,0.3333333333333333")
        );
        assert_eq!(
            differences_csv(&comparison),
            "metric,seed,a,b,difference\nack.p99_ms,1,100,150,50\nack.p99_ms,2,200,250,50\n"
        );
    }
}
