//! The table of this binary's module doc is true: it has every row of friends-online.md 13, and what it names is there.

use headcount_workloads::scenario::Scenario;

/// Where the named tests stand.
const SOURCES: [&str; 5] = [
    include_str!("../../../engine/src/patterns/friends/tests/table_13_1.rs"),
    include_str!("../../../engine/src/patterns/friends/tests/friendships.rs"),
    include_str!("integration.rs"),
    include_str!("load.rs"),
    include_str!("chaos.rs"),
];

#[test]
fn every_row_of_friends_online_13_names_a_test_that_is_there() {
    let rows: Vec<&str> = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("//! | 13.")).collect();
    // 13.1 and 13.2 have 7 rows each, 13.3 has 4, 13.4 has 3.
    let of = |table: &str| rows.iter().filter(|row| row.starts_with(table)).count();
    assert_eq!([of("1 "), of("2 "), of("3 "), of("4 ")], [7, 7, 4, 3]);
    for row in rows {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "13.{row}");
        for name in names {
            let test = format!("fn {}()", name.rsplit("::").next().unwrap_or(name));
            let is_there = SOURCES.iter().any(|source| source.contains(&format!("#[test]\n{test}")));
            assert!(is_there || Scenario::builtin(name).is_some(), "13.{row}: there is no {name}");
        }
    }
}
