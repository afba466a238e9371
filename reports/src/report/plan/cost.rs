//! What everybody takes of each billable kind, and what that costs at the user's prices.

use headcount_workloads::bill::{Kind, Prices};
use headcount_workloads::plan::cost::Cost;

use super::{Cell, Narrow, Plan, grouped, paragraph, section, table, three_digits};
use crate::bill::money;

/// The table of kinds and the one of acknowledgements; nothing without an answer.
pub fn section_of(plan: &Plan<'_>) -> String {
    let Ok(answer) = plan.found else { return String::new() };
    let (Some(cost), prices) = (&answer.cost, plan.prices) else { return String::new() };
    let body = [
        paragraph(&said(cost, prices)),
        kinds(cost, prices),
        paragraph(&format!(
            "Measured: the run of all {} people. Hardened and documented: extrapolated from runs of {} and {} people that last \
             as long; so far as the hardened column agrees with what was measured, the documented one can be trusted.",
            grouped(u64::from(cost.users)),
            cost.small[0],
            cost.small[1]
        )),
        acknowledgements(cost, prices),
    ];
    section("cost", "What it costs", &body.concat())
}

fn said(cost: &Cost, prices: Option<&Prices>) -> String {
    let Some(prices) = prices else {
        return "Counts without prices: a price table of your own (--prices FILE, workloads/prices-example.toml is an example) \
                makes money of them."
            .to_string();
    };
    format!(
        "{} for the run of everybody at your prices; the document's own logic would take {}.",
        money(cost.measured().cost(prices), prices),
        money(cost.documented().cost(prices), prices)
    )
}

fn whole(count: f64) -> Cell {
    Cell::Number(grouped(count.round() as u64))
}

fn kinds(cost: &Cost, prices: Option<&Prices>) -> String {
    let mut headings = vec!["Kind", "#Measured", "#For each vote", "#Hardened", "#Documented"];
    if prices.is_some() {
        headings.extend(["#A million costs", "#Measured costs", "#Documented costs"]);
    }
    let votes = cost.acknowledgements.published.max(1.0);
    let row = |line: &headcount_workloads::plan::cost::Line| {
        let mut cells = vec![
            Cell::Code(line.kind.name().to_string()),
            whole(line.measured),
            Cell::Number(three_digits(line.measured / votes)),
            whole(line.hardened),
            whole(line.documented),
        ];
        if let Some(prices) = prices {
            let million = prices.of(line.kind, 1e6);
            cells.push(Cell::Number(three_digits(million)));
            cells.extend(
                [line.measured, line.documented].map(|count| Cell::Number(money(prices.of(line.kind, count), prices))),
            );
        }
        cells
    };
    table(Narrow::Scroll, &headings, &cost.lines.iter().map(row).collect::<Vec<_>>())
}

fn acknowledgements(cost: &Cost, prices: Option<&Prices>) -> String {
    let acks = cost.acknowledgements;
    let mut headings = vec!["Acknowledgements", "#Publishes", "#Deliveries"];
    if prices.is_some() {
        headings.push("#Cost");
    }
    let row = |(what, deliveries): (&str, f64)| {
        let mut cells = vec![Cell::Text(what.to_string()), whole(acks.published), whole(deliveries)];
        if let Some(prices) = prices {
            let both = prices.of(Kind::Publishes, acks.published) + prices.of(Kind::Deliveries, deliveries);
            cells.push(Cell::Number(money(both, prices)));
        }
        cells
    };
    let rows = [("each on its voter's private channel", acks.private), ("all on one shared channel", acks.shared)];
    let said =
        "On a shared channel (voting.md 7.1) each of n voters hears each of n acknowledgements: n x n deliveries.";
    table(Narrow::Cards, &headings, &rows.map(row)) + &paragraph(said)
}
