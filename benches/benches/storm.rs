//! The reconnect storm end to end at 10,000 and 100,000 users with 500 friends each: a quarter of them drops and comes back. Wall
//! time, and numbers that do not depend on the machine. `cargo bench -p headcount-benches --bench storm`

mod whole;

use headcount_workloads::outcome::Outcome;

use whole::{end_to_end, of};

/// What a change of status takes, and how late friends see it: who came, from the change itself; all, from the publish, since who
/// went is not missed before presence times out.
fn watched(outcome: &Outcome) -> [(&'static str, &'static str, f64); 5] {
    let changes = of(outcome, "fanout.changes");
    let kv_calls: f64 = ["kv.gets", "kv.sets", "kv.incrs"].iter().map(|name| of(outcome, name)).sum();
    [
        ("messages per status change", "messages", of(outcome, "messages") / changes),
        ("KV calls per status change", "calls", kv_calls / changes),
        ("online mean", "virtual ms", of(outcome, "online.mean_ms")),
        ("online p99", "virtual ms", of(outcome, "online.p99_ms")),
        ("notice p99", "virtual ms", of(outcome, "notice.p99_ms")),
    ]
}

fn main() {
    for users in [10_000, 100_000] {
        end_to_end("storm", "storm-500k", users, &[("friends.users", users)], watched);
    }
}
