//! The parts of a plan's page, in their order. A part without data is left out.

use super::{
    Cell, Narrow, Plan, capital, duration_ms, escaped, fullest, grouped, list, paragraph, percent, rate, section,
    table, three_digits, value,
};
use headcount_workloads::outcome::FaultWindow;
use headcount_workloads::plan::{Judgement, NEVER_MS, Tried};

/// The short facts beside the answer.
pub fn facts(plan: &Plan<'_>) -> String {
    let facts = [
        ("Scenario", plan.asked.scenario.clone()),
        ("People", grouped(u64::from(plan.asked.demand.users))),
        ("Load", format!("{}/s", rate(plan))),
        ("Headroom", format!("{} times", three_digits(plan.asked.headroom))),
        ("SLO", plan.asked.slo.clone()),
        ("Seeds", plan.asked.seeds.to_string()),
        ("Configurations and loads tried", grouped(plan.tried.len() as u64)),
        ("Runs", grouped(plan.tried.iter().map(|tried| tried.seeds as u64).sum())),
    ];
    crate::report::sections::facts(&facts)
}

/// The whole configuration, or what would have to change.
pub fn answer(plan: &Plan<'_>) -> String {
    let answer = match plan.found {
        Ok(answer) => answer,
        Err(nothing) => {
            let change = paragraph(&format!("{}.", capital(&nothing.change)));
            return section("answer", "What would have to change", &change);
        }
    };
    let own = |key: &str| plan.asked.own.iter().find(|setting| setting.key == key).map(|setting| setting.value);
    let row = |setting: &headcount_workloads::plan::Setting| {
        let before = own(&setting.key).map_or_else(|| "–".to_string(), |value| grouped(u64::from(value)));
        vec![
            Cell::Text(setting.says.clone()),
            Cell::Code(format!("{} = {}", setting.key, setting.value)),
            Cell::Number(before),
        ]
    };
    let rows: Vec<Vec<Cell>> = answer.config.settings().iter().map(row).collect();
    let body = table(Narrow::Cards, &["Use", "Key", "#So far"], &rows);
    section("answer", "The answer", &body)
}

/// The bottleneck, the next one, the knee, and how far the answer reaches.
pub fn why(plan: &Plan<'_>) -> String {
    let answer = match plan.found {
        Ok(answer) => answer,
        Err(nothing) => {
            let station = match &nothing.station {
                Some(station) => format!("What forbids it: {station}."),
                None => "No station forbids it.".to_string(),
            };
            return section("why", "Why", &list([station, format!("{}.", capital(&nothing.why))].into_iter()));
        }
    };
    let mut said = vec![format!("First to saturate under the load of {}/s: {}.", rate(plan), fullest(answer))];
    let heavy = plan.asked.demand.rate_per_s * plan.asked.headroom;
    let first = answer.with_headroom.resources.first();
    said.extend(first.map(|first| {
        format!(
            "At {} times the load, {}/s, the fullest is {}: {}; the SLO is {} there too.",
            three_digits(plan.asked.headroom),
            three_digits(heavy),
            first.name,
            percent(first.utilisation),
            if answer.with_headroom.meets { "kept" } else { "missed" }
        )
    }));
    if let Some(most) = answer.max_rate() {
        let by = if most.limited_by.is_empty() {
            String::new()
        } else {
            format!("; just above it the fullest is {}", most.limited_by)
        };
        said.push(format!("This configuration carries up to {}/s within the SLO{by}.", three_digits(most.rate_per_s)));
    }
    if let Some(knee) = answer.ladder.bend() {
        let (at, ms) = (three_digits(knee.rate_per_s), duration_ms(knee.latency_ms));
        said.push(format!("Latency bends at {at}/s, where {} is {ms}.", answer.ladder.metric));
    }
    if let Some(peak) = answer.usl.and_then(|law| law.peak()) {
        said.push(format!("By the Universal Scalability Law, more than {} carry less.", three_digits(peak)));
    }
    section("why", "Why", &list(said.into_iter()))
}

