//! Facts of the rate limiter, each in one run of a small crowd of `ratelimit-100k`.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

/// One free user, forty requests at once to four endpoints, all in one window: with a limit of 10 the endpoints let 1, 3, 2 and 5
/// pass, and those are 11: ten in all at most. Documented reads the same count for all of them.
#[test]
fn a_burst_gets_its_limit_and_no_more() {
    let burst = [
        ("system.users", "10"),
        ("system.acts", "10"),
        ("system.burst", "40"),
        ("system.forged_ppm", "0"),
        ("system.window_s", "3600"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "5.0"),
        ("system.to_s", "6.0"),
    ];
    let hardened = run("ratelimit-100k", &burst, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    let accepted = counter(&hardened, "acts.request.accepted") + counter(&hardened, "acts.burst.accepted");
    // Seven free users of at most 10, two who have paid of at most 20, one enterprise's of at most 40.
    assert!((1..=7 * 10 + 2 * 20 + 40).contains(&accepted), "{accepted} let through");
    let refused = counter(&hardened, "acts.request.refused_429") + counter(&hardened, "acts.burst.refused_429");
    assert_eq!(accepted + refused, 10 * 41);
    let documented = run("ratelimit-100k", &[&burst[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "never-more-than-the-limit");
}
