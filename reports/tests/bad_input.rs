//! Bad input through the command: status 2, one line on stderr that names where, what and what would be right, and
//! nothing left behind.

mod command_line;

use std::fs;
use std::path::Path;

use command_line::{headcount, names, text};

/// A whole scenario in the fewest lines; tests add to it or change a line.
const SCENARIO: &str = "name = \"mine\"

[topology]
regions = [\"us-east\", \"eu-west\"]

[vote]
shards = 4

[crowd]
users = 32
";

/// A folder of its own with `mine.toml` in it.
fn folder_with(scenario: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), scenario).unwrap();
    folder
}

/// Runs in `folder`: status 2, an empty stdout, exactly `line` on stderr, and the same files as before, to the byte.
#[track_caller]
fn says(folder: &Path, arguments: &[&str], line: &str) {
    let before = contents(folder);
    let output = headcount(folder, arguments);
    assert_eq!(text(&output.stderr), format!("headcount: {line}\n"), "{arguments:?}");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert_eq!(contents(folder), before, "{arguments:?} left something behind");
}

fn contents(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    names(folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).ok())).collect()
}

/// A scenario file with `old` replaced by `new` is refused with `line`, whether it is to be run or checked.
#[track_caller]
fn file_says(old: &str, new: &str, line: &str) {
    assert!(SCENARIO.contains(old), "{old}");
    let folder = folder_with(&SCENARIO.replace(old, new));
    says(folder.path(), &["run", "mine.toml", "--out", "out", "--trace", "trace.txt"], line);
    says(folder.path(), &["check", "mine.toml", "--seeds", "2"], line);
}

#[test]
fn an_unknown_key_is_answered_with_the_known_ones() {
    let known = "session_id, question, options, shards, create_s, open_s, close_s, reveal_s, allow_change_vote, \
                 show_live_tally, anonymous_results, max_votes_per_user, tally_interval_ms, token_ttl_minutes, add_shards";
    let line = format!("mine.toml:7: vote.shard_count = 4: unknown key; here can stand: {known}");
    file_says("shards = 4", "shard_count = 4", &line);
}

#[test]
fn a_negative_duration_is_answered_with_its_range() {
    let open = "shards = 4\nopen_s = -5.0";
    file_says("shards = 4", open, "mine.toml:8: vote.open_s = -5.0: must be 0 to 1,000,000 seconds");
    let retry = "users = 32\nack_timeout_ms = -1";
    file_says("users = 32", retry, "mine.toml:11: crowd.ack_timeout_ms = -1: must be 100 to 60,000 milliseconds");
    let fault = "users = 32\n[[fault]]\nkind = \"crash\"\nnode = \"audit\"\nat_s = 20\nfor_s = -3";
    file_says("users = 32", fault, "mine.toml:15: fault.0.for_s = -3: must be 0.001 to 1,000,000 seconds");
}

#[test]
fn a_fault_on_a_node_that_is_not_there_is_answered_with_those_that_are() {
    let fault = "users = 32\n[[fault]]\nkind = \"kv_errors\"\nnode = \"kv-mars\"\nat_s = 20\nfor_s = 5";
    let line = "mine.toml:13: fault.0.node = \"kv-mars\": must be \"all\", \"kv-us-east\" or \"kv-eu-west\"";
    file_says("users = 32", fault, line);
    let fault = "users = 32\n[[fault]]\nkind = \"crash\"\nnode = \"kv-mars\"\nat_s = 20\nfor_s = 5";
    let nodes = "\"edge-us-east-0\", \"broker-us-east\", \"worker-us-east-0\", \"kv-us-east\", \"edge-eu-west-0\", \
                 \"broker-eu-west\", \"worker-eu-west-0\", \"kv-eu-west\", \"appcontext\", \"access\", \"auth\", \
                 \"audit\", \"history\", \"scheduler\" or \"host\"";
    file_says("users = 32", fault, &format!("mine.toml:13: fault.0.node = \"kv-mars\": must be {nodes}"));
}

#[test]
fn no_shards_and_no_people_or_too_many_are_answered_with_the_range() {
    file_says("shards = 4", "shards = 0", "mine.toml:7: vote.shards = 0: must be 1 to 32");
    file_says("users = 32", "users = 0", "mine.toml:10: crowd.users = 0: must be 1 to 5,000,000");
    let many = "mine.toml:10: crowd.users = 10_000_000_000: must be 1 to 5,000,000";
    file_says("users = 32", "users = 10_000_000_000", many);
    // Beyond 128 bits it is still a number that is too large.
    let digits = format!("1{}", "0".repeat(45));
    let line = format!("mine.toml:10: crowd.users = {digits}: must be 1 to 5,000,000");
    file_says("users = 32", &format!("users = {digits}"), &line);
}

