//! `headcount compare` as a user meets it: run folders and scenarios, the same and another, and the gate of a build server.

mod command_line;

use std::fs;
use std::path::Path;
use std::process::Output;

use command_line::{headcount, names, text};
use serde_json::{Value, json};

/// 200 users at 20 votes a second without faults.
const CALM: [&str; 4] = ["--set", "crowd.users=200", "--set", "crowd.arrivals.rate_per_s=20"];
/// The same with an audit database that takes five times as long.
const SLOW: [&str; 2] = ["--set-b", "stations.audit.service={ kind = \"constant\", ms = 100.0 }"];

fn run(folder: &Path, out: &str, seed: &str, more: &[&str]) {
    let arguments = [&["run", "voting-calm", "--quiet", "--out", out, "--seed", seed], &CALM[..], more].concat();
    let output = headcount(folder, &arguments);
    assert!(folder.join(out).join("run.json").is_file(), "{}", text(&output.stderr));
}

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    headcount(folder, &[&["compare"], arguments].concat())
}

fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let before = names(folder);
    let output = compare(folder, arguments);
    let line = text(&output.stderr);
    assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{arguments:?}: {line}");
    words.iter().for_each(|word| assert!(line.contains(word), "{arguments:?}: {word:?} is not in {line}"));
    assert_eq!(names(folder), before, "{arguments:?} left something behind");
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

#[test]
fn a_run_and_the_same_again_have_no_difference_at_all() {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), "base/one", "1", &[]);
    run(home.path(), "base/two", "2", &[]);
    run(home.path(), "again", "1", &[]);
    let output = compare(home.path(), &["base/one", "again", "--fail-over", "0%"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("SAME\n  No difference at all: 1 seed, the same digests, all "), "{said}");
    let folder = home.path().join("runs/compare-one-again");
    assert_eq!(names(&folder), ["compare.csv", "compare.json", "differences.csv", "report.html"]);
    assert_eq!(fs::read_to_string(folder.join("differences.csv")).unwrap(), "metric,seed,a,b,difference\n");

    // What is read from folders is what a run made now measures, to the last digit; two seeds of a folder of folders.
    let made = compare(home.path(), &[&["base", "voting-calm", "--json"], &CALM[..]].concat());
    let made = answer(&made);
    assert_eq!((&made["answer"], &made["seeds"], &made["same_digests"]), (&json!("same"), &json!([1, 2]), &json!(2)));
    assert!(made["metrics"].as_array().unwrap().len() > 100);

    // Kept now: the second time no run is made, and every byte is the same.
    let kept = home.path().join("runs/.kept");
    let before = names(&kept);
    assert_eq!(before.len(), 2);
    let again = compare(home.path(), &[&["base", "voting-calm", "--json"], &CALM[..]].concat());
    assert_eq!((answer(&again), names(&kept)), (made, before));
}

#[test]
fn shards_that_nobody_needs_change_names_of_channels_and_no_metric() {
    let home = tempfile::tempdir().unwrap();
    let sides = ["voting-calm", "voting-calm", "--seeds", "2", "--set-b", "vote.shards=8"];
    let output = compare(home.path(), &[&sides[..], &CALM].concat());
    let said = text(&output.stdout);
    let begins = "EQUAL IN EVERY METRIC\n  Other messages, and nothing to see of it: 2 seeds, other digests, all ";
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with(begins) && said.contains("vote.shards = 4 → 8"), "{said}");
}

