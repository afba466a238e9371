//! What a run takes of each billable kind, and what that costs at the user's prices.

use headcount_workloads::bill::{Kind, Prices};
use headcount_workloads::outcome::Outcome;

use super::html::{Cell, Narrow, paragraph, section, table};
use crate::bill::{money, of};
use crate::number::{grouped, three_digits};

/// The table of kinds; nothing without prices.
pub fn section_of(outcome: &Outcome, prices: Option<&Prices>) -> String {
    let Some(prices) = prices else { return String::new() };
    let bill = of(outcome);
    let said = paragraph(&format!("{} for this run at your prices.", money(bill.cost(prices), prices)));
    let row = |kind: Kind| {
        let count = bill.count(kind);
        vec![
            Cell::Code(kind.name().to_string()),
            Cell::Number(grouped(count.round() as u64)),
            Cell::Number(three_digits(prices.of(kind, 1e6))),
            Cell::Number(money(prices.of(kind, count), prices)),
        ]
    };
    let rows: Vec<Vec<Cell>> = Kind::all().map(row).collect();
    let headings = ["Kind", "#Count", "#A million costs", "#Cost"];
    section("cost", "What it costs", &(said + &table(Narrow::Cards, &headings, &rows)))
}
