//! What a plan for friends adds: storms of the answer's configuration, as tables and as words.

use headcount_reports::report;
use headcount_reports::table::{csv_text, or_empty, row};
use headcount_workloads::plan::storm::{Storms, WATCHED_S};
use serde_json::{Value, json};

/// How storms are made, for the certificate.
pub fn how() -> Value {
    json!({
        "storm": "everybody of so many regions is cut off from all edges for two seconds longer than the presence timeout of 20 s, \
                  in the answer's configuration, with the first seed",
        "calm": "the same seed without the cut: what is counted for a lost connection is what came on top of it",
        "map": "a small crowd on stations of one server, slowed down until the fullest is as full as asked for in the calm; goodput is back \
                from the end of the last ten seconds with less than nine tenths of the screens, or of the people online, of the calm",
        "watched_s": WATCHED_S,
    })
}

/// What storms come to, in words.
pub fn said(storms: &Storms) -> String {
    format!("{}. {}\n", report::plan::storm::heading(storms), report::plan::storm::said(storms))
}

/// The tables, each with its name.
pub fn tables(storms: &Storms) -> [(&'static str, String); 3] {
    [("storm.csv", storm_table(storms)), ("jitter.csv", jitter_table(storms)), ("metastability.csv", map_table(storms))]
}

/// The largest storm, with jitter and in step.
fn jitter_table(storms: &Storms) -> String {
    let head = ["jitter", "back_s", "drain_s", "busiest_per_s", "amplification", "errors"];
    let both = storms.storms.last().map(|storm| (true, storm)).into_iter();
    let both = both.chain(storms.in_step.as_ref().map(|storm| (false, storm)));
    let rows = both.map(|(jitter, one)| {
        let (back, drain) = (or_empty(one.back_s), or_empty(one.drain_s));
        row(&[&jitter, &back, &drain, &one.busiest_per_s, &one.amplification, &one.errors])
    });
    csv_text(head, rows)
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
            &or_empty(one.drain_s),
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
    let head = ["share", "load", "utilisation", "back_s", "goodput_per_s", "calm_per_s", "errors_per_s"];
    let rows = storms.map.cells.iter().map(|cell| {
        let (share, load, full, back) = (&cell.share, &cell.load, &cell.utilisation, &or_empty(cell.back_s));
        row(&[share, load, full, back, &cell.goodput_per_s, &cell.calm_per_s, &cell.errors_per_s])
    });
    csv_text(head, rows)
}
