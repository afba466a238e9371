//! The command as a user meets it: wrong use ends with status 2 and one line, and leaves nothing behind.

mod command_line;

use std::fs;
use std::path::Path;

use command_line::{headcount, names, text};

/// A vote of a few people that lasts some virtual seconds.
const SMALL: [&str; 2] = ["run", "voting-small"];

/// Status 2, nothing on stdout, one line on stderr with all of `words`, and an untouched folder.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let before = names(folder);
    let output = headcount(folder, arguments);
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    for word in words {
        assert!(line.contains(word), "{arguments:?}: {word:?} is not in {line}");
    }
    assert_eq!(names(folder), before, "{arguments:?} left something behind");
}

#[test]
fn wrong_use_names_the_option_and_what_would_be_right() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    refused(folder, &["run", "voting-small", "--seed", "many"], &["--seed", "whole number"]);
    refused(folder, &["run", "voting-small", "--seed", "-1"], &["-1", "whole number"]);
    refused(folder, &["run", "voting-small", "--seed", "99999999999999999999"], &["--seed", "18446744073709551615"]);
    refused(folder, &["run", "no-such-scenario"], &["no-such-scenario", "voting-500k"]);
    refused(folder, &["run", "missing.toml"], &["missing.toml"]);
    refused(folder, &["run", "voting-small", "--set", "shards"], &["--set", "as in"]);
    refused(folder, &["run", "voting-small", "--set", "no.such.key=1"], &["no"]);
    refused(folder, &["check", "voting-small"], &["--seeds"]);
    refused(folder, &["check", "voting-small", "--seeds", "0"], &["--seeds", "1 or more"]);
    refused(folder, &["check", "voting-small", "--seeds", "2", "--from", "18446744073709551615"], &["last seed"]);
    refused(folder, &["check", "voting-small", "--seeds", "1", "--jobs", "0"], &["--jobs", "1 to 1024"]);
    refused(folder, &["frobnicate"], &["frobnicate", "--help"]);
    refused(folder, &["list", "--colour"], &["--colour"]);
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_run() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    fs::write(folder.join("file"), "x").unwrap();
    fs::create_dir(folder.join("letters")).unwrap();
    fs::write(folder.join("letters/dear.txt"), "x").unwrap();
    let with = |more: &[&'static str]| [&SMALL, more].concat();
    refused(folder, &with(&["--out", "file"]), &["file", "--out"]);
    refused(folder, &with(&["--out", "file/run"]), &["file/run", "--out"]);
    refused(folder, &with(&["--out", "letters"]), &["letters", "run.json"]);
    refused(folder, &with(&["--no-files", "--trace", "no/such/trace.txt"]), &["no/such/trace.txt"]);
    assert_eq!(names(&folder.join("letters")), ["dear.txt"]);
}

#[test]
fn a_scenario_file_that_is_no_toml_is_named() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("mine.toml"), "name = \"x\nvoters = ").unwrap();
    refused(home.path(), &["run", "mine.toml"], &["mine.toml"]);
    fs::write(home.path().join("bytes.toml"), [0xff, 0xfe]).unwrap();
    refused(home.path(), &["run", "bytes.toml"], &["bytes.toml"]);
}

#[test]
fn help_and_list_are_no_failures() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"], &["list"], &["list", "--json"]] {
        let output = headcount(home.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
    let list: serde_json::Value = serde_json::from_slice(&headcount(home.path(), &["list", "--json"]).stdout).unwrap();
    for part in ["scenarios", "properties", "faults", "limits_profiles"] {
        assert!(list[part].as_array().is_some_and(|rows| !rows.is_empty()), "{part}");
    }
    assert_eq!(list["scenarios"][0]["name"], "evening");
}

#[test]
fn a_run_gives_the_same_files_in_any_folder() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |folder: &Path| headcount(folder, &["run", "voting-small", "--seed", "0x11", "--trace", "trace.txt"]);
    let (first, second) = (run(one.path()), run(other.path()));
    assert!(matches!(first.status.code(), Some(0 | 1 | 3)), "{}", text(&first.stderr));
    assert_eq!(first.status.code(), second.status.code());
    assert!(text(&first.stdout).contains("headcount run voting-small --seed 17"));
    assert_eq!(names(one.path()), ["runs", "trace.txt"]);
    assert_eq!(fs::read(one.path().join("trace.txt")).unwrap(), fs::read(other.path().join("trace.txt")).unwrap());
    let folder = Path::new("runs/voting-small-17");
    let (a, b) = (one.path().join(folder), other.path().join(folder));
    assert_eq!(names(&a), names(&b));
    for name in names(&a).iter().filter(|name| *name != "plots") {
        let (mut left, mut right) = (fs::read(a.join(name)).unwrap(), fs::read(b.join(name)).unwrap());
        if name == "run.json" {
            (left, right) = (stripped(&left), stripped(&right));
        }
        assert!(left == right, "{name}");
    }
    for name in names(&a.join("plots")) {
        assert!(
            fs::read(a.join("plots").join(&name)).unwrap() == fs::read(b.join("plots").join(&name)).unwrap(),
            "{name}"
        );
    }
    // The scenario in the folder does the same run again.
    let again = headcount(&a, &["run", "scenario.toml", "--seed", "17", "--json", "--no-files"]);
    let digest = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["digest"].clone();
    assert_eq!(digest(&again.stdout), digest(&fs::read(a.join("run.json")).unwrap()));
}

