//! friends-online.md 13.4: one kind of trouble at a time.

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_workloads::friends::plan::Deed;
use headcount_workloads::outcome::Outcome;
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

use super::script::{Line, play};
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

/// The most users who were connected within 10 ms after an edge had died at 20 s with a quarter of 200 users on it.
fn back_at_once(jitter: &str) -> usize {
    let died = "[[fault]]\nkind = \"crash\"\nnode = \"edge-us-east-0\"\nat_s = 20.0\nfor_s = 0.5\n";
    let small = Scenario::builtin("friends-small").expect("a built-in scenario");
    let (calm, _) = small.split_once("[swarm]").expect("a swarm, at the end");
    let overrides = [("friends.users", "200"), ("friends.reconnect_jitter", jitter)];
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let text = format!("{calm}{died}");
    let scenario = Scenario::parse("friends-chaos.toml", &text, &overrides).unwrap_or_else(|bad| panic!("{bad}"));
    let lines: Vec<Line> = (0..200).map(|user| (SECOND + Nanos::from(user) * 10 * MS, user, Deed::Come)).collect();
    let evening = play(scenario, &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    let back = evening.connections_after(20 * SECOND);
    assert_eq!(back.len(), 50, "those on the edge");
    let within = |at: &Nanos| back.iter().filter(|other| (*at..*at + 10 * MS).contains(other)).count();
    back.iter().map(within).max().expect("fifty")
}

/// A reconnect storm. With jitter fifty users come back over a second: one each 20 ms, hardly ever six within 10 ms. Without it
/// all try at one moment, and those of one kind of access are there at the same: two thirds of fifty are on wifi.
#[test]
fn without_jitter_those_who_lost_their_edge_come_back_at_once() {
    let (with, without) = (back_at_once("true"), back_at_once("false"));
    assert!(with <= 10 && without >= 25, "{with} and {without}");
}

/// A region is cut off for 15 s and comes back: what is counted meanwhile is held against those who were online all the time and
/// those who ever were.
#[test]
fn counts_are_judged_while_many_are_cut_off() {
    let cut = "[[fault]]\nkind = \"partition\"\na = [\"people-eu-west\"]\n\
               b = [\"edge-eu-west-0\", \"edge-eu-west-1\", \"auth\"]\nat_s = 10.0\nfor_s = 15.0\n";
    let outcome = run_with(cut, 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let stormy = outcome.properties.iter().find(|p| p.name == "a-count-was-made-while-many-were-cut-off");
    // Counts each 10 s in two regions, and the cut with 35 s after it lies in the window of five of them.
    assert!(stormy.is_some_and(|property| property.times_checked >= 5), "{stormy:?}");
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