/// The SLO, judged three times.
pub fn objectives(plan: &Plan<'_>) -> String {
    let Ok(answer) = plan.found else { return String::new() };
    let cell = |tried: &Tried, judged: &Judgement| {
        let found = tried.judged.iter().find(|one| one.threshold == judged.threshold);
        match found {
            Some(one) if one.met => Cell::Mark("holds", format!("{}, met", value(one))),
            Some(one) => Cell::Mark("violated", format!("{}, missed", value(one))),
            None => Cell::Text("–".into()),
        }
    };
    let row = |judged: &Judgement| {
        let mut cells = vec![Cell::Code(judged.threshold.clone())];
        cells.extend([&answer.at_load, &answer.with_headroom, &answer.everybody].map(|tried| cell(tried, judged)));
        cells
    };
    let rows: Vec<Vec<Cell>> = answer.at_load.judged.iter().map(row).collect();
    let headings = ["Objective", "The load", "With headroom", "Everybody"];
    section("objectives", "The SLO", &table(Narrow::Cards, &headings, &rows))
}

/// Whether the SLO was kept.
fn met(met: bool) -> Cell {
    if met { Cell::Mark("holds", "met".into()) } else { Cell::Mark("violated", "missed".into()) }
}

/// How full everything is.
pub fn utilisation(plan: &Plan<'_>) -> String {
    let Ok(answer) = plan.found else { return tight(plan) };
    let row = |(load, heavy): (&headcount_workloads::plan::Resource, Option<&headcount_workloads::plan::Resource>)| {
        vec![
            Cell::Text(load.name.clone()),
            Cell::Number(three_digits(load.capacity)),
            Cell::Number(percent(load.utilisation)),
            Cell::Number(heavy.map_or_else(|| "–".into(), |heavy| percent(heavy.utilisation))),
            Cell::Number(percent(load.peak)),
        ]
    };
    let rows: Vec<Vec<Cell>> = answer.resources().into_iter().map(row).collect();
    let headings = ["Resource", "#Servers, or events/s", "#With the load", "#With headroom", "#Busiest second"];
    let said = "The busiest second of a run may be one of its logins, before the measured window.";
    section("utilisation", "Utilisation", &(table(Narrow::Scroll, &headings, &rows) + &paragraph(said)))
}

/// Where there is no answer: how full everything was in the last try.
fn tight(plan: &Plan<'_>) -> String {
    let Some(last) = plan.tried.last() else { return String::new() };
    let row = |one: &headcount_workloads::plan::Resource| {
        vec![
            Cell::Text(one.name.clone()),
            Cell::Number(three_digits(one.capacity)),
            Cell::Number(percent(one.utilisation)),
            Cell::Number(percent(one.peak)),
        ]
    };
    let rows: Vec<Vec<Cell>> = last.resources.iter().map(row).collect();
    let headings = ["Resource", "#Servers, or events/s", "#Mean", "#Busiest second"];
    let said = paragraph(&format!("In the last try, at {}/s.", three_digits(last.demand.rate_per_s)));
    section("utilisation", "Utilisation", &(said + &table(Narrow::Scroll, &headings, &rows)))
}

/// The rate ladder as numbers.
pub fn ladder(plan: &Plan<'_>) -> String {
    let Ok(answer) = plan.found else { return String::new() };
    let ladder = &answer.ladder;
    let ms = |ms: f64| if ms >= NEVER_MS { "never".to_string() } else { duration_ms(ms) };
    let row = |(place, rung): (usize, &headcount_workloads::plan::ladder::Rung)| {
        vec![
            Cell::Number(format!("{}/s", three_digits(rung.rate_per_s))),
            Cell::Number(rung.goodput_per_s.map_or_else(|| "–".into(), |done| format!("{}/s", three_digits(done)))),
            Cell::Number(ms(rung.p50_ms)),
            Cell::Number(ms(rung.latency_ms)),
            met(rung.meets),
            Cell::Text(rung.fullest.clone()),
            Cell::Number(percent(rung.utilisation)),
            Cell::Text(if ladder.knee == Some(place) { "the knee".into() } else { String::new() }),
        ]
    };
    let rows: Vec<Vec<Cell>> = ladder.rungs.iter().enumerate().map(row).collect();
    let latency = format!("#{}", ladder.metric);
    let headings = ["#Offered", "#Counted", "#p50", &latency, "SLO", "Fullest", "#How full", ""];
    section("ladder", "Rate ladder", &table(Narrow::Scroll, &headings, &rows))
}

