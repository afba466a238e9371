//! voting.md 12.3, burst load and scale up: the documents' rates for fewer seconds and people.

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_workloads::crowd::record::{Fate, Vote};

use super::{counter, prepared, run, violated};

/// Burst load: 1,000 votes/s, here for 2 s of the 10. All are processed, and within 2 s of the last one.
#[test]
fn a_burst_is_processed_and_drained_within_two_seconds() {
    let short =
        [("crowd.users", "2000"), ("crowd.arrivals.to_s", "16.0"), ("vote.close_s", "20.0"), ("vote.reveal_s", "22.0")];
    let outcome = run("voting-burst", &short, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert_eq!(counter(&outcome, "votes.intended"), 2_000);
    assert_eq!((counter(&outcome, "votes.accepted"), counter(&outcome, "audit.rows")), (2_000, 2_000), "0 lost");
    let (first, last, drained) = prepared("voting-burst", &short).examine(1, |seen| {
        let votes = || seen.crowds.iter().flat_map(|crowd| &crowd.votes);
        let intended = || votes().map(|vote| vote.intended);
        (intended().min(), intended().max(), votes().map(|vote| vote.answered).max())
    });
    let (first, last, drained) = (first.expect("votes"), last.expect("votes"), drained.expect("votes"));
    // 2,000 votes at 1,000/s take 2 s, give or take the Poisson deviation of sqrt(2,000) / 1,000 = 45 ms, four times.
    assert!((1_820 * MS..2_180 * MS).contains(&(last - first)), "a burst: {} ns", last - first);
    assert!(drained - last < 2 * SECOND, "drained after {} ns", drained - last);
}

/// Scale up: from nobody to 600 voters in 30 s (the document's 10,000 in 300 s at a fifth of its slope), votes speeding
/// up from 0 to 36/s. No errors; and latency at most in proportion to the load.
#[test]
fn a_ramp_of_voters_sees_no_errors_and_no_latency_beyond_proportion() {
    let short = [
        ("crowd.users", "600"),
        ("crowd.join.to_s", "32.0"),
        // 36/s x 30 s / 2 = 540 votes.
        ("crowd.arrivals.to_per_s", "36.0"),
        ("crowd.arrivals.to_s", "40.0"),
        ("vote.close_s", "45.0"),
        ("vote.reveal_s", "47.0"),
    ];
    let outcome = run("voting-ramp", &short, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert_eq!(counter(&outcome, "votes.accepted"), counter(&outcome, "votes.intended"));
    assert!(counter(&outcome, "votes.intended") >= 530, "{}", counter(&outcome, "votes.intended"));
    for error in ["edge.forbidden", "edge.refused", "edge.overloaded", "broker.aborted", "broker.rate_limited"] {
        assert_eq!(counter(&outcome, error), 0, "{error}");
    }
    for error in ["broker.function_timeouts", "functions.refused", "functions.timeouts", "functions.call_timeouts"] {
        assert_eq!(counter(&outcome, error), 0, "{error}");
    }
    let (errors, thirds) = prepared("voting-ramp", &short).examine(1, |seen| {
        let seconds = seen.crowds.iter().flat_map(|crowd| &crowd.seconds);
        let errors: u32 = seconds.map(|second| second.errors + second.timeouts + second.resent).sum();
        let votes: Vec<&Vote> = seen.crowds.iter().flat_map(|crowd| &crowd.votes).collect();
        // By when they were meant, from 10 s on: 10 s each.
        let third = |n: Nanos| {
            let window = (10 + 10 * n) * SECOND..(20 + 10 * n) * SECOND;
            p99(votes.iter().filter(|vote| window.contains(&vote.intended)))
        };
        (errors, [third(0), third(1), third(2)])
    });
    assert_eq!(errors, 0, "not one was sent twice");
    // A linear ramp from 0 brings votes as 1 : 3 : 5.
    assert!(thirds[1] <= 3 * thirds[0] && thirds[2] <= 5 * thirds[0], "{thirds:?}");
    assert!(thirds.iter().all(|p99| *p99 < 500 * MS), "NFR-1: {thirds:?}");
}

/// The 99th percentile of submit to ack.
fn p99<'a>(votes: impl Iterator<Item = &'a &'a Vote>) -> Nanos {
    let answered = votes.filter(|vote| matches!(vote.fate, Fate::Accepted(_)));
    let mut waits: Vec<Nanos> = answered.map(|vote| vote.answered - vote.intended).collect();
    waits.sort_unstable();
    waits[(waits.len() * 99).div_ceil(100) - 1]
}
