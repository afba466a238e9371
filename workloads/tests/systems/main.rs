//! Every system, run: its small swarm holds, its documented logic falls, its limits are said.

#[path = "../support/mod.rs"]
mod support;

mod authority;
mod configuration;
mod dedupe;
mod documented;
mod enrichment;
mod hybrid;
mod metasync;
mod metrics;
mod middleware;
mod orders;
mod ratelimit;
mod robust;
mod sessions;
mod tokens;

use documented::assert_falls;
use headcount_workloads::outcome::Verdict;
use headcount_workloads::systems::SYSTEMS;
use support::{counter, prepared, run, violated};

#[test]
fn every_small_system_holds_under_thirty_swarms() {
    for system in SYSTEMS {
        let small = prepared(&format!("{}-small", system.word()), &[]);
        for seed in 1..=30 {
            let properties = small.check(seed).properties;
            assert_eq!(violated(&properties), Vec::<String>::new(), "{} seed {seed}", system.word());
        }
    }
}

/// Canaries: the documents' own logic, under the same swarm, must be caught.
#[test]
fn every_documented_system_falls_within_thirty_seeds() {
    for system in SYSTEMS {
        let documented = prepared(&format!("{}-documented", system.word()), &[]);
        let falls = |seed: &u64| documented.check(*seed).verdict == Verdict::Violated;
        assert!((1..=30).any(|seed| falls(&seed)), "{}", system.word());
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for system in SYSTEMS {
        let small = prepared(&format!("{}-small", system.word()), &[]);
        let (one, again, other) = (small.check(7), small.check(7), small.check(8));
        assert_eq!(one, again);
        assert_ne!(one.digest, other.digest);
    }
}

/// Four KV calls and a fire are five operations: the document's own three do not carry them.
#[test]
fn a_profile_that_cannot_run_a_handler_is_named_with_its_limit_and_source() {
    let outcome = run("counter-documented", &[("limits", "\"documents-2026-01\"")], 1);
    let expected =
        "handlers-fit-their-limits: vote needs 5 operations of all kinds together in one execution; the limit is 3";
    assert_falls(&outcome, expected);
    assert!(counter(&outcome, "acts.vote.intended") > 0);
}
