//! The table of this binary's module doc is true: it has every row of friends-online.md 13, and what it names is there.

use super::table::assert_rows;

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
    // 13.1 and 13.2 have 7 rows each, 13.3 has 4, 13.4 has 3.
    assert_rows(include_str!("main.rs"), 13, [7, 7, 4, 3], &SOURCES);
}
