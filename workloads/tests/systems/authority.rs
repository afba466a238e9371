//! Facts of the customer's server, each in one run of a few voters of `authority-100k`, whose server is down for half a second
//! at 100 s and for 20 s at 200 s.

use crate::documented::{DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

const FEW: [(&str, &str); 6] = [
    ("system.users", "200"),
    ("system.acts", "200"),
    ("system.sessions", "1"),
    ("system.forged_ppm", "500_000"),
    ("system.join_to_s", "2.0"),
    ("system.from_s", "5.0"),
];

/// Under one vote a second 20 s are 13 or so: the cursor finds them all, and nobody says that any may be missing. The document's
/// server begins at the end, and they are gone.
#[test]
fn what_a_queue_holds_is_caught_up_with_after_a_crash() {
    let hardened = run("authority-100k", &FEW, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert_eq!(counter(&hardened, "acts.forgery.accepted"), 0);
    assert!(counter(&hardened, "acts.forgery.refused_403") > 50);
    let documented = run("authority-100k", &[&FEW[..], &[DOCUMENTED]].concat(), 1);
    assert_falls(&documented, "no-vote-is-lost-in-silence");
}

/// Thirty votes a second for 20 s are more than a queue holds: some are gone, and every tally from then on says so.
#[test]
fn what_a_queue_does_not_hold_is_said() {
    let crowd = [("system.users", "10_000"), ("system.acts", "10_000"), ("system.double_click_ppm", "0")];
    let outcome = run("authority-100k", &[&FEW[..], &crowd].concat(), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let lost = counter(&outcome, "acts.vote.accepted") > counter(&outcome, "server.votes");
    assert!(lost && counter(&outcome, "server.gaps") > 0, "20 s of 30 a second are 600, of which 100 are kept");
}
