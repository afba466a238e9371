//! What a run found, as files people and programs can read: `run.json`, CSV, HdrHistogram logs, plots, a report.
//!
//! Everything here but [`kept`], [`findings::find`] and what [`compare`] reads is a pure function of an [`Outcome`](headcount_workloads::outcome::Outcome): the same outcome gives
//! the same bytes, on any machine. The two facts that belong to the machine and not to the run, wall-clock time and
//! peak memory ([`host::HostFigures`]), stand last in `run.json` and nowhere else.

pub mod bill;
pub mod compare;
pub mod findings;
pub mod host;
pub mod jobs;
pub mod kept;
pub mod latency_files;
pub mod number;
pub mod plan;
pub mod plots;
pub mod report;
pub mod run_folder;
pub mod run_json;
pub mod scale;
pub mod summary;
pub mod table;
pub mod targets;
pub mod timeseries;

#[cfg(test)]
#[path = "../tests/fixture/mod.rs"]
mod fixture;