#[test]
fn arrivals_with_a_gap_or_with_words_are_named_with_file_and_line() {
    let scenario = format!("{SCENARIO}arrivals = {{ kind = \"csv\", path = \"load.csv\", from_s = 12.0 }}\n");
    let folder = folder_with(&scenario);
    let refused = |csv: &str, line: &str| {
        fs::write(folder.path().join("load.csv"), csv).unwrap();
        says(folder.path(), &["run", "mine.toml"], line);
    };
    let gap = "must be 2, one row for each second without a gap (0 arrivals for a quiet one)";
    refused("second,arrivals\n0,3\n1,3\n3,3\n", &format!("load.csv:4: second = 3: {gap}"));
    refused("second,arrivals\n0,3\n1,lots\n", "load.csv:3: arrivals = lots: must be a whole number, 0 to 5,000,000");
    refused("second,arrivals\n0,3\n1,-4\n", "load.csv:3: arrivals = -4: must be a whole number, 0 to 5,000,000");
    refused("a,b\n0,3\n", "load.csv:1: header: must be second,arrivals");
    fs::remove_file(folder.path().join("load.csv")).unwrap();
    let right = "must be the path of a CSV with the header second,arrivals";
    let line = format!("mine.toml:11: crowd.arrivals.path = \"load.csv\": no file load.csv: {right}");
    says(folder.path(), &["run", "mine.toml"], &line);
}

#[test]
fn an_unknown_scenario_is_answered_with_the_names_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<&str> = headcount_workloads::catalogue::all().iter().map(|entry| entry.name).collect();
    let names = names.join(", ");
    for arguments in [&["run", "voting-smal"][..], &["check", "voting-smal", "--seeds", "2"]] {
        let line = format!("voting-smal: no such file: must be a scenario file or a built-in scenario: {names}");
        says(folder.path(), arguments, &line);
    }
    fs::create_dir(folder.path().join("scenarios")).unwrap();
    let line = format!("scenarios: is a folder: must be a scenario file or a built-in scenario: {names}");
    says(folder.path(), &["run", "scenarios"], &line);
}

#[test]
fn an_override_is_named_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let set = |pair: &str, line: &str| {
        says(folder.path(), &["run", "voting-small", "--set", pair], line);
        says(folder.path(), &["check", "voting-small", "--seeds", "2", "--set", pair], line);
    };
    set("bounds.converge=5", "--set bounds.converge=5: unknown key; here can stand: converge_s");
    set("vote.shards=many", "--set vote.shards=many: must be a whole number, 1 to 32");
    set("vote.shards=0", "--set vote.shards=0: must be 1 to 32");
    set("crowd.users=10000000000", "--set crowd.users=10000000000: must be 1 to 5,000,000");
    set("variant=hard", "--set variant=hard: must be \"documented\" or \"hardened\"");
    let known = "name, summary, pattern, variant, limits, expect, thresholds, topology, vote, crowd, auditor, stations, links, bounds, swarm, \
                 fault, heal_s, end_s";
    set("shards=4", &format!("--set shards=4: unknown key; here can stand: {known}"));
}

#[test]
fn numbers_that_are_none_are_named_with_their_option() {
    let folder = tempfile::tempdir().unwrap();
    let seed = "a seed is a whole number from 0 to 18446744073709551615, as in 17 or 0x11";
    let line = format!("invalid value 'abc' for '--seed <N>': {seed}; see headcount run --help");
    says(folder.path(), &["run", "voting-small", "--seed", "abc"], &line);
    let line = format!("invalid value '-1' for '--seed <N>': {seed}; see headcount run --help");
    says(folder.path(), &["run", "voting-small", "--seed", "-1"], &line);
    let line = format!("invalid value 'abc' for '--from <K>': {seed}; see headcount check --help");
    says(folder.path(), &["check", "voting-small", "--seeds", "2", "--from", "abc"], &line);
    for wrong in ["abc", "0", "-3", "1.5"] {
        let right = "it takes a whole number of seeds, 1 or more; see headcount check --help";
        let line = format!("invalid value '{wrong}' for '--seeds <N>': {right}");
        says(folder.path(), &["check", "voting-small", "--seeds", wrong], &line);
    }
    for wrong in ["0", "two", "-1"] {
        let right = "it takes a whole number of threads, 1 to 1024; see headcount check --help";
        let line = format!("invalid value '{wrong}' for '--jobs <J>': {right}");
        says(folder.path(), &["check", "voting-small", "--seeds", "2", "--jobs", wrong], &line);
    }
}

#[test]
fn a_place_below_a_file_cannot_be_written_and_that_is_said_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let right = "name a folder that can be made and written (--out DIR)";
    let line = ".: is the folder you are in; name another folder for the run's files (--out DIR)";
    says(folder.path(), &["run", "voting-500k", "--out", "."], line);
    let line = format!("file/run: cannot be written (not a directory); {right}");
    // With the flagship: 20 s of computing would show if the place were looked at after the run only.
    says(folder.path(), &["run", "voting-500k", "--out", "file/run"], &line);
    let line = "file: is a file; name a folder for the run's files (--out DIR)";
    says(folder.path(), &["run", "voting-500k", "--out", "file"], line);
    let line = "file/trace.txt: cannot be written (not a directory); name a file in a folder that can be written";
    says(folder.path(), &["run", "voting-500k", "--no-files", "--trace", "file/trace.txt"], line);
}
