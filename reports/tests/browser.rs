//! The pages in a real browser, where one is installed: the answer stands in what it shows, and it asks nobody for anything.

mod command_line;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use command_line::{headcount, text};
use serde_json::Value;

/// What headless Chromium is called on different systems.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES.iter().flat_map(|name| places.iter().map(move |place| place.join(name))).find(|file| file.is_file())
}

/// What a browser made of a page: its document as text, and the addresses that the page asked for.
struct Seen {
    document: String,
    asked: Vec<String>,
}

/// Opens a page in a browser with a profile of its own and no names to resolve.
fn open(browser: &Path, home: &Path, page: &Path) -> Seen {
    let (profile, log) = (home.join("profile"), home.join("network.json"));
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", page.display(), text(&output.stderr));
    let log: Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    let events = log["events"].as_array().unwrap();
    // What a browser asks for on its own account has no page as its origin.
    let asked = events.iter().filter_map(|event| {
        let (url, by) = (event["params"]["url"].as_str()?, event["params"]["initiator"].as_str()?);
        (url.starts_with("http") && by != "not an origin").then(|| url.to_string())
    });
    Seen { asked: asked.collect(), document: text(&output.stdout) }
}

#[test]
fn pages_show_their_answer_and_ask_nobody_for_anything() {
    let Some(browser) = browser() else {
        println!("skipped: no browser is installed (looked for {})", NAMES.join(", "));
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(home.path()).unwrap();

    // The test itself must see a page that asks for something.
    let asking = folder.join("asking.html");
    fs::write(&asking, "<h1>asks</h1><img src=\"http://headcount.invalid/picture.png\">").unwrap();
    let seen = open(&browser, &folder, &asking);
    assert!(seen.asked.iter().any(|url| url == "http://headcount.invalid/picture.png"), "{:?}", seen.asked);

    let run = headcount(&folder, &["run", "voting-small", "--out", "run", "--quiet"]);
    assert!(folder.join("run/report.html").is_file(), "{}", text(&run.stderr));
    let seen = open(&browser, &folder, &folder.join("run/report.html"));
    assert!(seen.asked.is_empty(), "{:?}", seen.asked);
    assert!(seen.document.contains("Headcount run report") && seen.document.contains("<svg"));

    let asked = ["plan", "voting-calm", "--users", "2000", "--rate", "50", "--slo", "ack.p99_ms<500,lost==0"];
    let plan = headcount(&folder, &[&asked[..], &["--seeds", "2", "--out", "plan", "--quiet"]].concat());
    assert_eq!(plan.status.code(), Some(0), "{}", text(&plan.stderr));
    // The page's heading begins as the terminal's answer does: `use 1 vote shard, …`.
    let said = text(&plan.stdout);
    let answer = said.strip_prefix("use ").unwrap().split(',').next().unwrap();
    let seen = open(&browser, &folder, &folder.join("plan/report.html"));
    assert!(seen.asked.is_empty(), "{:?}", seen.asked);
    assert!(seen.document.contains(&format!("Use {answer}</span>")), "{answer} is not in the heading");
    assert!(fs::metadata(folder.join("plan/report.html")).unwrap().len() < 3_000_000);

    let sides =
        ["compare", "voting-calm", "voting-calm", "--set", "crowd.users=100", "--set", "crowd.arrivals.rate_per_s=10"];
    let slow = "stations.audit.service={ kind = \"constant\", ms = 100.0 }";
    let gate = ["--set-b", slow, "--seeds", "1", "--fail-over", "5%", "--metric", "ack.p99_ms", "--out", "compare"];
    let compare = headcount(&folder, &[&sides[..], &gate].concat());
    assert_eq!(compare.status.code(), Some(1), "{}", text(&compare.stderr));
    let seen = open(&browser, &folder, &folder.join("compare/report.html"));
    assert!(seen.asked.is_empty(), "{:?}", seen.asked);
    // The heading has the terminal's first line, in small letters.
    let said = text(&compare.stdout).lines().next().unwrap().to_lowercase();
    assert!(seen.document.contains(&format!("{said}</span>")) && seen.document.contains("<svg"), "{said}");
    assert!(fs::metadata(folder.join("compare/report.html")).unwrap().len() < 3_000_000);
}
