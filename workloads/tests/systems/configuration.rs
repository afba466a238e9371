//! Facts of the configuration, each in one run of a small crowd of `configuration-100k`.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

/// Thirty admins change three things at random, and at every third change another thing at the same moment: documented loses
/// some of it, hardened nothing; and nobody else changes anything.
#[test]
fn changes_at_the_same_moment_are_both_there_afterwards() {
    let crowd = [
        ("system.users", "300"),
        ("system.acts", "20"),
        ("system.changes", "60"),
        ("system.things", "3"),
        ("system.forged", "10"),
        ("system.reads", "10"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "5.0"),
        ("system.to_s", "50.0"),
    ];
    let hardened = run("configuration-100k", &crowd, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    // 60 changes, and 20 more beside each third of them.
    assert_eq!(counter(&hardened, "acts.change.accepted"), 80);
    assert_eq!(counter(&hardened, "acts.forged_change.accepted"), 0);
    let documented = run("configuration-100k", &[&crowd[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "what-was-set-last-is-what-is-read");
}
