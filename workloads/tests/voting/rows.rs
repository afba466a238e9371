//! The table of this binary's module doc is true: it has every row of voting.md 12, and what it names is there.

use super::table::assert_rows;

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
    // 12.1 has 6 rows, 12.2 has 5, 12.3 and 12.4 have 4 each.
    assert_rows(include_str!("main.rs"), 12, [6, 5, 4, 4], &SOURCES);
}
