//! The parts of the report, in their order. A part without data is left out.

use headcount_workloads::bill::Prices;
use headcount_workloads::certificate::NOT_MODELLED;
use headcount_workloads::outcome::{Outcome, PropertyKind, Verdict};
use headcount_workloads::slo::Judged;

use super::html::{Cell, Narrow, escaped, list, paragraph, section, table};
use super::scale;
use super::{bill, certificate};
use crate::number::{count_of, duration_ms, duration_s, grouped, percent, three_digits};
use crate::plots::Drawn;
use crate::summary::{NOTHING, it_is, measured, reason, verdict_word, what_runs};
use crate::targets::{self, Met};

/// The short facts beside the verdict.
pub fn run_facts(outcome: &Outcome) -> String {
    let held = outcome.properties.iter().filter(|property| property.verdict == Verdict::Holds).count();
    facts(&[
        ("Scenario", outcome.scenario.clone()),
        ("Pattern", what_runs(outcome)),
        ("Seed", outcome.seed.to_string()),
        ("Digest", format!("{:016x}", outcome.digest)),
        ("Properties", format!("{held} of {} hold", outcome.properties.len())),
        ("Virtual time", duration_s(outcome.virtual_s)),
        ("Messages", grouped(outcome.messages)),
        ("Deliveries", grouped(outcome.deliveries)),
    ])
}

/// Short facts: name and value.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let fact =
        |(name, value): &(&str, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(value));
    format!("<dl class=\"facts\">\n{}</dl>\n", facts.iter().map(fact).collect::<String>())
}

/// What does not hold, and why, right below the verdict.
pub fn broken(outcome: &Outcome) -> String {
    let mut all: Vec<_> = outcome.properties.iter().filter(|property| property.verdict != Verdict::Holds).collect();
    all.sort_by_key(|property| std::cmp::Reverse(property.verdict));
    let line = |verdict: Verdict, name: &str, why: &str| {
        let word = verdict_word(verdict);
        let (name, why) = (escaped(name), escaped(why));
        format!("<li><span class=\"mark {word}\">{word}</span> <code>{name}</code>: {why}</li>\n")
    };
    let properties = all.iter().map(|property| line(property.verdict, property.name, &reason(property)));
    let missed = outcome.thresholds.iter().filter(|judged| judged.verdict() != Verdict::Holds);
    let missed = missed.map(|judged| line(judged.verdict(), &judged.threshold.to_string(), &it_is(judged)));
    let lines: String = properties.chain(missed).collect();
    if lines.is_empty() { lines } else { format!("<ul>\n{lines}</ul>\n") }
}

/// Everything below the head of the page.
pub fn all(outcome: &Outcome, plots: &[Drawn], repeat: &str, prices: Option<&Prices>) -> String {
    [
        result(outcome),
        thresholds(outcome),
        targets_table(outcome),
        properties(outcome),
        faults(outcome),
        alerts(outcome),
        scale::sections(outcome),
        plots_section(plots),
        readings(outcome),
        stations(outcome),
        limits(outcome),
        bill::section_of(outcome, prices),
        counts(outcome),
        certificate::section_of(outcome),
        not_modelled(),
        repeat_section(outcome, repeat),
    ]
    .concat()
}

fn result(outcome: &Outcome) -> String {
    if outcome.results.is_empty() && outcome.notes.is_empty() {
        return String::new();
    }
    let total: u64 = outcome.results.iter().map(|(_, votes)| votes).sum();
    let most = outcome.results.iter().map(|(_, votes)| *votes).max().unwrap_or(0).max(1);
    let bar = |(option, votes): &(String, u64)| {
        let share = if total == 0 { 0.0 } else { *votes as f64 / total as f64 };
        format!(
            "<span class=\"option\">{}</span><span class=\"track\"><span class=\"bar\" style=\"width:{:.1}%\"></span></span>\
             <span class=\"number\">{} ({})</span>\n",
            escaped(option),
            *votes as f64 * 100.0 / most as f64,
            grouped(*votes),
            percent(share)
        )
    };
    let mut body = String::new();
    if !outcome.results.is_empty() {
        let bars: String = outcome.results.iter().map(bar).collect();
        body = format!(
            "<div class=\"bars\">\n{bars}</div>\n{}",
            paragraph(&format!("{} in all.", count_of(total, "vote", "votes")))
        );
    }
    if !outcome.notes.is_empty() {
        body.push_str(&list(outcome.notes.iter().cloned()));
    }
    section("result", "The result", &body)
}

fn thresholds(outcome: &Outcome) -> String {
    if outcome.thresholds.is_empty() {
        return String::new();
    }
    let row = |judged: &Judged| {
        let verdict = judged.verdict();
        let word = match verdict {
            Verdict::Holds => "met",
            Verdict::Violated => "missed",
            Verdict::Inconclusive => "not measured",
        };
        vec![
            Cell::Code(judged.threshold.to_string()),
            Cell::Mark(verdict_word(verdict), word.to_string()),
            Cell::Text(measured(judged).unwrap_or_else(|| NOTHING.to_string())),
        ]
    };
    let rows: Vec<Vec<Cell>> = outcome.thresholds.iter().map(row).collect();
    let said = paragraph("What this scenario must measure. A missed threshold violates the run.");
    section("thresholds", "Thresholds", &(said + &table(Narrow::Cards, &["Threshold", "State", "Measured"], &rows)))
}

