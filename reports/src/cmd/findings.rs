//! `headcount findings`: what the documents' own logic keeps and breaks, as a page.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use headcount_reports::number::count_of;
use headcount_reports::{findings, jobs, run_folder};
use headcount_workloads::findings::{Finding, systems};

use crate::cli::FindingsOptions;
use crate::progress::{Progress, Unit};
use crate::terminal::{self, Problem};

/// Runs of one system besides two a seed: sizes tried, and both prices. An estimate, for the progress.
const MORE_RUNS: u64 = 400;

/// Finds, writes, and says what was broken. Status 0: that the documents' own logic breaks is expected; 1 if a hardened variant
/// breaks too.
///
/// # Errors
/// Files that cannot be written.
pub fn findings(options: &FindingsOptions) -> Result<ExitCode, Problem> {
    let folder = options.out.clone().unwrap_or_else(|| Path::new("runs").join("findings"));
    run_folder::check_as(&run_folder::FINDINGS, &folder).map_err(Problem::new)?;
    let (jobs, done) = (jobs::or_cores(options.jobs), Arc::new(AtomicU64::new(0)));
    let total = systems().len() as u64 * (2 * options.seeds + MORE_RUNS);
    let progress = Progress::start("findings", Unit::Seeds, Arc::clone(&done), total, options.quiet);
    let found = findings::find(options.seeds, jobs, &done);
    drop(progress);
    run_folder::write_as(&run_folder::FINDINGS, &folder, &findings::files(&found)).map_err(Problem::new)?;
    terminal::print(&if options.json { findings::json(&found) } else { said(&found, &folder) })?;
    let hardened_breaks = found.iter().any(|finding| finding.hardened_broken() > 0);
    Ok(ExitCode::from(u8::from(hardened_breaks)))
}

fn said(found: &[Finding], folder: &Path) -> String {
    let mut text = String::new();
    for finding in found {
        text.push_str(&format!(
            "{}: the document's logic breaks {} of {}, the hardened one {}\n",
            finding.system,
            count_of(finding.broken() as u64, "promise", "promises"),
            finding.promises.len(),
            finding.hardened_broken()
        ));
    }
    text.push_str(&format!("{}\n", folder.join("report.html").display()));
    text
}
