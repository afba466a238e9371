//! What other numbers of people take.

use headcount_workloads::plan::growth::Grown;

use super::{Cell, Narrow, capital, grouped, paragraph, section, table, three_digits};
use crate::plots::plan::KINDS;

/// The table; nothing if it was not asked for.
pub fn section_of(grown: &[Grown]) -> String {
    if grown.is_empty() {
        return String::new();
    }
    let row = |one: &Grown| {
        let users = f64::from(one.users);
        let mut cells = vec![
            Cell::Number(grouped(u64::from(one.users))),
            Cell::Number(format!("{}/s", three_digits(one.rate_per_s))),
            Cell::Number(one.shards.to_string()),
        ];
        cells.extend(KINDS.map(|(kind, _)| {
            let count = one.bill.count(kind);
            Cell::Number(format!("{} ({} each)", grouped(count as u64), three_digits(count / users)))
        }));
        cells
    };
    let rows: Vec<Vec<Cell>> = grown.iter().map(row).collect();
    let kinds = KINDS.map(|(_, name)| format!("#{}", capital(name)));
    let headings: Vec<&str> =
        ["#People", "#Rate", "#Shards"].into_iter().chain(kinds.iter().map(String::as_str)).collect();
    let said = "The answer for other numbers of people, everybody to the last vote: the rate, servers and executions at once grow \
                with them, and there are as many shards as the rate needs. A vote has at most 32 (voting.md 4.3); beyond what these \
                carry people vote for longer.";
    section("growth", "What more people take", &(paragraph(said) + &table(Narrow::Scroll, &headings, &rows)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headcount_workloads::bill::{Bill, Kind};

    #[test]
    fn what_each_takes_stands_beside_what_all_take() {
        let bill = Bill([(Kind::KvOperations, 400_000.0)].into());
        let grown = Grown { users: 50_000, rate_per_s: 1_000.0, shards: 2, bill, messages: 1e6 };
        // 400,000 by 50,000 are 8 each.
        assert!(section_of(&[grown]).contains("400,000 (8 each)"));
        assert_eq!(section_of(&[]), "");
    }
}
