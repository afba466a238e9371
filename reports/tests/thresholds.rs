//! Thresholds of a scenario and of the command line: judged at the end, in the status and in every file that says it.

mod command_line;

use std::fs;
use std::path::Path;

use command_line::{headcount, text};
use serde_json::{Value, json};

/// 600 users at 10 votes a second without faults: every property holds.
const CALM: [&str; 5] = ["voting-calm", "--set", "crowd.users=600", "--set", "crowd.arrivals.rate_per_s=10"];

fn with<'a>(verb: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [verb, &CALM, more].concat()
}

fn run_json(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("run.json")).unwrap()).unwrap()
}

#[test]
fn a_run_that_meets_its_thresholds_holds_and_one_that_misses_one_is_violated() {
    let home = tempfile::tempdir().unwrap();
    let met = with(&["run", "--out", "met"], &["--threshold", "ack.p99_ms<500,lost==0", "--threshold", "kv.gets > 0"]);
    let output = headcount(home.path(), &met);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("3 of 3 thresholds met"), "{said}");
    let run = run_json(&home.path().join("met"));
    let verdicts: Vec<&Value> = run["thresholds"].as_array().unwrap().iter().map(|one| &one["verdict"]).collect();
    assert_eq!(verdicts, ["holds"; 3]);
    assert_eq!(run["thresholds"][0]["value"], run["figures"]["ack.p99_ms"]);

    let missed = with(&["run", "--out", "missed"], &["--threshold", "ack.p99_ms < 1"]);
    let output = headcount(home.path(), &missed);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("VIOLATED (expected: holds)"), "{said}");
    assert!(said.contains("violated     ack.p99_ms < 1: it is "), "{said}");
    assert!(said.trim_end().ends_with("--threshold 'ack.p99_ms < 1'"), "{said}");
    let folder = home.path().join("missed");
    let run = run_json(&folder);
    assert_eq!((&run["verdict"], &run["thresholds"][0]["verdict"]), (&json!("violated"), &json!("violated")));
    let report = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(report.contains("1 threshold missed.") && report.contains("<code>ack.p99_ms &lt; 1</code>"));
    // The scenario in the folder has the threshold, and so does the same again; the run itself is the same as without.
    let again = headcount(&folder, &["run", "scenario.toml", "--no-files", "--json"]);
    assert_eq!(again.status.code(), Some(1));
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&again["digest"], &again["thresholds"]), (&run["digest"], &run["thresholds"]));
    assert_eq!(run_json(&home.path().join("met"))["digest"], run["digest"]);
}

#[test]
fn what_nobody_measured_is_inconclusive() {
    let home = tempfile::tempdir().unwrap();
    // Nobody leaves, so nobody waits for a friend to be seen offline.
    let sets = ["friends.users=50", "friends.degree=1", "friends.degree_max=1", "friends.deeds.leaves=0"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
    let threshold = ["--threshold", "offline.p99_ms<500"];
    let run = [&["run", "friends-calm", "--no-files", "--json"], &sets[..], &threshold].concat();
    let output = headcount(home.path(), &run);
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        (&run["thresholds"][0]["value"], &run["thresholds"][0]["verdict"]),
        (&Value::Null, &json!("inconclusive"))
    );
    let check = [&["check", "friends-calm", "--seeds", "2", "--quiet"], &sets[..], &threshold].concat();
    let said = text(&headcount(home.path(), &check).stdout);
    assert!(said.contains("offline.p99_ms < 500  met in 0 seeds, nothing to measure in 2 seeds\n"), "{said}");
}

#[test]
fn a_scenario_file_has_its_own_and_a_set_replaces_them() {
    let home = tempfile::tempdir().unwrap();
    let file = |thresholds: &str| {
        let text = format!("name = \"mine\"\nthresholds = {thresholds}\n\n[crowd]\nusers = 20\n");
        fs::write(home.path().join("mine.toml"), text).unwrap();
    };
    let run = |more: &[&str]| headcount(home.path(), &[&["run", "mine.toml", "--no-files", "--json"], more].concat());
    let judged = |more: &[&str]| {
        let run: Value = serde_json::from_slice(&run(more).stdout).unwrap();
        run["thresholds"].as_array().unwrap().iter().map(|one| one["threshold"].as_str().unwrap().to_owned()).collect()
    };
    file("[\"ack.p99_ms < 1\", \"lost == 0\"]");
    let own: Vec<String> = judged(&[]);
    assert_eq!(own, ["ack.p99_ms < 1", "lost == 0"]);
    assert_eq!(run(&[]).status.code(), Some(1));
    let set: Vec<String> = judged(&["--set", "thresholds=[\"lost==0\"]", "--threshold", "kv.gets>=1"]);
    assert_eq!(set, ["lost == 0", "kv.gets >= 1"]);
    let set: Vec<String> = judged(&["--set", "thresholds.0=ack.p99_ms<900"]);
    assert_eq!(set, ["ack.p99_ms < 900", "lost == 0"]);

    let refused = |more: &[&str], words: &[&str]| {
        let output = run(more);
        let line = text(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        words.iter().for_each(|word| assert!(line.contains(word), "{word:?} is not in {line}"));
    };
    file("[\"lost == 0\",\n  \"ack.p99 < 500\"]");
    refused(&[], &["mine.toml:3: thresholds.1 = \"ack.p99 < 500\": ", "no metric of pattern \"voting\"", "ack.p99_ms"]);
    file("[\"ack.p99_ms << 500\"]");
    refused(&[], &["mine.toml:2: thresholds.0", "column 13: after < must come a number"]);
    file("[\"ack.p99_ms < 500, lost == 0\"]");
    refused(&[], &["mine.toml:2: thresholds.0", "must be one threshold in each text"]);
    file("\"lost == 0\"");
    refused(&[], &["mine.toml:2: thresholds", "must be a list of texts"]);
    file("[]");
    refused(
        &["--threshold", "online.p99_ms<5"],
        &["--threshold \"online.p99_ms<5\": column 1: ", "no metric of pattern"],
    );
    refused(&["--set", "thresholds.0=lots"], &["--set thresholds.0=lots: column 5: after lots must come"]);
}

#[test]
fn a_check_judges_every_seed_and_says_which_was_worst() {
    let home = tempfile::tempdir().unwrap();
    let check = |more: &[&str]| headcount(home.path(), &with(&["check", "--seeds", "3", "--quiet"], more));
    let output = check(&["--threshold", "ack.p99_ms<500"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("thresholds over all seeds\n  ack.p99_ms < 500  met in 3 seeds; worst "), "{said}");
    let output = check(&["--threshold", "ack.p99_ms<1"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("violated in 3 seeds: ack.p99_ms < 1\n  seed 1: it is "), "{said}");
    assert!(
        said.contains("--seed 3 --set crowd.users=600 --set crowd.arrivals.rate_per_s=10 --threshold 'ack.p99_ms<1'")
    );
    let output = check(&["--threshold", "ack.p99_ms<1", "--json"]);
    let check: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&check["verdict"], &check["thresholds"][0]["seeds_missed"]), (&json!("violated"), &json!(3)));
    assert_eq!(check["failing"][0]["violated"][0]["name"], "ack.p99_ms < 1");
}
