//! Why to believe the run: its certificate as a section.

use headcount_workloads::calibration::{Basis, Calibrated};
use headcount_workloads::certificate::Certificate;
use headcount_workloads::outcome::Outcome;

use super::html::{Cell, Narrow, paragraph, section, table};
use crate::number::three_digits;
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
        + &calibration(&certificate.calibration)
        + &paragraph("Of one seed there is no interval: a plan has one for each figure, over its seeds.");
    section("certificate", "Why to believe it", &body)
}

/// Where service times and latencies are from.
fn calibration(all: &[Calibrated]) -> String {
    let of = |basis: Basis| all.iter().filter(move |one| one.basis == basis).count();
    let said = format!(
        "Service times and latencies: {} of {} measured, {} from the scenario, {} from documents and public tables, {} assumed.",
        of(Basis::Measured),
        all.len(),
        of(Basis::Scenario),
        of(Basis::Documents),
        of(Basis::Assumed),
    );
    let row = |one: &Calibrated| {
        let basis = match one.basis {
            Basis::Measured => "measured",
            Basis::Scenario => "scenario",
            Basis::Documents => "documents",
            Basis::Assumed => "assumed",
        };
        vec![
            Cell::Code(one.what.clone()),
            Cell::Text(basis.to_string()),
            Cell::Number(three_digits(one.mean_ms)),
            Cell::Number(three_digits(one.p99_ms)),
            Cell::Text(one.source.clone()),
        ]
    };
    let rows: Vec<Vec<Cell>> = all.iter().map(row).collect();
    paragraph(&said) + &table(Narrow::Cards, &["What", "Basis", "#Mean, ms", "#p99, ms", "Source"], &rows)
}
