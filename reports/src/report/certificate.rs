//! Why to believe the run: its certificate as a section.

use headcount_workloads::certificate::Certificate;
use headcount_workloads::outcome::Outcome;

use super::html::{Cell, Narrow, table};
use super::sections::{paragraph, section};
use crate::summary::verdict_word;

/// The checks with their figures, and what was left out.
pub(super) fn section_of(outcome: &Outcome) -> String {
    let certificate = Certificate::of_run(&outcome.evidence);
    let row = |check: &headcount_workloads::certificate::Check| {
        let word = verdict_word(check.verdict);
        vec![
            Cell::Code(check.name.to_string()),
            Cell::Mark(word, word.to_string()),
            Cell::Text(check.says.to_string()),
            Cell::Text(check.found.clone()),
        ]
    };
    let rows: Vec<Vec<Cell>> = certificate.checks.iter().map(row).collect();
    let said = "Checks of the simulation itself: an inconclusive one had nothing to look at in this run.";
    let body = paragraph(said)
        + &table(Narrow::Cards, &["Check", "Verdict", "What must be so", "Found"], &rows)
        + &paragraph(&format!("Warm-up: {}.", certificate.warm_up))
        + &paragraph("Of one seed there is no interval: a plan has one for each figure, over its seeds.");
    section("certificate", "Why to believe it", &body)
}
