//! Many seeds of the small swarm, and the ones that once failed.

use headcount_workloads::run::Prepared;
use headcount_workloads::scenario::Scenario;

use super::{prepared, violated};

#[test]
fn the_hardened_variant_holds_under_sixty_swarms() {
    let small = prepared("voting-small", &[]);
    for seed in 1..=60 {
        assert_eq!(violated(&small.check(seed).properties), Vec::<String>::new(), "seed {seed}");
    }
}

/// The seeds below failed before there was an auditor. Its node would move what the swarm draws, so it stays out.
fn holds(seeds: &[u64]) {
    let mut scenario = Scenario::load("voting-small", &[]).unwrap_or_else(|bad| panic!("{bad}"));
    scenario.auditor = None;
    let small = Prepared::new(scenario);
    for seed in seeds {
        assert_eq!(violated(&small.check(*seed).properties), Vec::<String>::new(), "seed {seed}");
    }
}

/// An edge that was paused started a new epoch behind a subscribe that it had just answered: the client believed in a
/// connection that the edge had forgotten, and waited for its ack for ever.
#[test]
fn regression_a_connection_of_an_old_epoch_is_refused() {
    holds(&[72, 380, 531, 849]);
}

/// App Context took the call and never answered; the client did not ask again, knew no shard, and never voted.
#[test]
fn regression_app_context_is_read_until_it_answers() {
    holds(&[1]);
}

/// A store crashed while it misbehaved: the order to behave again came while it was down, and was lost.
#[test]
fn regression_a_new_process_behaves() {
    holds(&[2, 158, 918, 964]);
}

/// A viewer's second vote was taken for a participant's with an expired token: it logged in until the auth server had
/// enough of it.
#[test]
fn regression_a_viewer_does_not_refresh_its_token_for_ever() {
    holds(&[1429, 1663]);
}

/// An impostor submitted in the millisecond in which its victim did: one requestId, two votes. The platform was right; the
/// oracle looked at the wrong one of them.
#[test]
fn regression_a_request_is_its_users_own() {
    holds(&[3944]);
}

/// A canary: the documented logic, under the same swarm, must be caught.
#[test]
fn the_documented_variant_falls_within_fifty_seeds() {
    let documented = prepared("voting-documented", &[]);
    let mut fallen = std::collections::BTreeSet::new();
    for seed in 1..=50 {
        let checked = documented.check(seed);
        fallen.extend(
            violated(&checked.properties)
                .into_iter()
                .filter_map(|text| text.split_once(':').map(|(name, _)| name.to_owned())),
        );
    }
    for name in [
        "one-counted-vote-per-user",
        "accepted-is-counted-once",
        "everybody-is-answered",
        "an-auditor-is-told-what-is-stored",
    ] {
        assert!(fallen.contains(name), "{name} was not caught; caught: {fallen:?}");
    }
}

/// Under the documents' own limit of three operations the documented handler (nine calls) accepts no vote at all.
#[test]
fn the_documented_handler_does_not_fit_the_documents_own_limits() {
    let outcome = super::run("voting-documented", &[("limits", "documents-2026-01")], 1);
    assert_eq!(super::counter(&outcome, "votes.accepted"), 0);
    assert!(super::counter(&outcome, "functions.counter.function.errors") > 0);
}
