//! Facts of robust clients, each in one run of a few of `robust-100k`: those of us-east are cut off from 60 s to 100 s.

use crate::documented::{DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

const FEW: [(&str, &str); 4] =
    [("system.users", "40"), ("system.acts", "400"), ("system.rooms", "4"), ("system.join_to_s", "2.0")];

/// Five attempts are more patient than 40 s: the twenty of us-east come back, and every line is sent in the end.
#[test]
fn a_partition_shorter_than_the_patience_costs_nobody() {
    let outcome = run("robust-100k", &FEW, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert_eq!(counter(&outcome, "clients.reconnects"), 20);
    assert_eq!(counter(&outcome, "acts.line.accepted"), 400);
}

/// One attempt is not: they say so, and what they still wanted to say is given up.
#[test]
fn who_runs_out_of_attempts_says_so() {
    let outcome = run("robust-100k", &[&FEW[..], &[("system.attempts_max", "1")]].concat(), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(counter(&outcome, "acts.line.given_up") > 30, "half of what was to be said in 95 s of 120");
    assert_eq!(counter(&outcome, "acts.line.accepted") + counter(&outcome, "acts.line.given_up"), 400);
}

/// The document's client warns of a subscribe that is not answered, and then nothing: no attempt, no error.
#[test]
fn the_documents_client_falls_silent() {
    let outcome = run("robust-100k", &[&FEW[..], &[DOCUMENTED]].concat(), 1);
    assert_falls(&outcome, "a-client-comes-back-or-says-so");
}
