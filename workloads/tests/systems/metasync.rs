//! Facts of the synchronisation, each in one run of a small crowd of `metasync-100k`, whose App Context fails every second call
//! from 120 s to 125 s.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

/// Forty users sign up and a hundred rows are changed around the failure: the job takes what was left to it.
#[test]
fn what_app_context_refused_is_taken_later() {
    let crowd = [
        ("system.users", "40"),
        ("system.acts", "100"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "115.0"),
        ("system.to_s", "130.0"),
        ("system.looks", "20"),
    ];
    let hardened = run("metasync-100k", &crowd, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert!(counter(&hardened, "functions.counter.rows.taken_by_the_job") > 0);
    let documented = run("metasync-100k", &[&crowd[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "app-context-converges-to-presence");
}
