//! `report.html` of a plan: the answer first, then why, then figures, then the certificate. One file, no script, no request.

mod certificate;
mod cost;
mod growth;
mod sections;
pub mod storm;

use headcount_workloads::plan::Judgement;
use serde_json::Value;

use super::html::{Cell, Narrow, escaped, list, paragraph, section, table};
use super::sections::plots_section;
use super::{Page, page};
use crate::number::{duration_ms, grouped, percent, three_digits};
use crate::plan::{Answer, Plan};
use crate::plots::Drawn;

/// The page. `certificate` is that of plan.json.
pub fn html(plan: &Plan<'_>, plots: &[Drawn], certificate: &Value) -> String {
    let class = if keeps(plan) { "holds" } else { "violated" };
    let heading = heading(plan);
    let load = match plan.asked.demand.users {
        0 => format!("for {}/s", rate(plan)),
        users => format!("for {} people and {}/s", grouped(u64::from(users)), rate(plan)),
    };
    let sections = [
        sections::answer(plan),
        sections::why(plan),
        sections::objectives(plan),
        plots_section(plots),
        sections::faults(plan),
        sections::utilisation(plan),
        sections::ladder(plan),
        sections::scaling(plan),
        cost::section_of(plan),
        growth::section_of(plan.grown),
        plan.storms.map(storm::sections).unwrap_or_default(),
        sections::tried(plan),
        certificate::section_of(certificate),
        sections::repeat(plan),
    ];
    page(&Page {
        kind: "Headcount capacity plan",
        title: format!("Plan of {}: {heading}", plan.asked.scenario),
        class,
        word: heading,
        beside: load,
        said: said(plan),
        head: sections::facts(plan),
        sections: sections.concat(),
    })
}

/// Whether there is an answer that everybody was carried with, and everybody comes back after a storm.
fn keeps(plan: &Plan<'_>) -> bool {
    plan.found.is_ok_and(|answer| answer.everybody.meets) && plan.storms.is_none_or(storm::always_back)
}

fn rate(plan: &Plan<'_>) -> String {
    three_digits(plan.asked.demand.rate_per_s)
}

/// The answer in a few words.
fn heading(plan: &Plan<'_>) -> String {
    match plan.found {
        Err(_) => "No configuration keeps it".to_string(),
        Ok(answer) => {
            let settings = answer.config.settings();
            let first = settings.first().map_or("the scenario's own configuration", |setting| &setting.says);
            format!("Use {first}")
        }
    }
}

/// The answer's latency and what fills first, or why there is none.
fn said(plan: &Plan<'_>) -> String {
    match plan.found {
        Err(nothing) => format!("{}.", capital(&nothing.why)),
        Ok(answer) => {
            let everybody = if answer.everybody.meets { "keep" } else { "miss" };
            let whole = match answer.everybody.demand.users {
                0 => format!("The whole run, to the last job, {everybody}s"),
                users => format!("All {} people {everybody}", grouped(u64::from(users))),
            };
            format!(
                "{}First to saturate: {}. {whole} the SLO.",
                answer.latency().map_or_else(String::new, |latency| format!("{} {latency}. ", answer.ladder.metric)),
                fullest(answer),
            )
        }
    }
}

/// What fills first and what fills next, with how full they are.
fn fullest(answer: &Answer) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    let mut said = Vec::new();
    for (resource, _) in answer.resources() {
        if kinds.len() < 2 && !kinds.contains(&resource.kind.as_str()) {
            kinds.push(&resource.kind);
            said.push(format!("{} at {}", resource.name, percent(resource.utilisation)));
        }
    }
    said.join(", then ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A measured value of the SLO, in its unit.
fn value(judged: &Judgement) -> String {
    match judged.value {
        value if value >= headcount_workloads::plan::NEVER_MS => "never".to_string(),
        value if judged.metric.ends_with("_ms") => duration_ms(value),
        value if judged.metric.ends_with("utilisation") => percent(value),
        value => three_digits(value),
    }
}

#[cfg(test)]
mod tests;
