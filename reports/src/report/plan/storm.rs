//! What a plan says of storms: how long one lasts, what it makes of each lost connection, and whether the
//! system comes back.

use headcount_workloads::plan::metastability;
use headcount_workloads::plan::storm::{Storm, Storms, Told};

use super::{Cell, Narrow, capital, grouped, paragraph, percent, section, table, three_digits};
use crate::number::{duration_s, whole_percent};
use crate::report::scale;

/// What a plan's page says of storms.
pub fn sections(storms: &Storms) -> String {
    let told = storms.told.as_ref().map(told).unwrap_or_default();
    [summary(storms), sizes(storms), jitter(storms), map(storms), told].concat()
}

/// How long storms were watched.
fn watched(storms: &Storms) -> String {
    duration_s(f64::from(storms.says.watched_s))
}

fn or_never(storms: &Storms, seconds: Option<f64>) -> String {
    seconds.map_or_else(|| format!("not in {}", watched(storms)), duration_s)
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
        Some(Storm { back_s: Some(_), drain_s: Some(drain_s), .. }) => {
            format!("Drained after {}", duration_s(*drain_s))
        }
        Some(Storm { back_s: Some(_), drain_s: None, .. }) => format!("Not drained after {}", watched(storms)),
        _ => "People do not come back".to_string(),
    }
}

/// What a storm of everybody comes to, and where goodput stays away.
pub fn said(storms: &Storms) -> String {
    let largest = storms.storms.last().map_or_else(String::new, |storm| {
        format!(
            "All {} connections are lost and come back together: {} events for each ({}), everybody is connected {} after the \
             cut. ",
            grouped(storm.lost as u64),
            three_digits(storm.amplification),
            storm.counts.iter().filter(|count| count.is_event).map(|count| count.says).collect::<Vec<_>>().join(", "),
            or_never(storms, storm.back_s)
        )
    });
    largest + &boundary(storms)
}

fn boundary(storms: &Storms) -> String {
    let cells = &storms.map.cells;
    let stuck = cells.iter().filter(|cell| cell.carried && cell.back_s.is_none()).map(|cell| cell.load);
    let latest_s = cells.iter().filter(|cell| cell.carried).filter_map(|cell| cell.back_s).fold(0.0, f64::max);
    match stuck.min_by(f64::total_cmp) {
        _ if cells.is_empty() => "There are too few people for a map of metastability.".to_string(),
        None if latest_s == 0.0 => "On the map goodput comes back at once at every load.".to_string(),
        None => {
            format!("On the map goodput comes back at every load, at the latest after {}.", duration_s(latest_s))
        }
        Some(load) => {
            format!(
                "On the map goodput has not come back after {} from a load of {} on.",
                watched(storms),
                whole_percent(load)
            )
        }
    }
}

fn sizes(storms: &Storms) -> String {
    let row = |storm: &Storm| {
        let first = [
            percent(storm.share),
            grouped(storm.lost as u64),
            or_never(storms, storm.back_s),
            or_never(storms, storm.drain_s),
        ];
        let counts = storm.counts.iter().map(|count| three_digits(count.each));
        first.into_iter().chain(counts).map(Cell::Number).collect()
    };
    let first = ["#Cut off", "#Lost", "#All back", "#Drained"].map(str::to_string);
    let counts = storms.storms.first().map_or(&[][..], |storm| &storm.counts);
    let headings: Vec<String> =
        first.into_iter().chain(counts.iter().map(|count| format!("#{}", capital(count.says)))).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let rows: Vec<Vec<Cell>> = storms.storms.iter().map(row).collect();
    let said = format!(
        "All back: 99 % of the people connected again, from the end of the cut. Drained: 99 % of the work done that the storm made \
         ({}). The others are counts for each lost connection, more than without the storm.",
        storms.says.work
    );
    section("storms", "Storms by their size", &(table(Narrow::Scroll, &headings, &rows) + &paragraph(&said)))
}

fn map(storms: &Storms) -> String {
    let row = |cell: &metastability::Cell| {
        let back = match cell.back_s {
            _ if !cell.carried => Cell::Mark("inconclusive", "too much".into()),
            Some(0.0) => Cell::Mark("holds", "at once".into()),
            Some(back_s) => Cell::Mark("holds", format!("after {}", duration_s(back_s))),
            None => Cell::Mark("violated", "no".into()),
        };
        vec![
            Cell::Number(percent(cell.load)),
            Cell::Number(percent(cell.utilisation)),
            Cell::Number(percent(cell.share)),
            back,
            Cell::Number(three_digits(cell.goodput_per_s)),
            Cell::Number(three_digits(cell.calm_per_s)),
            Cell::Number(three_digits(cell.trouble_per_s)),
        ]
    };
    if storms.map.cells.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> = storms.map.cells.iter().map(row).collect();
    let trouble = format!("#{}", capital(storms.says.trouble));
    let headings = ["#Load", "#Measured", "#Cut off", "Comes back", "#Goodput", "#In the calm", &trouble];
    let said = paragraph(&format!(
        "{} Goodput is {} a second, of {} people; it is back when it is nine tenths of the calm's and stays there, and a load is too much when the calm itself does not carry it. The figures are of \
         the last ten seconds that were watched.",
        boundary(storms),
        storms.says.goodput,
        grouped(u64::from(storms.map.users))
    ));
    section("metastability", "After the trigger is gone", &(said + &table(Narrow::Scroll, &headings, &rows)))
}

/// The largest storm, by how clients wait before they try again.
fn jitter(storms: &Storms) -> String {
    let (Some(apart), Some(in_step)) = (storms.storms.last(), &storms.in_step) else { return String::new() };
    let row = |(says, storm): (&str, &Storm)| {
        vec![
            Cell::Text(says.to_string()),
            Cell::Number(or_never(storms, storm.back_s)),
            Cell::Number(or_never(storms, storm.drain_s)),
            Cell::Number(format!("{}/s", three_digits(storm.busiest_per_s))),
            Cell::Number(three_digits(storm.amplification)),
            Cell::Number(three_digits(storm.trouble)),
        ]
    };
    let rows = [("each for a time of its own (jitter)", apart), ("all for the same time, in step", in_step)].map(row);
    let trouble = format!("#{} for each", capital(storms.says.trouble));
    let headings = ["Clients wait", "#All back", "#Drained", "#Busiest second", "#Events for each", &trouble];
    let said = format!(
        "Either way a client that fails waits longer each time: up to 1, 2, 4, then 8 s ({}).",
        storms.says.jitter_key
    );
    section("jitter", "Jitter and backoff", &(table(Narrow::Cards, &headings, &rows) + &paragraph(&said)))
}

/// Inboxes against channel groups, by what the calm took.
fn told(told: &Told) -> String {
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
            "has not come back after 5 min from a load of 95 % on",
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
