//! Same seed, same everything.

use super::same_seed::assert_same_outcome;

#[test]
fn the_same_seed_gives_the_same_outcome_also_beside_others() {
    assert_same_outcome("friends-small");
}