/// The most for each number of shards.
pub fn scaling(plan: &Plan<'_>) -> String {
    let Ok(answer) = plan.found else { return String::new() };
    if answer.scaling.is_empty() {
        return String::new();
    }
    let row = |one: &headcount_workloads::plan::ladder::MaxRate| {
        let law = answer.usl.map_or_else(|| "–".into(), |law| three_digits(law.carries(f64::from(one.shards))));
        vec![
            Cell::Text(one.says.clone()),
            Cell::Number(format!("{}/s", three_digits(one.rate_per_s))),
            Cell::Number(law),
            Cell::Text(one.limited_by.clone()),
        ]
    };
    let rows: Vec<Vec<Cell>> = answer.scaling.iter().map(row).collect();
    let headings = ["With", "#Most", "#By the law", "Limited by"];
    let mut body = table(Narrow::Cards, &headings, &rows);
    if let Some(law) = answer.usl {
        body.push_str(&paragraph(&format!(
            "Universal Scalability Law: {}/s for the first, sigma {}, kappa {}, off by {}/s (root mean square).",
            three_digits(law.lambda),
            three_digits(law.sigma),
            three_digits(law.kappa),
            three_digits(law.error_rms)
        )));
    }
    section("scaling", "The most within the SLO", &body)
}

/// What everybody met.
pub fn faults(plan: &Plan<'_>) -> String {
    let Some(file) = &plan.asked.fault_plan else { return String::new() };
    let said = paragraph(&format!(
        "The answer was run with everybody while what {file} says was broken; its times count from the beginning of the load."
    ));
    let faults = plan.found.ok().and_then(|answer| answer.everybody.samples.first()).map_or(&[][..], |one| &one.faults);
    let row = |fault: &FaultWindow| {
        let second = |at: f64| Cell::Number(format!("{at:.1} s"));
        vec![Cell::Text(fault.label.clone()), second(fault.from_s), second(fault.to_s)]
    };
    let rows: Vec<Vec<Cell>> = faults.iter().map(row).collect();
    section("faults", "What was broken", &(said + &table(Narrow::Cards, &["What", "#From", "#To"], &rows)))
}

/// Everything that was tried.
pub fn tried(plan: &Plan<'_>) -> String {
    let Some(first) = plan.tried.first() else { return String::new() };
    let mut headings = vec!["Step".to_string(), "#Load".into(), "#Seeds".into(), "#Measured".into(), "SLO".into()];
    headings.extend(first.config.iter().map(|setting| format!("#{}", setting.key)));
    let row = |one: &Tried| {
        let mut cells = vec![
            Cell::Text(one.step.to_string()),
            Cell::Number(format!("{}/s", three_digits(one.demand.rate_per_s))),
            Cell::Number(one.seeds.to_string()),
            Cell::Number(format!("{} s", three_digits(one.window_s))),
            met(one.meets),
        ];
        cells.extend(one.config.iter().map(|setting| Cell::Number(grouped(u64::from(setting.value)))));
        cells
    };
    let rows: Vec<Vec<Cell>> = plan.tried.iter().map(row).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let body = format!(
        "<details>\n<summary>{} tries, in order</summary>\n{}</details>\n",
        grouped(rows.len() as u64),
        table(Narrow::Scroll, &headings, &rows)
    );
    section("tried", "What was tried", &body)
}

/// How to make the plan again.
pub fn repeat(plan: &Plan<'_>) -> String {
    let body = format!(
        "<pre>{}</pre>\n<p>The same version of Headcount gives every file of this folder again, byte for byte.</p>\n",
        escaped(&plan.asked.repeat)
    );
    section("repeat", "Plan it again", &body)
}
