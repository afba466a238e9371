//! Facts of tokens, each in one run of a few users of `tokens-100k`: tokens of 5 minutes, refreshed after 2, and an auth server that
//! is down from 135 s to 150 s.

use crate::documented::{DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

const FEW: [(&str, &str); 6] = [
    ("system.users", "20"),
    ("system.teams", "2"),
    ("system.acts", "200"),
    ("system.logout_ppm", "1_000_000"),
    ("system.join_to_s", "2.0"),
    ("system.from_s", "5.0"),
];

/// Everybody says goodbye a little after the first refresh, when the token before it has three minutes to live, and that token is
/// used after the revocation should have spread: all refused. Documented revokes the newer one alone.
#[test]
fn a_goodbye_ends_the_token_before_the_last_refresh_too() {
    let hardened = run("tokens-100k", &FEW, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert_eq!(counter(&hardened, "acts.logout.accepted"), 20);
    let documented = run("tokens-100k", &[&FEW[..], &[DOCUMENTED]].concat(), 1);
    assert_falls(&documented, "revoked-means-revoked");
    assert!(counter(&documented, "acts.theft.accepted") > counter(&hardened, "acts.theft.accepted"));
}

/// Nobody writes into or looks into somebody else's inbox, and nobody gets a new token for having tried.
#[test]
fn what_a_token_does_not_open_is_refused_for_good() {
    let nosy = [("system.trespass_ppm", "500_000"), ("system.snoop_ppm", "500_000"), ("system.logout_ppm", "0")];
    let outcome = run("tokens-100k", &[&FEW[..], &nosy].concat(), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    for kind in ["trespass", "snoop"] {
        let count = |what: &str| counter(&outcome, &format!("acts.{kind}.{what}"));
        assert_eq!((count("refused_403"), count("attempts")), (count("intended"), count("intended")));
        assert!(count("intended") > 30);
    }
    assert_eq!(counter(&outcome, "clients.logins"), 20);
}
