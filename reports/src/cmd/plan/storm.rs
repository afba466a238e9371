//! A plan for friends: what the scenario's configuration makes of people who lose their connections together.

use std::path::Path;
use std::process::ExitCode;

use headcount_reports::plan::Asked;
use headcount_reports::table::{csv_text, or_empty, row};
use headcount_reports::{plots, report};
use headcount_workloads::plan::storm::{self, StormQuestion, Storms};
use headcount_workloads::plan::{Judgement, Promise};
use headcount_workloads::slo::Slo;
use serde_json::{Value, json};

use super::bench::Bench;
use super::files;
use crate::cli::PlanOptions;
use crate::terminal::{self, Problem};

/// Runs the storms, writes their folder, and says what came out: status 1 if the SLO is missed in the calm, or people do
/// not come back.
///
/// # Errors
/// Wrong input, or files that cannot be written.
pub fn plan(
    options: &PlanOptions,
    question: &StormQuestion<'_>,
    (asked, slo): (&Asked, &Slo),
    bench: &Bench,
    folder: &Path,
) -> Result<ExitCode, Problem> {
    let storms = storm::storms(question, bench).map_err(Problem::new)?;
    let judged = Promise::judge(slo, &|name: &str| storms.calm.metric(name));
    let certificate = certificate(question);
    let text = text(asked, &storms, &judged, &certificate);
    let drawn = plots::plan::storm::draw_all(&storms);
    let page = report::plan::storm::html(asked, &storms, &judged, &drawn, &certificate);
    let mut all = vec![
        ("plan.json".to_string(), text.clone()),
        ("storm.csv".to_string(), storm_table(&storms)),
        ("metastability.csv".to_string(), map_table(&storms)),
        ("report.html".to_string(), page),
    ];
    all.extend(drawn.into_iter().map(|plot| (format!("plots/{}.svg", plot.name), plot.svg)));
    files::put(folder, all)?;
    let met = judged.iter().all(|one| one.met);
    let missed: Vec<String> =
        judged.iter().filter(|one| !one.met).map(|one| format!("in the calm {} is missed\n", one.threshold)).collect();
    let (heading, answer) = (report::plan::storm::heading(&storms), report::plan::storm::said(&storms));
    let said =
        format!("{heading}. {answer}\n{}files: {1}, {1}/report.html to read\n", missed.concat(), folder.display());
    terminal::print(if options.json { &text } else { &said })?;
    Ok(ExitCode::from(u8::from(!(met && report::plan::storm::always_back(&storms)))))
}

fn certificate(question: &StormQuestion<'_>) -> Value {
    json!({
        "storm": "everybody of so many regions is cut off from all edges for two seconds longer than the presence timeout of 20 s",
        "calm": "the same seed without the cut: what is counted for a lost connection is what came on top of it",
        "seed": question.seed,
        "map": "a small crowd on stations of one server, slowed down until the fullest is as full as asked for",
        "not_modelled": ["client jitter and backoff other than the clients' own"],
    })
}

fn text(asked: &Asked, storms: &Storms, judged: &[Judgement], certificate: &Value) -> String {
    let all = json!({
        "format_version": 1,
        "scenario": asked.scenario,
        "users": asked.demand.users,
        "rate_per_s": asked.demand.rate_per_s,
        "slo": asked.slo,
        "slo_in_the_calm": judged,
        "configuration": asked.own,
        "storms": storms,
        "certificate": certificate,
    });
    format!("{all:#}\n")
}

fn storm_table(storms: &Storms) -> String {
    let head = [
        "regions",
        "share",
        "lost_connections",
        "back_s",
        "drain_s",
        "presence_events",
        "executions",
        "publishes",
        "kv_operations",
        "list_pages",
        "amplification",
    ];
    let rows = storms.storms.iter().map(|one| {
        row(&[
            &one.regions,
            &one.share,
            &one.lost,
            &or_empty(one.back_s),
            &one.drain_s,
            &one.presence_events,
            &one.executions,
            &one.publishes,
            &one.kv_operations,
            &one.list_pages,
            &one.amplification,
        ])
    });
    csv_text(head, rows)
}

fn map_table(storms: &Storms) -> String {
    let head = ["share", "load", "utilisation", "comes_back", "goodput_per_s", "calm_per_s", "errors_per_s"];
    let rows = storms.map.iter().map(|cell| {
        let (share, load, full, back) = (&cell.share, &cell.load, &cell.utilisation, &cell.comes_back);
        row(&[share, load, full, back, &cell.goodput_per_s, &cell.calm_per_s, &cell.errors_per_s])
    });
    csv_text(head, rows)
}
