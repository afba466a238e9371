//! What the documents' own logic keeps and breaks, as a page to forward: `findings.md`, the same as `report.html`, and
//! `findings.json` for programs.

mod markdown;
mod page;

use std::ops::RangeInclusive;
use std::sync::atomic::AtomicU64;

use headcount_workloads::findings::{Finding, of, systems};

use crate::jobs::in_order;

pub use markdown::markdown;

/// Every system's findings over so many seeds, by so many threads; `done` counts runs. The same whatever `jobs` is.
pub fn find(seeds: u64, jobs: usize, done: &AtomicU64) -> Vec<Finding> {
    let crew = |seeds: RangeInclusive<u64>, work: &(dyn Fn(u64) + Sync)| {
        in_order(jobs, &seeds.collect::<Vec<u64>>(), |seed| work(*seed));
    };
    systems().into_iter().map(|system| of(system, seeds, &crew, done)).collect()
}

/// Every file of the page's folder: its name, and its bytes. A pure function of the findings.
pub fn files(findings: &[Finding]) -> Vec<(String, Vec<u8>)> {
    let text = markdown(findings);
    vec![
        ("findings.json".to_string(), json(findings).into_bytes()),
        ("report.html".to_string(), page::html(findings, &text).into_bytes()),
        ("findings.md".to_string(), text.into_bytes()),
    ]
}

/// For programs.
pub fn json(findings: &[Finding]) -> String {
    format!("{:#}\n", serde_json::json!({ "written_by": "headcount", "format_version": 1, "findings": findings }))
}