fn targets_table(outcome: &Outcome) -> String {
    let rows: Vec<Vec<Cell>> = targets::rows(outcome)
        .into_iter()
        .map(|row| {
            let met = match row.met {
                Met::Yes => Cell::Mark("holds", "met".to_string()),
                Met::No => Cell::Mark("violated", "missed".to_string()),
                Met::NotSaid => Cell::Text("–".to_string()),
            };
            let id = if row.id.is_empty() { "–" } else { row.id };
            vec![Cell::Text(id.into()), met, Cell::Text(row.what), Cell::Text(row.target), Cell::Text(row.measured)]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut body = table(Narrow::Cards, &["Id", "Met", "Requirement", "Target", "Measured"], &rows);
    if !outcome.latencies.is_empty() {
        body.push_str(&paragraph(match outcome.pattern.as_str() {
            "friends" => {
                "Coming and going run from the moment at which the user's own app was connected, or no longer was, to each \
                 friend's screen; a list runs from when it was asked for."
            }
            "station" => "A sojourn is the time from a job's arrival at the station to the end of its service.",
            _ => {
                "Latencies run from the intended start, so a client that had to wait before it could send is not left out."
            }
        }));
    }
    section("targets", "Target against measured", &body)
}

fn properties(outcome: &Outcome) -> String {
    if outcome.properties.is_empty() {
        return String::new();
    }
    let kind = |kind: PropertyKind| match kind {
        PropertyKind::Always => "always",
        PropertyKind::Sometimes => "sometimes",
        PropertyKind::Eventually => "eventually",
    };
    let row = |property: &headcount_workloads::outcome::PropertyResult| {
        let word = verdict_word(property.verdict);
        vec![
            Cell::Code(property.name.to_string()),
            Cell::Mark(word, word.to_string()),
            Cell::Text(kind(property.kind).to_string()),
            Cell::Number(grouped(property.times_checked)),
            Cell::Text(property.promise.to_string()),
        ]
    };
    let rows: Vec<Vec<Cell>> = outcome.properties.iter().map(row).collect();
    let said = "Always: at every check. Sometimes: seen at least once (its number is how often), so that its always says something. Eventually: \
                within a bound once the faults have healed.";
    let body = table(Narrow::Cards, &["Property", "Verdict", "Kind", "#Checked", "Promise"], &rows) + &paragraph(said);
    section("properties", "Properties", &body)
}

fn faults(outcome: &Outcome) -> String {
    if outcome.faults.is_empty() {
        return section("faults", "Faults", &paragraph("No fault was planned in this run."));
    }
    let row = |fault: &headcount_workloads::outcome::FaultWindow| {
        vec![
            Cell::Number(format!("{} s", three_decimals(fault.from_s))),
            Cell::Number(format!("{} s", three_decimals(fault.to_s))),
            Cell::Number(duration_s(fault.to_s - fault.from_s)),
            Cell::Code(fault.kind.clone()),
            Cell::Text(fault.label.clone()),
        ]
    };
    let rows: Vec<Vec<Cell>> = outcome.faults.iter().map(row).collect();
    section("faults", "Faults", &table(Narrow::Cards, &["#From", "#To", "#Lasted", "Kind", "What it did"], &rows))
}

fn alerts(outcome: &Outcome) -> String {
    if outcome.alerts.is_empty() {
        return String::new();
    }
    let row = |alert: &headcount_workloads::outcome::Alert| {
        let mark = if alert.fired { ("violated", "went off") } else { ("holds", "quiet") };
        let advice = if alert.fired { alert.advice } else { "\u{2013}" };
        vec![
            Cell::Code(alert.name.to_string()),
            Cell::Mark(mark.0, mark.1.to_string()),
            Cell::Text(alert.condition.to_string()),
            Cell::Text(alert.measured.clone()),
            Cell::Text(advice.to_string()),
        ]
    };
    let rows: Vec<Vec<Cell>> = outcome.alerts.iter().map(row).collect();
    let said = paragraph("Whom the document's dashboards would have called during this run. An alert is no verdict.");
    let headings = ["Alert", "State", "Goes off when", "Measured", "What to do"];
    section("alerts", "Alerts", &(said + &table(Narrow::Cards, &headings, &rows)))
}

/// A moment in seconds, to the millisecond.
fn three_decimals(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// The plots of a page.
pub(crate) fn plots_section(plots: &[Drawn]) -> String {
    if plots.is_empty() {
        return String::new();
    }
    // Inside a page an SVG needs no namespace, and every byte that looks like an address is one to explain.
    let figure = |plot: &Drawn| {
        let svg = plot.svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
        format!("<figure id=\"plot-{}\">\n{svg}</figure>\n", plot.name)
    };
    let body: String = plots.iter().map(figure).collect();
    let hint = "<p class=\"quiet narrow-only\">Plots are wider than this page: move them sideways.</p>\n";
    section("plots", "Plots", &format!("{hint}<div class=\"plots\">\n{body}</div>\n"))
}

fn readings(outcome: &Outcome) -> String {
    if outcome.readings.is_empty() {
        return String::new();
    }
    let row = |reading: &headcount_workloads::outcome::Reading| {
        vec![
            Cell::Code(reading.id.to_string()),
            Cell::Text(reading.document.to_string()),
            Cell::Text(reading.reading.to_string()),
        ]
    };
    let rows: Vec<Vec<Cell>> = outcome.readings.iter().map(row).collect();
    let said = paragraph("Where the documents' numbers cannot all hold, and how they were read.");
    section("readings", "Readings", &(said + &table(Narrow::Cards, &["Id", "The document", "The reading"], &rows)))
}

fn stations(outcome: &Outcome) -> String {
    if outcome.stations.is_empty() {
        return String::new();
    }
    let row = |station: &headcount_workloads::outcome::StationFigures| {
        vec![
            Cell::Code(station.node.clone()),
            Cell::Text(station.kind.clone()),
            Cell::Text(station.region.clone()),
            Cell::Number(grouped(u64::from(station.servers))),
            Cell::Number(percent(station.utilisation)),
            Cell::Number(percent(station.utilisation_peak)),
            Cell::Number(grouped(station.arrivals)),
            Cell::Number(grouped(station.refused)),
            Cell::Number(duration_ms(station.wait_mean_ms)),
            Cell::Number(duration_ms(station.service_mean_ms)),
            Cell::Number(three_digits(station.queue_mean)),
            Cell::Number(grouped(station.queue_max)),
        ]
    };
    let rows: Vec<Vec<Cell>> = outcome.stations.iter().map(row).collect();
    let headings = [
        "Node",
        "Kind",
        "Region",
        "#Servers",
        "#Utilisation",
        "#Busiest second",
        "#Arrivals",
        "#Refused",
        "#Mean wait",
        "#Mean service",
        "#Mean queue",
        "#Longest queue",
    ];
    section("stations", "Stations", &table(Narrow::Scroll, &headings, &rows))
}

fn limits(outcome: &Outcome) -> String {
    let toml = escaped(&outcome.scenario_toml);
    let row = |(field, value, source): &(String, String, String)| {
        vec![Cell::Code(field.clone()), Cell::Number(value.clone()), Cell::Text(source.clone())]
    };
    let rows: Vec<Vec<Cell>> = outcome.limits.iter().map(row).collect();
    let numbers = if rows.is_empty() {
        String::new()
    } else {
        let count = count_of(rows.len() as u64, "limit", "limits");
        let table = table(Narrow::Cards, &["Limit", "#Value", "Where it was read"], &rows);
        format!("<details>\n<summary>{count}, each with its source</summary>\n{table}</details>\n")
    };
    let body = format!(
        "<p>The platform's limits are those of the profile <code>{}</code>.</p>\n{numbers}\
         <details>\n<summary>The scenario as it was run, every key written out</summary>\n<pre>{toml}</pre>\n</details>\n",
        escaped(&outcome.limits_profile)
    );
    section("limits", "Limits and scenario", &body)
}

fn counts(outcome: &Outcome) -> String {
    let figures =
        outcome.figures.iter().map(|(name, value)| vec![Cell::Code(name.clone()), Cell::Number(three_digits(*value))]);
    let counters =
        outcome.counters.iter().map(|(name, count)| vec![Cell::Code(name.clone()), Cell::Number(grouped(*count))]);
    let (figures, counters): (Vec<_>, Vec<_>) = (figures.collect(), counters.collect());
    let mut body = String::new();
    for (what, heading, rows) in [("figures", "#Value", figures), ("counters", "#Count", counters)] {
        if !rows.is_empty() {
            let summary = format!("{} {what}", grouped(rows.len() as u64));
            body.push_str(&format!(
                "<details>\n<summary>{summary}</summary>\n{}</details>\n",
                table(Narrow::Scroll, &["Name", heading], &rows)
            ));
        }
    }
    if body.is_empty() { body } else { section("counts", "Figures and counters", &body) }
}

fn not_modelled() -> String {
    section("not-modelled", "What is not modelled", &list(NOT_MODELLED.iter().map(|item| item.to_string())))
}

fn repeat_section(outcome: &Outcome, repeat: &str) -> String {
    let body = format!(
        "<pre>{}</pre>\n<p>The same version of Headcount gives the digest <code>{:016x}</code> again, and every file \
         of this folder byte for byte; in <code>run.json</code> alone the last two fields belong to the machine.</p>\n",
        escaped(repeat),
        outcome.digest
    );
    section("repeat", "Run it again", &body)
}
