//! Writes the run folder of the tests' fixture, to look at plots and report without a run:
//! `cargo run -p headcount-reports --example fixture_report -- FOLDER [violated|friends]`.

use std::path::Path;

use headcount_reports::host::HostFigures;
use headcount_reports::{run_folder, summary};

#[path = "../tests/fixture/mod.rs"]
mod fixture;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder? Give its name as the first argument")?;
    let outcome = match arguments.next().as_deref() {
        Some("violated") => fixture::violated(),
        Some("friends") => fixture::friends(),
        _ => fixture::outcome(),
    };
    let host = HostFigures { wall_s: 12.3, peak_rss_bytes: Some(1 << 30) };
    let repeat = format!("headcount run {} --seed {}", outcome.scenario, outcome.seed);
    let written = run_folder::write(Path::new(&folder), &outcome, &host, &repeat, None)?;
    print!("{}", summary::text(&outcome, &host, Some(&written), &repeat));
    Ok(())
}
