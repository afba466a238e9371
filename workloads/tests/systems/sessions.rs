//! Facts of sessions, each in one run of a small crowd of `sessions-100k`.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

/// Ten users log in twenty times until 75 s, and all of it expires by 141 s; the store's outage is over at 110 s. Documented still counts
/// twenty when nobody is there, at some of the twenty times that the count is read until 155 s.
#[test]
fn what_expires_leaves_the_hardened_count_and_stays_in_the_documented_one() {
    let crowd = [
        ("system.users", "10"),
        ("system.acts", "20"),
        ("system.session_minutes", "1"),
        ("system.logout_ppm", "0"),
        ("system.kept_ppm", "0"),
        ("system.forged_ppm", "0"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "65.0"),
        ("system.to_s", "75.0"),
    ];
    let hardened = run("sessions-100k", &crowd, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert_eq!(counter(&hardened, "acts.login.accepted"), 20);
    assert_eq!(counter(&hardened, "acts.use_when_expired.refused_401"), 20);
    let documented = run("sessions-100k", &[&crowd[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "the-count-of-active-sessions-does-not-drift");
}
