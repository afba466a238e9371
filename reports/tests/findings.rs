//! The page of findings: a copy is kept, and is what the program finds.

use std::sync::atomic::AtomicU64;

use headcount_reports::findings;
use headcount_workloads::findings::SEEDS;

/// Every run of the page once more: the kept copy is from the same binary, or it is old.
#[test]
fn the_kept_page_is_what_the_program_finds() {
    let found = findings::find(SEEDS, 2, &AtomicU64::new(0));
    let files = findings::files(&found);
    let page = |name: &str| {
        let (_, bytes) = files.iter().find(|(file, _)| file == name).expect("the page has this file");
        String::from_utf8(bytes.clone()).expect("a page is text")
    };
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../workloads/FINDINGS.md"));
    let kept = kept.unwrap_or_default();
    let new = page("findings.md");
    let differs = kept.lines().zip(new.lines()).position(|(kept, new)| kept != new);
    assert!(
        kept == new,
        "workloads/FINDINGS.md: line {} is not what the program finds; if that is right: cargo run --release -- findings --out \
         runs/findings && cp runs/findings/findings.md workloads/FINDINGS.md",
        differs.unwrap_or(kept.lines().count().min(new.lines().count())) + 1
    );
    // Every documented variant breaks something, no hardened one anything, and the page says so.
    for finding in &found {
        assert!(finding.promises.iter().any(|promise| promise.broken_in > 0), "{}", finding.system);
        assert!(finding.promises.iter().all(|promise| promise.hardened_broken_in == 0), "{}", finding.system);
    }
    let html = page("report.html");
    assert!(html.contains("<title>What the documents keep, and what they break</title>"));
    // Addresses stand in the stories; nothing is fetched from any.
    for fetches in ["src=", "href=", "<script", "<link", "@import", "url("] {
        assert!(!html.contains(fetches), "{fetches}");
    }
}
