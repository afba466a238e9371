//! The one place where the command meets the simulation.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use headcount_workloads::outcome::Outcome;
use headcount_workloads::{catalogue, run};

pub use headcount_workloads::scenario::Scenario;

use crate::terminal::Problem;

/// A scenario and where it came from.
pub struct Loaded {
    pub scenario: Scenario,
    pub is_built_in: bool,
}

/// Finds a built-in scenario by its name, or reads a scenario file, and applies the overrides.
///
/// # Errors
/// No such scenario, a file that cannot be read, or wrong input in it.
pub fn load(named: &str, overrides: &[(String, String)]) -> Result<Loaded, Problem> {
    let scenario = Scenario::load(named, overrides).map_err(Problem::new)?;
    Ok(Loaded { scenario, is_built_in: Scenario::builtin(named).is_some() })
}

/// Where the virtual clock will stand at the end of a run, in nanoseconds from its start.
pub fn virtual_ns_total(scenario: &Scenario) -> u64 {
    scenario.end
}

/// Runs the scenario once. `progress` is moved on in virtual nanoseconds, up to [`virtual_ns_total`].
pub fn run_once(scenario: &Scenario, seed: u64, trace: bool, progress: Option<Arc<AtomicU64>>) -> Outcome {
    run::run(scenario, seed, run::RunOptions { trace, progress })
}

/// One part of the catalogue: its heading, and a name and a line for each entry.
pub type Part = (&'static str, Vec<(&'static str, &'static str)>);

/// Everything there is to run, to check, to break and to choose.
pub fn catalogue_parts() -> Vec<Part> {
    let part = |entries: &'static [catalogue::Entry]| entries.iter().map(|entry| (entry.name, entry.summary)).collect();
    vec![
        ("scenarios", part(catalogue::all())),
        ("properties", part(catalogue::properties())),
        ("faults", part(catalogue::faults())),
        ("limits profiles", part(catalogue::limits_profiles())),
    ]
}
