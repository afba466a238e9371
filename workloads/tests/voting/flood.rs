//! The queue of 100 between two polls, live (platform.md 2.4): what a flood on one channel costs.

use super::{counter, run, violated};

/// 2,000 voters, all on cellular networks, at 1,000 votes a second for two seconds, connected to as many edges as the
/// scenario has.
const FLOOD: [(&str, &str); 6] = [
    ("crowd.users", "2_000"),
    ("crowd.wifi_ppm", "0"),
    ("crowd.arrivals.rate_per_s", "1_000"),
    ("crowd.arrivals.to_s", "13"),
    ("vote.close_s", "25"),
    ("vote.reveal_s", "27"),
];

/// The document acknowledges all votes on one channel that all hear: 1,000 messages a second are 100 in 100 ms, and a poll
/// over a cellular network takes 80 ms in the mean, for many longer. Nothing fails in this run, and yet voters are never
/// told: their acknowledgement fell out of the queue, and a repeated answer names no request.
#[test]
fn documented_acknowledgements_fall_out_of_the_queues_of_slow_connections() {
    let documented = [("variant", "\"documented\""), ("limits", "\"serverless-2026-09\"")];
    let outcome = run("voting-burst", &[&FLOOD[..], &documented[..]].concat(), 1);
    let discarded = counter(&outcome, "edge.discarded");
    assert!(discarded > 100_000, "of 2,000 x 3,300 deliveries some in a hundred: {discarded}");
    assert!(counter(&outcome, "clients.missed_messages") >= discarded, "and what catch-ups miss besides");
    assert_eq!(counter(&outcome, "audit.rows"), 2_000, "every vote is counted");
    assert!(counter(&outcome, "votes.accepted") < 1_950, "and not every voter is told");
    assert!(violated(&outcome.properties).iter().any(|text| text.starts_with("everybody-is-answered")));
    // On wifi 100 messages come in the time of few polls.
    let wifi = [("crowd.wifi_ppm", "1_000_000")];
    let outcome = run("voting-burst", &[&FLOOD[..], &documented[..], &wifi[..]].concat(), 1);
    assert!(counter(&outcome, "edge.discarded") < discarded / 4, "{}", counter(&outcome, "edge.discarded"));
}

/// On channels of their own the same voters hear their own acknowledgement and a tally a second.
#[test]
fn hardened_acknowledgements_never_wait_in_a_queue() {
    let outcome = run("voting-burst", &FLOOD, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert_eq!((counter(&outcome, "edge.discarded"), counter(&outcome, "votes.accepted")), (0, 2_000));
}
