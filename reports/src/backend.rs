//! The one place where the command meets the simulation.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use headcount_workloads::outcome::Outcome;
use headcount_workloads::{catalogue, run};

pub use headcount_workloads::run::Prepared;

pub use headcount_workloads::scenario::Scenario;

use crate::terminal::Problem;

/// A scenario and where it came from.
pub struct Loaded {
    pub scenario: Scenario,
    pub is_built_in: bool,
}

/// Finds a built-in scenario by its name, or reads a scenario file, and applies the overrides and the thresholds of the
/// command line.
///
/// # Errors
/// No such scenario, a file that cannot be read, or wrong input in it.
pub fn load(named: &str, overrides: &[(String, String)], thresholds: &[String]) -> Result<Loaded, Problem> {
    let mut scenario = Scenario::load(named, overrides).map_err(Problem::new)?;
    for text in thresholds {
        scenario.add_thresholds(text).map_err(|bad| Problem::new(format!("--threshold {text:?}: {bad}")))?;
    }
    Ok(Loaded { scenario, is_built_in: Scenario::builtin(named).is_some() })
}

/// Where the virtual clock will stand at the end of a run, in nanoseconds from its start.
pub fn virtual_ns_total(scenario: &Scenario) -> u64 {
    scenario.end
}

/// Runs one seed of a scenario made ready, as the last thing this process simulates. `progress` is moved on in virtual nanoseconds, up to [`virtual_ns_total`].
pub fn run_once(prepared: &Prepared, seed: u64, trace: bool, progress: Option<Arc<AtomicU64>>) -> Outcome {
    prepared.run(seed, run::RunOptions { trace, progress, last: true })
}

/// One part of the catalogue: its heading, and a name and a line for each entry.
pub type Part = (&'static str, Vec<(&'static str, String)>);

/// Everything there is to run, to check, to break and to choose.
pub fn catalogue_parts() -> Vec<Part> {
    let scenarios = catalogue::all().iter().map(|entry| (entry.name, entry.summary.to_owned())).collect();
    vec![
        ("scenarios", scenarios),
        ("properties", catalogue::properties()),
        ("faults", catalogue::faults()),
        ("limits profiles", catalogue::limits_profiles()),
    ]
}
