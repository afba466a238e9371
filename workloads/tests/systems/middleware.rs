//! Facts of middleware, each in one run of a small crowd of `middleware-100k`, whose notification service fails from 100 s to 110 s.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

/// Mentions alone, before and while the service fails: hardened notifies everybody once when it is back; documented calls once.
#[test]
fn a_service_that_was_down_hears_of_every_mention_when_it_is_back() {
    let crowd = [
        ("system.users", "40"),
        ("system.acts", "60"),
        ("system.mention_ppm", "1_000_000"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "85.0"),
        ("system.to_s", "115.0"),
    ];
    let hardened = run("middleware-100k", &crowd, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert_eq!(counter(&hardened, "acts.mention.accepted"), 60);
    assert!(counter(&hardened, "functions.counter.mentions.overdue") > 0, "some were left to the job");
    let documented = run("middleware-100k", &[&crowd[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "whoever-is-mentioned-is-notified");
}