#[test]
fn a_slower_station_is_found_and_ends_the_gate_with_status_1() {
    let home = tempfile::tempdir().unwrap();
    let all = |more: &[&str]| {
        let arguments =
            [&["voting-calm", "voting-calm", "--seeds", "3", "--out", "out"], &CALM[..], &SLOW, more].concat();
        compare(home.path(), &arguments)
    };
    let output = all(&[]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "without a gate it only says so: {said}");
    assert!(said.starts_with("DIFFERENT\n") && said.contains("the same scenario but for "), "{said}");
    assert!(said.contains("stations.audit.service = "), "{said}");
    let output = all(&["--fail-over", "5%", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = answer(&output);
    let beyond: Vec<&str> = found["beyond"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(beyond.contains(&"ack.p99_ms") && beyond.contains(&"stations.audit.utilisation"), "{beyond:?}");
    assert!(!beyond.contains(&"lost"), "{beyond:?}");
    let metric =
        |name: &str| found["metrics"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    let ack = metric("ack.p50_ms");
    // Eighty milliseconds and more on each way through the database, in all three seeds.
    assert!(ack["difference"].as_f64().unwrap() > 60.0 && ack["half_width"].as_f64().unwrap() < 30.0, "{ack}");
    assert_eq!((&ack["pairs"], &metric("votes.accepted")["change"]), (&json!(3), &json!("same")));
    // Judged by what does not change, it passes.
    let output = all(&["--fail-over", "5%", "--metric", "votes.accepted", "--metric", "lost"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).starts_with("NOT WORSE BY MORE THAN 5 %\n"));
    let page = fs::read_to_string(home.path().join("out/report.html")).unwrap();
    assert!(page.contains("id=\"changes\"") && page.matches("<svg").count() == 2 && !page.contains("http"));
    assert_eq!(names(&home.path().join("out/plots")), ["by-seed.svg", "changes.svg"]);
    assert_eq!(names(home.path()), ["out", "runs"]);
}

#[test]
fn other_scenarios_may_be_compared_and_it_is_said() {
    let home = tempfile::tempdir().unwrap();
    let output = compare(home.path(), &["voting-calm", "voting-small", "--seeds", "1", "--set", "crowd.users=50"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("two different scenarios, voting-calm and voting-small"), "{said}");
    assert!(said.contains("One seed has no interval"), "{said}");
}

#[test]
fn wrong_input_is_one_line_that_says_what_would_be_right() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    run(folder, "one", "1", &[]);
    run(folder, "two", "2", &[]);
    fs::create_dir(folder.join("empty")).unwrap();
    let copy = |name: &str, change: &dyn Fn(String) -> String| {
        fs::create_dir(folder.join(name)).unwrap();
        let text = fs::read_to_string(folder.join("one/run.json")).unwrap();
        fs::write(folder.join(name).join("run.json"), change(text)).unwrap();
    };
    copy("cut", &|text| text[..text.len() / 2].to_string());
    copy("newer", &|text| text.replacen("\"format_version\": 1", "\"format_version\": 7", 1));
    copy("short", &|text| text.replacen("\"counters\"", "\"counted\"", 1));
    refused(
        folder,
        &["one", "empty"],
        &["empty: holds no run.json", "a run folder, a folder of run folders, or a scenario"],
    );
    refused(folder, &["one", "nowhere"], &["nowhere: no such file", "voting-calm"]);
    refused(folder, &["cut", "one"], &["cut/run.json: is no run.json that headcount wrote, or was cut"]);
    refused(folder, &["one", "newer"], &["newer/run.json: has format_version 7, this headcount reads 1"]);
    refused(folder, &["one", "short"], &["short/run.json: missing field `counters`"]);
    refused(folder, &["one", "two"], &["one has seed 1 and two has seed 2: name runs with seeds that both have"]);
    refused(folder, &["one", "one", "--seeds", "3"], &["--seeds: one is a run folder and has its own seeds"]);
    refused(folder, &["one", "one", "--set", "crowd.users=5"], &["--set: A and B are run folders"]);
    refused(folder, &["voting-calm", "one", "--set-b", "crowd.users=5"], &["--set-b: B is a run folder"]);
    refused(folder, &["one", "one", "--fail-over", "5"], &["--fail-over", "as in 5%"]);
    refused(folder, &["one", "one", "--metric", "ack.p99_ms"], &["--fail-over"]);
    let gate = |name| ["one", "one", "--fail-over", "5%", "--metric", name];
    refused(folder, &gate("ack.p99"), &["--metric ack.p99: is no metric of these runs; near it are ack.p99_ms"]);
    refused(folder, &["one", "one", "--out", "two"], &["two: is not empty and holds no compare.json", "--out DIR"]);
    refused(folder, &["one"], &["<B>", "headcount compare --help"]);
    // Two runs of one seed, or of two scenarios, are no set of seeds.
    fs::create_dir(folder.join("twice")).unwrap();
    run(folder, "twice/a", "1", &[]);
    run(folder, "twice/b", "1", &[]);
    refused(folder, &["one", "twice"], &["twice/b: seed 1 is there twice"]);
    run(folder, "mixed/a", "1", &[]);
    run(folder, "mixed/b", "2", &["--set", "vote.shards=2"]);
    refused(folder, &["one", "mixed"], &["mixed/b: is of another scenario than mixed/a"]);
}
