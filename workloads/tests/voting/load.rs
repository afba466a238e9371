//! voting.md 12.2 and 12.3, scaled down: the same rates a shard and region, fewer seconds.

use headcount_workloads::outcome::Verdict;

use super::{counter, run, violated};

/// 12.2 End-to-end vote, and 12.3 sustained load: 1,000 votes/s, here for as long as 6,000 voters last.
#[test]
fn sustained_load_is_acknowledged_within_half_a_second_and_loses_nothing() {
    let outcome = run("voting-calm", &[("crowd.users", "6000")], 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert_eq!(counter(&outcome, "votes.accepted"), counter(&outcome, "votes.intended"), "0 lost");
    assert!(outcome.figures["ack.p99_ms"] < 500.0, "NFR-1: {}", outcome.figures["ack.p99_ms"]);
    assert!(outcome.figures["results.p99_ms"] < 1_000.0, "NFR-2: {}", outcome.figures["results.p99_ms"]);
    assert_eq!(counter(&outcome, "audit.rows"), counter(&outcome, "votes.accepted"), "FR-8");
}

/// 12.3 Shard rebalance: shards are added while people vote; nothing is lost.
#[test]
fn shards_added_during_the_vote_lose_nothing() {
    let outcome = run("voting-reshard", &[], 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let moved = outcome.properties.iter().find(|p| p.name == "a-vote-came-in-on-an-added-shard");
    assert_eq!(moved.map(|p| p.verdict), Some(Verdict::Holds));
}
