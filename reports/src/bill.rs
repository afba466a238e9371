//! The bill of a run: how many of each billable kind, at prices of the user's.

use headcount_workloads::bill::{Bill, Kind, Prices};
use headcount_workloads::metric::Measured;
use headcount_workloads::outcome::Outcome;

use crate::number::three_digits;
use crate::table;

/// What a run took of each kind.
pub fn of(outcome: &Outcome) -> Bill {
    Bill::of(&Measured::of(outcome).0)
}

/// `cost.csv`: a row for each kind.
pub fn csv_text(outcome: &Outcome, prices: &Prices) -> String {
    let bill = of(outcome);
    let row = |kind: Kind| {
        let count = bill.count(kind);
        table::row(&[&kind.name(), &count, &prices.of(kind, 1e6), &prices.of(kind, count)])
    };
    table::csv_text(["what", "count", "per_million", "cost"], Kind::all().map(row))
}

/// An amount with its currency.
pub fn money(amount: f64, prices: &Prices) -> String {
    format!("{} {}", three_digits(amount), prices.currency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture, report};

    #[test]
    fn a_run_costs_its_counts_times_the_prices() {
        let mut outcome = fixture::outcome();
        outcome.counters.insert("broker.published".into(), 3_000_000);
        outcome.counters.insert("broker.fired".into(), 1_000_000);
        let prices = Prices::parse("p.toml", "currency = \"EUR\"\n[per_million]\npublishes = 2.5\n").unwrap();
        // 4 million publishes at 2.5 each million; what has no price costs nothing.
        assert_eq!(of(&outcome).cost(&prices), 10.0);
        assert!(csv_text(&outcome, &prices).contains("\npublishes,4000000,2.5,10\n"));
        let page = report::html(&outcome, &[], "headcount run x", Some(&prices));
        assert!(page.contains("10 EUR for this run at your prices"));
        assert!(!report::html(&outcome, &[], "headcount run x", None).contains("id=\"cost\""));
    }
}
