//! friends-online.md 13.4: one kind of trouble at a time.

use headcount_workloads::outcome::Outcome;
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

use super::{counter, violated};

/// The small crowd without its swarm, with ten new friendships and ten ends of old ones, and this fault.
fn run_with(fault: &str, seed: u64) -> Outcome {
    let small = Scenario::builtin("friends-small").expect("a built-in scenario");
    let (calm, _) = small.split_once("[swarm]").expect("a swarm, at the end");
    let overrides = [("friends.deeds.requests", "10"), ("friends.deeds.removals", "10")];
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let text = format!("{calm}{fault}");
    let scenario = Scenario::parse("friends-chaos.toml", &text, &overrides).unwrap_or_else(|bad| panic!("{bad}"));
    Prepared::new(scenario).run(seed, RunOptions::default())
}

const NOTHING: &str = "";

/// Function timeout: App Context answers 6 s late, and a call is waited for for 5 s. Nothing is settled meanwhile; the next
/// event or the sweep settles it.
#[test]
fn calls_that_time_out_are_made_up_for_by_a_later_event() {
    let slow = "[[fault]]\nkind = \"appcontext_errors\"\ndelay_ms = 6000.0\nat_s = 10.0\nfor_s = 15.0\n";
    for seed in 1..=5 {
        let outcome = run_with(slow, seed);
        assert_eq!(violated(&outcome.properties), Vec::<String>::new(), "seed {seed}");
        assert!(counter(&outcome, "functions.call_timeouts") > 0, "calls timed out");
        assert!(counter(&outcome, "functions.counter.sweep.fires") > 0, "and were made up for");
    }
}

/// Channel group API failure: the registry is down for 10 s, or refuses everything. Friendships may be half made; the sweep
/// takes them up where they stand, so that none stays so.
#[test]
fn friendships_that_a_failing_registry_left_half_made_are_completed() {
    let down = "[[fault]]\nkind = \"crash\"\nnode = \"registry\"\nat_s = 15.0\nfor_s = 10.0\n";
    let refusing = "[[fault]]\nkind = \"registry_errors\"\nerror_ppm = 1_000_000\nat_s = 15.0\nfor_s = 10.0\n";
    for fault in [down, refusing] {
        let mut errors = 0;
        for seed in 1..=5 {
            let outcome = run_with(fault, seed);
            assert_eq!(violated(&outcome.properties), Vec::<String>::new(), "seed {seed}");
            errors += counter(&outcome, "functions.counter.friendship.errors");
        }
        assert!(errors > 0, "a friendship was interrupted: {fault}");
    }
}

/// High latency publish: 500 ms more on every way. Notifications are delayed and delivered.
#[test]
fn slow_links_delay_notices_and_lose_none() {
    let slow =
        "[[fault]]\nkind = \"degrade\"\na = [\"all\"]\nb = [\"all\"]\nextra_ms = 500.0\nat_s = 0.5\nfor_s = 40.0\n";
    for seed in 1..=5 {
        let (outcome, calm) = (run_with(slow, seed), run_with(NOTHING, seed));
        assert_eq!(violated(&outcome.properties), Vec::<String>::new(), "seed {seed}");
        let (late, soon) = (outcome.figures["online.p50_ms"], calm.figures["online.p50_ms"]);
        assert!(late > soon + 500.0, "the delay was felt: {late} ms, {soon} ms without it");
    }
}
