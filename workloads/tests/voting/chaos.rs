//! voting.md 12.4: one kind of trouble at a time.

use super::{counter, run, violated};

/// KV store latency: +500 ms. Votes are queued and eventually processed.
#[test]
fn a_slow_kv_store_delays_votes_and_loses_none() {
    let outcome = run("voting-kv-latency", &[("crowd.users", "500"), ("crowd.arrivals.rate_per_s", "6")], 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(outcome.figures["ack.max_ms"] > 500.0, "the delay was felt");
}

/// KV store failure: errors for 30 s. Votes are rejected, the alert fires, and it recovers.
#[test]
fn without_the_kv_store_votes_are_rejected_and_recover() {
    let outcome = run("voting-kv-outage", &[("crowd.users", "500"), ("crowd.arrivals.rate_per_s", "6")], 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(counter(&outcome, "functions.counter.alert.dedupe_unavailable") > 0, "the alert fired");
    assert_eq!(counter(&outcome, "votes.unanswered") + counter(&outcome, "votes.given_up"), 0, "it recovered");
}

/// Function timeout: the audit database answers too late. Clients retry, nobody is counted twice.
#[test]
fn a_slow_external_call_times_out_and_is_retried_without_duplicates() {
    let outcome = run("voting-function-timeout", &[("crowd.users", "300"), ("crowd.arrivals.rate_per_s", "4")], 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(counter(&outcome, "functions.call_timeouts") > 0, "calls timed out");
}

/// Network partition: half of the packets are dropped. Retries succeed, no duplicates.
#[test]
fn half_of_the_packets_lost_is_no_vote_lost_and_none_doubled() {
    let outcome = run("voting-packet-loss", &[("crowd.users", "300"), ("crowd.arrivals.rate_per_s", "4")], 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(counter(&outcome, "network.lost") > 0);
}
