//! Storms of the answer's configuration, as tables and as words.

use headcount_reports::report;
use headcount_reports::table::{csv_text, or_empty, row};
use headcount_workloads::plan::storm::Storms;
use serde_json::{Value, json};

/// How storms are made, for the certificate.
pub fn how(storms: &Storms) -> Value {
    json!({
        "storm": "everybody of so many regions is cut off from all edges, in the answer's configuration, with the first seed: friends for two \
                  seconds longer than the presence timeout of 20 s, voters for 10 s, after which everybody has noticed",
        "calm": "the same seed without the cut: what is counted for a lost connection is what came on top of it",
        "map": "a small crowd on stations of one server, slowed down until the fullest is as full as asked for in the calm; goodput is back \
                from the end of the last ten seconds with less than nine tenths of the screens, or of the people online, of the calm",
        "watched_s": storms.says.watched_s,
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
    let head = ["jitter", "back_s", "drain_s", "busiest_per_s", "amplification", "trouble"];
    let both = storms.storms.last().map(|storm| (true, storm)).into_iter();
    let both = both.chain(storms.in_step.as_ref().map(|storm| (false, storm)));
    let rows = both.map(|(jitter, one)| {
        let (back, drain) = (or_empty(one.back_s), or_empty(one.drain_s));
        row(&[&jitter, &back, &drain, &one.busiest_per_s, &one.amplification, &one.trouble])
    });
    csv_text(head, rows)
}

fn storm_table(storms: &Storms) -> String {
    let counted = storms.storms.first().map_or(&[][..], |storm| &storm.counts);
    let first = ["regions", "share", "lost_connections", "back_s", "drain_s"];
    let head = first.into_iter().chain(counted.iter().map(|count| count.name)).chain(["amplification"]);
    let rows = storms.storms.iter().map(|one| {
        let first = row(&[&one.regions, &one.share, &one.lost, &or_empty(one.back_s), &or_empty(one.drain_s)]);
        let counts = one.counts.iter().map(|count| count.each).chain([one.amplification]);
        first.into_iter().chain(counts.map(|count| count.to_string()))
    });
    csv_text(head, rows)
}

fn map_table(storms: &Storms) -> String {
    let head = ["share", "load", "utilisation", "carried", "back_s", "goodput_per_s", "calm_per_s", "trouble_per_s"];
    let rows = storms.map.cells.iter().map(|cell| {
        let (share, load, full, back) = (&cell.share, &cell.load, &cell.utilisation, &or_empty(cell.back_s));
        row(&[share, load, full, &cell.carried, back, &cell.goodput_per_s, &cell.calm_per_s, &cell.trouble_per_s])
    });
    csv_text(head, rows)
}
