//! The table of this binary's module doc is true: it has every row of voting.md 12, and what it names is there.

use headcount_workloads::scenario::Scenario;

/// Where the named tests stand.
const SOURCES: [&str; 5] = [
    include_str!("../../../engine/src/patterns/voting/tests/table_12_1.rs"),
    include_str!("integration.rs"),
    include_str!("load.rs"),
    include_str!("burst_and_ramp.rs"),
    include_str!("chaos.rs"),
];

#[test]
fn every_row_of_voting_12_names_a_test_that_is_there() {
    let rows: Vec<&str> = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("//! | 12.")).collect();
    // 12.1 has 6 rows, 12.2 has 5, 12.3 and 12.4 have 4 each.
    let of = |table: &str| rows.iter().filter(|row| row.starts_with(table)).count();
    assert_eq!([of("1 "), of("2 "), of("3 "), of("4 ")], [6, 5, 4, 4]);
    for row in rows {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row}");
        for name in names {
            let test = format!("fn {}()", name.rsplit("::").next().unwrap_or(name));
            let is_there = SOURCES.iter().any(|source| source.contains(&format!("#[test]\n{test}")));
            assert!(is_there || Scenario::builtin(name).is_some(), "12.{row}: there is no {name}");
        }
    }
}
