//! What a plan for friends says of storms: how long one lasts, what it makes of each lost connection, and whether the
//! system comes back.

use headcount_workloads::plan::storm::{Storm, Storms};

use super::{Cell, Narrow, duration_ms, grouped, paragraph, percent, section, table, three_digits};
use crate::report::scale;

/// What a plan's page says of storms.
pub fn sections(storms: &Storms) -> String {
    [summary(storms), sizes(storms), jitter(storms), map(storms), told(storms)].concat()
}

fn summary(storms: &Storms) -> String {
    section(
        "storm",
        "When connections are lost together",
        &paragraph(&format!("{}. {}", heading(storms), said(storms))),
    )
}

/// Whether everybody was connected again after each storm of the whole crowd.
pub fn always_back(storms: &Storms) -> bool {
    storms.storms.iter().all(|storm| storm.back_s.is_some())
}

/// The answer in a few words: of the largest storm.
pub fn heading(storms: &Storms) -> String {
    match storms.storms.last() {
        Some(Storm { back_s: Some(_), drain_s, .. }) => format!("Drained after {}", duration_ms(drain_s * 1000.0)),
        _ => "People do not come back".to_string(),
    }
}

/// How long until everybody is connected again.
fn back(storm: &Storm) -> String {
    storm.back_s.map_or_else(|| "never".to_string(), |back| duration_ms(back * 1000.0))
}

/// What a storm of everybody comes to, and where goodput stays away.
pub fn said(storms: &Storms) -> String {
    let largest = storms.storms.last().map_or_else(String::new, |storm| {
        format!(
            "All {} connections are lost and come back together: {} events for each (presence events, executions, publishes), \
             everybody is connected {} after the cut. ",
            grouped(storm.lost as u64),
            three_digits(storm.amplification),
            back(storm)
        )
    });
    largest + &boundary(storms)
}

fn boundary(storms: &Storms) -> String {
    let stuck = storms.map.iter().filter(|cell| !cell.comes_back).map(|cell| cell.load);
    match stuck.min_by(f64::total_cmp) {
        _ if storms.map.is_empty() => String::new(),
        None => "On the map goodput comes back at every load.".to_string(),
        Some(load) => {
            format!("On the map goodput has not come back after a minute from a load of {:.0} % on.", load * 100.0)
        }
    }
}

fn sizes(storms: &Storms) -> String {
    let row = |storm: &Storm| {
        vec![
            Cell::Number(percent(storm.share)),
            Cell::Number(grouped(storm.lost as u64)),
            Cell::Number(back(storm)),
            Cell::Number(duration_ms(storm.drain_s * 1000.0)),
            Cell::Number(three_digits(storm.presence_events)),
            Cell::Number(three_digits(storm.executions)),
            Cell::Number(three_digits(storm.publishes)),
            Cell::Number(three_digits(storm.kv_operations)),
            Cell::Number(three_digits(storm.list_pages)),
        ]
    };
    let headings =
        ["#Cut off", "#Lost", "#All back", "#Drained", "#Presence", "#Executions", "#Publishes", "#KV", "#Pages"];
    let rows: Vec<Vec<Cell>> = storms.storms.iter().map(row).collect();
    let said = "All back: 99 % of the people connected again, from the end of the cut. Drained: 99 % of the work done that the \
                storm made. The others are counts for each lost connection, more than without the storm.";
    section("storms", "Storms by their size", &(table(Narrow::Scroll, &headings, &rows) + &paragraph(said)))
}

fn map(storms: &Storms) -> String {
    let row = |cell: &headcount_workloads::plan::storm::Cell| {
        let back =
            if cell.comes_back { Cell::Mark("holds", "yes".into()) } else { Cell::Mark("violated", "no".into()) };
        vec![
            Cell::Number(percent(cell.load)),
            Cell::Number(percent(cell.utilisation)),
            Cell::Number(percent(cell.share)),
            back,
            Cell::Number(three_digits(cell.goodput_per_s)),
            Cell::Number(three_digits(cell.calm_per_s)),
            Cell::Number(three_digits(cell.errors_per_s)),
        ]
    };
    if storms.map.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> = storms.map.iter().map(row).collect();
    let headings = ["#Load", "#Measured", "#Cut off", "Comes back", "#Goodput", "#In the calm", "#Errors"];
    let said = paragraph(&format!(
        "{} Goodput is screens changed a second, {} people, in the last ten of the sixty seconds after the cut.",
        boundary(storms),
        grouped(u64::from(storms.map_users))
    ));
    section("metastability", "After the trigger is gone", &(said + &table(Narrow::Scroll, &headings, &rows)))
}

/// The largest storm, by how clients wait before they try again.
fn jitter(storms: &Storms) -> String {
    let (Some(apart), Some(in_step)) = (storms.storms.last(), &storms.in_step) else { return String::new() };
    let row = |(says, storm): (&str, &Storm)| {
        vec![
            Cell::Text(says.to_string()),
            Cell::Number(back(storm)),
            Cell::Number(duration_ms(storm.drain_s * 1000.0)),
            Cell::Number(format!("{}/s", three_digits(storm.busiest_per_s))),
            Cell::Number(three_digits(storm.amplification)),
            Cell::Number(three_digits(storm.errors)),
        ]
    };
    let rows = [("each for a time of its own (jitter)", apart), ("all for the same time, in step", in_step)].map(row);
    let headings = ["Clients wait", "#All back", "#Drained", "#Busiest second", "#Events for each", "#Errors for each"];
    let said =
        "Either way a client that fails waits longer each time: up to 1, 2, 4, then 8 s (friends.reconnect_jitter).";
    section("jitter", "Jitter and backoff", &(table(Narrow::Cards, &headings, &rows) + &paragraph(said)))
}

/// Inboxes against channel groups, by what the calm took.
fn told(storms: &Storms) -> String {
    let told = storms.told;
    let row = |(what, count): (&str, f64)| vec![Cell::Text(what.to_string()), Cell::Number(grouped(count as u64))];
    let rows = [
        ("Times that somebody came or went", told.changes),
        ("Publishes with channel groups, measured", told.groups),
        ("Publishes with an inbox for each friend, for the same statuses", told.inboxes),
        ("Deliveries, the same either way", told.deliveries),
    ];
    let body = table(Narrow::Cards, &["In the calm", "#Count"], &rows.map(row)) + &scale::document();
    section("fan-out", "Inboxes against channel groups", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::storms;

    #[test]
    fn the_page_says_how_long_it_lasts_and_where_goodput_stays_away() {
        let storms = storms();
        let page = sections(&storms);
        for text in [
            "Drained after 8 s",
            "4.5 events for each",
            "has not come back after a minute from a load of 95 % on",
            "id=\"metastability\"",
            "id=\"jitter\"",
            "640/s",
            "4,500",
        ] {
            assert!(page.contains(text), "{text}");
        }
        assert!(!page.contains("http:") && !page.contains("<script"));
    }

    #[test]
    fn people_who_never_come_back_are_no_answer() {
        let mut storms = storms();
        storms.storms.last_mut().unwrap().back_s = None;
        assert!(heading(&storms).contains("do not come back") && !always_back(&storms));
    }
}
