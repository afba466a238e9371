//! voting.md 12.2, row by row, as runs of a small crowd without faults.

use headcount_engine::patterns::voting::session::Status;
use headcount_workloads::crowd::plan::VoteKind;
use headcount_workloads::crowd::record::{Fate, Reason, Vote};
use headcount_workloads::oracle::acknowledged_votes;
use headcount_workloads::outcome::Verdict;

use super::{counter, prepared, run, violated};

/// 100 voters, one vote each at 10 a second, all in the open time from 10 to 30 s.
const SCENARIO: &str = "voting-burst";
const SMALL: [(&str, &str); 3] =
    [("crowd.users", "100"), ("crowd.arrivals.rate_per_s", "10"), ("crowd.arrivals.to_s", "25")];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    SMALL.iter().chain(more).copied().collect()
}

fn is_accepted(vote: &Vote) -> bool {
    matches!(vote.fate, Fate::Accepted(_))
}

/// Whether this property of the run was met and kept.
fn holds(outcome: &headcount_workloads::outcome::Outcome, name: &str) -> bool {
    outcome.properties.iter().any(|property| property.name == name && property.verdict == Verdict::Holds)
}

/// End-to-end vote: create, open, submit, close, reveal. Every vote is in the results and has its audit row.
#[test]
fn end_to_end_every_vote_is_in_the_results_and_in_the_audit_log() {
    let outcome = run(SCENARIO, &with(&[]), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let steps: Vec<(&str, f64)> =
        outcome.milestones.iter().map(|milestone| (milestone.label.as_str(), milestone.at_s)).collect();
    assert_eq!(steps.iter().map(|(step, _)| *step).collect::<Vec<_>>(), ["created", "opened", "closed", "revealed"]);
    assert!(steps.is_sorted_by(|a, b| a.1 < b.1), "{steps:?}");
    let (votes, counted) = prepared(SCENARIO, &with(&[])).examine(1, |seen| {
        let options = seen.scenario.vote.options.len();
        let mut counted = vec![0; options];
        acknowledged_votes(seen).values().for_each(|option| counted[usize::from(*option)] += 1);
        (seen.ledger.log().len() as u64, counted)
    });
    // What voters were told, option by option, is what was revealed; and each of them is a row.
    let revealed: Vec<u64> = outcome.results.iter().map(|(_, count)| *count).collect();
    assert_eq!(revealed, counted);
    assert_eq!(revealed.iter().sum::<u64>(), votes);
    assert_eq!((votes, counter(&outcome, "votes.accepted")), (100, 100));
}

/// Duplicate handling: an impatient client (100 ms) submits the same requestId again before its ack is there. One row
/// a request, and every further ack says the same as the first.
#[test]
fn the_same_vote_submitted_twice_is_answered_alike_and_counted_once() {
    let impatient = with(&[("crowd.ack_timeout_ms", "100.0"), ("crowd.retry.first_ms", "10.0")]);
    let outcome = run(SCENARIO, &impatient, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(counter(&outcome, "votes.attempts") > counter(&outcome, "votes.submitted"), "some were sent twice");
    assert!(counter(&outcome, "votes.repeated_answers") > 0, "and answered twice");
    assert!(holds(&outcome, "same-request-same-answer"));
    assert_eq!((counter(&outcome, "votes.accepted"), counter(&outcome, "audit.rows")), (100, 100));
}

/// Duplicate handling: everybody clicks twice, which makes two requests. One of them counts, the other is told that
/// the user has voted.
#[test]
fn a_double_click_is_one_vote_and_one_already_voted() {
    let outcome = run(SCENARIO, &with(&[("crowd.misbehaviour.double_click_ppm", "1_000_000")]), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert_eq!(counter(&outcome, "votes.intended"), 2 * 100);
    assert_eq!((counter(&outcome, "votes.accepted"), counter(&outcome, "votes.rejected.already_voted")), (100, 100));
    assert_eq!(counter(&outcome, "audit.rows"), 100);
}

/// Late joiner sync: half of the people come while the vote is on, and read App Context.
#[test]
fn a_late_joiner_reads_the_state_and_the_votes_so_far() {
    let late = with(&[("crowd.late_join_ppm", "500_000")]);
    let outcome = run(SCENARIO, &late, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(holds(&outcome, "late-joiners-see-the-state") && holds(&outcome, "a-late-joiner-read-the-state"));
    let syncs: Vec<_> = prepared(SCENARIO, &late)
        .examine(1, |seen| seen.crowds.iter().flat_map(|crowd| crowd.late_syncs.clone()).collect());
    assert!(syncs.len() > 30, "about half of 100: {}", syncs.len());
    assert!(syncs.iter().all(|sync| sync.status == Status::Open as u8), "they come while it is open");
    // The first votes are cast at 11 s. A tally goes out every 5 s: by 11 + 5 + 1 s everybody sees some.
    let settled: Vec<_> = syncs.iter().filter(|sync| sync.answered > 17_000_000_000).collect();
    assert!(!settled.is_empty() && settled.iter().all(|sync| sync.total > 0), "{settled:?}");
}

/// Token refresh: vote, wait for the expiry, vote again. Tokens live for 1 minute from joining (2 to 9 s) on, people
/// vote from 11 to 110 s, twice each, 1 to 10 s apart: for those around 62 to 69 s the token ends between their two
/// votes. Everybody's second token is good until the end; nothing is lost, and the host's token ends as well.
#[test]
fn votes_before_and_after_a_token_expired_are_both_counted() {
    let refreshing = [
        ("crowd.users", "100"),
        ("vote.token_ttl_minutes", "1"),
        ("vote.max_votes_per_user", "2"),
        ("vote.close_s", "125.0"),
        ("vote.reveal_s", "130.0"),
        ("crowd.arrivals", "{ kind = \"spread\", from_s = 11.0, to_s = 110.0 }"),
        ("crowd.misbehaviour.second_vote_ppm", "1_000_000"),
    ];
    let outcome = run(SCENARIO, &refreshing, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let accepted = counter(&outcome, "votes.accepted");
    assert_eq!((accepted, counter(&outcome, "audit.rows")), (200, 200), "0 lost of 2 x 100");
    assert!(counter(&outcome, "edge.forbidden") >= counter(&outcome, "clients.token_refreshes"));
    assert!(counter(&outcome, "clients.token_refreshes") > 50, "all who vote after 69 s");
    assert!(holds(&outcome, "everybody-is-answered"));
    // Those between whose votes the token ended: the first went through at once, the second was refused with 403 first.
    let straddling = prepared(SCENARIO, &refreshing).examine(1, |seen| {
        let votes =
            || seen.crowds.iter().enumerate().flat_map(|(region, crowd)| crowd.votes.iter().map(move |v| (region, v)));
        let second =
            votes().filter(|(_, vote)| vote.kind == VoteKind::Second && vote.forbidden > 0 && is_accepted(vote));
        let first = |region, client| {
            votes().any(|(r, v)| {
                (r, v.client) == (region, client) && v.kind == VoteKind::Normal && v.forbidden == 0 && is_accepted(v)
            })
        };
        second.filter(|(region, vote)| first(*region, vote.client)).count()
    });
    assert!(straddling > 0, "somebody's token ended between two votes");
}

/// Host controls: what is voted before the opening and after the close is rejected with session_not_open, and the
/// session ends revealed.
#[test]
fn a_vote_before_the_opening_or_after_the_close_is_rejected() {
    let untimely = with(&[
        ("crowd.join.to_s", "3.0"),
        ("crowd.misbehaviour.early_vote_ppm", "300_000"),
        ("crowd.misbehaviour.late_vote_ppm", "300_000"),
    ]);
    let outcome = run(SCENARIO, &untimely, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!(holds(&outcome, "close-wins") && holds(&outcome, "a-vote-outside-the-open-time-was-refused"));
    let (fates, status) = prepared(SCENARIO, &untimely).examine(1, |seen| {
        let votes = seen.crowds.iter().flat_map(|crowd| &crowd.votes);
        let fates: Vec<_> = votes.map(|vote| (vote.kind, vote.fate)).collect();
        (fates, seen.object.as_ref().map(|object| object.status))
    });
    for kind in [VoteKind::Early, VoteKind::Late] {
        let of_kind: Vec<_> = fates.iter().filter(|(k, _)| *k == kind).collect();
        assert!(of_kind.len() > 10, "about 30 of 100: {}", of_kind.len());
        assert!(of_kind.iter().all(|(_, fate)| *fate == Fate::Rejected(Reason::SessionNotOpen)), "{of_kind:?}");
    }
    assert_eq!(counter(&outcome, "votes.accepted"), 100, "everybody's own vote, in time");
    assert_eq!(status, Some(Status::Revealed));
}
