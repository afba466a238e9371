//! One side of a comparison: runs of one scenario by seed, made now, kept from before, or read from run folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use headcount_workloads::metric::{Measured, Parts};
use headcount_workloads::outcome::{Outcome, StationFigures, Verdict};
use headcount_workloads::scenario::Scenario;
use serde::{Deserialize, Serialize};

use crate::run_json::{FORMAT_VERSION, is_ours};

/// A run, as far as a comparison looks at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneRun {
    /// In hex, as in `run.json`.
    pub digest: String,
    pub metrics: Measured,
}

impl OneRun {
    /// What is kept of it is known by these words.
    pub const LOOKED_AT: &str = "digest and metrics";

    /// Of a run made now.
    pub fn of(outcome: &Outcome) -> Self {
        Self { digest: format!("{:016x}", outcome.digest), metrics: Measured::of(outcome) }
    }
}

/// Runs of one scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// As the user named it.
    pub label: String,
    /// `voting-calm`; of a folder, the name in it.
    pub scenario: String,
    pub pattern: String,
    pub variant: String,
    /// Every key written out.
    pub scenario_toml: String,
    /// Whether the runs were read from folders.
    pub is_read: bool,
    pub runs: BTreeMap<u64, OneRun>,
}

impl Side {
    /// Of runs of a scenario.
    pub fn made(label: &str, scenario: &Scenario, runs: BTreeMap<u64, OneRun>) -> Self {
        Self {
            label: label.to_string(),
            scenario: scenario.name.clone(),
            pattern: scenario.pattern.clone(),
            variant: scenario.variant.name().to_string(),
            scenario_toml: scenario.to_toml(),
            is_read: false,
            runs,
        }
    }

    /// Of a run folder, or of a folder that holds run folders: of one scenario, each seed once.
    ///
    /// # Errors
    /// In one line: no run there, a file that is none of ours or of another version, runs that do not belong together.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let mut side: Option<Self> = None;
        let mut first = PathBuf::new();
        for run in run_folders(folder)? {
            let (one, seed, found) = read_run(&run.join("run.json"))?;
            let one = Self { label: folder.display().to_string(), ..one };
            let side = match &mut side {
                None => {
                    first.clone_from(&run);
                    side.insert(one)
                }
                Some(side) if side.scenario_toml == one.scenario_toml => side,
                Some(_) => {
                    let (run, first) = (run.display(), first.display());
                    return Err(format!(
                        "{run}: is of another scenario than {first}; compare folders of one scenario each"
                    ));
                }
            };
            if side.runs.insert(seed, found).is_some() {
                return Err(format!("{}: seed {seed} is there twice; each seed counts once", run.display()));
            }
        }
        side.ok_or_else(|| nothing(folder))
    }
}

fn nothing(folder: &Path) -> String {
    format!("{}: holds no run.json; name a run folder, a folder of run folders, or a scenario", folder.display())
}

/// The folder itself, or those in it that hold a run, in alphabetical order.
fn run_folders(folder: &Path) -> Result<Vec<PathBuf>, String> {
    if folder.join("run.json").is_file() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let cannot = |error: std::io::Error| format!("{}: cannot be read ({error})", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.join("run.json").is_file() {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() { Err(nothing(folder)) } else { Ok(found) }
}

/// What of `run.json` is read. What an older one does not have is left at nothing.
#[derive(Deserialize)]
struct File {
    scenario: String,
    pattern: String,
    variant: String,
    seed: u64,
    digest: String,
    properties: Vec<PropertyInFile>,
    counters: BTreeMap<String, u64>,
    figures: BTreeMap<String, Option<f64>>,
    latencies: BTreeMap<String, LatencyInFile>,
    stations: Vec<StationFigures>,
    scenario_toml: String,
    virtual_s: f64,
    messages: u64,
    deliveries: u64,
}

#[derive(Deserialize)]
struct PropertyInFile {
    verdict: Verdict,
}

#[derive(Deserialize)]
struct LatencyInFile {
    count: u64,
    mean_ms: Option<f64>,
}

fn read_run(file: &Path) -> Result<(Side, u64, OneRun), String> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{shown}: cannot be read ({error})"))?;
    if !is_ours(&text) {
        return Err(format!("{shown}: is no run.json that headcount wrote, or was cut; make the run again"));
    }
    let version = serde_json::from_str::<serde_json::Value>(&text).map(|run| run["format_version"].as_u64());
    if !matches!(version, Ok(Some(version)) if version == u64::from(FORMAT_VERSION)) {
        let version = version.ok().flatten().unwrap_or_default();
        return Err(format!(
            "{shown}: has format_version {version}, this headcount reads {FORMAT_VERSION}; make the run again with it"
        ));
    }
    let run: File = serde_json::from_str(&text).map_err(|error| format!("{shown}: {error}; make the run again"))?;
    let figures = run.figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let metrics = Measured::of_parts(&Parts {
        counters: &run.counters,
        figures: &figures,
        latencies: run.latencies.iter().map(|(name, one)| (name.as_str(), one.count, one.mean_ms)).collect(),
        stations: &run.stations,
        verdicts: run.properties.iter().map(|property| property.verdict).collect(),
        deliveries: run.deliveries,
        messages: run.messages,
        virtual_s: run.virtual_s,
    });
    let side = Side {
        label: String::new(),
        scenario: run.scenario,
        pattern: run.pattern,
        variant: run.variant,
        scenario_toml: run.scenario_toml,
        is_read: true,
        runs: BTreeMap::new(),
    };
    Ok((side, run.seed, OneRun { digest: run.digest, metrics }))
}