fn stripped(run_json: &[u8]) -> Vec<u8> {
    let mut run: serde_json::Value = serde_json::from_slice(run_json).unwrap();
    headcount_reports::run_json::strip_machine_fields(&mut run);
    serde_json::to_vec(&run).unwrap()
}

#[test]
fn many_seeds_give_one_answer_with_any_number_of_jobs() {
    let home = tempfile::tempdir().unwrap();
    let check =
        |scenario: &str, jobs: &str| headcount(home.path(), &["check", scenario, "--seeds", "6", "--jobs", jobs]);
    for scenario in ["voting-small", "voting-documented"] {
        let (one, two) = (check(scenario, "1"), check(scenario, "2"));
        assert_eq!(text(&one.stdout), text(&two.stdout));
        assert_eq!(one.status.code(), two.status.code());
        assert!(
            text(&one.stdout).contains("digest ") && text(&one.stderr).contains("seeds/s"),
            "{}",
            text(&one.stderr)
        );
    }
    assert!(names(home.path()).is_empty(), "a check writes no files");
}

/// The status of a command, and the last line of its answer.
fn ended(arguments: &[&str]) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    let output = headcount(home.path(), arguments);
    let last = text(&output.stdout).lines().last().unwrap_or_default().to_string();
    (output.status.code(), last)
}

#[test]
fn the_status_is_the_verdict_of_the_run() {
    let run = |more: &[&'static str]| ended(&[&["run", "--no-files", "--quiet"], more].concat());
    // 600 users at 10 votes a second without faults: every promise can be kept, and every situation comes.
    let calm = ["voting-calm", "--set", "crowd.users=600", "--set", "crowd.arrivals.rate_per_s=10"];
    assert_eq!(run(&calm), (Some(0), "holds (as expected)".into()));
    assert_eq!(run(&["voting-documented", "--seed", "1"]), (Some(1), "violated (as expected)".into()));
    // One user alone cannot meet every situation: there is nobody else to be refused.
    let alone = ["voting-small", "--set", "crowd.users=1"];
    assert_eq!(run(&alone), (Some(3), "inconclusive (expected: holds)".into()));
}

#[test]
fn the_status_is_the_verdict_over_all_seeds() {
    let check = |more: &[&'static str]| ended(&[&["check", "--seeds", "2", "--quiet"], more].concat());
    let calm = ["voting-calm", "--set", "crowd.users=600", "--set", "crowd.arrivals.rate_per_s=10"];
    assert_eq!(check(&calm), (Some(0), "HOLDS (as expected)".into()));
    assert_eq!(check(&["voting-documented", "--keep-going"]), (Some(1), "VIOLATED (as expected)".into()));
    assert_eq!(check(&["voting-small", "--set", "crowd.users=1"]), (Some(3), "INCONCLUSIVE (expected: holds)".into()));
}

#[test]
fn the_command_printed_for_a_failing_seed_fails_again() {
    let home = tempfile::tempdir().unwrap();
    let check = headcount(home.path(), &["check", "voting-documented", "--seeds", "12", "--keep-going", "--quiet"]);
    let said = text(&check.stdout);
    let commands: Vec<&str> = said.lines().filter_map(|line| line.trim().strip_prefix("headcount ")).collect();
    let violated = said.lines().find_map(|line| line.split(" held, ").nth(1)?.split(' ').next()).unwrap();
    assert_eq!(commands.len().to_string(), violated, "{said}");
    assert!(!commands.is_empty(), "{said}");
    for command in commands {
        let (arguments, _) = command.split_once('#').unwrap();
        let arguments: Vec<&str> = arguments.split_whitespace().chain(["--no-files", "--quiet"]).collect();
        assert_eq!(headcount(home.path(), &arguments).status.code(), Some(1), "{command}");
    }
}
