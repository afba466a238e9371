//! The auditor in a run: what it is told while people vote and after it, and that the oracle would see a lie.

use headcount_workloads::auditor::Record;
use headcount_workloads::oracle::{self, Seen, Shared};
use headcount_workloads::outcome::Verdict;

use super::{counter, prepared, run, violated};

/// 100 voters, one vote each at 10 a second from 11 to 21 s; a question every 500 ms from the opening at 10 s on.
const SCENARIO: &str = "voting-burst";
const ASKED: [(&str, &str); 4] = [
    ("crowd.users", "100"),
    ("crowd.arrivals.rate_per_s", "10"),
    ("crowd.arrivals.to_s", "25"),
    ("auditor.every_s", "0.5"),
];

const PROPERTIES: [&str; 2] = ["an-auditor-is-told-what-is-stored", "only-an-auditor-reads-the-log"];

#[test]
fn an_auditor_finds_every_acknowledged_vote_and_a_participant_finds_none() {
    let outcome = run(SCENARIO, &ASKED, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    for name in PROPERTIES.into_iter().chain([
        "an-acknowledged-vote-was-asked-for",
        "rows-were-told-while-people-voted",
        "rows-were-told-after-the-close",
        "a-participant-who-asked-for-rows-was-refused",
        "a-forged-auditor-was-refused",
    ]) {
        let met =
            outcome.properties.iter().any(|p| p.name == name && p.verdict == Verdict::Holds && p.times_checked > 0);
        assert!(met, "{name}");
    }
    // Three of eight questions are asked by people who may not, one of them without a token.
    let (asked, refused) = (counter(&outcome, "audit.queries"), counter(&outcome, "audit.queries_refused"));
    assert!(refused.abs_diff((asked + refused) * 3 / 8) <= 3, "{refused} of {}", asked + refused);
    assert_eq!(counter(&outcome, "auditor.retries"), 0, "nothing is in its way");
}

/// Tokens live for a minute; the auditor asks from 10 to about 130 s, and each of its two people logs in two or three
/// times: no question is lost.
#[test]
fn an_auditors_token_that_ends_is_replaced_in_the_run() {
    let long = [
        ("vote.token_ttl_minutes", "1"),
        ("vote.close_s", "115.0"),
        ("vote.reveal_s", "120.0"),
        ("crowd.arrivals.to_s", "100"),
    ];
    let outcome = run(SCENARIO, &[&ASKED[..], &long[..]].concat(), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let (logins, refused) = (counter(&outcome, "auditor.logins"), counter(&outcome, "auditor.token_refusals"));
    assert!((2..=4).contains(&refused), "{refused}");
    assert_eq!(logins, 2 + refused);
}

/// What the two properties say of a record that was tampered with.
fn judged(seen: &Seen<'_>, auditor: &Record) -> Vec<String> {
    let changed = Seen {
        scenario: seen.scenario,
        crowds: seen.crowds.clone(),
        pending: Vec::new(),
        unreachable: seen.unreachable.clone(),
        ledger: seen.ledger,
        auditor: Some(auditor),
        host: seen.host,
        object: None,
        faults: seen.faults,
        most_ops: seen.most_ops,
        shared: Shared::default(),
    };
    violated(&oracle::check(&changed))
        .into_iter()
        .filter(|text| PROPERTIES.iter().any(|n| text.starts_with(n)))
        .collect()
}

/// A canary for each way of lying to an auditor.
#[test]
fn an_auditor_who_is_told_something_else_is_a_violation() {
    prepared(SCENARIO, &ASKED).examine(1, |seen| {
        let honest = seen.auditor.expect("there is an auditor");
        assert_eq!(judged(seen, honest), Vec::<String>::new());
        // Answers with more than two rows, after the close: for the session, or for a time. While people vote the last row
        // may be written while the question is under way, and an answer without it is true.
        let closed = seen.host.iter().find(|done| done.what == "closed").expect("it was closed").done;
        let is_long = |at: &usize| honest.answers[*at].asked > closed && honest.answers[*at].rows.len() > 2;
        let long: Vec<usize> = (0..honest.answers.len()).filter(is_long).collect();
        assert!(long.len() > 5, "{}", long.len());
        let lies: [fn(&mut Record, usize); 6] = [
            |record, at| record.answers[at].rows[1].option ^= 1,
            |record, at| record.answers[at].rows[1].print ^= 1,
            |record, at| _ = record.answers[at].rows.remove(1),
            |record, at| _ = record.answers[at].rows.pop(),
            |record, at| {
                let again = record.answers[at].rows[0];
                record.answers[at].rows.insert(1, again);
            },
            |record, at| record.answers[at].rows[0].number = 1_000_000,
        ];
        for (lie, tell) in lies.iter().enumerate() {
            for at in &long {
                let mut record = honest.clone();
                tell(&mut record, *at);
                assert_eq!(judged(seen, &record).len(), 1, "lie {lie} about answer {at}");
            }
        }
        let mut record = honest.clone();
        let first = *record.intruders.keys().next().expect("an intruder");
        record.intruders.insert((first.0, 200), 1);
        assert_eq!(judged(seen, &record).len(), 1, "let in");
    });
}
