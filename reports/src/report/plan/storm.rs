//! `report.html` of a plan for friends: how long a storm lasts, what it makes of each lost connection, and whether the
//! system comes back.

use headcount_workloads::plan::storm::{Storm, Storms};
use headcount_workloads::plan::{Judgement, Setting};
use serde_json::Value;

use super::{
    Cell, Narrow, certificate, duration_ms, escaped, grouped, paragraph, percent, section, table, three_digits, value,
};
use crate::plan::Asked;
use crate::plots::Drawn;
use crate::report::sections::plots_section;
use crate::report::{Page, page};

/// The page. `judged` is the SLO in the calm.
pub fn html(asked: &Asked, storms: &Storms, judged: &[Judgement], plots: &[Drawn], certificate: &Value) -> String {
    let met = judged.iter().all(|one| one.met);
    let heading = heading(storms);
    let sections = [
        sizes(storms),
        map(storms),
        objectives(judged),
        plots_section(plots),
        configuration(&asked.own),
        certificate::section_of(certificate),
        repeat(asked),
    ];
    let load = format!(
        "{} people, {}/s come or go",
        grouped(u64::from(asked.demand.users)),
        three_digits(asked.demand.rate_per_s)
    );
    page(&Page {
        kind: "Headcount storm plan",
        title: format!("Storms of {}: {heading}", asked.scenario),
        class: if met && always_back(storms) { "holds" } else { "violated" },
        word: heading,
        beside: load,
        said: said(storms),
        head: String::new(),
        sections: sections.concat(),
    })
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

/// What a storm of everybody comes to, and where goodput stays away.
pub fn said(storms: &Storms) -> String {
    let largest = storms.storms.last().map_or_else(String::new, |storm| {
        format!(
            "All {} connections are lost and come back together: {} events for each (presence events, executions, publishes), \
             everybody is connected {} after the cut. ",
            grouped(storm.lost as u64),
            three_digits(storm.amplification),
            storm.back_s.map_or_else(|| "never".to_string(), |back| duration_ms(back * 1000.0))
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
            Cell::Number(storm.back_s.map_or_else(|| "never".into(), |back| duration_ms(back * 1000.0))),
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

fn objectives(judged: &[Judgement]) -> String {
    let row = |judged: &Judgement| {
        let met = if judged.met { ("holds", "met") } else { ("violated", "missed") };
        vec![Cell::Code(judged.threshold.clone()), Cell::Mark(met.0, format!("{}, {}", value(judged), met.1))]
    };
    let rows: Vec<Vec<Cell>> = judged.iter().map(row).collect();
    section("objectives", "The SLO, in the calm", &table(Narrow::Cards, &["Objective", "Measured"], &rows))
}

fn configuration(own: &[Setting]) -> String {
    let row = |setting: &Setting| {
        vec![Cell::Text(setting.says.clone()), Cell::Code(format!("{} = {}", setting.key, setting.value))]
    };
    let rows: Vec<Vec<Cell>> = own.iter().map(row).collect();
    section("answer", "The configuration", &table(Narrow::Cards, &["With", "Key"], &rows))
}

fn repeat(asked: &Asked) -> String {
    section("repeat", "Plan it again", &format!("<pre>{}</pre>\n", escaped(&asked.repeat)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{asked, storms};
    use crate::plots;

    #[test]
    fn the_page_says_how_long_it_lasts_and_where_goodput_stays_away() {
        let storms = storms();
        let page = html(&asked(), &storms, &[], &plots::plan::storm::draw_all(&storms), &Value::Null);
        for text in [
            "Drained after 8 s",
            "4.5 events for each",
            "has not come back after a minute from a load of 95 % on",
            "id=\"metastability\"",
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
