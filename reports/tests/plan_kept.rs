//! A plan makes no run twice: repeated, it reads what was kept; interrupted, it goes on where it was.

mod command_line;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use command_line::{headcount, names, text};

/// A plan of a few seconds of virtual time for a run.
const PLAN: [&str; 14] = [
    "plan",
    "voting-calm",
    "--users",
    "300",
    "--rate",
    "20",
    "--slo",
    "ack.p99_ms<600,lost==0",
    "--seeds",
    "2",
    "--jobs",
    "2",
    "--headroom",
    "1",
];

/// Files by name.
type Files = Vec<(String, Vec<u8>)>;

/// Runs the plan in `folder`: the bytes of its files by name, and how many runs were made and how many were kept.
fn plan(folder: &Path) -> (Files, (u64, u64)) {
    let output = headcount(folder, &PLAN);
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0)), "{said}{}", text(&output.stdout));
    let line = said.lines().find(|line| line.contains("kept from before")).expect("the plan says what was kept");
    // `64 runs made, 0 runs kept from before in runs/.kept`
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.replace(',', "").parse().ok()).collect();
    let out = folder.join("runs/plan-voting-calm");
    let file = |name: String| (name.clone(), fs::read(out.join(name)).unwrap());
    let plots = names(&out.join("plots")).into_iter().map(|name| format!("plots/{name}"));
    let files = names(&out).into_iter().filter(|name| name != "plots").chain(plots).map(file).collect();
    (files, (numbers[0], numbers[1]))
}

#[test]
fn a_plan_that_is_repeated_makes_no_run_and_the_same_files() {
    let home = tempfile::tempdir().unwrap();
    let (files, (made, kept)) = plan(home.path());
    assert!(made > 10 && kept == 0, "{made} {kept}");
    assert!(files.iter().any(|(name, _)| name == "plan.json"));
    let (again, runs) = plan(home.path());
    assert!(files == again);
    assert_eq!(runs, (0, made));

    // Of every three results one is lost and one is cut in the middle: these are made again, and nothing else changes.
    let folder = home.path().join("runs/.kept");
    let (mut lost, mut cut) = (0, 0);
    for (index, name) in names(&folder).iter().enumerate() {
        let file = folder.join(name);
        match index % 3 {
            0 => {
                fs::remove_file(file).unwrap();
                lost += 1;
            }
            1 => {
                let bytes = fs::read(&file).unwrap();
                fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
                cut += 1;
            }
            _ => {}
        }
    }
    let (again, runs) = plan(home.path());
    assert!(files == again);
    assert_eq!(runs, (lost + cut, made - lost - cut));
}

#[test]
fn a_plan_that_was_killed_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("runs/.kept");
    let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(PLAN)
        .current_dir(home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let results =
        || if folder.is_dir() { names(&folder).iter().filter(|name| name.ends_with(".json")).count() } else { 0 };
    while results() < 3 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (files, (_, kept)) = plan(home.path());
    assert!(kept >= 3, "{kept}");
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(files == plan(elsewhere.path()).0);
}

#[test]
fn a_place_where_nothing_can_be_kept_is_refused_before_the_plan() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), "x").unwrap();
    let output = headcount(home.path(), &[&PLAN[..], &["--kept", "file/kept", "--out", "plan"]].concat());
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("file/kept: cannot be written") && line.lines().count() == 1, "{line}");
}
