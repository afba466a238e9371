//! A vote of a minute in four regions end to end, at 10,000 and 100,000 users: wall time, and numbers that do not depend on the
//! machine. Nothing fails in it: an outage of half a minute would be all that a p99 shows.
//! `cargo bench -p headcount-benches --bench vote`

mod whole;

use headcount_workloads::outcome::Outcome;

use whole::{end_to_end, of};

/// What a vote takes, and how long its user waits.
fn watched(outcome: &Outcome) -> [(&'static str, &'static str, f64); 5] {
    let votes = of(outcome, "votes.accepted");
    [
        ("messages per vote", "messages", of(outcome, "messages") / votes),
        ("KV calls per vote", "calls", of(outcome, "kv.calls_per_accepted_vote")),
        ("ack mean", "virtual ms", of(outcome, "ack.mean_ms")),
        ("ack p99", "virtual ms", of(outcome, "ack.p99_ms")),
        ("results p99", "virtual ms", of(outcome, "results.p99_ms")),
    ]
}

fn main() {
    for users in [10_000, 100_000] {
        // Within the minute everybody votes, on average.
        let overrides = [("crowd.users", users), ("crowd.arrivals.rate_per_s", users / 60)];
        end_to_end("vote", "voting-calm", users, &overrides, watched);
    }
}
